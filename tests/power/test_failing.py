"""A disk without room, or whose syncs fail, under the log itself."""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.power.disk import Disk
from tests.power.run import Run, contents
from theater.broker.trouble import judge
from theater.spec import Durability

LOG, WAL = "/chain.db", "/chain.db-wal"
_numbers = itertools.count(1)


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk(f"failing-{next(_numbers)}")
    yield disk
    disk.unregister()


def begin(disk: Disk, directory: Path, durability: Durability = Durability.DISK) -> Run:
    run = Run(directory, disk, durability, ["a", "b"])
    run.start("a")
    run.step()
    return run


def send(run: Run) -> None:
    run.turns.deliver_from_client("a", b"x" * 3000, "send", f"client:{run.turns.next_message}")


@pytest.mark.parametrize("seed", range(10))
def test_a_commit_without_room_has_not_happened_and_can_be_made_again(
    disk: Disk, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    run = begin(disk, tmp_path)
    failed = 0
    for number in range(1, 20):
        send(run)
        batch = run.turns.batch
        before = contents(run.db)
        while True:
            disk.room = chance.randrange(30_000)
            try:
                run.log.write(batch)
                break
            except sqlite3.Error as error:
                assert judge(error, str(tmp_path / "log")).passes
                failed += 1
                assert contents(run.db) == before
        disk.room = None
        run.turns.batch = type(batch)()
        if chance.random() < 0.3:
            run.log.checkpoint()
        assert run.query("SELECT count(*) FROM messages") == [(number,)]
    assert failed
    run.db.close()


def test_a_sync_that_fails_in_a_commit_is_the_end(disk: Disk, tmp_path: Path) -> None:
    run = begin(disk, tmp_path)
    send(run)
    disk.failing.add(WAL)
    with pytest.raises(sqlite3.Error) as failed:
        run.write()
    trouble = judge(failed.value, str(tmp_path / "log"))
    assert not trouble.passes and "IOErr" in trouble.what
    run.db.close()


@pytest.mark.parametrize("file", [LOG, WAL])
@pytest.mark.parametrize("durability", Durability)
def test_a_sync_that_fails_in_a_checkpoint_is_not_hidden(
    disk: Disk, tmp_path: Path, durability: Durability, file: str
) -> None:
    run = begin(disk, tmp_path, durability)
    send(run)
    run.write()
    disk.failing.add(file)
    with pytest.raises(sqlite3.Error) as failed:
        run.log.checkpoint()
    assert not judge(failed.value, str(tmp_path / "log")).passes
    run.db.close()


def test_a_checkpoint_without_room_loses_nothing_and_is_made_again(
    disk: Disk, tmp_path: Path
) -> None:
    run = begin(disk, tmp_path)
    send(run)
    run.write()
    disk.room = 0
    with pytest.raises(sqlite3.Error) as failed:
        run.log.checkpoint()
    assert judge(failed.value, str(tmp_path / "log")).passes
    disk.room = None
    run.log.checkpoint()
    assert run.query("SELECT count(*) FROM messages") == [(1,)]
    run.db.close()
