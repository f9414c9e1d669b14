"""What must hold of timers and of their ticks, broken in the one way that the check notices."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.broker.test_timers import handle, setting, system
from tests.fsck.conftest import Damaged
from theater.broker import dead

NAMED = "actor, name, interval_ms, due_at, message, turn, idx"
TICK = "(SELECT message FROM timers WHERE name = 'waits')"


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with timers that wait and that have gone off, and with all that ticks become."""
    directory = tmp_path_factory.mktemp("timed")
    made, _ = system(directory)
    setting(made, ("set_timeout", "dies", 0))
    made.wait(0)
    made.workers["a"].begin()
    made.fail("a")
    made.expect("a")
    row = made.log.dead_letter(1)
    assert row is not None
    assert dead.retry(made.turns, dead.letter_from(1, row), "me")[1] is None
    made.step()
    handle(made)
    setting(made, ("set_timeout", "once", 0), ("set_interval", "often", 1000))
    made.wait(1)
    handle(made)
    handle(made)
    setting(made, ("set_timeout", "far", 60_000), ("set_interval", "waits", 500))
    setting(made, ("set_timeout", "gone", 60_000))
    setting(made, ("clear", "gone"))
    made.wait(0.6)
    made.step()
    assert made.problems() == []
    made.db.close()
    return directory / "chain.db"


@pytest.fixture
def damaged_timers(timed: Path, tmp_path: Path) -> Iterator[Damaged]:
    path = tmp_path / "chain.db"
    shutil.copyfile(timed, path)
    yield Damaged(path)


# (statement, what has to be told)
ROWS = {
    "missing": (
        "DELETE FROM timers WHERE name = 'far'",
        '^a, timer "far": it was set at seq [0-9]+, and has no row; should be one, until it is',
    ),
    "missing, with its tick": (
        "DELETE FROM timers WHERE name = 'waits'",
        '^a, timer "waits": tick [0-9]+ waits, and its row does not name it; should be the one',
    ),
    "missing, and it goes off again and again": (
        "DELETE FROM timers WHERE name = 'often'",
        '^a, timer "often": it was set at seq [0-9]+, and has no row; should be one',
    ),
    "one more": (
        f"INSERT INTO timers ({NAMED}) SELECT actor, 'more', 10, 1.0, NULL, 2, 1 FROM timers"
        " LIMIT 1",
        '^a, timer "more": no call has left it; should be one$',
    ),
    "cleared": (
        f"INSERT INTO timers ({NAMED}) SELECT actor, 'gone', NULL, 1.0, NULL, turn, 1 FROM timers"
        " LIMIT 1",
        '^a, timer "gone": no call has left it; should be one$',
    ),
    "of nobody": (
        f"INSERT INTO timers ({NAMED}) VALUES (99, 'x', NULL, 1.0, NULL, 1, 1)",
        "^timers: of an actor 99; should be of one there is$",
    ),
    "its call": (
        "UPDATE timers SET turn = 1 WHERE name = 'far'",
        '^a, timer "far": turn 1, index 1, every none ms is in its row; should be turn [0-9]+, ',
    ),
    "its interval": (
        "UPDATE timers SET interval_ms = 600 WHERE name = 'waits'",
        '^a, timer "waits": turn [0-9]+, index 2, every 600 ms is in its row; should be .*500 ms',
    ),
    "an interval that is none": (
        "UPDATE timers SET interval_ms = NULL WHERE name = 'often'",
        '^a, timer "often": turn [0-9]+, index 2, every none ms is in its row; should be .*1000 ms',
    ),
    "an interval too short": (
        "UPDATE timers SET interval_ms = 9 WHERE name = 'often'",
        '^a, timer "often": interval_ms is 9; should be 10 at least, or none$',
    ),
    "no tick": (
        "UPDATE timers SET message = 999 WHERE name = 'often'",
        '^a, timer "often": its tick 999 is not there; should be in messages$',
    ),
    "another's tick": (
        f"UPDATE timers SET message = {TICK} WHERE name = 'often'",
        '^a, timer "often": message [0-9]+ is a "tick", "queued"; should be a tick of it that',
    ),
    "a tick that is over": (
        "UPDATE timers SET message = (SELECT id FROM messages WHERE CAST(body AS TEXT) = 'often')"
        " WHERE name = 'often'",
        '^a, timer "often": message [0-9]+ is a "tick", "done"; should be a tick of it that waits',
    ),
    "a time that is none": (
        "UPDATE timers SET due_at = 'soon' WHERE name = 'far'",
        '^timer "far": due_at is text "soon"; should be a real number$',
    ),
}

TICKS = {
    "of a timer that was never set": (
        f"UPDATE messages SET body = CAST('never' AS BLOB) WHERE id = {TICK}",
        '^a, timer "never": message [0-9]+ is its tick, and it was never set; should be set before',
    ),
    "twice": (
        "INSERT INTO messages (id, kind, to_actor, to_name, size, body, status, at)"
        " SELECT (SELECT max(id) + 1 FROM messages), kind, to_actor, to_name, size, body,"
        " 'cleared', at FROM messages WHERE CAST(body AS TEXT) = 'once'",
        '^a, timer "once": it has gone off 2 times; should be 1 at most: so often it was set$',
    ),
    "twice in the mailbox": (
        "INSERT INTO messages (id, kind, to_actor, to_name, size, body, status, at)"
        " SELECT (SELECT max(id) + 1 FROM messages), kind, to_actor, to_name, size, body, status,"
        f" at FROM messages WHERE id = {TICK}",
        '^a, timer "waits": tick [0-9]+ waits, and its row does not name it; should be the one',
    ),
    "of no name": (
        f"UPDATE messages SET body = x'ff' WHERE id = {TICK}",
        "^message [0-9]+: a tick of .*; should be the name of a timer, up to 255 bytes$",
    ),
    "from a client": (
        f"UPDATE messages SET client = 'c' WHERE id = {TICK}",
        '^message [0-9]+: a tick of client "c"; should be none$',
    ),
    "cleared, and is none": (
        "UPDATE messages SET status = 'cleared' WHERE id = 1",
        "^message [0-9]+: a send is cleared, in turn [0-9]+; should be a tick or a round, in none$",
    ),
    "cleared, and handled": (
        "UPDATE messages SET status = 'cleared' WHERE CAST(body AS TEXT) = 'once'",
        '^a, turn [0-9]+: its message [0-9]+ is "cleared" in turn [0-9]+; should be done in it$',
    ),
    "cleared, and its timer waits for it": (
        f"UPDATE messages SET status = 'cleared' WHERE id = {TICK}",
        '^a, timer "waits": message [0-9]+ is a "tick", "cleared"; should be a tick of it that',
    ),
    "its name, as its receiver was given it": (
        "UPDATE messages SET body = CAST('ofte!' AS BLOB) WHERE CAST(body AS TEXT) = 'often'",
        '^a, turn [0-9]+, .*: called with b?"?often.*; should be message [0-9]+$',
    ),
}


@pytest.mark.parametrize("damage", ROWS)
def test_damage_to_timers_is_told(damaged_timers: Damaged, damage: str) -> None:
    judge(damaged_timers, *ROWS[damage])


@pytest.mark.parametrize("damage", TICKS)
def test_damage_to_ticks_is_told(damaged_timers: Damaged, damage: str) -> None:
    judge(damaged_timers, *TICKS[damage])


def judge(damaged: Damaged, statement: str, expected: str) -> None:
    damaged.sql(statement)
    found, _ = damaged.check()
    assert any(re.search(expected, line) for line in found), "\n".join(found)
    assert len(found) <= 4, "\n".join(found)


def test_a_log_with_timers_is_whole(damaged_timers: Damaged) -> None:
    found, _ = damaged_timers.check()
    assert found == []
    with closing(sqlite3.connect(damaged_timers.path)) as db:
        statuses: list[Any] = db.execute(
            "SELECT DISTINCT status FROM messages WHERE kind = 'tick' ORDER BY status"
        ).fetchall()
        assert statuses == [("dead",), ("done",), ("queued",)]
        assert db.execute("SELECT name FROM timers ORDER BY name").fetchall() == [
            ("far",),
            ("often",),
            ("waits",),
        ]
