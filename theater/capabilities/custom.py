"""Handlers that authors have written, as what their classes say. Pure: their code is not here."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from theater.capabilities.capability import HandlerType, Setting, Wrong
from theater.handler import Effect
from theater.quoting import described
from theater.spec import Custom

# `module:Class`, or `file.py:Class` relative to the manifest. A path may have directories.
_FOUND = re.compile(r"(?:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*|[^:\0]+\.py):[A-Za-z_]\w*(?:\.\w+)*")
FOUND_MAX = 1000  # characters


def is_named(type: str) -> bool:
    """Whether a type names a class, and not a handler that has been installed."""
    return ":" in type and not type.startswith("wasi:")


def wrong_with(found: str) -> str | None:
    """Why this names no class."""
    if len(found) <= FOUND_MAX and _FOUND.fullmatch(found):
        return None
    return (
        f"found {described(found)}; a handler of your own is named by its class, as in"
        ' "handlers.py:LLM", relative to the manifest, or "my_package.llm:LLM"'
    )


def handler_type(custom: Custom) -> HandlerType:
    """What it is to those who grant it."""
    return HandlerType(
        description=f"{custom.interface}, as {custom.found} provides it.",
        imports={custom.interface: {name: each.type for name, each in custom.functions.items()}},
        exports={},
        settings={
            name: Setting(partial(_check, kind.removesuffix("?")), word_of(kind), {})
            for name, kind in custom.settings.items()
        },
        world={
            custom.interface: {
                name: each.effect
                for name, each in custom.functions.items()
                if each.effect != Effect.READ
            }
        },
        required=tuple(name for name, kind in custom.settings.items() if not kind.endswith("?")),
    )


_KINDS: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (float, int),
    "str": (str,),
}
_WORDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a string",
}


def _check(kind: str, value: object) -> Wrong:
    """A setting's value against its kind: `str`, `list[int]`, `dict[str]`, ..."""
    outer, _, inner = kind.removesuffix("]").partition("[")
    wrong: Wrong = []
    if outer == "list" and isinstance(value, list):
        for index, each in enumerate(value):
            wrong += [((index, *loc), message) for loc, message in _check(inner, each)]
        return wrong
    if outer == "dict" and isinstance(value, dict):
        for key, each in value.items():
            wrong += [((key, *loc), message) for loc, message in _check(inner, each)]
        return wrong
    is_meant = isinstance(value, _KINDS.get(kind, ())) and (kind == "bool") is (
        isinstance(value, bool)
    )
    if is_meant and isinstance(value, int) and not -(2**63) <= value < 2**63:
        return [((), f"found {described(value)}; must be a number of 64 bits")]
    return [] if is_meant else [((), f"found {described(value)}; must be {_word(kind)}")]


def word_of(kind: str) -> str:
    """What a setting is, in words."""
    return _word(kind.removesuffix("?"))


def _word(kind: str) -> str:
    outer, _, inner = kind.removesuffix("]").partition("[")
    if outer == "list":
        return f"an array, each {_word(inner)}"
    return f"a table, each value {_word(inner)}" if outer == "dict" else _WORDS[kind]


def granted(custom: Custom, settings: dict[str, Any]) -> dict[str, Any]:
    """What a chain says of it: what was granted, and what that was when it was read."""
    return {
        "settings": settings,
        "interface": custom.interface,
        "functions": {name: [each.type, each.effect] for name, each in custom.functions.items()},
        "sha256": custom.sha256,
    }


def effects(grants: Any) -> dict[tuple[str, str], str]:
    """The effect of each function, by (interface, function): what `granted` has said of all that
    an actor was granted. What has not its shape grants nothing."""
    found: dict[tuple[str, str], str] = {}
    for grant in grants.values() if isinstance(grants, dict) else ():
        match grant:
            case {"interface": str(interface), "functions": dict(functions)}:
                for name, function in functions.items():
                    match function:
                        case [str(), str(effect)]:
                            found[interface, name] = effect
    return found
