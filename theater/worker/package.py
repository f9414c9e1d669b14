"""Run one Pack package: lead what it imports to a Host, call what it exports, say how it failed.

It is to its worker what an `Instance` of a component is, with the same names, values and failures:
see `pack/bridge`. What crosses is one encoded value each way, in the guest's memory. A call goes
in by the guest's allocator; what the guest is answered lies in a buffer that it is lent again and
again (status 0 of the ABI), since older packages know no other way.

A package that panics goes round in an endless loop, which its fuel ends. So nothing that it has
not asked for is ever answered: a call that cannot be answered by its signature fails the turn.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import wasmtime

from theater.engine import make_engine
from theater.errors import ComponentError, TheaterError
from theater.pack import bridge, metadata, schema
from theater.pack.codec import BadGraph, decode, encode
from theater.pack.interfaces import provided
from theater.pack.metadata import full_name
from theater.pack.values import UNIT, BadValue, Value
from theater.worker.core import Core, Failed, OutOfBounds, Stopped, make
from theater.worker.cvalues import address_of, get_fuel, set_fuel
from theater.worker.failure import (
    Abort,
    GuestFailure,
    check_callable,
    is_trap,
    kind_of,
    split_error,
)
from theater.worker.imports import Host
from theater.worker.instance import START_FUEL, TABLE_ELEMENTS
from theater.worker.package_exports import Export, find_exports

PANIC = "a Pack guest's panic is an endless loop"
TEXT_MAX = 4096  # bytes of a guest's own complaint
SCRATCH_BYTES = 4096  # of the buffer for answers, unless one is larger
SCRATCH_KEPT_BYTES = 64 * 1024  # a larger one is given back at the next answer
SLOTS_BYTES = 8  # where the guest says where its answer is, and how long
_SLOTS = struct.Struct("<II")
T = TypeVar("T")


class Package:
    """A Pack package, instantiated. `path` is a compiled artifact (`/proc/self/fd/N` works)."""

    exports: frozenset[tuple[str, str]]  # (interface, function), as components have them

    def __init__(
        self,
        path: str,
        host: Host,
        *,
        memory_bytes: int,
        fuel: int = START_FUEL,
        engine: wasmtime.Engine | None = None,
        core: Callable[..., Core] = make,
    ) -> None:
        """Map, link, instantiate and ask for its types, which runs guest code for at most `fuel`.

        Raises as an `Instance` does.
        """
        self.fuel_used = 0  # by all this
        self._host = host
        self._memory_bytes = memory_bytes
        self._running = False
        self._failed = False
        self._raised: BaseException | None = None  # the first exception out of a host function
        self._where = ""  # the function it came out of
        self._has_called = False  # a host function, in the call that it is in
        self._fuel_left = ctypes.c_uint64()
        self._scratch = (0, 0)  # address and size of the buffer for answers
        self._core: Core | None = None
        engine = engine or make_engine()
        self._store = wasmtime.Store(engine)
        self._store.set_limits(memory_size=memory_bytes, table_elements=TABLE_ELEMENTS)
        self._context = address_of(self._store._context())
        try:
            module = _load(engine, path)

            def begin() -> metadata.Package:
                self._core = core(self._store, module, self._import)
                if self._core.has("__wasm_call_ctors"):
                    self._core.call("__wasm_call_ctors")
                self._slots = self._alloc(SLOTS_BYTES)
                return self._types()

            types, self.fuel_used = self._guarded(begin, fuel, "its start")
        except BaseException:
            self.close()
            raise
        self._exports = find_exports(module, types)
        self.exports = frozenset(self._exports)

    def call(self, interface: str, function: str, args: list[Any], fuel: int) -> tuple[Any, int]:
        """Call an export with [state, parameters]; (what a component returns, fuel burnt).

        Raises as `Instance.call` does.
        """
        check_callable(interface, function, self._running, self._failed)
        export = self._exports.get((interface, function))
        if export is None:
            raise LookupError(f"the package does not export {interface}.{function}")
        state, params = args
        declared = export.state
        try:
            argument = bridge.argument(interface, function, state, params, declared)
            why = None if declared is None else schema.why_not(declared, argument[0])
            if why is not None:
                return {"err": f"State type mismatch for {export.shown}: {why}"}, 0
            found, used = self._try(export, argument, fuel)
        except (BadGraph, BadValue) as error:
            return export.refusal(state, f"{export.shown} cannot be called with that: {error}"), 0
        if found.is_refusal:
            text = f"{export.shown} could not take the call: {found.error}"
            return export.refusal(state, text, "the package: "), used
        if found.is_failure:
            return {"err": found.error}, used
        try:
            return bridge.returned(interface, function, found.value), used
        except BadValue as error:
            return {"err": f"what {export.shown} answered cannot be kept: {error}"}, used

    def _try(self, export: Export, argument: tuple[Value, ...], fuel: int) -> tuple[_Answered, int]:
        """As packages are called; or as they were before April 2026, if it takes no other call.

        BadValue: it cannot be called with this.
        """
        before = argument[0], argument[1:]
        if export.is_of_before:
            return self._attempt(export, encode(before), fuel)
        self._has_called = False
        found, used = self._attempt(export, encode(argument), fuel)
        if not found.is_failure or self._has_called:
            export.is_of_before = False
        if export.is_of_before is False:
            return found, used
        try:
            data = encode(before)
        except BadValue:
            return found, used
        again, used = self._attempt(export, data, fuel, used)
        if not again.is_failure:
            export.is_of_before = True
        elif not found.is_refusal or again.is_refusal:
            again = found
        return again, used

    def _attempt(
        self, export: Export, data: bytes, fuel: int, spent: int = 0
    ) -> tuple[_Answered, int]:
        """What it answers to this, and the fuel it burned, with what was `spent` before."""

        def exchange() -> tuple[int, bytes]:
            return self._exchange(export.name, data)

        (status, answered), used = self._guarded(exchange, fuel, export.name, spent)
        if status != 0:
            text = answered[:TEXT_MAX].decode(errors="replace")
            return _Answered(UNIT, text, is_refusal=True), used
        try:
            value = decode(answered)
            why = None if export.result is None else schema.why_not(export.result, value)
        except (BadGraph, BadValue) as error:
            self._failed = True
            text = f"what {export.shown} answered is no value of Pack's: {error}"
            raise GuestFailure("trap", text, [], used) from None
        if why is not None:
            return _Answered(UNIT, f"Return type violation from {export.shown}: {why}"), used
        return _Answered(value, bridge.failure(value)), used

    def limit_fuel(self, fuel: int) -> None:
        """See `Instance.limit_fuel`."""
        set_fuel(self._context, fuel)

    def close(self) -> None:
        """Free the guest and what it held. The package cannot be used after it."""
        self._failed = True
        self._store.close()
        if self._core is not None:
            self._core.close()

    # Start

    def _types(self) -> metadata.Package:
        core = self._the_core()
        core.call("__pack_types", self._slots, self._slots + 4)
        # The bytes are the guest's own, and stay.
        return metadata.read(core.read(*self._named()))

    # What the guest calls

    def _import(self, interface: str, function: str) -> Callable[[int, int, int, int], int]:
        if function not in provided(interface):
            raise ComponentError(
                f"the package imports {full_name(interface, function)}, which nobody provides"
            )

        def call(at: int, size: int, to: int, to_size: int) -> int:
            # Nothing but Stopped may be raised into wasmtime.
            try:
                self._answer(interface, function, at, size, to, to_size)
                return 0
            except BaseException as error:
                if self._raised is None:
                    self._raised, self._where = error, f"{interface}.{function}"
                raise Stopped from None

        return call

    def _answer(
        self, interface: str, function: str, at: int, size: int, to: int, to_size: int
    ) -> None:
        core = self._the_core()
        try:
            value = decode(core.read(at, size))
            arguments = bridge.arguments(interface, function, value)
        except (BadGraph, BadValue) as error:
            raise BadValue(f"what it was given cannot be taken: {error}") from None
        self._has_called = True
        plain = self._host.call(interface, function, arguments)
        answer = encode(bridge.answer(interface, function, plain))
        address = self._room(len(answer))
        core.write(address, answer)
        core.write(to, address.to_bytes(4, "little"))
        core.write(to_size, len(answer).to_bytes(4, "little"))

    def _room(self, size: int) -> int:
        """A buffer for an answer of this size. The guest has read the last one by now."""
        address, has = self._scratch
        wanted = max(size, SCRATCH_BYTES)
        if has < size or has > max(wanted, SCRATCH_KEPT_BYTES):
            if has:
                self._scratch = 0, 0
                self._the_core().call("__pack_free", address, has)
            self._scratch = self._alloc(wanted), wanted
        return self._scratch[0]

    # Calls of the guest

    def _exchange(self, name: str, data: bytes) -> tuple[int, bytes]:
        """Give it one value; the status, and the bytes it answers."""
        core, slots = self._the_core(), self._slots
        given = self._alloc(len(data))
        core.write(given, data)
        status = core.call(name, given, len(data), slots, slots + 4)
        core.call("__pack_free", given, len(data))
        at, size = self._named()
        answered = core.read(at, size)
        core.call("__pack_free", at, size)
        return status, answered

    def _named(self) -> tuple[int, int]:
        """What the guest has put into the slots."""
        at, size = _SLOTS.unpack(self._the_core().read(self._slots, SLOTS_BYTES))
        return at, size

    def _alloc(self, size: int) -> int:
        address = self._the_core().call("__pack_alloc", size)
        if address == 0:
            raise _NoMemory(f"its allocator has no {size:,} bytes{self._of_memory()}")
        return address

    def _guarded(
        self, call: Callable[[], T], fuel: int, what: str, spent: int = 0
    ) -> tuple[T, int]:
        """Run guest code; what came of it, and the fuel it burned, with what was `spent` of it
        before. After a failure it is done."""
        self._running = True
        set_fuel(self._context, fuel - spent)
        try:
            result = call()
        except Failed as error:
            self._fail(error.text, fuel)
        except OutOfBounds as error:
            self._give_up(f"{what}: {error}", fuel)
        except (BadGraph, BadValue, metadata.BadMetadata) as error:
            self._give_up(f"{what}: {error}", fuel)
        except _NoMemory as error:
            self._give_up(str(error), fuel)
        finally:
            self._running = False
        return result, self._used(fuel)

    def _used(self, fuel: int) -> int:
        get_fuel(self._context, ctypes.byref(self._fuel_left))
        return fuel - self._fuel_left.value

    def _give_up(self, why: str, fuel: int) -> NoReturn:
        self._failed = True
        raise GuestFailure("trap", why, [], self._used(fuel))

    def _fail(self, text: str, fuel: int) -> NoReturn:
        """Raise what an error of wasmtime's means, and be finished."""
        self._failed = True
        used = self._used(fuel)
        raised = self._raised
        if isinstance(raised, Failed):  # the guest's allocator, when it was to be answered
            text, raised = raised.text, None
        cause, backtrace = split_error(text)
        if raised is not None:
            if isinstance(raised, Abort) or not isinstance(raised, Exception):
                raise raised
            ours = isinstance(raised, TheaterError | BadValue | OutOfBounds | _NoMemory)
            what = str(raised) if ours else f"{type(raised).__name__}: {raised}"
            raise GuestFailure("trap", f"{self._where}: {what}", backtrace, used) from raised
        kind = kind_of(text, self._fuel_left.value)
        if kind == "trap" and not is_trap(text):
            raise ComponentError(f"the package cannot be instantiated: {cause}")
        if kind == "fuel":
            cause = f"used up its fuel of {used:,} ({PANIC}{self._of_memory('; ')})"
        raise GuestFailure(kind, cause, backtrace, used)

    def _of_memory(self, before: str = " (") -> str:
        """That it may have run out of memory, if it is close to the limit."""
        if self._core is None or self._core.size() < self._memory_bytes * 9 // 10:
            return ""
        text = (
            f"{before}its memory has grown close to the limit of {self._memory_bytes >> 20} MiB;"
            " it may have run out"
        )
        return f"{text})" if before == " (" else text

    def _the_core(self) -> Core:
        # A start function may call an import before there is a core to answer through.
        if self._core is None:
            raise BadValue("it was called while the module was instantiated")
        return self._core


@dataclass(frozen=True, slots=True)
class _Answered:
    """What a call has come to. `error`: why it has failed, if it has."""

    value: Value
    error: str | None
    is_refusal: bool = False  # as the ABI has it: it could not take the call

    @property
    def is_failure(self) -> bool:
        return self.error is not None


class _NoMemory(Exception):
    """The guest's allocator answered that it has no more."""


def _load(engine: wasmtime.Engine, path: str) -> wasmtime.Module:
    try:
        return wasmtime.Module.deserialize_file(engine, path)
    except wasmtime.WasmtimeError as error:
        raise ComponentError(f"cannot load the compiled package {path}: {error}") from None
