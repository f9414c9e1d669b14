"""The black box on a disk that takes only so much: never half a record before another one."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from theater.broker.burial import read_box
from theater.events import EventType, encode
from theater.worker.blackbox import WORTH_CLEARING_BYTES, BlackBox

ENDLESS = 1 << 40


class Disk:
    """The file of a box, with `room` bytes left beside it."""

    def __init__(self, path: Path) -> None:
        self.room = ENDLESS
        self.path = path
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._write = os.write

    def write(self, descriptor: int, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._write(descriptor, bytes(data[: self.room]))
        self.room -= written
        return written

    def turns(self) -> list[int]:
        """Which turns have recorded something, one number a record."""
        turns = read_box(self.path.read_bytes()).turns
        return [turn for turn, events in turns.items() for _ in events]


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk(tmp_path / "box")
    monkeypatch.setattr(os, "write", disk.write)
    yield disk
    os.close(disk.descriptor)


def event(turn: int, size: int = 10) -> bytes:
    return encode("a", 1, turn, 0, EventType.WASM_CALL, "x", "f", "e" * size)


def test_what_the_disk_has_no_room_for_is_written_when_it_has(disk: Disk) -> None:
    box = BlackBox(disk.descriptor)
    box.record(event(1))
    disk.room = 7
    box.record(event(2))
    box.record(event(3))
    assert not box.flush() and disk.turns() == [1]
    assert box.size == 3 * (len(event(1)) + 4)
    disk.room = ENDLESS
    box.record(event(4))
    assert box.flush() and disk.turns() == [1, 2, 3, 4]


@pytest.mark.parametrize("seed", range(20))
def test_however_the_room_comes_and_goes_the_box_holds_a_prefix(disk: Disk, seed: int) -> None:
    chance = random.Random(seed)
    box = BlackBox(disk.descriptor)
    for turn in range(1, 60):
        disk.room = chance.choice([0, chance.randrange(100), ENDLESS])
        box.record(event(turn, chance.randrange(80)))
        held = disk.turns()
        assert held == list(range(1, len(held) + 1))
    disk.room = ENDLESS
    assert box.flush() and disk.turns() == list(range(1, 60))


def test_a_box_with_half_a_record_is_emptied_as_soon_as_nothing_in_it_is_needed(disk: Disk) -> None:
    box = BlackBox(disk.descriptor)
    disk.room = 9
    box.record(event(1))
    box.clear()
    disk.room = ENDLESS
    box.record(event(2))
    assert disk.turns() == [2]
    box.clear()
    assert disk.turns() == [2], "not worth its price"
    box.record(event(3, WORTH_CLEARING_BYTES))
    box.clear()
    assert box.size == 0 and disk.turns() == []


def test_the_reason_of_a_failure_waits_for_the_disk_until_nobody_waits_for_it(disk: Disk) -> None:
    box = BlackBox(disk.descriptor)
    disk.room = 0
    box.record(event(1))
    looks = iter([False, True])
    box.insist(lambda: next(looks))
    assert disk.turns() == []

    def give_room() -> bool:
        disk.room = ENDLESS
        return False

    box.insist(give_room)
    assert disk.turns() == [1]
