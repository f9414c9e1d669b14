"""A specification as plain data, and back: what an actor spawns is kept in the log. Pure.

Each dataclass is a map of its fields, each enum its value. What a field is is said by its type.
"""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgpack

from theater.errors import ProtocolError
from theater.spec import ActorSpec

_LEFT_OUT = frozenset({"build"})  # how its component came to be is nobody's concern any more


def pack(actor: ActorSpec) -> bytes:
    data: bytes = msgpack.packb(_plain(actor), use_bin_type=True)
    return data


def unpack(data: bytes) -> ActorSpec:
    """What `pack` has made; ProtocolError for anything else."""
    try:
        found = _made(ActorSpec, msgpack.unpackb(data, strict_map_key=False))
    except (ValueError, TypeError, KeyError, msgpack.UnpackException, RecursionError) as error:
        raise ProtocolError(f"not the specification of an actor: {error}") from None
    assert isinstance(found, ActorSpec)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {
            each.name: _plain(getattr(value, each.name))
            for each in fields(value)
            if each.name not in _LEFT_OUT
        }
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _made(hint: Any, data: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):  # with None, all of them
        [wanted] = [each for each in arguments if each is not type(None)]
        return None if data is None else _made(wanted, data)
    if origin is tuple:
        if not isinstance(data, list):
            raise TypeError("no list where one has to be")
        if arguments[-1] is Ellipsis:
            return tuple(_made(arguments[0], item) for item in data)
        return tuple(_made(*pair) for pair in zip(arguments, data, strict=True))
    if (origin is dict or is_dataclass(hint)) and not isinstance(data, dict):
        raise TypeError("no map where one has to be")
    if origin is dict:
        return {_made(arguments[0], key): _made(arguments[1], item) for key, item in data.items()}
    if hint is Any:
        return data
    if is_dataclass(hint):
        known = _hints(hint)  # type: ignore[arg-type]
        # One of a later version may say more, one of an earlier less.
        made: Any = hint
        return made(**{key: _made(known[key], item) for key, item in data.items() if key in known})
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(data)
    if hint is float and isinstance(data, int):
        return float(data)
    if not isinstance(data, hint):
        raise TypeError(f"{data!r:.80} where {hint.__name__} has to be")
    return data
