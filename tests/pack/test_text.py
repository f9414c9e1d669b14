"""Values as text."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pack.made import VECTORS, any_value, value_of
from theater.pack import text as shown_as
from theater.pack import types, values
from theater.pack.codec import decode
from theater.pack.text import joined, pieces, text
from theater.pack.values import F32, F64, Value


@pytest.mark.parametrize(
    "vector", VECTORS["vectors"], ids=[each["name"] for each in VECTORS["vectors"]]
)
def test_a_value_has_this_text(vector: dict[str, Any]) -> None:
    assert text(value_of(vector["value"])) == vector["text"]


@pytest.mark.parametrize(
    "vector", VECTORS["accepted"], ids=[each["name"] for each in VECTORS["accepted"]]
)
def test_what_no_encoder_writes_has_one_too(vector: dict[str, Any]) -> None:
    assert text(decode(bytes.fromhex(vector["hex"]))) == vector["text"]


@pytest.mark.parametrize(
    "value, shown",
    [
        (F32.of(3766249.25), "3766249.3f32"),  # two are as near: the larger one
        (F32.of(-3766249.25), "-3766249.3f32"),
        (F32.of(0.01), "0.01f32"),  # it is a little less than that
        (F32.of(2.0**-14), "0.000061035156f32"),
        (F32.of(1e-45), f"0.{'0' * 44}1f32"),
        (F32.of(16777216.0), "16777216.0f32"),
        (F32(0x80000000), "-0.0f32"),
        (F32(0x7F800001), "NaNf32"),
        (F32(0xFF800000), "-inff32"),
        (F64.of(1e22), "10000000000000000000000.0f64"),
        (F64.of(1.5e-7), "0.00000015f64"),
        (F64(0x7FF8000000000000), "NaNf64"),
        (values.Char("'"), r"'\''"),
        (values.Char('"'), "'\"'"),
        (values.array(types.F32, [0x3F800000]), "[1.0f32]"),
        (values.array(types.S64, []), "[]<s64>"),
        (values.Option(types.UNIT.wire, None), "none<tuple<>>"),
        (values.Variant("", "a", 0), "::a"),
    ],
)
def test_values_that_are_easily_shown_wrong(value: Value, shown: str) -> None:
    assert text(value) == shown


@given(st.integers(0, (1 << 32) - 1))
def test_an_f32_is_read_back_as_it_was(bits: int) -> None:
    shown = text(F32(bits)).removesuffix("f32")
    assert shown[:3] == "NaN" or F32.of(float(shown)) == F32(bits)


@given(st.integers(0, (1 << 32) - 1))
def test_the_shortest_decimal_of_an_f32_is_the_one_that_a_search_finds(bits: int) -> None:
    number = F32(bits).number
    if math.isfinite(number):
        found, searched = shown_as._shortest_f32(number), shown_as._searched_f32(number)
        assert Decimal(found) == Decimal(searched)


@given(any_value, st.integers(0, 40))
def test_no_text_is_longer_than_its_limit(value: Value, limit: int) -> None:
    whole = text(value)
    cut = text(value, limit)
    assert cut == whole if len(whole) <= limit else len(cut) <= max(limit, 3)
    assert cut.removesuffix("...") == whole[: len(cut.removesuffix("..."))] or cut == whole


def test_what_is_shared_or_deep_or_large_is_cut_soon() -> None:
    value: Value = ()
    for _ in range(500):
        value = (value, value)
    assert text(value, 100) == "(" * 97 + "..."
    assert text(bytes(10_000_000), 20) == "[0u8, 0u8, 0u8, 0..."
    assert text("x" * 10_000_000, 10) == '"xxxxxx...'


ITEMS = {
    types.BOOL: (False, True),
    types.CHAR: ("'", "x", "\n"),
    types.F32: (0x3F800000, 0x80000000, 0x7F800001),
    types.F64: (0x3FF0000000000000, 0),
    types.FLAGS: (0, 5),
}


@pytest.mark.parametrize("of", [each for each in types.SCALARS if each.width])
@pytest.mark.parametrize("count", [1, 2, 1023, 1024, 1025, 2048, 5000])
def test_a_list_is_shown_as_its_items_are_however_long_it_is(of: types.Scalar, count: int) -> None:
    kind = next(kind for kind, each in values.SCALARS.items() if each is of)
    some = ITEMS.get(of, (of.lowest, of.highest, 7))
    items = list(itertools.islice(itertools.cycle(some), count))
    each = ", ".join(text(kind(item)) for item in items)
    assert text(values.array(of, items)) == f"[{each}]"


@pytest.mark.parametrize("count", [0, 1023, 1024, 1025, 5000])
def test_a_string_is_shown_as_its_characters_are_however_long_it_is(count: int) -> None:
    assert text('a"\n' * count) == '"' + 'a\\"\\n' * count + '"'


@given(any_value)
def test_the_pieces_of_a_text_are_the_text(value: Value) -> None:
    assert "".join(pieces(value)) == text(value)


SIZE = 400_000
LARGE: dict[str, Value] = {
    "bytes": bytes(SIZE),
    "array": values.Array(types.S16, bytes(SIZE)),
    "string": "\n" * SIZE,
    "list": values.List(types.STRING.wire, ("x",) * (SIZE // 8)),
    "tuple": (True,) * (SIZE // 8),
    "record": values.Record("r", (("x", True),) * (SIZE // 8)),
    "nested": values.Option(types.BYTES.wire, bytes(SIZE)),
}


@pytest.mark.parametrize("name", LARGE)
def test_of_a_large_value_a_piece_is_made_at_a_time(name: str) -> None:
    value = LARGE[name]
    assert len(next(pieces(value))) < 20_000
    tracemalloc.start()
    try:
        length = sum(map(len, pieces(value)))
        assert tracemalloc.get_traced_memory()[1] < SIZE
        tracemalloc.reset_peak()
        assert len(joined(pieces(value), length)) == length
        assert tracemalloc.get_traced_memory()[1] < 3 * length + SIZE
    finally:
        tracemalloc.stop()
