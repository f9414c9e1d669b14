"""What actors have spawned is read from the log before there is a broker."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.broker.family import BOSS, FamilyWorker, born, family
from tests.broker.whole import give
from theater.calls import WAITS
from theater.errors import Damaged
from theater.events import EventType, encode
from theater.paths import DataPaths
from theater.spec import ActorSpec, Handler, SupervisorSpec, SystemSpec
from theater.supervisor import kept, originals


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


def test_whose_end_is_waited_for_is_there_once_it_has_run(tmp_path: Path) -> None:
    """It was said that it runs. Before that, its ask is still to be answered."""
    made = family(tmp_path)
    made.wait_for("a")
    made.db.close()
    found = read(tmp_path / "chain.db", "supervisor")
    assert [actor.path for actor in found.there] == ["boss/a"] and found.unanswered == ()
    (tmp_path / "other").mkdir()
    made = family(tmp_path / "other")
    made.bear("b", WAITS, "b.toml", None, None, None)
    made.db.close()
    found = read(tmp_path / "other" / "chain.db", "supervisor")
    assert found.there == () and [actor.path for actor in found.unanswered] == ["boss/b"]


def chained(log: Path, type: EventType, payload: object) -> None:
    """Have the first event of a child's chain say this."""
    with closing(sqlite3.connect(log)) as db, db:
        db.execute(
            "UPDATE events SET type = ?, bytes = ? WHERE type = 'created' AND actor ="
            " (SELECT id FROM actors WHERE name = 'boss/b')",
            (type, encode("boss/b", 0, 0, 0, type, "theater", type, payload)),
        )


def kept_in(data: DataPaths, *contents: bytes) -> list[str]:
    held = [originals.hold(data.components, each) for each in contents]
    for each in held:
        each.keep()
    return [os.path.basename(each.kept_path) for each in held]


@pytest.mark.parametrize(
    ("type", "key"),
    [
        (EventType.CREATED, "component"),
        (EventType.CHANGED, "component"),
        (EventType.RETURNED, "component"),
        (EventType.COMPONENT_CHANGED, "from"),
        (EventType.COMPONENT_CHANGED, "to"),
    ],
)
def test_components_that_no_chain_speaks_of_are_removed(
    log: Path, type: EventType, key: str
) -> None:
    data = DataPaths(str(log.parent))
    now, before, never, wanted = kept_in(data, b"now", b"before", b"never", b"wanted")
    with closing(sqlite3.connect(log)) as db, db:
        db.execute("UPDATE actors SET component = ? WHERE name = 'boss/a'", (now,))
    chained(log, type, {"from": "x", "to": "y", key: before, "limits": {"what": never}})
    kept.remove_leftovers(data, {wanted})
    assert originals.names(data.components) == {now, before, wanted}
    kept.remove_leftovers(data, {wanted})
    assert originals.names(data.components) == {now, before, wanted}


@pytest.mark.parametrize("said", [None, b"\xc1", b"", "text", encode("a", 0, 0, 0, "x", "", "", 1)])
def test_none_is_removed_where_what_a_chain_says_cannot_be_read(log: Path, said: object) -> None:
    data = DataPaths(str(log.parent))
    (never,) = kept_in(data, b"never")
    if said is not None:
        with closing(sqlite3.connect(log)) as db, db:
            db.execute("UPDATE events SET bytes = ? WHERE type = 'created'", (said,))
    kept.remove_leftovers(data, set())
    assert originals.names(data.components) == (set() if said is None else {never})


def test_without_a_log_that_can_be_read_no_component_is_removed(tmp_path: Path) -> None:
    data = DataPaths(str(tmp_path))
    kept_in(data, b"x")
    kept.remove_leftovers(data, set())
    (tmp_path / "chain.db").write_bytes(b"no database " * 1000)
    kept.remove_leftovers(data, set())
    assert len(originals.names(data.components)) == 1


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
