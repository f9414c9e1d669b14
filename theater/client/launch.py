"""Start a system: root in a session of its own, at the end of a leash that we hold."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from theater.errors import (
    EnvironmentProblem,
    ManifestError,
    NotRunning,
    Problem,
    Refused,
    TheaterError,
)


@dataclass(slots=True)
class Launch:
    """A system that is starting or running, and ends when we do, unless it is detached."""

    process: subprocess.Popen[bytes]
    socket: socket.socket
    _buffer: bytes = b""
    _events: list[dict[str, Any]] = field(default_factory=list)

    def fileno(self) -> int:
        return self.socket.fileno()

    def events(self, timeout_s: float | None = None) -> Iterator[dict[str, Any]]:
        """What root tells of the start (see `supervisor/leash.py`), until it is gone.

        Ends early when nothing is told for `timeout_s`.
        """
        while True:
            while self._events:
                yield self._events.pop(0)
            ready, _, _ = select.select([self.socket], [], [], timeout_s)
            if not ready or not self._read():
                return

    def _read(self) -> bool:
        try:
            data = self.socket.recv(1 << 16)
        except OSError:
            data = b""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        self._events.extend(json.loads(line) for line in lines)
        return bool(data) or bool(self._events)

    def wait_ready(self) -> Iterator[dict[str, Any]]:
        """Yield the story of the start until the system is ready; raise why if it is not."""
        for event in self.events():
            yield event
            if event["event"] == "ready":
                return
            raise_failure(event)
        raise EnvironmentProblem(f"root ended without a word (status {self.process.wait()})")

    def say(self, word: str) -> None:
        """`detach`, `down` or `kill`."""
        self.socket.sendall(word.encode() + b"\n")

    def detach(self) -> None:
        self.say("detach")
        self.socket.close()

    def down(self, timeout_s: float = 60.0) -> dict[str, Any] | None:
        """Stop in order, wait for the end; what root said last, if it ended by itself."""
        last = None
        try:
            self.say("down")
            deadline_s = time.monotonic() + timeout_s
            for event in self.events(timeout_s):
                if event["event"] in ("ended", "failed"):
                    last = event
                if time.monotonic() > deadline_s:
                    break
        except OSError:
            pass
        finally:
            self.socket.close()
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return last


def launch(manifest: str, data: str) -> Launch:
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-m", "theater.supervisor", str(theirs.fileno()), manifest, data],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
        start_new_session=True,  # Ctrl-C in the terminal is for whoever holds the leash
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    theirs.close()
    return Launch(process, ours)


def raise_failure(event: dict[str, Any]) -> None:
    """Raise what a `failed` or `ended` event tells, as the error it was in root."""
    if event["event"] == "ended":
        if event["failed"]:
            raise TheaterError(event["reason"])
        raise NotRunning(f"the system has ended: {event['reason']}")
    if event["event"] != "failed":
        return
    if "problems" in event:
        problems = [Problem(path, message) for path, message in event["problems"]]
        raise ManifestError(event["file"], problems)
    error: TheaterError
    match event["code"]:
        case 6:
            error = EnvironmentProblem(event["error"])
        case 1:
            error = Refused(event["error"])
        case _:
            error = TheaterError(event["error"])
            error.exit_code = event["code"]
    raise error
