"""Capabilities: the handlers that a manifest can grant, one file each. Pure.

`custom` is about those that authors write: what their classes say travels with `spec.Handler`. What
they do on the host's side is in `worker/handlers`, and in the broker what is done when a step
commits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from theater import preopens, requests, stores
from theater.capabilities import (
    custom,
    filesystem,
    http,
    loop,
    message_server,
    rpc,
    runtime,
    store,
    supervisor,
    timer,
)
from theater.capabilities.capability import HandlerType, Signatures, Wrong
from theater.quoting import described, did_you_mean
from theater.spec import Handler

HANDLERS: dict[str, HandlerType] = {
    "message-server": message_server.HANDLER,
    "runtime": runtime.HANDLER,
    stores.HANDLER: store.HANDLER,
    "timer": timer.HANDLER,
    "loop": loop.HANDLER,
    "supervisor": supervisor.HANDLER,
    preopens.HANDLER: filesystem.HANDLER,
    requests.HANDLER: http.HANDLER,
    "rpc": rpc.HANDLER,
}

SOCKETS = "wasi:sockets"  # granted to nobody


def type_of(handler: Handler) -> HandlerType:
    """Of one that is built in, or whose class has been read."""
    return HANDLERS[handler.type] if handler.custom is None else custom.handler_type(handler.custom)


def is_built_in(type: str) -> bool:
    return type in HANDLERS or type.startswith("wasi:")


def granted(handler: Handler) -> Mapping[str, Any]:
    """What an actor's chain says of a grant."""
    if handler.custom is None:
        return handler.settings
    return custom.granted(handler.custom, handler.settings)


def world_calls(handlers: Iterable[Handler]) -> dict[str, dict[str, str]]:
    """The world calls that these grant: interface -> function -> `error` or `again`."""
    return {
        interface: dict(functions)
        for handler in handlers
        for type in [type_of(handler)]
        if type.has_world(handler.settings)
        for interface, functions in type.world.items()
    }


# interface -> the handler that provides it, and what it provides.
PROVIDED: dict[str, tuple[str, Signatures]] = {
    interface: (name, functions)
    for name, handler in HANDLERS.items()
    for interface, functions in handler.imports.items()
}
# interface -> the handler that provides it to packages, and to nobody else.
FOR_PACKAGES: dict[str, str] = {
    interface: name for name, handler in HANDLERS.items() for interface in handler.packages
}
# interface -> the handler that provides it, to whoever can import it.
PROVIDERS: dict[str, str] = {**{name: each[0] for name, each in PROVIDED.items()}, **FOR_PACKAGES}
# interface -> what the host may call of it. An actor may export none of them.
CALLED: dict[str, Signatures] = {
    interface: functions
    for handler in HANDLERS.values()
    for interface, functions in handler.exports.items()
}


def check_handler(
    type: object, settings: Mapping[str, object], installed: Callable[[], Iterable[str]] = tuple
) -> Wrong:
    """What is wrong with one `[[handler]]` table: its `type` and its other keys.

    `installed`: the names of handlers that authors have installed. What their settings and those
    of a class that is named are, only the class can tell: see `check_settings`.
    """
    available = "available: " + ", ".join(HANDLERS)
    if not isinstance(type, str):
        return [(("type",), f"found {described(type)}; must be a string; {available}")]
    if type == SOCKETS:
        text = f'sockets are granted to nobody; requests are, by "{requests.HANDLER}"'
        return [(("type",), text)]
    handler = HANDLERS.get(type)
    if handler is not None:
        return check_settings(type, handler, settings)
    if type.startswith("wasi:"):
        return [(("type",), f"{type} needs no grant, take this handler away; {available}")]
    if custom.is_named(type):
        wrong = custom.wrong_with(type)
        return [] if wrong is None else [(("type",), wrong)]
    names = list(installed())
    if type in names:
        return []
    known = [*HANDLERS, *names]
    there = "available: " + ", ".join([*HANDLERS, *names])
    own = 'one of your own is named by its class, as in "handlers.py:LLM"'
    hint = did_you_mean(type, known)
    return [(("type",), f"no handler is called {described(type)}{hint} {there}; {own}")]


def check_settings(type: str, handler: HandlerType, settings: Mapping[str, object]) -> Wrong:
    """What is wrong with the other keys of its table."""
    wrong: Wrong = []
    for key, value in settings.items():
        setting = handler.settings.get(key)
        if setting is None:
            meant = handler.synonyms.get(key)
            hint = f'; did you mean "{meant}"?' if meant else did_you_mean(key, handler.settings)
            others = ", ".join(handler.settings) or "none"
            wrong.append(((key,), f'unknown setting of "{type}"{hint} allowed: {others}'))
        else:
            wrong += [((key, *below), message) for below, message in setting.check(value)]
    wrong = wrong or handler.together(settings)
    missing = [key for key in handler.required if key not in settings]
    if not wrong:
        wrong += [((key,), f'missing: "{type}" grants nothing without it') for key in missing]
    return wrong
