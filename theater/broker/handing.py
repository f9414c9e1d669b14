"""Decide which inputs go to a worker, and by when it owes what they ask for. Pure."""

from __future__ import annotations

from collections import deque
from typing import Any

from theater.broker.actors import INIT, REQUEST, Actor, Handed

CREDIT = 64  # inputs in a worker's hands
CREDIT_BYTES = 4 * 1024 * 1024


def hand_out(actor: Actor, now_s: float) -> list[tuple[Any, ...]]:
    """The inputs that go to the worker now. Not durable: a number counts once it is used.

    A worker that lived on while the broker was replaced may hold inputs that this broker knows
    nothing of. They are the next ones, as ever, and at most as many as it would be given now: so
    it is given them again, whatever would be in the way of new ones.
    """
    if actor.revived and actor.route is not None and not actor.shut_down:
        actor.revived = False
    elif not _may_hand(actor):
        return []
    inputs: list[tuple[Any, ...]] = []
    if not actor.initialised:
        if not actor.handed:
            handed = Handed(actor.next_turn, INIT, None)
            _hand(actor, handed, now_s)
            inputs.append(input_message(actor, handed))
        return inputs
    size = sum(len(h.message.body) for h in actor.handed if h.message)
    while len(actor.handed) < CREDIT and (size < CREDIT_BYTES or not actor.handed):
        message = actor.mailbox.hand()
        if message is None:
            break
        handed = Handed(actor.next_turn, message.kind, message)
        _hand(actor, handed, now_s)
        inputs.append(input_message(actor, handed))
        size += len(message.body)
    return inputs


def _may_hand(actor: Actor) -> bool:
    if not actor.live or actor.route is None or actor.shut_down:
        return False
    if actor.phase == "stopping":
        return False
    return not actor.blocked_on or actor.mailbox.is_full()


def _hand(actor: Actor, handed: Handed, now_s: float) -> None:
    if not actor.handed:
        actor.due_s = now_s + actor.settings.turn_timeout_s
    actor.handed.append(handed)
    actor.next_turn += 1


def take_back(actor: Actor) -> None:
    """What the worker was handed and did not finish stands at the front again."""
    actor.mailbox.take_back(h.message for h in actor.handed if h.message is not None)
    if actor.handed:
        actor.next_turn = actor.handed[0].turn
    actor.handed = deque()


def input_message(actor: Actor, handed: Handed) -> tuple[Any, ...]:
    message = handed.message
    if message is None:
        return ("input", handed.turn, INIT, 0, None, "", actor.initial_state, 0, [])
    return (
        "input",
        handed.turn,
        handed.kind,
        message.id,
        message.sender,
        message.request_id() if message.kind == REQUEST else "",
        message.body,
        message.deliveries,
        [],
    )
