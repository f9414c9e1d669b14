"""The check and the broker speak of the same log."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.broker.test_migration import make
from theater.broker import schema
from theater.broker.log import Log
from theater.fsck import shape
from theater.fsck.check import check
from theater.fsck.file import LogFile
from theater.fsck.findings import Note, Problem, Reports
from theater.fsck.life import GONE, PHASES
from theater.spec import Durability
from theater.supervisor.orders import Phase


def test_the_tables_are_those_that_the_broker_makes(tmp_path: Path) -> None:
    assert shape.VERSION == schema.VERSION
    path = tmp_path / "chain.db"
    Log(db := sqlite3.connect(path, isolation_level=None), Durability.PROCESS)
    tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    assert {name for (name,) in tables} == shape.TABLES.keys()
    found: list[Problem | Note] = []
    shape.judge(LogFile(str(path)), shape.VERSION, Reports(found.append))
    assert found == []


@pytest.mark.parametrize("version", range(1, schema.VERSION))
def test_a_log_of_an_older_version_is_known_before_it_is_changed_and_after(
    tmp_path: Path, version: int
) -> None:
    path = tmp_path / "chain.db"
    make(path, version)
    found: list[Problem | Note] = []
    shape.judge(LogFile(str(path)), version, Reports(found.append))
    assert found == []
    before = check(str(path), lambda _: None)
    Log(sqlite3.connect(path, isolation_level=None), Durability.PROCESS)
    after = check(str(path), lambda _: None)
    assert (before.events, before.contents) == (after.events, after.contents) == (2, 1)


def test_a_log_in_which_nothing_has_happened_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "chain.db"
    Log(sqlite3.connect(path, isolation_level=None), Durability.PROCESS)
    found: list[Problem | Note] = []
    summary = check(str(path), found.append)
    assert found == [] and (summary.actors, summary.events, summary.contents) == (0, 0, 0)


def test_phases_are_those_of_the_supervisor() -> None:
    assert {*Phase, GONE} == PHASES
