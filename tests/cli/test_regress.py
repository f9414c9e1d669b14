"""Recorded runs as regression tests: `theater replay FILE`, `theater test`, the pytest plugin."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import COMPONENTS, ROOT, Home, actor
from tests.waiting import WAIT_S, eventually
from theater.testing import plugin

CALM = "[supervisor]\nintensity = 100\nperiod = 1\n"
DIFFERENCE = """turn 1, event 1 is not as it was recorded
  the last events before it
    1.0  wasm-call   init("shop/b"), state none
  recorded
    1.1  host-call   log("started")
  now
    1.1  host-call   log("Started")
  what differs
    arguments[0]: "started" -> "Started"
  likely cause
    the component is another one: """


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Home]:
    """`one.theater` and `two.theater`, and a new build of the probe that says something else."""
    home = Home(tmp_path_factory.mktemp("runs"), cache)
    shop = '[[child]]\nname = "shop"\nsupervisor = { intensity = 100, period = 1 }\n'
    inner = "".join(actor(name).replace("[[child]]", "[[child.child]]") for name in "bc")
    home.write(actor("a"), shop, inner, head=CALM)
    try:
        home.out("up", "-d")
        home.ask("shop/b", "set hello")
        home.ask("a", "request shop/b trap\nlog went on")
        home.out("down")
        home.out("record", "-o", "one.theater")
        home.out("up", "-d")
        home.ask("shop/c", "count")
        home.out("down")
        home.out("record", "-o", "two.theater")
        probe = (COMPONENTS / "probe.wat").read_text()
        (home.directory / "new.wat").write_text(probe.replace('"started', '"Started'))
        (home.directory / "same.wat").write_text(probe + "\n;; the same again\n")
        yield home
    finally:
        home.end()


def test_a_file_is_replayed_like_a_data_directory(runs: Home, tmp_path: Path) -> None:
    run = str(runs.directory / "one.theater")
    text = runs.out("replay", run, cwd=tmp_path)
    assert [line.split()[0] for line in text.splitlines() if "identical" in line] == [
        "a",
        "shop/b",
        "shop/c",
    ]
    assert runs.out("replay", run, "shop/c", cwd=tmp_path).startswith("shop/c  1 turn, 3 events:")
    assert "no actor" in runs.fails(1, "replay", run, "nobody", cwd=tmp_path)
    assert os.listdir(tmp_path) == []


def test_runs_that_are_as_they_were_pass(runs: Home) -> None:
    text = runs.out("test", "one.theater", "two.theater")
    assert text.splitlines()[-1] == "2 runs, 6 actors: 6 as recorded"
    rows = [json.loads(line) for line in runs.out("test", "one.theater", "--json").splitlines()]
    assert [(row["actor"], row["identical"]) for row in rows] == [
        ("a", True),
        ("shop/b", True),
        ("shop/c", True),
    ]


def test_another_build_is_judged_by_what_it_does(runs: Home) -> None:
    text = runs.out("test", "one.theater", "--component", "shop=same.wat")
    assert text.splitlines()[-1] == "1 run, 3 actors: 3 as recorded"
    done = runs.run("test", "one.theater", "two.theater", "--component", "shop/b=new.wat")
    text = done.stdout.decode()
    assert done.returncode == 7
    assert text.count(DIFFERENCE) == 2
    assert text.splitlines()[-1] == "2 runs, 6 actors: 4 as recorded, 2 not"
    done = runs.run("test", "one.theater", "--component", "shop=new.wat", "--json")
    rows = {row["actor"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert {name: row["identical"] for name, row in rows.items()} == {
        "a": True,
        "shop/b": False,
        "shop/c": False,
    }
    assert rows["shop/b"]["difference"]["changes"] == ['arguments[0]: "started" -> "Started"']


def test_what_cannot_be_asked_or_replayed_is_said(runs: Home) -> None:
    assert "say ACTOR=FILE" in runs.fails(2, "test", "one.theater", "--component", "new.wat")
    errors = runs.fails(2, "test", "one.theater", "--component", "sho=new.wat")
    assert 'no actor "sho" is in a run' in errors
    (runs.directory / "bad.theater").write_bytes(b"no")
    for code, file, why in (
        (7, "bad.theater", "bad.theater is no recorded run"),
        (6, "none.theater", "No such file"),
    ):
        done = runs.run("test", file, "one.theater")
        assert done.returncode == code and why in done.stdout.decode()
        assert done.stdout.decode().endswith(": 3 as recorded, 1 could not be replayed\n")
    done = runs.run("test", "one.theater", "--component", "a=none.wat")
    assert done.returncode == 3
    assert b"a  cannot be replayed: none.wat" in done.stdout.replace(b"     cannot", b"  cannot")
    assert done.stdout.decode().endswith(": 2 as recorded, 1 could not be replayed\n")


# pytest


def pytest_run(runs: Home, directory: Path, *arguments: str) -> tuple[int, str]:
    """Its exit code and what it prints, in a directory with links to the runs."""
    for name in ("one.theater", "new.wat"):
        if not (directory / name).exists():
            (directory / name).symlink_to(runs.directory / name)
    return runs.pytest(directory, *arguments)


def ini(directory: Path, *lines: str) -> None:
    (directory / "pytest.ini").write_text("\n".join(["[pytest]", *lines, ""]))


def test_pytest_collects_each_actor_of_a_run(runs: Home, tmp_path: Path) -> None:
    ini(tmp_path, "addopts = --strict-markers --strict-config")
    code, text = pytest_run(runs, tmp_path, "-v")
    assert code == 0, text
    found = re.findall(r"^one\.theater::(\S+) PASSED", text, re.MULTILINE)
    assert found == ["a", "shop/b", "shop/c"]
    assert pytest_run(runs, tmp_path, "-m", "not theater")[0] == 5, "none is left"


def test_a_fresh_build_is_replayed_and_its_difference_is_the_failure(
    runs: Home, tmp_path: Path
) -> None:
    ini(tmp_path, "theater_components =", "    shop/b = new.wat")
    code, text = pytest_run(runs, tmp_path)
    assert code == 1
    assert DIFFERENCE.replace("\n  ", "\n") in text, text
    assert "Traceback" not in text and "2 passed" in text and "1 failed" in text
    code, text = pytest_run(runs, tmp_path, "--theater-component", "shop=new.wat")
    assert "1 passed" in text and "2 failed" in text


def test_a_file_that_is_no_run_is_an_error_and_no_traceback(runs: Home, tmp_path: Path) -> None:
    (tmp_path / "bad.theater").write_bytes(b"no")
    code, text = pytest_run(runs, tmp_path)
    assert code == 2 and "bad.theater is no recorded run" in text and "Traceback" not in text
    code, text = pytest_run(runs, tmp_path, "one.theater", "--theater-component", "nonsense")
    assert "say ACTOR=FILE" in text


def test_the_plugin_imports_nothing_of_theater_before_it_is_used() -> None:
    code = (
        "import sys, theater.testing.plugin\n"
        "print([m for m in sys.modules if m.startswith('theater.')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().strip() == "['theater.testing', 'theater.testing.plugin']"


def test_pytest_finds_the_plugin_by_itself_where_theater_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"theater": plugin.__name__}


@pytest.mark.parametrize("how", [("test", "{run}", "{run}"), ("--data", "{run}", "replay")])
def test_one_that_is_told_to_end_leaves_nothing_unpacked(
    runs: Home, tmp_path: Path, how: tuple[str, ...]
) -> None:
    run = str(runs.directory / "one.theater")
    command = runs.command(*(word.replace("{run}", run) for word in how))
    env = {**runs.env, "TMPDIR": str(tmp_path)}

    def unpacked() -> list[Path]:
        return list(tmp_path.glob("theater-run-*"))

    with subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        eventually(lambda: unpacked() or process.poll() is not None, "it to be unpacked")
        process.terminate()
        assert process.stderr is not None and process.stderr.read() == b""
        assert process.wait(WAIT_S) in (0, 128 + signal.SIGTERM)
    assert unpacked() == []
