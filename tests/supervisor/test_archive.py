"""A log is put away with all that belongs to it, whatever dies meanwhile, and nothing is lost."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from theater.errors import EnvironmentProblem, Refused
from theater.paths import DataPaths
from theater.supervisor import archive
from theater.supervisor.datadir import begin_anew, open_data

NOON = 43_200.0
NAME = "1970-01-01T12-00-00Z"
USED, OLD = (hashlib.sha256(text).hexdigest() for text in (b"used", b"no longer"))


class Killed(BaseException):
    """As if by SIGKILL: nobody gets to clean anything up."""


def fill(data: Path) -> None:
    """What a system leaves that was killed: the last rows are in the WAL only."""
    (data / "boxes").mkdir(parents=True)
    (data / "boxes" / "beef-1").write_bytes(b"the last words")
    (data / "internal.log").write_text("trouble\n")
    (data / "store" / "unfinished").mkdir(parents=True)
    (data / "store" / "s").mkdir()
    (data / "store" / "s" / USED).write_bytes(b"used")
    (data / "chain.db.v1").write_text("older")
    for name in ("jsonl", "key", "pub", "tree"):
        (data / f"heads.{name}").write_text(name)
    (data / "components").mkdir()
    (data / "components" / USED).write_bytes(b"used")
    (data / "components" / OLD).write_bytes(b"no longer")
    (data / "mine.txt").write_text("not the system's")
    db = sqlite3.connect(data / "chain.db", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA wal_autocheckpoint = 0")
    db.execute("CREATE TABLE t (x)")
    db.execute("INSERT INTO t VALUES (1)")
    for name in ("chain.db", "chain.db-wal"):
        (data / f"{name}.copy").write_bytes((data / name).read_bytes())
    db.close()
    for name in ("chain.db", "chain.db-wal"):
        os.replace(data / f"{name}.copy", data / name)


def assert_all_there(put_away: Path) -> None:
    db = sqlite3.connect(f"file:{put_away / 'chain.db'}?mode=ro", uri=True)
    assert db.execute("SELECT x FROM t").fetchall() == [(1,)]
    db.close()
    assert (put_away / "boxes" / "beef-1").read_bytes() == b"the last words"
    assert (put_away / "internal.log").read_text() == "trouble\n"
    assert (put_away / "store" / "s" / USED).read_bytes() == b"used"
    assert (put_away / "chain.db.v1").read_text() == "older"
    for name in ("jsonl", "key", "pub", "tree"):
        assert (put_away / f"heads.{name}").read_text() == name
    kept = {each.name: each.read_bytes() for each in (put_away / "components").iterdir()}
    assert kept == {USED: b"used", OLD: b"no longer"}


def is_empty(data: Path) -> bool:
    """Whether a system on it would begin anew."""
    return not list(data.glob("chain.db*")) + list(data.glob("heads.*")) and not list(
        (data / "boxes").iterdir()
    ) + list((data / "store").glob("s"))


def test_what_is_there_moves_together_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    fill(tmp_path)
    paths, lock = open_data(str(tmp_path))
    assert begin_anew(paths, NOON, {USED}) == str(tmp_path / "archive" / NAME)
    os.close(lock)
    assert_all_there(tmp_path / "archive" / NAME)
    assert os.listdir(tmp_path / "components") == [USED]
    assert is_empty(tmp_path)
    assert (tmp_path / "mine.txt").exists() and (tmp_path / "lock").exists()


def test_where_nothing_has_run_nothing_is_put_away(tmp_path: Path) -> None:
    paths, lock = open_data(str(tmp_path / "new"))
    assert begin_anew(paths, NOON, set()) is None
    assert not os.path.exists(paths.archive)
    os.close(lock)


def test_two_in_one_second_have_two_names(tmp_path: Path) -> None:
    paths, lock = open_data(str(tmp_path))
    found = []
    for _ in range(3):
        Path(paths.log).write_text("a log")
        found.append(begin_anew(paths, NOON, set()))
    os.close(lock)
    assert found == [f"{paths.archive}/{NAME}{end}" for end in ("", "-2", "-3")]


def test_a_log_that_is_none_is_put_away_as_it_is(tmp_path: Path) -> None:
    paths, lock = open_data(str(tmp_path))
    Path(paths.log).write_bytes(b"this is no database" * 1000)
    put_away = begin_anew(paths, NOON, set())
    assert put_away and Path(put_away, "chain.db").read_bytes().startswith(b"this is no")
    os.close(lock)


@pytest.mark.parametrize("call", ["rename", "mkdir", "link", "fsync"])
def test_whenever_it_is_killed_the_next_start_finds_the_one_or_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Killed before each of its calls in turn, until one attempt gets through."""
    real = getattr(os, call)
    for moment in range(100):
        data = tmp_path / str(moment)
        fill(data)
        left = [moment]

        def or_die(*arguments: Any, left: list[int] = left) -> Any:
            left[0] -= 1
            if left[0] == -1:
                raise Killed
            return real(*arguments)

        paths, lock = open_data(str(data))
        with monkeypatch.context() as patch:
            patch.setattr(os, call, or_die)
            try:
                begin_anew(paths, NOON, set())
            except Killed:
                os.close(lock)
            else:
                os.close(lock)
                assert moment > 0
                return
        paths, lock = open_data(str(data))  # the next `up`, which says nothing of fresh
        os.close(lock)
        put_away = data / "archive" / NAME
        if put_away.exists():
            assert_all_there(put_away)
            assert is_empty(data)
        else:
            assert_all_there(data)
        assert not list(data.glob("archive/*.part"))
    raise AssertionError("it never got through")


def test_ending_what_was_begun_writes_nothing_over(tmp_path: Path) -> None:
    """Another theater, which knew nothing of it, has run in between."""
    paths = DataPaths(str(tmp_path))
    part = tmp_path / "archive" / f"{NAME}.part"
    part.mkdir(parents=True)
    (part / "chain.db").write_text("old")
    (tmp_path / "chain.db").write_text("new")
    archive.finish_begun(paths)
    assert (tmp_path / "archive" / NAME / "chain.db").read_text() == "old"
    assert (tmp_path / "chain.db").read_text() == "new"


def test_a_running_system_is_not_touched(tmp_path: Path) -> None:
    fill(tmp_path)
    _, lock = open_data(str(tmp_path))
    with pytest.raises(Refused, match=r"a system is running on .* already"):
        open_data(str(tmp_path))
    assert_all_there(tmp_path)
    os.close(lock)


def test_what_cannot_be_moved_is_said_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)
    (tmp_path / "archive").write_text("a file where a directory should be")
    paths = DataPaths(str(tmp_path))
    with pytest.raises(EnvironmentProblem, match=r"cannot move the log of .*: File exists"):
        archive.put_away(paths, time.time())
    assert_all_there(tmp_path)
