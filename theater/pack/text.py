"""Show a value as text, the way Pack does. Pure.

It is for people, and cannot be read back: a variant does not say its tag. Strings come as they are,
so what an actor has said goes through `harmless.visible` on its way to a terminal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from theater.pack import types, values
from theater.pack.values import F32, F64, Value

TEXT_MAX = 1 << 20  # characters, where nothing else is said
_TYPE_MAX = 4096  # bytes of a type that is shown
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_STRING = _ESCAPES | {ord('"'): '\\"'}
_CHAR = _ESCAPES | {ord("'"): "\\'"}


class _Piece(str):
    """Of the text, where anything else on the stack is a value."""

    __slots__ = ()


_COMMA, _CLOSED = _Piece(", "), _Piece(")")


def text(value: Value, limit: int = TEXT_MAX) -> str:
    """On one line, unless a string has controls that are not escaped. What is longer than `limit`
    characters is cut off, with ... at its end, and takes no longer than what is shown."""
    found: list[str] = []
    length = 0
    stack: list[Any] = [value]
    while stack and length <= limit:
        current = stack.pop()
        if type(current) is _Piece:
            piece: str = current
        elif (leaf := _LEAVES.get(type(current))) is not None:
            piece = leaf(current if type(current) is not str else current[: limit + 1])
        else:
            stack.extend(reversed(_parts(current, limit)))
            continue
        found.append(piece)
        length += len(piece)
    if length <= limit:
        return "".join(found)
    return "".join(found)[: max(0, limit - 3)] + "..."


def _parts(value: Any, limit: int) -> list[Any]:
    """What it is made of, pieces of text and values."""
    match value:
        case tuple():
            return [_Piece("("), *_joined(value, limit), _CLOSED]
        case bytes():
            return _list([values.U8(each) for each in value[:limit]], types.U8.wire, limit)
        case values.Array():
            kind = _KINDS[value.of.tag]
            width = value.of.width
            shown = values.Array(value.of, value.data[: limit * width])
            return _list([kind(each) for each in shown.items()], value.of.wire, limit)
        case values.List():
            return _list(value.items, value.of, limit)
        case values.Option():
            if value.item is None:
                return [_Piece(f"none<{_type(value.of)}>")]
            return [_Piece(f"some<{_type(value.of)}>("), value.item, _CLOSED]
        case values.Result():
            case_ = "err" if value.is_err else "ok"
            head = f"{case_}<{_type(value.ok)}, {_type(value.err)}>("
            return [_Piece(head), value.item, _CLOSED]
        case values.Record():
            parts: list[Any] = [_Piece(value.name + "{")]
            for at, (name, each) in enumerate(value.fields[: limit + 1]):
                parts += [_Piece(f"{', ' if at else ''}{name}: "), each]
            return [*parts, _Piece("}")]
        case values.Variant():
            head = _Piece(f"{value.name}::{value.case}")
            if not value.payload:
                return [head]
            return [head, _Piece("("), *_joined(value.payload, limit), _CLOSED]
    raise values.BadValue(f"a {type(value).__name__} is no value")


def _list(items: Any, of: bytes, limit: int) -> list[Any]:
    if not items:
        return [_Piece(f"[]<{_type(of)}>")]
    return [_Piece("["), *_joined(items, limit), _Piece("]")]


def _joined(items: Any, limit: int) -> list[Any]:
    parts: list[Any] = []
    for each in items[: limit + 1]:  # each takes one character at least
        parts += [each, _COMMA]
    return parts[:-1]


def _type(wire: bytes) -> str:
    return types.words(types.read(wire)) if len(wire) <= _TYPE_MAX else "..."


def _integer(of: types.Scalar) -> Callable[[Any], str]:
    return lambda value: f"{value.value}{of.name}"


def _float(name: str, number: float, shortest: Callable[[float], str]) -> str:
    if math.isnan(number):
        return f"NaN{name}"
    if math.isinf(number):
        return f"{'-' if number < 0 else ''}inf{name}"
    plain = format(Decimal(shortest(number)), "f")
    return f"{plain if '.' in plain else f'{plain}.0'}{name}"


def _shortest_f32(number: float) -> str:
    """The decimal of the fewest digits that is read back as this f32; of two the nearer one, and
    of two that are as near the larger. `repr` knows doubles only."""
    exact, bits = Decimal(number), F32.of(number).bits
    if not exact:
        return repr(number)
    for digits in range(1, 10):
        unit = Decimal(1).scaleb(exact.adjusted() - digits + 1)
        near = [exact.quantize(unit, rounding) for rounding in (ROUND_FLOOR, ROUND_CEILING)]
        good = [each for each in near if _same_f32(each, bits)]
        if good:
            return str(min(good, key=lambda each: (abs(each - exact), -abs(each))))
    return repr(number)


def _same_f32(decimal: Decimal, bits: int) -> bool:
    try:
        return F32.of(float(decimal)).bits == bits
    except values.BadValue:
        return False


_LEAVES: dict[type, Callable[[Any], str]] = {
    kind: _integer(of) for kind, of in values.SCALARS.items() if issubclass(kind, values.Integer)
} | {
    bool: lambda value: "true" if value else "false",
    str: lambda value: f'"{value.translate(_STRING)}"',
    values.Char: lambda value: f"'{value.value.translate(_CHAR)}'",
    values.Flags: lambda value: f"flags({value.bits:#x})",
    F32: lambda value: _float("f32", value.number, _shortest_f32),
    F64: lambda value: _float("f64", value.number, repr),
}
_KINDS: dict[int, Callable[[Any], Any]] = {of.tag: kind for kind, of in values.SCALARS.items()}
