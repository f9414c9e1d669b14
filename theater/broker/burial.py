"""Decide what becomes of a dead incarnation's turn. Pure: the black box comes in as bytes.

| the turn, in this incarnation | and the worker             | then                              |
|-------------------------------|----------------------------|-----------------------------------|
| had not begun                 | died of anything           | again, not counted                |
| had begun                     | was stopped, or killed     | again, not counted                |
|                               | for another reason         |                                   |
| had begun                     | was lost                   | again, counted; at the limit set  |
|                               |                            | aside                             |
| was the instance's first      | failed in the guest        | set aside                         |
| was a later one               | failed in the guest        | again once, not counted: a fresh  |
|                               |                            | instance may do better            |
| was carried on                | left what its record says  | set aside                         |

Again: if the turn has committed a step it is carried on from there, else it runs from its start.
An `init` without a committed step is never set aside: its failures are counted by the supervisor.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from theater.broker import channels, children, outstanding, rounds, timers
from theater.broker.actors import ASKED, INIT, LOOP, TICK, Actor, Handed
from theater.broker.handing import take_back
from theater.broker.mailbox import Message
from theater.broker.turns import Turns
from theater.errors import ProtocolError
from theater.events import EventType, content_hash, decode, refs_in
from theater.wire import pack, unpack

_LENGTH = struct.Struct("<I")
_CONTENT = (b"\xc4", b"\xc5", b"\xc6")  # how a byte string begins in msgpack
DIVERGED = "diverged"  # the kind of a failure
BY_ITSELF = "shutdown by itself"
BOX_MAX = 64 * 1024 * 1024  # bytes of a black box that are looked at


@dataclass(frozen=True, slots=True)
class Death:
    """What root knows of a worker's end."""

    reason: str  # "killed by SIGKILL", "exit status 11"
    kind: str  # normal, shutdown or crash, by the exit status alone
    wanted: bool  # stopped, or killed by root for a reason that is not the turn's
    by_others: bool = False  # neither by what has spawned it nor with it


@dataclass(frozen=True, slots=True)
class Found:
    """What a black box holds: event bytes by turn, and the failures it names."""

    turns: dict[int, list[tuple[int, bytes]]]  # turn -> [(index, event bytes)]
    failures: dict[int, dict[str, Any]]  # turn -> payload of its wasm-error; 0: at the start
    contents: dict[bytes, bytes]  # what events may refer to, by its hash

    def events(self, turn: int, index: int) -> list[bytes]:
        """What `turn` recorded from event `index` on."""
        return [data for number, data in self.turns.get(turn, []) if number >= index]

    def contents_of(self, events: list[bytes]) -> list[tuple[bytes, bytes]]:
        """What these events refer to and only the box has: (hash, content)."""
        wanted: list[bytes] = []
        for data in events if self.contents else []:
            wanted += refs_in(decode(data).payload)
        return [(hash, self.contents[hash]) for hash in wanted if hash in self.contents]


def read_box(box: bytes) -> Found:
    """All whole records. The box is hostile input: it ends at the first bad record."""
    found = Found({}, {}, {})
    offset = 0
    while offset + 4 <= len(box):
        (length,) = _LENGTH.unpack_from(box, offset)
        data = box[offset + 4 : offset + 4 + length]
        if len(data) < length:
            break
        offset += 4 + length
        try:
            if data[:1] in _CONTENT:
                content = unpack(data)
                found.contents[content_hash(content)] = content
                continue
            event = decode(data)
        except ProtocolError:
            break
        found.turns.setdefault(event.turn, []).append((event.index, data))
        if event.type == EventType.WASM_ERROR and isinstance(event.payload, dict):
            found.failures[event.turn] = event.payload
    return found


def bury(turns: Turns, actor: Actor, death: Death, box: bytes, now_s: float) -> None:
    """Fence the incarnation, decide about its turn, and tell root what it died of."""
    actor.live = False
    actor.route = None
    actor.due_s = None
    ignored = actor.shut_down and actor.ignored
    reason, kind = death.reason, death.kind
    if actor.shut_down:
        reason, kind = BY_ITSELF, "normal"
    elif kind == "normal":
        reason, kind = f"{death.reason} without a shutdown", "crash"
    found = read_box(box)
    if 0 in found.failures and not actor.shut_down:
        reason, kind = failure_text(found.failures[0]), "crash"
    take_back(actor)
    handed = _next_input(actor)
    if handed is not None:
        failure = found.failures.get(handed.turn)
        if failure is not None:
            reason, kind = failure_text(failure), "crash"
        _judge(turns, actor, handed, death, found, reason, now_s)
    facts: dict[str, Any] = {"reason": reason, "kind": kind}
    if ignored:
        facts["ignored"] = True
    turns.lifecycle(actor, EventType.EXITED, facts)
    turns.batch.incarnation_ended.append((turns.at, reason, actor.id, actor.incarnation))
    if death.by_others or kind != "crash" or not death.wanted:
        children.tell_end(turns, actor, kind, reason, death.by_others, now_s)
    if actor.current is None or not actor.current.shutdown:  # else whoever carries that on ends so
        actor.result = None
    turns.tell_root("buried", actor.name, actor.incarnation, kind, reason, ignored)
    actor.shut_down = actor.ignored = False
    actor.budget_s = actor.settings.turn_timeout_s
    turns.stop_waiting(actor)


def bury_unseen(turns: Turns, actor: Actor, box: bytes, by_itself: bool, now_s: float) -> None:
    """An incarnation that died with the whole system: judge its turn by its box, as a lost one,
    unless it only waited for an answer. `by_itself`: it has been spawned, and had shut down."""
    reason, found = "the system ended", read_box(box)
    handed = _next_input(actor)
    if handed is not None:
        failure = found.failures.get(handed.turn)
        if failure is not None:
            reason = failure_text(failure)
        ask = actor.current.ask if actor.current is not None else None
        waited = ask is not None and not ask.is_world  # and so had no part in what befell all
        _judge(turns, actor, handed, Death(reason, "crash", waited), found, reason, now_s)
    kind = "crash"
    if by_itself:
        reason, kind = BY_ITSELF, "normal"
    # In the same commit: it is judged once, however often the next system is killed.
    turns.lifecycle(actor, EventType.EXITED, {"reason": reason, "kind": kind})
    turns.batch.incarnation_ended.append((turns.at, reason, actor.id, actor.incarnation))
    if by_itself:
        children.tell_end(turns, actor, kind, reason, False, now_s)
        actor.result, actor.ignored = None, False


def _next_input(actor: Actor) -> Handed | None:
    """What its worker was at, if it was at something."""
    if not actor.initialised:
        return Handed(actor.next_turn, INIT, None)
    window = actor.mailbox.window
    return Handed(actor.next_turn, window[0].kind, window[0]) if window else None


def abandon(turns: Turns, actor: Actor, reason: str, now_s: float) -> None:
    """Set the open turn of an actor without a worker aside, if there is one."""
    if actor.current is not None:
        handed = _next_input(actor)
        assert handed is not None and not actor.handed and handed.turn == actor.current.turn
        set_aside(turns, actor, handed, reason, [], now_s)


def failure_text(failure: dict[str, Any]) -> str:
    """The box is hostile input: what is not text is not shown."""
    words = [failure.get(key) for key in ("kind", "message")]
    return ": ".join(word for word in words if isinstance(word, str))[:2000] or "failed"


def _judge(
    turns: Turns,
    actor: Actor,
    handed: Handed,
    death: Death,
    found: Found,
    reason: str,
    now_s: float,
) -> None:
    current, message = actor.current, handed.message
    events = found.events(handed.turn, current.index if current else 0)
    failure = found.failures.get(handed.turn)
    if not events and (current is None or current.incarnation != actor.incarnation):
        return  # it had not begun
    kept = found.contents_of(events)
    if failure is not None:
        for_good = (
            failure.get("kind") == DIVERGED
            or actor.ended_turns == 0
            or (message is not None and message.was_tried)
        )
        if message is not None:
            message.was_tried = True
    elif death.wanted:
        return
    else:
        deliveries = _count(actor, message)
        for_good = deliveries >= actor.settings.max_deliveries
        if for_good:
            reason = f"{reason}, delivered {deliveries} times"
    if message is None and current is None:
        if failure is not None:
            _count(actor, message)
        for_good = False
    turns.batch.blobs += kept
    if for_good:
        set_aside(turns, actor, handed, reason, events, now_s)
        return
    _turn_failed(turns, actor, handed, reason, events, again=True)
    if current is None:
        turns.turn_row(actor, handed, "waiting", 0, reason=reason)
        if message is not None:
            message.numbered = True
    else:
        turns.turn_row(actor, handed, "open", current.step)


def _count(actor: Actor, message: Message | None) -> int:
    """One more failed delivery of the input."""
    if message is None:
        actor.init_deliveries += 1
        return actor.init_deliveries
    message.deliveries += 1
    return message.deliveries


def set_aside(
    turns: Turns,
    actor: Actor,
    handed: Handed,
    reason: str,
    evidence: list[bytes],
    now_s: float,
) -> None:
    """Make the input of a turn a dead letter; the state stays what it was before the turn."""
    current = actor.current
    if current is not None:
        if current.ask is not None:
            turns.batch.ask_status.append(("abandoned", actor.id, current.turn, current.ask.index))
            outstanding.forget_ask(turns, actor, current.turn, current.ask)
            children.dropped(turns, actor, current.turn, current.ask)
        actor.current = None
        text = f"{actor.name} has lost the turn that opened it: {reason}"
        channels.close_channels(turns, actor, text, turn=handed.turn)
    evidence_id = _turn_failed(turns, actor, handed, reason, evidence, again=False)
    turns.turn_row(actor, handed, "failed", current.step if current else 0, reason=reason)
    message = handed.message
    if message is None:
        actor.init_deliveries = 0
    else:
        # It was taken back from the worker and stands at the front: take it out for good.
        front = actor.mailbox.hand()
        assert front is message, "a turn was set aside that is not the oldest"
        turns.consume(actor, handed, "dead")
        turns.dead_letter(message, actor.name, handed.turn, reason, actor.state, evidence_id)
        if handed.kind in ASKED and not message.replied:
            turns.reply(message, {"err": f"failed: {actor.name}: {reason}"}, now_s)
        elif handed.kind == TICK:
            timers.handled(turns, actor, message, now_s)
        elif handed.kind == LOOP:
            rounds.set_aside(actor, message)
    actor.next_turn = handed.turn + 1
    actor.committed = (handed.turn, 1 << 62)


def _turn_failed(
    turns: Turns, actor: Actor, handed: Handed, reason: str, events: list[bytes], again: bool
) -> int | None:
    """Store the evidence and chain its hash; keep the state before the turn. Returns the
    evidence's id, if there is any.

    `again`: its input is delivered once more; else the turn is set aside.
    """
    turns.keep_state(actor)
    payload: dict[str, Any] = {"turn": handed.turn, "reason": reason, "evidence": None}
    if again:
        payload["again"] = True
    evidence_id = None
    if events:
        packed = pack(events)
        payload["evidence"] = content_hash(packed)
        evidence_id = turns.next_evidence
        turns.next_evidence += 1
        turns.batch.evidence.append(
            (
                evidence_id,
                actor.id,
                actor.incarnation,
                handed.turn,
                packed,
                payload["evidence"],
                turns.at,
            )
        )
    turns.lifecycle(actor, EventType.TURN_FAILED, payload)
    return evidence_id
