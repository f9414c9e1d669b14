"""Packages of Pack's for tests: compiled in this process, and written down in a few lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wasmtime

from tests.worker.guests import MIB, FakeHost, compiled, engine
from theater.worker.core import Core, make
from theater.worker.package import Package

COMPONENTS = Path(__file__).parent.parent / "components"
PROBE, ECHO, RPC = (
    (COMPONENTS / f"pack-{name}.wat").read_text() for name in ("probe", "echo", "rpc")
)


def start(
    wat: str, host: FakeHost | None = None, core: Callable[..., Core] = make, **options: Any
) -> Package:
    options = {"memory_bytes": 16 * MIB, "engine": engine(), **options}
    return Package(compiled(wat, wasmtime.Module), host or FakeHost(), core=core, **options)


def composite() -> str:
    """The echo as a composition would have it: the memory of a part comes first, what is asked
    goes through it, and the one that is exported is its own."""
    wat = re.sub(r"i32\.(load8_u|load|store8|store)\b", r"i32.\1 $own", ECHO)
    wat = re.sub(r"memory\.(fill|grow|size)", r"memory.\1 $own", wat)
    wat = wat.replace("memory.copy", "memory.copy $own $own")
    wat = wat.replace("(data (i32.const", "(data (memory $own) (i32.const")
    wat = wat.replace(
        '(memory (export "memory") 2)', '(memory $part 1 8)\n  (memory $own (export "memory") 2)'
    )
    begins = "(call $bytes (call $next (call $take-state (local.get $in))))"
    assert wat.count(begins) == 1
    through = """
    (memory.copy $part $own (i32.const 0) (local.get $in) (local.get $len))
    (memory.fill $own (local.get $in) (i32.const 0) (local.get $len))
    (memory.copy $own $part (local.get $in) (i32.const 0) (local.get $len))
    """
    return wat.replace(begins, through + begins)
