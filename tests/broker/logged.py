"""A broker without its sockets: its decisions and a real log, in memory or in a file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.broker.pretend import EXPORT, KINDS, PretendedWorker, connect
from theater.broker import timers
from theater.broker.actors import Actor
from theater.broker.anew import reinitialise
from theater.broker.batch import Batch
from theater.broker.book import Out, ToClient, ToRoot
from theater.broker.boxes import Boxes
from theater.broker.burial import Death, bury
from theater.broker.log import Log
from theater.broker.mailbox import WINDOW
from theater.broker.members import Members
from theater.broker.recovery import load_window
from theater.broker.revival import Living
from theater.broker.turns import Turns
from theater.chain import first_break
from theater.events import Event, decode
from theater.spec import Durability

LIMIT = 1 << 20


def order(name: str, **changes: Any) -> dict[str, Any]:
    mailbox = {"max_messages": 10_000, "max_bytes": LIMIT, "on_full": "block"}
    return {
        "name": name,
        "component": "c0ffee",
        "engine": {"fuel": True},
        "grants": {"message-server": {}, "loop": {}},
        "limits": {"fuel": 1000},
        "initial_state": None,
        "send_to": ["**"],
        "may_send": True,
        "world": [],
        "takes": list(KINDS),
        "max_events": 100,
        "request_timeout_s": 5.0,
        "turn_timeout_s": 30.0,
        "turn_bytes": LIMIT,
        "max_deliveries": 3,
        "state_every": None,
        "recycle_turns": 0,
        "max_timers": 1000,
        "may_call": True,
        "call_to": ["**"],
        "functions": [EXPORT],
        "interfaces": ["t:s/a"],
        "may_loop": True,
        **changes,
        "mailbox": {**mailbox, **changes.get("mailbox", {})},
    }


def supervisor(name: str, **flags: Any) -> dict[str, Any]:
    return {"name": name, "kind": "supervisor", "flags": flags or None}


class Logged:
    """One run of a system on a log; `again` is the next one, after all died at once."""

    def __init__(
        self,
        directory: Path,
        *orders: dict[str, Any],
        db: Any = None,
        durability: Durability = Durability.PROCESS,
        living: Iterable[tuple[Any, ...]] = (),
        at: float = 0.0,
    ) -> None:
        """`at`: the Unix time at which it begins; its own clock begins at 0."""
        self.now_s = 0.0
        self.db = db or sqlite3.connect(":memory:", isolation_level=None)
        self.directory = directory
        self.orders = orders
        self.log = Log(self.db, durability)
        self.turns = Turns(
            LIMIT,
            LIMIT,
            next_seq=self.log.stored.next_seq(),
            next_message=self.log.stored.next_message(),
            next_dead_letter=self.log.stored.next_dead_letter(),
            next_evidence=self.log.stored.next_evidence(),
            store_rows=self.log.store_rows,
            chain_rows=self.log.chain_rows,
        )
        self.workers: dict[str, PretendedWorker] = {}
        self.out: list[Out] = []
        self.turns.at = at
        self.members = Members(self.turns, self.log, Boxes(str(directory)), self.write)
        self.members.register(list(orders), [Living(*one) for one in living], {}, 0.0)
        self.write()
        self.release()
        told = [item.message for item in self.out if isinstance(item, ToRoot)]
        (self.registered,) = [message[1] for message in told if message[0] == "registered"]

    def again(self, *orders: dict[str, Any]) -> Logged:
        return Logged(self.directory, *orders, db=self.db)

    # As the loop does

    def write(self) -> None:
        batch, self.turns.batch = self.turns.batch, Batch()
        self.log.write(batch)

    def release(self) -> None:
        """What leaves goes to `out`; the inputs that may be handed out are taken by workers."""
        self.out, self.turns.out = self.turns.out, []
        touched, self.turns.touched = self.turns.touched, {}
        for actor in touched.values():
            if actor.mailbox.wants_refill():
                rows = self.log.mailbox_after(actor.id, actor.mailbox.last_loaded, WINDOW)
                load_window(actor, rows)
            worker = self.workers.get(actor.name)
            if worker is not None and worker.actor is actor:
                worker.take(self.now_s)

    def wait(self, seconds: float) -> None:
        """Time passes, as the machine's clock has it too."""
        self.now_s += seconds
        self.turns.at += seconds
        timers.go_off(self.turns, self.now_s)
        self.step()

    def step(self) -> None:
        self.write()
        self.release()

    # As root does

    def adopt(self, *orders: dict[str, Any]) -> None:
        for each in orders:
            self.members.adopt(each, self.now_s)
        self.step()

    def remove(self, name: str, reason: str = "deleted") -> None:
        self.members.remove(name, reason, self.now_s)
        self.workers.pop(name, None)
        self.step()

    def expect(self, name: str, anew: str = "") -> PretendedWorker:
        """A worker for an actor, which is handed what there is."""
        actor = self.turns.actors[name]
        assert not actor.live
        if anew:
            reinitialise(self.turns, actor, anew, self.now_s)
        actor.ended_turns = 0
        connect(actor)
        row = (actor.id, actor.incarnation, None, 0.0)
        self.turns.batch.incarnations.append(row)
        self.phase(name, "running")
        worker = self.workers[name] = PretendedWorker(self.turns, actor)
        worker.take()
        self.step()
        return worker

    def start(self, name: str) -> PretendedWorker:
        """As `expect`; its `init` is done, if it has not been."""
        worker = self.expect(name)
        if not worker.actor.initialised:
            worker.begin()
            worker.end(None)
            worker.take()
            self.step()
        return worker

    def kill(self, name: str, box: bytes = b"", wanted: bool = False) -> None:
        death = Death("killed by SIGKILL", "crash", wanted)
        bury(self.turns, self.turns.actors[name], death, box, self.now_s)
        self.workers.pop(name, None)
        self.step()

    def phase(self, name: str, phase: str) -> None:
        actor = self.turns.actors[name]
        actor.phase = phase
        timers.wake(self.turns, actor)
        self.turns.batch.phases.append((phase, "", actor.id))
        self.turns.touched[name] = actor

    # What is so

    def actor(self, name: str) -> Actor:
        return self.turns.actors[name]

    def chain(self, name: str) -> list[Event]:
        """The events of a chain, which has to be whole."""
        rows = self.db.execute(
            "SELECT bytes, hash, position FROM events e JOIN actors a ON a.id = e.actor"
            " WHERE a.name = ? ORDER BY position",
            (name,),
        ).fetchall()
        assert first_break([row[:2] for row in rows]) is None, f"the chain of {name} is broken"
        assert [row[2] for row in rows] == list(range(len(rows)))
        return [decode(row[0]) for row in rows]

    def told(self, name: str) -> list[tuple[str, Any]]:
        """(type, payload) of what was said of an actor or supervisor, not by it."""
        return [(event.type, event.payload) for event in self.chain(name) if event.turn == 0]

    def query(self, sql: str) -> list[Any]:
        return list(self.db.execute(sql).fetchall())

    def to_clients(self) -> dict[str, Any]:
        return {item.client: item.value for item in self.out if isinstance(item, ToClient)}
