"""Talk to root's control socket; its operations are listed in `supervisor/control.py`."""

from __future__ import annotations

import json
import socket
from typing import Any

from theater.errors import ManifestError, NotRunning, Problem, Refused


class Control:
    """One connection to root."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(self._path)
        except (FileNotFoundError, ConnectionRefusedError):
            self._socket.close()
            raise NotRunning("no system is running here; `theater up` starts it") from None
        self._buffer = b""

    def fileno(self) -> int:
        """Readable when root has gone, while nothing is asked."""
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def ask(self, operation: str, timeout_s: float | None = None, **facts: Any) -> dict[str, Any]:
        """Send a request and wait for its reply; Refused with root's reason if it says no."""
        reply = self._exchange(operation, timeout_s, facts)
        return _granted(reply)

    def submit(self, operation: str, **facts: Any) -> dict[str, Any]:
        """As `ask`, of an operation for which root reads a file: ManifestError with all that is
        wrong with it."""
        reply = self._exchange(operation, None, facts)
        if "problems" in reply:
            problems = [Problem(path, message) for path, message in reply["problems"]]
            raise ManifestError(reply["file"], problems)
        return _granted(reply)

    def _exchange(
        self, operation: str, timeout_s: float | None, facts: dict[str, Any]
    ) -> dict[str, Any]:
        self._socket.settimeout(timeout_s)
        try:
            self._socket.sendall(json.dumps({"op": operation, **facts}).encode() + b"\n")
            while b"\n" not in self._buffer:
                data = self._socket.recv(1 << 16)
                if not data:
                    raise NotRunning("the system ended before it answered")
                self._buffer += data
        except TimeoutError:
            self._socket.close()
            self._connect()  # the late answer must not be taken for that to the next request
            raise Refused(f"no answer to {operation} within {timeout_s:g} s", "timeout") from None
        except OSError as error:
            raise NotRunning(f"the system ended before it answered: {error}") from None
        line, _, self._buffer = self._buffer.partition(b"\n")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def wait_end(self, timeout_s: float | None = None) -> bool:
        """Wait until root has gone; whether it has."""
        self._socket.settimeout(timeout_s)
        try:
            while self._socket.recv(1 << 16):
                pass
        except (TimeoutError, BlockingIOError):  # the latter with no time at all
            return False
        except OSError:
            pass
        return True


def _granted(reply: dict[str, Any]) -> dict[str, Any]:
    if not reply.get("ok"):
        raise Refused(reply.get("error", "refused"), reply.get("code", ""))
    return reply
