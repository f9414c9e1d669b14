"""The check of a log that may be damaged, before it is used."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.broker.logged import Logged, order
from theater import wire
from theater.broker.inspection import inspect, inspect_if_suspect
from theater.broker.root import RootSocket
from theater.broker.trouble import DAMAGED, Fatal, make_suspect, suspicion


def grow(db: sqlite3.Connection, boxes: Path) -> None:
    """Some turns more, of one more run."""
    logged = Logged(boxes, order("a"), order("b"), db=db)
    worker = logged.start("a")
    for number in range(5):
        client = f"{logged.turns.next_seq}:{number}"
        logged.turns.deliver_from_client("a", b"x" * 3000, "send", client)
        logged.step()
        worker.begin()
        worker.end(b"state %d" % number)
        logged.step()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A log in a file, with a few turns and contents in it."""
    db = sqlite3.connect(tmp_path / "chain.db", isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    (tmp_path / "boxes").mkdir()
    grow(db, tmp_path / "boxes")
    yield db
    db.close()


def first(db: sqlite3.Connection) -> str | None:
    return inspect(db, lambda _count: None)


def test_a_log_that_is_whole_has_nothing(db: sqlite3.Connection) -> None:
    assert first(db) is None
    assert first(sqlite3.connect(":memory:", isolation_level=None)) is None


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE events SET bytes = x'00' WHERE seq = 5", "is broken at event"),
        ("UPDATE events SET hash = zeroblob(32) WHERE seq = 5", "is broken at event"),
        ("DELETE FROM events WHERE actor = 2 AND position = 1", "is broken at event 2"),
        ("UPDATE blobs SET bytes = x'00' WHERE rowid = 2", "has another hash"),
    ],
)
def test_every_event_and_content_is_looked_at(
    db: sqlite3.Connection, damage: str, found: str
) -> None:
    assert db.execute(damage).rowcount == 1
    assert found in str(first(db))


def test_a_page_that_is_an_older_one_is_found(db: sqlite3.Connection, tmp_path: Path) -> None:
    """As after a sync that failed: the file is as it should be, but for one page."""
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path = tmp_path / "chain.db"
    old = path.read_bytes()
    grow(db, tmp_path / "boxes")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    new = bytearray(path.read_bytes())
    changed = [at for at in range(0, len(old), 4096) if old[at : at + 4096] != new[at : at + 4096]]
    found = 0
    for at in changed:
        mixed = bytearray(new)
        mixed[at : at + 4096] = old[at : at + 4096]
        path.write_bytes(mixed)
        damaged = sqlite3.connect(path, isolation_level=None)
        try:
            found += first(damaged) is not None
        except sqlite3.DatabaseError:
            found += 1
        damaged.close()
    assert found > len(changed) // 2 > 2  # the others only `theater fsck` can find


def test_only_a_suspect_log_is_inspected_and_root_hears_of_it(
    db: sqlite3.Connection, tmp_path: Path
) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    root, frames = RootSocket(theirs), wire.FrameReader()
    log = str(tmp_path / "chain.db")

    def told() -> list[Any]:
        try:
            return frames.feed(ours.recv(1 << 16))
        except BlockingIOError:
            return []

    inspect_if_suspect(db, log, root)
    assert told() == []
    make_suspect(log, "disk I/O error")
    why = suspicion(log)
    inspect_if_suspect(db, log, root)
    begun, ended = told()
    assert begun == ["progress", f"checking the log after: {why}"]
    assert ended[0] == "progress" and "`theater fsck`" in ended[1]
    assert suspicion(log) is None

    make_suspect(log, "disk I/O error")
    db.execute("UPDATE events SET bytes = x'00' WHERE seq = 5")
    with pytest.raises(Fatal, match="is damaged: the chain of actor number") as refused:
        inspect_if_suspect(db, log, root)
    assert refused.value.code == DAMAGED
    assert suspicion(log) is not None, "the next one must not use it either"
