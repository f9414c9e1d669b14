"""Cut a chain into what each incarnation ran, one turn after the other. Pure.

A turn that was carried on has several runs, one for each incarnation: each begins on a fresh
instance and makes again the calls that those before it have recorded. What did not commit is in
the evidence that `turn-failed` names; it belongs to the run of the incarnation that died.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from theater.errors import ProtocolError
from theater.events import FACTS, IN_TURNS, Event, EventType, decode, ref_hash

# Each has a payload of its own shape; what all others have are facts.
_OF_THEIR_OWN = IN_TURNS | {EventType.STARTED, EventType.TURN_FAILED, EventType.EXITED}
_HASH = re.compile(r"[0-9a-f]{64}")

Evidence = Callable[[bytes], list[bytes] | None]  # its hash -> event bytes; None: not there


class Ending(StrEnum):
    """How a run ended."""

    DONE = "done"  # with the turn
    FAILED = "failed"  # the guest could not go on: the record ends with `wasm-error`
    LEFT = "left"  # the process ended in the middle of it, or still runs


@dataclass(frozen=True, slots=True)
class Crossing:
    """An event of the record, with its bytes."""

    data: bytes
    event: Event

    @classmethod
    def read(cls, data: bytes) -> Crossing:
        """Raises ProtocolError for what is no event, or has not what an event of its type has: a
        chain that somebody made up follows its own hashes too, and a worker's box is believed in
        nothing."""
        event = decode(data)
        if not _is_whole(event):
            raise ProtocolError(f"a {event.type[:40]!r} has not what such an event has")
        return cls(data, event)


def _is_whole(event: Event) -> bool:
    match event.type, event.payload:
        case EventType.WASM_CALL, [state, list()]:
            return state is None or ref_hash(state) is not None
        case EventType.HOST_CALL, [list()] | [list(), _]:
            return True
        case EventType.HOST_ANSWER, [_] | [_, _]:
            return True
        case EventType.LOG, [str()]:
            return True
        case EventType.WASM_RESULT, [dict(), int()]:
            return True
        case EventType.CARRIED_ON, []:
            return True
        case EventType.STARTED, {"component": str(component)}:
            return _HASH.fullmatch(component) is not None  # of which the path of a file is made
        case EventType.TURN_FAILED, {"turn": int(), **more}:
            return isinstance(more.get("evidence"), bytes | None)
        case EventType.EXITED, dict(facts):
            return all(isinstance(facts.get(key, ""), str) for key in ("reason", "kind"))
        case type, dict(facts) if type not in _OF_THEIR_OWN:
            limits = facts.get("limits") or {}
            return isinstance(facts.get("engine"), dict | None) and (
                isinstance(limits, dict) and all(_is_count(each) for each in limits.values())
            )
    return False


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


@dataclass(frozen=True, slots=True)
class Began:
    """An incarnation. Its instance is fresh."""

    incarnation: int
    component: str  # SHA-256, hex
    engine: dict[str, Any]
    limits: dict[str, int]  # {} in a log of before they were written down


@dataclass(slots=True)
class Run:
    """What one incarnation did of one turn."""

    turn: int
    incarnation: int
    ending: Ending
    before: list[Crossing]  # what incarnations before it had recorded of the turn
    own: list[Crossing]

    def call(self) -> Event | None:
        """The call of the export. None: the process ended before it."""
        for crossing in (*self.before, *self.own):
            if crossing.event.type == EventType.WASM_CALL:
                return crossing.event
        return None

    def state(self) -> bytes | None:
        """The hash of the state that the turn begins with; None: there is none."""
        call = self.call()
        return None if call is None else ref_hash(call.payload[0])


@dataclass(frozen=True, slots=True)
class Ended:
    """The incarnation's end. `reason` is "" if it still runs."""

    incarnation: int
    reason: str
    kind: str = ""  # normal, shutdown, crash


Item = Began | Run | Ended


@dataclass(slots=True)
class _Open:
    """A turn that has begun: its parts, one for each incarnation that recorded something."""

    turn: int
    parts: list[tuple[int, list[Crossing]]] = field(default_factory=list)


class Slices:
    """Takes the events of one chain in order, from the start of some incarnation on."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self.facts: dict[str, Any] = {}
        self._began: Began | None = None
        self._open: _Open | None = None
        self._lost: dict[int, list[Crossing]] = {}  # turn -> of this incarnation, uncommitted
        self._told = 0  # the turn whose end in this incarnation has been told

    def take(self, crossing: Crossing) -> Iterator[Item]:
        event = crossing.event
        if event.turn:
            yield from self._in_turn(crossing)
        elif event.type == EventType.STARTED:
            yield from self.end()
            facts = self.facts
            self._told = 0
            self._began = Began(
                event.incarnation,
                event.payload["component"],
                facts.get("engine") or {},
                facts.get("limits") or {},
            )
            yield self._began
        elif event.type == EventType.EXITED:
            yield from self.end(event.payload.get("reason", ""), event.payload.get("kind", ""))
        elif event.type == EventType.TURN_FAILED:
            yield from self._failed(event)
        elif event.type in FACTS:
            self.facts = {**self.facts, **event.payload}

    def end(self, reason: str = "", kind: str = "") -> Iterator[Item]:
        """The incarnation is over, or the chain ends here."""
        if self._began is None:
            return
        yield from self._left()
        yield Ended(self._began.incarnation, reason, kind)
        self._began = None

    def _in_turn(self, crossing: Crossing) -> Iterator[Item]:
        event = crossing.event
        if self._open is None or self._open.turn != event.turn:
            self._open = _Open(event.turn)
        parts = self._open.parts
        if not parts or event.type == EventType.CARRIED_ON:
            parts.append((event.incarnation, []))
        parts[-1][1].append(crossing)
        if event.type == EventType.WASM_RESULT:
            yield self._run(Ending.DONE)
            self._open = None

    def _failed(self, event: Event) -> Iterator[Item]:
        """A delivery failed. Of a turn that is set aside with nobody running it, there is none."""
        turn, hash = event.payload["turn"], event.payload.get("evidence")
        if self._began is not None:
            if hash is not None:
                found = self._evidence(hash)
                self._lost[turn] = [Crossing.read(data) for data in found or []]
            if self._open is None or self._open.turn != turn:
                self._open = _Open(turn)
            yield from self._left()
        if event.payload.get("again") is not True:
            self._open = None

    def _left(self) -> Iterator[Item]:
        """The run that this incarnation did not end, if it has recorded anything of it."""
        if self._open is None or self._began is None or self._open.turn == self._told:
            return
        lost = self._lost.pop(self._open.turn, [])
        ours = bool(self._open.parts) and self._open.parts[-1][0] == self._began.incarnation
        if not ours and not lost:
            return
        if not ours:
            self._open.parts.append((self._began.incarnation, []))
        self._told = self._open.turn
        failed = bool(lost) and lost[-1].event.type == EventType.WASM_ERROR
        yield self._run(Ending.FAILED if failed else Ending.LEFT, lost)
        if not self._open.parts[-1][1]:
            self._open.parts.pop()  # nothing of it is in the turn's record

    def _run(self, ending: Ending, lost: Iterable[Crossing] = ()) -> Run:
        assert self._open is not None
        *before, (incarnation, own) = self._open.parts
        return Run(
            self._open.turn,
            incarnation,
            ending,
            [crossing for _, part in before for crossing in part],
            [*own, *lost],
        )
