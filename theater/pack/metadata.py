"""What a package says of itself: functions that it imports and exports, and hashes of them. Pure.

It is one value, a record whose fields are known by their names and whose types by the tags of
variants: two encoders give the rest different names. Named types stand in place, every time.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from theater.pack import types, values
from theater.pack.codec import BadGraph, Limits, decode_prefix
from theater.pack.types import Function, Type
from theater.pack.values import Value

LIMITS = Limits(buffer=1 << 20, nodes=100_000, payload=1 << 20, elements=100_000)
HASH_BYTES = 32
FOUND_MAX = 16  # places in a module that are tried
_BEGINNING = b"CGRF\x02\x00"
_DATA_SECTION = 11
_LIST, _OPTION, _RESULT, _RECORD, _VARIANT, _TUPLE, _VALUE, _UNIT = range(14, 22)

Functions = Mapping[str, Mapping[str, Function]]  # interface -> function -> what it is


class BadMetadata(ValueError):
    """They cannot be read: the text says what of them. The package is to be built again."""


@dataclass(frozen=True, slots=True)
class Package:
    """The name of an interface may be empty. `hashes` are what it says, not what is so."""

    imports: Functions
    exports: Functions
    import_hashes: Mapping[str, bytes]
    export_hashes: Mapping[str, bytes]
    type_params: tuple[str, ...] = ()  # of a generic package


def read(data: bytes) -> Package:
    """What `__pack_types` has answered; something may come after it. BadMetadata."""
    try:
        value, _end = decode_prefix(data, 0, LIMITS)
    except BadGraph as error:
        raise BadMetadata(f"the package's metadata are no value: {error}") from None
    return of_value(value)


def in_module(module: bytes) -> Package | None:
    """What is found in a core module's data without running it; None if nothing is, or if this is
    no core module. A linker may cut data in pieces, so nothing found does not mean nothing there.
    """
    for start, end in _sections(module, _DATA_SECTION):
        data = module[start:end]
        at = -1
        for _ in range(FOUND_MAX):
            at = data.find(_BEGINNING, at + 1)
            if at < 0:
                break
            try:
                return of_value(decode_prefix(data, at, LIMITS)[0])
            except (BadGraph, BadMetadata):
                continue
    return None


def full_name(interface: str, function: str) -> str:
    """As a module exports it."""
    return f"{interface}.{function}" if interface else function


def of_value(value: Value) -> Package:
    """BadMetadata."""
    record = _record(value, "a package")
    params = record.get("type-params")
    return Package(
        imports=_functions(record, "imports"),
        exports=_functions(record, "exports"),
        import_hashes=_hashes(record, "import-hashes"),
        export_hashes=_hashes(record, "export-hashes"),
        type_params=() if params is None else tuple(_named(each) for each in _list(params)),
    )


# Parts


def _record(value: Value | None, what: str) -> dict[str, Value]:
    if not isinstance(value, values.Record):
        raise BadMetadata(f"{what} is described by no record")
    return dict(value.fields)


def _list(value: Value | None) -> tuple[Value, ...]:
    if isinstance(value, values.List):
        return value.items
    if value == b"" or (isinstance(value, values.Array) and not value.data):
        return ()
    raise BadMetadata("what should be a list is none")


def _text(record: dict[str, Value], field: str) -> str:
    value = record.get(field)
    if not isinstance(value, str):
        raise BadMetadata(f"{field} is no string")
    return value


def _named(value: Value) -> str:
    return _text(_record(value, "a type parameter"), "name")


def _functions(record: dict[str, Value], field: str) -> dict[str, dict[str, Function]]:
    found: dict[str, dict[str, Function]] = {}
    for each in _list(record.get(field)):
        function = _record(each, "a function")
        interface, name = _text(function, "interface"), _text(function, "name")
        functions = found.setdefault(interface, {})
        if name in functions:
            raise BadMetadata(f"a function of its {field} is there twice")
        functions[name] = _function(function)
    return found


def _function(record: dict[str, Value]) -> Function:
    params = []
    for each in _list(record.get("params")):
        param = _record(each, "a parameter")
        params.append((_text(param, "name"), _type(param.get("type"), 1)))
    results = [_type(each, 1) for each in _list(record.get("results"))]
    if len(results) > 1:
        raise BadMetadata(f"a function has {len(results)} results")
    return Function(tuple(params), results[0] if results else None)


def _hashes(record: dict[str, Value], field: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    if field not in record:
        return found
    for each in _list(record[field]):
        entry = _record(each, "a hash")
        found[_text(entry, "name")] = _hash(entry.get("hash"))
    return found


def _hash(value: Any) -> bytes:
    """Four words, the lowest byte first, or the bytes."""
    if isinstance(value, bytes) and len(value) == HASH_BYTES:
        return value
    if isinstance(value, tuple) and [type(each) for each in value] == [values.U64] * 4:
        return struct.pack("<4Q", *(each.value for each in value))
    raise BadMetadata(f"a hash has not {HASH_BYTES} bytes")


# Types, by tag


def _type(value: Value | None, depth: int) -> Type:
    if depth > types.DEPTH_MAX:
        raise BadMetadata(f"a type is nested more than {types.DEPTH_MAX} deep")
    if not isinstance(value, values.Variant):
        raise BadMetadata("a type is described by no variant")
    tag, payload = value.tag, value.payload
    if tag < len(types.SCALARS):
        return types.SCALARS[tag]
    if tag == _VALUE:
        return types.VALUE
    if tag == _UNIT:
        return types.UNIT
    if tag > _UNIT or len(payload) != 1:
        raise BadMetadata(f"there is no type of tag {tag} with {len(payload)} payloads")
    inner = payload[0]
    below = depth + 1
    if tag == _LIST:
        return types.ListType(_type(inner, below))
    if tag == _OPTION:
        return types.OptionType(_type(inner, below))
    if tag == _TUPLE:
        return types.TupleType(tuple(_type(each, below) for each in _list(inner)))
    record = _record(inner, "a type")
    if tag == _RESULT:
        return types.ResultType(_type(record.get("ok"), below), _type(record.get("err"), below))
    name = _text(record, "name")
    if tag == _RECORD:
        return types.RecordType(name, _fields(record, below))
    if "cases" not in record:
        return types.NamedType(name)  # a parameter of a generic package
    return types.VariantType(name, _cases(record, below))


def _fields(record: dict[str, Value], depth: int) -> tuple[tuple[str, Type], ...]:
    found: dict[str, Type] = {}
    for each in _list(record.get("fields")):
        field = _record(each, "a field")
        found[_text(field, "name")] = _type(field.get("type"), depth)
    return tuple(found.items())


def _cases(record: dict[str, Value], depth: int) -> tuple[tuple[str, Type | None], ...]:
    found: list[tuple[str, Type | None]] = []
    for each in _list(record["cases"]):
        case = _record(each, "a case")
        payload = case.get("payload")
        if not isinstance(payload, values.Option):
            raise BadMetadata("the payload of a case is no option")
        given = None if payload.item is None else _type(payload.item, depth)
        found.append((_text(case, "name"), given))
    return tuple(found)


# Modules


def _sections(module: bytes, wanted: int) -> list[tuple[int, int]]:
    """Where the sections of this kind begin and end; none if it is no core module."""
    found: list[tuple[int, int]] = []
    if not module.startswith(b"\0asm\x01\0\0\0"):
        return found
    at = 8
    while at < len(module):
        kind = module[at]
        size, at = _leb(module, at + 1)
        if size is None or at + size > len(module):
            break
        if kind == wanted:
            found.append((at, at + size))
        at += size
    return found


def _leb(module: bytes, at: int) -> tuple[int | None, int]:
    number = shift = 0
    while at < len(module) and shift < 35:
        byte = module[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return number, at
        shift += 7
    return None, at
