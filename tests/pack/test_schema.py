"""Plain values as those of Pack, and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pack.made import any_value
from theater.pack import schema, types, values
from theater.pack.codec import decode, encode
from theater.pack.parsing import parse_function, parse_type
from theater.pack.types import Type
from theater.pack.values import BadValue, List, Option, Record, Result, Value, Variant

STRING = types.STRING.wire


@pytest.mark.parametrize(
    "type, plain, value",
    [
        ("bool", True, True),
        ("string", "ü", "ü"),
        ("char", "ü", values.Char("ü")),
        ("u8", 255, values.U8(255)),
        ("s64", -(1 << 63), values.S64(-(1 << 63))),
        ("f32", 1.5, values.F32.of(1.5)),
        ("f64", float("inf"), values.F64(0x7FF0000000000000)),
        ("list<u8>", b"ab", b"ab"),
        ("list<u16>", [1, 2], values.array(types.U16, [1, 2])),
        ("list<string>", ["a"], List(STRING, ("a",))),
        ("tuple<u8, string>", [1, "a"], (values.U8(1), "a")),
        ("tuple<>", [], ()),
        ("option<string>", None, Option(STRING, None)),
        ("option<option<string>>", [None], Option(b"\x0a\x06", Option(STRING, None))),
        ("record r{a-b: u8}", {"a-b": 1}, Record("r", (("a-b", values.U8(1)),))),
        ("result<_, string>", {"ok": None}, Result(STRING, STRING, False, ())),
        ("result<u8, string>", {"err": "no"}, Result(STRING, STRING, True, "no")),
        ("enum e{a, b}", "b", Variant("e", "b", 1)),
        ("variant{a, b(u8)}", {"b": 1}, Variant("", "b", 1, (values.U8(1),))),
        ("flags{a, b, c}", ["a", "c"], values.Flags(5)),
        ("list<flags{a, b}>", [["b"]], values.array(types.FLAGS, [2])),
        ("flags", 6, values.Flags(6)),
        ("value", encode(("x",)), ("x",)),
        ("option<value>", encode("x"), Option(STRING, "x")),
    ],
)
def test_a_plain_value_is_this_one_and_back(type: str, plain: Any, value: Value) -> None:
    of = parse_type(type)
    assert schema.to_pack(of, plain) == value
    assert schema.from_pack(of, value) == plain
    assert decode(encode(value)) == value


@pytest.mark.parametrize(
    "type, plain, why",
    [
        ("bool", 1, "bool takes True or False, not int 1"),
        ("u8", 256, "int 256 does not fit u8"),
        ("u8", True, "u8 takes an int, not bool True"),
        ("u64", 10**4000, "very many digits does not fit u64"),
        ("f32", 1e300, "does not fit f32"),
        ("f64", 10**400, "very many digits does not fit f64"),
        ("string", b"a", "string takes a str, not bytes"),
        ("char", "ab", "one character"),
        ("list<u8>", [1], "list<u8> takes bytes"),
        ("list<u16>", [1, -1], "does not fit u16"),
        ("tuple<u8>", [], "tuple has 1 items, not 0"),
        ("record{a: u8}", {"b": 1}, "record lacks a and has no b"),
        ("record{a: u8}", {"a": ""}, "a: u8 takes an int"),
        ("option<option<u8>>", 1, r"None or \[v\]"),
        ("result<_, string>", {"ok": 1}, "ok: this side of a result has no payload"),
        ("result<_, string>", "ok", "result takes"),
        ("enum{a}", "b", "variant has no case str 'b'; it has a"),
        ("variant{a, b(u8)}", {"a": 1}, "case a of this variant has no payload"),
        ("variant{a, b(u8)}", "b", "case b of this variant has a payload"),
        ("flags{a}", ["b"], "flags has no str 'b'; it has a"),
        ("value", "x", "bytes of its graph"),
        ("value", b"CGRF", "no value: "),
    ],
)
def test_a_plain_value_of_another_kind_is_refused(type: str, plain: Any, why: str) -> None:
    with pytest.raises(BadValue, match=why):
        schema.to_pack(parse_type(type), plain)


ITEM = values.U8(1)


@pytest.mark.parametrize(
    "type, value, plain",
    [
        # What a value says of types is not looked at.
        ("result<list<u8>, u8>", Result(STRING, STRING, False, b"a"), {"ok": b"a"}),
        ("option<string>", Option(types.BOOL.wire, None), None),
        ("list<string>", List(b"\x0a\x06", ("a",)), ["a"]),
        ("list<string>", b"", []),
        ("list<u8>", List(STRING, ()), b""),
        ("list<u8>", List(STRING, (ITEM,)), b"\1"),
        ("list<u16>", List(STRING, (values.U16(7),)), [7]),
        # A variant for a result.
        ("result<u8, string>", Variant("r", "ok", 0, (ITEM,)), {"ok": 1}),
        ("result<_, string>", Variant("", "whatever", 1, ("no",)), {"err": "no"}),
        ("result<_, string>", Variant("", "ok", 0), {"ok": None}),
        ("result<_, string>", Result(STRING, STRING, False, True), {"ok": None}),
        # Variants go by tag, records by the names of their fields.
        ("variant{a(u8)}", Variant("other", "tag0", 0, (ITEM,)), {"a": 1}),
        ("variant{a(tuple<u8, u8>)}", Variant("", "a", 0, (ITEM, ITEM)), {"a": [1, 1]}),
        ("record{a: u8, b: string}", Record("x", (("b", "b"), ("a", ITEM))), {"a": 1, "b": "b"}),
    ],
)
def test_taking_reads_through_what_packages_say_wrong(type: str, value: Value, plain: Any) -> None:
    assert schema.from_pack(parse_type(type), value) == plain


@pytest.mark.parametrize(
    "type, value, why",
    [
        ("u8", values.U16(1), "u8 is wanted, not 1u16"),
        ("bool", ITEM, "bool is wanted"),
        ("list<u8>", (ITEM,), "list<u8> is wanted"),
        ("list<string>", b"a", "list<string> is wanted"),
        ("tuple<u8>", (), "tuple of 1 is wanted"),
        ("record{a: u8}", Record("", (("a", ITEM), ("a", ITEM))), "a field twice"),
        ("record{a: u8}", Record("", (("a", ITEM), ("b", ITEM))), "record has no b"),
        ("record{a: u8}", (ITEM,), "record is wanted"),
        ("option<u8>", ITEM, "option is wanted"),
        ("result<u8, u8>", Variant("", "x", 2, (ITEM,)), "result is wanted"),
        ("result<u8, u8>", ITEM, "result is wanted"),
        ("variant{a, b}", Variant("", "b", 0), "no case ::b of tag 0; it has a, b"),
        ("variant{a, b}", Variant("", "c", 2), "no case"),
        ("variant{a, b}", Variant("", "a", 0, (ITEM,)), "no payload, not 1"),
        ("variant{a(u8)}", Variant("", "a", 0), "one payload, not 0"),
        ("flags{a}", values.Flags(2), "more bits: 0x2"),
        ("record{a: list<option<u8>>}", Record("", (("a", List(STRING, ("x",))),)), "a: option"),
    ],
)
def test_a_value_of_another_type_is_refused(type: str, value: Value, why: str) -> None:
    assert why in (schema.why_not(parse_type(type), value) or "")


ONE = parse_function("func(a: string) -> u64")
TWO = parse_function("func(a: string, b: list<u8>) -> result<_, string>")
NONE = parse_function("func()")


@pytest.mark.parametrize(
    "function, value, plain",
    [
        (NONE, (), []),
        (NONE, "whatever", []),
        (ONE, "x", ["x"]),
        (ONE, ("x",), ["x"]),
        (TWO, ("x", b"y"), ["x", b"y"]),
        (parse_function("func(a: tuple<u8>)"), (ITEM,), [[1]]),
        (parse_function("func(a: tuple<u8>)"), ((ITEM,),), [[1]]),
        (parse_function("func(a: tuple<u8, u8>)"), (ITEM, ITEM), [[1, 1]]),
        (parse_function("func(a: value)"), ("x",), [encode(("x",))]),
    ],
)
def test_parameters_come_bare_or_in_a_tuple(function: Any, value: Value, plain: Any) -> None:
    assert schema.arguments(function, value) == plain


@pytest.mark.parametrize(
    "function, value, why",
    [
        (ONE, ITEM, "a: string is wanted, not 1u8"),
        (ONE, ("x", "y"), "a: string is wanted"),
        (TWO, "x", "a tuple of 2 parameters"),
        (TWO, ("x",), "a tuple of 2 parameters"),
        (TWO, ("x", "y"), "b: list<u8> is wanted"),
    ],
)
def test_other_parameters_are_refused(function: Any, value: Value, why: str) -> None:
    with pytest.raises(BadValue, match=why):
        schema.arguments(function, value)


def test_answers_and_calls_are_as_the_signature_says() -> None:
    assert schema.answer(NONE, None) == ()
    assert schema.answer(ONE, 5) == values.U64(5)
    assert schema.answer(TWO, {"ok": None}) == values.ok()
    assert schema.answer(TWO, {"err": "no"}) == values.err("no")
    assert schema.answered(TWO, values.ok()) == {"ok": None}
    assert schema.answered(NONE, ()) is None
    assert schema.call(ONE, ["x"]) == ("x",)
    with pytest.raises(BadValue, match="it takes 1 parameters, not 2"):
        schema.call(ONE, ["x", "y"])


@given(any_value)
def test_a_value_of_any_type_is_kept_as_its_graph(value: Value) -> None:
    plain = schema.from_pack(types.VALUE, value)
    assert isinstance(plain, bytes)
    assert schema.to_pack(types.VALUE, plain) == value


typed: st.SearchStrategy[Type] = st.recursive(
    st.sampled_from([*types.SCALARS, types.VALUE, types.UNIT]),
    lambda inner: (
        inner.map(types.ListType)
        | inner.map(types.OptionType)
        | st.builds(types.ResultType, st.none() | inner, st.none() | inner)
        | st.lists(inner, max_size=3).map(lambda items: types.TupleType(tuple(items)))
        | st.lists(inner, min_size=1, max_size=3).map(
            lambda items: types.RecordType("r", tuple((f"f{at}", e) for at, e in enumerate(items)))
        )
        | st.lists(st.none() | inner, min_size=1, max_size=3).map(
            lambda items: types.VariantType("v", tuple((f"c{at}", e) for at, e in enumerate(items)))
        )
    ),
    max_leaves=6,
)


@settings(max_examples=300)
@given(typed, any_value)
def test_any_value_is_taken_or_refused_and_what_is_taken_is_given_again(
    type: Type, value: Value
) -> None:
    try:
        plain = schema.from_pack(type, value)
    except BadValue:
        return
    assert repr(schema.from_pack(type, schema.to_pack(type, plain))) == repr(plain)
