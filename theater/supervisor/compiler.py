"""Compile one component, or a package of Pack's, into a cache entry.

A process of its own, short-lived, with limits.

    python -m theater.supervisor.compiler ORDERS      (ORDERS: JSON, see `Orders`)

It reads the component from stdin, which its caller has opened and hashed. It prints one JSON
object: {"entry": {...}} when the entry is in the cache, {"error": text, "kind": "component"}
when the component is at fault, kind "environment" when the disk is.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import resource
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from theater import linux
from theater.engine import make_engine

MAGIC = b"\0asm"
CORE_MODULE = MAGIC + b"\x01\0\0\0"
COMPONENT = MAGIC + b"\x0d\0\x01\0"
FORMAT = 1  # of the JSON beside an artifact


@dataclass(frozen=True, slots=True)
class Orders:
    """What the caller wants. Paths are absolute."""

    name: str  # the component's file, for messages
    component_sha256: str
    artifact: str  # where the artifact goes; written beside it first, then renamed
    entry: str  # where the JSON goes, after the artifact
    memory_bytes: int
    cpu_s: int
    parent_pid: int

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Unusable(Exception):
    """The component cannot be compiled; the text says why and what to do."""


def main(argv: list[str]) -> int:
    orders = Orders(**json.loads(argv[1]))
    _confine(orders)
    try:
        answer: dict[str, Any] = {"entry": _compile(orders)}
    except Unusable as error:
        answer = {"error": str(error), "kind": "component"}
    except MemoryError:
        answer = {"error": _out_of_memory(orders), "kind": "component"}
    except OSError as error:
        # The library of wasmtime itself may not fit.
        if error.errno == errno.ENOMEM or "failed to map" in str(error):
            answer = {"error": _out_of_memory(orders), "kind": "component"}
        else:
            answer = {"error": str(error), "kind": "environment"}
    json.dump(answer, sys.stdout)
    sys.stdout.flush()
    return 0


def _confine(orders: Orders) -> None:
    """Die with the caller, and take no more than the orders say."""
    linux.die_with_parent()
    if os.getppid() != orders.parent_pid:
        raise SystemExit("the caller is gone")
    linux.no_new_privileges()
    linux.no_core_dumps()
    resource.setrlimit(resource.RLIMIT_AS, (orders.memory_bytes, orders.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (orders.cpu_s, orders.cpu_s + 5))


def _compile(orders: Orders) -> dict[str, Any]:
    source = sys.stdin.buffer.read()
    if hashlib.sha256(source).hexdigest() != orders.component_sha256:
        raise Unusable(f"{orders.name}: the file changed while it was read; run again")
    artifact, description = _translate(to_binary(source, orders.name), orders.name)
    entry = {
        "format": FORMAT,
        "component_sha256": orders.component_sha256,
        "artifact_sha256": hashlib.sha256(artifact).hexdigest(),
        "size": len(artifact),
        **description,
    }
    write_atomically(orders.artifact, artifact)
    write_atomically(orders.entry, json.dumps(entry).encode())
    return entry


def _translate(binary: bytes, name: str) -> tuple[bytearray, dict[str, Any]]:
    """The artifact, and what is imported and exported. Raises Unusable."""
    from wasmtime import Module, WasmtimeError
    from wasmtime import component as wc

    from theater.supervisor.describe import describe
    from theater.supervisor.packages import NoPackage, describe_package, means_to_be

    engine = make_engine()
    is_module = binary.startswith(CORE_MODULE)
    try:
        if not is_module:
            component = wc.Component(engine, binary)
            return component.serialize(), describe(component, engine)
        module = Module(engine, binary)
    except WasmtimeError as error:
        what = "WebAssembly module" if is_module else "component"
        raise Unusable(_compile_error(name, what, str(error))) from None
    if not means_to_be(module):
        raise Unusable(_core_module(name, binary))
    try:
        return module.serialize(), describe_package(module, engine)
    except NoPackage as error:
        raise Unusable(f"{name}: a core module for Pack, but {error}") from None


def to_binary(source: bytes, name: str) -> bytes:
    """The binary of a component or a module, given as binary or text. Raises Unusable."""
    if not source:
        raise Unusable(f"{name}: the file is empty; a component (.wasm or .wat) is needed")
    binary = source if source.startswith(MAGIC) else _from_text(source, name)
    if not binary.startswith((COMPONENT, CORE_MODULE)):
        raise Unusable(
            f"{name}: a WebAssembly file of an unknown kind (version bytes "
            f"{binary[4:8].hex(' ') or 'missing'}); a component has 0d 00 01 00"
        )
    return binary


def _from_text(source: bytes, name: str) -> bytes:
    from wasmtime import WasmtimeError, wat2wasm

    try:
        text = source.decode()
    except UnicodeDecodeError:
        text = ""
    if not text.lstrip("\ufeff \t\r\n").startswith(("(", ";;")):
        raise Unusable(
            f"{name}: neither a WebAssembly binary nor its text form; "
            "a component (.wasm or .wat) is needed"
        )
    try:
        return bytes(wat2wasm(text.lstrip("\ufeff")))
    except WasmtimeError as error:
        raise Unusable(_text_error(name, str(error))) from None


def _text_error(name: str, error: str) -> str:
    """wasmtime's report of a syntax error, led by file:line:column as editors read it."""
    found = re.search(r"\n\s*--> <anon>:(\d+):(\d+)\n", error)
    if found is None:
        return f"{name}: {error}"
    message = error[: found.start()]
    return f"{name}:{found[1]}:{found[2]}: {message}\n{error[found.end() :].rstrip()}"


def _compile_error(name: str, what: str, error: str) -> str:
    lines = [line.strip() for line in error.splitlines()]
    reason = "; ".join(
        re.sub(r"^\d+: ", "", line) for line in lines if line and line != "Caused by:"
    )
    return f"{name}: not a valid {what} for this engine: {reason}"


def _core_module(name: str, binary: bytes) -> str:
    stem = os.path.basename(name).rpartition(".")[0] or "actor"
    if b"wasi_snapshot_preview1" in binary:
        return (
            f"{name}: a core module that uses WASI preview 1, not a component. Build it for "
            "wasm32-wasip2, or wrap it: wasm-tools component new --adapt "
            f"wasi_snapshot_preview1.reactor.wasm {name} -o {stem}.component.wasm"
        )
    return (
        f"{name}: a core module, not a component, and no package of Pack's either (it exports no "
        "__pack_alloc). Build it as a component (for example for wasm32-wasip2), or wrap it: "
        f"wasm-tools component new {name} -o {stem}.component.wasm"
    )


def _out_of_memory(orders: Orders) -> str:
    return (
        f"{orders.name}: compiling needs more than {orders.memory_bytes >> 20} MiB of memory; "
        "raise compile_memory in the manifest's [limits]"
    )


def write_atomically(path: str, content: bytes | bytearray) -> None:
    """Write a file that is there whole or not at all, also after a crash."""
    temporary = f"{path}.{os.getpid()}.tmp"
    with _removed_on_error(temporary):
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o400)
        with open(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    linux.sync_directory(os.path.dirname(path))


@contextlib.contextmanager
def _removed_on_error(path: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise


if __name__ == "__main__":
    sys.exit(main(sys.argv))
