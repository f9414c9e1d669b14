"""Run one component: link what it imports to a Host, call what it exports, say how it failed.

One thread, one store. While a host function runs, no export is called. An instance that has
failed is finished: its guest memory may hold half a turn.
"""

from __future__ import annotations

import ctypes
import resource
from typing import Any, NoReturn

import wasmtime
from wasmtime import _ffi as ffi
from wasmtime import component as wc

from theater.engine import make_engine
from theater.errors import ComponentError, TheaterError
from theater.worker.abi import Codec, FunctionCodec, Unsupported
from theater.worker.cvalues import (
    ITEM_FUNCTION,
    MEMORY,
    VAL_BYTES,
    address_of,
    func_call,
    get_fuel,
    instantiate,
    members,
    set_fuel,
    take_error,
    val_delete,
)
from theater.worker.failure import (
    Abort,
    GuestFailure,
    check_callable,
    is_trap,
    kind_of,
    split_error,
    stopped_by_code,
)
from theater.worker.imports import Host, Imports, without_version

__all__ = ["Abort", "GuestFailure", "Host", "Instance", "without_version"]

START_FUEL = 10_000_000_000
# Far above what language runtimes use; a table element takes 8 bytes of this process.
TABLE_ELEMENTS = 1_000_000


class Instance:
    """A component, instantiated. `path` is a compiled artifact (`/proc/self/fd/N` works)."""

    exports: frozenset[tuple[str, str]]  # (interface without version, function); "" at the root

    def __init__(
        self,
        path: str,
        host: Host,
        *,
        memory_bytes: int,
        fuel: int = START_FUEL,
        engine: wasmtime.Engine | None = None,
    ) -> None:
        """Map, link and instantiate, which may run guest code for at most `fuel`.

        Raises ComponentError if the artifact or an import is unusable, GuestFailure if the
        guest's own start-up fails, or the Abort that the host raised.
        """
        self.fuel_used = 0  # by instantiation
        self._memory_bytes = memory_bytes
        self._running = False
        self._failed = False
        self._exports: dict[tuple[str, str], _Export] = {}
        self._codec = Codec()
        self._imports = Imports(self._codec, host)
        self._writable_before = _writable_bytes()
        self._fuel_left = ctypes.c_uint64()
        self._result = ctypes.create_string_buffer(VAL_BYTES)
        self._result_address = ctypes.addressof(self._result)
        engine = engine or make_engine()
        self._store = wasmtime.Store(engine)
        self._store.set_limits(memory_size=memory_bytes, table_elements=TABLE_ELEMENTS)
        self._context = address_of(self._store._context())
        try:
            component = _load(engine, path)
            linker = wc.Linker(engine)
            self._imports.link(linker, component.type.imports(engine), engine)
            instance = self._instantiate(linker, component, fuel)
            self._find_exports(component, instance, engine)
        except BaseException:
            self.close()
            raise
        self.exports = frozenset(self._exports)

    def call(self, interface: str, function: str, args: list[Any], fuel: int) -> tuple[Any, int]:
        """Call an export; (its value, fuel burnt).

        Raises GuestFailure, the Abort a host function raised, LookupError for an export that is
        not there, TypeError or ValueError for unfit arguments. The fuel of a GuestFailure is what
        wasmtime had counted: it counts per stretch of code, and a trap ends one in the middle.
        """
        check_callable(interface, function, self._running, self._failed)
        export = self._exports.get((interface, function))
        if export is None:
            raise LookupError(f"the component does not export {interface}.{function}")
        codec = export.codec or self._make_codec(export, interface, function)
        context = self._context
        result = self._result_address
        self._running = True
        try:
            self._codec.resources.context = context
            try:
                array = codec.lower_args(args)
                MEMORY[result] = 0  # wasmtime frees what is there before it writes
                set_fuel(context, fuel)
                error = func_call(
                    export.address, context, array, len(args), result, codec.has_result
                )
            finally:
                self._codec.reset()
            get_fuel(context, ctypes.byref(self._fuel_left))
            used = fuel - self._fuel_left.value
            if error:
                self._fail(error, used)
            value = codec.lift_result(result)
            if codec.has_result:
                val_delete(result)
            return value, used
        finally:
            self._running = False

    def limit_fuel(self, fuel: int) -> None:
        """Within a host function: the call may burn no more than this from now on. What it is said
        to have burned in all is not true then."""
        set_fuel(self._context, fuel)

    def close(self) -> None:
        """Free the guest and what it held. The instance cannot be used after it."""
        self._failed = True
        self._exports.clear()
        self._store.close()
        self._imports.close()

    def _instantiate(self, linker: wc.Linker, component: wc.Component, fuel: int) -> wc.Instance:
        raw = ffi.wasmtime_component_instance_t()
        set_fuel(self._context, fuel)
        self._running = True
        error = instantiate(
            address_of(linker.ptr()),
            self._context,
            address_of(component.ptr()),
            ctypes.addressof(raw),
        )
        self._running = False
        get_fuel(self._context, ctypes.byref(self._fuel_left))
        self.fuel_used = fuel - self._fuel_left.value
        if error:
            self._fail(error, self.fuel_used, linking=True)
        return wc.Instance._from_raw(raw)

    def _find_exports(
        self, component: wc.Component, instance: wc.Instance, engine: wasmtime.Engine
    ) -> None:
        store = self._store
        for name, extern in component.type.exports(engine).items():
            item = extern.ty
            if isinstance(item, wc.FuncType):
                self._add_export("", name, instance.get_func(store, name))
            elif isinstance(item, wc.ComponentInstanceType):
                index = instance.get_export_index(store, name)
                assert index is not None, "an export of the type that the instance lacks"
                for encoded, kind, own in members(item, engine):
                    function = encoded.decode()
                    if own is not None and not self._codec.resources.knows(own):
                        raise ComponentError(
                            f"the component exports a resource of its own, {name}.{function}; "
                            "Theater supports resources only in imports"
                        )
                    if kind == ITEM_FUNCTION:
                        at = instance.get_export_index(store, function, index)
                        assert at is not None, "an export of the type that the instance lacks"
                        func = instance.get_func(store, at)
                        self._add_export(without_version(name), function, func)
            elif isinstance(item, wc.ResourceType):
                raise ComponentError(
                    f"the component exports a resource of its own, {name}; "
                    "Theater supports resources only in imports"
                )

    def _add_export(self, interface: str, function: str, func: wc.Func | None) -> None:
        assert func is not None, "an export of the type that the instance lacks"
        self._exports[interface, function] = _Export(func)

    def _make_codec(self, export: _Export, interface: str, function: str) -> FunctionCodec:
        try:
            codec = self._codec.function(export.func.type(self._store))
            codec.prepare_call()
        except Unsupported as error:
            raise ComponentError(f"export {interface}.{function}: {error}") from None
        export.codec = codec
        return codec

    def _fail(self, error: int, used: int, linking: bool = False) -> NoReturn:
        """Raise what an error of wasmtime's means, and be finished."""
        self._failed = True
        text = take_error(error)
        cause, backtrace = split_error(text)
        raised = self._imports.raised
        if raised is not None:
            if isinstance(raised, Abort) or not isinstance(raised, Exception):
                raise raised
            what = str(raised) if isinstance(raised, TheaterError) else _describe(raised)
            message = f"{self._imports.where}: {what}"
            raise GuestFailure("trap", message, backtrace, used) from raised
        kind = kind_of(text, self._fuel_left.value)
        if linking and kind == "trap" and not is_trap(text):
            raise ComponentError(f"the component cannot be instantiated: {cause}")
        if kind == "fuel":
            cause = f"used up its fuel of {used:,}"
        elif kind == "trap" and stopped_by_code(text) and self._memory_is_nearly_full():
            cause += (
                f" (its memory had grown close to the limit of {self._memory_bytes >> 20} MiB; "
                "it may have run out)"
            )
        raise GuestFailure(kind, cause, backtrace, used)

    def _memory_is_nearly_full(self) -> bool:
        # The C API does not tell that growing a memory was refused. How much writable memory the
        # process has mapped does tell how far the guest's memories have grown.
        grown = _writable_bytes() - self._writable_before
        return grown >= self._memory_bytes * 9 // 10


class _Export:
    """One exported function: where it is, and how to call it."""

    __slots__ = ("address", "codec", "func")

    def __init__(self, func: wc.Func) -> None:
        self.func = func
        self.codec: FunctionCodec | None = None  # walking the types waits for the first call
        self.address = ctypes.addressof(func._func)


def _load(engine: wasmtime.Engine, path: str) -> wc.Component:
    try:
        return wc.Component.deserialize_file(engine, path)
    except wasmtime.WasmtimeError as error:
        raise ComponentError(f"cannot load the compiled component {path}: {error}") from None


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _writable_bytes() -> int:
    """Private writable mappings of this process; what is only reserved does not count."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[5]) * resource.getpagesize()
