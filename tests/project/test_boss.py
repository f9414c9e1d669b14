"""An actor in Python that spawns: the one that docs/spawning.md shows, built with what is tried."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import ROOT, Home
from tests.cli.pages import BLOCK, Shell, agrees, commands
from tests.project.projects import HERE, project
from tests.real.conftest import Theater
from tests.waiting import eventually
from theater.client import System
from theater.project.names import names
from theater.project.new import rendered

PAGE = (ROOT / "docs" / "spawning.md").read_text()
FILES = dict(re.findall(r"^```(?:python|toml)\n# ([\w.]+)\n(.*?)^```$", PAGE, re.S | re.M))
# The page's own class, with a word for each other function.
MORE = """
from theater_actor import Message, child_events, child_state, children, resume
from theater_actor import shutdown, stop_child, subscribe, unsubscribe

from boss import Boss


class Tried(Boss):
    def on_request(self, message: Message, request: str) -> object:
        word, _, child = message.text.partition(" ")
        match word:
            case "children":
                return children()
            case "resume":
                return resume("worker.toml", "41")
            case "stop":
                return stop_child(child)
            case "state":
                return child_state(child)
            case "events":
                return [event.type for event in child_events(child)]
            case "subscribe":
                return subscribe(child)
            case "unsubscribe":
                return unsubscribe(child)
        return super().on_request(message, request)

    def on_child_event(self, child: str, type: str, data: bytes) -> None:
        self.state.failures[f"{child} {type}"] = len(data)
"""


@pytest.fixture
def boss(tmp_path: Path) -> Iterator[System]:
    manifest = FILES["theater.toml"].replace('"boss.py"', '{ source = "more.py", actor = "Tried" }')
    manifest = manifest.replace('name = "boss"\n\n', 'name = "boss"\ndurability = "process"\n\n', 1)
    directory = project(
        "boss",
        boss_py=FILES["boss.py"],
        more_py=MORE,
        theater_toml=manifest,
        worker_toml=FILES["worker.toml"],
    )
    [text] = [text for path, text in rendered("wat", names("worker")) if path.suffix == ".wat"]
    (HERE / "boss" / "worker").mkdir(exist_ok=True)
    (HERE / "boss" / "worker" / "worker.wat").write_text(text)
    theater = Theater(tmp_path, replays=True)
    theater.data = directory / ".theater"  # where the page's commands look for it
    shutil.rmtree(theater.data, ignore_errors=True)
    with System.start(directory / "theater.toml", str(theater.data)) as system:
        theater.take(system)
        yield system
        theater.note(system)
    theater.end()


def test_a_boss_looks_after_its_workers(boss: System, tmp_path: Path) -> None:
    def told(text: str) -> Any:
        return json.loads(boss.request("boss", text.encode(), timeout_s=60))

    def raw(text: str) -> bytes:
        return boss.request("boss", text.encode(), timeout_s=60)

    assert told("children") == ["boss/worker"]
    shell = Shell(Home(tmp_path, HERE.parent.parent))
    shell.cwd = HERE / "boss"
    for command, expected in commands(BLOCK.findall(PAGE)[1]):
        printed = shell.printed(command)
        assert agrees(printed, expected), f"$ {command}\n{printed}"
    assert raw("state boss/worker-2") == b"8"
    seen = told("events boss/worker-2")
    assert seen[-1] == "ready" and seen.count("wasm-result") == 2  # of init, and of the request

    # It fails, and the boss is told.
    os.kill(boss.actor("boss/worker-2")["pid"], signal.SIGKILL)
    eventually(lambda: told("failures") == {"boss/worker-2": 1}, "the boss to be told")
    assert boss.request("boss/worker-2", b"bob") == b"9"
    assert boss.lines("boss") == [
        "boss/worker-2 was stopped, and is wanted",
        "boss/worker-2 has failed: killed by SIGKILL",
    ]

    # What it does itself it is not told of; and what it does not want it is not told.
    assert raw("resume") == b"boss/worker-3" and raw("stop boss/worker-3") == b""
    assert boss.actor("boss/worker-3")["status"] == "stopped"
    assert raw("1") == b"no worker: refused: boss has spawned 3 actors, and max_children is 3"
    assert raw("subscribe boss/worker") == b""
    boss.request("boss/worker", b"dot")
    eventually(lambda: len(told("failures")) == 4, "the events of a turn")
    assert raw("unsubscribe boss/worker") == b""


def test_the_test_of_the_page_passes(tmp_path: Path) -> None:
    for name in ("boss.py", "test_boss.py"):
        (tmp_path / name).write_text(FILES[name])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'theater' / 'sdk'}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout
