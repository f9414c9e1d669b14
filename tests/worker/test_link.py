"""How much a worker lets be on its way to the broker."""

from __future__ import annotations

from typing import Any

from theater.worker.link import UNACKED_MAX, UNACKED_MAX_BYTES, Link
from theater.worker.order import Order

MIB = 1 << 20
ORDER = Order("a", 1, b"s", "", MIB, 0, 30.0, MIB, MIB, MIB, {}, {}, "", False, {}, [])


class Socket:
    def send(self, frame: bytes) -> None: ...


def make_link() -> Any:
    link: Any = Link(ORDER, lambda _message: None)
    link._socket = Socket()
    return link


def test_so_many_steps_are_on_their_way_and_no_more() -> None:
    link = make_link()
    for number in range(UNACKED_MAX):
        assert link.has_room()
        link.send(number, 0, b"x")
    assert not link.has_room()
    link._take_one(["ack", 0, 0])
    assert link.has_room()


def test_so_many_bytes_are_on_their_way_and_one_step_more() -> None:
    link = make_link()
    half = bytes(UNACKED_MAX_BYTES // 2)
    link.send(1, 0, half)
    assert link.has_room()
    link.send(2, 0, half)
    assert not link.has_room()
    link._take_one(["ack", 2, 0])
    assert link.has_room() and link.unacked == 0
