"""Tell what the log says in lines for people: what actors said, and what happened to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from theater.cli.decisions import STOPPED, decided
from theater.errors import ProtocolError
from theater.events import Event, EventType, decode


class Mark(StrEnum):
    """What stands between the actor and the line."""

    SAID = "|"  # a log line of a turn that committed
    LOST = "~"  # a log line of a turn that did not commit
    LIFE = "*"
    BAD = "!"


@dataclass(frozen=True, slots=True)
class Line:
    """Something to tell. `text` is as the actor said it: `Page` and json make it harmless."""

    seq: int
    at: float
    actor: str
    incarnation: int
    turn: int
    mark: Mark
    text: str


class Row(Protocol):
    """What is needed of an event of the log."""

    @property
    def seq(self) -> int: ...
    @property
    def at(self) -> float: ...
    @property
    def line(self) -> str | None: ...
    @property
    def event(self) -> Event: ...


class Facts(Protocol):
    """What the log knows beside the events; see `LogReader`."""

    def evidence(self, hash: bytes) -> list[Event]: ...
    def query(self, sql: str, *parameters: Any) -> list[Any]: ...


class Story:
    """Tells events in their order. Knows who has been there already in this run."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._seen: set[str] = set()
        self._failed: dict[str, str] = {}  # actor -> why its turn just failed

    def tell(self, row: Row) -> Iterator[Line]:
        """The lines of one event; most events have none."""
        try:
            event = row.event
        except ProtocolError as error:
            yield Line(row.seq, row.at, "?", 0, 0, Mark.BAD, f"event {row.seq}: {error}")
            return
        if row.line is not None:
            yield _line(row, event, Mark.SAID, row.line)
            return
        payload = event.payload if isinstance(event.payload, dict) else {}
        if event.type == EventType.TURN_FAILED:
            yield from self._turn_failed(row, event, payload)
            return
        told = self._lifecycle(event, payload)
        if told is not None:
            mark, text = told
            yield _line(row, event, mark, text)

    def _turn_failed(self, row: Row, event: Event, payload: dict[str, Any]) -> Iterator[Line]:
        turn, reason = payload.get("turn"), str(payload.get("reason", ""))
        yield from lost_lines(self._facts, row, event)
        self._failed[event.actor] = reason
        yield _line(row, event, Mark.BAD, f"turn {turn} failed: {reason}")
        fate = fate_of(self._facts, event.actor, turn, payload.get("again") is True)
        if fate:
            yield _line(row, event, Mark.BAD, f"its message {fate}")

    def _lifecycle(self, event: Event, payload: dict[str, Any]) -> tuple[Mark, str] | None:
        actor = event.actor
        match event.type:
            case EventType.READY:
                word = "restarted" if actor in self._seen else "started"
                self._seen.add(actor)
                pid = pid_of(self._facts, actor, event.incarnation)
                return Mark.LIFE, f"{word}: incarnation {event.incarnation}{pid}"
            case EventType.CARRIED_ON:
                return Mark.LIFE, f"goes on with turn {event.turn}"
            case EventType.EXITED:
                return exited(payload, self._failed.pop(actor, None))
            case EventType.COMPONENT_CHANGED:
                return Mark.LIFE, "its component has changed; it goes on with its state"
            case EventType.CHANGED:
                what = (
                    "its flags have" if "flags" in payload else "what it may do or begins with has"
                )
                return Mark.LIFE, f"{what} changed"
            case EventType.RETURNED:
                state = "" if "flags" in payload else ", with the state it had"
                return Mark.LIFE, f"here again{state}"
            case EventType.REINITIALISED:
                return Mark.LIFE, began_anew(payload)
            case EventType.REMOVED:
                return Mark.LIFE, f"removed: {removal(payload)}"
            case EventType.DEAD_LETTER:
                return Mark.LIFE, letter_decided(payload)
            case EventType.DECIDED:
                told = decided(payload)
                return None if told is None else (Mark.BAD if told.bad else Mark.LIFE, told.text)
        return None


AGAIN = "will be delivered again"


def kind_word(kind: str) -> str:
    """Of what kind a message is, in a sentence."""
    return "call" if kind == "rpc" else kind


def fate_of(facts: Facts, actor: str, turn: Any, again: bool) -> str:
    """What becomes of the message of a failed turn; "" if it had none. `again`: as is chained."""
    if not isinstance(turn, int):
        return ""
    kind = facts.query(
        "SELECT kind FROM turns t JOIN actors a ON a.id = t.actor WHERE a.name = ? AND t.turn = ?",
        actor,
        turn,
    )
    if kind and kind[0][0] == "init":
        return ""
    if again:
        return AGAIN
    dead = facts.query("SELECT id FROM dead_letters WHERE actor = ? AND turn = ?", actor, turn)
    return f"is set aside as dead letter {dead[0][0]}" if dead else AGAIN


@dataclass(frozen=True, slots=True)
class Spawned:
    """By which actor, and in which turn of that one."""

    by: str
    turn: int

    def __str__(self) -> str:
        return f"by {self.by}, in its turn {self.turn}"


def spawned(facts: Facts, actor: str) -> Spawned | None:
    """None: it is in the manifest, or was added by hand."""
    rows = facts.query(
        "SELECT e.bytes FROM events e JOIN actors a ON a.id = e.actor"
        " WHERE a.name = ? AND e.position = 0",
        actor,
    )
    try:
        payload = decode(rows[0][0]).payload if rows else None
    except ProtocolError:
        return None  # whoever reads its event says so
    match payload:
        case {"spawned": [int(turn), int()]}:
            return Spawned(actor.rpartition("/")[0], turn)
    return None


def pid_of(facts: Facts, actor: str, incarnation: int) -> str:
    rows = facts.query(
        "SELECT i.pid FROM incarnations i JOIN actors a ON a.id = i.actor"
        " WHERE a.name = ? AND i.incarnation = ?",
        actor,
        incarnation,
    )
    return f", pid {rows[0][0]}" if rows and rows[0][0] else ""


def lost_lines(facts: Facts, row: Row, event: Event) -> Iterator[Line]:
    """What the actor had said in a turn that did not commit: it is in the evidence only."""
    payload = event.payload if isinstance(event.payload, dict) else {}
    hash = payload.get("evidence")
    if not isinstance(hash, bytes):
        return
    for said in facts.evidence(hash):
        text = log_text(said)
        if text is not None:
            turn = said.turn
            yield Line(row.seq, row.at, event.actor, event.incarnation, turn, Mark.LOST, text)


def log_text(event: Event) -> str | None:
    """The log line that an event is, or None."""
    payload = event.payload
    if event.type == EventType.HOST_CALL and event.function == "log":
        payload = payload[0] if isinstance(payload, list) and payload else None
    elif event.type != EventType.LOG:
        return None
    if isinstance(payload, list) and len(payload) == 1 and isinstance(payload[0], str):
        return payload[0]
    return None


def _line(row: Row, event: Event, mark: Mark, text: str) -> Line:
    return Line(row.seq, row.at, event.actor, event.incarnation, event.turn, mark, text)


def exited(payload: Mapping[str, Any], failed: str | None) -> tuple[Mark, str] | None:
    """`failed`: why its turn has just failed; None if that line has said it all."""
    reason = str(payload.get("reason", ""))
    match payload.get("kind"):
        case "normal":
            return Mark.LIFE, f"ended: {reason}"
        case "shutdown":
            return Mark.LIFE, "stopped" if reason == STOPPED else f"stopped: {reason}"
    if failed is not None and reason in failed:
        return None  # that line has said it
    return Mark.BAD, f"died: {reason}"


def letter_decided(payload: Mapping[str, Any]) -> str:
    """What somebody has decided about a dead letter."""
    subject, message = payload.get("subject"), payload.get("message")
    whose = f" for {subject}" if subject is not None else ""
    now = f": its message is back in the mailbox, as {message}" if message is not None else ""
    return f"dead letter {payload.get('id', '?')}{whose} {payload.get('decision', '?')}{now}"


def began_anew(payload: Mapping[str, Any]) -> str:
    by_hand = payload.get("reason") == "operator"
    why = "as somebody asked for" if by_hand else "as its on_restart says"
    return f"begins anew with init, {why}"


def removal(payload: Mapping[str, Any]) -> str:
    """Why something is gone; as the answer to a message for it, but for the first word."""
    return str(payload.get("reason", "?")).removeprefix("no-actor: ")


class DeadLetters:
    """Messages that could not be delivered at all; they have no event of their own."""

    _SQL = (
        "SELECT d.id, d.at, coalesce(s.name, 'client'), d.actor, d.reason, m.from_turn,"
        " m.kind FROM dead_letters d JOIN messages m ON m.id = d.message"
        " LEFT JOIN actors s ON s.id = m.from_actor"
        " WHERE d.id > ? AND d.turn IS NULL ORDER BY d.id"
    )

    def __init__(self, facts: Facts, after: int) -> None:
        self._facts = facts
        self._last = after

    def news(self) -> Iterator[Line]:
        rows = self._facts.query(self._SQL, self._last)
        for id, at, sender, to, reason, turn, kind in rows:
            self._last = id
            what = f"its message to {to}"
            if kind.startswith("child-"):
                what = f"what {to} was to be told of it"
            elif kind == "loop":
                what = "what it has left for the next round of its loop"
            text = f"{what} is set aside as dead letter {id}: {reason}"
            yield Line(0, at, sender, 0, turn or 0, Mark.BAD, text)


def last_dead_letter(facts: Facts) -> int:
    return int(facts.query("SELECT coalesce(max(id), 0) FROM dead_letters")[0][0])
