"""The line to the broker: HELLO, steps that are not acknowledged yet, and waiting."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import zmq

from theater import wire
from theater.crashpoints import reached
from theater.errors import ProtocolError
from theater.worker import signals
from theater.worker.order import ExitStatus, Order

# Steps on their way, which the broker has to keep in memory if it cannot write.
UNACKED_MAX = 512
UNACKED_MAX_BYTES = 4 * 1024 * 1024
RECONNECT_S = 2.0  # a worker that waits this long for an acknowledgement says HELLO again ...
RECONNECT_MAX_S = 64.0  # ... and again after twice as long: a broker whose disk is full is silent


class Link:
    """`on_message` is given what the broker sends, but for what only the connection is about."""

    def __init__(self, order: Order, on_message: Callable[[list[Any]], None]) -> None:
        self._order = order
        self._on_message = on_message
        self._acked: tuple[int, int] | None = None  # the last step acknowledged
        self._unacked: deque[tuple[int, int, bytes]] = deque()
        self._unacked_bytes = 0
        self._is_welcome = False
        self._is_expecting = False  # it has been called to say HELLO, to a broker that is new
        self._repeats = False  # when the broker answers, say again what it has not acknowledged
        self._waited_since = 0.0
        self._patience_s = RECONNECT_S
        self._context: zmq.Context[Any] | None = None

    def connect(self) -> None:
        self._wake, write = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDHWM, 0)  # bounded by the steps that may be unacknowledged
        self._socket.setsockopt(zmq.RCVHWM, 0)  # bounded by the broker's credit
        self._socket.setsockopt(zmq.RECONNECT_IVL, 20)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
        self._socket.connect(self._order.endpoint)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._wake, zmq.POLLIN)

    @property
    def unacked(self) -> int:
        """How many steps are on their way."""
        return len(self._unacked)

    def has_room(self) -> bool:
        """Whether one more step may be on its way."""
        return len(self._unacked) < UNACKED_MAX and self._unacked_bytes < UNACKED_MAX_BYTES

    def hello(self) -> None:
        order = self._order
        self._waited_since = time.monotonic()
        hello = ("hello", order.actor, order.incarnation, order.secret, self._acked)
        self._socket.send(wire.pack(hello))

    def send(self, turn: int, step: int, frame: bytes) -> None:
        """Send a step, and again until it is acknowledged."""
        if not self._unacked:
            self._waited_since = time.monotonic()
        self._unacked.append((turn, step, frame))
        self._unacked_bytes += len(frame)
        reached("worker.step-made", self._order.actor)
        self._socket.send(frame)
        reached("worker.step-sent", self._order.actor)

    def settle(self) -> None:
        """Wait until everything sent is committed."""
        while self._unacked:
            self.wait()

    def wait(self) -> None:
        """Wait until something arrives, a signal comes, or an acknowledgement is overdue."""
        if signals.was_called():
            self._is_expecting = True
            self._say_again()
        owed = bool(self._unacked) or not self._is_welcome or self._is_expecting
        ready = dict(self._poller.poll(int(RECONNECT_S * 1000) if owed else None))
        if self._wake in ready:
            os.read(self._wake, 4096)
            return
        if self._socket in ready:
            self.take()
        elif owed and time.monotonic() - self._waited_since > self._patience_s:
            # Only HELLO: a broker whose disk was full for an hour must not find all steps 60 times.
            self._patience_s = min(2 * self._patience_s, RECONNECT_MAX_S)
            self._repeats = True
            self.hello()

    def take(self) -> None:
        """Take all that has arrived."""
        while True:
            try:
                data = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._waited_since = time.monotonic()
            self._patience_s = RECONNECT_S
            messages = wire.unpack(data)
            if not isinstance(messages, list):
                raise ProtocolError("the broker sent no list")
            for message in messages:
                self._take_one(message)

    def _take_one(self, message: list[Any]) -> None:
        match message[0]:
            case "ack":
                step = self._acked = (message[1], message[2])
                while self._unacked and self._unacked[0][:2] <= step:
                    self._unacked_bytes -= len(self._unacked.popleft()[2])
                self._on_message(message)
                reached("worker.step-acknowledged", self._order.actor)
            case "welcome":
                self._is_expecting, self._is_welcome = False, True
                self._on_message(message)
                if self._repeats:
                    self._send_unacked()
            case "who":
                self._say_again()
            case "refused":
                os._exit(ExitStatus.REFUSED)
            case _:
                self._on_message(message)

    def _say_again(self) -> None:
        self.hello()
        self._send_unacked()

    def _send_unacked(self) -> None:
        self._repeats = False
        for _, _, frame in self._unacked:
            self._socket.send(frame)
