"""Show a value as text, the way Pack does. Pure.

It is for people, and cannot be read back: a variant does not say its tag. Strings come as they are,
so what an actor has said goes through `harmless.visible` on its way to a terminal.
"""

from __future__ import annotations

import functools
import io
import math
import struct
from collections.abc import Callable, Iterable, Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from theater.pack import types, values
from theater.pack.values import F32, F64, Value

TEXT_MAX = 1 << 20  # characters, where nothing else is said
_TYPE_MAX = 4096  # bytes of a type that is shown
_SLICE = 1024  # items of a list, or characters of a string, that are made into text at once
_PIECE = 4096  # characters of a piece, at least
_F32 = struct.Struct("<f")
_F32_NORMAL = 2.0**-126  # the least one that has all of its digits
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_STRING = _ESCAPES | {ord('"'): '\\"'}
_CHAR = _ESCAPES | {ord("'"): "\\'"}


class _Piece(str):
    """Of the text, where anything else that a part is made of is a value."""

    __slots__ = ()


_COMMA, _CLOSED = _Piece(", "), _Piece(")")


def text(value: Value, limit: int = TEXT_MAX) -> str:
    """On one line, unless a name has a newline. What is longer than `limit` characters is cut off,
    with ... at its end, and takes no longer than what is shown."""
    return joined(pieces(value), limit)


def joined(parts: Iterable[str], limit: int) -> str:
    """These parts of a text, cut off as `text` does it. No more of them are made than is shown."""
    found = io.StringIO()  # a list of all of them would take the room of the text once more
    length = 0
    for part in parts:
        found.write(part)
        length += len(part)
        if length > limit:
            return found.getvalue()[: max(0, limit - 3)] + "..."
    return found.getvalue()


def pieces(value: Value) -> Iterator[str]:
    """All of the text, some thousands of characters after the other: however large the value is,
    no more than a piece of its text is there at a time."""
    found: list[str] = []
    length = 0
    stack: list[Iterator[Any]] = [iter((value,))]
    while stack:
        for current in stack[-1]:
            kind = type(current)
            if kind is _Piece:
                piece: str = current
            elif kind in _LEAVES and (kind is not str or len(current) <= _SLICE):
                piece = _LEAVES[kind](current)
            else:
                stack.append(_parts(current))
                break
            found.append(piece)
            length += len(piece)
            if length >= _PIECE:
                yield "".join(found)
                found.clear()
                length = 0
        else:
            stack.pop()
    yield "".join(found)


def _parts(value: Any) -> Iterator[Any]:
    """What it is made of, pieces of text and values."""
    match value:
        case str():
            yield _Piece('"')
            for at in range(0, len(value), _SLICE):
                yield _Piece(value[at : at + _SLICE].translate(_STRING))
            yield _Piece('"')
        case tuple():
            yield _Piece("(")
            yield from _separated(value)
            yield _CLOSED
        case bytes():
            yield from _numbers(types.U8, value)
        case values.Array():
            yield from _numbers(value.of, value.data)
        case values.List(items=()):
            yield _Piece(f"[]<{_type(value.of)}>")
        case values.List():
            yield _Piece("[")
            yield from _separated(value.items)
            yield _Piece("]")
        case values.Option(item=None):
            yield _Piece(f"none<{_type(value.of)}>")
        case values.Option():
            yield _Piece(f"some<{_type(value.of)}>(")
            yield value.item
            yield _CLOSED
        case values.Result():
            case_ = "err" if value.is_err else "ok"
            yield _Piece(f"{case_}<{_type(value.ok)}, {_type(value.err)}>(")
            yield value.item
            yield _CLOSED
        case values.Record():
            yield _Piece(value.name + "{")
            for at, (name, each) in enumerate(value.fields):
                yield _Piece(f"{', ' if at else ''}{name}: ")
                yield each
            yield _Piece("}")
        case values.Variant():
            yield _Piece(f"{value.name}::{value.case}")
            if value.payload:
                yield _Piece("(")
                yield from _separated(value.payload)
                yield _CLOSED
        case _:
            raise values.BadValue(f"a {type(value).__name__} is no value")


def _separated(items: tuple[Value, ...]) -> Iterator[Any]:
    for at, each in enumerate(items):
        if at:
            yield _COMMA
        yield each


def _numbers(of: types.Scalar, data: bytes) -> Iterator[_Piece]:
    """A list of a fixed width, so many items at a time: they are no values before that."""
    if not data:
        yield _Piece(f"[]<{of.name}>")
        return
    shown = _ITEMS[of.tag]
    for at in range(0, len(data), step := _SLICE * of.width):
        part = data[at : at + step]
        items = part if of is types.U8 else values.Array(of, part).items()
        yield _Piece(f"{', ' if at else '['}{', '.join(map(shown, items))}")
    yield _Piece("]")


@functools.lru_cache(256)  # as many values say the same
def _type(wire: bytes) -> str:
    return types.words(types.read(wire)) if len(wire) <= _TYPE_MAX else "..."


def _integer(of: types.Scalar) -> Callable[[Any], str]:
    return lambda value: f"{value.value}{of.name}"


def _float(name: str, number: float, shortest: Callable[[float], str]) -> str:
    if math.isnan(number):
        return f"NaN{name}"
    if math.isinf(number):
        return f"{'-' if number < 0 else ''}inf{name}"
    plain = shortest(number)
    if "e" in plain or "E" in plain:
        plain = format(Decimal(plain), "f")
    return f"{plain if '.' in plain else f'{plain}.0'}{name}"


def _f32(bits: int) -> str:
    return _float("f32", F32(bits).number, _shortest_f32)


def _f64(bits: int) -> str:
    return _float("f64", F64(bits).number, repr)


def _shortest_f32(number: float) -> str:
    """The decimal of the fewest digits that is read back as this f32; of two the nearer one, and
    of two that are as near the larger. `repr` knows doubles only."""
    if abs(number) < _F32_NORMAL or abs(math.frexp(number)[0]) == 0.5:
        return _searched_f32(number)
    # Any decimal of six digits is another f32, so one that is read back is the only one; and of
    # more digits the nearest one is, if any is: an f32 is in the middle of what is read as it,
    # but for the powers of two.
    for digits in range(6, 10):
        near = f"{number:.{digits}g}"
        if _same_f32(near, number):
            return _searched_f32(number) if _is_between(number, digits) else near
    return repr(number)


def _is_between(number: float, digits: int) -> bool:
    """Whether two decimals of so many digits are as near: it has one digit more, which is 5."""
    mantissa, _, exponent = f"{number:.{digits}e}".partition("e")
    return mantissa[-1] == "5" and Decimal(f"{mantissa}e{exponent}") == Decimal(number)


def _searched_f32(number: float) -> str:
    """The same for any f32, in many times the time."""
    exact = Decimal(number)
    if not exact:
        return repr(number)
    for digits in range(1, 10):
        unit = Decimal(1).scaleb(exact.adjusted() - digits + 1)
        near = [exact.quantize(unit, rounding) for rounding in (ROUND_FLOOR, ROUND_CEILING)]
        good = [each for each in near if _same_f32(each, number)]
        if good:
            best = min(good, key=lambda each: (abs(each - exact), -abs(each)))
            return str(best.normalize())  # 0.010, where what is below 0.01 is read as less than it
    return repr(number)


def _same_f32(decimal: Decimal | str, number: float) -> bool:
    try:
        return bool(_F32.unpack(_F32.pack(float(decimal)))[0] == number)
    except OverflowError:
        return False


def _char(value: str) -> str:
    return f"'{value.translate(_CHAR)}'"


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _flags(bits: int) -> str:
    return f"flags({bits:#x})"


_LEAVES: dict[type, Callable[[Any], str]] = {
    kind: _integer(of) for kind, of in values.SCALARS.items() if issubclass(kind, values.Integer)
} | {
    bool: _bool,
    str: lambda value: f'"{value.translate(_STRING)}"',
    values.Char: lambda value: _char(value.value),
    values.Flags: lambda value: _flags(value.bits),
    F32: lambda value: _f32(value.bits),
    F64: lambda value: _f64(value.bits),
}
# What `Array.items` has of each, by the tag of its type.
_ITEMS: dict[int, Callable[[Any], str]] = {
    of.tag: f"{{}}{of.name}".format for of in types.SCALARS if of.lowest or of.highest
} | {
    types.U8.tag: [f"{byte}u8" for byte in range(256)].__getitem__,
    types.BOOL.tag: _bool,
    types.F32.tag: _f32,
    types.F64.tag: _f64,
    types.CHAR.tag: _char,
    types.FLAGS.tag: _flags,
}
