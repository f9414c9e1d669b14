"""Small guests for tests: WAT compiled in this process, and one that hands values through."""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import wasmtime
from wasmtime import component as wc

from theater.engine import make_engine
from theater.worker.instance import Instance

# A type is a primitive's name or a tuple: ("list", T), ("option", T), ("tuple", T, ...),
# ("result", T | None, T | None), ("record", {name: T}), ("variant", {case: T | None}),
# ("enum", [case]), ("flags", [name]).
Type = Any
FUEL = 1_000_000_000
MIB = 1024 * 1024


@functools.cache
def engine() -> wasmtime.Engine:
    return make_engine()


@functools.cache
def _directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="theater-guests-")


@functools.cache
def compiled(wat: str, kind: type[wc.Component | wasmtime.Module] = wc.Component) -> str:
    """The path of the artifact of a component, or of a module, in text form."""
    path = f"{_directory().name}/{hashlib.sha256(wat.encode()).hexdigest()[:16]}.cwasm"
    with open(path, "wb") as file:
        file.write(kind(engine(), wat).serialize())
    return path


@dataclass
class FakeHost:
    """Answers every call with `answer(function, args)` and writes everything down."""

    answer: Callable[[str, list[Any]], Any] = lambda _function, _args: None
    calls: list[tuple[str, str, list[Any]]] = field(default_factory=list)
    dropped: list[tuple[str, str, int]] = field(default_factory=list)

    def call(self, interface: str, function: str, args: list[Any]) -> Any:
        self.calls.append((interface, function, args))
        return self.answer(function, args)

    def drop(self, interface: str, resource: str, rep: int) -> None:
        self.dropped.append((interface, resource, rep))


def start(wat: str, host: FakeHost | None = None, **options: Any) -> Instance:
    options = {"memory_bytes": 16 * MIB, "engine": engine(), **options}
    return Instance(compiled(wat), host or FakeHost(), **options)


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# A memory of `pages`, and a `realloc` that a call's post-return resets.
LIBC = """
  (core module $libc
    (memory (export "memory") {pages})
    (global $next (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
    (func (export "reset") (global.set $next (i32.const 4096))))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))
  (alias core export $libc "reset" (core func $reset))
"""


def passing_through(type: Type, pages: int = 64) -> str:
    """A component whose `test:abi/guest.run(x: T) -> T` answers what `host.f(x)` answers."""
    names = _Names()
    text = names.text(type)
    flat = _flat(type)
    params = flat if len(flat) <= 16 else ["i32"]
    direct = len(flat) == 1  # the result is a value, not a pointer to one at 1024
    result = flat[0] if direct else "i32"
    given = " ".join(f"(local.get {index})" for index in range(len(params)))
    if direct:
        lowered = f"(param {' '.join(params)}) (result {result})"
        body = f"(call $f {given})"
    else:
        lowered = f"(param {' '.join(params)} i32)"
        body = f"(call $f {given} (i32.const 1024)) (i32.const 1024)"
    aliases = " ".join(f'(alias export $host "{name}" (type ${name}))' for name in names.defined)
    exports = " ".join(f'(export "{name}" (type ${name}))' for name in names.defined)
    return f"""(component
  (import "test:abi/host" (instance $host
    {" ".join(names.definitions)}
    (export "f" (func (param "x" {text}) (result {text})))))
  {aliases}
  {LIBC.format(pages=pages)}
  (core func $f (canon lower (func $host "f") (memory $memory) (realloc $realloc)))
  (core module $guest
    (import "host" "f" (func $f {lowered}))
    (import "host" "reset" (func $reset))
    (func (export "run") (param {" ".join(params)}) (result {result}) {body})
    (func (export "post") (param {result}) (call $reset)))
  (core instance $guest (instantiate $guest
    (with "host" (instance (export "f" (func $f)) (export "reset" (func $reset))))))
  (alias core export $guest "post" (core func $post))
  (func $run (param "x" {text}) (result {text})
    (canon lift (core func $guest "run") (memory $memory) (realloc $realloc)
      (post-return $post)))
  (instance $out (export "run" (func $run)) {exports})
  (export "test:abi/guest" (instance $out)))
"""


class _Names:
    """Writes types as WAT; records, variants, enums and flags have to be exported by name."""

    def __init__(self) -> None:
        self.defined: list[str] = []
        self.definitions: list[str] = []

    def text(self, type: Type) -> str:
        if isinstance(type, str):
            return type
        kind, *rest = type
        if kind in ("list", "option"):
            return f"({kind} {self.text(rest[0])})"
        if kind == "tuple":
            return f"(tuple {' '.join(map(self.text, rest))})"
        if kind == "result":
            ok = "" if rest[0] is None else self.text(rest[0])
            err = "" if rest[1] is None else f"(error {self.text(rest[1])})"
            return f"(result {ok} {err})"
        if kind == "record":
            body = " ".join(f'(field "{name}" {self.text(of)})' for name, of in rest[0].items())
        elif kind == "variant":
            body = " ".join(
                f'(case "{name}"{"" if of is None else " " + self.text(of)})'
                for name, of in rest[0].items()
            )
        else:
            body = " ".join(f'"{name}"' for name in rest[0])
        name = f"t{len(self.defined)}"
        self.defined.append(name)
        self.definitions.append(
            f'(type $own-{name} ({kind} {body})) (export "{name}" (type ${name} (eq $own-{name})))'
        )
        return f"${name}"


def _flat(type: Type) -> list[str]:
    """The core types a value becomes, by the canonical ABI."""
    if isinstance(type, str):
        wide = {"s64": "i64", "u64": "i64", "f32": "f32", "f64": "f64"}
        return ["i32", "i32"] if type == "string" else [wide.get(type, "i32")]
    kind, *rest = type
    if kind == "list":
        return ["i32", "i32"]
    if kind == "tuple":
        return [core for of in rest for core in _flat(of)]
    if kind == "record":
        return [core for of in rest[0].values() for core in _flat(of)]
    if kind in ("enum", "flags"):
        return ["i32"]
    cases = {"option": [None, *rest], "result": rest, "variant": rest}[kind]
    payloads = list(cases[0].values()) if kind == "variant" else cases
    joined: list[str] = []
    for payload in payloads:
        for index, core in enumerate([] if payload is None else _flat(payload)):
            if index == len(joined):
                joined.append(core)
            elif joined[index] != core:
                joined[index] = "i32" if {joined[index], core} == {"i32", "f32"} else "i64"
    return ["i32", *joined]
