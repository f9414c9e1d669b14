"""What actors have spawned is read from the log before there is a broker."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.broker.family import BOSS, FamilyWorker, born, family
from tests.broker.whole import give
from theater.errors import Damaged
from theater.paths import DataPaths
from theater.spec import ActorSpec, Handler, SupervisorSpec, SystemSpec
from theater.supervisor import kept


def system(*handlers: str) -> SystemSpec:
    boss = ActorSpec(BOSS, "/boss.wat", handlers=tuple(map(Handler, handlers)))
    return SystemSpec("s", SupervisorSpec("", children=(boss,)))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two children, and one whose parent has not been told that it runs."""
    made = family(tmp_path)
    made.spawn("a")
    made.spawn("b", "resume", b"41")
    worker = give(made, BOSS)
    assert isinstance(worker, FamilyWorker)
    asked = worker.about("spawn", "c.toml", None)
    made.step()
    made.adopt(born("c", asked))
    made.db.close()
    return tmp_path / "chain.db"


def read(log: Path, *handlers: str) -> kept.Kept:
    return kept.read(DataPaths(str(log.parent)), system(*handlers))


def test_they_are_there_as_long_as_their_parent_may_spawn(log: Path) -> None:
    found = read(log, "supervisor")
    assert [actor.path for actor in found.there] == ["boss/a", "boss/b"]
    assert [actor.resumed for actor in found.there] == [False, True]
    assert found.there[1].initial_state == b"41"
    assert [actor.path for actor in found.unanswered] == ["boss/c"]
    assert read(log) == kept.Kept()


def test_nothing_has_been_spawned_where_nothing_has_run(tmp_path: Path) -> None:
    assert read(tmp_path / "chain.db", "supervisor") == kept.Kept()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE children SET spec = x'c0'", "what boss/a was spawned as: not the specification"),
        (
            "UPDATE children SET spec = (SELECT spec FROM children ORDER BY actor DESC LIMIT 1)",
            'what boss/a was spawned as is of "boss/c"; `theater fsck` says more',
        ),
    ],
)
def test_what_is_damaged_is_not_started(log: Path, statement: str, told: str) -> None:
    with closing(sqlite3.connect(log, isolation_level=None)) as db:
        db.execute(statement)
    with pytest.raises(Damaged, match=told):
        read(log, "supervisor")
