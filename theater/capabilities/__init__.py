"""Capabilities: the handlers that a manifest can grant, one file each. Pure.

What they do on the host's side is in `worker/handlers`, and in the broker what is done when a step
commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from theater import preopens
from theater.capabilities import filesystem, message_server, runtime
from theater.capabilities.capability import HandlerType, Signatures, Wrong
from theater.quoting import described, did_you_mean
from theater.spec import Handler

HANDLERS: dict[str, HandlerType] = {
    "message-server": message_server.HANDLER,
    "runtime": runtime.HANDLER,
    preopens.HANDLER: filesystem.HANDLER,
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
        setting = handler.settings.get(key)
        if setting is None:
            meant = handler.synonyms.get(key)
            hint = f'; did you mean "{meant}"?' if meant else did_you_mean(key, handler.settings)
            others = ", ".join(handler.settings)
            wrong.append(((key,), f'unknown setting of "{type}"{hint} allowed: {others}'))
        else:
            wrong += [((key, *below), message) for below, message in setting.check(value)]
    missing = [key for key in handler.required if key not in settings]
    if not wrong:
        wrong += [((key,), f'missing: "{type}" grants nothing without it') for key in missing]
    return wrong
