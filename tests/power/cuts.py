"""Cut a run's power at many moments, and look at what is left each time, as the next `up` does."""

from __future__ import annotations

import itertools
import random
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.power.disk import Disk, Image, images
from tests.power.run import Run, contents
from theater.broker.inspection import inspect
from theater.broker.log import Log
from theater.fsck.check import check
from theater.fsck.findings import Note, Problem
from theater.spec import Durability

EVENTS = 40  # things that happen in a run
FSCK_SHARE = 0.2  # of the images are checked from end to end, which takes longer than all else

_numbers = itertools.count(1)


class Cuts:
    def __init__(self, directory: Path, durability: Durability, chance: random.Random) -> None:
        self.directory = directory
        self.durability = durability
        self.count = self.lost = 0  # images, and those that lack something acknowledged
        self._chance = chance
        self._image: Image = {}
        self._boxes = directory / "boxes"
        self._boxes.mkdir()

    def run(self, count: int, **pragmas: str) -> None:
        """One run, that begins with what is left of the one before."""
        number = next(_numbers)
        disk = Disk(f"disk-{number}", self._image)
        try:
            names = [f"{name}{number}" for name in "abc"]
            run = Run(self._boxes, disk, self.durability, names, **pragmas)
            run.live(self._chance, EVENTS)
            last = len(disk.operations)
            run.db.close()
        finally:
            disk.unregister()
        cuts = sorted(self._chance.randint(0, last) for _ in range(count))
        for acknowledged, image in images(self._image, disk.operations, cuts, self._chance):
            self._judge(run.commits, acknowledged, image)
        self._image = image

    def _judge(self, commits: list[bytes], acknowledged: int, image: Image) -> None:
        path = self.directory / "chain.db"
        for each in self.directory.glob("chain.db*"):
            each.unlink()
        for name, data in image.items():
            (self.directory / name[1:]).write_bytes(data)
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            Log(db, self.durability)
            db.execute("PRAGMA synchronous = OFF")  # what we close here is looked at, not kept
            assert inspect(db, lambda _count: None) is None
            found = contents(db)
        assert found in commits, "this was never committed"
        self.count += 1
        self.lost += found not in commits[acknowledged:]
        if self._chance.random() < FSCK_SHARE and found != commits[0]:
            problems: list[Problem | Note] = []
            check(str(path), problems.append)
            assert not problems, "\n".join(map(str, problems))
