"""How a value of each kind is held. Pure.

    bool, string, list<u8>      bool, str, bytes
    tuple                       tuple; unit is ()
    u8 ... s64                  U8(5) ... S64(-1)
    f32, f64                    F32(bits), F64(bits); F64.of(1.5)
    char, flags                 Char("x"), Flags(0b101)
    list of another fixed width Array(U32, data): the items side by side, as they are written
    any other list              List(element, items)
    option, result              Option(content, item or None), Result(ok, err, is_err, item)
    record, variant             Record(name, fields), Variant(name, case, tag, payload)

What a value says of a type (of its elements, of what an option could hold) is kept as the bytes
that are written, `types.STRING.wire`: they are copied and compared, and hardly ever looked into.

Two values are equal where their encoded bytes are. Floats are their bits, so that a NaN survives
and 0.0 is not -0.0. Values may be nested deeper than `==`, `hash` and `repr` of Python's can go:
what a guest has sent is compared by its bytes, and shown by `text`.

Nothing is checked when one is made: the encoder does.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from theater.pack import types

_F32 = struct.Struct("<f")
_F64 = struct.Struct("<d")
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")


class BadValue(ValueError):
    """It cannot be written: the text says what of it, and why."""


@dataclass(frozen=True, slots=True)
class Integer:
    value: int


class U8(Integer):
    __slots__ = ()


class U16(Integer):
    __slots__ = ()


class U32(Integer):
    __slots__ = ()


class U64(Integer):
    __slots__ = ()


class S8(Integer):
    __slots__ = ()


class S16(Integer):
    __slots__ = ()


class S32(Integer):
    __slots__ = ()


class S64(Integer):
    __slots__ = ()


@dataclass(frozen=True, slots=True)
class F32:
    bits: int

    @classmethod
    def of(cls, number: float) -> F32:
        """The nearest one. BadValue: it is too large."""
        try:
            return cls(_U32.unpack(_F32.pack(number))[0])
        except OverflowError:
            raise BadValue(f"{number} does not fit f32") from None

    @property
    def number(self) -> float:
        """A signalling NaN becomes a quiet one on its way through a double."""
        return float(_F32.unpack(_U32.pack(self.bits))[0])


@dataclass(frozen=True, slots=True)
class F64:
    bits: int

    @classmethod
    def of(cls, number: float) -> F64:
        return cls(_U64.unpack(_F64.pack(number))[0])

    @property
    def number(self) -> float:
        return float(_F64.unpack(_U64.pack(self.bits))[0])


@dataclass(frozen=True, slots=True)
class Char:
    value: str  # one character, no surrogate


@dataclass(frozen=True, slots=True)
class Flags:
    bits: int


@dataclass(frozen=True, slots=True)
class Array:
    """A list of a fixed width that is not u8: of bool, of numbers, of chars, of flags."""

    of: types.Scalar
    data: bytes  # little endian; a bool is 0 or 1

    def items(self) -> tuple[Any, ...]:
        """bool, int, the bits of floats and flags, and characters."""
        if self.of is types.CHAR:
            return tuple(self.data.decode("utf-32-le"))
        count = len(self.data) // self.of.width
        numbers = struct.unpack(f"<{count}{self.of.code}", self.data)
        return tuple(map(bool, numbers)) if self.of is types.BOOL else numbers


@dataclass(frozen=True, slots=True)
class List:
    of: bytes
    items: tuple[Value, ...]  # of whatever types


@dataclass(frozen=True, slots=True)
class Option:
    of: bytes
    item: Value | None


@dataclass(frozen=True, slots=True)
class Result:
    ok: bytes
    err: bytes
    is_err: bool
    item: Value


@dataclass(frozen=True, slots=True)
class Record:
    name: str
    fields: tuple[tuple[str, Value], ...]

    def get(self, name: str) -> Value | None:
        """The first field of this name."""
        return next((value for key, value in self.fields if key == name), None)


@dataclass(frozen=True, slots=True)
class Variant:
    """One case. An enum's has no payload; there may be several."""

    name: str
    case: str
    tag: int
    payload: tuple[Value, ...] = ()


Value: TypeAlias = (
    bool
    | str
    | bytes
    | tuple["Value", ...]
    | Integer
    | F32
    | F64
    | Char
    | Flags
    | Array
    | List
    | Option
    | Result
    | Record
    | Variant
)

UNIT: Final[tuple[Value, ...]] = ()
NO_STATE: Final = Option(types.BYTES.wire, None)  # what an actor begins with if nobody says
SCALARS: Final[dict[type, types.Scalar]] = {
    bool: types.BOOL,
    str: types.STRING,
    U8: types.U8,
    U16: types.U16,
    U32: types.U32,
    U64: types.U64,
    S8: types.S8,
    S16: types.S16,
    S32: types.S32,
    S64: types.S64,
    F32: types.F32,
    F64: types.F64,
    Char: types.CHAR,
    Flags: types.FLAGS,
}


def ok(item: Value = UNIT) -> Result:
    """As a host answers. Both types are called string whatever they are: whoever answers without
    knowing them writes so, it is in recorded bytes, and everybody reads through it."""
    return Result(types.STRING.wire, types.STRING.wire, False, item)


def err(text: str) -> Result:
    return Result(types.STRING.wire, types.STRING.wire, True, text)


def bare(value: Any) -> Any:
    """What an array has for an item that is this value: see `Array.items`."""
    match value:
        case Integer() | Char():
            return value.value
        case F32() | F64() | Flags():
            return value.bits
    return value


def array(of: types.Scalar, items: Iterable[Any]) -> bytes | Array:
    """A list of a fixed width, from what `Array.items` has. BadValue."""
    try:
        if of is types.U8:
            return bytes(items)
        if of is types.CHAR:
            return Array(of, "".join(items).encode("utf-32-le"))
        numbers = tuple(items)
        return Array(of, struct.pack(f"<{len(numbers)}{of.code}", *numbers))
    except (struct.error, ValueError, OverflowError, TypeError) as error:
        raise BadValue(f"an item is no {of.name}: {error}") from None


def list_of(element: types.Type, items: Iterable[Value]) -> Value:
    """A list, in the form that belongs to the type of its elements. BadValue: an item of a fixed
    width is of another kind."""
    if isinstance(element, types.FlagsType):
        element = types.FLAGS
    if not isinstance(element, types.Scalar) or not element.width:
        return List(element.wire, tuple(items))
    numbers = []
    for item in items:
        if SCALARS.get(type(item)) is not element:
            raise BadValue(f"an item of a list<{element.name}> is of another kind")
        numbers.append(bare(item))
    return array(element, numbers)


def type_of(value: Value, depth: int = 0) -> types.Type:
    """The type that a value has by itself; what it says of types is believed. BadValue: tuples are
    nested deeper than a type can be."""
    if depth >= types.DEPTH_MAX:
        raise BadValue(f"its type is nested more than {types.DEPTH_MAX} deep")
    match value:
        case bytes():
            return types.BYTES
        case tuple():
            return types.TupleType(tuple(type_of(item, depth + 1) for item in value))
        case Array():
            return types.ListType(value.of)
        case List():
            return types.ListType(types.read(value.of))
        case Option():
            return types.OptionType(types.read(value.of))
        case Result():
            return types.ResultType(types.read(value.ok), types.read(value.err))
        case Record():
            return types.NamedType(value.name)
        case Variant():
            return types.NamedType(value.name, is_variant=True)
    return SCALARS[type(value)]
