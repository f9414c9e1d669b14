"""A core module, instantiated: call its functions with whole numbers, read and write its memory.

`Core` goes through wasmtime-py's public API. `QuickCore` makes the same calls with buffers that are
made once and are used again, on functions of wasmtime's C API that do not check what they are
given: taking a buffer and giving it back costs a thirtieth, and a whole turn of a small guest, with
what is encoded and decoded, less than half. `make` takes it where the installed wasmtime has what
it needs, and the other one where not.

A function that can be called takes at most four 32-bit numbers and returns one or none: more would
be read and written beside the buffer. Others are not there. Addresses and sizes that come from the
guest are checked each time.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable
from typing import Any, Protocol

import wasmtime
from wasmtime import _ffi as ffi

from theater.worker.cvalues import address_of, take_error

MASK = 0xFFFFFFFF
ARGUMENTS = 4  # of a call between host and guest
_I32 = wasmtime.ValType.i32()
PACK_CALL = wasmtime.FuncType([_I32] * ARGUMENTS, [_I32])
RAW_BYTES = ctypes.sizeof(ffi.wasmtime_val_raw_t)

Import = Callable[[int, int, int, int], int]
"""Answers a call of the guest's: (argument, its length, where its answer's address goes, where its
length) -> status. It may raise: the call of the guest's that led to it then fails."""


class Failed(Exception):
    """Guest code did not return. `text`: what wasmtime says of it."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(text)


class Stopped(Exception):
    """Raised by an import, which has told whoever called the guest why: the call is Failed."""


class OutOfBounds(Exception):
    """An address or a length that the guest gave lies outside of its memory."""


class Core(Protocol):
    def call(self, name: str, *arguments: int) -> int:
        """Call an export. Raises Failed, also where an import was Stopped."""

    def has(self, name: str) -> bool:
        """Whether it has a function of this name."""

    def size(self) -> int:
        """Of its memory, in bytes."""

    def read(self, at: int, size: int) -> bytes:
        """A copy. OutOfBounds."""

    def write(self, at: int, data: bytes) -> None:
        """OutOfBounds."""

    def close(self) -> None:
        """Forget the imports. Only after the store is gone."""


def make(
    store: wasmtime.Store, module: wasmtime.Module, import_of: Callable[[str, str], Import]
) -> Core:
    """Instantiate, which may run guest code. Raises Failed."""
    return (QuickCore if is_quick() else PublicCore)(store, module, import_of)


def is_quick() -> bool:
    """Whether wasmtime's C API is the one that QuickCore was written for."""
    needed = (
        "wasmtime_func_call_unchecked",
        "wasmtime_func_new_unchecked",
        "wasmtime_memory_data",
        "wasmtime_memory_data_size",
    )
    names = ("wasmtime_func_unchecked_callback_t", "wasm_trap_t", "wasmtime_func_t")
    return (
        all(hasattr(ffi.dll, each) for each in needed)
        and all(hasattr(ffi, each) for each in names)
        and RAW_BYTES == 16
    )


class PublicCore:
    def __init__(
        self,
        store: wasmtime.Store,
        module: wasmtime.Module,
        import_of: Callable[[str, str], Import],
    ) -> None:
        self._store = store
        imports = [self._import(import_of(each.module, each.name or "")) for each in module.imports]
        try:
            instance = wasmtime.Instance(store, module, imports)
        except _FAILURES as error:
            raise Failed(str(error)) from None
        self._functions: dict[str, wasmtime.Func] = {}
        for name, item in instance.exports(store).items():
            if isinstance(item, wasmtime.Func):
                if _fits(item.type(store)):
                    self._functions[name] = item
            elif name == "memory":
                assert isinstance(item, wasmtime.Memory), "checked by whoever compiled it"
                self._memory = item

    def _import(self, answer: Import) -> wasmtime.Func:
        def call(*arguments: int) -> int:
            return answer(*(each & MASK for each in arguments))

        return wasmtime.Func(self._store, PACK_CALL, call)

    def has(self, name: str) -> bool:
        return name in self._functions

    def call(self, name: str, *arguments: int) -> int:
        try:
            # The API takes numbers as they are signed.
            signed = [each - (1 << 32) if each >> 31 else each for each in arguments]
            return int(self._functions[name](self._store, *signed) or 0) & MASK
        except _FAILURES as error:
            raise Failed(str(error)) from None

    def size(self) -> int:
        return int(self._memory.data_len(self._store))

    def read(self, at: int, size: int) -> bytes:
        _check(at, size, self.size())
        return bytes(self._memory.read(self._store, at, at + size)) if size else b""

    def write(self, at: int, data: bytes) -> None:
        _check(at, len(data), self.size())
        if data:
            self._memory.write(self._store, data, at)

    def close(self) -> None:
        self._functions.clear()


class QuickCore(PublicCore):
    def __init__(
        self,
        store: wasmtime.Store,
        module: wasmtime.Module,
        import_of: Callable[[str, str], Import],
    ) -> None:
        self._slots: list[int] = []
        super().__init__(store, module, import_of)
        self._context = address_of(store._context())
        self._at = {name: ctypes.addressof(each._func) for name, each in self._functions.items()}
        self._memory_at = ctypes.addressof(self._memory._memory)
        self._values = (ctypes.c_uint32 * (ARGUMENTS * RAW_BYTES // 4))()
        self._values_at = ctypes.addressof(self._values)
        self._trap = ctypes.c_void_p()
        self._trap_at = ctypes.addressof(self._trap)

    def _import(self, answer: Import) -> wasmtime.Func:
        slot = next(_numbers)
        _slots[slot] = answer
        self._slots.append(slot)
        raw = ffi.wasmtime_func_t()
        context = address_of(self._store._context())
        ty = address_of(PACK_CALL.ptr())
        _func_new(context, ty, _on_call, slot, _no_finalizer, ctypes.addressof(raw))
        return wasmtime.Func._from_raw(raw)

    def call(self, name: str, *arguments: int) -> int:
        # A guest's import may call an allocator while a call is on: the values of the outer call
        # have been read by then, and its result is not written yet.
        values = self._values
        step = RAW_BYTES // 4
        for index, each in enumerate(arguments):
            values[index * step] = each
        self._trap.value = None
        error = _func_call(self._context, self._at[name], self._values_at, ARGUMENTS, self._trap_at)
        if error:
            raise Failed(take_error(error))
        if self._trap.value:
            trap, self._trap.value = self._trap.value, None
            raise Failed(str(wasmtime.Trap._from_ptr(ctypes.cast(trap, _Trap))))
        return int(values[0])

    def size(self) -> int:
        return int(_memory_size(self._context, self._memory_at))

    def read(self, at: int, size: int) -> bytes:
        _check(at, size, self.size())
        return ctypes.string_at(_memory_data(self._context, self._memory_at) + at, size)

    def write(self, at: int, data: bytes) -> None:
        _check(at, len(data), self.size())
        ctypes.memmove(_memory_data(self._context, self._memory_at) + at, data, len(data))

    def close(self) -> None:
        super().close()
        for slot in self._slots:
            _slots.pop(slot, None)
        self._slots.clear()


def _fits(ty: wasmtime.FuncType) -> bool:
    numbers = [*ty.params, *ty.results]
    is_small = len(ty.params) <= ARGUMENTS and len(ty.results) <= 1
    return is_small and all(each == _I32 for each in numbers)


def _check(at: int, size: int, memory: int) -> None:
    if at + size > memory:
        raise OutOfBounds(f"{size:,} bytes at {at:,} lie outside of its memory of {memory:,}")


_P, _N = ctypes.c_void_p, ctypes.c_size_t
_Trap = ctypes.POINTER(ffi.wasm_trap_t)
_FAILURES = (wasmtime.Trap, wasmtime.WasmtimeError, Stopped)
_slots: dict[int, Import] = {}
_numbers = itertools.count(1)
_callback_type = ctypes.CFUNCTYPE(_N, _P, _P, _P, _N)
_finalizer_type = ctypes.CFUNCTYPE(None, _P)
_no_finalizer = _finalizer_type(0)


def _function(library: Any, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """A function of wasmtime that takes addresses as whole numbers."""
    function = library[name]
    function.restype = result
    function.argtypes = arguments
    call: Callable[..., Any] = function
    return call


@_callback_type  # type: ignore[untyped-decorator]
def _on_call(slot: int, _caller: int, values: int, _count: int) -> int:
    # Nothing may be raised into C: ctypes would print it and answer success.
    try:
        numbers = (ctypes.c_uint32 * (ARGUMENTS * RAW_BYTES // 4)).from_address(values)
        step = RAW_BYTES // 4
        status = _slots[slot](numbers[0], numbers[step], numbers[2 * step], numbers[3 * step])
        numbers[0] = status & MASK
        return 0
    except BaseException:
        return address_of(wasmtime.Trap("a host function failed")._consume())


if is_quick():
    _held = ctypes.PyDLL(str(ffi.filename))
    _memory_data = _function(_held, "wasmtime_memory_data", _P, _P, _P)
    _memory_size = _function(_held, "wasmtime_memory_data_size", _N, _P, _P)
    _func_new = _function(
        _held, "wasmtime_func_new_unchecked", None, _P, _P, _callback_type, _P, _finalizer_type, _P
    )
    # Runs guest code, without the GIL, and calls back into Python.
    _library = ctypes.CDLL(str(ffi.filename))
    _func_call = _function(_library, "wasmtime_func_call_unchecked", _P, _P, _P, _P, _N, _P)
