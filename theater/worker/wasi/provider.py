"""All of WASI that is there, found by name."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from theater.errors import TheaterError
from theater.worker.wasi import filesystem, sockets
from theater.worker.wasi.cli import Cli
from theater.worker.wasi.clocks import Clocks
from theater.worker.wasi.io import EmptyInput, Io, LineWriter
from theater.worker.wasi.random import Random
from theater.worker.wasi.resources import (
    NETWORK,
    STDERR,
    STDIN,
    STDOUT,
    Interfaces,
    ResourceTable,
)

WRITES = frozenset(
    f"[method]output-stream.{name}"
    for name in (
        "write",
        "blocking-write-and-flush",
        "write-zeroes",
        "blocking-write-zeroes-and-flush",
    )
)


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
        io = Io(self.resources, monotonic_ns, sleep_s)
        cli = Cli(env, args)
        self._interfaces: Interfaces = {
            **io.interfaces(),
            **Clocks(io, wall_ns, monotonic_ns).interfaces(),
            **Random(random_bytes).interfaces(),
            **cli.interfaces(),
            **filesystem.interfaces(),
            **sockets.interfaces(io),
        }

    def handles(self, interface: str) -> bool:
        """Whether an import is WASI's. What of it is not there traps when it is called."""
        return interface.startswith("wasi:")

    def call(self, interface: str, function: str, args: list[Any]) -> Any:
        """Answer one call. Raises WasiExit, NotProvided, or ValueError for an absurd argument."""
        answer = self._interfaces.get(interface, {}).get(function)
        if answer is None:
            raise NotProvided("this WASI function is not provided by Theater")
        return answer(*args)

    def reserve(self, function: str, answer: Any) -> None:
        """This is a recorded answer: what it hands out is nobody else's."""
        if "subscribe" in function:
            self.resources.reserve(answer)
        elif isinstance(answer, dict) and isinstance(answer.get("err"), dict):
            self.resources.reserve(answer["err"].get("last-operation-failed", 0))

    def replayed(self, interface: str, function: str, args: list[Any], answer: Any) -> None:
        """A call was answered from the record. Half a line that it wrote is still to be ended."""
        if function in WRITES and "ok" in answer:
            self.call(interface, function, args)

    def drop(self, interface: str, resource: str, rep: int) -> None:
        """The guest has dropped a handle."""
        self.resources.drop(rep)

    def forget(self) -> None:
        """The guest is thrown away: nobody ends the lines it has begun, or knows its resources."""
        self.resources.forget()
        self._stdout.forget()
        self._stderr.forget()

    def flush(self) -> None:
        """The turn ends: hand over what stdout and stderr hold of an unfinished line."""
        self._stdout.flush()
        self._stderr.flush()
