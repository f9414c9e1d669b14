"""Graphs, there and back; and what is none."""

from __future__ import annotations

import random
import struct
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.mutate import scrambled
from tests.pack.made import VECTORS, any_value, value_of
from theater.pack import types, values
from theater.pack.codec import BadGraph, Limits, decode, decode_prefix, encode
from theater.pack.nodes import HEADS
from theater.pack.values import BadValue, Value


def vectors(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "vector", VECTORS[kind], ids=[each["name"] for each in VECTORS[kind]]
    )


@vectors("vectors")
def test_a_value_has_these_bytes(vector: dict[str, Any]) -> None:
    value, data = value_of(vector["value"]), bytes.fromhex(vector["hex"])
    assert encode(value) == data
    assert decode(data) == value


@vectors("invalid")
def test_what_is_no_graph_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(BadGraph):
        decode(bytes.fromhex(vector["hex"]))


@vectors("accepted")
def test_what_no_encoder_writes_is_read(vector: dict[str, Any]) -> None:
    assert encode(decode(bytes.fromhex(vector["hex"]))).hex() == vector["reencodes_to"]


@given(any_value)
def test_a_value_survives_and_is_canonical(value: Value) -> None:
    data = encode(value)
    back = decode(data)
    assert back == value
    assert encode(back) == data


@given(any_value, st.binary(max_size=9), st.binary(max_size=9))
def test_a_prefix_says_where_it_ends(value: Value, before: bytes, after: bytes) -> None:
    data = encode(value)
    assert decode_prefix(before + data + after, len(before)) == (value, len(before) + len(data))
    if after:
        with pytest.raises(BadGraph, match="come after"):
            decode(data + after)


@given(any_value, st.randoms(use_true_random=False))
def test_any_order_of_nodes_is_the_same_value(value: Value, dice: random.Random) -> None:
    data = encode(value)
    assert encode(decode(shuffled(data, dice))) == data


def shuffled(data: bytes, dice: random.Random) -> bytes:
    """The same graph with its nodes elsewhere, and with nodes that nothing leads to."""
    count, root = struct.unpack_from("<II", data, 8)
    nodes, at = [], 16
    for _ in range(count):
        (length,) = struct.unpack_from("<I", data, at + 4)
        nodes.append((data[at], data[at + 8 : at + 8 + length]))
        at += 8 + length
    order = list(range(count))
    dice.shuffle(order)
    place = {node: 2 * order.index(node) for node in range(count)}
    out = struct.pack("<4sHHII", b"CGRF", 2, 7, 2 * count, place[root])
    for node in order:
        kind, payload = nodes[node]
        children = len(HEADS[kind](payload, 0, len(payload), Limits())[0]) if (kind in HEADS) else 0
        cut = len(payload) - 4 * children
        indices = struct.unpack(f"<{children}I", payload[cut:])
        moved = struct.pack(f"<{children}I", *(place[each] for each in indices))
        out += struct.pack("<BBHI", kind, 1, 2, len(payload)) + payload[:cut] + moved
        out += struct.pack("<BBHI", types.LIST, 0, 0, 1) + b"\xff"  # broken, and never reached
    return out


@settings(max_examples=400)
@given(any_value, st.randoms(use_true_random=False))
def test_damage_is_refused_or_is_another_value(value: Value, dice: random.Random) -> None:
    damaged = scrambled(dice, encode(value))
    try:
        found = decode(damaged)
    except BadGraph:
        return
    again = encode(found)
    assert encode(decode(again)) == again


# Hostile


def node(kind: int, payload: bytes) -> bytes:
    return struct.pack("<BxxxI", kind, len(payload)) + payload


def graph(*nodes: bytes, root: int | None = None, count: int | None = None) -> bytes:
    known = len(nodes) if count is None else count
    at = known - 1 if root is None else root
    return struct.pack("<4sHHII", b"CGRF", 2, 0, known, at) + b"".join(nodes)


def u32(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


MANY = 0xFFFFFFFF
UNIT = node(types.TUPLE, u32(0))
HOSTILE = {
    "nodes": graph(UNIT, count=9_000_000),
    "list": graph(node(types.LIST, b"\x06" + u32(MANY))),
    "tuple": graph(node(types.TUPLE, u32(MANY))),
    "array": graph(node(0x15, b"\x0c" + u32(MANY))),
    "array of s64": graph(node(0x15, b"\x03" + u32(0x20000001) + bytes(8))),
    "record": graph(node(types.RECORD, u32(0, MANY))),
    "variant": graph(node(types.VARIANT, u32(0, 0, 0, MANY))),
    "string": graph(node(types.STRING.tag, u32(MANY))),
    "tuple type": graph(node(types.OPTION, b"\x0b" + u32(MANY) + b"\0")),
    "deep type": graph(node(types.OPTION, b"\x07" * 100_000 + b"\x06\0")),
    "wide type": graph(node(types.OPTION, b"\x14" * 100_000 + b"\x06\0")),
    "payload": graph(struct.pack("<BxxxI", types.TUPLE, MANY)),
    "itself": graph(node(types.OPTION, b"\x06\x01" + u32(0))),
    "two in each other": graph(node(types.TUPLE, u32(1, 1)), node(types.TUPLE, u32(1, 0))),
    "a long ring": graph(
        *(node(types.OPTION, b"\x06\x01" + u32((at + 1) % 300)) for at in range(300))
    ),
    "deep": graph(UNIT, *(node(types.OPTION, b"\x06\x01" + u32(at)) for at in range(100_000))),
    "deep, backwards": graph(
        *(node(types.TUPLE, u32(1, at + 1)) for at in range(100_000)), UNIT, root=0
    ),
    "30 times twice": graph(UNIT, *(node(types.TUPLE, u32(2, at, at)) for at in range(30))),
    "500 times twice": graph(UNIT, *(node(types.TUPLE, u32(2, at, at)) for at in range(500))),
    "one of all": graph(
        node(0x15, b"\x0c" + u32(100_000) + bytes(100_000)),
        node(types.TUPLE, u32(100_000) + bytes(400_000)),
    ),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_what_claims_more_than_it_is_is_refused_at_little_cost(data: bytes) -> None:
    decode(graph(UNIT))
    tracemalloc.start()
    with pytest.raises(BadGraph):
        decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # So many nodes may be open at once, each with what is to be made of it.
    assert peak < 600 * Limits().depth + 16 * len(data)


LARGE = {
    "units": graph(*[UNIT] * 50_000, node(types.TUPLE, u32(50_000, *range(50_000)))),
    "bytes": graph(
        *[node(types.U8.tag, b"\xff")] * 50_000, node(types.TUPLE, u32(50_000, *range(50_000)))
    ),
    "one unit": graph(UNIT, node(types.TUPLE, u32(50_000) + bytes(200_000))),
    "fields": graph(
        UNIT, node(types.RECORD, u32(0, 20_000) + (u32(2) + b"ab") * 20_000 + bytes(80_000))
    ),
    "bools": graph(node(0x15, b"\x01" + u32(400_000) + bytes(400_000))),
}


@pytest.mark.parametrize("data", LARGE.values(), ids=LARGE)
def test_memory_is_a_small_multiple_of_what_is_read(data: bytes) -> None:
    tracemalloc.start()
    value = decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert value is not None and peak < 20_000 + 24 * len(data)


def test_sharing_may_stand_for_a_tree_of_some_size() -> None:
    half = graph(UNIT, *(node(types.TUPLE, u32(2, at, at)) for at in range(10)))
    assert len(encode(decode(half))) > 10 * len(half)
    with pytest.raises(BadGraph, match="without sharing it takes more than 1,000 bytes"):
        decode(half, Limits(shared=1000))


def nested(times: int) -> Value:
    value: Value = values.UNIT
    for _ in range(times):
        value = values.Option(types.STRING.wire, value)
    return value


def test_depth_is_bounded_in_both_directions() -> None:
    deepest = encode(nested(511))
    assert encode(decode(deepest)) == deepest
    with pytest.raises(BadValue, match="nested more than 512 deep"):
        encode(nested(512))
    with pytest.raises(BadGraph, match="nested more than 512 deep"):
        decode(encode(nested(512), Limits(depth=600)))
    with pytest.raises(BadValue, match="nested more than 512 deep"):
        encode(nested(200_000))


def test_what_is_deep_only_by_sharing_is_refused_too() -> None:
    """A node that was made on a short way is then met at the end of a long one."""
    chain = [node(types.OPTION, b"\x06\x01" + u32(at)) for at in range(400)]
    above = [node(types.OPTION, b"\x06\x01" + u32(at)) for at in range(400, 600)]
    whole = graph(UNIT, *chain, *above, node(types.TUPLE, u32(2, 400, 600)))
    with pytest.raises(BadGraph, match="nested more than 512 deep"):
        decode(whole)


@pytest.mark.parametrize(
    "limits", [Limits(buffer=60), Limits(nodes=2), Limits(payload=9), Limits(elements=1)]
)
def test_every_limit_holds_in_both_directions(limits: Limits) -> None:
    value: Value = (values.U8(1), "abcdef")
    data = encode(value)
    assert len(data) > 60
    with pytest.raises(BadGraph):
        decode(data, limits)
    with pytest.raises(BadValue):
        encode(value, limits)


made: Any = values  # what it is made of can be wrong too


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        1.5,
        [],
        {},
        (None,),
        ("a", None, "b"),
        values.U8(256),
        values.U8(-1),
        values.U8(True),
        values.S8(128),
        values.U64(1 << 64),
        made.U64(1.0),
        values.F32(1 << 32),
        values.Flags(-1),
        values.Char(""),
        values.Char("ab"),
        values.Char("\ud800"),
        "\udc00",
        values.Array(types.U8, b""),
        values.Array(types.STRING, b""),
        values.Array(types.U16, b"abc"),
        values.Array(types.BOOL, b"\2"),
        values.Array(types.CHAR, u32(0xD800)),
        values.List(types.U8.wire, ()),
        made.List(types.STRING.wire, ["a"]),
        values.List(b"", ()),
        values.Option(b"\x15", None),
        values.Option(b"\x06\x06", None),
        made.Option("u8", None),
        made.Result(b"\x06", b"\x06", False, None),
        values.Record("\ud800", ()),
        values.Record("", (("\ud800", ()),)),
        made.Record("", ((5, ()),)),
        made.Record("", ("ab",)),
        made.Record("", (5,)),
        values.Variant("", "", 1 << 32),
        values.Variant("", "", -1),
        made.Variant("", "", 0, None),
    ],
    ids=range(39),
)
def test_what_is_no_value_is_not_written(value: Any) -> None:
    with pytest.raises(BadValue):
        encode(value)


def test_signalling_nans_survive() -> None:
    for value in (values.F32(0x7F800001), values.F64(0x7FF0000000000001)):
        assert decode(encode(value)) == value
    floats = values.array(types.F32, [0x7F800001, 0xFFC00000])
    assert decode(encode(floats)) == floats
