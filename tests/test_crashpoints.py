"""Crash points: off they do nothing, armed they fire once, and each has its place in the code."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

from theater import crashpoints
from theater.crashpoints import POINTS, VARIABLE, Shot, arm, disarm, is_armed

PACKAGE = Path(__file__).parent.parent / "theater"
FORKS = """
import os, sys
from theater.crashpoints import reached
while True:
    if os.fork():
        status = os.waitstatus_to_exitcode(os.wait()[1])
        print(status)
        if status == 0:
            break
    else:
        for _ in range(3):
            reached("worker.asked", "pool/one")
        os._exit(0)
"""


def test_every_point_is_reached_somewhere_and_every_name_is_known() -> None:
    named = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "reached":
                assert isinstance(node.args[0], ast.Constant)
                named.add(node.args[0].value)
    assert named == set(POINTS)


def test_nothing_is_looked_at_when_nobody_asked_for_it() -> None:
    assert VARIABLE not in os.environ
    assert crashpoints.reached is crashpoints._ignore


def run(directory: Path) -> list[int]:
    """The exit statuses of processes that each reach a point three times, until one lives."""
    environment = {**os.environ, VARIABLE: str(directory)}
    command = [sys.executable, "-c", FORKS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [int(line) for line in done.stdout.split()]


def test_shots_are_counted_over_all_processes_and_each_is_fired_once(tmp_path: Path) -> None:
    arm(str(tmp_path), "worker.asked", Shot(2), Shot(4), who="pool/one")
    arm(str(tmp_path), "worker.answered", Shot())
    # Dies at 2; then at 6, the third of the third process.
    assert run(tmp_path) == [-signal.SIGKILL, 0]
    assert is_armed(str(tmp_path), "worker.asked", "pool/one")
    assert run(tmp_path) == [-signal.SIGKILL, 0]
    assert not is_armed(str(tmp_path), "worker.asked", "pool/one")
    assert run(tmp_path) == [0]
    assert is_armed(str(tmp_path), "worker.answered")


def test_a_point_armed_for_whoever_comes_takes_the_first(tmp_path: Path) -> None:
    arm(str(tmp_path), "worker.asked", Shot())
    arm(str(tmp_path), "worker.asked", Shot(), who="pool/two")
    assert run(tmp_path) == [-signal.SIGKILL, 0]
    assert os.listdir(tmp_path) == ["worker.asked@pool:two"]


def test_what_is_disarmed_does_not_go_off(tmp_path: Path) -> None:
    arm(str(tmp_path), "worker.asked", Shot(2), Shot(9))
    assert run(tmp_path) == [-signal.SIGKILL, 0]
    assert disarm(str(tmp_path), "worker.asked") == 1
    assert disarm(str(tmp_path), "worker.asked") == 0
    assert not os.listdir(tmp_path)


def test_others_can_be_shot_with_any_signal_and_hits_are_written_down(tmp_path: Path) -> None:
    (tmp_path / crashpoints.HITS).touch()
    with subprocess.Popen(["sleep", "60"]) as victim:
        arm(str(tmp_path), "worker.asked", Shot(3, signal.SIGTERM, (victim.pid,)))
        assert run(tmp_path) == [0]
        assert victim.wait(10) == -signal.SIGTERM
    assert (tmp_path / crashpoints.HITS).read_text() == "worker.asked pool/one\n" * 3
