"""What bytes are is guessed from the bytes alone, and rather not than wrongly."""

from __future__ import annotations

import json
import random
import struct
import time
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theater.decoding import Kind, as_msgpack, decode, pair

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def packed(value: Any) -> bytes:
    data: bytes = msgpack.packb(value, use_bin_type=True)
    return data


@pytest.mark.parametrize(
    "data, kind, value",
    [
        (b"", Kind.EMPTY, b""),
        (b'{"a": [1, 2.5, null]}', Kind.JSON, {"a": [1, 2.5, None]}),
        (b' [true, "x"]\n', Kind.JSON, [True, "x"]),
        (b"42", Kind.TEXT, "42"),
        (b'"word"', Kind.TEXT, '"word"'),
        (b"{not json", Kind.TEXT, "{not json"),
        (b'{"a": 1, "a": 2}', Kind.TEXT, '{"a": 1, "a": 2}'),
        (b'{"a": NaN}', Kind.TEXT, '{"a": NaN}'),
        (b'{"a": 1e999}', Kind.TEXT, '{"a": 1e999}'),
        (b"[1] [2]", Kind.TEXT, "[1] [2]"),
        ("Grüße".encode(), Kind.TEXT, "Grüße"),
        (packed({"a": [1, b"\xff"]}), Kind.MSGPACK, {"a": [1, b"\xff"]}),
        (packed([1, "two"]), Kind.MSGPACK, [1, "two"]),
        (packed({1: "one"}), Kind.MSGPACK, {1: "one"}),
        (packed({"a": 1}) + b"\x00", Kind.BYTES, packed({"a": 1}) + b"\x00"),
        (packed({"a": 1})[:-1], Kind.BYTES, packed({"a": 1})[:-1]),
        (b"\x82\xa1a\x01\xa1a\x02", Kind.BYTES, b"\x82\xa1a\x01\xa1a\x02"),
        (b"\x81\xa1a\xc1", Kind.BYTES, b"\x81\xa1a\xc1"),
        (struct.pack("<I", 147), Kind.BYTES, struct.pack("<I", 147)),
        (struct.pack("<Q", 151), Kind.BYTES, struct.pack("<Q", 151)),
        (b"\x80", Kind.BYTES, b"\x80"),
        (b"\xff\xfe", Kind.BYTES, b"\xff\xfe"),
    ],
)
def test_bytes_are_what_they_say_they_are(data: bytes, kind: Kind, value: Any) -> None:
    assert decode(data) == (kind, value)


def test_an_extension_of_msgpack_is_a_plain_value_and_no_reference() -> None:
    data = packed({"a": msgpack.ExtType(1, b"x" * 32), "b": msgpack.Timestamp(5, 6)})
    assert decode(data).value == {
        "a": {"extension": 1, "data": b"x" * 32},
        "b": {"seconds": 5, "nanoseconds": 6},
    }


@given(st.dictionaries(st.text(), json_values) | st.lists(json_values))
def test_json_is_read_as_it_was_written(value: Any) -> None:
    assert decode(json.dumps(value).encode()) == (Kind.JSON, value)


@given(st.dictionaries(st.text("ab", min_size=1), st.integers(-(1 << 63), (1 << 64) - 1)))
def test_a_map_with_texts_is_msgpack(value: Any) -> None:
    if value:
        assert decode(packed(value)) == (Kind.MSGPACK, value)


def test_random_bytes_and_packed_numbers_are_not_called_msgpack() -> None:
    seed = time.time_ns()
    chance = random.Random(seed)
    called = sum(
        decode(chance.randbytes(chance.randint(1, 40))).kind in (Kind.MSGPACK, Kind.JSON)
        for _ in range(50_000)
    )
    assert called < 50, f"seed {seed}"
    for number in range(65_536):
        for data in (struct.pack("<I", number), struct.pack("<Q", number)):
            assert decode(data).kind != Kind.MSGPACK, data


@given(st.binary())
def test_any_bytes_are_something(data: bytes) -> None:
    kind, value = decode(data)
    assert kind != Kind.BYTES or value == data


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 100 + b"]" * 100,
        b"[" + b"9" * 100_000 + b"]",
        b"\x91" * 100_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff\xa1a",
        b"\x81\x91\x01\xa1a",
        b"\x92\xa1a\xd7\xff" + b"\xff" * 8,
    ],
)
def test_hostile_bytes_are_no_value(data: bytes) -> None:
    assert decode(data).kind in (Kind.TEXT, Kind.BYTES)


def test_an_empty_map_is_one_beside_a_full_one() -> None:
    full = packed({"a": 1})
    assert [each.value for each in pair(packed({}), full)] == [{}, {"a": 1}]
    assert [each.value for each in pair(full, packed([]))] == [{"a": 1}, []]
    assert as_msgpack(b"\x01", strict=False) is None
