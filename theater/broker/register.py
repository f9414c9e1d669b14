"""Decide what the manifest's actors are to the log: new, known, changed or gone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from theater.broker.actors import REQUEST, Actor, Handed, OpenTurn, Settings
from theater.broker.burial import set_aside
from theater.broker.log import StoredActor
from theater.broker.mailbox import Mailbox, Message
from theater.broker.turns import Turns
from theater.events import EventType, content_hash
from theater.spec import MailboxBounds, OnFull

NEVER = 1 << 62  # a step number after every step of a turn


def register(turns: Turns, wanted: Iterable[dict[str, Any]], stored: list[StoredActor]) -> None:
    """Fill `turns` with the actors that root wants, continuing those that the log knows."""
    known = {actor.name: actor for actor in stored}
    next_id = max((actor.id for actor in stored), default=0) + 1
    for order in wanted:
        before = known.get(order["name"])
        actor = _actor(order, before.id if before else next_id)
        turns.add(actor)
        if before is None:
            next_id += 1
            turns.batch.actors.append((actor.id, actor.name, actor.component, "stopped", turns.at))
            _created(turns, actor, order)
            continue
        _continue(actor, before)
        if before.component != actor.component:
            turns.lifecycle(
                actor,
                EventType.COMPONENT_CHANGED,
                {"from": before.component, "to": actor.component, **_self_contained(order)},
            )
        if before.component != actor.component or before.removed:
            turns.batch.components.append((actor.component, actor.id))


def _actor(order: dict[str, Any], id: int) -> Actor:
    bounds = order["mailbox"]
    send_to = order["send_to"]
    return Actor(
        id=id,
        name=order["name"],
        settings=Settings(
            send_to=None if send_to is None else tuple(send_to),
            may_send=order["may_send"],
            takes=frozenset(order["takes"]),
            max_events=order["max_events"],
            request_timeout_s=order["request_timeout_s"],
            turn_timeout_s=order["turn_timeout_s"],
            turn_bytes=order["turn_bytes"],
            max_deliveries=order["max_deliveries"],
        ),
        mailbox=Mailbox(
            MailboxBounds(bounds["max_messages"], bounds["max_bytes"], OnFull(bounds["on_full"]))
        ),
        initial_state=order["initial_state"],
        component=order["component"],
    )


def _self_contained(order: dict[str, Any]) -> dict[str, Any]:
    return {"engine": order["engine"], "grants": order["grants"]}


def _created(turns: Turns, actor: Actor, order: dict[str, Any]) -> None:
    state = actor.initial_state
    if state is not None:
        turns.batch.blobs.append((content_hash(state), state))
    turns.lifecycle(
        actor,
        EventType.CREATED,
        {
            "component": actor.component,
            **_self_contained(order),
            "initial_state": None if state is None else content_hash(state),
        },
    )


def _continue(actor: Actor, before: StoredActor) -> None:
    actor.incarnation = before.last_incarnation
    actor.head = before.head
    actor.length = before.length
    actor.initialised = before.initialised
    actor.state = before.state
    actor.next_turn = before.next_turn
    actor.committed = (before.next_turn - 1, NEVER)
    actor.mailbox.messages = before.mailbox_messages
    actor.mailbox.bytes = before.mailbox_bytes


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


def remove(turns: Turns, gone: StoredActor, mailbox: list[Message], now_s: float) -> None:
    """An actor that the manifest no longer has: what waits for it becomes dead letters."""
    reason = f"no-actor: {gone.name} is no longer in the manifest"
    turns.batch.removed.append((turns.at, gone.id))
    for message in mailbox:
        turns.batch.consumed.append(("dead", None, message.id))
        turns.dead_letter(message, gone.name, None, reason, gone.state, None)
        if message.kind == REQUEST:
            turns.reply(message, {"err": reason}, now_s)
