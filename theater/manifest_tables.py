"""What a table of a manifest is: its keys, each with the kind of its value; and the check. Pure.

A table is a class with an annotation for each key: a `Value` (in `Annotated`), another table, a
list, or a dict of values; `| None` where the key may be left out. TOML has no null: what is left
out is None. Keys that nobody knows are wrong.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

Loc = tuple[str | int, ...]
T = TypeVar("T")


# Compared by identity: a schema is a dict, and what stands in a type has to have a hash.
@dataclass(frozen=True, slots=True, eq=False)
class Value(Generic[T]):
    """A kind of value: a check that gives what the program wants, or raises ValueError."""

    check: Callable[[object], T]
    schema: dict[str, Any]
    note: str = ""  # how such a value is written, for people


@dataclass(frozen=True, slots=True)
class Said:
    """What a table says of a key beside its type."""

    description: str
    default: Any = None  # what holds where it is left out; None: nothing that can be said
    needed: bool = False


def key(description: str, default: Any = None) -> Any:
    """A key that may be left out. `default`: what holds then, None: nothing that can be said."""
    return Said(description, default)


def needed(description: str) -> Any:
    """A key that must be there."""
    return Said(description, needed=True)


class Table:
    """A TOML table."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a table. `kind`: a Value, a Table, or `list` or `dict` of them, as types are
    written; Any: it is somebody else's business."""

    kind: Any
    description: str
    default: Any
    needed: bool


_KEYS: dict[type[Table], dict[str, Key]] = {}


def keys_of(table: type[Table]) -> dict[str, Key]:
    """In the order in which they are written, those of bases first."""
    if table in _KEYS:  # looked up again and again, and long in the making
        return _KEYS[table]
    keys = _KEYS[table] = {}
    for name, hint in typing.get_type_hints(table, include_extras=True).items():
        said = getattr(table, name)
        keys[name] = Key(_kind(hint), said.description, said.default, said.needed)
    return keys


def _kind(hint: Any) -> Any:
    """The type, without None, and with the values instead of what Python makes of them."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    for mark in getattr(hint, "__metadata__", ()):
        if isinstance(mark, Value):
            return mark
    if origin in (typing.Union, types.UnionType):
        [hint] = [each for each in arguments if each is not type(None)]
        return _kind(hint)
    if origin in (list, dict):
        return types.GenericAlias(origin, tuple(map(_kind, arguments)))
    assert hint is Any or issubclass(hint, Table), f"{hint} is no kind of a key"
    return hint


class Fault(StrEnum):
    VALUE = "value"  # the text of what its check has raised
    MISSING = "missing"
    UNKNOWN = "unknown"
    NO_TABLE = "no table"
    NO_ARRAY = "no array"


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is wrong with a table."""

    fault: Fault
    loc: Loc
    found: Any = None
    text: str = ""


def read(table: type[Table], found: object, loc: Loc, wrong: list[Wrong]) -> Any:
    """The table, all of it checked. What is wrong is added to `wrong`, and then it is of no use."""
    if not isinstance(found, dict):
        wrong.append(Wrong(Fault.NO_TABLE, loc, found))
        return None
    made, keys = table(), keys_of(table)
    for name, each in keys.items():
        if each.needed and name not in found:
            wrong.append(Wrong(Fault.MISSING, (*loc, name)))
        value = _read(each.kind, found[name], (*loc, name), wrong) if name in found else None
        setattr(made, name, value)
    wrong += [Wrong(Fault.UNKNOWN, (*loc, name)) for name in found if name not in keys]
    return made


def _read(kind: Any, found: Any, loc: Loc, wrong: list[Wrong]) -> Any:
    if kind is Any:
        return found
    if isinstance(kind, Value):
        try:
            return kind.check(found)
        except ValueError as error:
            wrong.append(Wrong(Fault.VALUE, loc, found, str(error)))
            return None
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is None:
        return read(kind, found, loc, wrong)
    if not isinstance(found, origin):
        wrong.append(Wrong(Fault.NO_ARRAY if origin is list else Fault.NO_TABLE, loc, found))
        return None
    if origin is list:
        return [_read(inner[0], each, (*loc, at), wrong) for at, each in enumerate(found)]
    return {
        _read(inner[0], name, (*loc, name), wrong): _read(inner[1], each, (*loc, name), wrong)
        for name, each in found.items()
    }
