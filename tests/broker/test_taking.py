"""What is taken from a socket before a commit: neither nothing nor, when time is up, all."""

from __future__ import annotations

import math
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import zmq

from theater import wire
from theater.broker.clients import Clients
from theater.broker.log import Log
from theater.broker.turns import Turns
from theater.broker.workers import Workers
from theater.spec import Durability

WAIT_MS = 20_000
LONG_AGO_S = 0.0
SAID: dict[str, tuple[Any, ...]] = {
    "workers": ("step", 1, 0, 0, [], []),
    "clients": ("watch", "id"),
}  # is answered at once


@dataclass
class Endpoint:
    role: str
    taker: Workers | Clients
    peers: list[zmq.Socket[bytes]]

    def say(self, peer: int, times: int) -> None:
        for _ in range(times):
            self.peers[peer].send(wire.pack(SAID[self.role]))

    def take(self, until_s: float) -> None:
        assert self.taker.socket.poll(WAIT_MS)
        self.taker.take(until_s, now_s=0.0)

    def answers(self, peer: int, wait_ms: int) -> int:
        """How many this peer has; waits for the first."""
        count = 0
        while self.peers[peer].poll(0 if count else wait_ms):
            self.peers[peer].recv()
            count += 1
        return count


@pytest.fixture(params=["workers", "clients"])
def endpoint(request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    context: zmq.Context[Any] = zmq.Context()
    with tempfile.TemporaryDirectory() as directory:  # socket paths are short
        socket = context.socket(zmq.ROUTER)
        socket.bind(f"ipc://{directory}/s")
        peers = [context.socket(zmq.DEALER) for _ in range(2)]
        for peer in peers:
            peer.connect(f"ipc://{directory}/s")
        turns = Turns(1 << 20, 1 << 20)
        log = Log(sqlite3.connect(":memory:", isolation_level=None), Durability.PROCESS)
        taker = Workers(socket, turns)
        clients = Clients(socket, turns, log, ())
        yield Endpoint(request.param, taker if request.param == "workers" else clients, peers)
        context.destroy(linger=0)


def test_one_message_is_taken_even_when_the_time_is_up(endpoint: Endpoint) -> None:
    endpoint.say(0, times=3)
    for _ in range(3):
        endpoint.take(until_s=LONG_AGO_S)
        assert endpoint.answers(0, WAIT_MS) == 1


def test_all_that_has_arrived_is_taken_while_there_is_time(endpoint: Endpoint) -> None:
    endpoint.say(0, times=3)
    taken = 0
    while taken < 3:
        endpoint.take(until_s=math.inf)
        taken += endpoint.answers(0, WAIT_MS)
    assert taken == 3


def test_a_peer_that_says_much_does_not_keep_another_from_being_heard(endpoint: Endpoint) -> None:
    endpoint.say(0, times=1000)
    endpoint.take(until_s=LONG_AGO_S)
    endpoint.say(1, times=1)
    takes = 0
    while not endpoint.answers(1, wait_ms=10):
        endpoint.take(until_s=LONG_AGO_S)
        takes += 1
    assert takes < 500
