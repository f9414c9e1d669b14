"""Read one turn of an actor from the log, whatever became of it; also while the system is down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgpack

from theater.client.reader import LoggedEvent, LogReader
from theater.errors import Damaged, ProtocolError
from theater.events import Event, EventType, decode, ref_hash

INIT = "init"


@dataclass(frozen=True, slots=True)
class Message:
    """What the turn was about."""

    id: int
    kind: str  # send, request, channel-open, ..., tick, loop, child-error, ..., child-event
    # An address, of child-... the one that it tells of, of a loop its own; None: a client, or of a
    # tick its own timer.
    sender: str | None
    sender_turn: int | None
    channel: str | None
    size: int
    body: bytes | None  # None: not in the log any more. Of a tick, the name of its timer


@dataclass(frozen=True, slots=True)
class Attempt:
    """A delivery that did not end, as the black box told of it: what did not commit."""

    incarnation: int
    reason: str  # of that incarnation's end
    events: tuple[Event, ...]

    @property
    def failure(self) -> dict[str, Any] | None:
        """{kind, message, backtrace, fuel} of the guest's failure. A worker wrote it: whatever
        it holds, believe none of it to be of its type."""
        for event in reversed(self.events):
            if event.type == EventType.WASM_ERROR and isinstance(event.payload, dict):
                return event.payload
        return None


@dataclass(frozen=True, slots=True)
class Turn:
    """All that the log knows of one."""

    actor: str
    number: int
    kind: str  # init, or that of its message
    status: str  # waiting, open, done, failed, renumbered
    incarnation: int | None  # the last that ran it
    steps: int  # that committed
    deliveries: int  # that failed and counted
    fuel: int | None
    reason: str | None
    message: Message | None
    before: bytes | None  # hash of the state before; None: there was none
    after: bytes | None  # hash of the state after it; None: there is none
    committed: tuple[LoggedEvent, ...]
    attempts: tuple[Attempt, ...]  # oldest first


def turn_of(log: LogReader, actor: str, number: int) -> Turn | None:
    """None: nothing of a turn of that number is in the log."""
    rows = log.query(
        "SELECT t.actor, t.kind, t.message, t.status, t.incarnation, t.steps, t.deliveries,"
        " t.fuel, t.reason, t.state FROM turns t JOIN actors a ON a.id = t.actor"
        " WHERE a.name = ? AND t.turn = ?",
        actor,
        number,
    )
    if not rows:
        return None
    id, kind, message, status, incarnation, steps, deliveries, fuel, reason, after = rows[0]
    committed = committed_events(log, id, number) if steps else ()
    attempts = attempts_of(log, id, number)
    return Turn(
        actor=actor,
        number=number,
        kind=kind,
        status=status,
        incarnation=incarnation or None,
        steps=steps,
        deliveries=deliveries,
        fuel=fuel,
        reason=reason,
        message=None if message is None else message_of(log, message),
        before=_state_before(committed, attempts),
        after=after,
        committed=committed,
        attempts=attempts,
    )


def message_of(log: LogReader, id: int) -> Message | None:
    channel = "m.channel" if log.version() >= 4 else "NULL"
    rows = log.query(
        f"SELECT m.id, m.kind, s.name, m.from_turn, {channel}, m.size, coalesce(m.body, b.bytes)"
        " FROM messages m LEFT JOIN blobs b ON b.hash = m.body_hash"
        " LEFT JOIN actors s ON s.id = m.from_actor WHERE m.id = ?",
        id,
    )
    if not rows:
        return None
    id, kind, sender, turn, channel, size, body = rows[0]
    whole = None if body is None else bytes(body)
    return Message(id, kind, sender, turn, channel, size, whole)


def last_turn(log: LogReader, actor: str) -> int | None:
    """The last turn that has ended."""
    rows = log.query(
        "SELECT t.turn FROM turns t JOIN actors a ON a.id = t.actor"
        " WHERE a.name = ? AND t.status IN ('done', 'failed') ORDER BY t.turn DESC LIMIT 1",
        actor,
    )
    return rows[0][0] if rows else None


def status_and_state(log: LogReader, actor: str, number: int) -> tuple[str, bytes | None] | None:
    """Of a turn: its status, and the hash of the state after it, if it has ended and left one."""
    rows = log.query(
        "SELECT t.status, t.state FROM turns t JOIN actors a ON a.id = t.actor"
        " WHERE a.name = ? AND t.turn = ?",
        actor,
        number,
    )
    return rows[0] if rows else None


def kept_beside(log: LogReader, actor: str, number: int) -> list[int]:
    """The nearest turns, one before and one after, whose states can be read."""
    kept = "EXISTS (SELECT 1 FROM blobs b WHERE b.hash = t.state)"
    if log.version() >= 4:
        kept += " OR EXISTS (SELECT 1 FROM last_states l WHERE l.hash = t.state)"
    sql = (
        "SELECT t.turn FROM turns t JOIN actors a ON a.id = t.actor WHERE a.name = ?"
        f" AND t.turn {{}} ? AND t.status IN ('done', 'failed') AND ({kept})"
        " ORDER BY t.turn {} LIMIT 1"
    )
    before = log.query(sql.format("<", "DESC"), actor, number)
    after = log.query(sql.format(">", "ASC"), actor, number)
    return [row[0] for row in (*before, *after)]


def turns_between(log: LogReader, actor: str) -> tuple[int, int] | None:
    """The first and the last turn of which there is something; None: of no turn is there."""
    rows = log.query(
        "SELECT min(t.turn), max(t.turn) FROM turns t JOIN actors a ON a.id = t.actor"
        " WHERE a.name = ?",
        actor,
    )
    return rows[0] if rows and rows[0][0] is not None else None


def committed_events(log: LogReader, actor: int, turn: int) -> tuple[LoggedEvent, ...]:
    """A turn's events. They lie between the last step of an earlier and the first of a later one:
    found so, nothing else of a long chain is read. `actor`: its number in the log."""
    steps = (
        "SELECT e.position FROM steps s JOIN events e ON e.seq = s.last_event WHERE s.actor = ?"
        " AND s.turn {} ? ORDER BY s.turn {}, s.step {} LIMIT 1"
    )
    before = log.query(steps.format("<", "DESC", "DESC"), actor, turn)
    after = log.query(steps.format(">", "ASC", "ASC"), actor, turn)
    rows = log.query(
        "SELECT seq, at, position, hash, bytes, line FROM events WHERE actor = ? AND position > ?"
        " AND position < ? AND turn = ? ORDER BY position",
        actor,
        before[0][0] if before else -1,
        after[0][0] if after else 1 << 62,
        turn,
    )
    return tuple(LoggedEvent(*row) for row in rows)


def attempts_of(log: LogReader, actor: int, turn: int) -> tuple[Attempt, ...]:
    rows = log.query(
        "SELECT v.incarnation, coalesce(i.reason, ''), v.events FROM evidence v"
        " LEFT JOIN incarnations i ON i.actor = v.actor AND i.incarnation = v.incarnation"
        " WHERE v.actor = ? AND v.turn = ? ORDER BY v.id",
        actor,
        turn,
    )
    try:
        return tuple(
            Attempt(incarnation, reason, tuple(decode(data) for data in msgpack.unpackb(events)))
            for incarnation, reason, events in rows
        )
    except (ProtocolError, ValueError, TypeError, msgpack.UnpackException) as error:
        raise Damaged(f"the evidence of turn {turn} is damaged: {error or 'no msgpack'}") from None


def _state_before(
    committed: tuple[LoggedEvent, ...], attempts: tuple[Attempt, ...]
) -> bytes | None:
    """What the export was called with. The state does not change between deliveries of a turn."""
    for event in [*events_of(committed), *(event for each in attempts for event in each.events)]:
        match event.type, event.payload:
            case EventType.WASM_CALL, [state, *_]:
                return ref_hash(state)
    return None


def events_of(rows: tuple[LoggedEvent, ...]) -> list[Event]:
    """Those that can be read."""
    found = []
    for row in rows:
        try:
            found.append(row.event)
        except ProtocolError:  # `theater events` and `theater fsck` tell of it
            continue
    return found
