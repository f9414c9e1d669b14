"""What root waits for: descriptors, and what to do when they are ready."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
from collections.abc import Callable

Then = Callable[[], None]


class Waiter:
    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def watch(self, descriptor: int | socket.socket, then: Then) -> None:
        """Call `then` whenever there is something to read."""
        self._selector.register(descriptor, selectors.EVENT_READ, then)

    def unwatch(self, descriptor: int | socket.socket) -> None:
        with contextlib.suppress(KeyError, ValueError):  # ValueError: it is closed
            self._selector.unregister(descriptor)

    def wait_for_room(self, descriptor: socket.socket, wanted: bool) -> None:
        """Call it also when there is room to write, or not any more."""
        with contextlib.suppress(KeyError, ValueError):
            key = self._selector.get_key(descriptor)
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if wanted else 0)
            if key.events != events:
                self._selector.modify(descriptor, events, key.data)

    def wait(self, timeout_s: float | None) -> None:
        """Wait, at most so long, and call what is due."""
        for key, _ in self._selector.select(timeout_s):
            now = self._selector.get_map().get(key.fd)
            if now is not None and now.data is key.data:  # not closed by one before it
                key.data()


def signal_pipe() -> int:
    """Where the number of each signal that comes from now on can be read, as a byte."""
    read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(write)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return read
