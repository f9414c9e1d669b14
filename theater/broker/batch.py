"""One group commit: the rows that several decisions want written, in the order of the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Row = tuple[Any, ...]


@dataclass(slots=True)
class Batch:
    """Rows by table, as `WRITES` has them. Filled by decisions, written at once, then empty."""

    actors: list[Row] = field(default_factory=list)
    phases: list[Row] = field(default_factory=list)  # (phase, reason, actor)
    initialised: list[Row] = field(default_factory=list)  # (0 or 1, actor)
    components: list[Row] = field(default_factory=list)  # (component, actor)
    removed: list[Row] = field(default_factory=list)  # (at, actor)
    returned: list[Row] = field(default_factory=list)  # (role, component, actor)
    moved: set[str] = field(default_factory=set)  # who has come or gone; no rows of its own
    incarnations: list[Row] = field(default_factory=list)
    incarnation_pids: list[Row] = field(default_factory=list)  # (pid, actor, incarnation)
    incarnation_ready: list[Row] = field(default_factory=list)  # (at, actor, incarnation)
    incarnation_ended: list[Row] = field(default_factory=list)  # (at, reason, actor, incarnation)
    turns: list[Row] = field(default_factory=list)
    steps: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    messages: list[Row] = field(default_factory=list)
    consumed: list[Row] = field(default_factory=list)  # (status, turn, message)
    client_answers: list[Row] = field(default_factory=list)  # (answer, message)
    channels: list[Row] = field(default_factory=list)
    channels_closed: list[Row] = field(default_factory=list)  # (by, reason, untold, at, channel)
    channels_told: list[Row] = field(default_factory=list)  # (channel,)
    children: list[Row] = field(default_factory=list)
    children_gone: list[Row] = field(default_factory=list)  # (actor,)
    subscriptions: list[Row] = field(default_factory=list)  # (parent, child, position)
    unsubscribed: list[Row] = field(default_factory=list)  # (child,)
    asks: list[Row] = field(default_factory=list)
    ask_status: list[Row] = field(default_factory=list)  # (status, actor, turn, index)
    senders: list[Row] = field(default_factory=list)
    blobs: list[Row] = field(default_factory=list)
    kept_states: list[Row] = field(default_factory=list)  # (actor,): its last state, to blobs
    # By actor, (hash, bytes) of the state that is its last one and may go again; None: none.
    last_states: dict[int, tuple[bytes, bytes] | None] = field(default_factory=dict)
    # By (actor, name): the row of a timer as it is now; None: there is none any more.
    timers: dict[tuple[int, str], Row | None] = field(default_factory=dict)
    evidence: list[Row] = field(default_factory=list)
    dead_letters: list[Row] = field(default_factory=list)
    letters: list[Row] = field(default_factory=list)  # (status, again, client, at, dead letter)
    # Of stores, by store: what was put there first, as hash -> (size, seq); labels, as label ->
    # (hash, seq), or None of one that is gone. See storetables.py.
    contents: dict[str, dict[bytes, tuple[int, int]]] = field(default_factory=dict)
    labels: dict[str, dict[str, tuple[bytes, int] | None]] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)

    def count(self, name: str, by: int = 1) -> None:
        self.counters[name] = self.counters.get(name, 0) + by

    def is_empty(self) -> bool:
        return not any(getattr(self, name) for name in self.__slots__)


# How `log.py` writes them, in this order, so that a row comes after those it refers to.
WRITES: tuple[tuple[str, str], ...] = (
    (
        "actors",
        "INSERT INTO actors (id, name, role, component, phase, created_at) VALUES (?,?,?,?,?,?)",
    ),
    ("phases", "UPDATE actors SET phase = ?, reason = ? WHERE id = ?"),
    ("initialised", "UPDATE actors SET initialised = ? WHERE id = ?"),
    ("components", "UPDATE actors SET component = ? WHERE id = ?"),
    ("removed", "UPDATE actors SET removed_at = ? WHERE id = ?"),
    ("returned", "UPDATE actors SET role = ?, component = ?, removed_at = NULL WHERE id = ?"),
    (
        "incarnations",
        "INSERT INTO incarnations (actor, incarnation, pid, started_at) VALUES (?,?,?,?)",
    ),
    (
        "incarnation_pids",
        "UPDATE incarnations SET pid = ? WHERE actor = ? AND incarnation = ?",
    ),
    (
        "incarnation_ready",
        "UPDATE incarnations SET ready_at = ? WHERE actor = ? AND incarnation = ?",
    ),
    (
        "incarnation_ended",
        "UPDATE incarnations SET ended_at = ?, reason = ? WHERE actor = ? AND incarnation = ?",
    ),
    ("blobs", "INSERT OR IGNORE INTO blobs (hash, bytes) VALUES (?,?)"),
    (
        "kept_states",
        "INSERT OR IGNORE INTO blobs (hash, bytes)"
        " SELECT hash, bytes FROM last_states WHERE actor = ?",
    ),
    (
        "events",
        "INSERT INTO events (seq, actor, position, incarnation, turn, idx, type, function, line,"
        " bytes, hash, at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
    ),
    (
        "messages",
        "INSERT INTO messages (id, kind, to_actor, to_name, from_actor, from_turn, from_index,"
        " client, size, body, body_hash, status, at, channel)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    ),
    ("consumed", "UPDATE messages SET status = ?, turn = ? WHERE id = ?"),
    ("client_answers", "UPDATE messages SET answer = ? WHERE id = ?"),
    (
        "channels",
        "INSERT INTO channels (id, opener, callee, message, status, opened_at)"
        " VALUES (?,?,?,?,'open',?)",
    ),
    (
        "channels_closed",
        "UPDATE channels SET status = 'closed', closed_by = ?, reason = ?, untold = ?,"
        " closed_at = ? WHERE id = ?",
    ),
    ("channels_told", "UPDATE channels SET untold = NULL WHERE id = ?"),
    (
        "children",
        "INSERT OR REPLACE INTO children (actor, parent, turn, idx, spec) VALUES (?,?,?,?,?)",
    ),
    ("children_gone", "DELETE FROM children WHERE actor = ?"),
    (
        "subscriptions",
        "INSERT OR REPLACE INTO subscriptions (parent, child, position) VALUES (?,?,?)",
    ),
    ("unsubscribed", "DELETE FROM subscriptions WHERE child = ?"),
    (
        "turns",
        "INSERT OR REPLACE INTO turns (actor, turn, kind, message, status, incarnation, steps,"
        " deliveries, state, fuel, reason, at, kept) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
    ),
    (
        "steps",
        "INSERT INTO steps (actor, turn, step, incarnation, last_event) VALUES (?,?,?,?,?)",
    ),
    (
        "asks",
        "INSERT INTO asks (actor, turn, idx, kind, message, timeout_s, status)"
        " VALUES (?,?,?,?,?,?,'open')",
    ),
    ("ask_status", "UPDATE asks SET status = ? WHERE actor = ? AND turn = ? AND idx = ?"),
    ("senders", "INSERT OR IGNORE INTO senders (actor, sender) VALUES (?,?)"),
    (
        "evidence",
        "INSERT INTO evidence (id, actor, incarnation, turn, events, hash, at)"
        " VALUES (?,?,?,?,?,?,?)",
    ),
    (
        "dead_letters",
        "INSERT INTO dead_letters (id, message, actor, turn, reason, state, evidence, at)"
        " VALUES (?,?,?,?,?,?,?,?)",
    ),
    (
        "letters",
        "UPDATE dead_letters SET status = ?, again = ?, client = ?, decided_at = ? WHERE id = ?",
    ),
)
