"""The process that a replay runs in: no handlers, no network, no files, and nobody's parent.

    python -P -m theater.replay.process SOCKET DESCRIPTORS

Two socket pairs, by their descriptors: on one it is told what to run and says what came of it, on
the other it is given compiled components. It may die of what it runs; whoever reads learns so.

To it:    begin  actor, incarnation, limits, settings, whether a descriptor has been sent, state or
                 nil, seconds that a turn may take; the settings are those of `compare.Settings`
          runs   [run, ...]
From it:  played what came of a run, ...: one for each until one that differs
          failed text: the component does not load or link
          broken text: what is recorded cannot be run, whatever the reason

A run is [turn, incarnation, ending, [event before, ...], [own event, ...], [content, ...],
[[place, chain], ...]], what came of it [turn, events, difference or nil, [line, ...], state if it
is wanted, [where it was, ...]], and a difference [recorded event or nil, event that came, [content,
...]].
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
from queue import SimpleQueue
from typing import Any, BinaryIO

from theater import linux
from theater.errors import ComponentError, TheaterError
from theater.events import content_hash, decode
from theater.paths import python_path
from theater.replay.slices import Crossing, Ending, Run
from theater.wire import pack, unpack

_LENGTH = struct.Struct("<Q")
DESCRIPTORS_MAX = 64  # that the process may have open: what it maps, and no more
HOST_BYTES = 4 << 30  # address space beside the guest's memory
SIZE_MAX = (1 << 63) - 1  # what a kernel takes as a limit, whatever a record says


def _write(file: BinaryIO, message: Any) -> None:
    data = pack(message)
    file.write(_LENGTH.pack(len(data)) + data)


def _read(file: BinaryIO) -> Any:
    """The next message; None at the end."""
    head = file.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = file.read(length)
    return None if len(data) < length else unpack(data)


class PlayerProcess:
    """The process as its parent has it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._given, given = socket.socketpair()
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "theater.replay.process"),
                *(str(theirs.fileno()), str(given.fileno())),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(), given.fileno()),
            process_group=0,  # Ctrl-C is for us, who end it
            env={**os.environ, "PYTHONPATH": python_path(os.environ.get("PYTHONPATH"))},
        )
        theirs.close()
        given.close()
        self._socket = ours
        self._in = ours.makefile("rb")
        self._out = ours.makefile("wb")
        self._heard: SimpleQueue[list[Any] | TheaterError] = SimpleQueue()
        # So that neither side waits for the other to read.
        threading.Thread(target=self._listen, daemon=True).start()

    def tell(self, message: Any, descriptor: int | None = None) -> None:
        """Raises TheaterError if the process is gone."""
        try:
            if descriptor is not None:
                socket.send_fds(self._given, [b"c"], [descriptor])
            _write(self._out, message)
            self._out.flush()
        except OSError:
            raise self._gone() from None

    def hear(self) -> list[Any]:
        """What it says next. Raises TheaterError if it is gone."""
        message = self._heard.get()
        if isinstance(message, TheaterError):
            self._heard.put(message)  # it stays so
            raise message
        if message[0] == "failed":
            raise ComponentError(message[1])
        if message[0] == "broken":
            raise TheaterError(message[1])
        return message

    def _listen(self) -> None:
        while True:
            try:
                message = _read(self._in)
            except (OSError, ValueError):  # ValueError: closed meanwhile
                message = None
            if message is None:
                self._heard.put(self._gone())
                return
            self._heard.put(list(message))

    def _gone(self) -> TheaterError:
        status = self._process.wait()
        if status == -signal.SIGALRM:
            return TheaterError("a turn took longer than it may; --timeout gives each more seconds")
        how = f"died of {linux.signal_name(-status)}" if status < 0 else f"ended with {status}"
        return TheaterError(f"the process that replays has {how}")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for each in (self._in, self._out, self._socket, self._given):
            with contextlib.suppress(OSError):  # nobody reads what was still to be written
                each.close()


class _Stage:
    """Runs what it is told; one incarnation at a time."""

    def __init__(self, given: socket.socket) -> None:
        from theater.engine import make_engine

        self._given = given
        self._engine = make_engine()
        self._artifact = -1
        self._player: Any = None
        self._turn_s = 0.0

    def begin(
        self,
        actor: str,
        incarnation: int,
        limits: dict[str, int],
        settings: list[bool],
        is_given: bool,
        state: bytes | None,
        turn_s: float,
    ) -> None:
        from theater.replay.compare import Settings
        from theater.replay.player import Player

        self._turn_s = turn_s
        if self._player is not None:
            self._player.close()
        if is_given:
            if self._artifact >= 0:
                os.close(self._artifact)
            _, (self._artifact,), _, _ = socket.recv_fds(self._given, 1, 1)
        size = 2 * limits["memory_bytes"] + 2 * os.fstat(self._artifact).st_size + HOST_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (min(size, SIZE_MAX), resource.RLIM_INFINITY))
        self._player = Player(
            actor,
            incarnation,
            limits,
            Settings(*settings),
            f"/proc/self/fd/{self._artifact}",
            self._engine,
            state,
        )

    def runs(self, runs: list[list[Any]]) -> Any:
        said: list[Any] = []
        for run in runs:
            # A guest that loops is inside of wasm: only what ends the process ends it.
            signal.setitimer(signal.ITIMER_REAL, self._turn_s)
            try:
                said.append(self._run(*run))
            except ComponentError:
                raise
            except Exception as error:  # of what somebody made up there is no end
                if os.environ.get("THEATER_DEBUG"):
                    raise
                kind = type(error).__name__
                return ("broken", f"turn {run[0]} cannot be run again: {kind}: {error}")
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0.0)
            if said[-1][2] is not None:
                break
        return ("played", *said)

    def _run(
        self,
        turn: int,
        incarnation: int,
        ending: str,
        before: list[bytes],
        own: list[bytes],
        contents: list[bytes],
        chains: list[list[Any]],
    ) -> tuple[Any, ...]:
        run = Run(
            turn,
            incarnation,
            Ending(ending),
            [Crossing(data, decode(data)) for data in before],
            [Crossing(data, decode(data)) for data in own],
        )
        known = {content_hash(content): content for content in contents}
        played = self._player.play(run, known, {place: value for place, value in chains})
        difference = None
        if played.difference is not None:
            recorded = played.difference.recorded
            recorded_bytes = None if recorded is None else recorded.data
            difference = [recorded_bytes, played.found, played.contents]
        return (turn, played.events, difference, played.lines, played.state, played.beyond)


def main(arguments: list[str]) -> None:
    linux.die_with_parent()
    linux.no_new_privileges()
    linux.no_core_dumps()
    channel = socket.socket(fileno=int(arguments[0]))
    stage = _Stage(socket.socket(fileno=int(arguments[1])))
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS_MAX, DESCRIPTORS_MAX))
    with channel.makefile("rb") as orders, channel.makefile("wb") as answers:
        while (message := _read(orders)) is not None:
            name, *rest = message
            try:
                answer = getattr(stage, name)(*rest)
            except ComponentError as error:
                answer = ("failed", str(error))
            if answer is not None:
                try:
                    _write(answers, answer)
                    answers.flush()
                except BrokenPipeError:  # nobody is left to tell
                    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
