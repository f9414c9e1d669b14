"""Show a value as upstream's text form does. Pure. It is for people: not all of it reads back."""

from __future__ import annotations

import struct
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from theater.pack import types
from theater.pack.types import BY_TAG, NamedType, Type
from theater.pack.values import (
    F32,
    F64,
    SCALARS,
    Array,
    Char,
    Flags,
    Integer,
    List,
    Option,
    Record,
    Result,
    Value,
    Variant,
)

_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_STRING = str.maketrans({**_ESCAPES, '"': '\\"'})
_CHAR = str.maketrans({**_ESCAPES, "'": "\\'"})
_F32_DIGITS = 9  # that tell any two apart


def text(value: Value, limit: int | None = None) -> str:
    """`limit`: so many characters at most; what is longer ends in an ellipsis."""
    told: list[str] = []
    size = 0
    # What is still to be said, the next last: pieces of text, and values.
    left: list[_Said | Any] = [value]
    while left:
        each = left.pop()
        if isinstance(each, _Said):
            told.append(each)
            size += len(each)
            if limit is not None and size > limit:
                return "".join(told)[: max(0, limit - 3)] + "..."
        else:
            left += reversed(_parts(each))
    return "".join(told)


class _Said(str):
    __slots__ = ()


def _parts(value: Value) -> list[Any]:
    match value:
        case bool():
            return [_Said("true" if value else "false")]
        case str():
            return [_Said(f'"{value.translate(_STRING)}"')]
        case bytes():
            items = ", ".join(f"{byte}u8" for byte in value)
            return [_Said(f"[{items}]" if value else "[]<u8>")]
        case Integer():
            return [_Said(f"{value.value}{SCALARS[type(value)].name}")]
        case F32():
            return [_Said(_f32(value.bits))]
        case F64():
            return [_Said(_f64(value.bits))]
        case Char():
            return [_Said(f"'{value.value.translate(_CHAR)}'")]
        case Flags():
            return [_Said(f"flags(0x{value.bits:x})")]
        case tuple():
            return [_Said("("), *_separated(list(value)), _Said(")")]
        case Array():
            shown = [_Said(_item(value.of, item)) for item in value.items()]
            return _list(list(shown), value.of.name)
        case List():
            return _list(list(value.items), type_text(types.read(value.of)))
        case Option():
            of = type_text(types.read(value.of))
            if value.item is None:
                return [_Said(f"none<{of}>")]
            return [_Said(f"some<{of}>("), value.item, _Said(")")]
        case Result():
            ok, err = (type_text(types.read(each)) for each in (value.ok, value.err))
            return [
                _Said(f"{'err' if value.is_err else 'ok'}<{ok}, {err}>("),
                value.item,
                _Said(")"),
            ]
        case Record():
            fields = [[_Said(f"{name}: "), item] for name, item in value.fields]
            return [_Said(value.name + "{"), *_joined(fields), _Said("}")]
        case Variant():
            head = _Said(f"{value.name}::{value.case}")
            if not value.payload:
                return [head]
            return [head, _Said("("), *_separated(list(value.payload)), _Said(")")]


def _list(items: list[Any], of: str) -> list[Any]:
    return [_Said("["), *_separated(items), _Said("]")] if items else [_Said(f"[]<{of}>")]


def _separated(items: list[Any]) -> list[Any]:
    return _joined([[item] for item in items])


def _joined(groups: list[list[Any]]) -> list[Any]:
    joined: list[Any] = []
    for group in groups:
        joined += [_Said(", "), *group] if joined else group
    return joined


def _item(of: types.Scalar, item: Any) -> str:
    """An item of an array, as `Array.items` has it."""
    if of is types.BOOL:
        return "true" if item else "false"
    if of is types.F32:
        return _f32(item)
    if of is types.F64:
        return _f64(item)
    if of is types.CHAR:
        return f"'{item.translate(_CHAR)}'"
    if of is types.FLAGS:
        return f"flags(0x{item:x})"
    return f"{item}{of.name}"


def _f64(bits: int) -> str:
    number = F64(bits).number
    return _special(number, "f64") or f"{_plain(Decimal(repr(number)))}f64"


def _f32(bits: int) -> str:
    number = F32(bits).number
    if special := _special(number, "f32"):
        return special
    exact = Decimal(number)
    for digits in range(1, _F32_DIGITS + 1):
        # Of two that are as near, the larger: Python's own formats take the even one.
        short = Context(prec=digits, rounding=ROUND_HALF_UP).create_decimal(exact)
        try:
            if struct.pack("<f", float(short)) == struct.pack("<f", number):
                return f"{_plain(short)}f32"
        except OverflowError:  # rounded beyond the largest
            continue
    return f"{_plain(exact)}f32"


def _special(number: float, kind: str) -> str:
    if number != number:
        return f"NaN{kind}"
    if number in (float("inf"), float("-inf")):
        return f"{'-' if number < 0 else ''}inf{kind}"
    return ""


def _plain(number: Decimal) -> str:
    shown = f"{number:f}"
    if "." in shown:
        shown = shown.rstrip("0")
        return shown + "0" if shown.endswith(".") else shown
    return f"{shown}.0"


def type_text(type: Type) -> str:
    """A type as it is written inside values: those with names by their names alone."""
    match type:
        case NamedType():
            return type.name
        case types.ListType():
            return f"list<{type_text(type.element)}>"
        case types.OptionType():
            return f"option<{type_text(type.content)}>"
        case types.ResultType():
            ok, err = (type_text(each or types.UNIT) for each in (type.ok, type.err))
            return f"result<{ok}, {err}>"
        case types.TupleType():
            return f"tuple<{', '.join(map(type_text, type.items))}>"
        case types.Scalar():
            return BY_TAG[type.tag].name
    return types.words(type)
