"""A client with a memory: it says everything again under its own id until it has an answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import zmq

from theater import wire

RESEND_S = 0.3  # far below a client's usual patience: a lost message shall not cost a round 2 s
PATIENCE_S = 60.0


class Down(Exception):
    """The system has gone while something was on its way."""


@dataclass(slots=True)
class Operation:
    """What was asked for under an id, and what came of it."""

    kind: str  # send or request
    to: str
    body: bytes
    id: str = ""
    answer: bytes | None = None
    error: str | None = None
    is_answered: bool = False


Lane = list[Operation]  # each is begun when the one before is answered


class Customer:
    def __init__(self, name: str) -> None:
        self._name = name
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self.history: list[Operation] = []  # in the order in which they were begun

    def connect(self, endpoint: str) -> None:
        self.disconnect()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 10)
        self._socket.connect(endpoint)

    def disconnect(self) -> None:
        if self._context is not None:
            self._socket.close()
            self._context.term()
            self._context = None

    def work(self, lanes: list[Lane], is_up: Callable[[], bool], heard: Callable[[], None]) -> None:
        """Until every operation is answered; `heard` is called for each.

        After Down it goes on when called again.
        """
        give_up_s = time.monotonic() + PATIENCE_S
        waiting: dict[str, Lane] = {}
        for lane in lanes:
            self._next(lane, waiting)
        resend_s = time.monotonic() + RESEND_S
        while waiting:
            if self._socket.poll(20):
                reply = wire.unpack(self._socket.recv())
                lane = waiting.pop(reply[1], [])
                if lane:
                    _note(lane[0], reply)
                    heard()
                    del lane[0]
                    self._next(lane, waiting)
                    resend_s = time.monotonic() + RESEND_S
            elif not is_up():
                raise Down
            elif time.monotonic() > resend_s:
                now_s = time.monotonic()
                assert now_s < give_up_s, f"no answer within {PATIENCE_S:g} s: {waiting}"
                resend_s = now_s + RESEND_S
                for lane in waiting.values():
                    self._say(lane[0])

    def _next(self, lane: Lane, waiting: dict[str, Lane]) -> None:
        if lane:
            operation = lane[0]
            if not operation.id:
                self.history.append(operation)
                operation.id = f"{self._name}:{len(self.history)}"
            waiting[operation.id] = lane
            self._say(operation)

    def _say(self, operation: Operation) -> None:
        message: tuple[Any, ...] = (operation.kind, operation.id, operation.to, operation.body)
        if operation.kind == "request":
            message = (*message, 600.0)
        self._socket.send(wire.pack(message))


def _note(operation: Operation, reply: list[Any]) -> None:
    operation.is_answered = True
    match reply:
        case ["ok", _, _]:
            pass
        case ["answer", _, {"ok": value}]:
            operation.answer = value
        case ["answer", _, {"err": text}] | ["error", _, text]:
            operation.error = text
        case _:
            raise AssertionError(f"not a reply: {reply}")
