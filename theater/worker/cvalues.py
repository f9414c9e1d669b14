"""wasmtime's C values in memory: their layout, an arena to build them in, and the raw calls.

The calls are made with addresses as plain ints on function objects of our own; wasmtime-py's
wrappers make and check a ctypes pointer object for every argument.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Any

from wasmtime import Engine
from wasmtime import _ffi as ffi
from wasmtime import component as wc
from wasmtime.component import _types as wt

VAL_BYTES = ctypes.sizeof(ffi.wasmtime_component_val_t)
ENTRY_BYTES = ctypes.sizeof(ffi.wasmtime_component_valrecord_entry_t)
NAME_BYTES = ctypes.sizeof(ffi.wasm_byte_vec_t)
OF = ffi.wasmtime_component_val_t.of.offset
# The offsets below are written into struct formats; another wasmtime might move them.
assert (VAL_BYTES, ENTRY_BYTES, NAME_BYTES, OF) == (32, 48, 16, 8), "wasmtime's C values changed"

# kind on the C side, struct format, lowest, highest
INTEGERS: dict[type[wt.ValType], tuple[int, str, int, int]] = {
    wt.S8: (ffi.WASMTIME_COMPONENT_S8.value, "b", -(1 << 7), (1 << 7) - 1),
    wt.U8: (ffi.WASMTIME_COMPONENT_U8.value, "B", 0, (1 << 8) - 1),
    wt.S16: (ffi.WASMTIME_COMPONENT_S16.value, "h", -(1 << 15), (1 << 15) - 1),
    wt.U16: (ffi.WASMTIME_COMPONENT_U16.value, "H", 0, (1 << 16) - 1),
    wt.S32: (ffi.WASMTIME_COMPONENT_S32.value, "i", -(1 << 31), (1 << 31) - 1),
    wt.U32: (ffi.WASMTIME_COMPONENT_U32.value, "I", 0, (1 << 32) - 1),
    wt.S64: (ffi.WASMTIME_COMPONENT_S64.value, "q", -(1 << 63), (1 << 63) - 1),
    wt.U64: (ffi.WASMTIME_COMPONENT_U64.value, "Q", 0, (1 << 64) - 1),
}
FLOATS: dict[type[wt.ValType], tuple[int, str]] = {
    wt.F32: (ffi.WASMTIME_COMPONENT_F32.value, "f"),
    wt.F64: (ffi.WASMTIME_COMPONENT_F64.value, "d"),
}

# All of this process's memory, so that struct can read and write at any address: one C call
# of 0.1 us where a chain of ctypes field accesses takes 2.
MEMORY = memoryview((ctypes.c_char * (1 << 56)).from_address(0)).cast("B")


class Unsupported(Exception):
    """A type that this host cannot carry; the text says which and why."""


class Arena:
    """Memory for the C values of one call, given back all at once by `reset`."""

    def __init__(self, size_bytes: int = 64 * 1024) -> None:
        self._block = ctypes.create_string_buffer(size_bytes)
        self._start = ctypes.addressof(self._block)
        self._end = self._start + size_bytes
        self._next = self._start
        self._extra: list[Any] = []

    def alloc(self, size_bytes: int) -> int:
        """The address of `size_bytes` bytes, aligned to 8, with any content."""
        address = self._next
        after = address + ((size_bytes + 7) & -8)
        if after > self._end:
            block = bytearray(size_bytes + 8)
            return (self.keep(block) + 7) & -8
        self._next = after
        return address

    def keep(self, block: bytearray) -> int:
        """Hold `block` until `reset` and return its address. It must not be resized."""
        self._extra.append(block)
        return ctypes.addressof(ctypes.c_char.from_buffer(block))

    def reset(self) -> None:
        self._next = self._start
        if self._extra:
            self._extra.clear()


class Resources:
    """Turns host resources into numbers and back. `context` is the store's, set before use."""

    def __init__(self) -> None:
        self.context = 0
        self._static: list[wc.ResourceType] = []  # as the component's type names them
        self._host: list[wc.ResourceType] = []  # as an instance sees them
        self._temporary: list[int] = []

    def define(self, static: wc.ResourceType) -> tuple[int, wc.ResourceType]:
        """Number and host type of an imported resource; new ones if it was not seen before."""
        for number, known in enumerate(self._static):
            if known == static:
                return number, self._host[number]
        host = wc.ResourceType.host(len(self._host))
        self._static.append(static)
        self._host.append(host)
        return len(self._host) - 1, host

    def knows(self, static: wc.ResourceType) -> bool:
        """Whether a resource in the component's type is one that it imports."""
        return static in self._static

    def number(self, seen: wc.ResourceType) -> int | None:
        """The number of a resource in the type of an instance's function; None if not ours."""
        return next((number for number, known in enumerate(self._host) if known == seen), None)

    def to_rep(self, resource_any: int) -> int:
        """The number behind a resource handle that wasmtime handed to us."""
        out = ctypes.c_void_p()
        check(any_to_host(self.context, resource_any, ctypes.byref(out)))
        rep: int = host_rep(out)
        host_delete(out)
        return rep

    def from_rep(self, owned: bool, rep: int, number: int) -> int:
        """A resource handle to hand to wasmtime; valid until `reset`."""
        host = host_new(owned, rep, number)
        out = ctypes.c_void_p()
        try:
            check(host_to_any(self.context, host, ctypes.byref(out)))
        finally:
            host_delete(host)
        assert out.value is not None
        self._temporary.append(out.value)
        return out.value

    def reset(self) -> None:
        while self._temporary:
            any_delete(self._temporary.pop())


def _function(name: str, result: Any, *arguments: Any, keep_gil: bool = True) -> Callable[..., Any]:
    """A wasmtime function that takes addresses as ints. Short ones keep the GIL: it is cheaper."""
    function = (_held if keep_gil else ffi.dll)[name]
    function.restype = result
    function.argtypes = arguments
    call: Callable[..., Any] = function
    return call


_P, _N = ctypes.c_void_p, ctypes.c_size_t
_held = ctypes.PyDLL(str(ffi.filename))

val_clone = _function("wasmtime_component_val_clone", None, _P, _P)
val_delete = _function("wasmtime_component_val_delete", None, _P)
any_to_host = _function("wasmtime_component_resource_any_to_host", _P, _P, _P, _P)
any_delete = _function("wasmtime_component_resource_any_delete", None, _P)
host_new = _function(
    "wasmtime_component_resource_host_new", _P, ctypes.c_bool, ctypes.c_uint32, ctypes.c_uint32
)
host_rep = _function("wasmtime_component_resource_host_rep", ctypes.c_uint32, _P)
host_delete = _function("wasmtime_component_resource_host_delete", None, _P)
host_to_any = _function("wasmtime_component_resource_host_to_any", _P, _P, _P, _P)
set_fuel = _function("wasmtime_context_set_fuel", _P, _P, ctypes.c_uint64)
get_fuel = _function("wasmtime_context_get_fuel", _P, _P, _P)
error_new = _function("wasmtime_error_new", _P, ctypes.c_char_p)
error_message = _function("wasmtime_error_message", None, _P, _P)
error_delete = _function("wasmtime_error_delete", None, _P)
# These run guest code and call back into Python.
func_call = _function("wasmtime_component_func_call", _P, _P, _P, _P, _N, _P, _N, keep_gil=False)
instantiate = _function("wasmtime_component_linker_instantiate", _P, _P, _P, _P, _P, keep_gil=False)

_member_count = _function("wasmtime_component_instance_type_export_count", _N, _P, _P)
_member = _function(
    "wasmtime_component_instance_type_export_nth", ctypes.c_bool, _P, _P, _N, _P, _P, _P
)
_member_type = _function("wasmtime_component_extern_type", None, _P, _P)
_member_delete = _function("wasmtime_component_extern_delete", None, _P)
_item_delete = _function("wasmtime_component_item_delete", None, _P)

callback_type = ctypes.CFUNCTYPE(_N, _P, _P, _P, _P, _N, _P, _N)
"""(slot, context, function type, args, their count, results, their count) -> error or 0"""
destructor_type = ctypes.CFUNCTYPE(_N, _P, _P, ctypes.c_uint32)
"""(slot, context, number of the resource) -> error or 0"""
_finalizer_type = ctypes.CFUNCTYPE(None, _P)
no_finalizer = _finalizer_type(0)
add_func = _function(
    "wasmtime_component_linker_instance_add_func",
    _P, _P, ctypes.c_char_p, _N, callback_type, _P, _finalizer_type,
)  # fmt: skip
add_resource = _function(
    "wasmtime_component_linker_instance_add_resource",
    _P, _P, ctypes.c_char_p, _N, _P, destructor_type, _P, _finalizer_type,
)  # fmt: skip


def address_of(pointer: Any) -> int:
    """The address a ctypes pointer holds."""
    address = ctypes.cast(pointer, ctypes.c_void_p).value
    assert address is not None, "a null pointer from wasmtime"
    return address


ITEM_FUNCTION = ffi.WASMTIME_COMPONENT_ITEM_COMPONENT_FUNC.value
ITEM_RESOURCE = ffi.WASMTIME_COMPONENT_ITEM_RESOURCE.value
ITEM_TYPE = ffi.WASMTIME_COMPONENT_ITEM_TYPE.value


def members(
    interface: wc.ComponentInstanceType, engine: Engine
) -> Iterator[tuple[bytes, int, wc.ResourceType | None]]:
    """Name, kind and, for a resource, type of what an interface holds, in order.

    A language runtime imports 25 interfaces with 250 members, and wasmtime-py would build the
    types of all of them, which takes longer than the rest of a worker's start.
    """
    address, engine_address = address_of(interface.ptr()), address_of(engine.ptr())
    name, size, extern = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_void_p()
    out = (ctypes.byref(name), ctypes.byref(size), ctypes.byref(extern))
    item = ffi.wasmtime_component_item_t()
    for index in range(_member_count(address, engine_address)):
        _member(address, engine_address, index, *out)
        _member_type(extern, ctypes.byref(item))
        _member_delete(extern)
        text = ctypes.string_at(name.value or 0, size.value)
        kind = int(item.kind)
        if kind == ITEM_RESOURCE:
            # The item's pointer is now the ResourceType's to free.
            pointer = ctypes.cast(
                address_of(item.of.resource),
                ctypes.POINTER(ffi.wasmtime_component_resource_type_t),
            )
            yield text, kind, wc.ResourceType._from_ptr(pointer)
        else:
            _item_delete(ctypes.byref(item))
            yield text, kind, None


def take_error(error: int) -> str:
    """The text of a wasmtime error, which is freed."""
    text = ffi.wasm_byte_vec_t()
    error_message(error, ctypes.byref(text))
    message = ctypes.string_at(text.data, text.size).decode(errors="replace")
    ffi.wasm_byte_vec_delete(ctypes.byref(text))
    error_delete(error)
    return message


def check(error: int | None) -> None:
    """Raise RuntimeError if a call answered with an error."""
    if error:
        raise RuntimeError(take_error(error))
