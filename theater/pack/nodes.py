"""One node's payload, written and read. Pure. `codec` puts nodes together.

A leaf's payload is all of its value. What has children is written as a head and their indices; it
is read into those and into what makes the value, once the children are there.

Hostile counts are compared with the bytes that are left before anything is made for them.
"""

from __future__ import annotations

import functools
import struct
import sys
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from theater.pack import types, values
from theater.pack.values import BadValue, Value

ARRAY = 0x15
U32 = struct.Struct("<I")
LENGTH_MAX = (1 << 32) - 1


class BadGraph(ValueError):
    """These bytes are no value, or one that is too large. The text says at which node."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a graph may have at most. The first four are those of everybody's."""

    buffer: int = 256 * 1024 * 1024  # bytes of it all
    nodes: int = 10_000_000
    payload: int = 128 * 1024 * 1024  # bytes of a node
    elements: int = 128 * 1024 * 1024  # of a list, a tuple
    depth: int = 512  # how deep values are nested; guests overflow their stack beyond 1,000
    # Sharing makes a small graph stand for a large tree. One may stand for a tree of its own size,
    # or of so many bytes if that is more; no encoder shares anything.
    shared: int = 1024 * 1024


# Writing

# Leaves: the kind and the payload of each


def _bool(value: bool) -> tuple[int, bytes]:
    return types.BOOL.tag, b"\1" if value else b"\0"


def _string(value: str) -> tuple[int, bytes]:
    return types.STRING.tag, _text(value)


def _text(value: Any) -> bytes:
    """A length and UTF-8."""
    if type(value) is not str:
        raise BadValue(f"a name is a str, not a {type(value).__name__}")
    try:
        data = value.encode()
        return U32.pack(len(data)) + data
    except UnicodeEncodeError:
        raise BadValue("a string has half of a surrogate pair, which no text has") from None
    except struct.error:
        raise BadValue(f"a string has {len(data):,} bytes, more than can be said") from None


def _bytes(value: bytes) -> tuple[int, bytes]:
    if len(value) > LENGTH_MAX:
        raise BadValue(f"a list<u8> has {len(value):,} bytes, more than can be said")
    return ARRAY, types.U8.wire + U32.pack(len(value)) + value


def _array(value: values.Array) -> tuple[int, bytes]:
    of, data = value.of, value.data
    if type(data) is not bytes or not isinstance(of, types.Scalar) or not of.width:
        raise BadValue("an array is of bytes, and of a type of a fixed width")
    if of is types.U8:
        raise BadValue("a list<u8> is bytes, and no array")
    if len(data) % of.width:
        raise BadValue(f"an array of {of.name} has {len(data)} bytes, no multiple of {of.width}")
    if of is types.BOOL and data.translate(None, b"\0\1"):
        raise BadValue("an array of bool has a byte that is neither 0 nor 1")
    if of is types.CHAR and not _are_chars(data):
        raise BadValue("an array of char has what is no character")
    return ARRAY, of.wire + U32.pack(len(data) // of.width) + data


def _are_chars(data: bytes) -> bool:
    try:
        data.decode("utf-32-le")
    except UnicodeDecodeError:
        return False
    return True


def _char(value: values.Char) -> tuple[int, bytes]:
    char = value.value
    if type(char) is not str or len(char) != 1 or "\ud800" <= char <= "\udfff":
        raise BadValue("a char is one character, and no half of a surrogate pair")
    return types.CHAR.tag, U32.pack(ord(char))


def _number(of: types.Scalar, field: str) -> Callable[[Any], tuple[int, bytes]]:
    pack, tag, name = struct.Struct(f"<{of.code}").pack, of.tag, of.name

    def number(value: Any) -> tuple[int, bytes]:
        found = getattr(value, field)
        if type(found) is not int:
            raise BadValue(f"{name} takes an int, not a {type(found).__name__}")
        try:
            return tag, pack(found)
        except struct.error:
            raise BadValue(f"a number does not fit {name}") from None

    return number


WRITERS: dict[type, Callable[[Any], tuple[int, bytes]]] = {
    kind: _number(of, "value" if issubclass(kind, values.Integer) else "bits")
    for kind, of in values.SCALARS.items()
    if kind not in (bool, str, values.Char)
} | {
    bool: _bool,
    str: _string,
    bytes: _bytes,
    values.Array: _array,
    values.Char: _char,
}


# Nodes with children: the kind, the payload up to the indices, and the children


def opened(value: Any, limits: Limits) -> tuple[int, bytes, tuple[Value, ...]]:
    match value:
        case tuple():
            return types.TUPLE, _counted(value, limits), value
        case values.Record():
            if not all(type(each) is tuple and len(each) == 2 for each in _items(value.fields)):
                raise BadValue("a field of a record is a pair of its name and its value")
            names = [name for name, _ in value.fields]
            head = _text(value.name) + _counted(names, limits) + b"".join(map(_text, names))
            return types.RECORD, head, tuple(each for _, each in value.fields)
        case values.Option():
            if value.item is None:
                return types.OPTION, _type(value.of) + b"\0", ()
            return types.OPTION, _type(value.of) + b"\1", (value.item,)
        case values.Result():
            tag = U32.pack(1 if value.is_err else 0) + b"\1"
            return types.RESULT, _type(value.ok) + _type(value.err) + tag, (value.item,)
        case values.Variant():
            if type(value.tag) is not int or not 0 <= value.tag <= LENGTH_MAX:
                raise BadValue("the tag of a variant is a number of 32 bits")
            payload = _items(value.payload)
            head = (
                _text(value.name)
                + _text(value.case)
                + U32.pack(value.tag)
                + _counted(payload, limits)
            )
            return types.VARIANT, head, payload
        case values.List():
            items = _items(value.items)
            of = _type(value.of)
            if (scalar := types.BY_TAG.get(of[0])) and scalar.width:
                raise BadValue(f"a list<{scalar.name}> is an array; `values.list_of` makes it")
            return types.LIST, of + _counted(items, limits), items
    raise BadValue(f"a {type(value).__name__} is no value")


def _items(items: Any) -> tuple[Any, ...]:
    if type(items) is not tuple:
        raise BadValue(f"what a value holds several of is a tuple, not a {type(items).__name__}")
    return items


def _counted(items: Sequence[Any], limits: Limits) -> bytes:
    if len(items) > limits.elements:
        raise BadValue(f"{len(items):,} parts are more than {limits.elements:,}")
    return U32.pack(len(items))


def _type(wire: bytes) -> bytes:
    if type(wire) is not bytes:
        raise BadValue(f"a type is kept as its bytes, not as a {type(wire).__name__}")
    wrong = _wrong_short(wire) if len(wire) <= 256 else _wrong_type(wire)
    if wrong:
        raise BadValue(wrong)
    return wire


def _wrong_type(wire: bytes) -> str | None:
    try:
        left = len(wire) - types.skip(wire, 0, len(wire))
    except types.BadType as error:
        return str(error)
    return "something comes after a type" if left else None


_wrong_short = functools.lru_cache(1024)(_wrong_type)


# Reading: between `at` and `end`, all of it

Make = Callable[[list[Any]], Value]
NO_CHILDREN = array("I")


def _fixed(of: types.Scalar, make: Callable[[Any], Value]) -> Callable[[bytes, int, int], Value]:
    unpack, width, name = struct.Struct(f"<{of.code}").unpack_from, of.width, of.name

    def read(data: bytes, at: int, end: int) -> Value:
        if end - at != width:
            raise BadGraph(f"{name} has {end - at} bytes, and not {width}")
        return make(unpack(data, at)[0])

    return read


def _read_bool(number: int) -> bool:
    if number > 1:
        raise BadGraph("bool is neither 0 nor 1")
    return number == 1


def _read_char(number: int) -> values.Char:
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        raise BadGraph(f"char is {number:#x}, which is no character")
    return values.Char(chr(number))


def _read_string(data: bytes, at: int, end: int) -> str:
    found, at = _string_at(data, at, end)
    if at != end:
        raise BadGraph("something comes after a string")
    return found


def _string_at(data: bytes, at: int, end: int) -> tuple[str, int]:
    if end - at < 4:
        raise BadGraph("a string is cut off")
    stop = at + 4 + U32.unpack_from(data, at)[0]
    if stop > end:
        raise BadGraph("a string is cut off")
    try:
        return str(data[at + 4 : stop], "utf-8"), stop
    except UnicodeDecodeError:
        raise BadGraph("a string is not UTF-8") from None


def _count_at(data: bytes, at: int, end: int) -> int:
    if end - at < 4:
        raise BadGraph("a count is cut off")
    return int(U32.unpack_from(data, at)[0])


def _type_at(data: bytes, at: int, end: int) -> int:
    if at < end and data[at] in types.BY_TAG:
        return at + 1
    try:
        return types.skip(data, at, end)
    except types.BadType as error:
        raise BadGraph(str(error)) from None


def _indices(data: bytes, at: int, end: int, count: int, limits: Limits) -> array[int]:
    """So many indices, which must be all that is left."""
    if count > limits.elements:
        raise BadGraph(f"{count:,} parts are more than {limits.elements:,}")
    if end - at != 4 * count:
        raise BadGraph(f"{count:,} parts have {end - at} bytes for their indices")
    found = array("I")
    found.frombytes(data[at:end])
    if sys.byteorder == "big":
        found.byteswap()
    return found


def _read_tuple(data: bytes, at: int, end: int, limits: Limits) -> tuple[array[int], Make]:
    return _indices(data, at + 4, end, _count_at(data, at, end), limits), tuple


def _read_list(data: bytes, at: int, end: int, limits: Limits) -> tuple[array[int], Make]:
    stop = _type_at(data, at, end)
    scalar = types.BY_TAG.get(data[at])
    if scalar is not None and scalar.width:
        raise BadGraph(f"a list<{scalar.name}> is written as a list and not as an array")
    of = data[at:stop]
    children = _indices(data, stop + 4, end, _count_at(data, stop, end), limits)
    return children, lambda items: values.List(of, tuple(items))


_IS_TRUE = bytes([0]) + bytes([1]) * 255


def _read_array(data: bytes, at: int, end: int, limits: Limits) -> tuple[array[int], Make]:
    scalar = types.BY_TAG.get(data[at]) if at < end else None
    if scalar is None or not scalar.width:
        raise BadGraph("an array is of no type of a fixed width")
    count = _count_at(data, at + 1, end)
    at += 5
    if count > limits.elements:
        raise BadGraph(f"{count:,} parts are more than {limits.elements:,}")
    if end - at != count * scalar.width:
        raise BadGraph(f"{count:,} of {scalar.name} have {end - at} bytes")

    def make(_items: list[Any]) -> Value:
        items = data[at:end]
        if scalar is types.U8:
            return items
        if scalar is types.BOOL:
            items = items.translate(_IS_TRUE)  # any other byte than 0 is true, here
        elif scalar is types.CHAR and not _are_chars(items):
            raise BadGraph("an array of char has what is no character")
        return values.Array(scalar, items)

    return NO_CHILDREN, make


def _read_option(data: bytes, at: int, end: int, limits: Limits) -> tuple[array[int], Make]:
    stop = _type_at(data, at, end)
    of = data[at:stop]
    if stop >= end:
        raise BadGraph("an option is cut off")
    if data[stop] == 1:
        children = _indices(data, stop + 1, end, 1, limits)
        return children, lambda items: values.Option(of, items[0])
    if stop + 1 != end:
        raise BadGraph("something comes after an option that is none")
    return NO_CHILDREN, lambda _items: values.Option(of, None)


def _read_result(data: bytes, at: int, end: int, limits: Limits) -> tuple[array[int], Make]:
    middle = _type_at(data, at, end)
    stop = _type_at(data, middle, end)
    ok, err = data[at:middle], data[middle:stop]
    is_err = _count_at(data, stop, end) != 0
    if stop + 5 > end or data[stop + 4] != 1:
        raise BadGraph("a result has no payload")
    children = _indices(data, stop + 5, end, 1, limits)
    return children, lambda items: values.Result(ok, err, is_err, items[0])


def _read_variant(data: bytes, at: int, end: int, limits: Limits) -> tuple[array[int], Make]:
    name, at = _string_at(data, at, end)
    case, at = _string_at(data, at, end)
    tag = _count_at(data, at, end)
    children = _indices(data, at + 8, end, _count_at(data, at + 4, end), limits)
    return children, lambda items: values.Variant(name, case, tag, tuple(items))


def _read_record(data: bytes, at: int, end: int, limits: Limits) -> tuple[array[int], Make]:
    name, at = _string_at(data, at, end)
    count = _count_at(data, at, end)
    at += 4
    if count > (end - at) // 8:  # a name and an index take eight bytes at least
        raise BadGraph(f"a record of {count:,} fields has {end - at} bytes for them")
    names = []
    for _ in range(count):
        field, at = _string_at(data, at, end)
        names.append(field)
    children = _indices(data, at, end, count, limits)
    return children, lambda items: values.Record(name, tuple(zip(names, items, strict=True)))


# By kind: what reads a leaf, and what reads the head of anything else
LEAVES: dict[int, Callable[[bytes, int, int], Value]] = {
    of.tag: _fixed(of, kind) for kind, of in values.SCALARS.items() if of.width
} | {
    types.BOOL.tag: _fixed(types.BOOL, _read_bool),
    types.CHAR.tag: _fixed(types.CHAR, _read_char),
    types.STRING.tag: _read_string,
}
HEADS: dict[int, Callable[[bytes, int, int, Limits], tuple[array[int], Make]]] = {
    types.TUPLE: _read_tuple,
    types.LIST: _read_list,
    ARRAY: _read_array,
    types.OPTION: _read_option,
    types.RESULT: _read_result,
    types.VARIANT: _read_variant,
    types.RECORD: _read_record,
}
CHECKED = frozenset({types.TUPLE, ARRAY})  # beside leaves; the others only where they are reached
