"""What packages say of themselves."""

from __future__ import annotations

import contextlib
import random
import struct
from typing import Any

import pytest

from tests.fuzz.mutate import scrambled
from theater.pack import metadata, types, values
from theater.pack.codec import encode
from theater.pack.metadata import BadMetadata, Package
from theater.pack.parsing import parse_function
from theater.pack.types import Function, Type
from theater.pack.values import List, Option, Record, Value, Variant

T = types.NamedType("type-desc", is_variant=True).wire


def described(type: Type) -> Value:
    """A type as packages describe it."""
    name = "type-desc"
    match type:
        case types.Scalar():
            return Variant(name, type.name, type.number - 1)
        case types.ListType():
            return Variant(name, "list", 14, (described(type.element),))
        case types.OptionType():
            return Variant(name, "option", 15, (described(type.content),))
        case types.ResultType():
            sides = (
                ("ok", described(type.ok or types.BOOL)),
                (
                    "err",
                    described(type.err or types.STRING),
                ),
            )
            return Variant(name, "result", 16, (Record("", sides),))
        case types.RecordType():
            fields = tuple(
                Record("field", (("name", each), ("type", described(inner))))
                for each, inner in type.fields
            )
            parts = Record("", (("name", type.name), ("fields", List(T, fields))))
            return Variant(name, "record", 17, (parts,))
        case types.VariantType():
            cases = tuple(
                Record(
                    "case",
                    (
                        ("name", each),
                        ("payload", Option(T, None if inner is None else described(inner))),
                    ),
                )
                for each, inner in type.cases
            )
            parts = Record("", (("name", type.name), ("cases", List(T, cases))))
            return Variant(name, "variant", 18, (parts,))
        case types.NamedType():
            return Variant(name, "variant", 18, (Record("", (("name", type.name),)),))
        case types.TupleType(items=()):
            return Variant(name, "unit", 21)
        case types.TupleType():
            return Variant(name, "tuple", 19, (List(T, tuple(map(described, type.items))),))
        case types.Special():
            return Variant(name, "value", 20)
    raise AssertionError(type)


def sig(interface: str, name: str, function: Function) -> Value:
    params = tuple(
        Record("param", (("name", each), ("type", described(type))))
        for each, type in function.params
    )
    results = () if function.result is None else (described(function.result),)
    return Record(
        "function-sig",
        (
            ("interface", interface),
            ("name", name),
            ("params", List(T, params)),
            ("results", List(T, results)),
        ),
    )


RECORDS = types.NamedType("function-sig").wire
EVERYTHING = (
    "func(a: list<option<string>>, b: tuple<u8, char>, c: record r{x: f32, y: flags},"
    " d: variant v{a, b(value)}, e: enum{x, y}, f: tuple<>, g: thing) -> result<u64, string>"
)
IMPORTS = {
    "t:s/a": {"one": parse_function(EVERYTHING), "two": parse_function("func()")},
    "": {"three": parse_function("func() -> bool")},
}
EXPORTS = {"t:s/actor": {"init": parse_function("func(state: value) -> result<value, string>")}}
HASH = bytes(range(32))


def package(**more: Value) -> Record:
    def functions(of: Any) -> Value:
        return List(
            RECORDS,
            tuple(
                sig(interface, name, each)
                for interface, there in of.items()
                for name, each in there.items()
            ),
        )

    words = tuple(values.U64(each) for each in struct.unpack("<4Q", HASH))
    hashes = (
        Record("", (("name", "t:s/a"), ("hash", words))),
        Record("", (("name", ""), ("hash", HASH))),
    )
    fields = {
        "imports": functions(IMPORTS),
        "exports": functions(EXPORTS),
        "import-hashes": List(RECORDS, hashes),
        **more,
    }
    return Record("package-metadata", tuple(fields.items()))


WHOLE = Package(IMPORTS, EXPORTS, {"t:s/a": HASH, "": HASH}, {})


def test_what_a_package_declares_is_read() -> None:
    assert metadata.read(encode(package())) == WHOLE
    assert metadata.read(encode(package()) + b"rest") == WHOLE
    params = List(RECORDS, (Record("", (("name", "T"), ("constraint", ""))),))
    assert metadata.read(encode(package(**{"type-params": params}))).type_params == ("T",)


@pytest.mark.parametrize(
    "more, why",
    [
        ({"imports": "x"}, "no list|is none"),
        ({"imports": List(RECORDS, ("x",))}, "a function is described by no record"),
        ({"imports": List(RECORDS, (Record("", ()),))}, "interface is no string"),
        (
            {"imports": List(RECORDS, (sig("a", "b", parse_function("func()")),) * 2)},
            "its imports is there twice",
        ),
        (
            {
                "import-hashes": List(
                    RECORDS,
                    (
                        Record(
                            "",
                            (("name", "a"), ("hash", b"")),
                        ),
                    ),
                )
            },
            "a hash has not 32 bytes",
        ),
    ],
)
def test_what_is_wrong_in_it_is_said(more: dict[str, Value], why: str) -> None:
    with pytest.raises(BadMetadata, match=why):
        metadata.read(encode(package(**more)))


def of_type(type: Value) -> bytes:
    param = Record("", (("name", "a"), ("type", type)))
    fields = (
        ("interface", ""),
        ("name", "f"),
        ("params", List(T, (param,))),
        ("results", List(T, ())),
    )
    return encode(package(imports=List(RECORDS, (Record("", fields),))))


@pytest.mark.parametrize(
    "type, why",
    [
        ("u8", "described by no variant"),
        (Variant("", "x", 22), "no type of tag 22"),
        (Variant("", "list", 14), "no type of tag 14 with 0 payloads"),
        (Variant("", "result", 16, ("x",)), "a type is described by no record"),
        (Variant("", "record", 17, (Record("", ()),)), "name is no string"),
    ],
)
def test_a_type_that_is_none_is_refused(type: Value, why: str) -> None:
    with pytest.raises(BadMetadata, match=why):
        metadata.read(of_type(type))


def test_a_type_may_be_so_deep_and_no_deeper() -> None:
    type: Type = types.U8
    for _ in range(types.DEPTH_MAX - 1):
        type = types.ListType(type)
    found = metadata.read(of_type(described(type))).imports[""]["f"]
    assert found.params[0][1] == type
    with pytest.raises(BadMetadata, match="nested more than 64 deep"):
        metadata.read(of_type(described(types.ListType(type))))


def test_no_value_is_no_metadata() -> None:
    for data in (b"", b"CGRF", encode("x")):
        with pytest.raises(BadMetadata):
            metadata.read(data)


# In modules


def section(kind: int, body: bytes) -> bytes:
    size, number = b"", len(body)
    while True:
        size += bytes([number & 0x7F | (0x80 if number >> 7 else 0)])
        number >>= 7
        if not number:
            return bytes([kind]) + size + body


def module(data: bytes) -> bytes:
    return b"\0asm\x01\0\0\0" + section(0, b"\x04name" + bytes(200)) + section(11, data)


def test_it_is_found_in_the_data_of_a_module() -> None:
    data = b"\x01\0\x41\0\x0b" + encode(("not it",)) + b"CGRF\x02\0" + encode(package()) + b"more"
    assert metadata.in_module(module(data)) == WHOLE


@pytest.mark.parametrize(
    "bytes_",
    [
        b"",
        b"\0asm\x0d\0\x01\0" + section(11, encode(package())),  # a component
        module(b""),
        module(b"CGRF\x02\0" * 10_000),
        module(encode(package())[:-1]),
        b"\0asm\x01\0\0\0" + section(1, encode(package())),
        b"\0asm\x01\0\0\0\x0b\xff\xff\xff\xff\xff\xff",
        b"\0asm\x01\0\0\0\x0b\xff\xff\x7f" + encode(package()),
    ],
    ids=range(8),
)
def test_nothing_is_found_where_nothing_is(bytes_: bytes) -> None:
    assert metadata.in_module(bytes_) is None


@pytest.mark.parametrize("seed", range(200))
def test_damaged_metadata_are_read_or_refused(seed: int) -> None:
    dice = random.Random(seed)
    with contextlib.suppress(BadMetadata):
        metadata.read(scrambled(dice, encode(package())))
