"""Root's end of the socket pair to the broker. Nothing said on it ever waits."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from theater import wire

READ_MAX = 1 << 20


class Line:
    """What the kernel does not take at once waits here: the broker may be busy with its disk,
    or waiting for root to read, and two who wait for each other to read would wait for ever.

    Not bounded: what root says is proportional to what happens to workers, and they start and
    end only as root says.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._frames = wire.FrameReader()
        self._waiting = bytearray()
        self.closed = False

    @property
    def wants_write(self) -> bool:
        return bool(self._waiting) and not self.closed

    def say(self, *message: Any) -> None:
        self._waiting += wire.frame(message)
        if len(self._waiting) < READ_MAX:
            self.flush()

    def flush(self) -> None:
        """Give the kernel what it takes now."""
        while self.wants_write:
            try:
                sent = self._socket.send(self._waiting[:READ_MAX], socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                self.closed = True  # its death is told by its pidfd
                return
            del self._waiting[:sent]

    def flush_all(self) -> None:
        """Wait until the kernel has taken everything; for the end, when the socket may wait."""
        data, self._waiting = bytes(self._waiting), bytearray()
        with contextlib.suppress(OSError):  # it is gone, or hangs and will be killed
            self._socket.sendall(data)

    def heard(self) -> list[Any] | None:
        """The messages that have arrived; None: the broker has gone."""
        messages: list[Any] = []
        while not messages:
            try:
                data = self._socket.recv(READ_MAX, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:
                data = b""  # its death explains itself, by its pidfd
            if not data:
                return None
            messages = self._frames.feed(data)
        return messages
