"""From plain values to those of Pack, by declared types: one closure per type. Pure.

What plain values are is said in `schema`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from theater.pack import types, values
from theater.pack.codec import BadGraph, decode
from theater.pack.types import Scalar, Type
from theater.pack.values import SCALARS, BadValue, Value

Give = Callable[[Any], Value]
SHOWN = 64  # characters of a value in a message


@functools.lru_cache(1024)
def giving(type: Type) -> Give:
    """What makes values of this type from plain ones, or raises BadValue."""
    match type:
        case Scalar():
            return _GIVEN[type.tag]
        case types.Special() | types.NamedType():
            return _give_any
        case types.ListType():
            return _give_list(type.element)
        case types.TupleType():
            return _give_tuple([giving(each) for each in type.items])
        case types.RecordType():
            return _give_record(type)
        case types.OptionType():
            return _give_option(type.content)
        case types.ResultType():
            return _give_result(type)
        case types.VariantType():
            return _give_variant(type)
        case types.FlagsType():
            return functools.partial(_give_flags, type.names)


def _give_any(plain: Any) -> Value:
    if not isinstance(plain, bytes):
        raise BadValue(f"a value of any type is given as the bytes of its graph, not {show(plain)}")
    try:
        return decode(plain)
    except BadGraph as error:
        raise BadValue(f"no value: {error}") from None


def _give_bool(plain: Any) -> Value:
    if not isinstance(plain, bool):
        raise BadValue(f"bool takes True or False, not {show(plain)}")
    return plain


def _give_string(plain: Any) -> Value:
    if type(plain) is not str:
        raise BadValue(f"string takes a str, not {show(plain)}")
    return plain


def _give_char(plain: Any) -> Value:
    if type(plain) is not str or len(plain) != 1:
        raise BadValue(f"char takes a str of one character, not {show(plain)}")
    return values.Char(plain)


def _give_integer(of: Scalar, make: Callable[[int], Value]) -> Give:
    def give(plain: Any) -> Value:
        if type(plain) is not int:
            raise BadValue(f"{of.name} takes an int, not {show(plain)}")
        if not of.lowest <= plain <= of.highest:
            raise BadValue(f"{show(plain)} does not fit {of.name}")
        return make(plain)

    return give


def _give_float(of: Scalar, make: Callable[[float], Value]) -> Give:
    def give(plain: Any) -> Value:
        if type(plain) is not float and type(plain) is not int:
            raise BadValue(f"{of.name} takes a float, not {show(plain)}")
        try:
            return make(float(plain))
        except OverflowError:
            raise BadValue(f"{show(plain)} does not fit {of.name}") from None

    return give


_GIVEN: dict[int, Give] = {
    of.tag: _give_integer(of, kind)
    for kind, of in SCALARS.items()
    if issubclass(kind, values.Integer | values.Flags)
} | {
    types.BOOL.tag: _give_bool,
    types.STRING.tag: _give_string,
    types.CHAR.tag: _give_char,
    types.F32.tag: _give_float(types.F32, values.F32.of),
    types.F64.tag: _give_float(types.F64, values.F64.of),
}


def _give_bytes(plain: Any) -> Value:
    if not isinstance(plain, bytes | bytearray):
        raise BadValue(f"list<u8> takes bytes, not {show(plain)}")
    return bytes(plain)


def _give_list(element: Type) -> Give:
    if element == types.U8:
        return _give_bytes
    give_item = giving(element)

    def give(plain: Any) -> Value:
        if not isinstance(plain, list | tuple):
            raise BadValue(f"list takes a list, not {show(plain)}")
        return values.list_of(element, [give_item(each) for each in plain])

    return give


def _give_tuple(items: list[Give]) -> Give:
    def give(plain: Any) -> Value:
        if not isinstance(plain, list | tuple):
            raise BadValue(f"tuple takes a list, not {show(plain)}")
        if len(plain) != len(items):
            raise BadValue(f"tuple has {len(items)} items, not {len(plain)}")
        return tuple(each(item) for each, item in zip(items, plain, strict=True))

    return give


def _give_record(type: types.RecordType) -> Give:
    fields = [(name, giving(each)) for name, each in type.fields]
    known = {name for name, _ in fields}

    def give(plain: Any) -> Value:
        if not isinstance(plain, dict):
            raise BadValue(f"record takes a dict, not {show(plain)}")
        if plain.keys() != known:
            raise BadValue(wrong_fields(known, plain))
        made = tuple((name, within(name, each, plain[name])) for name, each in fields)
        return values.Record(type.name, made)

    return give


def _give_option(content: Type) -> Give:
    wire, give_item = content.wire, giving(content)
    is_boxed = isinstance(content, types.OptionType)

    def give(plain: Any) -> Value:
        if plain is None:
            return values.Option(wire, None)
        if is_boxed:
            if not isinstance(plain, list) or len(plain) != 1:
                raise BadValue(f"an option of an option takes None or [v], not {show(plain)}")
            plain = plain[0]
        return values.Option(wire, give_item(plain))

    return give


def _give_nothing(plain: Any) -> Value:
    if plain is not None:
        raise BadValue(f"this side of a result has no payload, not {show(plain)}")
    return values.UNIT


def _give_result(type: types.ResultType) -> Give:
    sides = {
        "ok": _give_nothing if type.ok is None else giving(type.ok),
        "err": _give_nothing if type.err is None else giving(type.err),
    }
    said = types.STRING.wire  # of both sides, whatever they are: see `values.ok`

    def give(plain: Any) -> Value:
        if not isinstance(plain, dict) or len(plain) != 1 or not plain.keys() <= sides.keys():
            raise BadValue(f'result takes {{"ok": v}} or {{"err": v}}, not {show(plain)}')
        ((case, item),) = plain.items()
        return values.Result(said, said, case == "err", within(case, sides[case], item))

    return give


def _give_variant(type: types.VariantType) -> Give:
    cases = {
        name: (tag, None if payload is None else giving(payload))
        for tag, (name, payload) in enumerate(type.cases)
    }

    def give(plain: Any) -> Value:
        case, item, has_payload = plain, None, False
        if isinstance(plain, dict) and len(plain) == 1:
            ((case, item),) = plain.items()
            has_payload = True
        if not isinstance(case, str):
            raise BadValue(f'variant takes "case" or {{"case": v}}, not {show(plain)}')
        if case not in cases:
            raise BadValue(f"variant has no case {show(case)}; it has {', '.join(cases)}")
        tag, give_item = cases[case]
        if (give_item is not None) != has_payload:
            wanted = "a payload" if give_item is not None else "no payload"
            raise BadValue(f"case {case} of this variant has {wanted}: {show(plain)}")
        payload = () if give_item is None else (within(case, give_item, item),)
        return values.Variant(type.name, case, tag, payload)

    return give


def _give_flags(names: tuple[str, ...], plain: Any) -> Value:
    if not isinstance(plain, list | tuple):
        raise BadValue(f"flags takes a list of names, not {show(plain)}")
    bits = 0
    for name in plain:
        if name not in names:
            raise BadValue(f"flags has no {show(name)}; it has {', '.join(names)}")
        bits |= 1 << names.index(name)
    return values.Flags(bits)


# Saying what is wrong


def within(name: str, convert: Callable[[Any], Any], value: Any) -> Any:
    """Convert a part, and say where it was if it cannot be done."""
    try:
        return convert(value)
    except BadValue as error:
        raise BadValue(f"{name}: {error}") from None


def show(plain: Any) -> str:
    """A plain value for a message, cut."""
    if isinstance(plain, int) and abs(plain) >= 1 << 128:
        return "a number of very many digits"
    shown = plain[:SHOWN] if isinstance(plain, str | bytes | bytearray | list | tuple) else plain
    return f"{type(plain).__name__} {repr(shown)[:SHOWN]}"


def wrong_fields(known: Iterable[str], given: dict[Any, Any]) -> str:
    names = set(known)
    missing = ", ".join(sorted(names - given.keys()))
    unknown = ", ".join(sorted(str(each)[:SHOWN] for each in list(given.keys() - names)[:5]))
    parts = [f"lacks {missing}"] if missing else []
    return "record " + " and ".join(parts + ([f"has no {unknown}"] if unknown else []))
