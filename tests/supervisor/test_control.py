"""What comes over the control socket, in whatever pieces."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from theater.supervisor.control import LINE_MAX, Connection
from theater.supervisor.waiter import Waiter


class Pair:
    def __init__(self) -> None:
        self.client, ours = socket.socketpair()
        ours.setblocking(False)
        self.connection = Connection(ours, Waiter())

    def say(self, data: bytes) -> list[Any]:
        """The requests in it, sent in pieces that the socket takes."""
        found: list[Any] = []
        for start in range(0, len(data), 1 << 15):
            self.client.sendall(data[start : start + (1 << 15)])
            found.append(self.connection.read())
        return [request for requests in found for request in requests or [None]]

    def answers(self) -> list[Any]:
        self.client.settimeout(5)
        return [json.loads(line) for line in self.client.recv(1 << 16).splitlines()]


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.client.close()
    pair.connection.close()


def test_a_request_may_come_in_pieces_and_several_in_one(pair: Pair) -> None:
    pair.client.sendall(b'{"op"')
    assert pair.connection.read() == []
    pair.client.sendall(b':"ps"}\n{"op":"tree"}\n{')
    assert pair.connection.read() == [{"op": "ps"}, {"op": "tree"}]


@pytest.mark.parametrize("size", [LINE_MAX, LINE_MAX + 1, 3 * LINE_MAX])
def test_a_line_that_is_too_long_is_answered_and_the_next_one_is_heard(
    pair: Pair, size: int
) -> None:
    before, after = b'{"op":"', b'"}'
    line = before + b"x" * (size - len(before) - len(after)) + after
    heard = [each for each in pair.say(line + b'\n{"op":"ps"}\n') if each]
    if size <= LINE_MAX:
        assert [len(each["op"]) for each in heard] == [size - len(before) - len(after), 2]
        return
    assert heard == [{"op": "ps"}]
    error = f"a request has at most {LINE_MAX} bytes"
    assert pair.answers() == [{"ok": False, "error": error, "code": "bad_request"}]


@pytest.mark.parametrize("line", [b"nonsense\n", b"[]\n", b"[" * 100_000 + b"\n", b""])
def test_what_is_no_request_ends_the_connection(pair: Pair, line: bytes) -> None:
    pair.client.sendall(line)
    if not line:
        pair.client.shutdown(socket.SHUT_WR)
    heard = [pair.connection.read() for _ in range(2)]
    assert None in heard
