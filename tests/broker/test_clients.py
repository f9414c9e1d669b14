"""How long a client's request stays outstanding: as long as the client waits, if that is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.broker.logged import order
from tests.broker.whole import Whole
from theater import wire
from theater.broker import outstanding
from theater.broker.clients import LIFE_S, Clients

ASKED = ["request", "id-1", "b", b"?", 5.0]
OUT_OF_TIME = "timeout: no answer from b within {:g} s"


class Socket:
    """It keeps what is sent: (route, message)."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Any]] = []

    def send_multipart(self, frames: tuple[bytes, bytes], _flags: int) -> None:
        self.sent.append((frames[0], wire.unpack(frames[1])))


class Endpoint:
    """The clients' side of a broker."""

    def __init__(self, system: Whole) -> None:
        self.system = system
        self.socket = Socket()
        self.clients = Clients(self.socket, system.turns, system.log, ())  # type: ignore[arg-type]

    def ask(self, now_s: float, route: bytes = b"r1") -> None:
        self.clients._take_one(route, ASKED, now_s)
        self.step(now_s)

    def step(self, now_s: float) -> None:
        """As the loop does."""
        self.clients.time_out(now_s)
        self.system.write()
        self.clients.committed(0)
        self.system.release()

    def put_off(self) -> None:
        """b receives the request, and answers later."""
        worker = self.system.workers["b"]
        worker.begin()
        worker.end(None, reply=None)

    def known(self) -> list[str]:
        return outstanding.known(self.system.actor("b"))


@pytest.fixture
def endpoint(tmp_path: Path) -> Endpoint:
    system = Whole(tmp_path, order("b"))
    system.start("b")
    return Endpoint(system)


def test_its_own_time_counts(endpoint: Endpoint) -> None:
    endpoint.ask(100.0)
    endpoint.put_off()
    endpoint.step(104.9)
    assert endpoint.known() == ["client:1"] and endpoint.socket.sent == []
    endpoint.step(105.0)
    error = ["error", "id-1", OUT_OF_TIME.format(5)]
    assert endpoint.socket.sent == [(b"r1", error)] and endpoint.known() == []
    endpoint.ask(106.0)  # it had not heard of that yet
    answer = ["answer", "id-1", {"err": OUT_OF_TIME.format(5)}]
    assert endpoint.socket.sent[1:] == [(b"r1", answer)]
    assert endpoint.system.problems() == []


def test_one_that_waits_no_more_when_its_turn_ends_leaves_nothing(endpoint: Endpoint) -> None:
    endpoint.ask(100.0)
    endpoint.step(105.0)
    endpoint.put_off()
    endpoint.step(106.0)
    assert endpoint.known() == [] and endpoint.system.problems() == []


def test_one_that_asks_again_before_its_turn_ends_waits(endpoint: Endpoint) -> None:
    endpoint.ask(100.0)
    endpoint.step(105.0)
    endpoint.ask(106.0)
    endpoint.put_off()
    endpoint.step(110.9)
    assert endpoint.known() == ["client:1"]
    endpoint.step(111.0)
    assert endpoint.known() == [] and endpoint.system.problems() == []


@pytest.mark.parametrize("comes_back", [True, False])
def test_after_another_broker_has_taken_over_it_has_a_minute_to_ask_again(
    endpoint: Endpoint, comes_back: bool
) -> None:
    endpoint.ask(100.0)
    endpoint.put_off()
    endpoint.step(101.0)
    endpoint = Endpoint(endpoint.system.again(order("b")))
    endpoint.step(0.0)
    if comes_back:
        endpoint.ask(LIFE_S - 1, b"r2")
    endpoint.step(LIFE_S)
    assert endpoint.known() == (["client:1"] if comes_back else [])
    endpoint.step(LIFE_S + 4)
    errors = [(b"r2", ["error", "id-1", OUT_OF_TIME.format(5)])]
    assert endpoint.socket.sent == (errors if comes_back else []) and endpoint.known() == []
    assert endpoint.system.problems() == []
