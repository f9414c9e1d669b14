"""Calls of handlers that authors have written are held to what the chain says was granted."""

from __future__ import annotations

import functools
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.fsck.conftest import Damaged
from tests.fsck.test_forged import Change, edit, forge, put
from tests.real.conftest import COMPONENTS, Theater
from tests.waiting import eventually
from theater.client import System

OUTSIDE = Path(__file__).parents[1] / "real" / "outside.py"
GRANT = ["grants", "outside.py:Outside"]


def has_state(system: System, state: bytes) -> bool:
    return system.log.state("a") == state


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("own")
    shutil.copy(OUTSIDE, directory)
    theater = Theater(directory)
    system = theater.up(
        f'[[child]]\nname = "a"\ncomponent = "{COMPONENTS / "outside.wat"}"\n'
        '[[child.handler]]\ntype = "message-server"\n'
        f'[[child.handler]]\ntype = "outside.py:Outside"\npath = "{directory / "done"}"\n'
    )
    for number, name in enumerate((b"look", b"post", b"put"), 1):
        system.send("a", name + b" it")
        last = name + b" it (%d)" % number
        eventually(functools.partial(has_state, system, last), "its turn")
    theater.end()
    path = directory / ".theater" / "chain.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture
def log(written: Path, tmp_path: Path) -> Damaged:
    path = tmp_path / "chain.db"
    shutil.copyfile(written, path)
    return Damaged(path)


def test_what_was_granted_is_right(log: Damaged) -> None:
    forge(log, "a", lambda _events: None)
    assert log.check()[0] == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            edit("created", payload=put([*GRANT, "functions", "look", 1], "error")),
            '.look" was answered at once; should be a grant for it, as one that only reads',
        ),
        (
            edit("created", payload=put([*GRANT, "functions", "post", 1], "read")),
            '.post" without an answer; should be one, or a grant for it as one that changes',
        ),
        (
            edit("created", payload=put([*GRANT, "functions"], {})),
            '.put" without an answer; should be one, or a grant for it as one that changes',
        ),
        (
            edit("created", payload=put([*GRANT, "functions", "look"], 5)),
            '.look" was answered at once; should be a grant for it',
        ),
        (
            edit("host-call", "look", interface="test:outside/other"),
            'test:outside/other.look" was answered at once; should be a grant for it',
        ),
        (edit("created", payload=put(GRANT, None)), "a grant for it"),
        (edit("created", payload=put(["grants"], None)), "a grant for it"),
    ],
)
def test_what_was_not_is_told(log: Damaged, change: Change, expected: str) -> None:
    forge(log, "a", change)
    found, _ = log.check()
    assert any(expected in line for line in found), found
