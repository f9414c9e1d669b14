"""Values as text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pack.made import VECTORS, any_value, value_of
from theater.pack import types, values
from theater.pack.codec import decode
from theater.pack.text import text
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
