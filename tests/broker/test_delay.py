"""A log that cannot be written for now: tried again, while root hears of it and can end it."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from theater import wire
from theater.broker import delay
from theater.broker.delay import Delay
from theater.broker.root import RootSocket
from theater.broker.trouble import DAMAGED, Fatal, suspicion


class Root:
    """The test as root, and what the broker has told it."""

    def __init__(self, path: str, urgent: Callable[[], list[Any]] = list) -> None:
        self._socket, theirs = socket.socketpair()
        self.socket = RootSocket(theirs)
        self.delay = Delay(self.socket, path, lambda: {"a": {"messages": 3}}, urgent)
        self._frames = wire.FrameReader()

    def say(self, *message: Any) -> None:
        self._socket.sendall(wire.frame(message))

    def heard(self) -> list[Any]:
        self.socket.flush()
        messages = []
        self._socket.setblocking(False)
        while True:
            try:
                messages += self._frames.feed(self._socket.recv(1 << 16))
            except BlockingIOError:
                return messages


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Root:
    monkeypatch.setattr(delay, "FIRST_S", 0.001)
    monkeypatch.setattr(delay, "LONGEST_S", 0.01)
    return Root(str(tmp_path / "chain.db"))


def error(code: int, text: str = "") -> sqlite3.Error:
    found = sqlite3.OperationalError(text)
    found.sqlite_errorcode = code
    return found


def failing(*errors: sqlite3.Error, then: Callable[[], None] = lambda: None) -> Callable[[], None]:
    left = list(errors)

    def action() -> None:
        if left:
            raise left.pop(0)
        then()

    return action


FULL = error(sqlite3.SQLITE_FULL)


def test_what_works_at_once_is_no_delay(root: Root) -> None:
    assert root.delay.attempt(lambda: None) == 0.0
    assert root.heard() == []


def test_it_is_tried_again_until_it_works_and_root_knows_why_and_when(root: Root) -> None:
    busy = error(sqlite3.SQLITE_BUSY)
    assert root.delay.attempt(failing(FULL, FULL, busy, FULL)) > 0
    heard = root.heard()
    assert [message[0] for message in heard] == ["waits", "waits", "waits", "goes_on"]
    assert [message[1] for message in heard[:3]] == [
        "the disk is full",
        "another program has locked it",
        "the disk is full",
    ]
    assert len({message[3] for message in heard[:3]}) == 1, "it has waited since the first time"
    root.delay.attempt(failing(FULL))
    assert [message[0] for message in root.heard()] == ["waits", "goes_on"], "once more from anew"


def test_meanwhile_only_questions_are_answered_and_the_rest_waits_in_its_order(root: Root) -> None:
    root.say("exited", "a", 1)
    root.say("stats", 7)
    root.say("phase", "a", "failed", "")
    root.delay.attempt(failing(FULL, FULL))
    assert ["stats", 7, {"a": {"messages": 3}}] in root.heard()
    root.socket.receive()
    assert root.socket.next() == ["exited", "a", 1]
    assert root.socket.next() == ["phase", "a", "failed", ""]
    assert root.socket.next() is None


def test_what_waited_for_the_commit_and_need_not_leaves_first(tmp_path: Path) -> None:
    root = Root(str(tmp_path / "chain.db"), urgent=lambda: [("stats", 1, {})])
    root.say("end")
    with pytest.raises(Fatal):
        root.delay.attempt(failing(FULL, FULL, FULL))
    assert [message[0] for message in root.heard()] == ["stats", "waits"]


def test_root_can_end_it_but_not_before_one_more_try(root: Root, tmp_path: Path) -> None:
    root.say("end")
    root.delay.attempt(failing(FULL))
    assert root.delay.ends
    with pytest.raises(Fatal, match=r"the disk is full; make room in .*; what had not been") as end:
        root.delay.attempt(failing(FULL))
    assert end.value.code == 6
    assert suspicion(str(tmp_path / "chain.db")) is None


def test_a_root_that_is_gone_is_not_waited_for(root: Root) -> None:
    root._socket.close()
    with pytest.raises(Fatal):
        root.delay.attempt(failing(FULL, FULL))


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        (sqlite3.SQLITE_IOERR_FSYNC, 1),
        (sqlite3.SQLITE_IOERR_WRITE, 1),
        (sqlite3.SQLITE_CORRUPT, DAMAGED),
        (sqlite3.SQLITE_READONLY, 6),
    ],
)
def test_what_does_not_pass_is_the_end_and_the_log_is_suspect(
    root: Root, tmp_path: Path, code: int, exit_code: int
) -> None:
    path = str(tmp_path / "chain.db")
    with pytest.raises(Fatal, match="cannot write the log") as end:
        root.delay.attempt(failing(error(code, "some error")))
    assert end.value.code == exit_code
    assert root.heard() == []
    why = suspicion(path)
    assert why is not None and ("some error" in why or "read-only" in why)


def test_a_disk_that_does_not_even_take_the_suspicion_is_said(tmp_path: Path) -> None:
    root = Root(str(tmp_path / "gone" / "chain.db"))
    with pytest.raises(Fatal, match="run `theater fsck` before the next `up`"):
        root.delay.attempt(failing(error(sqlite3.SQLITE_IOERR_FSYNC)))
