"""A difference is told by its place and both values; without one, two values are the same."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theater.difference import ABSENT, CHANGES_MAX, Change, Sort, changes, told

plain_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "before, after, lines",
    [
        (1, 1, []),
        (1, 2, ["1 -> 2"]),
        (1, True, ["1 -> true"]),
        (1, 1.0, ["1 -> 1.0"]),
        (None, "x", ['none -> "x"']),
        (
            {"items": [{"price": 4}, {"price": 5}]},
            {"items": [{"price": 4}, {"price": 6}]},
            ["items[1].price: 5 -> 6"],
        ),
        ({"a": 1, "b": 2}, {"b": 2, "c": 3}, ["a: removed 1", "c: added 3"]),
        ({"odd key": 1}, {"odd key": 2}, ['["odd key"]: 1 -> 2']),
        ({"a": {3: 1}}, {"a": {3: 2}}, ["a[3]: 1 -> 2"]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, ["keys in another order: a, b -> b, a"]),
        ([1, 2, 3], [0, 1, 2, 3], ["[0]: added 0"]),
        ([1, 2, 3], [1, 3], ["[1]: removed 2"]),
        ([1, 2, 3, 4], [1, 9, 3, 4, 5], ["[1]: 2 -> 9", "[4]: added 5"]),
        ((1, 2), [1, 2], []),
        (as_json({"n": 1}), as_json({"n": 2}), ["n: 1 -> 2"]),
        ([as_json({"n": 1})], [as_json({"n": 2})], ["[0].n: 1 -> 2"]),
        (
            b'{"n": 1}',
            b'{"n":1}',
            ['the same values in other words, from byte 5 on: " 1}" -> "1}"'],
        ),
        (b'{"n": 1}', b"gone", ['{n: 1} -> "gone"']),
        (b"41", b"42", ['"41" -> "42"']),
        (b"", b"x", ['"" -> "x"']),
        (
            b"one\ntwo\nthree",
            b"one\n2\nthree\nfour",
            ['line 2: "two" -> "2"', 'line 4: added "four"'],
        ),
        (
            b"\xff" + bytes(20),
            b"\xff\x01" + bytes(18) + b"\x02",
            ["byte 1: 0x00 -> 0x01", "byte 20: 0x00 -> 0x02"],
        ),
        (b"\xff\x00\xfe", b"\xff\x00\x07\x08\xfe", ["bytes 2 to 3: added 0x0708"]),
        (
            msgpack.packb({}),
            msgpack.packb({"a": 1}),
            ["a: added 1"],
        ),
        (
            "x" * 200 + "a",
            "x" * 200 + "b",
            [
                f'from character 188 on "{"x" * 12}a" -> "{"x" * 12}b"',
            ],
        ),
    ],
)
def test_a_difference_is_told_by_its_place(before: Any, after: Any, lines: list[str]) -> None:
    assert told(before, after) == lines


def test_many_differences_are_counted_and_not_all_told() -> None:
    lines = told(list(range(1000)), list(range(1, 1001)))
    assert len(lines) == CHANGES_MAX + 1
    assert lines[-1] == f"... and {1000 - CHANGES_MAX} more"


def test_changes_have_their_values_for_programs() -> None:
    assert list(changes({"a": 1}, {"b": [2]})) == [
        Change("a", 1, ABSENT),
        Change("b", ABSENT, [2]),
    ]
    (order,) = changes(b'{"a": 1, "b": 2}', b'{"b": 2, "a": 1}')
    assert order == Change("", ["a", "b"], ["b", "a"], Sort.ORDER)


@given(plain_values)
def test_nothing_differs_from_itself(value: Any) -> None:
    assert list(changes(value, value)) == []


@given(plain_values, plain_values)
def test_what_differs_has_a_difference_and_it_is_harmless(before: Any, after: Any) -> None:
    lines = told(before, after)
    assert bool(lines) == (repr(before) != repr(after))
    said = "".join(lines)
    assert all(char.isprintable() or unicodedata.category(char) == "Zs" for char in said)


@given(st.binary(), st.binary())
def test_bytes_without_a_difference_are_the_same_to_the_bit(before: bytes, after: bytes) -> None:
    assert bool(told(before, after)) == (before != after)


@given(plain_values, plain_values)
def test_so_are_bytes_that_say_something(before: Any, after: Any) -> None:
    one, other = msgpack.packb({"a": before}), msgpack.packb({"a": after})
    assert bool(told(one, other)) == (one != other)


@given(st.lists(st.integers(0, 255), max_size=300), st.integers(0, 299), st.integers(1, 255))
def test_one_changed_byte_is_one_change(numbers: list[int], at: int, by: int) -> None:
    before = bytes([255, *numbers])
    if at < len(numbers):
        numbers[at] ^= by
        after = bytes([255, *numbers])
        assert len(list(changes(before, after))) == 1
