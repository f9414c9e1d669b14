"""Types and interfaces from text."""

from __future__ import annotations

import pytest

from theater.capabilities import CALLED, PROVIDED
from theater.pack.hashes import interface_hash
from theater.pack.parsing import parse_function, parse_interface, parse_type
from theater.pack.types import (
    BYTES,
    DEPTH_MAX,
    SELF,
    STRING,
    U8,
    UNIT,
    VALUE,
    BadType,
    Function,
    ListType,
    NamedType,
    OptionType,
    RecordType,
    ResultType,
    TupleType,
    VariantType,
    read,
    words,
)

SIGNATURES = [
    text
    for functions in [each for _, each in PROVIDED.values()] + list(CALLED.values())
    for text in functions.values()
]


@pytest.mark.parametrize("text", SIGNATURES)
def test_every_signature_of_a_handler_is_read_and_written(text: str) -> None:
    function = parse_function(text)
    assert parse_function(words(function)) == function


@pytest.mark.parametrize(
    "text, type",
    [
        ("string", STRING),
        ("list<u8>", BYTES),
        ("tuple<>", UNIT),
        ("tuple<u8, list<u8>,>", TupleType((U8, BYTES))),
        ("result<_, string>", ResultType(None, STRING)),
        ("result<u8>", ResultType(U8, None)),
        ("result", ResultType(None, None)),
        ("option<value>", OptionType(VALUE)),
        ("list<self>", ListType(SELF)),
        ("thing", NamedType("thing")),
        ("enum{a, %b}", VariantType("", (("a", None), ("b", None)))),
        ("variant v{a, b(u8)}", VariantType("v", (("a", None), ("b", U8)))),
        ("record{x: u8 y: u8}", RecordType("", (("x", U8), ("y", U8)))),
        ("record", NamedType("record")),
        ("set<u8>", BYTES),
        ("map<u8, string>", ListType(TupleType((U8, STRING)))),
    ],
)
def test_a_type_is_read(text: str, type: object) -> None:
    assert parse_type(text) == type


@pytest.mark.parametrize(
    "text, why",
    [
        ("", "found the end; expected a type"),
        ("list<u8", "found the end; expected , or >"),
        ("list<u8>>", 'found ">"; expected the end'),
        ("list<u8, u8>", 'found ">"; expected what "list" takes between < and >'),
        ("record{a: u8, a: u8}", '"a" stands twice in a record'),
        ("u8 $", r'"\$"\?'),
        ("result<", "found the end; expected a type"),
        ("record{a", "found the end; expected :"),
        ("option<" * (DEPTH_MAX + 1), "nested more than 64 deep"),
        ("u8 " * 400_000, "more than 1,048,576 characters"),
        (f"flags{{{','.join(f'f{at}' for at in range(65))}}}", "64 bits, and not 65"),
    ],
)
def test_what_is_no_type_says_why(text: str, why: str) -> None:
    with pytest.raises(BadType, match=why):
        parse_type(text)


PACT = """
// What an actor may ask of its host.
interface demo {
    @package: string = "test:pack"
    use other.{thing}
    type id = string
    record point { x: s32 y: s32 }   // separators may be missing
    variant tree { leaf, node(list<tree>), }
    enum color { red, green }
    flags rights { read, write }

    exports {
        find: func(id: id, at: point) -> option<tree>
        paint: func(with: map<string, color>, may: rights),
        none: func()
    }
}
"""


def test_an_interface_of_pact_has_its_names_written_out() -> None:
    found = parse_interface(PACT)
    tree = VariantType("tree", (("leaf", None), ("node", ListType(SELF))))
    point = RecordType("point", (("x", parse_type("s32")), ("y", parse_type("s32"))))
    assert found.name == "test:pack/demo"
    assert list(found.functions) == ["find", "paint", "none"]
    assert found.functions["find"] == Function((("id", STRING), ("at", point)), OptionType(tree))
    assert found.functions["none"] == Function(())


def test_an_interface_of_pact_hashes_as_its_signatures_do() -> None:
    text = """interface runtime { @package: string = "theater:simple"
        exports { log: func(msg: string) } }"""
    found = parse_interface(text)
    expected = interface_hash("theater:simple/runtime", {"log": parse_function("func(m: string)")})
    assert interface_hash(found.name, found.functions) == expected


@pytest.mark.parametrize(
    "text, why",
    [
        ("interface", "line|expected a name"),
        ("interface a {", "found the end"),
        ("interface a { b }", "expected a type, or exports"),
        ("interface a {\n\n exports { f: fun() } }", 'line 3: found "fun"; expected func'),
        ("interface a { @package: string = x }", "expected a text in quotes"),
        ("interface a { record r { x: u8 ", "expected }"),
    ],
)
def test_what_is_no_interface_says_where(text: str, why: str) -> None:
    with pytest.raises(BadType, match=why):
        parse_interface(text)


def test_names_that_write_out_to_too_much_are_refused() -> None:
    chain = "\n".join(f"type t{at} = tuple<t{at + 1}, t{at + 1}>" for at in range(25))
    with pytest.raises(BadType, match="more than 100,000 types"):
        parse_interface(f"interface a {{ {chain} exports {{ f: func(a: t0) }} }}")
    aliases = "\n".join(f"type t{at} = t{at + 1}" for at in range(5000))
    with pytest.raises(BadType, match="nested more than 64 deep"):
        parse_interface(f"interface a {{ {aliases} exports {{ f: func(a: t0) }} }}")


@pytest.mark.parametrize(
    "wire", ["06", "070c", "0a070c", "140b0000000006", "0b02000000060c", "0801000000610b"[:12]]
)
def test_a_type_inside_a_value_is_read_and_written(wire: str) -> None:
    data = bytes.fromhex(wire)
    assert read(data).wire == data


@pytest.mark.parametrize(
    "wire", ["", "15", "07", "0b01000000", "0801000000", "0801000000ff", "0606"]
)
def test_what_is_no_type_inside_a_value_is_refused(wire: str) -> None:
    with pytest.raises(BadType):
        read(bytes.fromhex(wire))
