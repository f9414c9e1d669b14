"""What packages import and export, as they declare it: upstream's signatures. Pure.

A package says what it was built against by hashes of these, so they are upstream's to the letter:
what a hash is compared with has to be what upstream provides, also where the component's interface
of the same name differs. How one leads to the other is `bridge`'s matter.

Of upstream's interfaces some are not here (`NOT_HERE`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from theater.calls import (
    ACTOR,
    CALLS,
    CHILDREN,
    CLIENT,
    LOOP,
    LOOP_CLIENT,
    MESSAGES,
    RPC,
    RUNTIME,
    STORE,
    SUPERVISOR,
    TIMER,
)
from theater.pack.metadata import full_name
from theater.pack.parsing import parse_function
from theater.pack.types import Function

_DONE = "result<_, string>"
_TEXT = "result<string, string>"
_BYTES = "list<u8>"

# interface -> function -> signature
IMPORTS: dict[str, dict[str, str]] = {
    RUNTIME: {
        "log": "func(msg: string)",
        "self": "func() -> string",
        "shutdown": f"func(data: option<{_BYTES}>) -> {_DONE}",
    },
    MESSAGES: {
        "register": f"func() -> {_DONE}",
        "send": f"func(actor-id: string, msg: {_BYTES}) -> {_DONE}",
        "request": f"func(actor-id: string, msg: {_BYTES}) -> result<{_BYTES}, string>",
        "list-outstanding-requests": "func() -> list<string>",
        "respond-to-request": f"func(request-id: string, response: {_BYTES}) -> {_DONE}",
        "cancel-request": f"func(request-id: string) -> {_DONE}",
        "open-channel": f"func(actor-id: string, initial-msg: {_BYTES}) -> {_TEXT}",
        "send-on-channel": f"func(channel-id: string, msg: {_BYTES}) -> {_DONE}",
        "close-channel": f"func(channel-id: string) -> {_DONE}",
    },
    STORE: {
        "new": f"func() -> {_TEXT}",
        "store": f"func(store-id: string, content: {_BYTES}) -> {_TEXT}",
        "get": f"func(store-id: string, content-ref: string) -> result<{_BYTES}, string>",
        "exists": "func(store-id: string, content-ref: string) -> result<bool, string>",
        "label": f"func(store-id: string, label: string, content-ref: string) -> {_DONE}",
        "get-by-label": "func(store-id: string, label: string) -> result<option<string>, string>",
        "remove-label": f"func(store-id: string, label: string) -> {_DONE}",
        "store-at-label": f"func(store-id: string, label: string, content: {_BYTES}) -> {_TEXT}",
        "replace-content-at-label": (
            f"func(store-id: string, label: string, content: {_BYTES}) -> {_TEXT}"
        ),
        "replace-at-label": (
            f"func(store-id: string, label: string, content-ref: string) -> {_DONE}"
        ),
        "list-all-content": "func(store-id: string) -> result<list<string>, string>",
        "calculate-total-size": "func(store-id: string) -> result<u64, string>",
        "list-labels": "func(store-id: string) -> result<list<string>, string>",
    },
    SUPERVISOR: {
        "spawn": (
            f"func(manifest: string, init-state: option<value>, wasm-bytes: option<{_BYTES}>)"
            f" -> {_TEXT}"
        ),
        "resume": (
            f"func(manifest: string, state-bytes: option<{_BYTES}>, wasm-bytes: option<{_BYTES}>)"
            f" -> {_TEXT}"
        ),
        "spawn-and-wait": (
            f"func(manifest: string, init-state: option<value>, wasm-bytes: option<{_BYTES}>,"
            f" timeout-ms: option<u64>) -> result<option<{_BYTES}>, string>"
        ),
        "list-children": "func() -> result<list<string>, string>",
        "restart-child": f"func(child-id: string) -> {_DONE}",
        "stop-child": f"func(child-id: string) -> {_DONE}",
        "get-child-state": f"func(child-id: string) -> result<option<{_BYTES}>, string>",
        "subscribe-to-child": f"func(child-id: string) -> {_DONE}",
        "unsubscribe-from-child": f"func(child-id: string) -> {_DONE}",
    },
    RPC: {
        "call": (
            "func(actor-id: string, function: string, params: value, options: value) -> value"
        ),
        "implements": "func(actor-id: string, interface: string) -> value",
        "exports": "func(actor-id: string) -> value",
    },
    TIMER: {
        "set-interval": f"func(name: string, interval-ms: u64) -> {_TEXT}",
        "clear-interval": f"func(name: string) -> {_DONE}",
        "now": "func() -> u64",
    },
    LOOP: {
        "start-loop": f"func(initial-state: {_BYTES}) -> {_DONE}",
        "stop-loop": f"func() -> {_DONE}",
    },
}

# Of upstream's, what nothing here provides, and what does the same.
NOT_HERE = {
    "theater:simple/terminal": "an actor here has no terminal",
    "theater:simple/tcp": "an actor here has no sockets",
    "theater:simple/podman": "",
    "wisp:assembler/runtime": "",
}

# What components are never called with.
PACKAGE_CALLS = frozenset({CALLS["loop"]})
# What a package calls an export that components have under another name.
RENAMED = {CALLS["tick"]: (TIMER, "handle-tick")}
PACKAGE_NAMES = {named: each for each, named in RENAMED.items()}
# The exports that Theater calls, as packages name them: interface -> functions.
EXPORTS: dict[str, frozenset[str]] = {
    interface: frozenset(
        function
        for each in CALLS.values()
        for named, function in [RENAMED.get(each, each)]
        if named == interface
    )
    for interface in (ACTOR, CLIENT, TIMER, LOOP_CLIENT, CHILDREN)
}
INIT = f"{ACTOR}.init"
UNDECLARED = "undeclared"  # for the type of a function, where a package has not said it


# Theater calls these itself, and no actor calls them in its name: neither as a package names them
# nor as a component does.
NOT_FOR_ACTORS = frozenset({*EXPORTS, *(interface for interface, _ in CALLS.values())})


@functools.cache
def provided(interface: str) -> Mapping[str, Function]:
    """The functions that a package can import of an interface, by name; none of one unknown."""
    return {name: parse_function(text) for name, text in IMPORTS.get(interface, {}).items()}


def is_package(described: Mapping[str, Mapping[str, object]]) -> bool:
    """Whether imports or exports are a package's, as the compiler describes them."""
    return any("pack" in each for each in described.values())


def has_export(described: Mapping[str, Any], interface: str, function: str) -> bool:
    """Whether a component or a package has the export that components call so. `described`: its
    exports, as the compiler describes them."""
    if is_package(described):
        interface, function = RENAMED.get((interface, function), (interface, function))
    elif (interface, function) in PACKAGE_CALLS:
        return False
    return function in described.get(interface, {}).get("functions", {})


def functions_for_actors(described: Mapping[str, Any]) -> list[str]:
    """What other actors may call of a package, by its names. `described`: its exports."""
    if not is_package(described):
        return []
    return [
        full_name(interface, function)
        for interface, each in described.items()
        if interface not in NOT_FOR_ACTORS
        for function in each["functions"]
    ]


def interfaces_told(described: Mapping[str, Any]) -> list[str]:
    """The interfaces that other actors are told it exports: of a package those that its own
    hashes name. `described`: its exports."""
    return sorted(
        name
        for name, each in described.items()
        if name and ("pack" not in each or each["pack"]["hash"] is not None)
    )
