"""The log: `chain.db`, written by one connection in one process, read by many.

The connection comes in as an argument, and only `execute`, `executemany` and explicit
BEGIN and COMMIT are used on it.

What is committed lies in the WAL first. A checkpoint copies it into the file, and the next commit
begins the WAL anew if no reader is in the middle of it. SQLite would do that by itself within a
commit, and would not say when it fails: so it is done here, after what waited for the commit has
left.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from theater.broker import chains, storetables
from theater.broker.batch import WRITES, Batch
from theater.broker.migration import Connection, migrate
from theater.broker.stored import Stored
from theater.crashpoints import reached
from theater.spec import Durability

CHECKPOINT_PAGES = 8000  # about so many in the WAL; each checkpoint costs two syncs
WAL_KEPT_BYTES = 64 * 1024 * 1024  # a WAL that a reader made larger than this shrinks again
# What a commit writes, measured: SQLite tells the pages only at a checkpoint.
_COMMIT_PAGES, _PAGE_ROWS, _PAGE_BYTES = 6, 7, 4096


class Log:
    def __init__(self, connection: Connection, durability: Durability) -> None:
        self._db = connection
        self.path = connection.execute("PRAGMA database_list").fetchone()[2]
        self._pages = 0  # written since the last checkpoint, about
        self._pages_due = CHECKPOINT_PAGES
        self.stored = Stored(connection)
        self.store_rows = storetables.StoreRows(connection)
        self.chain_rows = chains.ChainRows(connection)
        # Else what overflows in a statement goes to a file in /tmp, and its room is needed too.
        connection.execute("PRAGMA temp_store = MEMORY")
        migrate(connection)
        self._db.execute("PRAGMA journal_mode = WAL")
        # FULL syncs the WAL at each commit and survives power loss; NORMAL does not sync it and
        # survives the death of any process.
        level = "FULL" if durability is Durability.DISK else "NORMAL"
        self._db.execute(f"PRAGMA synchronous = {level}")
        self._db.execute("PRAGMA cache_size = -32768")
        self._db.execute("PRAGMA wal_autocheckpoint = 0")
        self._db.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")

    # Writing

    def write(self, batch: Batch) -> None:
        """Write all rows of `batch` in one transaction; on return they are committed."""
        count = 0
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for name, sql in WRITES:
                rows = getattr(batch, name)
                if rows:
                    self._db.executemany(sql, rows)
                    count += len(rows)
            for counter, value in batch.counters.items():
                self._db.execute(
                    "INSERT INTO counters (name, value) VALUES (?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                    (counter, value),
                )
            for actor, state in batch.last_states.items():
                self._write_state(actor, state)
            for timer, row in batch.timers.items():
                self._write_timer(timer, row)
            count += storetables.write(self._db, batch)
            reached("broker.in-commit")
            self._db.execute("COMMIT")
        except BaseException:
            if getattr(self._db, "in_transaction", True):
                self._db.execute("ROLLBACK")
            raise
        contents = [*batch.blobs, *filter(None, batch.last_states.values())]
        pages = sum(1 + len(content) // _PAGE_BYTES for _, content in contents)
        self._pages += _COMMIT_PAGES + count // _PAGE_ROWS + pages

    def wants_checkpoint(self) -> bool:
        return self._pages >= self._pages_due

    def checkpoint(self) -> None:
        """Copy what is in the WAL into the file, as far as readers let us. They are not waited for:
        if one stays in a transaction, the WAL grows, and this is tried again soon."""
        busy, pages, copied = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._pages = 0
        self._pages_due = CHECKPOINT_PAGES // (1 if not busy and copied == pages else 8)

    def empty_wal(self) -> None:
        """Leave one file behind, if nobody reads it."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._db.close()

    def _write_state(self, actor: int, state: tuple[bytes, bytes] | None) -> None:
        if state is None:
            self._db.execute("DELETE FROM last_states WHERE actor = ?", (actor,))
            return
        # Not INSERT OR REPLACE: so SQLite writes over a row of the same size, and of its pages
        # those that differ.
        self._db.execute(
            "INSERT INTO last_states (actor, hash, bytes) VALUES (?,?,?) ON CONFLICT (actor)"
            " DO UPDATE SET hash = excluded.hash, bytes = excluded.bytes",
            (actor, *state),
        )

    def _write_timer(self, timer: tuple[int, str], row: tuple[Any, ...] | None) -> None:
        if row is None:
            self._db.execute("DELETE FROM timers WHERE actor = ? AND name = ?", timer)
            return
        self._db.execute(
            "INSERT OR REPLACE INTO timers (actor, name, interval_ms, due_at, message, turn, idx)"
            " VALUES (?,?,?,?,?,?,?)",
            (*timer, *row),
        )

    # Reading

    def mailbox_after(self, actor: int, message: int, limit: int) -> list[tuple[Any, ...]]:
        """The next queued messages after id `message`, oldest first: rows for `turns.Message`."""
        rows: list[tuple[Any, ...]] = self._db.execute(
            "SELECT m.id, m.kind, s.name, m.from_actor, m.from_turn, m.from_index, m.client,"
            " coalesce(m.body, b.bytes), m.size, m.channel, m.answer IS NOT NULL"
            " FROM messages m LEFT JOIN blobs b ON b.hash = m.body_hash"
            " LEFT JOIN actors s ON s.id = m.from_actor"
            " WHERE m.to_actor = ? AND m.status = 'queued' AND m.id > ? ORDER BY m.id LIMIT ?",
            (actor, message, limit),
        ).fetchall()
        return rows

    def waiting_after(self, actor: int, message: int) -> Iterator[tuple[Any, ...]]:
        """As `mailbox_after`, all of them and without their bodies."""
        yield from self._db.execute(
            "SELECT m.id, m.kind, s.name, m.from_actor, m.from_turn, m.from_index, m.client,"
            " x'', m.size, m.channel, m.answer IS NOT NULL"
            " FROM messages m LEFT JOIN actors s ON s.id = m.from_actor"
            " WHERE m.to_actor = ? AND m.status = 'queued' AND m.id > ? ORDER BY m.id",
            (actor, message),
        )

    def blob(self, hash: bytes) -> bytes | None:
        row = self._db.execute("SELECT bytes FROM blobs WHERE hash = ?", (hash,)).fetchone()
        return None if row is None else bytes(row[0])

    def state(self, actor: int, hash: bytes) -> bytes | None:
        """The last state of an actor, wherever it is."""
        row = self._db.execute(
            "SELECT bytes FROM last_states WHERE actor = ? AND hash = ?", (actor, hash)
        ).fetchone()
        return self.blob(hash) if row is None else bytes(row[0])

    def client_message(self, client: str) -> tuple[int, str, bytes | None, str] | None:
        """(id, status, answer, kind) of the message a client has sent under this id before."""
        row: tuple[int, str, bytes | None, str] | None = self._db.execute(
            "SELECT id, status, answer, kind FROM messages WHERE client = ?", (client,)
        ).fetchone()
        return row

    def dead_letter(self, id: int) -> tuple[Any, ...] | None:
        """(actor, status, again, message, kind, sender, sender's id, turn, index, body,
        channel)."""
        row: tuple[Any, ...] | None = self._db.execute(
            "SELECT d.actor, d.status, d.again, d.message, m.kind, s.name, m.from_actor,"
            " m.from_turn, m.from_index, coalesce(m.body, b.bytes), m.channel"
            " FROM dead_letters d LEFT JOIN messages m ON m.id = d.message"
            " LEFT JOIN blobs b ON b.hash = m.body_hash"
            " LEFT JOIN actors s ON s.id = m.from_actor WHERE d.id = ?",
            (id,),
        ).fetchone()
        return row

    def client_decision(self, client: str) -> tuple[int, str, int | None] | None:
        """(dead letter, status, again) that a client has decided about under this id before."""
        row: tuple[int, str, int | None] | None = self._db.execute(
            "SELECT id, status, again FROM dead_letters WHERE client = ?", (client,)
        ).fetchone()
        return row
