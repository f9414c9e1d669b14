"""Whether a component keeps within its manifest. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from theater.calls import ACTOR
from theater.capabilities import CALLED, FOR_PACKAGES, PROVIDED, PROVIDERS, type_of
from theater.capabilities.capability import Signatures
from theater.errors import Problem
from theater.pack.hashes import differences
from theater.pack.interfaces import INIT as PACKAGE_INIT
from theater.pack.interfaces import NOT_HERE, UNDECLARED, is_package, provided
from theater.pack.parsing import parse_function
from theater.pack.types import BadType, Function
from theater.quoting import did_you_mean, escaped, nearest
from theater.spec import ActorSpec, Custom

TYPES = "theater:simple/types"
INIT = (
    "func(state: option<list<u8>>, params: tuple<string>) "
    "-> result<tuple<option<list<u8>>>, string>"
)


def check_grants(
    actor: ActorSpec,
    imports: Mapping[str, Any],
    exports: Mapping[str, Any],
    others: Mapping[str, Custom] | None = None,
) -> list[Problem]:
    """What stands between a compiled component and its manifest; [] if it may start.

    `imports` and `exports` are the compiler's description: interface without version ->
    {"version": str or None, "functions": {name: type text}}. `others`: handlers that authors have
    written and that somebody in the manifest is granted, by type.
    """
    known = {each.interface: type for type, each in (others or {}).items()}
    messages: list[str] = []
    own: dict[str, tuple[str, Signatures]] = {}  # of handlers that authors have written
    for handler in actor.handlers:
        if handler.custom is not None:
            for interface, functions in type_of(handler).imports.items():
                if interface in own:
                    twin = own[interface][0]
                    text = f'"{handler.type}" and "{twin}" both provide {interface}; take one away'
                    messages.append(text)
                own[interface] = handler.type, functions
    if is_package(imports) or is_package(exports):
        messages = [
            message
            for interface in sorted(imports)
            for message in _package_import_problems(actor, interface, imports[interface])
        ]
        messages += _package_export_problems(exports)
        return [Problem(actor.where, message) for message in messages]
    for interface in sorted(imports):
        if interface in own:
            found = imports[interface]["functions"]
            messages += _differences("imports", interface, found, own[interface][1])
            continue
        if interface in known:
            messages.append(_missing_grant(actor, interface, known[interface]))
            continue
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
    if interface == ACTOR or interface in CALLED:
        return [f"imports {interface}, which an actor exports and nobody provides"]
    if interface in FOR_PACKAGES:
        return [f"imports {interface}, which is for packages of Pack's alone"]
    there_are = f"there are {', '.join(sorted(PROVIDED))} and wasi:*"
    if not interface:
        names = _listed(functions)
        return [f"imports {names} outside of any interface, which nobody provides; {there_are}"]
    hint = did_you_mean(interface, PROVIDED)
    text = f"imports {escaped(interface)}, which nobody provides{hint} {there_are}"
    return [f"{text}; {_granted_own(actor)}" if may_be_own(interface) else text]


def _package_import_problems(
    actor: ActorSpec, interface: str, described: Mapping[str, Any]
) -> list[str]:
    """Of a package of Pack's: it says by hashes what it was built against."""
    here = provided(interface)
    if not here:
        why = NOT_HERE.get(interface)
        if why is not None:
            return [f"wants interface {interface}, which is not provided here; {why}".rstrip("; ")]
        if may_be_own(interface):
            return [
                f"wants interface {escaped(interface)}, which no handler provides to packages; a"
                " handler of your own is for components"
            ]
        there = ", ".join(each for each in PROVIDERS if provided(each))
        hint = did_you_mean(interface, PROVIDERS)
        return [f"wants interface {escaped(interface)}, which no handler provides{hint} {there}"]
    problems = []
    handler = PROVIDERS[interface]
    if actor.handler(handler) is None:
        problems.append(_missing_grant(actor, interface, handler))
    declared: dict[str, Function] = {}
    is_whole = True  # else the hash differs for a reason that is told
    for name, text in sorted(described["functions"].items()):
        if name not in here or text != UNDECLARED:
            try:
                declared[name] = parse_function("func()" if text == UNDECLARED else text)
            except BadType as error:
                problems.append(f"{interface}.{escaped(name)} has a type that is none: {error}")
                is_whole = False
    hash = described["pack"]["hash"]
    said = bytes.fromhex(hash) if hash is not None and is_whole else None
    return problems + differences(interface, declared, said, here)


def _package_export_problems(exports: Mapping[str, Any]) -> list[str]:
    if "init" in exports.get(ACTOR, {}).get("functions", {}):
        return []
    return [f"has no {PACKAGE_INIT}, which every actor exports; it exports {_listed(exports)}"]


def may_be_own(interface: str) -> bool:
    """Whether a handler that an author has written could provide it."""
    return interface != "" and not interface.startswith(("theater:", "wasi:")) and ":" in interface


def _granted_own(actor: ActorSpec) -> str:
    """What the handlers of its author's own provide, which the manifest grants."""
    own = [
        f'"{handler.type}" provides {handler.custom.interface}'
        for handler in actor.handlers
        if handler.custom is not None
    ]
    return ", ".join(own) or 'a handler of your own can: type = "module:Class"'


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
