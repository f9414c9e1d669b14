"""Decide what becomes of what the last run left: mailboxes, failed deliveries, open turns. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from theater.broker import rounds
from theater.broker.actors import INIT, LOOP, Actor, Ask, OpenTurn
from theater.broker.mailbox import Message
from theater.broker.revival import is_shutdown
from theater.broker.stored import OpenRow
from theater.broker.turns import Turns
from theater.calls import ASKS, SUPERVISOR
from theater.events import Event, EventType, decode, ref_hash, refs_in


def load_window(actor: Actor, rows: list[tuple[Any, ...]]) -> None:
    """Bring the oldest rows of a mailbox into memory."""
    actor.mailbox.refill(message_from(row) for row in rows)


def message_from(row: tuple[Any, ...]) -> Message:
    id, kind, sender, sender_id, turn, index, client, body, _size, channel, replied = row
    message = Message(id, kind, sender, turn, index, client, bytes(body))
    message.sender_id, message.channel, message.replied = sender_id, channel, bool(replied)
    return message


def count_deliveries(turns: Turns, failed: Iterable[tuple[int, int | None, int, bool]]) -> None:
    """Inputs that have killed a worker before: turns with no step that have a row."""
    for actor_id, message_id, deliveries, renumbered in failed:
        actor = turns.by_id.get(actor_id)
        if actor is None:
            continue
        if message_id is None:
            actor.init_deliveries = deliveries
        for message in actor.mailbox.window:
            if message.id == message_id:
                message.deliveries = max(message.deliveries, deliveries)
                message.numbered = message.numbered or not renumbered


def reopen(
    turns: Turns,
    actor: Actor,
    row: OpenRow,
    recorded: list[bytes],
    open_ask: int | None,
    timeout_s: float | None,
    waited_s: float,
    now_s: float,
) -> Event:
    """Set a turn up again that has committed steps: whoever runs the actor next goes on with it.

    `recorded`: its committed events, the last of which is returned; `open_ask`: the index of the
    one whose answer is still to come; if there is a time for it, `timeout_s` after it was made, of
    which `waited_s` are over.
    """
    turn, steps = row.turn, row.steps
    events = [decode(data) for data in recorded]
    own = [event for event in events if event.type != EventType.HOST_ANSWER]
    size = sum(map(len, recorded))
    current = OpenTurn(turn, row.kind, own[-1].incarnation, steps, len(events), size)
    current.shutdown = any(map(is_shutdown, events))
    for event in events:
        current.known.update(refs_in(event.payload))
    if row.kind == INIT:
        actor.init_deliveries = row.deliveries
    else:
        message = actor.mailbox.window[0]
        assert message.id == row.message, f"the input of {actor.name}'s open turn is not the next"
        message.deliveries = row.deliveries
        if (body := ref_hash(message.body_value())) is not None:
            current.known.add(body)
        if row.kind == LOOP:
            rounds.reopened(actor, message, events)
    actor.current = current
    actor.next_turn = turn
    actor.committed = (turn, steps - 1)
    actor.budget_s = actor.settings.turn_timeout_s
    if open_ask is not None:
        event = events[open_ask]
        ask = current.ask = Ask(open_ask, event.interface, event.function, None, None)
        if event.interface == SUPERVISOR:
            pass  # root is told of it again: see `members`
        elif (event.interface, event.function) in ASKS:
            ask.callee = event.payload[0][0]
        else:
            ask.is_world = True
        if timeout_s is not None:
            ask.timeout_s, ask.deadline_s = timeout_s, now_s + max(0.0, timeout_s - waited_s)
            turns.deadlines.watch(actor)
    return events[-1]


def close_books(turns: Turns, row: OpenRow, open_ask: int | None, state: bytes | None) -> None:
    """The actor of an open turn is gone, and its input with it."""
    reason = "interrupted: its actor has been removed"
    begun = (row.actor, row.turn, row.kind, row.message, "failed", 0, row.steps, row.deliveries)
    turns.batch.turns.append((*begun, state, None, reason, turns.at, False))
    if open_ask is not None:
        turns.batch.ask_status.append(("abandoned", row.actor, row.turn, open_ask))
