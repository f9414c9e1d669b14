"""The power goes: what was acknowledged is there, or what is there is at least a whole beginning.

`python -m tests.power` makes as many cuts as there is time for.
"""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from tests.power.cuts import Cuts
from theater.spec import Durability

SEEDS = range(10)
RUNS, CUTS = 2, 5  # each run begins with what a cut of the one before has left


@pytest.mark.parametrize("seed", SEEDS)
def test_disk_loses_nothing_that_was_acknowledged(tmp_path: Path, seed: int) -> None:
    cuts = Cuts(tmp_path, Durability.DISK, random.Random(seed))
    for _ in range(RUNS):
        cuts.run(CUTS)
    assert cuts.lost == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_process_leaves_a_whole_beginning(tmp_path: Path, seed: int) -> None:
    cuts = Cuts(tmp_path, Durability.PROCESS, random.Random(seed))
    for _ in range(RUNS):
        cuts.run(CUTS)


def test_the_disk_of_these_tests_forgets_and_damages_what_is_not_synced(tmp_path: Path) -> None:
    (tmp_path / "lost").mkdir()
    lost = Cuts(tmp_path / "lost", Durability.PROCESS, random.Random(0))
    for _ in range(2):
        lost.run(20)
    assert lost.lost, "acknowledged, and never synced"
    damaged = Cuts(tmp_path, Durability.DISK, random.Random(0))
    with pytest.raises((AssertionError, sqlite3.DatabaseError)):
        for _ in range(10):
            damaged.run(20, synchronous="OFF")
