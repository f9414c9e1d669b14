"""An actor's state as bytes, by the type that its class says it has.

    class Counter(Actor):
        state: State        # a dataclass: JSON, field by field
        state: dict         # or list, str, int ...: JSON
        state: bytes        # as it is

Within a dataclass the types of fields are followed: other dataclasses, lists, dicts, tuples, sets,
`X | None`, enums, bytes (as base64) and datetimes (as ISO 8601).
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import enum
import json
import types
import typing
from typing import Any


class StateError(Exception):
    """The state cannot be written down, or what is written down is not this state."""


def initial(type_: Any) -> Any:
    """The state of an actor that has none yet: the type's own beginning.

    StateError for a dataclass with a field that has no default.
    """
    origin = typing.get_origin(type_) or type_
    if origin is Any or origin is None or type_ is type(None) or _is_optional(type_):
        return None
    try:
        return origin()
    except TypeError as error:
        raise StateError(
            f"{_name(type_)} has no beginning of its own ({error}): give its fields defaults, or"
            " the actor an initial_state in the manifest"
        ) from None


def encode(value: Any, type_: Any) -> bytes | None:
    """The bytes of a state; None for None. StateError names the field that cannot be written."""
    if value is None:
        return None
    if type_ is bytes:
        if not isinstance(value, bytes | bytearray):
            raise StateError(f"the state is said to be bytes, and is {_shown(value)}")
        return bytes(value)
    plain = _to_plain(value, type_, "state")
    try:
        text = json.dumps(plain, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise StateError("the state holds inf or nan, which JSON has no word for") from None
    return text.encode()


def decode(data: bytes | None, type_: Any) -> Any:
    """The state that the bytes are. StateError if they are not of this type."""
    if data is None:
        return initial(type_)
    if type_ is bytes:
        return data
    try:
        plain = json.loads(data)
    except ValueError:
        if type_ is str:  # an initial state in a manifest is often just text
            return data.decode()
        raise StateError(f"the state is not JSON: {data[:60]!r}") from None
    return _from_plain(plain, type_, "state")


def _to_plain(value: Any, type_: Any, where: str) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        hints = typing.get_type_hints(type(value))
        return {
            each.name: _to_plain(
                getattr(value, each.name), hints[each.name], f"{where}.{each.name}"
            )
            for each in dataclasses.fields(value)
        }
    match value:
        case None | bool() | int() | float() | str() if not isinstance(value, enum.Enum):
            return value
        case enum.Enum():
            return value.value
        case bytes() | bytearray():
            if _inner(type_) is not bytes:
                raise StateError(
                    f"{where} holds bytes, and its type does not say so: {_name(type_)}"
                )
            return base64.b64encode(value).decode()
        case datetime.datetime() | datetime.date():
            return value.isoformat()
        case list() | tuple() | set() | frozenset():
            items = sorted(value) if isinstance(value, set | frozenset) else value
            kinds = _item_types(type_, len(items))
            return [
                _to_plain(item, kind, f"{where}[{number}]")
                for number, (item, kind) in enumerate(zip(items, kinds, strict=True))
            ]
        case dict():
            _, kind = _pair_types(type_)
            for key in value:
                if not isinstance(key, str | int):
                    raise StateError(f"{where} has the key {_shown(key)}: keys are strings or ints")
            return {
                str(key): _to_plain(item, kind, f"{where}[{key!r}]") for key, item in value.items()
            }
    raise StateError(f"{where} holds {_shown(value)}, which cannot be kept")


def _from_plain(plain: Any, type_: Any, where: str) -> Any:
    inner = _inner(type_)
    if plain is None:
        return None
    if dataclasses.is_dataclass(inner) and isinstance(inner, type):
        return _to_dataclass(plain, inner, where)
    origin = typing.get_origin(inner) or inner
    if origin in (list, tuple, set, frozenset):
        _expect(plain, list, where, type_)
        kinds = _item_types(inner, len(plain))
        items = [
            _from_plain(item, kind, f"{where}[{number}]")
            for number, (item, kind) in enumerate(zip(plain, kinds, strict=True))
        ]
        return origin(items)
    if origin is dict:
        _expect(plain, dict, where, type_)
        key_type, kind = _pair_types(inner)
        return {
            (int(key) if key_type is int else key): _from_plain(item, kind, f"{where}[{key!r}]")
            for key, item in plain.items()
        }
    if isinstance(origin, type) and issubclass(origin, enum.Enum):
        return origin(plain)
    if origin is bytes:
        return base64.b64decode(plain)
    if origin in (datetime.datetime, datetime.date):
        return origin.fromisoformat(plain)
    if origin is float and isinstance(plain, int) and not isinstance(plain, bool):
        return float(plain)
    if origin in (str, int, float, bool):
        _expect(plain, origin, where, type_)
    return plain


def _to_dataclass(plain: Any, type_: Any, where: str) -> Any:
    _expect(plain, dict, where, type_)
    hints = typing.get_type_hints(type_)
    known = {each.name: each for each in dataclasses.fields(type_)}
    unknown = [name for name in plain if name not in known]
    if unknown:
        raise StateError(
            f"{where} has {', '.join(map(repr, unknown))}, which {type_.__name__} has not; if you"
            " have taken that away, let the actor's `upgrade` make the new state of the old one"
        )
    values = {
        name: _from_plain(item, hints[name], f"{where}.{name}") for name, item in plain.items()
    }
    try:
        return type_(**values)
    except TypeError as error:
        raise StateError(f"{where} is not all of a {type_.__name__}: {error}") from None


def _inner(type_: Any) -> Any:
    """`X` of `X | None`; of other unions nothing can be told."""
    if typing.get_origin(type_) in (typing.Union, types.UnionType):
        others = [each for each in typing.get_args(type_) if each is not type(None)]
        return others[0] if len(others) == 1 else Any
    return type_


def _is_optional(type_: Any) -> bool:
    return typing.get_origin(type_) in (typing.Union, types.UnionType) and type(
        None
    ) in typing.get_args(type_)


def _item_types(type_: Any, count: int) -> list[Any]:
    inner = _inner(type_)
    arguments = typing.get_args(inner)
    if (typing.get_origin(inner) or inner) is tuple and arguments and arguments[-1] is not ...:
        if len(arguments) != count:
            raise StateError(f"{count} items are not a {_name(inner)}")
        return list(arguments)
    return [arguments[0] if arguments else Any] * count


def _pair_types(type_: Any) -> tuple[Any, Any]:
    arguments = typing.get_args(_inner(type_))
    return (arguments[0], arguments[1]) if len(arguments) == 2 else (str, Any)


def _expect(plain: Any, wanted: Any, where: str, type_: Any) -> None:
    if not isinstance(plain, wanted) or (isinstance(plain, bool) and wanted is not bool):
        raise StateError(f"{where} is {_shown(plain)}, and should be a {_name(type_)}")


def _name(type_: Any) -> str:
    return type_.__name__ if isinstance(type_, type) else str(type_).removeprefix("typing.")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
