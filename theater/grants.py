"""Which interfaces a handler grants, and whether a component keeps within its manifest. Pure.

Signatures are written with every alias expanded, the way the compiler describes a component:
`func(msg: list<u8>) -> result<_, string>`, `record{a: string}`, `enum{a, b}`. Names of
parameters are for people: they take no part in linking and are not compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from theater import preopens, wasi
from theater.addresses import check_pattern
from theater.errors import Problem
from theater.quoting import described, did_you_mean, escaped, nearest
from theater.spec import ActorSpec, Handler

Signatures = Mapping[str, str]  # function -> type text
Loc = tuple[str | int, ...]  # where in the manifest: ("child", 0, "name")
Wrong = list[tuple[Loc, str]]  # what is wrong, and where below the thing checked


def _check_send_to(value: object) -> Wrong:
    if not isinstance(value, list):
        shape = 'must be an array of address patterns, as in ["counter", "pool/*"]'
        return [((), f"found {described(value)}; {shape}")]
    wrong: Wrong = []
    for index, pattern in enumerate(value):
        if not isinstance(pattern, str):
            wrong.append(((index,), f"found {described(pattern)}; must be an address pattern"))
        elif problem := check_pattern(pattern):
            wrong.append(((index,), problem))
    return wrong


def _check_max_events(value: object) -> Wrong:
    if type(value) is not int or not 1 <= value <= 1_000_000:
        return [((), f"found {described(value)}; must be a whole number from 1 to 1000000")]
    return []


@dataclass(frozen=True, slots=True)
class HandlerType:
    """A capability that can be granted, what it links, and the settings it takes."""

    imports: Mapping[str, Signatures]  # interface -> what the host provides
    exports: Mapping[str, Signatures]  # interface -> what the host may call, all optional
    settings: Mapping[str, Callable[[object], Wrong]] = field(default_factory=dict)
    # World calls: what changes something outside. interface -> function -> what becomes of one
    # that was interrupted: "error" (its outcome is unknown) or "again" (it is done once more,
    # with the same key).
    world: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    # Whether these settings grant the world calls.
    has_world: Callable[[Mapping[str, Any]], bool] = lambda _settings: True
    required: tuple[str, ...] = ()  # settings without which it grants nothing
    synonyms: Mapping[str, str] = field(default_factory=dict)  # of settings, elsewhere


ACTOR = "theater:simple/actor"
TYPES = "theater:simple/types"
INIT = (
    "func(state: option<list<u8>>, params: tuple<string>) "
    "-> result<tuple<option<list<u8>>>, string>"
)
_CHAIN_EVENT = (
    "record{hash: list<u8>, parent-hash: option<list<u8>>, event-type: string, data: list<u8>}"
)
_STATE = "state: option<list<u8>>"
_NEW_STATE = "result<tuple<option<list<u8>>>, string>"

HANDLERS: dict[str, HandlerType] = {
    "message-server": HandlerType(
        imports={
            "theater:simple/message-server-host": {
                "register": "func() -> result<_, string>",
                "send": "func(actor-id: string, msg: list<u8>) -> result<_, string>",
                "request": "func(actor-id: string, msg: list<u8>) -> result<list<u8>, string>",
                "list-outstanding-requests": "func() -> list<string>",
                "respond-to-request": (
                    "func(request-id: string, response: list<u8>) -> result<_, string>"
                ),
                "cancel-request": "func(request-id: string) -> result<_, string>",
                "open-channel": (
                    "func(actor-id: string, initial-msg: list<u8>) -> result<string, string>"
                ),
                "send-on-channel": "func(channel-id: string, msg: list<u8>) -> result<_, string>",
                "close-channel": "func(channel-id: string) -> result<_, string>",
            }
        },
        exports={
            "theater:simple/message-server-client": {
                "handle-send": f"func({_STATE}, params: tuple<list<u8>>) -> {_NEW_STATE}",
                "handle-request": (
                    f"func({_STATE}, params: tuple<string, list<u8>>) -> "
                    "result<tuple<option<list<u8>>, tuple<option<list<u8>>>>, string>"
                ),
                "handle-channel-open": (
                    f"func({_STATE}, params: tuple<string, list<u8>>) -> "
                    "result<tuple<option<list<u8>>, "
                    "tuple<record{accepted: bool, message: option<list<u8>>}>>, string>"
                ),
                "handle-channel-message": (
                    f"func({_STATE}, params: tuple<string, list<u8>>) -> {_NEW_STATE}"
                ),
                "handle-channel-close": f"func({_STATE}, params: tuple<string>) -> {_NEW_STATE}",
            }
        },
        settings={"send_to": _check_send_to},
    ),
    "runtime": HandlerType(
        imports={
            "theater:simple/runtime": {
                "log": "func(msg: string)",
                "self": "func() -> string",
                "get-chain": f"func() -> record{{events: list<{_CHAIN_EVENT}>}}",
                "shutdown": "func(data: option<list<u8>>) -> result<_, string>",
            }
        },
        exports={},
        settings={"max_events": _check_max_events},
    ),
    # It links nothing: wasi:* always does.
    preopens.HANDLER: HandlerType(
        imports={},
        exports={},
        settings={"preopens": preopens.check},
        world=wasi.WORLD,
        has_world=preopens.grants_write,
        required=("preopens",),
        synonyms=dict.fromkeys(preopens.SYNONYMS, "preopens"),
    ),
}

# Of the design, not of this version: handler -> the interfaces it will link.
LATER: dict[str, tuple[str, ...]] = {
    "store": ("theater:simple/store",),
    "supervisor": ("theater:simple/supervisor",),
    "timer": ("theater:simple/timer",),
    "wasi:http": (),
    "wasi:sockets": (),
}


def world_calls(handlers: Iterable[Handler]) -> dict[str, dict[str, str]]:
    """The world calls that these grant: interface -> function -> `error` or `again`."""
    return {
        interface: dict(functions)
        for handler in handlers
        if HANDLERS[handler.type].has_world(handler.settings)
        for interface, functions in HANDLERS[handler.type].world.items()
    }


# interface -> the handler that provides it, and what it provides.
PROVIDED: dict[str, tuple[str, Signatures]] = {
    interface: (name, functions)
    for name, handler in HANDLERS.items()
    for interface, functions in handler.imports.items()
}
# interface -> what the host may call of it. An actor may export none of them.
CALLED: dict[str, Signatures] = {
    interface: functions
    for handler in HANDLERS.values()
    for interface, functions in handler.exports.items()
}
_LATER_IMPORTS = {interface: name for name, all_ in LATER.items() for interface in all_}


def check_handler(type: object, settings: Mapping[str, object]) -> Wrong:
    """What is wrong with one `[[handler]]` table: its `type` and its other keys."""
    available = "available: " + ", ".join(HANDLERS)
    if not isinstance(type, str):
        return [(("type",), f"found {described(type)}; must be a string; {available}")]
    if type in LATER:
        return [(("type",), f'handler "{type}" is not available in this version; {available}')]
    handler = HANDLERS.get(type)
    if handler is None and type.startswith("wasi:"):
        return [(("type",), f"{type} needs no grant, take this handler away; {available}")]
    if handler is None:
        hint = did_you_mean(type, [*HANDLERS, *(n for n in LATER if not n.startswith("wasi:"))])
        return [(("type",), f"no handler is called {described(type)}{hint} {available}")]
    wrong: Wrong = []
    for key, value in settings.items():
        check = handler.settings.get(key)
        if check is None:
            meant = handler.synonyms.get(key)
            hint = f'; did you mean "{meant}"?' if meant else did_you_mean(key, handler.settings)
            others = ", ".join(handler.settings)
            wrong.append(((key,), f'unknown setting of "{type}"{hint} allowed: {others}'))
        else:
            wrong += [((key, *below), message) for below, message in check(value)]
    missing = [key for key in handler.required if key not in settings]
    if not wrong:
        wrong += [((key,), f'missing: "{type}" grants nothing without it') for key in missing]
    return wrong


def check_grants(
    actor: ActorSpec, imports: Mapping[str, Any], exports: Mapping[str, Any]
) -> list[Problem]:
    """What stands between a compiled component and its manifest; [] if it may start.

    `imports` and `exports` are the compiler's description: interface without version ->
    {"version": str or None, "functions": {name: type text}}.
    """
    messages: list[str] = []
    for interface in sorted(imports):
        messages += _import_problems(actor, interface, imports[interface]["functions"])
    messages += _actor_export_problems(exports)
    for interface, called in CALLED.items():
        if interface in exports:
            messages += _differences("exports", interface, exports[interface]["functions"], called)
    return [Problem(actor.where, message) for message in messages]


def _import_problems(actor: ActorSpec, interface: str, functions: Signatures) -> list[str]:
    if interface.startswith("wasi:") or interface == TYPES:
        return []
    if interface in PROVIDED:
        handler, provided = PROVIDED[interface]
        problems = _differences("imports", interface, functions, provided)
        if actor.handler(handler) is None:
            problems.insert(0, _missing_grant(actor, interface, handler))
        return problems
    if interface in _LATER_IMPORTS:
        handler = _LATER_IMPORTS[interface]
        return [
            f'imports {interface}: its handler "{handler}" is not available in this version; '
            f"available: {', '.join(HANDLERS)}"
        ]
    if interface == ACTOR or interface in CALLED:
        return [f"imports {interface}, which an actor exports and nobody provides"]
    there_are = f"there are {', '.join(sorted(PROVIDED))} and wasi:*"
    if not interface:
        names = _listed(functions)
        return [f"imports {names} outside of any interface, which nobody provides; {there_are}"]
    hint = did_you_mean(interface, [*PROVIDED, *_LATER_IMPORTS])
    return [f"imports {escaped(interface)}, which nobody provides{hint} {there_are}"]


def _missing_grant(actor: ActorSpec, interface: str, handler: str) -> str:
    table = ".".join(filter(None, (re.sub(r"\[\d+\]", "", actor.where), "handler")))
    # TOML lets nobody add a [[table]] to an array that is written inline.
    inline = f'\nor, to a handler = [...], {{ type = "{handler}" }}' if actor.handlers else ""
    return (
        f"imports {interface}, which the manifest does not grant; to grant it add\n"
        f'    [[{table}]]\n    type = "{handler}"{inline}'
    )


def _actor_export_problems(exports: Mapping[str, Any]) -> list[str]:
    must = f"an actor must export {ACTOR} with init: {INIT}"
    if ACTOR not in exports:
        close = nearest(ACTOR, exports)
        found = f"it has {escaped(close)}" if close else f"it exports {_listed(exports)}"
        return [f"does not export {ACTOR}; {found}; {must}"]
    functions: Signatures = exports[ACTOR]["functions"]
    if "init" not in functions:
        return [f"exports {ACTOR} without init; it has {_listed(functions)}; {must}"]
    return _differences("exports", ACTOR, {"init": functions["init"]}, {"init": INIT})


def _listed(names: Iterable[str]) -> str:
    """The first ten names, for people; "" (the root of a component) is left out."""
    return ", ".join(escaped(name) for name in sorted(filter(None, names))[:10]) or "nothing"


def _differences(verb: str, interface: str, found: Signatures, expected: Signatures) -> list[str]:
    problems = []
    for function, text in sorted(found.items()):
        if function not in expected:
            hint = did_you_mean(function, expected)
            problems.append(
                f"{verb} {escaped(function)} of {interface}, which has no such function{hint} "
                f"it has {', '.join(expected)}"
            )
        elif _comparable(text) != _comparable(expected[function]):
            problems.append(
                f"{verb} {function} of {interface} with another type\n"
                f"    found:    {escaped(text, 1000)}\n"
                f"    expected: {expected[function]}"
            )
    return problems


def _comparable(text: str) -> tuple[list[str], str]:
    """A function's parameter types and the rest of its type, without blanks and names."""
    packed = "".join(text.split())
    if not packed.startswith("func("):
        return [], packed
    params: list[str] = []
    depth = 0
    begin = len("func(")
    for at in range(begin, len(packed)):
        char = packed[at]
        if char in "(<{":
            depth += 1
        elif depth == 0 and char in ",)":
            if param := packed[begin:at]:
                params.append(re.sub(r"^[%\w-]+:", "", param))
            begin = at + 1
            if char == ")":
                return params, packed[begin:]
        elif char in ")>}":
            depth -= 1
    return [], packed
