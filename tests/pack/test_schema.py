"""Plain values by their types, both ways."""

from __future__ import annotations

from typing import Any

import pytest

from theater.pack import schema
from theater.pack.codec import encode
from theater.pack.parsing import parse_function, parse_type
from theater.pack.types import STRING, U16
from theater.pack.values import (
    F64,
    S8,
    U8,
    U64,
    BadValue,
    Char,
    Flags,
    List,
    Option,
    Record,
    Result,
    Value,
    Variant,
    array,
)
from theater.pack.values import (
    U16 as U16Value,
)

S = STRING.wire
BOTH: list[tuple[str, Any, Value]] = [
    ("bool", True, True),
    ("u8", 255, U8(255)),
    ("s8", -128, S8(-128)),
    ("u64", (1 << 64) - 1, U64((1 << 64) - 1)),
    ("string", "ü", "ü"),
    ("char", "x", Char("x")),
    ("f64", 1.5, F64.of(1.5)),
    ("flags", 5, Flags(5)),
    ("list<u8>", b"x", b"x"),
    ("list<u16>", [1, 2], array(U16, [1, 2])),
    ("list<string>", ["a"], List(S, ("a",))),
    ("option<string>", None, Option(S, None)),
    ("option<string>", "a", Option(S, "a")),
    ("result<_, string>", {"ok": None}, Result(S, S, False, ())),
    ("result<u64, string>", {"ok": 7}, Result(S, S, False, U64(7))),
    ("result<u64, string>", {"err": "no"}, Result(S, S, True, "no")),
    ("tuple<u64, string>", [1, "a"], (U64(1), "a")),
    ("record point{x: u64}", {"x": 1}, Record("point", (("x", U64(1)),))),
    ("enum e{a, b}", "b", Variant("e", "b", 1)),
    ("variant v{a, b(u64)}", {"b": 1}, Variant("v", "b", 1, (U64(1),))),
    ("variant v{a, b(u64)}", {"a": None}, Variant("v", "a", 0)),
    ("value", encode(U64(1)), U64(1)),
    ("option<value>", encode(Option(S, None)), Option(S, Option(S, None))),
]


@pytest.mark.parametrize(("type", "plain", "value"), BOTH)
def test_both_ways(type: str, plain: Any, value: Value) -> None:
    parsed = parse_type(type)
    assert encode(schema.to_pack(parsed, plain)) == encode(value)
    found = schema.from_pack(parsed, value)
    assert found == plain and found.__class__ is plain.__class__
    assert schema.matches(parsed, value)


UNFIT: list[tuple[str, Any]] = [
    ("bool", 1),
    ("u8", 256),
    ("u8", -1),
    ("u64", True),
    ("u64", "1"),
    ("string", b"x"),
    ("string", "\ud800"),
    ("list<u8>", [1]),
    ("list<string>", ["a", 1]),
    ("result<_, string>", {"ok": 1}),
    ("result<_, string>", {"ok": None, "err": "x"}),
    ("result<_, string>", None),
    ("tuple<u64>", [1, 2]),
    ("record{x: u64}", {"y": 1}),
    ("record{x: u64}", {"x": 1, "y": 2}),
    ("enum e{a}", "b"),
    ("variant v{a}", {"a": 1}),
    ("value", b"no graph"),
    ("unknown", 1),
]


@pytest.mark.parametrize(("type", "plain"), UNFIT)
def test_what_does_not_fit_is_refused(type: str, plain: Any) -> None:
    with pytest.raises(BadValue):
        encode(schema.to_pack(parse_type(type), plain))


OTHER: list[tuple[str, Value]] = [
    ("bool", U8(1)),
    ("u64", U16Value(1)),
    ("list<u8>", List(S, ("a",))),
    ("list<u16>", b"ab"),
    ("list<string>", List(S, ("a", U64(1)))),
    ("option<string>", Option(S, U64(1))),
    ("option<string>", "a"),
    ("result<_, string>", Variant("result", "ok", 0, ((),))),
    ("result<u64, string>", Result(S, S, False, "a")),
    ("result<_, string>", Result(S, S, False, "a")),
    ("tuple<>", (U64(1),)),
    ("record{x: u64}", Record("", (("x", U64(1)), ("y", U64(1))))),
    ("record{x: u64}", Record("", (("x", U64(1)), ("x", U64(1))))),
    ("enum e{a}", Variant("e", "b", 0)),
    ("enum e{a}", Variant("e", "a", 0, (U64(1),))),
]


@pytest.mark.parametrize(("type", "value"), OTHER)
def test_a_value_of_another_type_does_not_match(type: str, value: Value) -> None:
    assert not schema.matches(parse_type(type), value)


def test_fields_come_in_any_order_and_a_variants_case_by_name() -> None:
    value = Record("other", (("y", "b"), ("x", "a")))
    assert schema.from_pack(parse_type("record{x: string, y: string}"), value) == {
        "x": "a",
        "y": "b",
    }
    assert schema.matches(parse_type("enum e{a, b}"), Variant("x", "b", 7))


def test_one_parameter_comes_bare_or_alone_and_more_in_a_tuple() -> None:
    none, one, two = map(
        parse_function, ("func()", "func(a: string)", "func(a: string, b: option<value>)")
    )
    assert schema.arguments(none, U64(1)) == []
    assert schema.arguments(one, "x") == schema.arguments(one, ("x",)) == ["x"]
    assert schema.arguments(two, ("x", Option(S, None))) == ["x", None]
    tuple_type = parse_function("func(a: tuple<string>)")
    assert (
        schema.arguments(tuple_type, ("x",)) == schema.arguments(tuple_type, (("x",),)) == [["x"]]
    )
    for function, value in ((one, ("x", "y")), (two, "x"), (two, ("x",)), (one, ())):
        with pytest.raises(BadValue):
            schema.arguments(function, value)
    assert schema.answer(none, None) == ()
