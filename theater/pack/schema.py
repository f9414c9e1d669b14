"""Plain values and those of Pack, by declared types, and how functions are called. Pure.

Plain values are what handlers take and events keep: bool, int, float, str, bytes, list (also for a
tuple), dict for a record, None or the value for an option (an option in an option: None or [v]),
{"ok": v} or {"err": v}, None where a result says `_`; a variant is {case: v}, or the case alone if
it has no payload; flags are a list of names, or their bits where nobody has named them. A `value`,
and whatever has no type that is known, is the bytes of its graph.

Taking is tolerant where packages are careless, and where it cannot mean anything else: what a value
says of types it holds is not looked at, an empty list is a list of anything, a variant of tag 0 or
1 passes for a result.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from theater.pack import types, values
from theater.pack.giving import giving, within
from theater.pack.taking import shown, taking
from theater.pack.types import Function, Type
from theater.pack.values import BadValue, Value


def to_pack(type: Type, plain: Any) -> Value:
    """BadValue says what is wrong where."""
    return giving(type)(plain)


def from_pack(type: Type, value: Value) -> Any:
    """BadValue: it is not of this type."""
    return taking(type)(value)


def why_not(type: Type, value: Value) -> str | None:
    """What of a value is not of this type, or None."""
    if type == types.VALUE:
        return None
    try:
        taking(type)(value)
    except BadValue as error:
        return str(error)
    return None


# Functions


def arguments(function: Function, value: Value) -> list[Any]:
    """What a guest has called a host's function with, plain. One parameter comes bare, or as the
    only item of a tuple; a parameter that is a tuple itself or any value comes bare."""
    params = [type for _, type in function.params]
    match params:
        case []:
            return []
        case [only] if isinstance(value, tuple) and len(value) == 1 and only != types.VALUE:
            if isinstance(only, types.TupleType) and why_not(only, value) is None:
                return [from_pack(only, value)]
            return [within(function.params[0][0], taking(only), value[0])]
        case [only]:
            return [within(function.params[0][0], taking(only), value)]
    if not isinstance(value, tuple) or len(value) != len(params):
        raise BadValue(f"it takes a tuple of {len(params)} parameters, not {shown(value)}")
    return [
        within(name, taking(type), each)
        for (name, type), each in zip(function.params, value, strict=True)
    ]


def call(function: Function, plain: Iterable[Any]) -> tuple[Value, ...]:
    """What a guest's function is called with: a tuple of all parameters, also of one."""
    given = list(plain)
    if len(given) != len(function.params):
        raise BadValue(f"it takes {len(function.params)} parameters, not {len(given)}")
    return tuple(
        within(name, giving(type), each)
        for (name, type), each in zip(function.params, given, strict=True)
    )


def answer(function: Function, plain: Any) -> Value:
    """What a host's function answers; unit where its signature says nothing."""
    return values.UNIT if function.result is None else giving(function.result)(plain)


def answered(function: Function, value: Value) -> Any:
    """What a guest's function has answered, plain; None where its signature says nothing."""
    return None if function.result is None else taking(function.result)(value)
