"""Decide what actors call of each other, and what they are told of what others export. Pure.

A call is an input like a request, but it names the export that it calls. It is answered when its
turn ends, with what the export has returned: none is outstanding after that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from theater import calls
from theater.addresses import permitted
from theater.broker.actors import Actor
from theater.broker.step import BadStep
from theater.quoting import quoted

if TYPE_CHECKING:
    from theater.broker.book import Book

TIMEOUT_MAX_MS = 1 << 64
NAMES_MAX = 64 * 1024  # characters of the names that an answer tells


def check(actor: Actor, function: str, arguments: list[Any], message_max: int) -> None:
    """BadStep for an ask that no worker of ours has sent."""
    if not actor.settings.may_call:
        raise BadStep(f"it called rpc.{function}, which its manifest does not grant")
    match function, arguments:
        case "call", [str(to), str(export), bytes(params), timeout_ms]:
            if timeout_ms is not None and not (
                type(timeout_ms) is int and 0 <= timeout_ms < TIMEOUT_MAX_MS
            ):
                raise BadStep("a call that waits for no time there is")
            size = len(calls.rpc_body(export, params))
            if size > message_max:
                raise BadStep(f"a call of {size} bytes is over the limit of {message_max}")
        case "implements", [str(to), str()]:
            pass
        case "exports", [str(to)]:
            pass
        case _:
            raise BadStep(f"not the arguments of rpc.{function}")
    if not permitted(actor.settings.call_to, actor.name, to, actor.senders):
        raise BadStep(f"it called {to!r}, which its manifest does not grant")


def timeout_s(actor: Actor, arguments: list[Any]) -> float:
    """How long a call with these waits for its answer."""
    timeout_ms = arguments[3]
    return actor.settings.request_timeout_s if timeout_ms is None else timeout_ms / 1000


def described(book: Book, function: str, arguments: list[Any]) -> dict[str, Any]:
    """What is told of what another actor exports, whether that runs or not."""
    target = book.actors.get(arguments[0])
    if target is None:
        return {"err": f"no-actor: there is no actor {quoted(arguments[0])}"}
    interfaces = target.settings.interfaces
    if function == "exports" and sum(map(len, interfaces)) > NAMES_MAX:
        return {"err": f"too-large: {target.name} exports {len(interfaces)} interfaces"}
    return {"ok": list(interfaces) if function == "exports" else arguments[1] in interfaces}


def why_not(target: Actor, body: bytes) -> str | None:
    """Why it cannot be called so; None: it can. `body`: of the message that the call is."""
    name = calls.function_called(body)
    if name in target.settings.functions:
        return None
    if not target.settings.functions:
        return f"refused: {target.name} is no package that exports functions for other actors"
    return f"refused: {target.name} does not export {quoted(name)} for other actors"
