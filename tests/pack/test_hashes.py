"""Hashes of interfaces, and what is said where two differ."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pack.made import VECTORS
from theater.pack.hashes import differences, function_hash, interface_hash, type_hash
from theater.pack.parsing import parse_function, parse_type
from theater.pack.types import BadType, Function


@pytest.mark.parametrize(
    "vector",
    VECTORS["interface_hashes"],
    ids=[f"{each['interface']}-{each['hash'][:4]}" for each in VECTORS["interface_hashes"]],
)
def test_an_interface_has_this_hash(vector: dict[str, Any]) -> None:
    functions = {}
    for each in vector["functions"]:
        params = tuple((f"p{at}", parse_type(text)) for at, text in enumerate(each["params"]))
        results = [parse_type(text) for text in each["results"]]
        functions[each["name"]] = Function(params, results[0] if results else None)
    assert interface_hash(vector["interface"], functions).hex() == vector["hash"]


def same(one: str, other: str) -> bool:
    return type_hash(parse_type(one)) == type_hash(parse_type(other))


def test_what_enters_a_hash_and_what_does_not() -> None:
    assert same("result<_, string>", "result<bool, string>")
    assert same("result<u8, _>", "result<u8, string>")
    assert same("map<string, u8>", "list<tuple<string, u8>>")
    assert same("set<string>", "list<string>")
    assert same("value", "self")
    assert same("flags{a, b}", "flags")
    assert same("record a{x: u8, y: bool}", "record b{y: bool, x: u8}")
    assert same("enum{a, b}", "variant{b, a}")
    assert not same("record{x: u8}", "record{y: u8}")
    assert not same("variant{a(u8)}", "variant{a}")
    assert not same("list<u8>", "option<u8>")
    assert not same("thing", "value")
    unit, nothing = parse_function("func() -> tuple<>"), parse_function("func()")
    assert function_hash(unit) != function_hash(nothing)
    assert function_hash(parse_function("func(a: u8)")) == function_hash(
        parse_function("func(b: u8)")
    )


RUNTIME = {
    "log": parse_function("func(msg: string)"),
    "self": parse_function("func() -> string"),
}


def test_the_function_that_differs_is_named_with_both_signatures() -> None:
    wanted = {"log": parse_function("func(level: u8, msg: string)")}
    assert differences("t:s/runtime", wanted, None, RUNTIME) == [
        'interface "t:s/runtime": function "log" is func(msg: string) here, and'
        " func(level: u8, msg: string) in the package"
    ]
    assert differences("t:s/runtime", {"lag": RUNTIME["log"]}, None, RUNTIME) == [
        'interface "t:s/runtime" has no function "lag"; it has log, self'
    ]


def test_a_subset_agrees_and_a_hash_of_something_else_does_not() -> None:
    wanted = {"log": RUNTIME["log"]}
    assert differences("t:s/runtime", wanted, interface_hash("t:s/runtime", wanted), RUNTIME) == []
    (found,) = differences("t:s/runtime", wanted, bytes(32), RUNTIME)
    assert "contradict themselves" in found


def test_signatures_are_bounded_where_they_are_shown() -> None:
    long = parse_function(
        f"func(a: record{{{', '.join(f'field-{at}: u8' for at in range(5000))}}})"
    )
    (found,) = differences("t:s/runtime", {"log": long}, None, RUNTIME)
    assert len(found) < 2000


@pytest.mark.parametrize("text", ["", "lis<u8>", "list<u8", "list<u8, u8>", "list<u8>>", "$"])
def test_what_is_no_type_says_where(text: str) -> None:
    with pytest.raises(BadType, match=r"expected|\?"):
        parse_type(text)
