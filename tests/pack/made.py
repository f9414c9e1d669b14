"""Values to test with: those of the vectors, and any."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from theater.pack import types, values
from theater.pack.types import Scalar, Type
from theater.pack.values import Value

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "vectors.json").read_text())


def type_of(given: Any) -> Type:
    """As the vectors write types: a name, or [constructor, ...]."""
    match given:
        case str():
            return types.BY_NAME[given]
        case ["list", element]:
            return types.ListType(type_of(element))
        case ["option", content]:
            return types.OptionType(type_of(content))
        case ["tuple", items]:
            return types.TupleType(tuple(map(type_of, items)))
        case ["record" | "variant" as kind, name]:
            return types.NamedType(name, kind == "variant")
    raise AssertionError(given)


def value_of(given: dict[str, Any]) -> Value:
    """As the vectors write values."""
    match given["k"]:
        case "bool" | "string":
            value: Value = given["v"]
            return value
        case "char":
            return values.Char(given["v"])
        case "flags":
            return values.Flags(given["v"])
        case "f32":
            return values.F32(int(given["bits"], 16))
        case "f64":
            return values.F64(int(given["bits"], 16))
        case "tuple":
            return tuple(map(value_of, given["items"]))
        case "list" if "bytes" in given:
            return bytes.fromhex(given["bytes"])
        case "list":
            return values.list_of(type_of(given["elem"]), map(value_of, given["items"]))
        case "option":
            item = None if given["v"] is None else value_of(given["v"])
            return values.Option(type_of(given["inner"]).wire, item)
        case "result":
            ok, err = type_of(given["ok_type"]).wire, type_of(given["err_type"]).wire
            return values.Result(ok, err, given["case"] == "err", value_of(given["v"]))
        case "record":
            fields = tuple((name, value_of(each)) for name, each in given["fields"])
            return values.Record(given["name"], fields)
        case "variant":
            payload = tuple(map(value_of, given["payload"]))
            return values.Variant(given["name"], given["case"], given["tag"], payload)
        case kind:
            integer: Value = getattr(values, kind.upper())(given["v"])
            return integer


# Any

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
FIXED = [each for each in types.SCALARS if each.width]
BY_TYPE = {of: kind for kind, of in values.SCALARS.items()}


def _scalar(of: Scalar) -> st.SearchStrategy[Any]:
    if of is types.BOOL:
        return st.booleans()
    if of is types.CHAR:
        return st.characters(exclude_categories=["Cs"]).map(values.Char)
    return st.integers(of.lowest, of.highest).map(BY_TYPE[of])


def _array(of: Scalar) -> st.SearchStrategy[Any]:
    return st.lists(_scalar(of), max_size=5).map(lambda items: values.list_of(of, items))


wires = st.recursive(
    st.sampled_from([each.wire for each in types.SCALARS])
    | st.builds(lambda name, kind: types.NamedType(name, kind).wire, names, st.booleans()),
    lambda inner: (
        inner.map(lambda wire: b"\x07" + wire)
        | inner.map(lambda wire: b"\x0a" + wire)
        | st.tuples(inner, inner).map(lambda pair: b"\x14" + b"".join(pair))
        | st.lists(inner, max_size=3).map(
            lambda items: b"\x0b" + struct.pack("<I", len(items)) + b"".join(items)
        )
    ),
    max_leaves=4,
)
element_wires = wires.filter(
    lambda wire: wire[0] not in types.BY_TAG or not types.BY_TAG[wire[0]].width
)
leaves = (
    st.one_of([_scalar(each) for each in FIXED])
    | st.one_of([_array(each) for each in FIXED])
    | names
    | st.binary(max_size=20)
)


def _around(inner: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    several = st.lists(inner, max_size=3).map(tuple)
    fields = st.lists(st.tuples(names, inner), max_size=3).map(tuple)
    return (
        several
        | st.builds(values.List, element_wires, several)
        | st.builds(values.Option, wires, st.none() | inner)
        | st.builds(values.Result, wires, wires, st.booleans(), inner)
        | st.builds(values.Record, names, fields)
        | st.builds(values.Variant, names, names, st.integers(0, (1 << 32) - 1), several)
    )


any_value: st.SearchStrategy[Value] = st.recursive(leaves, _around, max_leaves=12)
