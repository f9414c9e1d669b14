"""Turn plain values into Pack's by a type, and back; and the arguments and answers of calls. Pure.

A plain value is what handlers have and what stands in the log: str, bytes of a list<u8>, int,
float, bool, a list of a list or a tuple, a dict of a record, {"ok": x} or {"err": x}, None of what
is not there; the name of an enum's case, {"case": payload} of another variant. Where a type says
`value`, the plain form is the bytes of the value, encoded.

No type is nested deeper than `types.DEPTH_MAX`, so this recurses by the type, never by the value.
"""

from __future__ import annotations

import struct
from typing import Any

from theater.pack import types, values
from theater.pack.codec import BadGraph, decode, encode
from theater.pack.types import Function, Type, words
from theater.pack.values import BadValue, Value

_KINDS = {of.name: kind for kind, of in values.SCALARS.items()}


def to_pack(type: Type, plain: Any) -> Value:
    """BadValue: it does not fit."""
    match type:
        case types.Special(name="value"):
            return _whole(plain)
        case types.Scalar():
            return _scalar(type, plain)
        case types.FlagsType():
            return _scalar(types.FLAGS, plain)
        case types.ListType(element=types.Scalar(name="u8")):
            return bytes(_of(bytes, plain, type))
        case types.ListType():
            items = _of(list, plain, type)
            return values.list_of(type.element, [to_pack(type.element, each) for each in items])
        case types.OptionType():
            item = None if plain is None else to_pack(type.content, plain)
            return values.Option(type.content.wire, item)
        case types.ResultType():
            return _result(type, plain)
        case types.TupleType():
            items = _of(list, plain, type)
            if len(items) != len(type.items):
                raise _unfit(type, plain)
            return tuple(to_pack(of, each) for of, each in zip(type.items, items, strict=True))
        case types.RecordType():
            if not isinstance(plain, dict) or set(plain) != {name for name, _ in type.fields}:
                raise _unfit(type, plain)
            fields = tuple((name, to_pack(of, plain[name])) for name, of in type.fields)
            return values.Record(type.name, fields)
        case types.VariantType():
            return _variant(type, plain)
    raise BadValue(f"nothing is known of the type {words(type)}")


def _whole(plain: Any) -> Value:
    try:
        return decode(_of(bytes, plain, types.VALUE))
    except BadGraph as error:
        raise BadValue(f"a value is the bytes of one: {error}") from None


def _scalar(type: types.Scalar, plain: Any) -> Value:
    match type.name:
        case "bool":
            return bool(_of(bool, plain, type))
        case "string":
            return str(_of(str, plain, type))
        case "char":
            return values.Char(_of(str, plain, type))
        case "f32":
            return values.F32.of(float(_of(float, plain, type)))
        case "f64":
            return values.F64.of(float(_of(float, plain, type)))
    number = _of(int, plain, type)
    if not type.lowest <= number <= type.highest:
        raise _unfit(type, plain)
    value: Value = _KINDS[type.name](number)
    return value


def _result(type: types.ResultType, plain: Any) -> Value:
    """With both types called string, as upstream's hosts do: see `values.ok`."""
    match plain:
        case {"ok": item, **rest} if not rest:
            side = type.ok
        case {"err": item, **rest} if not rest:
            side = type.err
        case _:
            raise _unfit(type, plain)
    if side is None and item is not None:
        raise _unfit(type, plain)
    value = values.UNIT if side is None else to_pack(side, item)
    string = types.STRING.wire
    return values.Result(string, string, "err" in plain, value)


def _variant(type: types.VariantType, plain: Any) -> Value:
    if isinstance(plain, str):
        plain = {plain: None}
    if isinstance(plain, dict) and len(plain) == 1:
        ((name, payload),) = plain.items()
        for tag, (case, of) in enumerate(type.cases):
            if case == name and (of is not None or payload is None):
                items = () if of is None else (to_pack(of, payload),)
                return values.Variant(type.name, case, tag, items)
    raise _unfit(type, plain)


def _of(kind: type, plain: Any, type_: Type) -> Any:
    if type(plain) is not kind:
        raise _unfit(type_, plain)
    return plain


def _unfit(type: Type, plain: Any) -> BadValue:
    return BadValue(f"what is to be {words(type)} is a {_name(plain)} of another kind")


def _name(plain: Any) -> str:
    return str(plain.__class__.__name__)


# Back


def from_pack(type: Type, value: Value) -> Any:
    """BadValue: it is not of this type."""
    match type, value:
        case types.Special(), _:
            return encode(value)
        case types.Scalar(), _ if values.SCALARS.get(value.__class__) is type:
            return (
                value.number if isinstance(value, values.F32 | values.F64) else values.bare(value)
            )
        case types.FlagsType(), values.Flags():
            return value.bits
        case types.ListType(element=types.Scalar(name="u8")), bytes():
            return value
        case types.ListType(element=element), values.Array():
            if value.of is _flat(element):
                return _items(value)
        case types.ListType(element=element), values.List() if not _is_fixed(element):
            return [from_pack(element, each) for each in value.items]
        case types.OptionType(), values.Option():
            return None if value.item is None else from_pack(type.content, value.item)
        case types.ResultType(), values.Result():
            side = (type.err if value.is_err else type.ok) or types.UNIT
            item = from_pack(side, value.item)
            return {"err" if value.is_err else "ok": None if side is types.UNIT else item}
        case types.TupleType(), tuple():
            if len(type.items) == len(value):
                pairs = zip(type.items, value, strict=True)
                return [from_pack(of, each) for of, each in pairs]
        case types.RecordType(), values.Record():
            found = dict(value.fields)
            if len(found) == len(value.fields) and set(found) == {name for name, _ in type.fields}:
                return {name: from_pack(of, found[name]) for name, of in type.fields}
        case types.VariantType(), values.Variant():
            return _case(type, value)
    raise BadValue(f"what should be {words(type)} is {_said(value)}")


def _case(type: types.VariantType, value: values.Variant) -> Any:
    for name, of in type.cases:
        if name == value.case and len(value.payload) == (of is not None):
            payload = None if of is None else from_pack(of, value.payload[0])
            return name if type.is_enum else {name: payload}
    raise BadValue(f"what should be {words(type)} is the case {value.case!r}")


def _flat(type: Type) -> Type:
    return types.FLAGS if isinstance(type, types.FlagsType) else type


def _is_fixed(type: Type) -> bool:
    flat = _flat(type)
    return isinstance(flat, types.Scalar) and flat.width > 0


def _items(array: values.Array) -> list[Any]:
    if array.of is types.F32:
        return list(struct.unpack(f"<{len(array.data) // 4}f", array.data))
    if array.of is types.F64:
        return list(struct.unpack(f"<{len(array.data) // 8}d", array.data))
    return list(array.items())


def _said(value: Value) -> str:
    match value:
        case tuple():
            return f"a tuple of {len(value)}"
        case bytes():
            return "a list<u8>"
        case values.Record() | values.Variant():
            return f"the {value.__class__.__name__.lower()} {value.name[:64]!r}"
    scalar = values.SCALARS.get(value.__class__)
    return f"a {scalar.name if scalar else value.__class__.__name__.lower()}"


def matches(type: Type, value: Value) -> bool:
    """Whether it is of this type, as a package that declares it means it."""
    try:
        from_pack(type, value)
        return True
    except BadValue:
        return False


# Calls


def arguments(function: Function, value: Value) -> list[Any]:
    """What a guest's one value gives each parameter, in plain values. BadValue.

    One parameter comes bare, or alone in a tuple; more come in a tuple; none as anything.
    """
    params = [type for _, type in function.params]
    if not params:
        return []
    if len(params) == 1:
        if isinstance(value, tuple) and len(value) == 1 and not matches(params[0], value):
            value = value[0]
        return [from_pack(params[0], value)]
    if not isinstance(value, tuple) or len(value) != len(params):
        raise BadValue(f"{len(params)} parameters come in a tuple, and this is {_said(value)}")
    return [from_pack(type, each) for type, each in zip(params, value, strict=True)]


def answer(function: Function, plain: Any) -> Value:
    """What a guest is answered. A function without a result answers unit. BadValue."""
    return values.UNIT if function.result is None else to_pack(function.result, plain)
