"""Start a system: root in a session of its own, at the end of a leash that we hold."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from theater.errors import (
    EnvironmentProblem,
    ManifestError,
    NotRunning,
    Problem,
    Refused,
    TheaterError,
)
from theater.masked import masked
from theater.paths import python_path


@dataclass(slots=True)
class Launch:
    """A system that is starting or running, and ends when we do, unless it is detached."""

    process: subprocess.Popen[bytes]
    socket: socket.socket
    errors: IO[bytes]  # what root wrote to stderr before it had an internal log
    at_end: bool = False  # root has gone, or has let go of us
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
        self.at_end = not data
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
        raise self.died()

    def died(self) -> EnvironmentProblem:
        """Root ended and did not say why."""
        from theater import linux

        status = self.process.wait()
        self.errors.seek(0)
        said = self.errors.read(1 << 16).decode(errors="replace").strip()
        how = f"killed by {linux.signal_name(-status)}" if status < 0 else f"exit status {status}"
        return EnvironmentProblem(
            f"the system ended without a word ({how})" + (f":\n{said}" if said else "")
        )

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
            with contextlib.suppress(OSError):  # it has ended by itself, and has said why
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


def launch(manifest: str, data: str, fresh: bool = False) -> Launch:
    """`fresh`: what is in the data directory is put away, and the system begins anew."""
    ours, theirs = socket.socketpair()
    # Not our stderr: a system that is detached must not hold on to somebody's terminal or pipe.
    errors = tempfile.TemporaryFile()  # noqa: SIM115
    arguments = [str(theirs.fileno()), manifest, data, *(["fresh"] if fresh else [])]
    started: Launch | None = None
    try:
        with masked():
            process = subprocess.Popen(
                # -P: a directory named theater in the working directory is none of ours.
                [sys.executable, "-P", "-m", "theater.supervisor", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C in the terminal is for whoever holds the leash
                env={
                    **os.environ,
                    "PYTHONUNBUFFERED": "1",
                    "PYTHONPATH": python_path(os.environ.get("PYTHONPATH")),
                },
            )
            theirs.close()
            started = Launch(process, ours, errors)
    except BaseException:
        if started is not None:
            started.down()
        raise
    return started


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
