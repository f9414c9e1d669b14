"""Guess what an actor's bytes are, states and messages alike: JSON, msgpack, text or none. Pure.

Nothing says how an actor writes its state, so this goes by the bytes alone and would rather not
know than be wrong: what loses something when it is read (a key that stands there twice, a number
out of range) is not called JSON or msgpack, and neither is what random bytes easily are.

Plain values are what JSON and msgpack have: None, bool, int, float, str, bytes, list, dict.
"""

from __future__ import annotations

import json
import math
from enum import StrEnum
from typing import Any, NamedTuple

import msgpack

from theater.values import DEPTH_MAX, as_text


class Kind(StrEnum):
    EMPTY = "empty"
    JSON = "json"
    MSGPACK = "msgpack"
    TEXT = "text"
    BYTES = "bytes"


class Decoded(NamedTuple):
    """`value` is plain; a str for text, the bytes themselves for empty and bytes."""

    kind: Kind
    value: Any


def decode(data: bytes) -> Decoded:
    """What these bytes are. A single number or word is text, though it were JSON too."""
    if not data:
        return Decoded(Kind.EMPTY, data)
    text = as_text(data)
    if text is not None:
        if text.lstrip()[:1] in ("{", "["):
            try:
                return Decoded(Kind.JSON, _json(text))
            except (ValueError, RecursionError):
                pass
        return Decoded(Kind.TEXT, text)
    found = as_msgpack(data)
    return Decoded(Kind.BYTES, data) if found is None else found


def as_msgpack(data: bytes, strict: bool = True) -> Decoded | None:
    """A map or a list in msgpack, all of the bytes; None if they are not.

    `strict`: with some text in it, or random bytes would do: the number 147 in four bytes is
    [0, 0, 0]. Without it for what is beside something that is msgpack for sure.
    """
    try:
        value = msgpack.unpackb(
            data, strict_map_key=False, object_pairs_hook=_unambiguous, max_ext_len=len(data)
        )
        plain = _plain(value, 0) if isinstance(value, list | dict) else None
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError, OverflowError):
        return None
    if plain is None or (strict and not _has_text(value)):
        return None
    return Decoded(Kind.MSGPACK, plain)


def pair(before: bytes, after: bytes) -> tuple[Decoded, Decoded]:
    """Both decoded; an empty map is not called bytes beside a full one."""
    first, second = decode(before), decode(after)
    if second.kind == Kind.MSGPACK and first.kind != Kind.MSGPACK:
        first = as_msgpack(before, strict=False) or first
    elif first.kind == Kind.MSGPACK and second.kind != Kind.MSGPACK:
        second = as_msgpack(after, strict=False) or second
    return first, second


def _json(text: str) -> Any:
    """Raises ValueError: not JSON, or more than a plain value can say."""
    value = json.loads(
        text, object_pairs_hook=_unambiguous, parse_float=_finite, parse_constant=_no_constant
    )
    return _plain(value, 0)


def _unambiguous(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError("a number is too large")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _plain(value: Any, depth: int) -> Any:
    """The value without msgpack's own types. Raises ValueError if it is nested too deeply."""
    if depth > DEPTH_MAX:
        raise ValueError("nested too deeply")
    match value:
        case dict():
            return {key: _plain(item, depth + 1) for key, item in value.items()}
        case msgpack.ExtType():  # a named tuple: look at it before lists
            return {"extension": value.code, "data": value.data}
        case msgpack.Timestamp():
            return {"seconds": value.seconds, "nanoseconds": value.nanoseconds}
        case list():
            return [_plain(item, depth + 1) for item in value]
    return value


def _has_text(value: Any) -> bool:
    match value:
        case str():
            return value != "" and as_text(value.encode()) is not None
        case dict():
            return any(_has_text(key) or _has_text(item) for key, item in value.items())
        case list():
            return any(map(_has_text, value))
    return False
