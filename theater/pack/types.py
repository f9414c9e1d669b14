"""What a value may be: types, and functions of them. Pure.

A type of a signature says all: a record's fields, a variant's cases. A type that is written inside
a value has of those only the name. Both are these classes; the second kind has NamedTypes.

No type is nested deeper than DEPTH_MAX, so whoever looks into one may recurse; `parsing`, `read`
and `metadata`, which make them of what others wrote, hold to it.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

DEPTH_MAX = 64
_U32 = struct.Struct("<I")

LIST, VARIANT, RECORD, OPTION, TUPLE, RESULT = 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x14


class BadType(ValueError):
    """No type, or none that can be used. The text says what was found, and where."""


@dataclass(frozen=True, slots=True)
class Scalar:
    name: str
    tag: int  # as it is written, as a type and as a node
    number: int  # among the scalars: its hash begins with it, and metadata count them from 0
    width: int = 0  # bytes in an array; 0: it is not fixed
    code: str = ""  # of `struct`
    lowest: int = 0
    highest: int = 0

    @property
    def wire(self) -> bytes:
        return _TAGS[self.tag]


_TAGS = [bytes([tag]) for tag in range(256)]


def _integer(name: str, tag: int, number: int, code: str) -> Scalar:
    bits = int(name[1:])
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if name[0] == "s" else (0, (1 << bits) - 1)
    return Scalar(name, tag, number, bits // 8, code, low, high)


BOOL: Final = Scalar("bool", 0x01, 1, 1, "B", 0, 1)
U8: Final = _integer("u8", 0x0C, 2, "B")
U16: Final = _integer("u16", 0x0D, 3, "H")
U32: Final = _integer("u32", 0x0E, 4, "I")
U64: Final = _integer("u64", 0x0F, 5, "Q")
S8: Final = _integer("s8", 0x10, 6, "b")
S16: Final = _integer("s16", 0x11, 7, "h")
S32: Final = _integer("s32", 0x02, 8, "i")
S64: Final = _integer("s64", 0x03, 9, "q")
F32: Final = Scalar("f32", 0x04, 10, 4, "I", 0, (1 << 32) - 1)  # of its bits
F64: Final = Scalar("f64", 0x05, 11, 8, "Q", 0, (1 << 64) - 1)
CHAR: Final = Scalar("char", 0x12, 12, 4, "I", 0, 0x10FFFF)
STRING: Final = Scalar("string", 0x06, 13)
FLAGS: Final = Scalar("flags", 0x13, 14, 8, "Q", 0, (1 << 64) - 1)
SCALARS: Final = (BOOL, U8, U16, U32, U64, S8, S16, S32, S64, F32, F64, CHAR, STRING, FLAGS)
BY_TAG: Final = {each.tag: each for each in SCALARS}
BY_NAME: Final = {each.name: each for each in SCALARS}


@dataclass(frozen=True, slots=True)
class Special:
    """`value`, which is anything; `self`, the type that it stands in. Inside values they are not
    written: a string stands for what is not known there, as it does upstream."""

    name: str

    @property
    def wire(self) -> bytes:
        return STRING.wire


VALUE: Final = Special("value")
SELF: Final = Special("self")


@dataclass(frozen=True, slots=True)
class NamedType:
    """Of which only the name is known."""

    name: str
    is_variant: bool = False

    @property
    def wire(self) -> bytes:
        return _TAGS[VARIANT if self.is_variant else RECORD] + _string(self.name)


@dataclass(frozen=True, slots=True)
class FlagsType:
    """Flags whose bits have names, the lowest first."""

    name: str
    names: tuple[str, ...]

    @property
    def wire(self) -> bytes:
        return FLAGS.wire


@dataclass(frozen=True, slots=True)
class ListType:
    element: Type

    @property
    def wire(self) -> bytes:
        return _TAGS[LIST] + self.element.wire


@dataclass(frozen=True, slots=True)
class OptionType:
    content: Type

    @property
    def wire(self) -> bytes:
        return _TAGS[OPTION] + self.content.wire


@dataclass(frozen=True, slots=True)
class ResultType:
    """None is the `_` of `result<_, string>`: its value is unit."""

    ok: Type | None
    err: Type | None

    @property
    def wire(self) -> bytes:
        return _TAGS[RESULT] + (self.ok or UNIT).wire + (self.err or UNIT).wire


@dataclass(frozen=True, slots=True)
class TupleType:
    items: tuple[Type, ...]

    @property
    def wire(self) -> bytes:
        items = b"".join(item.wire for item in self.items)
        return _TAGS[TUPLE] + _U32.pack(len(self.items)) + items


@dataclass(frozen=True, slots=True)
class RecordType:
    name: str  # "" in signatures as WIT has them
    fields: tuple[tuple[str, Type], ...]

    @property
    def wire(self) -> bytes:
        return _TAGS[RECORD] + _string(self.name)


@dataclass(frozen=True, slots=True)
class VariantType:
    """Its cases in the order of their tags. An enum is one whose cases have no payload."""

    name: str
    cases: tuple[tuple[str, Type | None], ...]

    @property
    def wire(self) -> bytes:
        return _TAGS[VARIANT] + _string(self.name)

    @property
    def is_enum(self) -> bool:
        return all(payload is None for _, payload in self.cases)


Type: TypeAlias = (
    Scalar
    | Special
    | NamedType
    | FlagsType
    | ListType
    | OptionType
    | ResultType
    | TupleType
    | RecordType
    | VariantType
)

UNIT: Final = TupleType(())
BYTES: Final = ListType(U8)


@dataclass(frozen=True, slots=True)
class Function:
    """`result` is None where nothing is said; that is not the same as unit."""

    params: tuple[tuple[str, Type], ...]
    result: Type | None = None


@dataclass(frozen=True, slots=True)
class Interface:
    name: str  # in full: theater:simple/runtime
    functions: Mapping[str, Function] = field(default_factory=dict)


def _string(text: str) -> bytes:
    data = text.encode()
    return _U32.pack(len(data)) + data


# In words


def words(of: Type | Function) -> str:
    """As signatures are written, on one line; `parsing` reads it."""
    match of:
        case Function():
            params = ", ".join(f"{name}: {words(each)}" for name, each in of.params)
            return f"func({params})" + ("" if of.result is None else f" -> {words(of.result)}")
        case ListType():
            return f"list<{words(of.element)}>"
        case OptionType():
            return f"option<{words(of.content)}>"
        case ResultType():
            ok, err = ("_" if each is None else words(each) for each in (of.ok, of.err))
            return f"result<{ok}, {err}>"
        case TupleType():
            return f"tuple<{', '.join(map(words, of.items))}>"
        case RecordType():
            fields = ", ".join(f"{name}: {words(each)}" for name, each in of.fields)
            return f"record{_named(of.name)}{{{fields}}}"
        case VariantType():
            cases = ", ".join(
                name if each is None else f"{name}({words(each)})" for name, each in of.cases
            )
            return f"{'enum' if of.is_enum else 'variant'}{_named(of.name)}{{{cases}}}"
        case FlagsType():
            return f"flags{_named(of.name)}{{{', '.join(of.names)}}}"
    return of.name


def _named(name: str) -> str:
    return f" {name}" if name else ""


# As they are written inside values


def skip(data: bytes, at: int, end: int) -> int:
    """Where the type that begins at `at` ends. BadType. Takes no more time than the type has
    bytes, and makes nothing."""
    left: list[int] = []  # for each type that is open, how many it still wants
    while True:
        if at >= end:
            raise BadType("a type is cut off")
        tag = data[at]
        at += 1
        wants = _WANTS.get(tag)
        if wants is None:
            if tag in (RECORD, VARIANT):
                at = _skip_name(data, at, end)
                wants = 0
            elif tag == TUPLE:
                if end - at < 4:
                    raise BadType("a type is cut off")
                (wants,) = _U32.unpack_from(data, at)
                at += 4
                if wants > end - at:
                    raise BadType(f"a tuple type of {wants} items has no room for them")
            else:
                raise BadType(f"0x{tag:02x} is no type")
        if wants:
            left.append(wants)
            if len(left) >= DEPTH_MAX:
                raise BadType(f"a type is nested more than {DEPTH_MAX} deep")
            continue
        while left:
            left[-1] -= 1
            if left[-1]:
                break
            left.pop()
        if not left:
            return at


_WANTS = {each.tag: 0 for each in SCALARS} | {LIST: 1, OPTION: 1, RESULT: 2}


def _skip_name(data: bytes, at: int, end: int) -> int:
    if end - at < 4:
        raise BadType("a type is cut off")
    size: int = _U32.unpack_from(data, at)[0]
    at += 4
    if size > end - at:
        raise BadType("the name of a type is cut off")
    try:
        str(data[at : at + size], "utf-8")
    except UnicodeDecodeError:
        raise BadType("the name of a type is not UTF-8") from None
    return at + size


@functools.lru_cache(1024)
def _read_short(wire: bytes) -> Type:
    return _read_whole(wire)


def read(wire: bytes) -> Type:
    """The type that these bytes are, all of them. BadType."""
    return _read_short(wire) if len(wire) <= 256 else _read_whole(wire)


def _read_whole(wire: bytes) -> Type:
    if skip(wire, 0, len(wire)) != len(wire):
        raise BadType("something comes after a type")
    return _read(wire, 0)[0]


def _read(wire: bytes, at: int) -> tuple[Type, int]:
    """Of bytes that `skip` has gone through."""
    tag = wire[at]
    at += 1
    if tag == LIST:
        element, at = _read(wire, at)
        return ListType(element), at
    if tag == OPTION:
        content, at = _read(wire, at)
        return OptionType(content), at
    if tag == RESULT:
        ok, at = _read(wire, at)
        err, at = _read(wire, at)
        return ResultType(ok, err), at
    if tag == TUPLE:
        (count,) = _U32.unpack_from(wire, at)
        at += 4
        items = []
        for _ in range(count):
            item, at = _read(wire, at)
            items.append(item)
        return TupleType(tuple(items)), at
    if tag in (RECORD, VARIANT):
        (size,) = _U32.unpack_from(wire, at)
        at += 4
        return NamedType(str(wire[at : at + size], "utf-8"), tag == VARIANT), at + size
    return BY_TAG[tag], at
