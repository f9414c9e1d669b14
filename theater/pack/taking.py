"""From values of Pack to plain ones, by declared types: one closure per type. Pure.

What plain values are, and where this is tolerant, is said in `schema`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

from theater.pack import types, values
from theater.pack.codec import encode
from theater.pack.giving import SHOWN, within, wrong_fields
from theater.pack.text import text
from theater.pack.types import Scalar, Type
from theater.pack.values import SCALARS, BadValue, Value

Take = Callable[[Value], Any]


@functools.lru_cache(1024)
def taking(type: Type) -> Take:
    """What makes plain values of those of this type, or raises BadValue."""
    match type:
        case Scalar():
            return _take_scalar(type)
        case types.Special() | types.NamedType():
            return encode
        case types.ListType():
            return _take_list(type.element)
        case types.TupleType():
            return _take_tuple([taking(each) for each in type.items])
        case types.RecordType():
            return _take_record({name: taking(each) for name, each in type.fields})
        case types.OptionType():
            return _take_option(type.content)
        case types.ResultType():
            return _take_result(type)
        case types.VariantType():
            return _take_variant(type)
        case types.FlagsType():
            return functools.partial(_take_flags, type.names)


def _take_scalar(of: Scalar) -> Take:
    (kind,) = (kind for kind, each in SCALARS.items() if each == of)

    def take(value: Value) -> Any:
        if type(value) is not kind:
            raise _not_a(of.name, value)
        match value:
            case values.F32() | values.F64():
                return value.number
            case values.Flags():
                return value.bits
            case values.Char() | values.Integer():
                return value.value
        return value

    return take


def _take_list(element: Type) -> Take:
    take_item = taking(element)

    def take(value: Value) -> Any:
        if isinstance(value, bytes) and (element == types.U8 or not value):
            return value if element == types.U8 else []
        if isinstance(value, values.Array):
            items = [_KINDS[value.of.tag](each) for each in value.items()]
        elif isinstance(value, values.List):
            items = list(value.items)
        else:
            raise _not_a(f"list<{types.words(element)}>", value)
        taken = [take_item(each) for each in items]
        return bytes(taken) if element == types.U8 else taken

    return take


_KINDS: dict[int, Callable[[Any], Value]] = {
    of.tag: cast(Callable[[Any], Value], kind) for kind, of in SCALARS.items()
}


def _take_tuple(items: list[Take]) -> Take:
    def take(value: Value) -> Any:
        if not isinstance(value, tuple) or len(value) != len(items):
            raise _not_a(f"tuple of {len(items)}", value)
        return [each(item) for each, item in zip(items, value, strict=True)]

    return take


def _take_record(fields: dict[str, Take]) -> Take:
    def take(value: Value) -> Any:
        if not isinstance(value, values.Record):
            raise _not_a("record", value)
        given = dict(value.fields)
        if given.keys() != fields.keys():
            raise BadValue(wrong_fields(fields.keys(), given))
        if len(given) != len(value.fields):
            raise BadValue("record has a field twice")
        return {name: within(name, each, given[name]) for name, each in fields.items()}

    return take


def _take_option(content: Type) -> Take:
    take_item = taking(content)
    is_boxed = isinstance(content, types.OptionType)

    def take(value: Value) -> Any:
        if not isinstance(value, values.Option):
            raise _not_a("option", value)
        if value.item is None:
            return None
        taken = take_item(value.item)
        return [taken] if is_boxed else taken

    return take


def _take_nothing(value: Value) -> Any:
    """Unit; a bool too: `_` counts as one where interfaces are compared, so one may be sent."""
    if value != () and not isinstance(value, bool):
        raise _not_a("unit", value)


def _take_result(type: types.ResultType) -> Take:
    ok = _take_nothing if type.ok is None else taking(type.ok)
    err = _take_nothing if type.err is None else taking(type.err)

    def take(value: Value) -> Any:
        match value:
            case values.Result(is_err=is_err, item=item):
                pass
            case values.Variant(tag=0 | 1 as tag, payload=(item,)):
                is_err = tag == 1
            case values.Variant(tag=0 | 1 as tag, payload=()):
                is_err, item = tag == 1, values.UNIT
            case _:
                raise _not_a("result", value)
        return {"err": within("err", err, item)} if is_err else {"ok": within("ok", ok, item)}

    return take


def _take_variant(type: types.VariantType) -> Take:
    cases = [
        (name, payload, None if payload is None else taking(payload))
        for name, payload in type.cases
    ]
    tags = {name: tag for tag, (name, _, _) in enumerate(cases)}

    def take(value: Value) -> Any:
        """By its tag, as packages do; a case that is known under another one is refused."""
        if not isinstance(value, values.Variant):
            raise _not_a("variant", value)
        if value.tag >= len(cases) or tags.get(value.case, value.tag) != value.tag:
            there = ", ".join(name for name, _, _ in cases)
            raise BadValue(f"variant has no case {shown(value)} of tag {value.tag}; it has {there}")
        name, payload, take_item = cases[value.tag]
        match value.payload:
            case () if take_item is None:
                return name
            case (item,) if take_item is not None:
                return {name: within(name, take_item, item)}
            case several if take_item is not None and isinstance(payload, types.TupleType):
                return {name: within(name, take_item, several)}
        wanted = "no payload" if take_item is None else "one payload"
        raise BadValue(f"case {name} of this variant has {wanted}, not {len(value.payload)}")

    return take


def _take_flags(names: tuple[str, ...], value: Value) -> Any:
    if not isinstance(value, values.Flags):
        raise _not_a("flags", value)
    if value.bits >> len(names):
        raise BadValue(f"flags has {len(names)} names, and more bits: {value.bits:#x}")
    return [name for at, name in enumerate(names) if value.bits >> at & 1]


def shown(value: Value) -> str:
    return text(value, SHOWN)


def _not_a(wanted: str, value: Value) -> BadValue:
    return BadValue(f"{wanted[:SHOWN]} is wanted, not {shown(value)}")
