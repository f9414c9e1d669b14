"""Hold a chain to its hashes, and the columns of its events to their bytes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from theater import calls
from theater.chain import GENESIS, link
from theater.errors import ProtocolError
from theater.events import IN_TURNS, Event, EventType, decode, has_refs, refs_in
from theater.fsck.findings import Reports, both_shown, shown
from theater.fsck.rows import EVENTS, EventRow
from theater.pack.interfaces import NOT_FOR_ACTORS

EVENT_MAX = 256 * 1024 * 1024  # bytes; what is more came through no socket, and is not decoded

THEATER = "theater"  # the interface of lifecycle events

ASKS, HELD, MESSAGES = calls.ASKS, calls.HELD, calls.MESSAGES
SEND, REQUEST, OPEN_CHANNEL = ((MESSAGES, each) for each in ("send", "request", "open-channel"))
SAY, CLOSE = (MESSAGES, "send-on-channel"), (MESSAGES, "close-channel")
TIMED = frozenset(
    (calls.TIMER, each) for each in (calls.SET_INTERVAL, calls.SET_TIMEOUT, calls.CLEAR)
)
CALL = (calls.RPC, "call")
LOOPED = frozenset((calls.LOOP, each) for each in (calls.START_LOOP, calls.STOP_LOOP))
RESPOND, CANCEL = (MESSAGES, "respond-to-request"), (MESSAGES, "cancel-request")
NEVER = frozenset({EventType.WASM_ERROR})  # only ever evidence
LIFECYCLE = frozenset(EventType) - IN_TURNS - NEVER


def kind_of(export: tuple[str, str]) -> str:
    """The kind of the input that calls it; "": nothing does."""
    kind = calls.kind_of(*export)
    return "" if kind == calls.CALL and export[0] in NOT_FOR_ACTORS else kind


@dataclass(slots=True)
class Crossing:
    """An event, as far as it can be believed."""

    position: int
    seq: int
    incarnation: int
    turn: int
    index: int
    type: str
    interface: str  # "" if it is not sound
    function: str
    payload: Any  # None if it is not sound
    data: bytes
    hash: bytes
    time: float  # beside the bytes, and so not hashed
    sound: bool  # its bytes are what was hashed, and an event
    follows: bool  # on the one before it: none is missing between

    @property
    def name(self) -> tuple[str, str]:
        return self.interface, self.function

    def asks(self) -> bool:
        return (
            self.type == EventType.HOST_CALL
            and isinstance(self.payload, list)
            and len(self.payload) == 1
        )


class Chain:
    """The events of one actor or supervisor, in the order of their positions.

    From `position` on: the hash before it is `parent`, which is not there itself if it is None.
    """

    def __init__(
        self, actor: str, reports: Reports, position: int = 0, parent: bytes | None = GENESIS
    ) -> None:
        self._actor = actor
        self._reports = reports
        self._next = position
        self._seq = 0
        self._stranger = ""
        # What the next hash may build on.
        self._parents: tuple[bytes, ...] = () if parent is None else (parent,)

    def take(self, row: EventRow) -> Crossing | None:
        """The next event; None if it is no row at all."""
        misfits = list(EVENTS.misfits(row))
        for found, expected in misfits:
            self._wrong(row, found, expected)
        if misfits:
            self._parents = ()
            if isinstance(row.position, int):
                self._next = row.position + 1
            return None
        follows = self._in_place(row)
        sound = self._hashed(row)
        event = self._decoded(row)
        if event is None:
            numbers = (row.incarnation, row.turn, row.idx, row.type, "", row.function)
            rest = (row.data, row.hash, row.time, False, follows)
            return Crossing(row.position, row.seq, *numbers, None, *rest)
        self._compare(row, event)
        if not sound:  # what was hashed said something else: maybe the columns do
            numbers = (row.incarnation, row.turn, row.idx, row.type, "", row.function)
            payload = None
        else:
            numbers = (
                event.incarnation,
                event.turn,
                event.index,
                event.type,
                event.interface,
                event.function,
            )
            payload = event.payload
        rest = (row.data, row.hash, row.time, sound, follows)
        return Crossing(row.position, row.seq, *numbers, payload, *rest)

    def _wrong(self, row: EventRow, found: str, expected: str) -> None:
        where = {"position": row.position, "seq": row.seq}
        known = {name: value for name, value in where.items() if isinstance(value, int)}
        self._reports.wrong(found, expected, actor=self._actor, **known)

    def _in_place(self, row: EventRow) -> bool:
        follows = row.position == self._next
        if not follows:
            missing = str(self._next)
            if row.position - 1 > self._next:
                missing += f" to {row.position - 1}"
            self._wrong(row, f"it comes next, position {missing} is missing", "no gap")
            self._parents = ()
        if row.seq <= self._seq:
            self._wrong(row, f"it comes after seq {self._seq}", "in the order of commits")
        self._seq = max(self._seq, row.seq)
        self._next = row.position + 1
        return follows

    def _hashed(self, row: EventRow) -> bool:
        links = [link(parent, row.data) for parent in self._parents]
        if not links or row.hash in links:
            self._parents = (row.hash,)
            return True
        found, expected = both_shown(row.hash, links[0])
        why = "the SHA-256 of the hash before it and its bytes"
        self._wrong(row, f"hash {found}", f"{expected}, {why}")
        self._parents = (row.hash, links[0])  # whichever of the two was damaged
        return False

    def _decoded(self, row: EventRow) -> Event | None:
        if len(row.data) > EVENT_MAX:
            self._wrong(row, f"bytes are {len(row.data)}", f"at most {EVENT_MAX}")
            return None
        try:
            return decode(row.data)
        except (ProtocolError, MemoryError) as error:
            why = str(error).rstrip(": ") or "too much for the memory"
            self._wrong(row, f"bytes are {why}", "an event")
            return None

    def _compare(self, row: EventRow, event: Event) -> None:
        if event.actor != self._actor and event.actor != self._stranger:
            self._stranger = event.actor  # told once: there may be a whole chain of it
            self._wrong(row, f"bytes are of actor {shown(event.actor)}", shown(self._actor))
        pairs = (
            ("incarnation", row.incarnation, event.incarnation),
            ("turn", row.turn, event.turn),
            ("idx", row.idx, event.index),
            ("type", row.type, event.type),
            ("function", row.function, event.function),
            ("line", row.line, line_of(event)),
        )
        for name, column, said in pairs:
            if column != said:
                self._wrong(row, f"column {name} is {shown(column)}", f"{shown(said)}, as in bytes")


def line_of(event: Event) -> str | None:
    """The text of a log line, if the event is one."""
    payload = event.payload
    if event.type == EventType.HOST_CALL and event.function == "log":
        payload = payload[0] if isinstance(payload, list) and payload else None
    elif event.type != EventType.LOG:
        return None
    if isinstance(payload, list) and len(payload) == 1 and isinstance(payload[0], str):
        return payload[0]
    return None


def references(crossing: Crossing) -> list[bytes] | None:
    """The contents that an event refers to; None if it is nested too deeply to tell.

    As when it was written: one that is spelt in another way was not looked for then.
    """
    if not crossing.sound or not has_refs(crossing.data):
        return []
    try:
        return refs_in(crossing.payload)
    except RecursionError:
        return None
