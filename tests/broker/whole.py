"""A `Logged` whose log is in a file, and as whole as a real one: `fsck` can judge it."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tests.broker.logged import Logged, order
from tests.broker.pretend import PretendedWorker, connect
from theater.broker.anew import reinitialise
from theater.broker.book import Out
from theater.broker.burial import Death, bury
from theater.events import EventType, encode
from theater.fsck.check import check
from theater.fsck.findings import Note, Problem


class Whole(Logged):
    worker_type = PretendedWorker

    def __init__(
        self, directory: Path, *orders: dict[str, Any], db: Any = None, **more: Any
    ) -> None:
        if db is None:
            db = sqlite3.connect(directory / "chain.db", isolation_level=None)
            db.execute("PRAGMA synchronous = OFF")
        self.listeners: list[Callable[[Out], None]] = []  # to what leaves, after its commit
        super().__init__(directory, *orders, db=db, **more)

    def release(self) -> None:
        for item in self.turns.out:
            for listener in self.listeners:
                listener(item)
        super().release()

    def again(self, *orders: dict[str, Any], at: float = 0.0) -> Self:
        """Everything dies at once, and is started again."""
        return type(self)(self.directory, *orders, db=self.db, at=at)

    def replaced(self, *orders: dict[str, Any], at: float = 0.0) -> Self:
        """The broker dies, and none of the workers, who are at nothing, has seen it."""
        names = [name for name, worker in self.workers.items() if worker.actor.live]
        actors = [self.actor(name) for name in names]
        living = [(actor.name, actor.incarnation, b"", None, "") for actor in actors]
        next = type(self)(self.directory, *orders, db=self.db, living=living, at=at)
        for name in names:
            actor = next.actor(name)
            actor.phase, actor.route = "running", b"route-" + name.encode()
            next.workers[name] = self.worker_type(next.turns, actor)
            next.workers[name].take()
        return next

    def expect(self, name: str, anew: str = "") -> PretendedWorker:
        actor, turns = self.turns.actors[name], self.turns
        assert not actor.live
        if anew:
            reinitialise(turns, actor, anew, self.now_s)
        connect(actor)
        actor.was_ready = actor.revived = actor.fenced = False
        actor.ended_turns = 0
        turns.started(actor)
        self.phase(name, "starting")
        worker = self.workers[name] = self.worker_type(turns, actor)
        if actor.initialised:
            turns.ready(actor)
        self.phase(name, "running")
        worker.take()
        self.step()
        return worker

    def kill(self, name: str, box: bytes = b"", wanted: bool = False) -> None:
        """`box`: as of a worker that has begun its turn, unless it has not."""
        worker = self.workers.pop(name)
        if not box and worker.record is not None:
            box = self._box(worker)
        death = Death("killed by SIGKILL", "crash", wanted)
        bury(self.turns, self.turns.actors[name], death, box, self.now_s)
        self.step()

    def fail(self, name: str) -> None:
        """The guest traps in the turn that it has begun, as if it were its instance's first."""
        worker = self.workers[name]
        assert worker.record is not None
        failure = {"kind": "trap", "message": "unreachable", "backtrace": [], "fuel": 1}
        worker.actor.ended_turns = 0
        worker.record.add(EventType.WASM_ERROR, "i", "failed", failure)
        self.kill(name, self._box(worker))

    def _box(self, worker: PretendedWorker) -> bytes:
        record = worker.record
        assert record is not None
        events = record.events or [self._line(worker)]
        return b"".join(struct.pack("<I", len(event)) + event for event in events)

    def _line(self, worker: PretendedWorker) -> bytes:
        record, actor = worker.record, worker.actor
        assert record is not None
        numbers = (actor.incarnation, record.turn, record.index)
        return encode(actor.name, *numbers, EventType.LOG, "wasi:cli/stdout", "line", ["..."])

    def remove(self, name: str, reason: str = "deleted") -> None:
        self.phase(name, "stopped")
        super().remove(name, reason)

    def problems(self) -> list[str]:
        """What the check of the whole log finds."""
        found: list[Problem | Note] = []
        check(str(self.directory / "chain.db"), found.append)
        return list(map(str, found))


def up(directory: Path, *names: str, **changes: Any) -> Whole:
    """A system of these actors, all running."""
    system = Whole(directory, *(order(name, **changes) for name in names))
    for name in names:
        system.start(name)
    return system


def give(system: Whole, name: str, body: bytes = b"go", kind: str = "send") -> PretendedWorker:
    """A client's message, and the turn about it has begun."""
    client = f"id-{system.turns.next_message}"
    _, error = system.turns.deliver_from_client(name, body, kind, client)
    assert error is None
    system.step()
    worker = system.workers[name]
    worker.begin()
    return worker


def end_too_late(system: Whole, name: str, reply: bytes | None) -> None:
    """A turn that was asked for ends when nobody waits for its answer any more."""
    worker = system.workers[name]
    worker.begin()
    system.turns.time_out(5.0)
    worker.end(None, reply=reply)
