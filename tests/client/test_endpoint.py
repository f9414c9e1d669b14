"""A client whose broker is silent, and then answers: or another one does."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from theater import wire
from theater.client import endpoint
from theater.client.endpoint import Endpoint
from theater.errors import NotDelivered

MANY = 50


class Broker:
    def __init__(self, path: str) -> None:
        self.socket: Any = zmq.Context.instance().socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVTIMEO, 20_000)
        self.socket.bind(f"ipc://{path}")

    def hear(self) -> Any:
        self._route, frame = self.socket.recv_multipart()
        return wire.unpack(frame)

    def say(self, *message: Any) -> None:
        self.socket.send_multipart([self._route, wire.pack(message)])


@pytest.fixture
def path() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as runtime:  # socket paths are short
        yield f"{runtime}/clients"


@pytest.fixture
def broker(path: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    monkeypatch.setattr(endpoint, "RESEND_S", 0.02)
    monkeypatch.setattr(endpoint, "RESEND_MAX_S", 0.1)
    broker = Broker(path)
    yield broker
    broker.socket.close()


def test_of_many_messages_a_silent_broker_is_asked_about_the_first(
    path: str, broker: Broker
) -> None:
    client = Endpoint(path)
    bodies = [b"%d" % number for number in range(MANY)]
    sending = threading.Thread(target=client.send_many, args=("a", bodies))
    sending.start()
    assert [broker.hear()[3] for _ in bodies] == bodies
    for _ in range(5):
        first = broker.hear()
        assert first[3] == bodies[0]
    # It speaks, and knows of this one only: as one that has come in the place of another.
    broker.say("ok", first[1], 1)
    heard: list[bytes] = []
    while len(heard) < MANY - 1:
        _, id, _, body = broker.hear()
        if body not in (bodies[0], *heard):
            heard.append(body)
            broker.say("ok", id, 1)
    assert sorted(heard) == sorted(bodies[1:])
    sending.join(20)
    assert not sending.is_alive()
    client.close()


def test_a_message_that_nobody_takes_is_given_up_in_time(path: str, broker: Broker) -> None:
    client = Endpoint(path)
    with pytest.raises(NotDelivered, match=r"^timeout: .* in 0.3 s; `theater ps` says if"):
        client.send("a", b"x", timeout_s=0.3)
    with pytest.raises(NotDelivered, match=r"^timeout: 3000 messages not acknowledged; "):
        client.send_many("a", [b"x"] * 3000, timeout_s=0.3)
    client.close()
