"""The rows that are read across chains, when each has been followed."""

from __future__ import annotations

from typing import Any, NamedTuple

from theater import calls
from theater.fsck.source import Source


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
    " 'set-interval', 'set-timeout', 'clear-interval', 'start-loop', 'stop-loop', 'shutdown',"
    " 'call'))"
    f" OR (type IN ('host-call', 'host-answer') AND function IN ({_ABOUT_CHILDREN}))"
    " OR (type = 'wasm-result' AND function IN ('handle-channel-open', 'loop'))"
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
