"""From wasmtime's C values to Python: one closure per type that reads at an address."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from typing import Any

from wasmtime.component import _types as wt

from theater.worker.cvalues import (
    ENTRY_BYTES,
    FLOATS,
    INTEGERS,
    MEMORY,
    NAME_BYTES,
    OF,
    VAL_BYTES,
    Resources,
    Unsupported,
)

Lift = Callable[[int], Any]

string_at = ctypes.string_at
_read_i = struct.Struct("=I").unpack_from
_read_q = struct.Struct("=Q").unpack_from
_read_qq = struct.Struct("=QQ").unpack_from
# Longer byte lists are copied in pieces: each byte takes 32 on the C side.
_PIECE_ITEMS = 256 * 1024


def lifting(ty: wt.ValType, resources: Resources) -> Lift:
    """The closure that reads a value of type `ty`."""
    kind = type(ty)
    if kind in INTEGERS:
        return _lift_number(INTEGERS[kind][1])
    if kind in FLOATS:
        return _lift_number(FLOATS[kind][1])
    if kind is wt.Bool:
        return _lift_bool
    if kind is wt.Char:
        return _lift_char
    if kind is wt.String or isinstance(ty, wt.EnumType):
        return _lift_string
    if isinstance(ty, wt.ListType):
        element = ty.element
        if isinstance(element, wt.U8):
            return _lift_bytes
        return _lift_list(lifting(element, resources))
    if isinstance(ty, wt.TupleType):
        return _lift_tuple([lifting(element, resources) for element in ty.elements])
    if isinstance(ty, wt.RecordType):
        return _lift_record([(name, lifting(field, resources)) for name, field in ty.fields])
    if isinstance(ty, wt.OptionType):
        return _lift_option(
            lifting(ty.payload, resources), boxed=isinstance(ty.payload, wt.OptionType)
        )
    if isinstance(ty, wt.ResultType):
        return _lift_result(
            None if ty.ok is None else lifting(ty.ok, resources),
            None if ty.err is None else lifting(ty.err, resources),
        )
    if isinstance(ty, wt.VariantType):
        return _lift_variant(
            {
                name: None if payload is None else lifting(payload, resources)
                for name, payload in ty.cases
            }
        )
    if isinstance(ty, wt.FlagsType):
        return _lift_flags(ty.names)
    if isinstance(ty, wt.OwnType | wt.BorrowType):
        if resources.number(ty.ty) is None:
            raise Unsupported("resources that the component itself defines are not supported")
        return _lift_resource(resources)
    raise Unsupported(f"values of type {kind.__name__} cannot cross the sandbox boundary here")


def _lift_resource(resources: Resources) -> Lift:
    to_rep = resources.to_rep

    def lift(address: int) -> Any:
        return to_rep(_read_q(MEMORY, address + OF)[0])

    return lift


def _lift_number(code: str) -> Lift:
    read = struct.Struct("=" + code).unpack_from

    def lift(address: int) -> Any:
        return read(MEMORY, address + OF)[0]

    return lift


def _lift_bool(address: int) -> Any:
    return MEMORY[address + OF] != 0


def _lift_char(address: int) -> Any:
    return chr(_read_i(MEMORY, address + OF)[0])


def _lift_string(address: int) -> Any:
    size, data = _read_qq(MEMORY, address + OF)
    return str(MEMORY[data : data + size], "utf-8") if size else ""


def _lift_bytes(address: int) -> Any:
    size, data = _read_qq(MEMORY, address + OF)
    if not size:
        return b""
    if size <= _PIECE_ITEMS:
        return string_at(data, size * VAL_BYTES)[OF::VAL_BYTES]
    pieces = []
    end = data + size * VAL_BYTES
    for start in range(data, end, _PIECE_ITEMS * VAL_BYTES):
        width = min(_PIECE_ITEMS * VAL_BYTES, end - start)
        pieces.append(string_at(start, width)[OF::VAL_BYTES])
    return b"".join(pieces)


def _lift_list(element: Lift) -> Lift:
    def lift(address: int) -> Any:
        size, data = _read_qq(MEMORY, address + OF)
        return [element(at) for at in range(data, data + size * VAL_BYTES, VAL_BYTES)]

    return lift


def _lift_tuple(elements: list[Lift]) -> Lift:
    offsets = [(element, index * VAL_BYTES) for index, element in enumerate(elements)]

    def lift(address: int) -> Any:
        data = _read_qq(MEMORY, address + OF)[1]
        return [element(data + offset) for element, offset in offsets]

    return lift


def _lift_record(fields: list[tuple[str, Lift]]) -> Lift:
    offsets = [
        (name, field, index * ENTRY_BYTES + NAME_BYTES)
        for index, (name, field) in enumerate(fields)
    ]

    def lift(address: int) -> Any:
        data = _read_qq(MEMORY, address + OF)[1]
        return {name: field(data + offset) for name, field, offset in offsets}

    return lift


def _lift_option(payload: Lift, boxed: bool) -> Lift:
    def lift(address: int) -> Any:
        at = _read_q(MEMORY, address + OF)[0]
        if not at:
            return None
        value = payload(at)
        return [value] if boxed else value

    return lift


def _lift_result(ok: Lift | None, err: Lift | None) -> Lift:
    def lift(address: int) -> Any:
        at = _read_q(MEMORY, address + OF + 8)[0]
        if MEMORY[address + OF]:
            return {"ok": None if ok is None else ok(at)}
        return {"err": None if err is None else err(at)}

    return lift


def _lift_variant(cases: dict[str, Lift | None]) -> Lift:
    def lift(address: int) -> Any:
        case = _lift_string(address)
        payload = cases[case]
        if payload is None:
            return case
        return {case: payload(_read_q(MEMORY, address + OF + NAME_BYTES)[0])}

    return lift


def _lift_flags(names: list[str]) -> Lift:
    def lift(address: int) -> Any:
        size, data = _read_qq(MEMORY, address + OF)
        given = {_lift_string(at - OF) for at in range(data, data + size * NAME_BYTES, NAME_BYTES)}
        return [name for name in names if name in given]

    return lift
