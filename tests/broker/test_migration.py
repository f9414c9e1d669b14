"""A log of an older theater becomes one of this one, or stays what it is."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from theater import wire
from theater.broker import schema
from theater.broker.log import Log
from theater.broker.outstanding import NOBODY
from theater.broker.stored import FACTS
from theater.chain import GENESIS, first_break, link
from theater.client import reader
from theater.client.reader import LogReader
from theater.errors import EnvironmentProblem
from theater.events import EventType, content_hash, encode
from theater.spec import Durability

OLDER = (1, 2, 3, 4)  # versions that are changed
STATE = b"kept"


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def make_v1(path: Path) -> list[tuple[Any, ...]]:
    return make(path, 1)


def make(path: Path, version: int) -> list[tuple[Any, ...]]:
    """A log as an older version wrote it: an actor with a state, a message that waits, and one
    that was set aside."""
    db = connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(Path(__file__).with_name(f"chain_v{version}.sql").read_text())
    db.execute(
        "INSERT INTO actors (id, name, component, phase, created_at, initialised)"
        " VALUES (1, 'a', 'c0ffee', 'running', 1.0, 1)"
    )
    facts: dict[str, Any] = {
        "component": "c0ffee",
        "engine": {},
        "grants": {},
        "initial_state": None,
    }
    payloads = [(EventType.CREATED, facts), (EventType.DECIDED, {"decision": "restart"})]
    head = GENESIS
    for position, (type, payload) in enumerate(payloads):
        data = encode("a", position, 0, position, type, "theater", type, payload)
        head = link(head, data)
        db.execute(
            "INSERT INTO events (seq, actor, position, incarnation, turn, idx, type, function,"
            " line, bytes, hash, at) VALUES (?,1,?,?,0,?,?,?,NULL,?,?,2.0)",
            (position + 1, position, position, position, type, type, data, head),
        )
    db.execute("INSERT INTO blobs (hash, bytes) VALUES (?, ?)", (content_hash(STATE), STATE))
    db.execute(
        "INSERT INTO turns (actor, turn, kind, status, incarnation, state, at)"
        " VALUES (1, 1, 'init', 'done', 1, ?, 2.0)",
        (content_hash(STATE),),
    )
    db.execute(
        "INSERT INTO messages (id, kind, to_actor, to_name, client, size, body, status, at)"
        " VALUES (1, 'send', 1, 'a', 'id-1', 2, x'6869', 'queued', 3.0),"
        " (2, 'send', NULL, 'nobody', 'id-2', 1, x'21', 'dead', 4.0),"
        " (3, 'request', 1, 'a', 'id-3', 1, x'3f', 'done', 5.0)"
    )
    db.execute(
        "INSERT INTO dead_letters (id, message, actor, reason, at)"
        " VALUES (1, 2, 'nobody', 'no-actor: there is no actor nobody', 4.0)"
    )
    rows = contents(db)
    db.close()
    return rows


def contents(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """All rows, by the columns that every version knows."""
    rows = []
    for table in ("events", "blobs", "incarnations", "counters"):
        rows += db.execute(f"SELECT '{table}', * FROM {table}").fetchall()
    columns = "actor, turn, kind, message, status, incarnation, steps, deliveries, state, at"
    rows += db.execute(f"SELECT {columns} FROM turns").fetchall()
    columns = "id, kind, to_actor, to_name, client, size, body, status, at"
    rows += db.execute(f"SELECT {columns} FROM messages").fetchall()
    columns = "id, name, component, phase, reason, initialised, created_at, removed_at"
    rows += db.execute(f"SELECT {columns} FROM actors").fetchall()
    columns = "id, message, actor, turn, reason, state, evidence, at"
    return rows + db.execute(f"SELECT {columns} FROM dead_letters").fetchall()


def shape(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Everything there is, by name, and the columns of the tables."""
    names = db.execute("SELECT type, name FROM sqlite_schema ORDER BY type, name").fetchall()
    for _, name in list(names):
        names += db.execute("SELECT * FROM pragma_table_xinfo(?)", (name,)).fetchall()
        names += db.execute("SELECT * FROM pragma_index_xinfo(?)", (name,)).fetchall()
    return [*names, *db.execute("PRAGMA user_version").fetchall()]


@pytest.mark.parametrize("version", OLDER)
def test_an_older_log_is_changed_and_nothing_in_it_is_lost(tmp_path: Path, version: int) -> None:
    path = tmp_path / "chain.db"
    before = make(path, version)
    Log(db := connect(path), Durability.PROCESS)
    assert contents(db) == before
    assert db.execute("SELECT role FROM actors").fetchall() == [("actor",)]
    letters = db.execute("SELECT status, again, client, decided_at FROM dead_letters").fetchall()
    assert letters == [("open", None, None, None)]
    answers = db.execute("SELECT id, answer FROM messages WHERE answer IS NOT NULL").fetchall()
    assert answers == ([(3, wire.pack({"err": NOBODY}))] if version < 4 else [])
    assert db.execute("SELECT id, sender, actor, body FROM dead WHERE status = 'open'").fetchall()
    Log(fresh := connect(tmp_path / "fresh.db"), Durability.PROCESS)
    assert shape(db) == shape(fresh)


@pytest.mark.parametrize("version", OLDER)
def test_the_copy_of_the_old_log_is_whole_and_stays(tmp_path: Path, version: int) -> None:
    path = tmp_path / "chain.db"
    before = make(path, version)
    Log(connect(path), Durability.PROCESS)
    Log(connect(path), Durability.PROCESS)
    copy = connect(tmp_path / f"chain.db.v{version}")
    assert contents(copy) == before
    assert copy.execute("PRAGMA user_version").fetchone() == (version,)
    assert not (tmp_path / f"chain.db.v{version}.part").exists()


class Interrupted(Exception):
    pass


class Failing:
    """A connection that fails, or whose process is killed, before the statement `at`."""

    def __init__(self, db: sqlite3.Connection, at: int, kill: bool = False) -> None:
        self._db, self.left, self._kill = db, at, kill
        self.executemany, self.close = db.executemany, db.close

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        if self.left == 0 and sql != "ROLLBACK":
            if self._kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise Interrupted
        self.left -= 1
        return self._db.execute(sql, parameters)


# Of a migration, and then those that open a log of this version.
STATEMENTS = {1: 43, 2: 40, 3: 34, 4: 22}
MOMENTS = [(version, at) for version in OLDER for at in range(STATEMENTS[version])]


@pytest.mark.parametrize(("version", "at"), MOMENTS)
def test_a_migration_that_is_interrupted_anywhere_is_done_by_the_next(
    tmp_path: Path, version: int, at: int
) -> None:
    path = tmp_path / "chain.db"
    before = make(path, version)
    with pytest.raises(Interrupted):
        Log(Failing(db := connect(path), at), Durability.PROCESS)
    assert contents(db) == before
    db.close()
    Log(db := connect(path), Durability.PROCESS)
    assert contents(db) == before
    assert contents(connect(tmp_path / f"chain.db.v{version}")) == before
    assert db.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)


@pytest.mark.parametrize("version", OLDER)
def test_no_moment_of_a_migration_is_left_out(tmp_path: Path, version: int) -> None:
    make(path := tmp_path / "chain.db", version)
    Log(failing := Failing(connect(path), 1000), Durability.PROCESS)
    assert 1000 - failing.left == STATEMENTS[version]


@pytest.mark.parametrize(
    ("version", "at"), [(1, 2), (1, 8), (2, 5), (2, 10), (3, 5), (3, 9), (4, 6)]
)
def test_a_migration_that_is_killed_is_done_by_the_next(
    tmp_path: Path, version: int, at: int
) -> None:
    path = tmp_path / "chain.db"
    before = make(path, version)
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from tests.broker.test_migration import Durability, Failing, Log, connect\n"
        f"Log(Failing(connect(Path(sys.argv[1])), {at}, kill=True), Durability.PROCESS)\n"
    )
    root = Path(__file__).parent.parent.parent
    killed = subprocess.run([sys.executable, "-c", code, str(path)], cwd=root)
    assert killed.returncode == -signal.SIGKILL
    db = connect(path)
    assert db.execute("PRAGMA user_version").fetchone() == (version,)
    Log(db, Durability.PROCESS)
    assert contents(db) == before
    assert db.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)


def test_a_log_whose_copy_cannot_be_kept_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "chain.db"
    before = make_v1(path)
    (tmp_path / "chain.db.v1.part").mkdir()
    with pytest.raises(EnvironmentProblem, match=r"a copy of it cannot be kept at .*chain\.db\.v1"):
        Log(db := connect(path), Durability.PROCESS)
    db = connect(path)
    assert contents(db) == before and db.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_log_of_a_newer_theater_is_refused(tmp_path: Path) -> None:
    path, newer = tmp_path / "chain.db", schema.VERSION + 1
    Log(db := connect(path), Durability.PROCESS)
    db.execute(f"PRAGMA user_version = {newer}")
    with pytest.raises(EnvironmentProblem, match=rf"chain\.db has schema version {newer}"):
        Log(connect(path), Durability.PROCESS)
    with pytest.raises(EnvironmentProblem, match=f"the log has schema version {newer}"):
        LogReader(str(path))


@pytest.mark.parametrize("version", OLDER)
def test_a_log_can_be_read_before_it_is_changed_and_after(tmp_path: Path, version: int) -> None:
    path = tmp_path / "chain.db"
    make(path, version)
    log = LogReader(str(path))
    for _ in range(2):
        assert log.actors() == log.present_actors() == ["a"] and log.supervisors() == []
        assert log.state("a") == STATE
        assert [row.event.type for row in log.decisions()] == ["decided"]
        assert first_break([(row.data, row.hash) for row in log.events()]) is None
        Log(connect(path), Durability.PROCESS)


def test_what_a_turn_was_about_is_asked_as_before(tmp_path: Path) -> None:
    """A column of `actors` by the name of one of theirs would make such questions ambiguous."""
    path = tmp_path / "chain.db"
    make_v1(path)
    Log(connect(path), Durability.PROCESS)
    for table in ("turns", "asks"):
        LogReader(str(path)).query(f"SELECT kind FROM {table} t JOIN actors a ON a.id = t.actor")


def test_reader_and_broker_speak_of_the_same_version() -> None:
    assert reader.VERSION == schema.VERSION
    assert schema.MIGRATIONS.keys() == set(range(1, schema.VERSION))


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("e.seq > ? AND e.type = 'decided' ORDER BY e.seq LIMIT 1000", "decisions"),
        (f"actor = ? AND ({FACTS}) ORDER BY position DESC LIMIT 1", "facts"),
    ],
)
def test_what_is_rare_is_found_by_its_index(tmp_path: Path, sql: str, index: str) -> None:
    path = tmp_path / "chain.db"
    make_v1(path)
    Log(db := connect(path), Durability.PROCESS)
    plan = db.execute(f"EXPLAIN QUERY PLAN SELECT bytes FROM events e WHERE {sql}", (1,))
    (step,) = plan.fetchall()
    assert f"INDEX {index} " in f"{step[3]} "
