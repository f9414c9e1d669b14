"""`theater doctor`: everything it says has a reason, and what is missing has something to do."""

from __future__ import annotations

import io
import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import ROOT, Home
from theater.cli.doctor import lines, verdict
from theater.cli.terminal import Stream
from theater.project.doctor import COMPONENTIZE_PY, can_run
from theater.project.findings import RUN, Finding, State, missing, noted, ok
from theater.project.machine import PACKAGES, PYTHON_MIN, WASMTIME

AREAS = [RUN, *(f"to build actors in {each}" for each in ("Python", "JavaScript", "Rust", "WAT"))]


def rows(home: Home, code: int = 0, **env: str) -> dict[str, dict[str, Any]]:
    done = home.run("doctor", "--json", env=env)
    assert done.returncode == code, done.stderr.decode()
    return {row["name"]: row for row in json.loads(done.stdout)}


def test_where_these_tests_run_actors_run(home: Home) -> None:
    found = rows(home)
    assert list(dict.fromkeys(row["area"] for row in found.values())) == AREAS
    for name in ("Linux", "Python", "pidfd_open", "child subreaper", "openat2", "wasmtime"):
        assert found[name]["state"] == "ok" and found[name]["needed_to_run"]
    assert found["clone3"]["state"] in ("ok", "note")
    assert found["componentize-py"]["state"] == "ok"
    assert all(row["todo"] for row in found.values() if row["state"] == "missing")


def test_missing_tools_are_named_and_do_not_keep_actors_from_running(home: Home) -> None:
    found = rows(home, PATH="/nowhere")
    for name in ("node", "npm", "cargo", "wasm32-wasip2"):
        assert found[name]["state"] == "missing" and not found[name]["needed_to_run"]
    assert "https://nodejs.org" in found["node"]["todo"]
    assert "https://rustup.rs" in found["cargo"]["todo"]
    told = home.out("doctor", env={"PATH": "/nowhere"})
    assert told.endswith("ok: actors run here; they can be built in Python, WAT\n")


def test_what_running_needs_makes_it_fail(home: Home) -> None:
    (home.directory / "file").touch()
    found = rows(home, 6, XDG_CACHE_HOME=str(home.directory / "file"))
    assert found["cache"]["state"] == "missing"
    assert found["cache"]["found"].endswith("cannot be written: Not a directory")
    assert "XDG_CACHE_HOME" in found["cache"]["todo"]

    command = ["sh", "-c", 'ulimit -n 200; exec "$@"', "sh", *home.command("doctor")]
    done = subprocess.run(command, cwd=home.directory, env=home.env, capture_output=True)
    assert done.returncode == 6
    assert b"raise the hard limit" in done.stdout
    assert done.stdout.endswith(b"before this is mended: open files\n")


def test_what_it_asks_for_is_what_is_installed_with_theater() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    least = dict(each.split(">=") for each in project["dependencies"] if ">=" in each)
    assert {name: least[name].partition(".")[0] for name in PACKAGES} == PACKAGES
    assert f"wasmtime=={WASMTIME}.*" in project["dependencies"]
    assert project["requires-python"] == f">={'.'.join(map(str, PYTHON_MIN))}"
    [tool] = project["optional-dependencies"]["python"]
    assert tool == f"{COMPONENTIZE_PY.replace(' ', '==')}*"


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("area", AREAS)
def test_only_what_running_needs_keeps_actors_from_running(area: str, state: State) -> None:
    found = [ok(RUN, "Linux", "6"), Finding(area, "x", state, "found", "todo")]
    assert can_run(found) == (area != RUN or state is not State.MISSING)
    assert verdict(found).startswith("ok: ") == can_run(found)


def test_it_is_laid_out_for_the_terminal_it_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        ok(RUN, "Linux", "6.1"),
        noted(RUN, "SQLite", "3.40 " * 12, "something to do " * 6),
        missing(AREAS[1], "tool", "\x1b[31mnot there", "install it"),
    ]
    monkeypatch.setattr(Stream, "width", lambda self: 60)
    told = list(lines(found, Stream(io.StringIO())))
    assert all(len(line) <= 60 for line in told)
    assert told[0] == RUN and AREAS[1] in told
    assert not any("\x1b" in line for line in told)
    assert any(line.endswith("install it") for line in told)


def test_the_probe_leaves_no_process(home: Home) -> None:
    assert Path(f"/proc/{home.popen('doctor').pid}").exists()
    for each in home._open:
        each.wait()
    assert home.processes() == []
