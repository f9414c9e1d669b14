"""Type hints of Python as types of WIT, and values there and back. Pure.

    bool, str, bytes    bool, string, list<u8>
    int, float          s64, f64; others by the names of `handler`: U8, F32 ...
    list[T]             list<T>
    tuple[A, B]         tuple<A, B>
    T | None            option<T>
    a dataclass         a record, its fields in kebab-case
    an Enum             an enum, the names of its members in kebab-case
    Literal["a", "b"]   an enum
    Result[T]           result<T, string>, as a return type only

Plain values are what crosses the sandbox: see `worker/abi.py`. `take` makes what a method is given
of one; `give` the plain value of what it has returned, or raises TypeError or ValueError: what is
recorded must be what the guest gets.
"""

from __future__ import annotations

import dataclasses
import re
import struct
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, Union

from theater.handler import RESULT, Key, Mark

Convert = Callable[[Any], Any]

_F32 = struct.Struct("<f")
_WORD = "[a-z][a-z0-9]*"
_KEBAB = re.compile(f"{_WORD}(-{_WORD})*")
NAME_MAX = 64
_INTEGERS = {
    f"{sign}{bits}": (0, 2**bits - 1) if sign == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for sign in "us"
    for bits in (8, 16, 32, 64)
}
# What a name must not be without a % before it.
KEYWORDS = frozenset(
    {
        *("as", "async", "bool", "borrow", "char", "constructor", "enum", "export", "f32", "f64"),
        *("flags", "from", "func", "future", "import", "include", "interface", "list", "option"),
        *("own", "package", "record", "resource", "result", "s16", "s32", "s64", "s8", "static"),
        *("stream", "string", "tuple", "type", "u16", "u32", "u64", "u8", "use", "variant"),
        *("with", "world"),
    }
)
_INSTEAD: Mapping[Any, str] = {
    Any: "say what it is",
    object: "say what it is",
    list: "say of what, as in list[str]",
    tuple: "say of what, as in tuple[str, int]",
    dict: "WIT has no maps; use list[tuple[str, str]], or a dataclass",
    set: "WIT has no sets; use list[...]",
    bytearray: "use bytes",
    complex: "use tuple[float, float]",
}


class BadHint(Exception):
    """No type of WIT is meant by it. The text says why, and what to write."""


@dataclass(frozen=True, slots=True)
class WitType:
    """`text` has every name expanded, as the compiler describes a component; `name` is what an
    interface in WIT says, whose own types have names."""

    text: str
    name: str
    take: Convert
    give: Convert


def kebab(name: str) -> str:
    """`cold_start` -> `cold-start`. An underscore at the end keeps a name from being Python's."""
    found = name.removesuffix("_").replace("_", "-")
    if len(found) > NAME_MAX or not _KEBAB.fullmatch(found):
        raise BadHint(
            f"the name {name!r} cannot be one of WIT: words of a-z and 0-9 that begin with a"
            f" letter, with _ between them, at most {NAME_MAX} characters"
        )
    return found


def written(name: str) -> str:
    """A name as WIT has it."""
    return f"%{name}" if name in KEYWORDS else name


def _same(value: Any) -> Any:
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


class Hints:
    """Reads the hints of one interface, and collects the types that it has to name."""

    def __init__(self) -> None:
        self.named: dict[str, list[str]] = {}  # name in WIT -> its declaration
        self._known: dict[Any, WitType] = {}  # classes
        self._open: list[type] = []  # records that are being read

    def returned(self, hint: Any, place: str) -> tuple[WitType | None, bool]:
        """Of a return type: (its type, None for none; whether it is a result)."""
        is_result = typing.get_origin(hint) is Annotated and RESULT in hint.__metadata__
        if is_result:
            hint = hint.__origin__
        if hint in (None, types.NoneType):
            return None, is_result
        return self.of(hint, place), is_result

    def of(self, hint: Any, place: str) -> WitType:
        """`place`: what one that has no name of its own is called, in kebab-case. BadHint."""
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is Annotated:
            return self._annotated(hint, place)
        if origin in (Union, types.UnionType):
            return self._option(hint, arguments, place)
        if origin is Literal:
            return self._literal(hint, arguments, place)
        if origin is list:
            return self._list(self.of(arguments[0], place))
        if origin is tuple:
            return self._tuple(hint, arguments, place)
        if hint is Key:
            raise BadHint("a Key can only be a parameter by itself")
        if isinstance(hint, type):
            if issubclass(hint, Enum):
                return self._class(hint, self._enum)
            if dataclasses.is_dataclass(hint):
                return self._class(hint, self._record)
        simple = _SIMPLE.get(hint) if isinstance(hint, type) else None
        if simple is None:
            found = origin or hint
            advice = _INSTEAD.get(found) if isinstance(found, type) or found is Any else None
            raise BadHint(f"{spelt(hint)} is no type of WIT; {advice or _ALLOWED}")
        return simple

    def _annotated(self, hint: Any, place: str) -> WitType:
        marks = [each for each in hint.__metadata__ if isinstance(each, Mark)]
        if marks == [RESULT]:
            raise BadHint("Result can only be what a function returns")
        if not marks:
            return self.of(hint.__origin__, place)
        return _of_width(marks[0].wit)

    def _option(self, hint: Any, arguments: tuple[Any, ...], place: str) -> WitType:
        inner = [each for each in arguments if each is not types.NoneType]
        if len(inner) != 1 or len(arguments) != 2:
            raise BadHint(f"{spelt(hint)}: WIT has no unions but T | None; use a dataclass")
        of = self.of(inner[0], place)

        def take(value: Any) -> Any:
            return None if value is None else of.take(value)

        def give(value: Any) -> Any:
            return None if value is None else of.give(value)

        return WitType(f"option<{of.text}>", f"option<{of.name}>", take, give)

    def _list(self, of: WitType) -> WitType:
        is_bytes = of.text == "u8"  # a list of these crosses as bytes

        def take(value: Any) -> Any:
            return list(value) if is_bytes else [of.take(each) for each in value]

        def give(value: Any) -> Any:
            if not isinstance(value, list | tuple):
                raise TypeError(f"{_shown(value)} where a list is meant")
            items = [of.give(each) for each in value]
            return bytes(items) if is_bytes else items

        return WitType(f"list<{of.text}>", f"list<{of.name}>", take, give)

    def _tuple(self, hint: Any, arguments: tuple[Any, ...], place: str) -> WitType:
        if not arguments or Ellipsis in arguments:
            raise BadHint(f"{spelt(hint)}: a tuple of WIT has so many members; use list[...]")
        of = [self.of(each, place) for each in arguments]

        def take(value: Any) -> Any:
            return tuple(each.take(item) for each, item in zip(of, value, strict=True))

        def give(value: Any) -> Any:
            if not isinstance(value, list | tuple) or len(value) != len(of):
                raise TypeError(f"{_shown(value)} where a tuple of {len(of)} is meant")
            return [each.give(item) for each, item in zip(of, value, strict=True)]

        text = ", ".join(each.text for each in of)
        name = ", ".join(each.name for each in of)
        return WitType(f"tuple<{text}>", f"tuple<{name}>", take, give)

    def _literal(self, hint: Any, cases: tuple[Any, ...], place: str) -> WitType:
        if not all(isinstance(each, str) and _KEBAB.fullmatch(each) for each in cases):
            raise BadHint(f"{spelt(hint)}: the cases of an enum are strings in kebab-case")
        names = frozenset(cases)

        def give(value: Any) -> Any:
            if not isinstance(value, str) or value not in names:
                raise ValueError(f"{_shown(value)} is none of {', '.join(cases)}")
            return str(value)

        name = self._declare(place, [f"enum {{}} {{ {_listed(cases)} }}"])
        return WitType(f"enum{{{', '.join(cases)}}}", name, _same, give)

    def _class(self, kind: Any, make: Callable[[Any, str], WitType]) -> WitType:
        if kind not in self._known:
            words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind.__name__)
            self._known[kind] = make(kind, kebab(words.strip("_").lower()))
        return self._known[kind]

    def _enum(self, kind: type[Enum], name: str) -> WitType:
        members = {kebab(each.name.lower()): each for each in kind}
        if not members or len(members) != len(kind):
            raise BadHint(f"{kind.__name__}: its members have no different names in kebab-case")
        names = {member: case for case, member in members.items()}

        def give(value: Any) -> Any:
            if not isinstance(value, kind):
                raise TypeError(f"{_shown(value)} where one of {kind.__name__} is meant")
            return names[value]

        named = self._declare(name, [f"enum {{}} {{ {_listed(members)} }}"])
        return WitType(f"enum{{{', '.join(members)}}}", named, members.__getitem__, give)

    def _record(self, kind: type, name: str) -> WitType:
        if kind in self._open:
            raise BadHint(f"{kind.__name__} has itself within it, which no type of WIT can")
        self._open.append(kind)
        try:
            hints = hints_of(kind)
            if not all(each.init for each in dataclasses.fields(kind)):
                raise BadHint(f"{kind.__name__} has a field that it cannot be made with")
            found = [
                (each.name, kebab(each.name), hints[each.name]) for each in dataclasses.fields(kind)
            ]
            of = {
                field: (case, self._field(kind, field, hint, f"{name}-{case}"))
                for field, case, hint in found
            }
        finally:
            self._open.pop()
        if not of:
            raise BadHint(f"{kind.__name__} has no fields, and a record of WIT has at least one")

        def take(value: Any) -> Any:
            return kind(**{field: each.take(value[case]) for field, (case, each) in of.items()})

        def give(value: Any) -> Any:
            if not isinstance(value, kind):
                raise TypeError(f"{_shown(value)} where a {kind.__name__} is meant")
            given = {}
            for field, (case, each) in of.items():
                try:
                    given[case] = each.give(getattr(value, field))
                except (TypeError, ValueError) as error:
                    raise ValueError(f"{kind.__name__}.{field}: {error}") from None
            return given

        lines = [f"{written(case)}: {each.name}," for case, each in of.values()]
        named = self._declare(name, ["record {} {", *(f"    {line}" for line in lines), "}"])
        text = ", ".join(f"{case}: {each.text}" for case, each in of.values())
        return WitType(f"record{{{text}}}", named, take, give)

    def _field(self, kind: type, field: str, hint: Any, place: str) -> WitType:
        try:
            return self.of(hint, place)
        except BadHint as error:
            raise BadHint(f"{kind.__name__}.{field}: {error}") from None

    def _declare(self, name: str, lines: list[str]) -> str:
        """`{}` in the first line stands for the name, which it may share with an equal one."""
        number, taken = 1, name
        while self.named.setdefault(taken, lines) != lines:
            number += 1
            taken = f"{name}{number}"
        return written(taken)


def hints_of(owner: Any) -> dict[str, Any]:
    """The hints of a function or a class. BadHint, if one cannot be read."""
    try:
        return typing.get_type_hints(owner, include_extras=True)
    except Exception as error:  # they are code of the author's
        raise BadHint(f"its hints cannot be read: {type(error).__name__}: {error}") from None


def spelt(hint: Any) -> str:
    """A hint as its author wrote it, about."""
    if isinstance(hint, type) and not typing.get_args(hint):
        return hint.__qualname__
    return re.sub(r"\b(typing|types|builtins)\.", "", repr(hint))[:100]


def _listed(names: Any) -> str:
    return ", ".join(map(written, names))


def _of_width(wit: str) -> WitType:
    if wit not in _INTEGERS:
        return WitType(wit, wit, _same, lambda value: _F32.unpack(_F32.pack(_float(value)))[0])
    low, high = _INTEGERS[wit]

    def give(value: Any) -> Any:
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{_shown(value)} where a whole number is meant")
        if not low <= value <= high:
            raise ValueError(f"{_shown(int(value))} does not fit into {wit}")
        return int(value)

    return WitType(wit, wit, _same, give)


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{_shown(value)} where True or False is meant")
    return value


def _float(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{_shown(value)} where a number is meant")
    return float(value)


def _str(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{_shown(value)} where a str is meant")
    value.encode()  # half a surrogate pair is no text of WIT: a ValueError
    return str(value)


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(f"{_shown(value)} where bytes are meant")
    return bytes(value)


_SIMPLE: Mapping[Any, WitType] = {
    bool: WitType("bool", "bool", _same, _bool),
    int: _of_width("s64"),
    float: WitType("f64", "f64", _same, _float),
    str: WitType("string", "string", _same, _str),
    bytes: WitType("list<u8>", "list<u8>", bytes, _bytes),
}
_ALLOWED = (
    "there are bool, int, float, str, bytes, list[...], tuple[...], T | None, dataclasses, Enums,"
    ' Literal["a", "b"], and U8 to U64, S8 to S32 and F32 of theater.handler'
)
