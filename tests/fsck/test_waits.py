"""What is answered to who waits for the end of a child is what has become of that."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.broker.family import BOSS, FamilyWorker, family
from tests.broker.whole import give
from tests.fsck.conftest import Damaged
from tests.fsck.test_children import answer, ask, forge, judge
from theater.broker import waits
from theater.calls import WAITS


@pytest.fixture(scope="module")
def waited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with all that can be answered."""
    directory = tmp_path_factory.mktemp("waited")
    made = family(directory)

    def later(seconds: float) -> None:
        made.wait(seconds)
        made.turns.time_out(made.now_s)
        made.step()

    for name, data in (("a", b"result"), ("b", b"long " * 400)):
        asked = made.wait_for(name)
        worker = give(made, f"boss/{name}")
        worker.shutdown(data)
        worker.end(None)
        made.end(f"boss/{name}")
        later(1.0)
        assert "ok" in made.end_ask(*asked)
    asked = made.wait_for("c", 500)
    later(1.0)
    assert made.end_ask(*asked)["err"].startswith("timeout: ")
    asked = made.wait_for("d", 5000)
    made.end("boss/d", by_others=True)
    later(1.0)
    assert made.end_ask(*asked)["err"].startswith("stopped: ")
    asked = made.wait_for("e")
    made.kill("boss/e")
    made.phase("boss/e", "failed")
    waits.settled(made.turns, made.actor("boss/e"), "failed", "killed", False, made.now_s)
    made.step()
    assert made.end_ask(*asked)["err"].startswith("failed: ")
    asked = made.wait_for("f")
    made.end("boss/f")
    made.remove("boss/f")
    assert made.end_ask(*asked)["err"].startswith("no-actor: ")
    worker = give(made, BOSS)
    assert isinstance(worker, FamilyWorker)
    asked = worker.about(WAITS, "no.toml", None, None, None)
    made.step()
    made.root_says(asked, {"err": "refused: there is none"})
    made.end_ask(*asked)
    assert made.problems() == []
    made.db.close()
    return directory / "chain.db"


@pytest.fixture
def log(waited: Path, tmp_path: Path) -> Iterator[Damaged]:
    path = tmp_path / "chain.db"
    shutil.copyfile(waited, path)
    yield Damaged(path)


def test_a_log_with_waits_is_whole(log: Damaged) -> None:
    found, _ = log.check()
    assert found == []
    with closing(sqlite3.connect(log.path)) as db:
        rows = db.execute("SELECT timeout_s, status FROM asks").fetchall()
        assert rows == [(each, "answered") for each in (None, None, 0.5, 5.0, None, None, None)]


WHERE = "^boss, turn [0-9]+, (position [0-9]+, )?seq [0-9]+: "


def told(nth: int, value: Any) -> Any:
    return forge(BOSS, answer(WAITS, nth), lambda _: [value])


FORGED = {
    "another result": (
        told(0, {"ok": b"other"}),
        "that what it asked for has ended; should be with what it has given its shutdown$",
    ),
    "no result": (
        told(1, {"ok": None}),
        "that what it asked for has ended; should be with what it has given its shutdown$",
    ),
    "a result that is none": (
        told(0, {"ok": "boss/a"}),
        "an answer .*; should be a result or none$",
    ),
    "an end of one that has not ended": (
        told(2, {"ok": None}),
        "that what it asked for has ended; should be so when it does, and it has not ended then$",
    ),
    "an end of nobody": (
        told(6, {"ok": None}),
        "that what it asked for has ended; should be nothing: it was not born$",
    ),
    "an error about one that has ended": (
        told(0, {"err": "failed: boss/a: of what?"}),
        'it was told "failed: .*; should be the result of what has ended before$',
    ),
    "a time that was not said": (
        told(4, {"err": "timeout: boss/e has not ended within 1 s"}),
        "an answer .*; should be another: it waits without an end$",
    ),
    "one that is gone and is there": (
        told(3, {"err": "no-actor: boss/d"}),
        'it was told "no-actor: boss/d"; should be another error: it is there$',
    ),
    "one that was stopped and not born": (
        told(6, {"err": "stopped: boss/g was stopped"}),
        'it was told "stopped: .*; should be another error: it was not born$',
    ),
    "a time that is none": (
        forge(BOSS, ask(WAITS), lambda _: [["a.toml", None, None, -1]]),
        "it asked with .*; should be a manifest, a state or none, and what else it takes$",
    ),
    "no code and no time": (
        forge(BOSS, ask(WAITS), lambda _: [["a.toml", None]]),
        "it asked with .*; should be a manifest, a state or none, and what else it takes$",
    ),
    "another time than its row": (
        forge(BOSS, ask(WAITS), lambda _: [["a.toml", None, None, 7]]),
        "timeout_s is none in asks; should be 0.007, as it asked$",
    ),
}


@pytest.mark.parametrize("damage", FORGED)
def test_what_is_answered_has_to_be_so(log: Damaged, damage: str) -> None:
    change, expected = FORGED[damage]
    log.edit(change)
    found, _ = log.check()
    assert any(re.search(WHERE + ".*" + expected, line) for line in found), "\n".join(found)


def forget_the_answer(db: sqlite3.Connection) -> None:
    """The last event of the boss's is its ask, and what comes after that is not."""
    ((first, last),) = db.execute(
        "SELECT min(seq), max(seq) FROM events WHERE type = 'host-answer' AND function = ?",
        (WAITS,),
    ).fetchall()
    assert first == last
    actor = "(SELECT id FROM actors WHERE name = 'boss')"
    db.execute(f"DELETE FROM events WHERE seq >= ? AND actor = {actor}", (first,))
    db.execute("UPDATE asks SET status = 'open'")


def test_who_waits_for_what_has_ended_is_told_of(tmp_path: Path) -> None:
    made = family(tmp_path)
    made.wait_for("a")
    worker = give(made, "boss/a")
    worker.shutdown(b"result")
    worker.end(None)
    made.end("boss/a")
    made.db.close()
    damaged = Damaged(tmp_path / "chain.db")
    damaged.edit(forget_the_answer)
    found, _ = damaged.check()
    expected = '^boss, turn [0-9]+: it waits for "boss/a", which has ended; should be an answer$'
    assert any(re.search(expected, line) for line in found), "\n".join(found)


ROWS = {
    "no time": (
        "UPDATE asks SET timeout_s = NULL WHERE timeout_s = 5",
        "timeout_s is none in asks; should be 5.0, as it asked$",
    ),
    "a timeout that was not counted": (
        "UPDATE counters SET value = 2 WHERE name = 'timeouts'",
        "^counters: timeouts is 2; should be 1",
    ),
}


@pytest.mark.parametrize("damage", ROWS)
def test_damage_to_its_row_is_told(log: Damaged, damage: str) -> None:
    judge(log, *ROWS[damage])
