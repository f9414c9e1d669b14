"""Take workers up again that have lived on while the broker was replaced. Pure.

What they were handed is handed to them again under the same numbers; a turn that has committed a
step stands where it stood, waiting for its answer or with the answer to be sent again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import msgpack

from theater.broker.actors import INIT, Actor, Ask, Handed, OpenTurn
from theater.broker.book import ChainPart
from theater.broker.mailbox import Message
from theater.broker.steps import RUNTIME
from theater.broker.turns import Turns
from theater.events import CHAIN_CODE, Event, EventType, decode, ref_hash, refs_in


@dataclass(frozen=True, slots=True)
class Living:
    """An incarnation that root has not seen to its end."""

    name: str
    incarnation: int
    secret: bytes
    pid: int | None  # None: its fork is not reported yet, or it is dead, which root tells next


def revive(turns: Turns, actor: Actor, living: Living, is_known: bool, was_ready: bool) -> None:
    """This incarnation goes on. `is_known`: the log has heard of it."""
    actor.incarnation, actor.secret = living.incarnation, living.secret
    actor.live = actor.revived = True
    actor.fenced = False
    actor.was_ready = was_ready
    if not is_known:
        turns.batch.incarnations.append((actor.id, living.incarnation, None, time.time()))
        turns.lifecycle(actor, EventType.STARTED, {"component": actor.component})
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
    """Whether a turn that has ended called `shutdown` in this incarnation."""
    decoded = [decode(data) for data in events]
    return any(_is_shutdown(event) and event.incarnation == incarnation for event in decoded)


def _is_shutdown(event: Event) -> bool:
    if event.type != EventType.HOST_CALL or event.interface != RUNTIME:
        return False
    payload = event.payload
    return event.function == "shutdown" and len(payload) == 2 and "ok" in payload[1]


def reopen(
    turns: Turns,
    actor: Actor,
    turn: int,
    kind: str,
    steps: int,
    events: list[bytes],
    open_ask: int | None,
    contents: dict[bytes, bytes],
    now_s: float,
) -> None:
    """Set a turn up again that has committed steps. `contents`: what its last answer refers to."""
    message: Message | None = None
    if kind != INIT:
        message = actor.mailbox.hand()
        assert message is not None, f"the input of {actor.name}'s open turn is not in its mailbox"
    decoded = [decode(data) for data in events]
    current = OpenTurn(turn, steps, len(events), sum(map(len, events)))
    current.shutdown = any(map(_is_shutdown, decoded))
    for event in decoded:
        current.known.update(refs_in(event.payload))
    if message is not None and (body := ref_hash(message.body_value())) is not None:
        current.known.add(body)
    actor.current = current
    actor.handed.append(Handed(turn, kind, message))
    actor.next_turn = turn + 1
    actor.committed = (turn, steps - 1)
    actor.budget_s = actor.settings.turn_timeout_s
    if open_ask is not None:
        event = decoded[open_ask]
        deadline_s = now_s + actor.settings.request_timeout_s
        callee = event.payload[0][0]
        current.ask = Ask(open_ask, event.interface, event.function, callee, deadline_s)
    else:
        _answer_again(turns, actor, current, decoded[-1].payload[0], contents)
        actor.due_s = now_s + actor.settings.turn_timeout_s
    turns.deadlines.watch(actor)


def _answer_again(
    turns: Turns, actor: Actor, current: OpenTurn, value: Any, contents: dict[bytes, bytes]
) -> None:
    """The last event is an answer, which the worker may not have received."""
    index = current.index - 2  # the ask is the event before its answer
    if isinstance(value, msgpack.ExtType) and value.code == CHAIN_CODE:
        _, first, last, _ = msgpack.unpackb(value.data)
        turns.out.append(ChainPart(actor, current.turn, index, first, last))
    else:
        current.answered = (index, _whole(value, contents))


def _whole(value: Any, contents: dict[bytes, bytes]) -> Any:
    """The value with its references replaced by what they stand for."""
    hash = ref_hash(value)
    if hash is not None:
        return contents[hash]
    if isinstance(value, list):
        return [_whole(item, contents) for item in value]
    if isinstance(value, dict):
        return {key: _whole(item, contents) for key, item in value.items()}
    return value
