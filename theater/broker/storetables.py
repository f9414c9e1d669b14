"""The tables of stores: written with a batch, and read with what the batch has not written yet.

Labels are not kept in memory: what is asked about a store is read when it is asked.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import islice
from typing import Any, Protocol

from theater.broker.batch import Batch
from theater.broker.migration import Connection


class Rows(Protocol):
    """What is committed. Lists are in order, and have their first `limit` entries."""

    def label(self, store: str, label: str) -> bytes | None: ...
    def labels(self, store: str, limit: int) -> list[str]: ...
    def has_content(self, store: str, hash: bytes) -> bool: ...
    def contents(self, store: str, limit: int) -> list[bytes]: ...
    def total_bytes(self, store: str) -> int: ...


class NoRows:
    """Nothing has been committed yet."""

    def label(self, store: str, label: str) -> bytes | None:
        return None

    def labels(self, store: str, limit: int) -> list[str]:
        return []

    def has_content(self, store: str, hash: bytes) -> bool:
        return False

    def contents(self, store: str, limit: int) -> list[bytes]:
        return []

    def total_bytes(self, store: str) -> int:
        return 0


class StoreRows:
    """Those of `chain.db`."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def label(self, store: str, label: str) -> bytes | None:
        row = self._db.execute(
            "SELECT hash FROM labels WHERE store = ? AND label = ?", (store, label)
        ).fetchone()
        return None if row is None else bytes(row[0])

    def labels(self, store: str, limit: int) -> list[str]:
        rows = self._db.execute(
            "SELECT label FROM labels WHERE store = ? ORDER BY label LIMIT ?", (store, limit)
        )
        return [str(label) for (label,) in rows]

    def has_content(self, store: str, hash: bytes) -> bool:
        sql = "SELECT 1 FROM contents WHERE store = ? AND hash = ?"
        return self._db.execute(sql, (store, hash)).fetchone() is not None

    def contents(self, store: str, limit: int) -> list[bytes]:
        rows = self._db.execute(
            "SELECT hash FROM contents WHERE store = ? ORDER BY hash LIMIT ?", (store, limit)
        )
        return [bytes(hash) for (hash,) in rows]

    def total_bytes(self, store: str) -> int:
        sql = "SELECT coalesce(sum(size), 0) FROM contents WHERE store = ?"
        return int(self._db.execute(sql, (store,)).fetchone()[0])


def write(db: Connection, batch: Batch) -> int:
    """Within the transaction of the batch; the number of rows."""
    put: list[Sequence[Any]] = [
        (store, hash, size, seq)
        for store, contents in batch.contents.items()
        for hash, (size, seq) in contents.items()
    ]
    if put:
        db.executemany(
            "INSERT OR IGNORE INTO contents (store, hash, size, seq) VALUES (?,?,?,?)", put
        )
    changes = [(store, *each) for store, labels in batch.labels.items() for each in labels.items()]
    named = [(store, label, *named) for store, label, named in changes if named is not None]
    if named:
        db.executemany(
            "INSERT INTO labels (store, label, hash, seq) VALUES (?,?,?,?) ON CONFLICT (store,"
            " label) DO UPDATE SET hash = excluded.hash, seq = excluded.seq",
            named,
        )
    gone = [(store, label) for store, label, named in changes if named is None]
    if gone:
        db.executemany("DELETE FROM labels WHERE store = ? AND label = ?", gone)
    return len(put) + len(changes)


class Shelves:
    """What stores hold now: the rows, with the changes of a batch that is not written yet."""

    def __init__(self, rows: Rows, batch: Batch) -> None:
        self._rows = rows
        self._batch = batch

    def label(self, store: str, label: str) -> bytes | None:
        """The hash that it names."""
        changed = self._batch.labels.get(store, {})
        if label not in changed:
            return self._rows.label(store, label)
        named = changed[label]
        return None if named is None else named[0]

    def labels(self, store: str, limit: int) -> list[str]:
        changed = self._batch.labels.get(store, {})
        written = self._rows.labels(store, limit + len(changed))
        new = sorted(label for label, named in changed.items() if named is not None)
        old = (label for label in written if label not in changed)
        return list(islice(heapq.merge(old, new), limit))

    def contents(self, store: str, limit: int) -> list[bytes]:
        """Hashes."""
        put = self._batch.contents.get(store, {})
        old = (hash for hash in self._rows.contents(store, limit + len(put)) if hash not in put)
        return list(islice(heapq.merge(old, sorted(put)), limit))

    def total_bytes(self, store: str) -> int:
        put = self._batch.contents.get(store, {})
        new = sum(
            size for hash, (size, _) in put.items() if not self._rows.has_content(store, hash)
        )
        return self._rows.total_bytes(store) + new
