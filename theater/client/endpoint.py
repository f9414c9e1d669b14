"""Talk to the broker's client endpoint: messages, dead letters, and being woken by commits."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Sequence
from typing import Any

from theater import wire
from theater.errors import NotDelivered, NotRunning

RESEND_S = 2.0  # without an acknowledgement a message is sent again under the same id, ...
RESEND_MAX_S = 16.0  # ... and again after twice as long: a broker whose disk is full is silent
SEE = "`theater ps` says if something is wrong"


class Endpoint:
    """One connection; not for more than one thread."""

    def __init__(self, path: str) -> None:
        if not os.path.exists(path):
            raise NotRunning("no system is running here")
        import zmq  # a quarter of the start of a command that does not need it

        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._poller = zmq.Poller()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDHWM, 0)  # bounded by what is given to us at once
        self._socket.connect(f"ipc://{path}")
        self._path = path
        self._name = uuid.uuid4().hex
        self._count = 0
        self._told = 0  # the last commit that we know of
        self._watched_at_s = 0.0

    def close(self) -> None:
        self._socket.close()
        self._context.term()

    def _id(self) -> str:
        self._count += 1
        return f"{self._name}:{self._count}"

    def send(self, actor: str, body: bytes, timeout_s: float = 30.0) -> None:
        """Returns when the message is committed to the actor's mailbox; NotDelivered if not."""
        self._exchange("send", (actor, body), timeout_s)

    def send_many(self, actor: str, bodies: list[bytes], timeout_s: float = 60.0) -> None:
        """As `send`, with many messages on their way at once."""
        waiting = {}
        for body in bodies:
            id = self._id()
            waiting[id] = wire.pack(("send", id, actor, body))
            self._socket.send(waiting[id])
        deadline_s = time.monotonic() + timeout_s
        patience_s, asked = RESEND_S, False
        while waiting:
            reply = self._receive(min(patience_s, max(0.0, deadline_s - time.monotonic())))
            if reply is None:
                if time.monotonic() >= deadline_s:
                    raise NotDelivered(f"timeout: {len(waiting)} messages not acknowledged; {SEE}")
                self._require_running()
                # Only the first: a broker that is silent for long must not find all many times.
                self._socket.send(next(iter(waiting.values())))
                patience_s, asked = min(2 * patience_s, RESEND_MAX_S), True
            elif reply[0] == "error" and (reply[1] is None or reply[1] in waiting):
                raise NotDelivered(reply[2])  # others are about messages of a call that is over
            elif reply[0] == "ok" and waiting.pop(reply[1], None):
                if asked:  # it speaks again, and may be a new one that knows of none of the others
                    for frame in waiting.values():
                        self._socket.send(frame)
                patience_s, asked = RESEND_S, False

    def request(self, actor: str, body: bytes, timeout_s: float = 5.0) -> bytes:
        """The actor's answer; NotDelivered with the reason if there is none."""
        reply = self._exchange("request", (actor, body, timeout_s), timeout_s + 30.0)
        value = reply[2]
        if "err" in value:
            raise NotDelivered(value["err"])
        answer: bytes = value["ok"]
        return answer

    def retry_dead(self, letter: int, timeout_s: float = 30.0) -> int:
        """Put a dead letter into its actor's mailbox; the new message, which is committed."""
        return int(self._exchange("retry", (letter,), timeout_s)[2])

    def drop_dead(self, letter: int, timeout_s: float = 30.0) -> None:
        self._exchange("drop", (letter,), timeout_s)

    def watch(self) -> int:
        """Be told of commits from now on; the seq of the last one so far."""
        self._told = int(self._exchange("watch", (), 10.0)[2])
        self._watched_at_s = time.monotonic()
        return self._told

    def _watch_again(self) -> None:
        """The broker may be a new one, which does not know that we watch."""
        if time.monotonic() > self._watched_at_s + RESEND_S:
            self._watched_at_s = time.monotonic()
            self._socket.send(wire.pack(("watch", self._id())))

    def wait_commit(self, timeout_s: float | None) -> bool:
        """Whether something was committed within `timeout_s`, after `watch`. Several count as
        one."""
        self._watch_again()
        if not self._socket.poll(None if timeout_s is None else max(0, int(timeout_s * 1000))):
            return False
        return self._hear_of_commits()

    def _hear_of_commits(self) -> bool:
        before = self._told
        while self._socket.poll(0):
            reply = wire.unpack(self._socket.recv())
            if reply[0] == "committed":
                self._told = reply[1]
            elif reply[0] == "ok" and isinstance(reply[2], int):
                self._told = max(self._told, reply[2])
        return self._told != before

    def wait(self, descriptors: Sequence[int], timeout_s: float | None) -> set[int]:
        """Wait for a commit, or until one of `descriptors` can be read; those that can be.

        After `watch`. Several commits count as one.
        """
        self._watch_again()
        for descriptor in descriptors:
            self._poller.register(descriptor, 1)  # POLLIN
        self._poller.register(self._socket, 1)
        try:
            wait_ms = None if timeout_s is None else max(0, int(timeout_s * 1000))
            ready = dict(self._poller.poll(wait_ms))
        finally:
            for descriptor in descriptors:
                self._poller.unregister(descriptor)
        self._hear_of_commits()
        return {descriptor for descriptor in descriptors if descriptor in ready}

    def _exchange(self, kind: str, arguments: tuple[Any, ...], timeout_s: float) -> list[Any]:
        id = self._id()
        frame = wire.pack((kind, id, *arguments))
        deadline_s = time.monotonic() + timeout_s
        patience_s = RESEND_S
        self._socket.send(frame)
        while True:
            reply = self._receive(min(patience_s, max(0.0, deadline_s - time.monotonic())))
            if reply is None:
                if time.monotonic() >= deadline_s:
                    text = f"timeout: the broker did not answer in {timeout_s:g} s; {SEE}"
                    raise NotDelivered(text)
                self._require_running()
                self._socket.send(frame)
                patience_s = min(2 * patience_s, RESEND_MAX_S)
            elif reply[0] != "committed" and reply[1] in (id, None):
                if reply[0] == "error":
                    raise NotDelivered(reply[2])
                return reply

    def _receive(self, timeout_s: float | None) -> list[Any] | None:
        wait_ms = None if timeout_s is None else max(0, int(timeout_s * 1000))
        if not self._socket.poll(wait_ms):
            return None
        reply: list[Any] = wire.unpack(self._socket.recv())
        return reply

    def _require_running(self) -> None:
        if not os.path.exists(self._path):
            raise NotRunning("the system has ended")
