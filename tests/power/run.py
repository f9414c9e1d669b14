"""A run of the broker's decisions with its real log on a disk of ours, as chance has it."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

from tests.broker.logged import Logged, order
from tests.broker.pretend import PretendedWorker, connect
from tests.power.disk import Connection, Disk
from theater.broker.log import Log
from theater.events import EventType
from theater.spec import Durability


def contents(db: Any) -> bytes:
    """A hash of everything in the log."""
    tables = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
    whole = hashlib.sha256()
    for (table,) in db.execute(tables).fetchall():
        whole.update(repr(db.execute(f"SELECT * FROM {table}").fetchall()).encode())
    return whole.digest()


class Run(Logged):
    """The actors are new in each run; those of the run before are removed by it."""

    def __init__(
        self, boxes: Path, disk: Disk, durability: Durability, names: list[str], **pragmas: str
    ) -> None:
        self.disk = disk
        self.names = names
        self._sent = 0
        db = Connection(disk)
        Log(db, durability)
        self.commits = [contents(db)]  # what the log held after each
        orders = [order(name) for name in names]
        super().__init__(boxes, *orders, db=db, durability=durability)
        for pragma, value in pragmas.items():
            db.execute(f"PRAGMA {pragma} = {value}")

    def write(self) -> None:
        super().write()
        self.disk.acknowledge(len(self.commits))
        self.commits.append(contents(self.db))

    def start(self, name: str) -> PretendedWorker:
        actor = self.turns.actors[name]
        connect(actor)
        self.turns.batch.incarnations.append((actor.id, actor.incarnation, None, 0.0))
        self.turns.lifecycle(actor, EventType.STARTED, {"component": actor.component})
        worker = self.workers[name] = PretendedWorker(self.turns, actor)
        worker.take()
        if actor.initialised:
            self.turns.ready(actor)
        else:
            worker.begin()
            worker.end(None)
            worker.take()
        self.phase(name, "running")
        return worker

    def live(self, chance: random.Random, count: int) -> None:
        """So many things happen, some of them in one commit."""
        for name in self.names:
            self.start(name)
        self.step()
        for _ in range(count):
            self._happen(chance)
            if chance.random() < 0.6:
                self.step()
            if chance.random() < 0.1:
                self.log.checkpoint()
        self.step()

    def _happen(self, chance: random.Random) -> None:
        name = chance.choice(self.names)
        worker = self.workers[name]
        if chance.random() < 0.3:
            for _ in range(chance.randint(1, 5)):
                self._sent += 1
                body = bytes([chance.randrange(256)]) * chance.choice([10, 100, 3000])
                client = f"{self.disk.name}:{self._sent}"
                self.turns.deliver_from_client(name, body, "send", client)
        elif worker.record is not None:
            self._answered(worker, chance)
        elif chance.random() < 0.05:
            self.kill(name)
            self.start(name)
        elif worker.inputs:
            self._begin(worker, chance)

    def _begin(self, worker: PretendedWorker, chance: random.Random) -> None:
        worker.begin()
        for _ in range(chance.randrange(3)):
            worker.send(chance.choice(self.names), chance.randbytes(chance.choice([5, 500, 2000])))
        if chance.random() < 0.3:
            worker.request(chance.choice(self.names), b"what?")  # refused, if it closes a circle
        else:
            self._end(worker, chance)

    def _answered(self, worker: PretendedWorker, chance: random.Random) -> None:
        current = worker.actor.current
        if current is not None and current.ask is None:
            worker.answered()
            self._end(worker, chance)

    def _end(self, worker: PretendedWorker, chance: random.Random) -> None:
        reply = b"that" if worker.inputs[0][2] == "request" else None
        state = chance.randbytes(chance.choice([0, 20, 700, 9000]))
        worker.end(state, reply)
