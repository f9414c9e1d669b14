"""Take workers up again that have lived on while the broker was replaced. Pure.

What they were handed is handed to them again under the same numbers; the answer of an open turn's
last ask is sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from theater.broker.actors import INIT, Actor
from theater.broker.book import ChainPart
from theater.broker.step import takes_effect
from theater.broker.turns import Turns
from theater.calls import CALLS
from theater.events import Event, EventType, chain_part, decode, internalise


@dataclass(frozen=True, slots=True)
class Living:
    """An incarnation that root has not seen to its end."""

    name: str
    incarnation: int
    secret: bytes
    pid: int | None  # None: its fork is not reported yet, or it is dead, which root tells next
    anew: str = ""  # why it begins with `init`; see anew.py


def revive(
    turns: Turns,
    actor: Actor,
    living: Living,
    is_known: bool,
    was_ready: bool,
    ended_turns: int,
) -> None:
    """This incarnation goes on. `is_known`: the log has heard of it."""
    actor.incarnation, actor.secret = living.incarnation, living.secret
    actor.live = actor.revived = True
    actor.fenced = False
    actor.was_ready, actor.ended_turns = was_ready, ended_turns
    if not is_known:
        turns.started(actor)
    if living.pid is not None:
        turns.batch.incarnation_pids.append((living.pid, actor.id, living.incarnation))


def buried_already(turns: Turns, actor: Actor, last_exit: bytes) -> None:
    """It was buried, and root has not heard of it."""
    payload = decode(last_exit).payload
    ignored = bool(payload.get("ignored", False))
    turns.tell_root(
        "buried", actor.name, actor.incarnation, payload["kind"], payload["reason"], ignored
    )


def has_shut_down(events: list[bytes], incarnation: int) -> bool:
    """Whether this incarnation has ended this turn, and `shutdown` was called in it: by whichever
    incarnation."""
    decoded = [decode(data) for data in events]
    if not decoded or decoded[-1].type != EventType.WASM_RESULT:
        return False
    return decoded[-1].incarnation == incarnation and any(map(is_shutdown, decoded))


def is_init(events: list[bytes]) -> bool:
    """Whether this is a turn of `init`."""
    calls = [event for event in map(decode, events) if event.type == EventType.WASM_CALL]
    return bool(calls) and (calls[0].interface, calls[0].function) == CALLS[INIT]


def is_shutdown(event: Event) -> bool:
    return event.function == "shutdown" and takes_effect(event)


def answer_again(turns: Turns, actor: Actor, last: Event, contents: Mapping[bytes, bytes]) -> None:
    """Its worker goes on with an open turn, and may not have received the last answer.

    `last` is the turn's last event; `contents`: what it refers to.
    """
    current = actor.current
    assert current is not None and current.ask is None and last.type == EventType.HOST_ANSWER
    index = last.index - 1  # the ask is the event before its answer
    (value,) = last.payload
    part = chain_part(value)
    if part is not None:
        name, first, until, _ = part
        turns.out.append(ChainPart(actor, current.turn, index, name, first, until))
    else:
        current.answered = (index, internalise(value, contents))
