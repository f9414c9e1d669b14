"""The socket pair to root: its messages in, in their order, and the news for it out.

Nobody here waits for root to read. What the socket does not take at once waits in memory and
leaves when there is room; it is little: some messages for each incarnation, one for each question
of root's. So two processes that have much to say to each other at once cannot block each other.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections import deque
from typing import Any

from theater import wire

CHUNK = 1 << 20  # bytes read at a time
LAST_WORDS_S = 5.0  # how long a broker that ends waits for root to hear why


class RootSocket:
    def __init__(self, pair: socket.socket) -> None:
        self._socket = pair
        self._frames = wire.FrameReader()
        self._heard: deque[Any] = deque()
        self._unsent = bytearray()
        self.closed = False  # root is gone; what it said before may still be there

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self) -> None:
        """Read all that has arrived."""
        while not self.closed:
            try:
                data = self._socket.recv(CHUNK, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except ConnectionResetError:
                data = b""
            self.closed = not data
            self._heard.extend(self._frames.feed(data))

    def next(self) -> Any | None:
        """The oldest message that has been received and not been taken."""
        return self._heard.popleft() if self._heard else None

    def pick(self, *names: str) -> list[Any]:
        """Take the messages of these names out of those that have been received; others wait."""
        picked = [message for message in self._heard if message[0] in names]
        if picked:
            self._heard = deque(message for message in self._heard if message[0] not in names)
        return picked

    def send(self, message: tuple[Any, ...]) -> None:
        """Queue a message; `flush` sends it."""
        self._unsent += wire.frame(message)

    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def flush(self) -> None:
        """Send what the socket takes now; the rest when it has room again."""
        while self._unsent:
            try:
                sent = self._socket.send(self._unsent, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:  # root is gone; reading tells
                self._unsent.clear()
                return
            del self._unsent[:sent]

    def say_last(self, message: tuple[Any, ...]) -> None:
        """Send this after all that waits; root may be busy telling us something, so let it."""
        self.send(message)
        give_up_s = time.monotonic() + LAST_WORDS_S
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | select.POLLOUT)
        while self._unsent and time.monotonic() < give_up_s:
            poll.poll(1000)
            with contextlib.suppress(BlockingIOError):
                if not self._socket.recv(CHUNK, socket.MSG_DONTWAIT):
                    return
            self.flush()
