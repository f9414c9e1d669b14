"""Packages of Pack's for tests: compiled in this process, and written down in a few lines."""

from __future__ import annotations

import functools
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wasmtime

from tests.worker.guests import MIB, FakeHost, engine
from theater.worker.core import Core, make
from theater.worker.package import Package

COMPONENTS = Path(__file__).parent.parent / "components"
PROBE, ECHO = ((COMPONENTS / f"pack-{name}.wat").read_text() for name in ("probe", "echo"))


@functools.cache
def _directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="theater-packages-")


@functools.cache
def compiled(wat: str) -> str:
    """The path of the artifact of a module in text form."""
    path = f"{_directory().name}/{hashlib.sha256(wat.encode()).hexdigest()[:16]}.cwasm"
    Path(path).write_bytes(wasmtime.Module(engine(), wat).serialize())
    return path


def start(
    wat: str, host: FakeHost | None = None, core: Callable[..., Core] = make, **options: Any
) -> Package:
    options = {"memory_bytes": 16 * MIB, "engine": engine(), **options}
    return Package(compiled(wat), host or FakeHost(), core=core, **options)
