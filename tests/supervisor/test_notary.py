"""When root has a tree head signed, and what becomes of a notary that hangs or fails."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import WAIT_S
from theater.paths import DataPaths
from theater.supervisor import spawn
from theater.supervisor.notary import LATE_S, Notary
from theater.supervisor.spawn import Helper
from theater.supervisor.waiter import Waiter

HANGS = "import time; time.sleep(600)"


class Desk:
    """A notary of root's whose process does what we say; time is ours."""

    def __init__(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch, every_s: float = 60.0
    ) -> None:
        self.paths = DataPaths(str(directory))
        self.now_s = 0.0
        self.code = "pass"
        self.started: list[bool] = []  # whether at rest
        self.told: list[bool] = []
        self.waiter = Waiter()
        monkeypatch.setattr(spawn, "start_notary", self._start)
        self.notary = Notary(
            self.waiter, 2, self.paths, every_s, lambda: self.now_s, self.told.append
        )

    def _start(self, _log: int, directory: str, at_rest: bool) -> Helper:
        assert directory == self.paths.directory
        self.started.append(at_rest)
        process = subprocess.Popen([sys.executable, "-c", self.code])
        ours, theirs = socket.socketpair()
        theirs.close()
        return Helper("notary", process.pid, os.pidfd_open(process.pid), ours, process)

    def write(self, size: int) -> None:
        Path(f"{self.paths.log}-wal").write_bytes(bytes(size))

    def at(self, now_s: float) -> None:
        self.now_s = now_s
        self.notary.hurry()

    def wait_end(self) -> None:
        while self.notary.pid is not None:
            self.waiter.wait(WAIT_S)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    desk = Desk(tmp_path, monkeypatch)
    yield desk
    desk.notary.stop()


def test_the_first_head_is_signed_at_once_and_others_at_intervals(desk: Desk) -> None:
    desk.write(1)
    desk.at(0.0)
    assert desk.started == [], "there is no log yet"
    desk.notary.begin()
    desk.at(0.0)
    assert desk.started == [False] and desk.notary.pid is not None
    desk.wait_end()
    assert desk.told == [True]
    desk.write(2)
    desk.at(59.0)
    assert len(desk.started) == 1
    desk.at(60.0)
    assert len(desk.started) == 2


def test_where_a_key_is_already_nothing_is_in_a_hurry(desk: Desk) -> None:
    desk.write(1)
    Path(desk.paths.heads_public_key).write_text("a key")
    desk.notary.begin()
    desk.at(59.0)
    assert desk.started == []
    desk.at(60.0)
    assert desk.started == [False]


def test_nothing_is_started_for_a_log_that_has_not_grown(desk: Desk) -> None:
    desk.write(1)
    desk.notary.begin()
    desk.at(0.0)
    desk.wait_end()
    for minute in range(1, 10):
        desk.at(60.0 * minute)
        assert desk.notary.due_s == 60.0 * (minute + 1), "it is looked at once an interval"
    assert len(desk.started) == 1


def test_one_that_fails_is_tried_again_and_one_that_refuses_is_told(desk: Desk) -> None:
    desk.write(1)
    desk.notary.begin()
    desk.code = "raise SystemExit(1)"
    desk.at(0.0)
    desk.wait_end()
    desk.code = "raise SystemExit(7)"
    desk.at(60.0)
    desk.wait_end()
    assert (len(desk.started), desk.told) == (2, [False])
    desk.at(120.0)
    assert len(desk.started) == 2, "it would refuse again"


def test_one_that_hangs_is_killed_and_harms_nobody(desk: Desk) -> None:
    desk.write(1)
    desk.code = HANGS
    desk.notary.begin()
    desk.at(0.0)
    desk.at(LATE_S - 1)
    assert desk.notary.pid is not None and len(desk.started) == 1
    desk.at(LATE_S)
    desk.wait_end()
    desk.code = "pass"
    desk.at(LATE_S + 60)
    assert len(desk.started) == 2


def test_at_the_end_all_is_signed_whatever_one_was_at(desk: Desk) -> None:
    desk.write(1)
    desk.code = HANGS
    desk.notary.begin()
    desk.at(0.0)
    desk.notary.stop()
    assert desk.notary.pid is None and desk.notary.due_s is None
    os.unlink(f"{desk.paths.log}-wal")  # the broker has ended
    desk.code = "pass"
    desk.notary.begin_last()
    desk.notary.end_last(WAIT_S)
    assert (desk.started, desk.told, desk.notary.pid) == ([False, True], [True], None)


def test_the_end_does_not_wait_for_ever(desk: Desk) -> None:
    desk.write(1)
    desk.code = HANGS
    desk.notary.begin_last()
    desk.notary.end_last(0.01)
    assert desk.notary.pid is None


def test_without_an_interval_it_is_signed_only_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path, monkeypatch, every_s=0.0)
    desk.write(1)
    Path(desk.paths.heads_public_key).write_text("a key")
    desk.notary.begin()
    assert desk.notary.due_s is None
    desk.write(2)
    desk.notary.begin_last()
    desk.notary.end_last(WAIT_S)
    assert desk.started == [True]


def test_no_room_for_a_process_is_no_end_of_the_system(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Helper:
        raise OSError("no more processes")

    desk.write(1)
    desk.notary.begin()
    with monkeypatch.context() as patch:
        patch.setattr(spawn, "start_notary", refuse)
        desk.at(0.0)
    assert desk.notary.pid is None and desk.notary.due_s == 60.0
    desk.at(60.0)
    assert desk.started == [False]
