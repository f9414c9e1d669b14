"""What SQLite's errors mean: real ones, and what the disk says to a small file beside the log."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from theater.broker.trouble import (
    DAMAGED,
    clear,
    judge,
    make_suspect,
    suspicion,
    what_is_lacking,
)


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "chain.db"
    db = connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE t (x)")
    db.close()
    return path


def full(path: Path) -> None:
    db = connect(path)
    db.execute("PRAGMA max_page_count = 2")
    db.execute("INSERT INTO t VALUES (zeroblob(100000))")


def busy(path: Path) -> None:
    other = connect(path)
    other.execute("BEGIN IMMEDIATE")
    try:
        connect(path).execute("BEGIN IMMEDIATE")
    finally:
        other.close()


def read_only(path: Path) -> None:
    sqlite3.connect(f"file:{path}?mode=ro", uri=True).execute("DELETE FROM t")


def no_database(path: Path) -> None:
    path.write_bytes(b"no database " * 1000)
    connect(path).execute("SELECT * FROM t")


def no_directory(path: Path) -> None:
    connect(path / "x").execute("SELECT 1")


def a_mistake(path: Path) -> None:
    connect(path).execute("SELEC")


@pytest.mark.parametrize(
    ("fail", "passes", "code", "what"),
    [
        (full, True, 6, "the disk is full"),
        (busy, True, 1, "another program has locked it"),
        (read_only, False, 6, "it is read-only"),
        (no_database, False, DAMAGED, "it is damaged (file is not a database)"),
        (no_directory, False, 1, "unable to open database file (SQLITE_CANTOPEN)"),
        (a_mistake, False, 1, 'near "SELEC": syntax error (SQLITE_ERROR)'),
    ],
)
def test_waiting_helps_against_a_full_disk_and_a_lock(
    path: Path, fail: Callable[[Path], None], passes: bool, code: int, what: str
) -> None:
    with pytest.raises(sqlite3.Error) as error:
        fail(path)
    trouble = judge(error.value, str(path))
    assert (trouble.passes, trouble.code, trouble.what) == (passes, code, what)
    assert trouble.todo


UNCLEAR = (
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
)


@pytest.mark.parametrize("code", UNCLEAR)
@pytest.mark.parametrize(
    ("number", "what"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EIO, ""),
        (0, ""),
    ],
)
def test_where_sqlite_does_not_say_what_failed_the_disk_is_asked(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int, number: int, what: str
) -> None:
    def write(_descriptor: int, data: bytes) -> int:
        if number:
            raise OSError(number, os.strerror(number))
        return len(data)

    monkeypatch.setattr(os, "write", write)
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    trouble = judge(error, str(path))
    if code == sqlite3.SQLITE_FULL:
        assert trouble.passes and trouble.what == (what or "the disk is full")
    else:
        assert trouble.passes == bool(what)
        assert trouble.what == what or not what


def test_a_sync_that_failed_is_never_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theater.broker.trouble.what_is_lacking", lambda _log: "room")
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    assert not judge(error, str(path)).passes


def test_asking_the_disk_leaves_nothing_behind(path: Path) -> None:
    assert what_is_lacking(str(path)) == ""
    assert os.listdir(path.parent) == ["chain.db"]


def test_a_suspicion_lasts_until_it_is_cleared(path: Path) -> None:
    log = str(path)
    assert suspicion(log) is None
    assert make_suspect(log, "disk I/O error")
    assert str(suspicion(log)).startswith("disk I/O error, 20")
    clear(log)
    clear(log)
    assert suspicion(log) is None
    assert not make_suspect(f"{log}/x", "it fails")
