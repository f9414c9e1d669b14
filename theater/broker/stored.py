"""What the log knows that goes on: read as a broker begins, or takes an actor or a turn up.

Of actors what their chains said last, of turns what they have committed, and all that was open:
while the broker runs, these are in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from theater.broker.migration import Connection
from theater.chain import GENESIS
from theater.events import decode

# In these words, so that SQLite finds its index by them.
FACTS = "type = 'created' OR type = 'component-changed' OR type = 'changed' OR type = 'returned'"


@dataclass(frozen=True, slots=True)
class StoredActor:
    """What the log knows of an actor, or of a supervisor, that is about to go on."""

    id: int
    name: str
    role: str  # actor or supervisor
    component: str
    initialised: bool
    last_incarnation: int
    state: bytes | None  # hash
    loose_bytes: int | None  # see `Actor`
    next_turn: int
    head: bytes
    length: int  # events in the chain
    mailbox_messages: int
    mailbox_bytes: int
    removed: bool
    facts: dict[str, Any]  # what its chain last said of it; see `register.py`


@dataclass(frozen=True, slots=True)
class OpenRow:
    """A turn that has committed a step and not ended."""

    actor: int
    turn: int
    kind: str
    message: int | None
    steps: int
    deliveries: int


class Stored:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def next_seq(self) -> int:
        return self._next("events", "seq")

    def next_message(self) -> int:
        return self._next("messages", "id")

    def next_dead_letter(self) -> int:
        return self._next("dead_letters", "id")

    def next_evidence(self) -> int:
        return self._next("evidence", "id")

    def _next(self, table: str, column: str) -> int:
        (highest,) = self._db.execute(f"SELECT max({column}) FROM {table}").fetchone()
        return int(highest or 0) + 1

    _ACTORS = "SELECT id, name, role, component, initialised, removed_at IS NOT NULL FROM actors"

    def actors(self) -> list[StoredActor]:
        """Every actor and supervisor there ever was."""
        return [self._actor(*row) for row in self._db.execute(f"{self._ACTORS} ORDER BY id")]

    def actor(self, name: str) -> StoredActor | None:
        row = self._db.execute(f"{self._ACTORS} WHERE name = ?", (name,)).fetchone()
        return None if row is None else self._actor(*row)

    def _actor(
        self, id: int, name: str, role: str, component: str, initialised: int, removed: int
    ) -> StoredActor:
        def one(sql: str) -> tuple[Any, ...]:
            row: tuple[Any, ...] | None = self._db.execute(sql, (id,)).fetchone()
            return row or (None, None)

        incarnation = one("SELECT max(incarnation) FROM incarnations WHERE actor = ?")[0] or 0
        last_turn = one("SELECT max(turn) FROM turns WHERE actor = ? AND status != 'waiting'")[0]
        state = one(
            "SELECT state FROM turns WHERE actor = ? AND status IN ('done', 'failed')"
            " ORDER BY turn DESC LIMIT 1"
        )[0]
        loose_bytes = one("SELECT length(bytes) FROM last_states WHERE actor = ?")[0]
        position, head = one(
            "SELECT position, hash FROM events WHERE actor = ? ORDER BY position DESC LIMIT 1"
        )
        count, size = one(
            "SELECT count(*), coalesce(sum(size), 0) FROM messages"
            " WHERE to_actor = ? AND status = 'queued'"
        )
        return StoredActor(
            id=id,
            name=name,
            role=role,
            component=component,
            initialised=bool(initialised),
            last_incarnation=incarnation,
            state=state,
            loose_bytes=loose_bytes,
            next_turn=(last_turn or 0) + 1,
            head=head or GENESIS,
            length=0 if position is None else position + 1,
            mailbox_messages=count,
            mailbox_bytes=size,
            removed=bool(removed),
            facts=self._facts(id),
        )

    def _facts(self, actor: int) -> dict[str, Any]:
        row = self._db.execute(
            f"SELECT bytes FROM events WHERE actor = ? AND ({FACTS})"
            " ORDER BY position DESC LIMIT 1",
            (actor,),
        ).fetchone()
        payload = decode(row[0]).payload if row is not None else {}
        return payload if isinstance(payload, dict) else {}

    def open_turns(self) -> list[OpenRow]:
        rows = self._db.execute(
            "SELECT actor, turn, kind, message, steps, deliveries FROM turns WHERE status = 'open'"
        ).fetchall()
        return [OpenRow(*row) for row in rows]

    def ended_turns(self, actor: int, turn: int, incarnation: int, limit: int) -> int:
        """How many turns before this one an incarnation, the actor's last, has ended; counted up
        to `limit`."""
        rows = self._db.execute(
            "SELECT incarnation FROM turns WHERE actor = ? AND turn < ? AND status = 'done'"
            " ORDER BY turn DESC LIMIT ?",
            (actor, turn, limit),
        )
        return sum(1 for _ in takewhile(lambda row: row[0] == incarnation, rows))

    def waiting_turns(self, actor: int) -> list[tuple[int, int | None, int]]:
        """(turn, message, failed deliveries) of turns that never committed a step."""
        rows: list[tuple[int, int | None, int]] = self._db.execute(
            "SELECT turn, message, deliveries FROM turns WHERE status = 'waiting' AND actor = ?",
            (actor,),
        ).fetchall()
        return rows

    def failed_deliveries(
        self, actor: int | None = None
    ) -> list[tuple[int, int | None, int, bool]]:
        """(actor, message, deliveries, under a number it has no more) of inputs that have failed
        without a step; also of messages that have been consumed since."""
        rows: list[tuple[int, int | None, int, bool]] = self._db.execute(
            "SELECT actor, message, deliveries, status = 'renumbered' FROM turns"
            " WHERE status IN ('waiting', 'renumbered')"
            f" {'' if actor is None else 'AND actor = ?'}",
            () if actor is None else (actor,),
        ).fetchall()
        return rows

    def incarnation(self, actor: int, incarnation: int) -> tuple[float | None, float | None] | None:
        """(ready_at, ended_at) of an incarnation that the log knows of."""
        row: tuple[float | None, float | None] | None = self._db.execute(
            "SELECT ready_at, ended_at FROM incarnations WHERE actor = ? AND incarnation = ?",
            (actor, incarnation),
        ).fetchone()
        return row

    def turn_events(self, actor: int, turn: int) -> list[bytes]:
        """The bytes of the committed events of one of an actor's last turns, in order."""
        found = [bytes(data) for data, _, _ in self._turn_backwards(actor, turn)]
        found.reverse()
        return found

    def _turn_backwards(self, actor: int, turn: int) -> Iterator[tuple[bytes, int, float]]:
        """(bytes, index, time) of a turn's events, the last one first. From the end of the chain:
        no index finds a turn."""
        rows = self._db.execute(
            "SELECT bytes, idx, at, turn FROM events WHERE actor = ? ORDER BY position DESC",
            (actor,),
        )
        for data, index, at, of_turn in rows:
            if of_turn == turn:
                yield data, index, at
            elif 0 < of_turn < turn:
                break

    def waited_s(self, actor: int, turn: int, index: int) -> float:
        """How long the open ask that is event `index` has been waited for, at least: until the
        last commit before this broker, and since the actor's last start. While the system was
        down nobody waited."""
        since = next(
            at for _, at_index, at in self._turn_backwards(actor, turn) if at_index == index
        )
        (started,) = self._db.execute(
            "SELECT max(started_at) FROM incarnations WHERE actor = ?", (actor,)
        ).fetchone()
        (until,) = self._db.execute("SELECT at FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        return max(0.0, float(until) - max(since, started or 0.0))

    def last_exit(self, actor: int) -> bytes | None:
        """The bytes of an actor's last `exited` event."""
        row = self._db.execute(
            "SELECT bytes FROM events WHERE actor = ? AND type = 'exited'"
            " ORDER BY position DESC LIMIT 1",
            (actor,),
        ).fetchone()
        return None if row is None else bytes(row[0])

    def open_asks(self) -> list[tuple[int, int, int, float | None]]:
        """(actor, turn, index, timeout in seconds) of those that have no answer."""
        rows: list[tuple[int, int, int, float | None]] = self._db.execute(
            "SELECT actor, turn, idx, timeout_s FROM asks WHERE status = 'open'"
        ).fetchall()
        return rows

    def outstanding(self) -> list[tuple[Any, ...]]:
        """Requests that were received and not answered: see `outstanding.Row`."""
        rows: list[tuple[Any, ...]] = self._db.execute(
            "SELECT m.to_actor, m.to_name, m.id, m.turn, s.name, m.from_turn, m.from_index,"
            " m.client FROM messages m LEFT JOIN actors s ON s.id = m.from_actor"
            " WHERE m.status = 'outstanding' ORDER BY m.id"
        ).fetchall()
        return rows

    def channels(self) -> list[tuple[Any, ...]]:
        """Those that are open, or of whose end a side is still to be told: see `channels.Row`."""
        rows: list[tuple[Any, ...]] = self._db.execute(
            "SELECT c.id, c.opener, o.name, c.callee, e.name, c.reason, c.untold"
            " FROM channels c JOIN actors o ON o.id = c.opener JOIN actors e ON e.id = c.callee"
            " WHERE c.status = 'open' OR c.untold IS NOT NULL ORDER BY c.id"
        ).fetchall()
        return rows

    def timers(self, actor: int | None = None) -> list[tuple[Any, ...]]:
        """Of an actor (None: of each): see `timers.Row`."""
        rows: list[tuple[Any, ...]] = self._db.execute(
            "SELECT actor, name, interval_ms, due_at, message, turn, idx FROM timers"
            f" {'' if actor is None else 'WHERE actor = ?'} ORDER BY actor, name",
            () if actor is None else (actor,),
        ).fetchall()
        return rows

    def loops(self, actor: int | None = None) -> list[tuple[int, int, int]]:
        """(actor, message, its bytes) of the last round of a loop, of an actor or of each, that has
        not been handled."""
        rows: list[tuple[int, int, int]] = self._db.execute(
            "SELECT to_actor, max(id), size FROM messages WHERE status = 'queued' AND kind = 'loop'"
            f" {'' if actor is None else 'AND to_actor = ?'} GROUP BY to_actor ORDER BY to_actor",
            () if actor is None else (actor,),
        ).fetchall()
        return rows

    def subscriptions(self) -> list[tuple[int, int, int]]:
        """(child, position, events of it that wait for its parent)."""
        rows: list[tuple[int, int, int]] = self._db.execute(
            "SELECT s.child, s.position, (SELECT count(*) FROM messages m WHERE m.to_actor ="
            " s.parent AND m.status = 'queued' AND m.kind = 'child-event'"
            " AND m.from_actor = s.child) FROM subscriptions s"
        ).fetchall()
        return rows

    def senders(self, actor: int | None = None) -> Iterator[tuple[int, str]]:
        yield from self._db.execute(
            f"SELECT actor, sender FROM senders {'' if actor is None else 'WHERE actor = ?'}",
            () if actor is None else (actor,),
        )
