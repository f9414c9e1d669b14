"""Decide what a call of the guest's does in its step, if its worker may send it. Pure.

A call is local and says so by having an answer, is held and takes effect with the step, or asks and
ends it.
"""

from __future__ import annotations

from typing import Any

from theater import wasi
from theater.broker.actors import (
    Actor,
)
from theater.broker.step import BadStep, Effect, Step, content_of, takes_effect
from theater.calls import (
    ADDRESSED,
    ASKS,
    CLEAR,
    MESSAGES,
    NAMED,
    OURS,
    RPC,
    RUNTIME,
    START_LOOP,
    STORE,
    SUPERVISOR,
    TIMER,
    WITH_BODY,
)
from theater.calls import LOOP as LOOPS
from theater.capabilities.timer import why_not
from theater.events import (
    Event,
    internalise,
)

ON_CHANNEL = frozenset({"send-on-channel", "close-channel"})


def host_call(actor: Actor, step: Step, event: Event, is_last: bool, message_max: int) -> None:
    payload = event.payload
    if not isinstance(payload, list) or len(payload) not in (1, 2):
        raise BadStep("a host-call is not [arguments, answer]")
    name = (event.interface, event.function)
    if event.interface == STORE:
        step.store_calls.append(event)
    if len(payload) == 1:
        if not is_last:
            raise BadStep(f"{event.function} has no answer, and the step goes on")
        if name not in ASKS and name not in actor.settings.world:
            raise BadStep(f"{event.interface}.{event.function} is not an ask")
        step.ask = event
        if event.interface == MESSAGES and event.function in ADDRESSED:
            step.callee, step.question = _with_body(payload[0], step, message_max)
        elif event.interface == SUPERVISOR:
            if not actor.settings.may_manage:
                raise BadStep(f"it called {event.function}, which its manifest does not grant")
            step.asked = _whole(payload[0], step)
        elif event.interface == RPC:
            step.asked = _whole(payload[0], step)
        return
    # Some functions of WASI are world calls only now and then; others always are.
    is_wasi = event.interface.startswith(wasi.PREFIX)
    if name in actor.settings.world and (not is_wasi or wasi.is_done(*name, payload)):
        raise BadStep(f"{event.interface}.{event.function} was done before it was committed")
    is_own = not is_wasi and not event.interface.startswith(OURS)
    if is_own and name not in actor.settings.reads:
        raise BadStep(f"it called {event.interface}.{event.function}, which is not granted")
    if name in ASKS and event.interface != STORE and not _is_refused(payload[1]):
        raise BadStep(f"it answered its own {event.function}")
    if event.interface == STORE or not takes_effect(event):
        return
    arguments = payload[0]
    if event.interface == TIMER:
        step.effects.append(_timer(event, *payload))
        return
    if event.interface == LOOPS:
        step.effects.append(_loop(event, payload[0], payload[1], step, message_max))
        return
    subject = ""
    content: bytes | None = b""
    if event.interface == RUNTIME:
        content = _result_of(arguments, step, message_max)
    elif event.function in WITH_BODY:
        subject, content = _with_body(arguments, step, message_max)
    elif event.function in NAMED:
        subject = _named(arguments)
    if event.function in ON_CHANNEL:
        _check_channel(actor, step, subject)
    if event.function == "close-channel":
        step.closed.add(subject)
    step.effects.append(Effect(event.index, event.interface, event.function, subject, content))


def _is_refused(answer: Any) -> bool:
    """Whether this is an error: all that a worker may answer an ask with itself."""
    return isinstance(answer, dict) and answer.keys() == {"err"} and isinstance(answer["err"], str)


def _with_body(arguments: Any, step: Step, message_max: int) -> tuple[str, bytes]:
    """Whom a message is for, or what it is an answer to, and the message."""
    if not isinstance(arguments, list) or len(arguments) != 2:
        raise BadStep("not a (name, message)")
    return _named(arguments[:1]), content_of(arguments[1], step, message_max)


def _named(arguments: Any) -> str:
    if not isinstance(arguments, list) or len(arguments) != 1 or type(arguments[0]) is not str:
        raise BadStep("a message is not to a name")
    return arguments[0]


def _timer(event: Event, arguments: Any, answer: Any) -> Effect:
    """A timer is set or cleared, in words that a worker may say Ok to."""
    after_ms = 0
    if event.function == CLEAR:
        name = expected = _named(arguments)
        wrong = None
    elif not isinstance(arguments, list) or len(arguments) != 2 or type(arguments[1]) is not int:
        raise BadStep("not a (name, milliseconds)")
    else:
        name = expected = _named(arguments[:1])
        after_ms = arguments[1]
        wrong = why_not(event.function, name, after_ms)
    if wrong is not None or after_ms < 0:
        raise BadStep(f"it set a timer that nobody may: {wrong or after_ms}")
    if answer != {"ok": None if event.function == CLEAR else expected}:
        raise BadStep(f"{event.function} has another answer than its name")
    return Effect(event.index, event.interface, event.function, name, number=after_ms)


def _loop(event: Event, arguments: Any, answer: Any, step: Step, message_max: int) -> Effect:
    """A loop is started or stopped."""
    starts = event.function == START_LOOP
    if not isinstance(arguments, list) or len(arguments) != int(starts):
        raise BadStep(f"not the arguments of {event.function}")
    if answer != {"ok": None}:
        raise BadStep(f"{event.function} has another answer than Ok")
    state = content_of(arguments[0], step, message_max) if starts else b""
    return Effect(event.index, event.interface, event.function, body=state)


def _whole(arguments: Any, step: Step) -> list[Any]:
    """The arguments of a call with what they refer to."""
    try:
        whole = internalise(arguments, step.contents)
    except KeyError:
        raise BadStep("an argument was not sent") from None
    if not isinstance(whole, list):
        raise BadStep("arguments are no list")
    return whole


def _result_of(arguments: Any, step: Step, message_max: int) -> bytes | None:
    """What `shutdown` was given: its parent may be told so."""
    if not isinstance(arguments, list) or len(arguments) != 1:
        raise BadStep("a shutdown without its data")
    return None if arguments[0] is None else content_of(arguments[0], step, message_max)


def _check_channel(actor: Actor, step: Step, id: str) -> None:
    """It is one of the actor's. Of one that it has closed or seen closed the worker knows."""
    if id in step.closed or id not in actor.channels:
        raise BadStep(f"it used channel {id!r}, which it does not have")
