"""All of WASI that is there, found by name.

Most calls are local: answered at once. One that changes something outside (`theater.wasi.WORLD`) is
answered `WORLD`: it is done by `perform`, when that it is to be done is committed.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from types import GeneratorType
from typing import Any

from theater.errors import TheaterError
from theater.preopens import Preopen
from theater.requests import Grant
from theater.wasi import HTTP, NETWORK, OUTGOING, STDERR, STDIN, STDOUT, STREAMS, TYPES
from theater.worker.handlers import WORLD
from theater.worker.wasi import sockets
from theater.worker.wasi.cli import Cli
from theater.worker.wasi.clocks import Clocks
from theater.worker.wasi.filesystem import Filesystem
from theater.worker.wasi.http import Http, handed_out
from theater.worker.wasi.io import Io
from theater.worker.wasi.random import Random
from theater.worker.wasi.resources import Change, Done, Interfaces, ResourceTable
from theater.worker.wasi.streams import EmptyInput, LineWriter

_MADE = ("open-at", "read-directory", "-via-stream")  # what hands out a resource, if it is `ok`
INTERRUPTED = "interrupted: outcome unknown"


class NotProvided(TheaterError):
    """The guest called a WASI function that is not there (yet)."""


class Wasi:
    """The WASI of one instance. Clocks, randomness and sleeping can be given for tests.

    `left_s`: how long the turn may still take.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        args: Sequence[str],
        stdout: Callable[[str], None],
        stderr: Callable[[str], None],
        preopens: Sequence[Preopen] = (),
        http: Grant | None = None,
        *,
        left_s: Callable[[], float] = lambda: math.inf,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        random_bytes: Callable[[int], bytes] = os.urandom,
        sleep_s: Callable[[float], None] = time.sleep,
    ) -> None:
        self._stdout = LineWriter(stdout)
        self._stderr = LineWriter(stderr)
        self.resources = ResourceTable(
            {STDIN: EmptyInput(), STDOUT: self._stdout, STDERR: self._stderr, NETWORK: "network"}
        )
        self._io = io = Io(self.resources, monotonic_ns, sleep_s)
        self._files = Filesystem(self.resources, preopens)
        self._http = Http(self.resources, io, http or Grant(), left_s)
        self._begun: Change[Any] | None = None  # a world call that is about to be committed
        cli = Cli(env, args)
        self._interfaces: Interfaces = {
            **io.interfaces(),
            **Clocks(io, wall_ns, monotonic_ns).interfaces(),
            **Random(random_bytes).interfaces(),
            **cli.interfaces(),
            **self._files.interfaces(),
            **self._http.interfaces(),
            **sockets.interfaces(io),
        }

    def handles(self, interface: str) -> bool:
        """Whether an import is WASI's. What of it is not there traps when it is called."""
        return interface.startswith("wasi:")

    def open(self) -> None:
        """Open the directories that are granted. Raises ComponentError if one is not there."""
        self._files.open()

    def call(self, interface: str, function: str, args: list[Any]) -> Any:
        """Answer one call, or WORLD. Raises WasiExit, NotProvided, or ValueError for an absurd
        argument."""
        provided = self._interfaces.get(interface, {}).get(function)
        if provided is None:
            what = "incoming HTTP" if interface == HTTP else "this function of WASI"
            raise NotProvided(f"{what} is not available in this version of Theater")
        answer = provided(*args)
        if not isinstance(answer, GeneratorType):
            return answer
        try:
            next(answer)
        except StopIteration as end:
            return end.value
        self._begun = answer
        return WORLD

    def perform(self) -> list[Any]:
        """Do what `call` has answered with WORLD; its record, which begins with its answer."""
        begun, self._begun = self._begun, None
        assert begun is not None, "nothing was to be done"
        try:
            next(begun)
        except StopIteration as end:
            return _told(end.value)
        raise AssertionError("a world call has two commits")

    def resume(self, interface: str, args: list[Any]) -> list[Any]:
        """As `perform`, of a world call of which nobody knows whether it was done."""
        if interface == HTTP:
            return _told(self._http.resume(args[0]))
        return [{"err": "io"} if interface == TYPES else self._io.failed(INTERRUPTED, "io")]

    def reserve(self, interface: str, function: str, answer: Any) -> None:
        """This is a recorded answer: what it hands out is nobody else's."""
        if interface in (HTTP, OUTGOING):
            self.resources.reserve(handed_out(function, answer) or 0)
        elif "subscribe" in function:
            self.resources.reserve(answer)
        elif isinstance(answer, dict) and isinstance(answer.get("err"), dict):
            self.resources.reserve(answer["err"].get("last-operation-failed", 0))
        elif isinstance(answer, dict) and function.endswith(_MADE):
            self.resources.reserve(answer.get("ok", 0))

    def replayed(
        self, interface: str, function: str, args: list[Any], answer: Any, kept: Any = None
    ) -> None:
        """A call was answered from the record: half a line that it wrote is still to be ended, a
        request that it is a part of may be still to be sent."""
        if interface == STREAMS:
            self._io.replayed(function, args, answer)
        elif interface in (HTTP, OUTGOING):
            self._http.replayed(function, args, answer, kept)

    def drop(self, interface: str, resource: str, rep: int) -> None:
        """The guest has dropped a handle."""
        self.resources.drop(rep)

    def forget(self) -> None:
        """The guest is thrown away: nobody ends the lines it has begun, or knows its resources."""
        self.resources.forget()
        self._begun = None
        self._stdout.forget()
        self._stderr.forget()

    def flush(self) -> None:
        """The turn ends: hand over what stdout and stderr hold of an unfinished line."""
        self._stdout.flush()
        self._stderr.flush()
        self._http.end_turn()


def _told(value: Any) -> list[Any]:
    return [value.answer, value.kept] if isinstance(value, Done) else [value]
