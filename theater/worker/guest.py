"""What a worker runs: a component, or a package of Pack's. The compiled artifact says which."""

from __future__ import annotations

from typing import Any, Protocol

import wasmtime

from theater.errors import ComponentError
from theater.worker.imports import Host
from theater.worker.instance import Instance
from theater.worker.package import Package

# An artifact is an ELF file, and its flags say what wasmtime has compiled.
_FLAGS_AT, _FLAGS_BYTES = 0x30, 4
_MODULE = 1 << 0


class Guest(Protocol):
    """An instance of either. Values, names and failures are a component's: see `Instance`."""

    fuel_used: int
    exports: frozenset[tuple[str, str]]

    def call(
        self, interface: str, function: str, args: list[Any], fuel: int
    ) -> tuple[Any, int]: ...

    def limit_fuel(self, fuel: int) -> None: ...

    def close(self) -> None: ...


def instantiate(
    path: str, host: Host, *, memory_bytes: int, fuel: int, engine: wasmtime.Engine | None = None
) -> Guest:
    """Raises as `Instance` does."""
    kind = Package if is_module(path) else Instance
    return kind(path, host, memory_bytes=memory_bytes, fuel=fuel, engine=engine)


def is_module(path: str) -> bool:
    """Whether this artifact is of a core module. Any other file is for wasmtime to refuse."""
    try:
        with open(path, "rb") as file:
            head = file.read(_FLAGS_AT + _FLAGS_BYTES)
    except OSError as error:
        raise ComponentError(f"cannot load the compiled component {path}: {error}") from None
    return int.from_bytes(head[_FLAGS_AT:], "little") == _MODULE
