"""What must hold of loops and their rounds, broken in the one way that the check notices."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.broker.test_rounds import LONG, looping, retry, round, system
from tests.broker.whole import give
from tests.fsck.conftest import Damaged
from theater.events import content_hash

ROUND = "SELECT max(id) FROM messages WHERE kind = 'loop' AND status"
COLUMNS = "kind, to_actor, to_name, from_actor, from_turn, from_index, size, body, at"
NEXT = "(SELECT max(id) + 1 FROM messages)"


@pytest.fixture(scope="module")
def looped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with all that rounds become: done, dead, retried, cleared; and one that waits."""
    directory = tmp_path_factory.mktemp("looped")
    made, worker = system(directory)
    looping(made, ("start_loop", b"0"))
    round(made, b"1")
    round(made, None)
    looping(made, ("start_loop", b"dies"))
    worker.begin()
    made.fail("a")
    worker = made.expect("a")
    assert retry(made, 1) is None
    round(made, LONG)
    round(made, b"never", ("start_loop", b"anew"), ("stop_loop",))
    give(made, "a")
    made.turns.deliver_from_client("a", b"stop", "send", "stop")
    worker.start_loop(b"stopped")
    worker.end(None)
    made.step()
    worker.begin()
    worker.stop_loop()
    worker.end(None)
    made.step()
    looping(made, ("start_loop", b"2"))
    round(made, b"waits")
    made.kill("a", wanted=True)
    made.step()
    assert made.problems() == []
    made.db.close()
    return directory / "chain.db"


@pytest.fixture
def damaged_loops(looped: Path, tmp_path: Path) -> Iterator[Damaged]:
    path = tmp_path / "chain.db"
    shutil.copyfile(looped, path)
    yield Damaged(path)


# (statement, what has to be told)
DAMAGES = {
    "taken out of the mailbox": (
        f"UPDATE messages SET status = 'cleared' WHERE id = ({ROUND} = 'queued')",
        "^a: round [0-9]+ is cleared, and nothing has ended its loop; should be what has$",
    ),
    "put into the mailbox again": (
        "UPDATE messages SET status = 'queued' WHERE CAST(body AS TEXT) = 'stopped'",
        "^a: round [0-9]+ waits, and its loop has ended or goes on elsewhere; should be cleared",
    ),
    "a retried one, put in again": (
        "UPDATE messages SET status = 'queued', turn = NULL WHERE CAST(body AS TEXT) = 'dies'"
        " AND status = 'done'",
        '^a, turn [0-9]+: its message [0-9]+ is "queued"; should be done in it$',
    ),
    "one more": (
        f"INSERT INTO messages (id, status, {COLUMNS}) SELECT {NEXT}, 'queued', {COLUMNS}"
        f" FROM messages WHERE id = ({ROUND} = 'queued')",
        "^message [0-9]+: no event made it, and no client; should be one of them$",
    ),
    "gone": (
        f"DELETE FROM messages WHERE id = ({ROUND} = 'queued')",
        '^turn [0-9]+, .*: a loop to "a" has no message; should be one in messages$',
    ),
    "gone, that a call has made": (
        "DELETE FROM messages WHERE CAST(body AS TEXT) = 'stopped'",
        '^turn [0-9]+, .*: a loop to "a" has no message; should be one in messages$',
    ),
    "its state": (
        f"UPDATE messages SET body = CAST('waitz' AS BLOB) WHERE id = ({ROUND} = 'queued')",
        "^message [0-9]+, .*: its body has hash [0-9a-f]+; should be [0-9a-f]+, as is chained$",
    ),
    "its state, by hash": (
        f"UPDATE messages SET body_hash = x'{content_hash(b'other').hex()}'"
        " WHERE kind = 'loop' AND body IS NULL",
        "^message [0-9]+, .*: its body has hash [0-9a-f]+; should be [0-9a-f]+, as is chained$",
    ),
    "of another turn": (
        f"UPDATE messages SET from_turn = 1 WHERE id = ({ROUND} = 'queued')",
        "^message [0-9]+: no event made it, and no client; should be one of them$",
    ),
    "of nobody": (
        "UPDATE messages SET from_actor = NULL, from_turn = NULL, from_index = NULL"
        f" WHERE id = ({ROUND} = 'queued')",
        "^message [0-9]+: a round of a loop, from actor none, client none; should be from a turn",
    ),
    "from a client": (
        f"UPDATE messages SET client = 'c' WHERE id = ({ROUND} = 'queued')",
        '^message [0-9]+: a round of a loop, from actor 2, client "c"; should be from a turn of',
    ),
    "of another kind": (
        f"UPDATE messages SET kind = 'send' WHERE id = ({ROUND} = 'queued')",
        '^message [0-9]+, .*: kind is "send"; should be "loop"$',
    ),
    "on a channel": (
        f"UPDATE messages SET channel = 'a:1:1' WHERE id = ({ROUND} = 'queued')",
        '^message [0-9]+: a loop of channel "a:1:1"; should be one if it is on one$',
    ),
    "handled, and it waits": (
        f"UPDATE messages SET status = 'done', turn = 1 WHERE id = ({ROUND} = 'queued')",
        "^message [0-9]+: its turn 1 is about message none; should be this one$",
    ),
    "cleared, and handled": (
        "UPDATE messages SET status = 'cleared' WHERE CAST(body AS TEXT) = '1'",
        '^a, turn [0-9]+: its message [0-9]+ is "cleared" in turn [0-9]+; should be done in it$',
    ),
    "dead, without a dead letter": (
        f"UPDATE messages SET status = 'dead' WHERE id = ({ROUND} = 'queued')",
        "^message [0-9]+: it is dead, and there is no dead letter; should be one$",
    ),
    "dead, as if it had come nowhere": (
        f"INSERT INTO dead_letters (id, message, actor, reason, at) SELECT 2, ({ROUND} = 'queued'),"
        " 'a', 'refused: the manifest of a does not grant loop any more', 1.0;"
        f"UPDATE messages SET status = 'dead' WHERE id = ({ROUND} = 'queued');"
        "UPDATE counters SET value = value + 1 WHERE name = 'dead_letters'",
        "^a: round [0-9]+ is dead, and came to no turn; should be one, or no grant for loops any",
    ),
    "the turn of a round, as of another kind": (
        "UPDATE turns SET kind = 'send' WHERE kind = 'loop' AND turn = 3",
        '^a, turn 3: kind is "send" in turns; should be "loop"$',
    ),
    "a send, as a round": (
        "UPDATE messages SET kind = 'loop' WHERE CAST(body AS TEXT) = 'stop'",
        '^message [0-9]+: a round of a loop, from actor none, client "stop"; should be from',
    ),
    "cleared, and is none": (
        "UPDATE messages SET status = 'cleared' WHERE CAST(body AS TEXT) = 'stop'",
        "^message [0-9]+: a send is cleared, in turn [0-9]+; should be a tick or a round, in none$",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_to_rounds_is_told(damaged_loops: Damaged, damage: str) -> None:
    statement, expected = DAMAGES[damage]
    damaged_loops.sql(*statement.split(";"))
    found, _ = damaged_loops.check()
    assert any(re.search(expected, line) for line in found), "\n".join(found)
    assert len(found) <= 6, "\n".join(found)


def test_a_loop_without_a_grant_is_told(tmp_path: Path) -> None:
    made, _ = system(tmp_path, grants={})  # and the broker believes otherwise
    looping(made, ("start_loop", b"0"), ("stop_loop",))
    round_, *_ = made.problems()
    assert re.search("a, seq [0-9]+: it called start-loop; should be a grant for it", round_)


def test_a_log_with_loops_is_whole(damaged_loops: Damaged) -> None:
    found, _ = damaged_loops.check()
    assert found == []
    with closing(sqlite3.connect(damaged_loops.path)) as db:
        statuses: list[Any] = db.execute(
            "SELECT DISTINCT status FROM messages WHERE kind = 'loop' ORDER BY status"
        ).fetchall()
    assert statuses == [("cleared",), ("dead",), ("done",), ("queued",)]
