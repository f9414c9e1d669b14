"""A state that has to be there and is not is told; one that may be gone is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.broker.logged import order
from tests.broker.test_keeping import Run, state
from tests.broker.test_members import send
from theater.events import content_hash

H = "[0-9a-f]{16}"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Turns 1 to 12 and a failed one by one incarnation, 14 to 16 and 17 to 19 by others: kept are
    the states of 10 (as every tenth), 12 (before the failure), 14 and 17 (the first of their
    incarnations) and 16 (with which another begins); and 19 is the last."""
    run = Run(tmp_path, order("a", state_every=10, max_deliveries=1))
    run.start("a")
    for turn in range(2, 13):
        run.turn("a", state(turn))
    send(run, "a", b"kills")
    worker = run.workers["a"]
    worker.take()
    worker.begin()
    run.kill("a")
    run.start("a")
    for turn in range(14, 17):
        run.turn("a", state(turn))
    run.kill("a")
    run.start("a")
    for turn in range(17, 20):
        run.turn("a", state(turn))
    run.step()
    assert run.problems() == []
    return run


def drop(turn: int) -> str:
    return (
        f"UPDATE turns SET kept = 0 WHERE turn = {turn} AND turn != 10;"
        f" DELETE FROM blobs WHERE hash = x'{content_hash(state(turn)).hex()}'"
    )


OTHER = content_hash(b"other").hex()
DAMAGE = [
    (drop(10), f"^a, turn 10: its content {H} is not there; should be in blobs$"),
    (drop(12), f"^a, turn 13: its content {H} is not there; should be in blobs$"),
    (drop(14), f"^a, position [0-9]+: its content {H} is not there; should be in blobs$"),
    (drop(16), f"^a, position [0-9]+: its content {H} is not there; should be in blobs$"),
    ("DELETE FROM last_states", f"^a, turn 19: its content {H} is not there; should be in blobs$"),
    (
        "UPDATE last_states SET bytes = CAST(bytes || x'00' AS BLOB)",
        f"^a, last_states: its bytes have hash {H}; should be {H}$",
    ),
    (
        f"UPDATE last_states SET hash = x'{OTHER}'",
        f"^a, last_states: the last state is {OTHER[:16]}; should be {H}, as in turns$",
    ),
    ("UPDATE last_states SET bytes = 'text'", "^a, last_states: bytes is text; should be bytes$"),
    ("UPDATE last_states SET hash = 7", "^a, last_states: hash is integer 7; should be bytes$"),
    (
        "INSERT INTO last_states SELECT 99, hash, bytes FROM last_states",
        "^last_states: of an actor 99; should be of one there is$",
    ),
    (
        "INSERT INTO last_states SELECT 2, hash, bytes FROM last_states",
        f"^/, last_states: the last state is {H}; should be none, as in turns$",
    ),
    ("UPDATE turns SET kept = 2 WHERE turn = 19", "^a, turn 19: kept is 2 in turns; should be 0"),
    (
        "UPDATE turns SET kept = 1 WHERE turn = 11",
        f"^a, turn 11: its content {H} is not there; should be in blobs$",
    ),
]


@pytest.mark.parametrize(("damage", "told"), DAMAGE)
def test_each_damage_is_told(run: Run, damage: str, told: str) -> None:
    ((root,),) = run.query("SELECT id FROM actors WHERE name = '/'")
    run.db.executescript(damage.replace("SELECT 2,", f"SELECT {root},"))
    found = run.problems()
    assert [line for line in found if re.search(told, line)], found
