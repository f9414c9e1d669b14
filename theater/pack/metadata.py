"""Read what a package declares of itself: its imports and exports, with types and hashes. Pure.

One record, written by one of two encoders that name things differently: fields go by their names,
types by the tags of variants, and nothing else is looked at. Named types are written out in place.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from theater.pack import types, values
from theater.pack.codec import BadGraph, decode_prefix
from theater.pack.hashes import HASH_BYTES
from theater.pack.types import DEPTH_MAX, Function, Type
from theater.pack.values import Record, Value, Variant
from theater.quoting import quoted

LIST, OPTION, RESULT, RECORD, VARIANT, TUPLE, ANY, UNIT = range(14, 22)
TYPES_MAX = 100_000  # in one package
NAME_MAX = 1024  # characters
_WORD = struct.Struct("<4Q")


class BadMetadata(ValueError):
    """What a package declares cannot be read. The text says what of it."""


@dataclass(frozen=True, slots=True)
class Package:
    """By interface, "" for what is in none: functions by name, and the hash it was built with."""

    imports: Mapping[str, Mapping[str, Function]] = field(default_factory=dict)
    exports: Mapping[str, Mapping[str, Function]] = field(default_factory=dict)
    import_hashes: Mapping[str, bytes] = field(default_factory=dict)
    export_hashes: Mapping[str, bytes] = field(default_factory=dict)


def from_answer(data: bytes) -> Package:
    """Of what `__pack_types` names. Something may follow it. BadMetadata."""
    try:
        value, _used = decode_prefix(data)
    except BadGraph as error:
        raise BadMetadata(str(error)) from None
    reader = _Reader()
    record = reader.record(value, "the metadata")
    return Package(
        reader.functions(record, "imports"),
        reader.functions(record, "exports"),
        reader.hashes(record, "import-hashes"),
        reader.hashes(record, "export-hashes"),
    )


class _Reader:
    def __init__(self) -> None:
        self._types = 0

    def functions(self, record: Record, name: str) -> dict[str, dict[str, Function]]:
        found: dict[str, dict[str, Function]] = {}
        for item in self.items(record, name):
            each = self.record(item, f"an item of {name}")
            interface, function = self.string(each, "interface"), self.string(each, "name")
            params = []
            for param in self.items(each, "params"):
                fields = self.record(param, f"a parameter of {function}")
                params.append((self.string(fields, "name"), self.type(fields.get("type"), 0)))
            results = [self.type(result, 0) for result in self.items(each, "results")]
            if len(results) > 1:
                raise BadMetadata(f"{quoted(function)} has {len(results)} results")
            known = found.setdefault(interface, {})
            if function in known:
                raise BadMetadata(f"{quoted(interface)} has {quoted(function)} twice in {name}")
            known[function] = Function(tuple(params), results[0] if results else None)
        return found

    def hashes(self, record: Record, name: str) -> dict[str, bytes]:
        if record.get(name) is None:
            return {}
        found = {}
        for item in self.items(record, name):
            each = self.record(item, f"an item of {name}")
            found[self.string(each, "name")] = _hash(each.get("hash"))
        return found

    def type(self, value: Value | None, depth: int) -> Type:
        self._types += 1
        if self._types > TYPES_MAX or depth > DEPTH_MAX:
            raise BadMetadata(
                f"a type is nested more than {DEPTH_MAX} deep, or there are more than {TYPES_MAX:,}"
            )
        if not isinstance(value, Variant):
            raise BadMetadata("a type is a variant, and something else stands for one")
        if value.tag < len(types.SCALARS):
            return types.SCALARS[value.tag]
        if value.tag == ANY:
            return types.VALUE
        if value.tag == UNIT:
            return types.UNIT
        if len(value.payload) != 1:
            raise BadMetadata(f"a type with tag {value.tag} says nothing of what it is made of")
        return self._made(value.tag, value.payload[0], depth + 1)

    def _made(self, tag: int, payload: Value, depth: int) -> Type:
        match tag:
            case 14:
                return types.ListType(self.type(payload, depth))
            case 15:
                return types.OptionType(self.type(payload, depth))
            case 19:
                items = self.listed(payload, "a tuple's items")
                return types.TupleType(tuple(self.type(each, depth) for each in items))
            case 16 | 17 | 18:
                record = self.record(payload, f"a type with tag {tag}")
                return self._named(tag, record, depth)
        raise BadMetadata(f"there is no type with tag {tag}")

    def _named(self, tag: int, record: Record, depth: int) -> Type:
        if tag == RESULT:
            return types.ResultType(
                self.type(record.get("ok"), depth), self.type(record.get("err"), depth)
            )
        name = self.string(record, "name")
        parts: list[tuple[str, Any]] = []
        if tag == RECORD:
            for item in self.items(record, "fields"):
                each = self.record(item, f"a field of {name}")
                parts.append((self.string(each, "name"), self.type(each.get("type"), depth)))
            return types.RecordType(name, tuple(parts))
        if record.get("cases") is None:  # a parameter of a generic package
            return types.NamedType(name, is_variant=True)
        for item in self.items(record, "cases"):
            each = self.record(item, f"a case of {name}")
            payload = each.get("payload")
            if not isinstance(payload, values.Option):
                raise BadMetadata(f"a case of {quoted(name)} does not say whether it has a payload")
            of = None if payload.item is None else self.type(payload.item, depth)
            parts.append((self.string(each, "name"), of))
        return types.VariantType(name, tuple(parts))

    # Parts

    def record(self, value: Value, what: str) -> Record:
        if not isinstance(value, Record):
            raise BadMetadata(f"{what[:NAME_MAX]} is no record")
        return value

    def string(self, record: Record, name: str) -> str:
        value = record.get(name)
        if not isinstance(value, str) or len(value) > NAME_MAX:
            raise BadMetadata(f"{name} is no string of at most {NAME_MAX} characters")
        return value

    def items(self, record: Record, name: str) -> tuple[Value, ...]:
        return self.listed(record.get(name), name)

    def listed(self, value: Value | None, what: str) -> tuple[Value, ...]:
        if not isinstance(value, values.List):
            raise BadMetadata(f"{what} is no list")
        return value.items


def _hash(value: Value | None) -> bytes:
    match value:
        case (values.U64(a), values.U64(b), values.U64(c), values.U64(d)):
            return _WORD.pack(a, b, c, d)
        case bytes() if len(value) == HASH_BYTES:
            return value
    raise BadMetadata(f"a hash is four u64, or {HASH_BYTES} bytes")
