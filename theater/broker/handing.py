"""Decide which inputs go to a worker, and by when it owes what they ask for. Pure."""

from __future__ import annotations

from collections import deque
from typing import Any

from theater.broker.actors import INIT, LOOP, TICK, Actor, Handed
from theater.broker.mailbox import Message

# Inputs in a worker's hands: enough to go on with while the disk is waited for.
CREDIT = 256
CREDIT_BYTES = 4 * 1024 * 1024
CREDIT_EVENTS = 1024  # that its steps make of them, as far as can be told: it is the broker's work


def hand_out(actor: Actor, now_s: float) -> list[Handed]:
    """The inputs that go to the worker now. Not durable: a number counts once it is used.

    A turn that another incarnation has left open is carried on before anything else.

    A worker that lived on while the broker was replaced may hold inputs that this broker knows
    nothing of. They are the next ones, as ever, and at most as many as anybody is ever given: so
    it is given them again, whatever would be in the way of new ones.

    A tick is handed as the first that the worker has, or not yet: a turn before it may clear its
    timer, and then it must not have a number. So every tick that is handed is wanted when it
    begins, and one that is cleared has been in no worker's hands. So it is with a loop's rounds.
    """
    credit = min(_credit(actor), _left(actor))
    if actor.revived and actor.route is not None and not actor.shut_down:
        actor.revived = False
        credit = min(CREDIT, _left(actor))
    elif not _may_hand(actor):
        return []
    inputs: list[Handed] = []
    if not actor.initialised:
        if not actor.handed:
            inputs.append(_hand(actor, INIT, None, now_s))
        return inputs
    size = sum(len(h.message.body) for h in actor.handed if h.message)
    while len(actor.handed) < credit and (size < CREDIT_BYTES or not actor.handed):
        if actor.handed and actor.mailbox.next_kind() in (TICK, LOOP):
            break
        message = actor.mailbox.hand()
        if message is None:
            break
        inputs.append(_hand(actor, message.kind, message, now_s))
        size += len(message.body)
    return inputs


def _may_hand(actor: Actor) -> bool:
    if not actor.live or actor.route is None or actor.shut_down:
        return False
    if actor.phase == "stopping":
        return False
    return not actor.blocked_on or actor.mailbox.is_full()


def _hand(actor: Actor, kind: str, message: Message | None, now_s: float) -> Handed:
    handed = Handed(actor.next_turn, kind, message)
    if not actor.handed:
        current = actor.current
        assert current is None or (current.turn, current.kind) == (handed.turn, kind), (
            f"{actor.name} is handed turn {handed.turn}, and another one is open"
        )
        # One that waits for an answer owes nothing before it has it.
        ask = current.ask if current is not None else None
        waits = ask is not None and not ask.is_world
        actor.due_s = None if waits else now_s + actor.settings.turn_timeout_s
    actor.handed.append(handed)
    actor.next_turn += 1
    return handed


def needs_journal(actor: Actor, handed: Handed) -> bool:
    """Whether the worker has to be told what others have done of this turn."""
    current = actor.current
    return (
        current is not None
        and current.turn == handed.turn
        and current.incarnation != actor.incarnation
    )


def learn(actor: Actor, events: int) -> None:
    """A step of so many events has come. Much is believed at once, little after some steps more."""
    actor.events_a_step = max(events, actor.events_a_step * 7 // 8)


def _credit(actor: Actor) -> int:
    """How many inputs its worker may have, one at least.

    Steps may differ a thousandfold: an actor that sends much in each turn gives the broker no more
    to do at once than others. And what it has in its hands it may send all to a mailbox that is
    full by then.
    """
    return max(1, min(CREDIT, CREDIT_EVENTS // actor.events_a_step, actor.narrowest))


def _left(actor: Actor) -> int:
    """How many inputs its worker may have in its hands before it is recycled: when it has ended
    the last of its turns it has none."""
    limit = actor.settings.recycle_turns
    return max(0, limit - actor.ended_turns) if limit else CREDIT


def is_spent(actor: Actor) -> bool:
    """Whether this incarnation has run all the turns that one may, and is between two turns."""
    limit = actor.settings.recycle_turns
    return (
        limit > 0
        and actor.live
        and actor.ended_turns >= limit
        and actor.current is None
        and not actor.handed
        and not actor.shut_down
    )


def take_back(actor: Actor) -> None:
    """What the worker was handed and did not finish stands at the front again."""
    actor.mailbox.take_back(h.message for h in actor.handed if h.message is not None)
    if actor.handed:
        actor.next_turn = actor.handed[0].turn
    actor.handed = deque()


def input_message(actor: Actor, handed: Handed, journal: list[Any]) -> tuple[Any, ...]:
    """`journal`: of a turn that is carried on, as in `wire.py`."""
    message = handed.message
    if message is None:
        return ("input", handed.turn, INIT, 0, None, "", actor.initial_state, 0, journal)
    return (
        "input",
        handed.turn,
        handed.kind,
        message.id,
        None if message.kind == LOOP else message.sender,  # which it is itself, and may not send to
        message.name(),
        message.body,
        message.deliveries,
        journal,
    )
