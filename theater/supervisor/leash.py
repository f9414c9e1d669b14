"""The line between root and whoever started it. It tells the start's story, and its end is news.

Root writes JSON lines: {"event": "progress" | "archived" | "starting" | "ready" | "failed" |
"ended", ...}.
The other side writes words, one a line: detach, down, kill. If its end closes without `detach`,
nobody watches a system in the foreground any more, and root takes it down.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from typing import Any

_SEND_TIMEOUT = struct.pack("ll", 5, 0)  # seconds, microseconds


class Leash:
    def __init__(self, descriptor: int) -> None:
        self._socket: socket.socket | None = socket.socket(fileno=descriptor)
        # The kernel's timeout, not Python's: that one would make every call wait.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_TIMEOUT)
        self._buffer = b""

    def fileno(self) -> int:
        assert self._socket is not None
        return self._socket.fileno()

    def tell(self, event: str, facts: dict[str, Any]) -> None:
        if self._socket is None:
            return
        line = json.dumps({"event": event, **facts}).encode() + b"\n"
        with contextlib.suppress(OSError):  # gone or deaf; its end is heard when it is read
            self._socket.sendall(line)

    def mention(self, event: str, facts: dict[str, Any]) -> None:
        """Tell it if it can be told at once: nobody has to know."""
        if self._socket is None:
            return
        line = json.dumps({"event": event, **facts}).encode() + b"\n"
        with contextlib.suppress(OSError):  # so short a line is taken whole, or not at all
            self._socket.send(line, socket.MSG_DONTWAIT)

    def heard(self) -> list[str]:
        """The words that have arrived; "" when the other side is gone."""
        assert self._socket is not None
        try:
            data = self._socket.recv(4096, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            return [""]
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return [line.decode(errors="replace") for line in lines]

    def is_cut(self) -> bool:
        """Whether the other side is gone or wants the start to end. For use before the loop."""
        return any(word in ("", "down", "kill") for word in self.heard())

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
