"""A worker whose broker says nothing asks less and less, and says everything again only once."""

from __future__ import annotations

from typing import Any

import pytest

from theater import wire
from theater.worker import link
from theater.worker.link import RECONNECT_MAX_S, Link
from theater.worker.order import Order

HOUR_S = 3600.0
MIB = 1 << 20
ORDER = Order("a", 1, b"s", "", MIB, 0, 30.0, MIB, MIB, MIB, {}, {}, "", False, {}, [])


class Line:
    """Socket, poller and clock in one: what is said, and time that passes only in waiting."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.hellos = 0
        self.steps: list[bytes] = []

    def monotonic(self) -> float:
        return self.now_s

    def poll(self, timeout_ms: int | None) -> list[Any]:
        assert timeout_ms is not None, "it waits without end, and is owed something"
        self.now_s += timeout_ms / 1000
        return []

    def send(self, frame: bytes) -> None:
        if frame.startswith(b"step"):
            self.steps.append(frame)
        else:
            assert wire.unpack(frame)[0] == "hello"
            self.hellos += 1


def test_a_silent_broker_is_asked_less_and_less(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line()
    monkeypatch.setattr(link, "time", line)
    worker: Any = Link(ORDER, lambda _message: None)
    worker._socket = worker._poller = line
    worker._wake, worker._is_welcome = -1, True
    for number in range(1, 101):
        worker._unacked.append((number, 0, b"step %d" % number))
    while line.now_s < HOUR_S:
        worker.wait()
    assert line.hellos < HOUR_S / RECONNECT_MAX_S + 10 and not line.steps
    welcome = ["welcome", {"senders": [], "state": None}]
    worker._take_one(welcome)
    worker._take_one(welcome)
    assert line.steps == [b"step %d" % number for number in range(1, 101)], "once, and in order"
