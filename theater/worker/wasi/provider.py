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
from theater.worker.wasi.io import Io, LineWriter
from theater.worker.wasi.random import Random
from theater.worker.wasi.resources import Interfaces, ResourceTable


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
        self.resources = ResourceTable()
        self._stdout = LineWriter(stdout)
        self._stderr = LineWriter(stderr)
        io = Io(self.resources, monotonic_ns, sleep_s)
        cli = Cli(self.resources, env, args, self._stdout, self._stderr)
        self._interfaces: Interfaces = {
            **io.interfaces(),
            **Clocks(io, wall_ns, monotonic_ns).interfaces(),
            **Random(random_bytes).interfaces(),
            **cli.interfaces(),
            **filesystem.interfaces(),
            **sockets.interfaces(self.resources, io),
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

    def drop(self, interface: str, resource: str, rep: int) -> None:
        """The guest has dropped a handle."""
        self.resources.drop(rep)

    def flush(self) -> None:
        """The turn ends: hand over what stdout and stderr hold of an unfinished line."""
        self._stdout.flush()
        self._stderr.flush()
