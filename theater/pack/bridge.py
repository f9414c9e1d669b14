"""Lead what a package calls, and is called with, to what is written for components. Pure.

A handler is written once, for the functions of components, in plain values: what it is asked and
what it answers is in the log the same for both. Here is what differs between a component's function
and the package's of the same name: a content of a store is named by a string and not by a record,
an initial state is any value and not bytes, and so on.

An actor's state is bytes to everybody else. A package's state is a value: its bytes are the value,
encoded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from theater.calls import CALL, CALLS, RPC, STORE, SUPERVISOR, kind_of
from theater.pack import schema, types
from theater.pack.codec import LIMITS, MAGIC, BadGraph, decode, encode
from theater.pack.interfaces import provided
from theater.pack.text import text
from theater.pack.types import BYTES, Function, OptionType, Type
from theater.pack.values import (
    NO_STATE,
    U64,
    UNIT,
    BadValue,
    List,
    Option,
    Record,
    Result,
    Value,
    Variant,
    ok,
)

ERROR_MAX = 4096  # characters of an error that is no string
SHOWN = 64  # characters of a value in a message
# What is kept, or crosses from one actor to another, may be wrapped in what is no deeper than this
# beside it: a state in a tuple in a result.
KEPT = replace(LIMITS, depth=LIMITS.depth - 32)
_TIMEOUT = "timeout-ms"  # of the options of a call
# Where a content of a store is named in the arguments.
_REFERENCES = {"get": 1, "exists": 1, "label": 2, "replace-at-label": 2}
_WITH_CODE = ((SUPERVISOR, "spawn"), (SUPERVISOR, "resume"))  # their last parameter
_OPTIONAL_BYTES = OptionType(BYTES)
_ERROR_TYPE = "wit-error-type"
_ERROR_CASES = (  # by their tags
    "operation-timeout",
    "channel-closed",
    "shutting-down",
    "function-not-found",
    "type-mismatch",
    "internal",
    "serialization-error",
    "update-component-error",
    "paused",
)


# What the guest calls


def arguments(interface: str, function: str, value: Value) -> list[Any]:
    """What the handler is given for a call. BadValue: it is not of the function's type."""
    given = schema.arguments(provided(interface)[function], value)
    if interface == STORE and function in _REFERENCES:
        at = _REFERENCES[function]
        given[at] = {"hash": given[at]}
    elif (interface, function) in _WITH_CODE and given[-1] is None:
        del given[-1]  # as of a component, which has no code to give
    elif (interface, function) == (RPC, "call"):
        given[3] = _timeout_ms(decode(given[3]))
    return given


def _timeout_ms(options: Value) -> int | None:
    """How long who calls waits; None: as its manifest says. Options may be there or not, in an
    option or bare, and may have fields that nobody knows."""
    if isinstance(options, Option):
        options = UNIT if options.item is None else options.item
    if options == UNIT:
        return None
    if not isinstance(options, Record):
        raise BadValue(f"options of a call are a record, not {text(options, SHOWN)}")
    wanted = options.get(_TIMEOUT)
    if isinstance(wanted, Option):
        wanted = wanted.item
    if wanted is None:
        return None
    if not isinstance(wanted, U64):
        raise BadValue(f"{_TIMEOUT} is an option<u64>, not {text(wanted, SHOWN)}")
    return wanted.value


def answer(interface: str, function: str, plain: Any) -> Value:
    """What the guest is answered, of what the handler has."""
    if interface == STORE:
        plain = _without_references(plain)
    elif (interface, function) == (SUPERVISOR, "list-children"):
        plain = {"ok": plain}
    elif (interface, function) == (SUPERVISOR, "get-child-state") and "ok" in plain:
        plain = {"ok": _child_state(plain["ok"])}
    elif interface == RPC:
        return ok(_told(function, plain))
    return schema.answer(provided(interface)[function], plain)


def _told(function: str, plain: dict[str, Any]) -> Variant:
    """An answer of `rpc`, a failure too, is a variant in a result that is always ok."""
    if "err" in plain:
        return Variant("result", "err", 1, (plain["err"],))
    value: Value = plain["ok"]
    if function == "call":
        try:
            value = decode(plain["ok"], KEPT)
        except BadGraph as error:  # a worker that has broken out has answered it
            return Variant("result", "err", 1, (f"failed: it answered no value: {error}",))
    elif function == "exports":
        value = List(types.STRING.wire, tuple(plain["ok"]))
    return Variant("result", "ok", 0, (value,))


def _without_references(plain: Any) -> Any:
    if isinstance(plain, dict):
        if "hash" in plain:
            return plain["hash"]
        return {key: _without_references(value) for key, value in plain.items()}
    if isinstance(plain, list):
        return [_without_references(each) for each in plain]
    return plain


def _child_state(state: bytes | None) -> bytes | None:
    """A child that is a package and whose state is bytes or none has them in a value."""
    value = decoded(state)
    if isinstance(value, Option) and schema.why_not(_OPTIONAL_BYTES, value) is None:
        return value.item if isinstance(value.item, bytes) else None
    return state


# What the guest is called with


def argument(
    interface: str, function: str, state: bytes | None, params: list[Any], declared: Type | None
) -> tuple[Value, ...]:
    """The one value of a call: the state, and then the parameters. `declared`: the state's type."""
    return (state_value(state, declared), *_PARAMETERS[kind_of(interface, function)](params))


def state_value(state: bytes | None, declared: Type | None) -> Value:
    """A state is an encoded value. What is none was written in a manifest, or by a component: it
    is bytes where the package wants bytes, and text otherwise."""
    if state is None:
        return NO_STATE
    value = decoded(state)
    if value is not None:
        return value
    if declared == BYTES:
        return state
    if declared == _OPTIONAL_BYTES:
        return Option(BYTES.wire, state)
    try:
        return state.decode()
    except UnicodeDecodeError:
        return state


def decoded(state: bytes | None) -> Value | None:
    """The value that these bytes are; None if they are none."""
    if state is None or not state.startswith(MAGIC):
        return None
    try:
        return decode(state)
    except BadGraph:
        return None


def _optional(data: bytes | None) -> Value:
    return Option(BYTES.wire, data)


def _as_they_are(params: list[Any]) -> tuple[Value, ...]:
    return tuple(params)


def _child_error(params: list[Any]) -> tuple[Value, ...]:
    child, error = params
    case = error["error-type"]
    kind = Variant(_ERROR_TYPE, case, _ERROR_CASES.index(case))
    return child, (kind, _optional(error["data"]))


def _given(params: list[Any]) -> tuple[Value, ...]:
    """What another actor has called it with: several parameters, or one that is no tuple."""
    value = decode(params[0], KEPT)
    return value if isinstance(value, tuple) else (value,)


# The parameters that follow the state, by the kind of input.
_PARAMETERS: dict[str, Callable[[list[Any]], tuple[Value, ...]]] = {
    **dict.fromkeys(CALLS, _as_they_are),
    "init": lambda _params: (),  # it asks runtime.self who it is
    "child-error": _child_error,
    "child-exit": lambda params: (params[0], _optional(params[1])),
    CALL: _given,
}


def takes_one_tuple(signature: Function | None) -> bool:
    """Whether what is declared of an export may be how packages were called before April 2026: with
    all parameters that follow the state in one tuple. Interfaces have gone on to say so since, so
    whether it is meant only the package tells."""
    if signature is None or len(signature.params) != 2:
        return False
    return isinstance(signature.params[1][1], types.TupleType)


# What the guest returns


def failure(value: Value) -> str | None:
    """Why the call has failed, if this says that it has."""
    match value:
        case Result(is_err=True, item=error) | Variant(tag=1, payload=(error, *_)):
            return error if isinstance(error, str) else text(error, ERROR_MAX)
        case Variant(tag=tag) if tag:
            return f"it returned {value.name}::{value.case}, which stands for no success"
    return None


def returned(interface: str, function: str, value: Value) -> dict[str, Any]:
    """What a component returns in such a case: {"ok": [state, ...]}, or {"err": text}.

    BadValue: what has to be kept of it is too deep.
    """
    error = failure(value)
    if error is not None:
        return {"err": error}
    response: Value = UNIT
    match value:
        case Result(item=(state, *rest)) | Variant(payload=((state, *rest), *_)):
            response = rest[0] if len(rest) == 1 else tuple(rest)
        case Result(item=state) | Variant(payload=(state, *_)):
            pass
        case state:
            pass
    results: list[Any] = [encode(state, KEPT)]
    match kind_of(interface, function):
        case "request":
            results.append([_reply(response)])
        case "channel-open":
            results.append([_acceptance(response)])
        case "rpc":
            results.append([{"ok": encode(response, KEPT)}])
        case "loop":
            results.append([_next_round(response)])
    return {"ok": results}


def _reply(response: Value) -> bytes:
    """A 1-tuple of an optional reply. Of whatever else the reply is empty, as it is upstream: what
    a package does not answer at once it never answers."""
    match response:
        case (Option(item=bytes(reply)),):
            return reply
    return b""


def _acceptance(response: Value) -> dict[str, Any]:
    """A 1-tuple of a record that says `accepted`, or of a tuple that begins with it."""
    accepted: Value | None = False
    first: Value | None = None
    match response:
        case (Record() as said,):
            accepted, message = said.get("accepted"), said.get("message")
            first = message.item if isinstance(message, Option) else None
        case ((bool(said), *_),):
            accepted = said
    is_accepted = accepted is True
    return {
        "accepted": is_accepted,
        "message": first if is_accepted and isinstance(first, bytes) else None,
    }


def _next_round(response: Value) -> dict[str, Any]:
    """A variant, and not a result: `ok` of the next loop state, or `err` of why the loop ends. So
    does it with anything else."""
    match response:
        case Variant(case="ok", payload=(bytes(state), *_)):
            return {"ok": state}
        case Variant(case="err", payload=(str(why), *_)):
            return {"err": why}
    said = text(response, ERROR_MAX)
    return {"err": f"it answered {said}, which is no variant of ok and err"}
