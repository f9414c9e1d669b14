"""Hashes of types, functions and interfaces: whether two sides mean the same. Pure.

SHA-256 over the structure. The names of types and of parameters do not enter; those of fields,
cases, functions and the interface do, and fields, cases and functions are sorted by them. Scalars
are constants. An actor declares hashes of what it imports, each over only those functions that it
uses; the host hashes the same names out of its own definition, and there is no "compatible enough".
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping
from typing import TypeVar

from theater.pack.types import (
    BOOL,
    FLAGS,
    STRING,
    FlagsType,
    Function,
    ListType,
    NamedType,
    OptionType,
    RecordType,
    ResultType,
    Scalar,
    Special,
    TupleType,
    Type,
    VariantType,
    words,
)
from theater.quoting import quoted

_T = TypeVar("_T")

HASH_BYTES = 32
_ANY = b"\xff\xff" + bytes(HASH_BYTES - 2)
_LIST, _OPTION, _RESULT, _TUPLE, _RECORD, _VARIANT, _FUNCTION, _INTERFACE = (
    bytes([number]) for number in range(0x10, 0x18)
)
WORDS_MAX = 1000  # characters of a signature in a sentence


def type_hash(type: Type) -> bytes:
    match type:
        case Scalar():
            return bytes([0, type.number]) + bytes(HASH_BYTES - 2)
        case FlagsType():
            return type_hash(FLAGS)
        case Special():
            return _ANY
        case NamedType():  # a name that nothing defines
            return _sha256(b"ref:", type.name.encode())
        case ListType():
            return _sha256(_LIST, type_hash(type.element))
        case OptionType():
            return _sha256(_OPTION, type_hash(type.content))
        case ResultType():
            # A convention of both sides: `_` counts as bool where it is ok, and as string where
            # it is err, whatever is sent.
            return _sha256(_RESULT, type_hash(type.ok or BOOL), type_hash(type.err or STRING))
        case TupleType():
            return _sha256(_TUPLE, _number(len(type.items)), *map(type_hash, type.items))
        case RecordType():
            fields = [_string(name) + type_hash(each) for name, each in _sorted(type.fields)]
            return _sha256(_RECORD, _number(len(fields)), *fields)
        case VariantType():
            cases = [
                _string(name) + (b"\0" if each is None else b"\1" + type_hash(each))
                for name, each in _sorted(type.cases)
            ]
            return _sha256(_VARIANT, _number(len(cases)), *cases)


def function_hash(function: Function) -> bytes:
    params = [type_hash(each) for _, each in function.params]
    results = [] if function.result is None else [type_hash(function.result)]
    return _sha256(_FUNCTION, _number(len(params)), *params, _number(len(results)), *results)


def interface_hash(name: str, functions: Mapping[str, Function]) -> bytes:
    hashed = [_string(each) + function_hash(type) for each, type in _sorted(functions.items())]
    # The first number counts types that an interface binds; nobody writes any.
    return _sha256(_INTERFACE, _string(name), _number(0), _number(len(hashed)), *hashed)


def differences(
    interface: str,
    wanted: Mapping[str, Function],
    wanted_hash: bytes | None,
    provided: Mapping[str, Function],
) -> list[str]:
    """Why what a package wants of an interface is not what is provided, a sentence for each
    function; none if it is. `wanted_hash`: what the package says of it, if it says anything."""
    found = []
    for name, function in wanted.items():
        if name not in provided:
            there = ", ".join(sorted(provided)) or "none"
            found.append(
                f"interface {quoted(interface)} has no function {quoted(name)}; it has {there}"
            )
        elif function_hash(function) != function_hash(provided[name]):
            found.append(
                f"interface {quoted(interface)}: function {quoted(name)} is"
                f" {_said(provided[name])} here, and {_said(function)} in the package"
            )
    if found or wanted_hash is None:
        return found
    ours = interface_hash(interface, {name: provided[name] for name in wanted})
    if ours == wanted_hash:
        return []
    names = ", ".join(sorted(wanted)) or "no functions"
    return [
        f"interface {quoted(interface)}: its hash in the package is {wanted_hash.hex()}, and not"
        f" {ours.hex()}, though {names} are the same; the package's metadata contradict themselves:"
        " build it again"
    ]


def _said(function: Function) -> str:
    text = words(function)
    return text if len(text) <= WORDS_MAX else text[:WORDS_MAX] + "..."


def _sorted(named: Iterable[tuple[str, _T]]) -> list[tuple[str, _T]]:
    """By the bytes of the names."""
    return sorted(named, key=lambda each: each[0].encode())


def _sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def _number(number: int) -> bytes:
    return struct.pack("<I", number)


def _string(text: str) -> bytes:
    data = text.encode()
    return _number(len(data)) + data
