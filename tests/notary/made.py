"""Logs made by hand, with as much in them as a tree is made of."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from theater import merkle
from theater.broker.schema import TABLES
from theater.chain import GENESIS, link
from theater.events import encode
from theater.paths import DataPaths

NAMES = ("/", "a", "pool/worker-1")


class Made:
    """A data directory with a log that can grow, shrink and change."""

    def __init__(self, directory: Path) -> None:
        self.paths = DataPaths(str(directory))
        self.size = 0
        with closing(self.connect()) as db:
            db.executescript("PRAGMA journal_mode = WAL;" + TABLES)
            for id, name in enumerate(NAMES, 1):
                db.execute("INSERT INTO actors VALUES (?,?,'','','',0,0,NULL,'actor')", (id, name))

    def connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.paths.log, isolation_level=None)

    def grow(self, count: int) -> None:
        with closing(self.connect()) as db:
            db.execute("BEGIN")
            for _ in range(count):
                actor = self.size % len(NAMES) + 1
                ((position,),) = db.execute(
                    "SELECT count(*) FROM events WHERE actor = ?", (actor,)
                ).fetchall()
                found = db.execute(
                    "SELECT hash FROM events WHERE actor = ? AND position = ?",
                    (actor, position - 1),
                ).fetchone()
                self.size += 1
                data = encode(NAMES[actor - 1], 1, 0, position, "x", "theater", "x", {})
                hash = link(found[0] if found else GENESIS, data)
                row = (self.size, actor, position, 1, 0, position, "x", "x", None, data, hash)
                db.execute(
                    "INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", (*row, self.size / 8)
                )
            db.execute("COMMIT")

    def change(self, sql: str) -> None:
        with closing(self.connect()) as db:
            assert db.execute(sql).rowcount > 0
        self.size = self.root_of()[0]

    def root_of(self, size: int | None = None) -> tuple[int, bytes]:
        """Size and root, made from all of its rows."""
        with closing(self.connect()) as db:
            rows = db.execute(
                "SELECT e.seq, a.name, e.hash, e.at FROM events e JOIN actors a ON a.id = e.actor"
                " WHERE e.seq <= ? ORDER BY e.seq",
                (1 << 62 if size is None else size,),
            ).fetchall()
        return len(rows), merkle.root(merkle.leaf(*row) for row in rows)
