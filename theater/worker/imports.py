"""Give a component what it imports: every function leads to a Host, every resource is a number.

wasmtime calls one C callback of ours with the number of a slot; the slot knows the function's
name and, from its first call on, how to read its arguments and write its answer.
"""

from __future__ import annotations

import ctypes
import itertools
from typing import Any, Protocol

import wasmtime
from wasmtime import _ffi as ffi
from wasmtime import component as wc
from wasmtime.component import _types as wt

from theater.errors import ComponentError
from theater.worker.abi import Codec, FunctionCodec, Unsupported
from theater.worker.cvalues import (
    ITEM_FUNCTION,
    ITEM_TYPE,
    add_func,
    add_resource,
    address_of,
    callback_type,
    destructor_type,
    error_new,
    members,
    no_finalizer,
    take_error,
)


class Host(Protocol):
    """What the guest's imports lead to. Values are plain values (see abi)."""

    def call(self, interface: str, function: str, args: list[Any]) -> Any:
        """Answer one call. An Abort ends the instance; any other exception is a trap."""

    def drop(self, interface: str, resource: str, rep: int) -> None:
        """The guest has dropped its handle of a resource that a call handed out as `rep`."""


def without_version(name: str) -> str:
    """`wasi:io/streams@0.2.0` -> `wasi:io/streams`"""
    return name.partition("@")[0]


class Imports:
    """The imports of one instance, and what went wrong in them."""

    def __init__(self, codec: Codec, host: Host) -> None:
        self.codec = codec
        self.host = host
        self.raised: BaseException | None = None  # the first exception out of a host function
        self.where = ""  # the function it came out of
        self._owners: dict[int, tuple[str, str]] = {}
        self._slots: list[int] = []

    def link(
        self,
        linker: wc.Linker,
        imports: dict[str, wt.ComponentExtern],
        engine: wasmtime.Engine,
    ) -> None:
        """Define all of `imports`. Raises ComponentError for what cannot be granted at all."""
        with linker.root() as root:
            for name, extern in imports.items():
                item = extern.ty
                if isinstance(item, wc.ComponentInstanceType):
                    with root.add_instance(name) as target:
                        self._link_interface(target, without_version(name), item, engine)
                elif isinstance(item, wc.FuncType | wc.ResourceType):
                    what = "function" if isinstance(item, wc.FuncType) else "resource"
                    raise ComponentError(
                        f"the component imports the {what} `{name}` outside of any interface, "
                        "and only interfaces can be granted. Put it into an interface of the "
                        "WIT package"
                    )
                elif isinstance(item, wc.ComponentType | wc.ModuleType):
                    raise ComponentError(
                        f"the component imports another component or module as `{name}`. "
                        "Compose the two into one before use (wasm-tools compose)"
                    )

    def close(self) -> None:
        """Forget the slots. Only after the store is gone."""
        for slot in self._slots:
            _slots.pop(slot, None)
        self._slots.clear()

    def _link_interface(
        self,
        target: wc.LinkerInstance,
        interface: str,
        item: wc.ComponentInstanceType,
        engine: wasmtime.Engine,
    ) -> None:
        parent = address_of(target.ptr())
        for encoded, kind, resource in members(item, engine):
            size = len(encoded)
            if kind == ITEM_FUNCTION:
                slot = self._slot(_Function(self, interface, encoded.decode()))
                error = add_func(parent, encoded, size, _on_call, slot, no_finalizer)
            elif resource is not None:
                # An interface that uses another one's resource comes after it and holds the
                # same type under a name of its own; the first to name it is its owner.
                number, host_type = self.codec.resources.define(resource)
                owner = self._owners.setdefault(number, (interface, encoded.decode()))
                slot = self._slot(_Destructor(self, *owner))
                type_address = address_of(host_type.ptr())
                error = add_resource(
                    parent, encoded, size, type_address, _on_drop, slot, no_finalizer
                )
            elif kind == ITEM_TYPE:
                continue
            else:
                raise ComponentError(
                    f"{interface} holds `{encoded.decode()}`, which is neither a function nor a "
                    "type"
                )
            if error:
                raise ComponentError(
                    f"cannot define {interface}.{encoded.decode()}: {take_error(error)}"
                )

    def _slot(self, handler: _Function | _Destructor) -> int:
        slot = next(_numbers)
        _slots[slot] = handler
        self._slots.append(slot)
        return slot

    def fail(self, where: str, error: BaseException) -> int:
        """Remember why a host function failed; the address of the error for wasmtime."""
        if self.raised is None:
            self.raised = error
            self.where = where
        address: int = error_new(f"host function {where} failed".encode())
        return address


class _Function:
    """One imported function."""

    __slots__ = ("codec", "function", "imports", "interface")

    def __init__(self, imports: Imports, interface: str, function: str) -> None:
        self.imports = imports
        self.interface = interface
        self.function = function
        self.codec: FunctionCodec | None = None

    def call(self, context: int, ty: int, args: int, results: int) -> None:
        imports = self.imports
        imports.codec.resources.context = context
        codec = self.codec
        if codec is None:
            codec = self.codec = self._make_codec(ty)
        value = imports.host.call(self.interface, self.function, codec.lift_args(args))
        try:
            codec.lower_result(value, results)
        finally:
            imports.codec.reset()

    def _make_codec(self, ty: int) -> FunctionCodec:
        pointer = ctypes.cast(ty, ctypes.POINTER(ffi.wasmtime_component_func_type_t))
        # The type belongs to wasmtime for the time of the call; an owner keeps wasmtime-py
        # from freeing it.
        codec = self.imports.codec.function(wc.FuncType._from_ptr(pointer, owner=self))
        try:
            codec.prepare_answer()
        except Unsupported as error:
            raise TypeError(str(error)) from None
        return codec


class _Destructor:
    """What happens when the guest drops its handle of one type of resource."""

    __slots__ = ("imports", "interface", "resource")

    def __init__(self, imports: Imports, interface: str, resource: str) -> None:
        self.imports = imports
        self.interface = interface
        self.resource = resource


_slots: dict[int, _Function | _Destructor] = {}
_numbers = itertools.count(1)


@callback_type  # type: ignore[untyped-decorator]
def _on_call(
    slot: int, context: int, ty: int, args: int, _count: int, results: int, _results: int
) -> int:
    function = _slots[slot]
    assert isinstance(function, _Function)
    # Nothing may be raised into C: ctypes would print it and answer success.
    try:
        function.call(context, ty, args, results)
        return 0
    except BaseException as error:
        return function.imports.fail(f"{function.interface}.{function.function}", error)


@destructor_type  # type: ignore[untyped-decorator]
def _on_drop(slot: int, _context: int, rep: int) -> int:
    resource = _slots[slot]
    assert isinstance(resource, _Destructor)
    try:
        resource.imports.host.drop(resource.interface, resource.resource, rep)
        return 0
    except BaseException as error:
        return resource.imports.fail(f"{resource.interface}.[drop]{resource.resource}", error)
