"""What packages declare, as both encoders write it; and what is none."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from theater.pack.codec import encode
from theater.pack.metadata import BadMetadata, from_answer
from theater.pack.parsing import parse_function
from theater.pack.types import Function, words
from theater.pack.values import U64, List, Option, Record, Value, Variant

ANY = b"\x09\0\0\0\0"  # a record's type, whose name is not looked at


def kind(tag: int, *payload: Value) -> Variant:
    return Variant("type-desc", f"tag{tag}", tag, payload)


def listed(*items: Value) -> List:
    return List(ANY, items)


def record(**fields: Value) -> Record:
    return Record("any", tuple((name.replace("_", "-"), each) for name, each in fields.items()))


def param(type: Value, name: str = "a") -> Record:
    return record(name=name, type=type)


def one(type: Value, **others: Value) -> bytes:
    function = record(interface="a:b/c", name="f", params=listed(param(type)), results=listed())
    return encode(record(**{"imports": listed(function), "exports": listed(), **others}))


TYPES = [
    (kind(0), "bool"),
    (kind(4), "u64"),
    (kind(8), "s64"),
    (kind(12), "string"),
    (kind(13), "flags"),
    (kind(14, kind(1)), "list<u8>"),
    (kind(15, kind(20)), "option<value>"),
    (kind(16, record(ok=kind(0), err=kind(12))), "result<bool, string>"),
    (
        kind(17, record(name="point", fields=listed(param(kind(10), "x")))),
        "record point{x: f64}",
    ),
    (
        kind(
            18,
            record(
                name="shape",
                cases=listed(
                    record(name="none", payload=Option(ANY, None)),
                    record(name="some", payload=Option(ANY, kind(3))),
                ),
            ),
        ),
        "variant shape{none, some(u32)}",
    ),
    (
        kind(18, record(name="e", cases=listed(record(name="a", payload=Option(ANY, None))))),
        "enum e{a}",
    ),
    (kind(18, record(name="T")), "T"),
    (kind(19, listed(kind(0), kind(12))), "tuple<bool, string>"),
]


@pytest.mark.parametrize(("type", "text"), TYPES, ids=[text for _, text in TYPES])
def test_a_type_goes_by_its_tag(type: Value, text: str) -> None:
    package = from_answer(one(type) + b"whatever follows")
    found = package.imports["a:b/c"]["f"]
    assert words(found) == f"func(a: {text})"
    if text != "T":
        assert parse_function(words(found)) == found


def test_unit_is_a_type_of_its_own_and_no_result_is_none() -> None:
    function = record(interface="", name="f", params=listed(), results=listed(kind(21)))
    package = from_answer(encode(record(imports=listed(), exports=listed(function))))
    assert words(package.exports[""]["f"]) == "func() -> tuple<>"
    assert from_answer(one(kind(0))).imports["a:b/c"]["f"].result is None


def test_hashes_are_four_numbers_or_bytes_or_not_there() -> None:
    hash = bytes(range(32))
    numbers = tuple(map(U64, struct.unpack("<4Q", hash)))
    for said in (numbers, hash):
        item = record(name="a:b/c", hash=said)
        package = from_answer(one(kind(0), import_hashes=listed(item)))
        assert package.import_hashes == {"a:b/c": hash} and package.export_hashes == {}


def deep(levels: int) -> Value:
    type = kind(0)
    for _ in range(levels):
        type = kind(15, type)
    return type


F: dict[str, Value] = {"interface": "a", "name": "f", "params": listed(), "results": listed()}
BAD: list[tuple[bytes, str]] = [
    (b"no graph", "fewer than a header has"),
    (encode("text"), "the metadata is no record"),
    (encode(record(imports=listed())), "exports is no list"),
    (one("u8"), "something else stands for one"),
    (one(kind(14)), "says nothing of what it is made of"),
    (one(kind(22, ())), "there is no type with tag 22"),
    (one(kind(16, ())), "is no record"),
    (one(kind(17, record(name=U64(1), fields=listed()))), "name is no string"),
    (one(kind(18, record(name="v", cases=listed(record(name="a"))))), "whether it has a payload"),
    (one(deep(70)), "nested more than 64 deep"),
    (one(kind(0), import_hashes=listed(record(name="a", hash=b"short"))), "a hash is four u64"),
    (
        encode(record(imports=listed(record(**F), record(**F)), exports=listed())),
        "twice in imports",
    ),
    (
        encode(
            record(
                imports=listed(record(**{**F, "results": listed(kind(0), kind(0))})),
                exports=listed(),
            )
        ),
        "has 2 results",
    ),
]


@pytest.mark.parametrize(("data", "why"), BAD, ids=[why for _, why in BAD])
def test_what_is_no_metadata_is_told(data: bytes, why: str) -> None:
    with pytest.raises(BadMetadata, match=why):
        from_answer(data)


def test_a_function_is_one() -> None:
    found: Any = from_answer(one(kind(0))).imports["a:b/c"]["f"]
    assert isinstance(found, Function)
