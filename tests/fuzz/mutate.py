"""Make a message wrong: in its bytes, in its shape, or deep in the events that it carries. Pure."""

from __future__ import annotations

import random
from typing import Any

import msgpack

Path = tuple[Any, ...]
INDEX, PAYLOAD = 4, 8  # among the fields of an event

HASH = b"\x07" * 32
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 2, -1, 7, 1 << 31, 1 << 63, (1 << 64) - 1, -(1 << 63)),
    *(0.0, 1e308, float("nan"), float("inf"), -0.5),
    *("", "a", "b", "x" * 3000, "a/b", "../..", "\x00", "\x1b[2J", "\u202e", "ok", "err"),
    *("send", "request", "shutdown", "get-chain", "log", "wasm-call", "wasm-result", "host-call"),
    *("theater:simple/runtime", "theater:simple/message-server-host", "client:1"),
    *(b"", b"\x00", b"x" * 2000, HASH),
    *([], {}, [[]], [None, None], {"ok": None}, {"ok": [None]}, {"err": "no"}, {"ok": []}),
    msgpack.ExtType(1, HASH),
    msgpack.ExtType(1, b""),
    msgpack.ExtType(2, msgpack.packb(["a", 0, 1 << 40, HASH])),
    msgpack.ExtType(99, b"?"),
)


def mutated(dice: random.Random, message: Any) -> bytes:
    """The bytes of a message with one to three faults."""
    whole = message
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        whole = _with_fault(dice, whole, dice.choice(_places(whole)))
    data = _pack(whole)
    return scrambled(dice, data) if dice.random() < 0.1 else data


def retold(dice: random.Random, events: list[bytes]) -> list[bytes]:
    """The events of a step as they never were, but numbered as they should be."""
    told: Any = [msgpack.unpackb(data, strict_map_key=False) for data in events]
    first = told[0][INDEX]
    for _ in range(dice.choice((1, 1, 2))):
        if told and dice.random() < 0.5:
            other = _other_list(dice, told)
            told = [list(event) for event in other if isinstance(event, list) and len(event) == 9]
        elif told:
            event = dice.choice(told)
            places = [path for path in _places(event[PAYLOAD]) if path]
            if places:
                event[PAYLOAD] = _with_fault(dice, event[PAYLOAD], dice.choice(places))
    for index, event in enumerate(told, first):
        event[INDEX] = index
    return list(map(_pack, told))


def scrambled(dice: random.Random, data: bytes) -> bytes:
    """Bytes with a fault that knows nothing of their shape."""
    at, length = dice.randrange(len(data) + 1), dice.randint(1, 9)
    match dice.choice(("cut", "flip", "insert", "drop", "twice")):
        case "cut":
            return data[:at]
        case "flip":
            flipped = bytearray(data)
            for _ in range(dice.randint(1, 4)):
                if flipped:
                    flipped[dice.randrange(len(flipped))] ^= 1 << dice.randrange(8)
            return bytes(flipped)
        case "insert":
            return data[:at] + dice.randbytes(length) + data[at:]
        case "drop":
            return data[:at] + data[at + length :]
        case _:
            return data[:at] + data[max(0, at - length) :]


def _places(value: Any, path: Path = ()) -> list[Path]:
    """Where in a message there is something, each as the way to it; all are equally near."""
    found: list[Path] = [path]
    for key, inner in _inside(value):
        found += _places(inner, (*path, key))
    return found


def _inside(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, msgpack.ExtType):  # a named tuple: look at it before tuples
        return []
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, bytes):
        value = _event(value)
    return list(enumerate(value)) if isinstance(value, list | tuple) else []


def _with_fault(dice: random.Random, value: Any, path: Path) -> Any:
    if not path:
        return _other(dice, value)
    key, *rest = path
    if isinstance(value, dict):
        return {**value, key: _with_fault(dice, value[key], tuple(rest))}
    event = _event(value) if isinstance(value, bytes) else None
    items = list(value if event is None else event)
    items[key] = _with_fault(dice, items[key], tuple(rest))
    return items if event is None else _pack(items)


def _other(dice: random.Random, value: Any) -> Any:
    """Something else, mostly of the same kind."""
    if isinstance(value, list | tuple) and not isinstance(value, msgpack.ExtType) and value:
        if dice.random() < 0.9:
            return _other_list(dice, list(value))
    elif isinstance(value, dict) and value and dice.random() < 0.7:
        key = dice.choice(list(value))
        return {("other" if each == key else each): inner for each, inner in value.items()}
    elif isinstance(value, bytes) and len(value) > 4 and dice.random() < 0.5:
        return scrambled(dice, value)
    elif isinstance(value, int) and not isinstance(value, bool) and dice.random() < 0.5:
        return max(-(1 << 63), min((1 << 64) - 1, value + dice.choice((-1, 1, 2, 1 << 32))))
    alike = [each for each in VALUES if type(each) is type(value)]
    return dice.choice(alike if alike and dice.random() < 0.6 else VALUES)


def _other_list(dice: random.Random, items: list[Any]) -> list[Any]:
    at = dice.randrange(len(items))
    match dice.choice(("drop", "twice", "swap", "more")):
        case "drop":
            del items[at]
        case "twice":
            items.insert(at, items[at])
        case "swap":
            other = dice.randrange(len(items))
            items[at], items[other] = items[other], items[at]
        case _:
            items.insert(at, dice.choice(VALUES))
    return items


def _event(data: bytes) -> Any:
    """The fields of an event, if these are the bytes of one."""
    try:
        inner = msgpack.unpackb(data, strict_map_key=False)
    except Exception:
        return None
    return inner if isinstance(inner, list) and len(inner) == 9 else None


def _pack(value: Any) -> bytes:
    data: bytes = msgpack.packb(value)
    return data
