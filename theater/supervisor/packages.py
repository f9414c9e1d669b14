"""Judge a core module that means to be a package of Pack's, and say what it imports and exports.

It is described as a component is (see `describe`), with the types that its metadata declare, in
Pack's words, and with `"pack": {"hash": ...}` at each interface: the hash that the package says it
was built with, if it says one. `"hash"` of an export is only for people.

Its metadata are asked for as a worker asks: by running it, with little fuel and memory, and with
imports that nobody answers.
"""

from __future__ import annotations

from typing import Any

import wasmtime

from theater.calls import split_name
from theater.pack.interfaces import UNDECLARED
from theater.pack.metadata import BadMetadata, Package, full_name, read
from theater.pack.types import Function, words
from theater.quoting import escaped

FUEL = 1_000_000_000
MEMORY_BYTES = 256 << 20
TABLE_ELEMENTS = 1_000_000
_CALL = (("i32",) * 4, ("i32",))
# What the ABI itself needs: export -> parameters and results.
_NEEDED = {
    "__pack_alloc": (("i32",), ("i32",)),
    "__pack_free": (("i32", "i32"), ()),
    "__pack_types": (("i32", "i32"), ("i32",)),
}
_SHARED_MEMORY = ("memory", "__memory_base")


class NoPackage(Exception):
    """It means to be a package, and cannot be one: what of it, and what to do."""


def means_to_be(module: wasmtime.Module) -> bool:
    """Whether whoever built it wanted a package; another module may want to be a component."""
    names = [each.name for each in module.exports]
    wanted = [each.module for each in module.imports]
    return any(name.startswith(("__pack_", "theater:")) for name in names) or any(
        name.startswith(("pack:", "theater:")) for name in wanted
    )


def describe_package(module: wasmtime.Module, engine: wasmtime.Engine) -> dict[str, Any]:
    """Its imports and exports. Raises NoPackage."""
    _check_shape(module)
    try:
        types = read(_ask(module, engine))
    except BadMetadata as error:
        raise NoPackage(
            f"its interface metadata cannot be read: {error}; build it again with packr-guest"
        ) from None
    except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
        cause = str(error).strip().rpartition("\n")[2].strip()
        raise NoPackage(f"it failed when it was asked for its types: {cause}") from None
    functions = {each.name: _type(each.type) for each in module.exports if _is_function(each.type)}
    for interface, declared in types.exports.items():
        for name in declared:
            full = full_name(interface, name)
            if functions.get(full) != _CALL:
                has = "does not export it" if full not in functions else _has(functions[full])
                raise NoPackage(
                    f"declares export {escaped(full)}, and {has}; build it again from one source"
                )
    return {"imports": _imports(module, types), "exports": _exports(functions, types)}


def _check_shape(module: wasmtime.Module) -> None:
    imports = [(each.module, each.name or "", each.type) for each in module.imports]
    exports = {each.name: each.type for each in module.exports}
    for interface, name, _ in imports:
        if interface == "env" and name in _SHARED_MEMORY:
            raise NoPackage(
                f"built for a shared memory (it imports env.{name}, as packr 0.8 to 0.10 did and"
                " parts of a composition do): it wants the host to own its memory. Build it again"
                " with packr-guest 0.11 or later, as an ordinary cdylib"
            )
    for interface, _, _ in imports:
        if interface == "pack:alloc":
            raise NoPackage(
                "built without its allocator (it imports pack:alloc, as packr 0.8 to 0.10 did)."
                " Build it again with packr-guest 0.11 or later"
            )
    if not isinstance(exports.get("memory"), wasmtime.MemoryType):
        raise NoPackage("does not export its memory; build it with --export-memory")
    for name, wanted in _NEEDED.items():
        found = exports.get(name)
        if _is_function(found) and _type(found) == wanted:
            continue
        if name == "__pack_types":
            raise NoPackage(
                "carries no interface metadata (no export __pack_types of type"
                f" {_shown(wanted)}); add pack_types! to its source"
            )
        raise NoPackage(
            f"has no Pack allocator (no export {name} of type {_shown(wanted)}); it does not use"
            " packr-guest's setup_guest!"
        )
    for interface, name, ty in imports:
        has = _type(ty) if _is_function(ty) else None
        if has != _CALL:
            what = "no function" if has is None else f"of type {_shown(has)}"
            raise NoPackage(
                f"import {escaped(interface)}.{escaped(name)} is not a Pack call ({what}); a Pack"
                f" call is {_shown(_CALL)}"
            )


def _ask(module: wasmtime.Module, engine: wasmtime.Engine) -> bytes:
    """What __pack_types answers."""
    store = wasmtime.Store(engine)
    store.set_limits(memory_size=MEMORY_BYTES, table_elements=TABLE_ELEMENTS)
    store.set_fuel(FUEL)
    linker = wasmtime.Linker(engine)
    linker.define_unknown_imports_as_traps(module)
    exports = linker.instantiate(store, module).exports(store)
    if "__wasm_call_ctors" in exports:
        _function(exports, "__wasm_call_ctors")(store)
    memory = exports["memory"]
    assert isinstance(memory, wasmtime.Memory), "its shape has been checked"
    slots = _function(exports, "__pack_alloc")(store, 8) & 0xFFFFFFFF
    if slots == 0:
        raise BadMetadata("its allocator has no 8 bytes")
    _function(exports, "__pack_types")(store, *map(_signed, (slots, slots + 4)))
    at, size = (
        int.from_bytes(_read(store, memory, slots + offset, 4), "little") for offset in (0, 4)
    )
    return _read(store, memory, at, size)


def _read(store: wasmtime.Store, memory: wasmtime.Memory, at: int, size: int) -> bytes:
    if at + size > memory.data_len(store):
        raise BadMetadata(f"{size:,} bytes at {at:,}, outside of its memory")
    return bytes(memory.read(store, at, at + size))


def _function(exports: Any, name: str) -> wasmtime.Func:
    function = exports[name]
    assert isinstance(function, wasmtime.Func), "its shape has been checked"
    return function


def _signed(number: int) -> int:
    return number - (1 << 32) if number >> 31 else number


def _imports(module: wasmtime.Module, types: Package) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in module.imports:
        declared = types.imports.get(each.module, {})
        entry = found.setdefault(each.module, _interface(types.import_hashes.get(each.module)))
        entry["functions"][each.name] = _said(declared.get(each.name or ""))
    # What is declared and never called the linker has dropped; its hash is compared all the same.
    for interface, declared in types.imports.items():
        entry = found.setdefault(interface, _interface(types.import_hashes.get(interface)))
        for name, function in declared.items():
            entry["functions"].setdefault(name, words(function))
    for interface, hash in types.import_hashes.items():
        found.setdefault(interface, _interface(hash))
    return found


def _exports(functions: dict[str, Any], types: Package) -> dict[str, Any]:
    """What it declares, or, if that is nothing, what looks as a Pack call does."""
    found: dict[str, Any] = {}
    for full, ty in functions.items():
        interface, name = split_name(full)
        declared = types.exports.get(interface, {}).get(name)
        if ty == _CALL and (declared is not None or not types.exports):
            entry = found.setdefault(interface, _interface(types.export_hashes.get(interface)))
            entry["functions"][name] = _said(declared)
    return found


def _interface(hash: bytes | None) -> dict[str, Any]:
    said = None if hash is None else hash.hex()
    return {"version": None, "functions": {}, "pack": {"hash": said}}


def _said(function: Function | None) -> str:
    return UNDECLARED if function is None else words(function)


def _is_function(ty: Any) -> bool:
    return isinstance(ty, wasmtime.FuncType)


def _type(ty: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(map(str, ty.params)), tuple(map(str, ty.results))


def _shown(ty: tuple[tuple[str, ...], tuple[str, ...]]) -> str:
    params, results = (", ".join(each) for each in ty)
    return f"({params}) -> ({results})"


def _has(ty: tuple[tuple[str, ...], tuple[str, ...]]) -> str:
    return f"has it with type {_shown(ty)} and not {_shown(_CALL)}"
