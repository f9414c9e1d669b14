"""All of WASI that is there, found by name.

Most calls are local: answered at once. One that changes something outside (`theater.wasi.WORLD`) is
answered `WORLD`: it is done by `perform`, when that it is to be done is committed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from types import GeneratorType
from typing import Any

from theater.errors import TheaterError
from theater.preopens import Preopen
from theater.wasi import NETWORK, STDERR, STDIN, STDOUT, TYPES, WRITES
from theater.worker.handlers import WORLD
from theater.worker.wasi import sockets
from theater.worker.wasi.cli import Cli
from theater.worker.wasi.clocks import Clocks
from theater.worker.wasi.filesystem import Filesystem
from theater.worker.wasi.io import Io
from theater.worker.wasi.random import Random
from theater.worker.wasi.resources import Change, Interfaces, ResourceTable
from theater.worker.wasi.streams import EmptyInput, LineWriter

_MADE = ("open-at", "read-directory", "-via-stream")  # what hands out a resource, if it is `ok`
INTERRUPTED = "interrupted: outcome unknown"


class NotProvided(TheaterError):
    """The guest called a WASI function that is not there (yet)."""


class Wasi:
    """The WASI of one instance. Clocks, randomness and sleeping can be given for tests."""

    def __init__(
        self,
        env: Mapping[str, str],
        args: Sequence[str],
        stdout: Callable[[str], None],
        stderr: Callable[[str], None],
        preopens: Sequence[Preopen] = (),
        *,
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
        self._begun: Change[Any] | None = None  # a world call that is about to be committed
        cli = Cli(env, args)
        self._interfaces: Interfaces = {
            **io.interfaces(),
            **Clocks(io, wall_ns, monotonic_ns).interfaces(),
            **Random(random_bytes).interfaces(),
            **cli.interfaces(),
            **self._files.interfaces(),
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
            what = "HTTP" if interface.startswith("wasi:http/") else "this function of WASI"
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

    def perform(self) -> Any:
        """Do what `call` has answered with WORLD, and answer it."""
        begun, self._begun = self._begun, None
        assert begun is not None, "nothing was to be done"
        try:
            next(begun)
        except StopIteration as end:
            return end.value
        raise AssertionError("a world call has two commits")

    def interrupted(self, interface: str) -> Any:
        """The answer of a world call of which nobody knows whether it was done."""
        return {"err": "io"} if interface == TYPES else self._io.failed(INTERRUPTED, "io")

    def reserve(self, function: str, answer: Any) -> None:
        """This is a recorded answer: what it hands out is nobody else's."""
        if "subscribe" in function:
            self.resources.reserve(answer)
        elif isinstance(answer, dict) and isinstance(answer.get("err"), dict):
            self.resources.reserve(answer["err"].get("last-operation-failed", 0))
        elif isinstance(answer, dict) and function.endswith(_MADE):
            self.resources.reserve(answer.get("ok", 0))

    def replayed(self, interface: str, function: str, args: list[Any], answer: Any) -> None:
        """A call was answered from the record. Half a line that it wrote is still to be ended."""
        if function in WRITES and "ok" in answer and self._io.is_lines(args[0]):
            self.call(interface, function, args)

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
