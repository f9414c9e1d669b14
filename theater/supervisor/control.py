"""Root's control socket: one JSON object a line in, one a line out.

| op                                | with                                                  |
|-----------------------------------|-------------------------------------------------------|
| ps, tree                          |                                                       |
| children                          | supervisor: path ("" is the root)                     |
| spec                              | actor: path of an actor or a supervisor               |
| stop, start, delete               | actor; strict: OTP's answer for an ended temporary one |
| restart                           | actor; init: what is started begins with `init`       |
| scale                             | pool, instances                                       |
| start_instance                    | pool, args: list of strings                           |
| add                               | supervisor, file: absolute path of a fragment         |
| reload                            | file (else the manifest), prune, dry_run; planned:    |
|                                   | the digest in the answer to a dry run                 |
| down, kill                        |                                                       |

Replies: {"ok": true, "text": ..., ...} or {"ok": false, "error": text, "code": word}; what the
policy answers has `code` in either case (see `orders.Reply`). `down` and `kill` are answered at
once; everything has ended when the connection ends. A line that is too long is read to its end and
answered with an error; one that is no JSON object ends the connection.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

from theater.supervisor.waiter import Waiter

LINE_MAX = 1 << 20  # bytes
UNREAD_MAX = 64 << 20  # bytes of answers that a client leaves unread
_CREDENTIALS = struct.Struct("3i")


@dataclass(slots=True, eq=False)
class Connection:
    socket: socket.socket
    waiter: Waiter
    _in: bytearray = field(default_factory=bytearray)
    _too_long: bool = False  # what comes up to the next end of a line is thrown away
    _out: bytearray = field(default_factory=bytearray)

    def read(self) -> list[dict[str, Any]] | None:
        """The requests that have arrived; None: the client is gone or talks nonsense."""
        if self._out:
            self._flush()
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        self._in += data
        requests = []
        while (end := self._in.find(b"\n")) >= 0:
            line = bytes(self._in[:end])
            del self._in[: end + 1]
            if self._too_long or len(line) > LINE_MAX:
                self._too_long = False
                error = f"a request has at most {LINE_MAX} bytes"
                self.reply({"ok": False, "error": error, "code": "bad_request"})
                continue
            try:
                request = json.loads(line)
            except (ValueError, RecursionError):
                return None
            if not isinstance(request, dict):
                return None
            requests.append(request)
        if len(self._in) > LINE_MAX:
            self._too_long = True
        if self._too_long:
            self._in.clear()
        return requests

    def reply(self, answer: dict[str, Any]) -> None:
        """What the client does not take at once waits for it, and root does not."""
        self._out += json.dumps(answer).encode() + b"\n"
        self._flush()

    def _flush(self) -> None:
        try:
            while self._out:
                del self._out[: self.socket.send(self._out)]
        except BlockingIOError:
            if len(self._out) > UNREAD_MAX:  # it asks and never reads
                self._out.clear()
                self.socket.shutdown(socket.SHUT_RDWR)  # which is heard as its end
        except OSError:
            self._out.clear()  # it is gone
        self.waiter.wait_for_room(self.socket, bool(self._out))

    def close(self) -> None:
        self.waiter.unwatch(self.socket)
        self.socket.close()
        self._out.clear()


def _listen(path: str) -> socket.socket:
    """A listening socket at `path`, which only this user can reach."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(128)
    listener.setblocking(False)
    return listener


class Door:
    """Where clients come in. It keeps a descriptor, to turn them away when there is none left:
    who cannot be let in would else stand there and ring for ever."""

    def __init__(self, path: str) -> None:
        self.listener = _listen(path)
        self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        self.listener.close()
        os.close(self._spare)

    def accept(self, workers: set[int], waiter: Waiter) -> Connection | None:
        """A new client; None if it is another user's process, or a worker, or one too many."""
        try:
            client, _ = self.listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                os.close(self._spare)
                with contextlib.suppress(OSError):
                    self.listener.accept()[0].close()
                self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            return None
        return _let_in(client, workers, waiter)


def _let_in(client: socket.socket, workers: set[int], waiter: Waiter) -> Connection | None:
    raw = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _gid = _CREDENTIALS.unpack(raw)
    if uid != os.getuid() or pid in workers:
        client.close()
        return None
    client.setblocking(False)
    return Connection(client, waiter)
