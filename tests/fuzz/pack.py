"""A package that is not to be trusted: graphs with faults, and modules with them inside."""

from __future__ import annotations

import random
from typing import Any

from tests.fuzz.mutate import scrambled
from theater.pack import metadata, schema, types, values
from theater.pack.codec import BadGraph, Limits, decode, encode
from theater.pack.parsing import parse_type
from theater.pack.text import text
from theater.pack.values import BadValue, Value

TYPES = tuple(
    parse_type(each)
    for each in (
        "value",
        "result<tuple<value, option<list<u8>>>, string>",
        "record{a: list<string>, b: variant{x, y(u64)}}",
        "tuple<string, list<u8>>",
    )
)
SMALL = Limits(shared=1 << 16)
TEXT_MAX = 2000
_NUMBERS = [kind for kind in values.SCALARS if kind not in (bool, str, values.Char)]


def pack(dice: random.Random) -> None:
    """One case: a value, there and back; then with faults, which are refused or make another."""
    value = _value(dice, dice.randint(1, 6))
    data = encode(value)
    assert encode(decode(data)) == data
    for _ in range(dice.randint(1, 3)):
        data = scrambled(dice, data)
    module = b"\0asm\x01\0\0\0\x0b" + bytes([len(data) & 0x7F]) + data
    metadata.in_module(module)
    try:
        found = decode(data, SMALL)
    except BadGraph:
        return
    again = encode(found)
    assert encode(decode(again)) == again, "what is read is not what is written"
    assert len(again) <= max(len(data), SMALL.shared) + 16
    assert len(text(found, TEXT_MAX)) <= TEXT_MAX
    for type in TYPES:
        try:
            plain = schema.from_pack(type, found)
        except BadValue:
            continue
        encode(schema.to_pack(type, plain))


def _value(dice: random.Random, depth: int) -> Value:
    inside = [_value(dice, depth - 1) for _ in range(dice.randint(0, 3))] if depth else []
    several = tuple(inside)
    kinds: list[Any] = [
        lambda: dice.random() < 0.5,
        lambda: dice.choice(("", "a", "ü\n", "x" * 300)),
        lambda: dice.randbytes(dice.randint(0, 40)),
        lambda: values.Char(dice.choice("aü😀")),
        lambda: dice.choice(_NUMBERS)(dice.randint(0, 127)),
        lambda: values.array(types.S64, [dice.getrandbits(60) for _ in range(3)]),
        lambda: values.array(types.CHAR, "xyz"),
    ]
    if depth:
        kinds = [
            lambda: several,
            lambda: values.List(dice.choice(TYPES).wire, several),
            lambda: values.Option(dice.choice(TYPES).wire, several[0] if several else None),
            lambda: values.Result(b"\x06", dice.choice(TYPES).wire, dice.random() < 0.5, several),
            lambda: values.Record("r", tuple((f"f{at}", each) for at, each in enumerate(several))),
            lambda: values.Variant("v", "c", dice.randint(0, 3), several),
        ]
    made: Value = dice.choice(kinds)()
    return made
