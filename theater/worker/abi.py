"""Move values between Python and wasmtime's C values, one codec per function type.

wasmtime-py walks the type and converts byte lists element by element on every call. Here the
type is walked once per function and becomes closures that read and write the C structs
directly in memory:

    lower(value, address)    writes a `wasmtime_component_val_t` (32 bytes) at `address`
    lift(address) -> value   reads one, changes nothing

Ownership. What `lower` builds lies in an `Arena` of ours, never in wasmtime's heap: wasmtime
only borrows the arguments of a call, and a host function's answer is handed over with
`wasmtime_component_val_clone`. What wasmtime gives us is only read; a call's result is freed as
a whole with `wasmtime_component_val_delete`, a host function's arguments by wasmtime itself.

Plain values: bool, int, float, str (string, char, enum, variant without payload), bytes
(list<u8>), list (list, tuple), dict in field order (record), None or the value (option; of an
option: None or [value]), {"ok": v} or {"err": v} (result), {"case": v} (variant with payload),
list of names in declared order (flags), int (own and borrow of a host resource: its number).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wasmtime import component as wc

from theater.worker.cvalues import VAL_BYTES, Arena, Resources, Unsupported, val_clone
from theater.worker.lift import Lift, lifting
from theater.worker.lower import Lower, Lowering, show

__all__ = ["Codec", "FunctionCodec", "Unsupported"]


class Codec:
    """Lower and lift for one store: its arena and its resources."""

    def __init__(self) -> None:
        self.arena = Arena()
        self.resources = Resources()
        self.lowering = Lowering(self.arena, self.resources)

    def function(self, ty: wc.FuncType) -> FunctionCodec:
        """Walk the type of one function. Raises Unsupported."""
        return FunctionCodec(self, ty)

    def reset(self) -> None:
        """Forget everything lowered since the last reset."""
        self.arena.reset()
        self.resources.reset()


class FunctionCodec:
    """One function's arguments and result, both ways. Closures are made when first needed."""

    def __init__(self, codec: Codec, ty: wc.FuncType) -> None:
        self._codec = codec
        params = ty.params
        self.names = [name for name, _ in params]
        self._types = [param for _, param in params]
        self._result = ty.result
        self.has_result = self._result is not None
        self._lower_args: list[Lower] | None = None
        self._lift_args: list[Lift] | None = None
        self._lower_result: Lower | None = None
        self._lift_result: Lift | None = None

    def prepare_call(self) -> None:
        """Make what a call from here into the guest needs. Raises Unsupported."""
        self._lower_args = [self._codec.lowering.lower(ty) for ty in self._types]
        if self._result is not None:
            self._lift_result = lifting(self._result, self._codec.resources)

    def prepare_answer(self) -> None:
        """Make what a call from the guest to here needs. Raises Unsupported."""
        self._lift_args = [lifting(ty, self._codec.resources) for ty in self._types]
        if self._result is not None:
            self._lower_result = self._codec.lowering.lower(self._result)

    def lower_args(self, args: Sequence[Any]) -> int:
        """Write the arguments of a call; the address of the array. TypeError, ValueError."""
        lowers = self._lower_args
        assert lowers is not None, "prepare_call comes first"
        if len(args) != len(lowers):
            raise TypeError(f"takes {len(lowers)} arguments, not {len(args)}")
        at = array = self._codec.arena.alloc(len(lowers) * VAL_BYTES)
        for index, lower in enumerate(lowers):
            try:
                lower(args[index], at)
            except TypeError as error:
                raise TypeError(f"argument `{self.names[index]}`: {error}") from error
            except ValueError as error:
                raise ValueError(f"argument `{self.names[index]}`: {error}") from error
            at += VAL_BYTES
        return array

    def lift_args(self, array: int) -> list[Any]:
        """Read the arguments that the guest gave to a host function."""
        lifts = self._lift_args
        assert lifts is not None, "prepare_answer comes first"
        args = []
        for lift in lifts:
            args.append(lift(array))
            array += VAL_BYTES
        return args

    def lower_result(self, value: Any, into: int) -> None:
        """Hand a host function's answer to wasmtime at `into`. TypeError, ValueError."""
        lower = self._lower_result
        if lower is None:
            if value is not None:
                raise TypeError(f"the function has no result, not {show(value)}")
            return
        codec = self._codec
        codec.arena.reset()
        at = codec.arena.alloc(VAL_BYTES)
        lower(value, at)
        val_clone(at, into)

    def lift_result(self, address: int) -> Any:
        """Read the result of a call."""
        lift = self._lift_result
        return None if lift is None else lift(address)
