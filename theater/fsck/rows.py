"""The rows that are checked: how they are asked for, and of which types they have to be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from theater import calls
from theater.fsck.findings import shown

R = TypeVar("R", bound=NamedTuple)

NONE = type(None)
NAMES = {int: "integer", float: "real", str: "text", bytes: "bytes", NONE: ""}
# One letter a column. A capital: or none. What is joined from elsewhere (*) is checked there.
TYPES: dict[str, tuple[frozenset[type], str]] = {
    "i": (frozenset({int}), "an integer"),
    "I": (frozenset({int, NONE}), "an integer or none"),
    "r": (frozenset({float}), "a real number"),
    "R": (frozenset({float, NONE}), "a real number or none"),
    "t": (frozenset({str}), "a text"),
    "T": (frozenset({str, NONE}), "a text or none"),
    "b": (frozenset({bytes}), "bytes"),
    "B": (frozenset({bytes, NONE}), "bytes or none"),
    "*": (frozenset(NAMES), ""),
}
COLUMNS = {"data": "bytes", "answered": "answer", "time": "at"}  # that have other names here


@dataclass(frozen=True, slots=True)
class Source(Generic[R]):
    """Rows of one table, by keys that are its first columns."""

    table: str
    select: str
    keys: tuple[str, ...]
    make: type[R]
    types: str
    owner: str = ""  # a condition with one parameter: whose rows

    def misfits(self, row: R) -> Iterator[tuple[str, str]]:
        """(found, expected) for each column that is not of its type."""
        for name, value, letter in zip(row._fields, row, self.types, strict=True):
            types, words = TYPES[letter]
            if type(value) not in types:
                what = f"{NAMES[type(value)]} {shown(value)}".strip()
                yield f"{COLUMNS.get(name, name)} is {what}", words


class EventRow(NamedTuple):
    position: int
    seq: int
    incarnation: int
    turn: int
    idx: int
    type: str
    function: str
    line: str | None
    data: bytes
    hash: bytes
    time: float


EVENTS = Source(
    "events",
    "SELECT position, seq, incarnation, turn, idx, type, function, line, bytes, hash, at"
    " FROM events",
    ("position",),
    EventRow,
    "iiiiittTbbr",
    "actor = ?",
)


class TurnRow(NamedTuple):
    turn: int
    kind: str
    message: int | None
    status: str
    incarnation: int
    steps: int
    deliveries: int
    state: bytes | None
    fuel: int | None
    reason: str | None
    time: float
    kept: int
    # Of the message:
    message_id: Any
    to_actor: Any
    message_kind: Any
    message_status: Any
    message_turn: Any
    body: Any
    body_hash: Any
    sender: Any
    from_turn: Any
    from_index: Any
    client: Any
    answer: Any
    channel: Any
    content: Any  # a long body of what is told of a child

    def name(self) -> str:
        """Of the request, the channel or the child, as the callee is told it."""
        if self.kind.startswith("child-"):
            return self.sender if isinstance(self.sender, str) else ""
        if self.kind != "request":
            return self.channel if isinstance(self.channel, str) else ""
        if self.sender is None:
            return f"client:{self.message_id}"
        return f"{self.sender}:{self.from_turn}:{self.from_index}"


TURNS = Source(
    "turns",
    "SELECT t.turn, t.kind, t.message, t.status, t.incarnation, t.steps, t.deliveries, t.state,"
    " t.fuel, t.reason, t.at, {kept}, m.id, m.to_actor, m.kind, m.status, m.turn, m.body,"
    " m.body_hash, s.name, m.from_turn, m.from_index, m.client, m.answer, {channel},"
    " CASE WHEN m.kind LIKE 'child-%' THEN b.bytes END"
    " FROM turns t LEFT JOIN messages m ON m.id = t.message"
    " LEFT JOIN actors s ON s.id = m.from_actor LEFT JOIN blobs b ON b.hash = m.body_hash",
    ("t.turn",),
    TurnRow,
    "itItiiiBITri" + "*" * 14,
    "t.actor = ?",
)


class StepRow(NamedTuple):
    turn: int
    step: int
    incarnation: int
    last_event: int


STEPS = Source(
    "steps",
    "SELECT turn, step, incarnation, last_event FROM steps",
    ("turn", "step"),
    StepRow,
    "iiii",
    "actor = ?",
)


class AskRow(NamedTuple):
    turn: int
    idx: int
    kind: str
    message: int | None
    timeout_s: float | None
    status: str
    # Of the message:
    message_id: Any
    message_kind: Any
    message_status: Any
    from_actor: Any
    from_turn: Any
    from_index: Any


ASKS = Source(
    "asks",
    "SELECT a.turn, a.idx, a.kind, a.message, a.timeout_s, a.status, m.id, m.kind, m.status,"
    " m.from_actor, m.from_turn, m.from_index"
    " FROM asks a LEFT JOIN messages m ON m.id = a.message",
    ("a.turn", "a.idx"),
    AskRow,
    "iitIRt" + "*" * 6,
    "a.actor = ?",
)


class IncarnationRow(NamedTuple):
    incarnation: int
    pid: int | None
    started_at: float
    ready_at: float | None
    ended_at: float | None
    reason: str | None


INCARNATIONS = Source(
    "incarnations",
    "SELECT incarnation, pid, started_at, ready_at, ended_at, reason FROM incarnations",
    ("incarnation",),
    IncarnationRow,
    "iIrRRT",
    "actor = ?",
)


class EvidenceRow(NamedTuple):
    id: int
    incarnation: int
    turn: int
    events: bytes
    hash: bytes


EVIDENCE = Source(
    "evidence",
    "SELECT id, incarnation, turn, events, hash FROM evidence",
    ("id",),
    EvidenceRow,
    "iiibb",
    "actor = ?",
)


class ActorRow(NamedTuple):
    id: int
    name: str
    component: str
    phase: str
    reason: str
    initialised: int
    created_at: float
    removed_at: float | None
    role: str


ACTORS = Source(
    "actors",
    "SELECT id, name, component, phase, reason, initialised, created_at, removed_at, {role}"
    " FROM actors",
    ("id",),
    ActorRow,
    "ittttirRt",
    "id = ?",
)


class MessageRow(NamedTuple):
    id: int
    kind: str
    to_actor: int | None
    to_name: str
    from_actor: int | None
    from_turn: int | None
    from_index: int | None
    client: str | None
    size: int
    body: bytes | None
    body_hash: bytes | None
    status: str
    turn: int | None
    answered: bytes | None
    channel: str | None
    time: float
    # Of its receiver and its sender, its content, the turn that it names:
    to: Any
    to_removed: Any
    sender: Any
    known: Any  # the receiver knows its sender
    content_size: Any
    turn_message: Any
    turn_status: Any


MESSAGES = Source(
    "messages",
    "SELECT m.id, m.kind, m.to_actor, m.to_name, m.from_actor, m.from_turn, m.from_index,"
    " m.client, m.size, m.body, m.body_hash, m.status, m.turn, m.answer, {channel},"
    " m.at, r.name, r.removed_at, s.name,"
    " k.sender, length(b.bytes), t.message, t.status"
    " FROM messages m LEFT JOIN actors r ON r.id = m.to_actor"
    " LEFT JOIN actors s ON s.id = m.from_actor"
    " LEFT JOIN senders k ON k.actor = m.to_actor AND k.sender = s.name"
    " LEFT JOIN blobs b ON b.hash = m.body_hash"
    " LEFT JOIN turns t ON t.actor = m.to_actor AND t.turn = m.turn",
    ("m.id",),
    MessageRow,
    "itItIIITiBBtIBTr" + "*" * 7,
)


class CreatorRow(NamedTuple):
    """An event, with its bytes if a message can come of it."""

    seq: int
    actor: int
    turn: int
    idx: int
    type: str
    function: str
    position: int
    time: float
    data: bytes | None


_ABOUT_CHILDREN = ", ".join(f"'{each}'" for each in sorted(calls.ABOUT_CHILDREN))
CREATORS = Source(
    "events",
    "SELECT seq, actor, turn, idx, type, function, position, at,"
    " CASE WHEN type IN ('dead-letter', 'exited', 'created', 'component-changed', 'changed',"
    " 'returned') OR (type = 'host-call' AND function IN ('send', 'request', 'open-channel',"
    " 'send-on-channel', 'close-channel', 'respond-to-request', 'cancel-request',"
    " 'set-interval', 'set-timeout', 'clear-interval', 'shutdown'))"
    f" OR (type IN ('host-call', 'host-answer') AND function IN ({_ABOUT_CHILDREN}))"
    " OR (type = 'wasm-result' AND function = 'handle-channel-open')"
    " THEN bytes END FROM events",
    ("seq",),
    CreatorRow,
    "*" * 9,  # the walk along its chain checks them
)


class LetterRow(NamedTuple):
    id: int
    message: int | None
    actor: str
    turn: int | None
    reason: str
    state: bytes | None
    evidence: int | None
    status: str
    again: int | None
    client: str | None
    decided_at: float | None
    # Of the message, the evidence, the turn:
    message_id: Any
    message_status: Any
    to_name: Any
    message_turn: Any
    evidence_id: Any
    evidence_actor: Any
    evidence_turn: Any
    turn_message: Any
    turn_status: Any
    turn_state: Any
    turn_reason: Any


LETTERS = Source(
    "dead_letters",
    "SELECT d.id, d.message, d.actor, d.turn, d.reason, d.state, d.evidence, {decision},"
    " m.id, m.status, m.to_name, m.turn, e.id, w.name, e.turn,"
    " t.message, t.status, t.state, t.reason"
    " FROM dead_letters d LEFT JOIN messages m ON m.id = d.message"
    " LEFT JOIN evidence e ON e.id = d.evidence LEFT JOIN actors w ON w.id = e.actor"
    " LEFT JOIN actors a ON a.name = d.actor"
    " LEFT JOIN turns t ON t.actor = a.id AND t.turn = d.turn",
    ("d.id",),
    LetterRow,
    "iItItBItITR" + "*" * 11,
)


class ChannelRow(NamedTuple):
    id: str
    opener: int
    callee: int
    message: int
    status: str
    opened_at: float
    closed_by: int | None
    reason: str | None
    untold: int | None
    closed_at: float | None
    # Of the message, and of its two sides:
    kind: Any
    message_status: Any
    message_channel: Any
    from_actor: Any
    from_turn: Any
    from_index: Any
    to_actor: Any
    sender: Any
    gone: Any  # when one of them was removed
    turn_status: Any  # of the turn that opened it


CHANNELS = Source(
    "channels",
    "SELECT c.id, c.opener, c.callee, c.message, c.status, c.opened_at, c.closed_by, c.reason,"
    " c.untold, c.closed_at, m.kind, m.status, m.channel, m.from_actor, m.from_turn,"
    " m.from_index, m.to_actor, o.name, coalesce(o.removed_at, e.removed_at),"
    " t.status FROM channels c LEFT JOIN messages m ON m.id = c.message"
    " LEFT JOIN actors o ON o.id = c.opener LEFT JOIN actors e ON e.id = c.callee"
    " LEFT JOIN turns t ON t.actor = m.from_actor AND t.turn = m.from_turn",
    ("c.id",),
    ChannelRow,
    "tiiitrITIR" + "*" * 10,
)


class TimerRow(NamedTuple):
    actor: int
    name: str
    interval_ms: int | None
    due_at: float
    message: int | None
    turn: int
    idx: int
    # Of the message:
    message_id: Any
    kind: Any
    status: Any
    to_actor: Any
    body: Any


TIMERS = Source(
    "timers",
    "SELECT t.actor, t.name, t.interval_ms, t.due_at, t.message, t.turn, t.idx,"
    " m.id, m.kind, m.status, m.to_actor, m.body"
    " FROM timers t LEFT JOIN messages m ON m.id = t.message",
    ("t.actor", "t.name"),
    TimerRow,
    "itIrIii" + "*" * 5,
)


class ChildRow(NamedTuple):
    actor: int
    parent: int
    turn: int
    idx: int
    spec: bytes
    # Of the two:
    name: Any
    parent_name: Any


CHILDREN = Source(
    "children",
    "SELECT c.actor, c.parent, c.turn, c.idx, c.spec, a.name, p.name FROM children c"
    " LEFT JOIN actors a ON a.id = c.actor LEFT JOIN actors p ON p.id = c.parent",
    ("c.actor",),
    ChildRow,
    "iiiib**",
)


class SubscriptionRow(NamedTuple):
    parent: int
    child: int
    position: int
    # Of the two, and how many events the child's chain has:
    parent_name: Any
    child_name: Any
    length: Any


SUBSCRIPTIONS = Source(
    "subscriptions",
    "SELECT s.parent, s.child, s.position, p.name, c.name,"
    " (SELECT max(e.position) + 1 FROM events e WHERE e.actor = s.child) FROM subscriptions s"
    " LEFT JOIN actors p ON p.id = s.parent LEFT JOIN actors c ON c.id = s.child",
    ("s.parent", "s.child"),
    SubscriptionRow,
    "iii***",
)


class SenderRow(NamedTuple):
    actor: int
    sender: str


SENDERS = Source(
    "senders",
    "SELECT actor, sender FROM senders",
    ("actor", "sender"),
    SenderRow,
    "it",
)


class BlobRow(NamedTuple):
    rowid: int
    hash: bytes
    size: Any
    type: str
    data: Any  # if it is small


BLOBS = Source(
    "blobs",
    "SELECT rowid, hash, length(bytes), typeof(bytes),"
    " CASE WHEN length(bytes) <= 65536 THEN bytes END FROM blobs",
    ("rowid",),
    BlobRow,
    "ib***",
)


class LastStateRow(NamedTuple):
    actor: int
    hash: bytes
    type: str


LAST_STATES = Source(
    "last_states",
    "SELECT actor, hash, typeof(bytes) FROM last_states",
    ("actor",),
    LastStateRow,
    "ib*",
    "actor = ?",
)


def as_of(source: Source[R], version: int) -> str:
    """The question as a log of an older version understands it."""
    role = "role" if version >= 2 else "'actor'"
    decision = "d.status, d.again, d.client, d.decided_at"
    if version < 3:
        decision = "'open', NULL, NULL, NULL"
    channel, kept = ("m.channel", "t.kept") if version >= 4 else ("NULL", "1")
    select = source.select.replace("{role}", role).replace("{decision}", decision)
    return select.replace("{channel}", channel).replace("{kept}", kept)
