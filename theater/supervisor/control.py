"""Root's control socket: one JSON object a line in, one a line out.

Requests: {"op": "ps"}, {"op": "stop" | "start" | "restart", "actor": path}, {"op": "down"},
{"op": "kill"}. Replies: {"ok": true, ...} or {"ok": false, "error": text}. `down` and `kill` are
answered when everything has ended, by the end of the connection.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

LINE_MAX = 1 << 20
_CREDENTIALS = struct.Struct("3i")


@dataclass(slots=True, eq=False)
class Connection:
    socket: socket.socket
    buffer: bytearray = field(default_factory=bytearray)

    def read(self) -> list[dict[str, Any]] | None:
        """The requests that have arrived; None: the client is gone or talks nonsense."""
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data or len(self.buffer) > LINE_MAX:
            return None
        self.buffer += data
        requests = []
        while (end := self.buffer.find(b"\n")) >= 0:
            line = bytes(self.buffer[:end])
            del self.buffer[: end + 1]
            try:
                request = json.loads(line)
            except (ValueError, RecursionError):
                return None
            if not isinstance(request, dict):
                return None
            requests.append(request)
        return requests

    def reply(self, answer: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            self.socket.settimeout(1.0)  # a client that does not read is not waited for
            self.socket.sendall(json.dumps(answer).encode() + b"\n")
            self.socket.setblocking(False)


def listen(path: str) -> socket.socket:
    """A listening socket at `path`, which only this user can reach."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(128)
    listener.setblocking(False)
    return listener


def accept(listener: socket.socket, workers: set[int]) -> Connection | None:
    """A new client; None if it is another user's process, or a worker."""
    try:
        client, _ = listener.accept()
    except OSError:
        return None
    raw = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _gid = _CREDENTIALS.unpack(raw)
    if uid != os.getuid() or pid in workers:
        client.close()
        return None
    client.setblocking(False)
    return Connection(client)
