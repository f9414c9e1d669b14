"""A log that a real system wrote, with tree heads of it; copies of the directory to damage."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.fsck.conftest import build
from theater import heads, keys, merkle
from theater.fsck.findings import Note, Problem
from theater.heads import Head
from theater.paths import DataPaths
from theater.verify.verify import Summary, verify

RANGE = 32  # events that are verified at once, so that a small log has many ranges


def leaves_of(path: str) -> list[bytes]:
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(
            "SELECT e.seq, a.name, e.hash, e.at FROM events e JOIN actors a ON a.id = e.actor"
            " ORDER BY e.seq"
        )
        return [merkle.leaf(*row) for row in rows]


def sign_all(directory: Path, sizes: list[int]) -> list[Head]:
    """Heads over the first so many events, in `heads.jsonl`, with a key of their own."""
    paths = DataPaths(str(directory))
    key = keys.generate()
    Path(paths.heads_key).write_bytes(key.pem)
    Path(paths.heads_public_key).write_bytes(key.public.pem)
    leaves = leaves_of(paths.log)
    made = [
        heads.sign(key, size, merkle.root(leaves[:size]), 1_764_121_293.0 + size) for size in sizes
    ]
    Path(paths.heads).write_text("".join(f"{head.line()}\n" for head in made))
    return made


@pytest.fixture(scope="session")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the log in one file, and six heads of it."""
    directory = tmp_path_factory.mktemp("signed")
    build(directory)
    data = directory / "data"
    data.mkdir()
    with closing(sqlite3.connect(directory / ".theater" / "chain.db")) as db:
        _move_a_state(db)
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ((size,),) = db.execute("SELECT max(seq) FROM events").fetchall()
    shutil.copyfile(directory / ".theater" / "chain.db", data / "chain.db")
    sign_all(data, [1, 7, 124, RANGE * 4, size - 5, size])
    return data


def _move_a_state(db: sqlite3.Connection) -> None:
    """As of an actor whose `state_every` lets its last state go with the next one."""
    actor, turn, state, row = db.execute(
        "SELECT t.actor, t.turn, t.state, b.rowid FROM turns t JOIN blobs b ON b.hash = t.state"
        " WHERE t.status = 'done' AND t.turn ="
        " (SELECT max(turn) FROM turns WHERE actor = t.actor AND status = 'done') AND 1 ="
        " (SELECT count(*) FROM turns x WHERE x.state = t.state)"
        " AND t.state NOT IN (SELECT state FROM dead_letters WHERE state IS NOT NULL) LIMIT 1"
    ).fetchone()
    moved = "INSERT INTO last_states SELECT ?, hash, bytes FROM blobs WHERE rowid = ?"
    db.execute(moved, (actor, row))
    db.execute("UPDATE turns SET kept = 0 WHERE actor = ? AND turn = ?", (actor, turn))
    db.execute("DELETE FROM blobs WHERE hash = ?", (state,))
    db.execute("UPDATE blobs SET rowid = rowid - 1 WHERE rowid > ?", (row,))


class Copy:
    """A copy of it, to be damaged, and what is found in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.paths = DataPaths(str(directory))
        self.key = keys.read_private(Path(self.paths.heads_key).read_bytes(), "")

    def connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.paths.log, isolation_level=None)
        db.execute("PRAGMA synchronous = OFF")
        return db

    def sql(self, *statements: str) -> None:
        with closing(self.connect()) as db:
            for statement in statements:
                assert db.execute(statement).rowcount != 0, f"nothing to damage: {statement}"

    def edit(self, change: Callable[[sqlite3.Connection], object]) -> None:
        with closing(self.connect()) as db:
            change(db)

    def rows(self, sql: str, *parameters: Any) -> list[Any]:
        with closing(self.connect()) as db:
            return db.execute(sql, parameters).fetchall()

    def one(self, sql: str, *parameters: Any) -> Any:
        return self.rows(sql, *parameters)[0][0]

    @property
    def size(self) -> int:
        """Each time the log is made it has some more or less events: it was waited in it."""
        size: int = self.one("SELECT max(seq) FROM events")
        return size

    def heads(self) -> list[str]:
        return Path(self.paths.heads).read_text().splitlines()

    def verify(self, **options: Any) -> tuple[list[str], Summary]:
        """What is told, problems and notes, and the summary."""
        options = {"processes": 1, "range_events": RANGE, **options}
        found: list[Problem | Note] = []
        summary = verify(self.paths, found.append, **options)
        assert sum(isinstance(each, Problem) for each in found) == summary.problems
        return [str(each) if isinstance(each, Problem) else each.text for each in found], summary


@pytest.fixture
def copy(signed: Path, tmp_path: Path) -> Iterator[Copy]:
    shutil.copytree(signed, tmp_path / "data")
    yield Copy(tmp_path / "data")
