"""Decide what becomes of what the last run left: mailboxes, failed deliveries, open turns. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from theater.broker.actors import Actor, Handed, OpenTurn
from theater.broker.burial import set_aside
from theater.broker.mailbox import Message
from theater.broker.turns import Turns


def load_window(actor: Actor, rows: list[tuple[Any, ...]]) -> None:
    """Bring the oldest rows of a mailbox into memory."""
    actor.mailbox.refill(message_from(row) for row in rows)


def message_from(row: tuple[Any, ...]) -> Message:
    id, kind, sender, _sender_id, turn, index, client, body, _size = row
    return Message(id, kind, sender, turn, index, client, bytes(body))


def count_deliveries(turns: Turns, waiting: Iterable[tuple[int, int, int | None, int]]) -> None:
    """Inputs that have killed a worker before: turns with no step that have a row."""
    for actor_id, _turn, message_id, deliveries in waiting:
        actor = turns.by_id.get(actor_id)
        if actor is None:
            continue
        if message_id is None:
            actor.init_deliveries = deliveries
        for message in actor.mailbox.window:
            if message.id == message_id:
                message.deliveries = deliveries


def interrupt_open_turns(
    turns: Turns,
    open_turns: Iterable[tuple[int, int, str, int | None, int, int, int]],
    open_asks: Mapping[tuple[int, int], int],
    states: Mapping[int, bytes | None],
    now_s: float,
) -> None:
    """Turns that had committed a step when the system ended are set aside.

    `open_asks` gives the event index of the open ask of a turn (actor, turn); `states` the last
    state's hash by actor, also of those that the manifest no longer has.
    """
    reason = "interrupted: the system ended"
    for actor_id, turn, kind, message_id, steps, deliveries, events in open_turns:
        actor = turns.by_id.get(actor_id)
        window = actor.mailbox.window if actor is not None else None
        message = window[0] if window and kind != "init" else None
        if actor is None or (kind != "init" and (message is None or message.id != message_id)):
            # Its input is gone already, with its actor: only the books are to be closed.
            state = states.get(actor_id)
            row = (actor_id, turn, kind, message_id, "failed", 0, steps, deliveries, state)
            turns.batch.turns.append((*row, None, reason, turns.at))
            if (actor_id, turn) in open_asks:
                index = open_asks[actor_id, turn]
                turns.batch.ask_status.append(("abandoned", actor_id, turn, index))
            continue
        actor.current = OpenTurn(turn, steps, events, 0)
        actor.next_turn = turn
        at = open_asks.get((actor_id, turn))
        handed = Handed(turn, kind, message)
        if at is not None:
            turns.batch.ask_status.append(("abandoned", actor_id, turn, at))
        set_aside(turns, actor, handed, reason, [], now_s)
