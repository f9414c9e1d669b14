"""A log with actors that others have spawned holds as any other does."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.broker.family import BOSS, family
from tests.broker.whole import give
from theater.fsck.findings import Note, Problem
from theater.paths import DataPaths
from theater.verify import pool
from theater.verify.scan import Odd, Scan
from theater.verify.verify import verify


@pytest.fixture
def log(tmp_path: Path) -> Path:
    made = family(tmp_path)
    failing = made.spawn("failing", "resume", b"41")
    made.spawn("a")
    made.ask("subscribe-to-child", failing)
    made.ask("get-child-state", failing)
    made.ask("get-child-events", failing)
    give(made, failing)
    made.fail(failing)  # in the first turn that it has
    made.expect(failing)
    worker = give(made, failing)
    worker.request(BOSS, b"?")
    made.step()
    made.hear()
    assert made.problems() == []
    made.db.close()
    return tmp_path / "chain.db"


def told(log: Path) -> list[str]:
    found: list[Problem | Note] = []
    verify(DataPaths(str(log.parent)), found.append, processes=1)
    return [str(each) for each in found if isinstance(each, Problem)]


def test_it_holds(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(log) == []
    monkeypatch.setattr(pool, "Careful", None)
    assert told(log) == [], "and nothing of it is odd"
    monkeypatch.undo()

    def never(_scan: Scan, _range: object) -> None:
        raise Odd

    monkeypatch.setattr(Scan, "run", never)
    assert told(log) == []


def test_the_state_before_a_first_turn_that_failed_is_the_one_it_was_resumed_from(
    log: Path,
) -> None:
    with closing(sqlite3.connect(log, isolation_level=None)) as db:
        changed = db.execute("UPDATE turns SET state = x'00' WHERE status = 'failed'").rowcount
        assert changed == 1
    expected = r"^boss/failing, turn 1: column state is 0x00.* in turns; should be [0-9a-f]{16}, as"
    found = told(log)
    assert any(re.search(expected, line) for line in found), "\n".join(found)
