"""The rows about one actor, which are read as its chain is followed."""

from __future__ import annotations

from typing import Any, NamedTuple

from theater.fsck.source import Source


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
    content: Any  # a long body of what is told of a child, or called

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
    " CASE WHEN m.kind LIKE 'child-%' OR m.kind = 'rpc' THEN b.bytes END"
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
