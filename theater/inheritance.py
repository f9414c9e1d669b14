"""What an actor that is spawned may be granted: nothing that its parent has not itself. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from theater.capabilities import type_of
from theater.spec import ActorSpec, Handler, Limits, MailboxBounds

Real = Callable[[Handler], Handler]  # the handler with its directories as they really are


def refused(
    child: ActorSpec, parent: ActorSpec, real: Real = lambda handler: handler
) -> list[tuple[int, str]]:
    """(index of a handler, why the parent cannot hand it on) of those that it cannot."""
    found = []
    for index, handler in enumerate(child.handlers):
        wrong = _exceeds(handler, child, parent, real)
        if wrong is not None:
            found.append((index, wrong))
    return found


def _exceeds(handler: Handler, child: ActorSpec, parent: ActorSpec, real: Real) -> str | None:
    own = parent.handler(handler.type)
    if own is None:
        return f'"{handler.type}" is not granted to {parent.path} itself'
    type = type_of(own)
    within = type.within
    if within is None:
        if handler.settings != own.settings:
            return f'the settings of "{handler.type}" have to be those of {parent.path}'
        return None
    exceeds = within(
        type.effective(real(handler).settings, child.handlers),
        type.effective(real(own).settings, parent.handlers),
    )
    if exceeds is not None:
        return f'"{handler.type}": {exceeds}, which {parent.path} is not granted itself'
    return None


def inherited(child: ActorSpec, parent: ActorSpec) -> ActorSpec:
    """The child with no limit above its parent's, and with its parent's handlers of authors."""
    given = {handler.type: handler.custom for handler in parent.handlers}
    return replace(
        child,
        handlers=tuple(replace(each, custom=given.get(each.type)) for each in child.handlers),
        limits=_least(child.limits, parent.limits),
        mailbox=_smallest(child.mailbox, parent.mailbox),
    )


def _least(own: Limits, parent: Limits) -> Limits:
    return Limits(
        memory_bytes=min(own.memory_bytes, parent.memory_bytes),
        fuel=min(own.fuel, parent.fuel),
        turn_timeout_s=min(own.turn_timeout_s, parent.turn_timeout_s),
        turn_bytes=min(own.turn_bytes, parent.turn_bytes),
        start_timeout_s=min(own.start_timeout_s, parent.start_timeout_s),
        max_deliveries=min(own.max_deliveries, parent.max_deliveries),
    )


def _smallest(own: MailboxBounds, parent: MailboxBounds) -> MailboxBounds:
    return replace(
        own,
        max_messages=min(own.max_messages, parent.max_messages),
        max_bytes=min(own.max_bytes, parent.max_bytes),
    )
