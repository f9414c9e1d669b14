"""The broker against workers and clients that say anything.

Whatever they say, the broker neither fails nor believes it: a step that does not fit changes
nothing and ends its incarnation; and whatever was taken, the log is whole at the end.
"""

from __future__ import annotations

import contextlib
import io
import math
import random
import re
import struct
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

from tests.broker.logged import order
from tests.broker.pretend import PretendedWorker
from tests.broker.whole import Whole
from tests.fuzz.mutate import mutated, retold, scrambled
from tests.fuzz.sockets import Socket
from theater import wire
from theater.broker import outstanding
from theater.broker.actors import Actor
from theater.broker.book import ChainPart, Out, ToRoot, ToWorker
from theater.broker.clients import Clients
from theater.broker.workers import Workers
from theater.calls import CALLS, MESSAGES, RUNTIME
from theater.events import EventType

NAMES = ("a", "b", "c")
MOVES = 200  # of one case
# What a worker can say and the broker not know to be wrong: the answer to a request that never was
# could be one to a request that has been settled. It changes nothing, and the check tells.
TOLERATED = r"^Note\(|: it has answered request .*; should be a request that was made to it$"
SECRET = b"s" * 16


class Hostile:
    """A broker on a log in a file, with workers that are about to say something."""

    def __init__(self, directory: Path, dice: random.Random) -> None:
        self.dice = dice
        orders = [order(name, mailbox={"max_messages": 20}) for name in NAMES]
        self.system = Whole(directory, *orders)
        self.system.listeners.append(self._hear)
        self.turns = self.system.turns
        self.from_workers, self.from_clients = Socket(), Socket()
        self.workers = Workers(cast(Any, self.from_workers), self.turns)
        self.clients = Clients(cast(Any, self.from_clients), self.turns, self.system.log, set())
        self._said = 0
        self._closed: set[str] = set()  # channels, in the step that is being made
        for name in NAMES:
            self.start(name)

    def start(self, name: str) -> None:
        actor = self.system.start(name).actor
        assert actor.route is not None
        actor.secret, actor.pid = SECRET, 1000 + actor.id
        self.workers.links.routes[actor.route] = actor
        self.workers.links.pids[actor.pid] = actor

    def commit(self) -> None:
        """As the loop does after each time that something was received."""
        self.system.write()
        self.clients.committed(self.turns.next_seq - 1)
        self.system.release()

    def _hear(self, item: Out) -> None:
        """A worker takes its answer."""
        is_answer = isinstance(item, ToWorker) and item.message[0] == "answer"
        if isinstance(item, ChainPart) or (isinstance(item, ToWorker) and is_answer):
            worker = self.system.workers.get(item.actor.name)
            if worker is not None and worker.record is not None:
                worker.answered()

    # What is said

    def message(self, to: str) -> None:
        self._said += 1
        kind = self.dice.choice(("send", "request"))
        body = self.dice.choice((b"", b"hi", b"x" * 2000))
        self.turns.deliver_from_client(to, body, kind, f"client-{self._said}")
        self.commit()

    def step(self, name: str) -> tuple[Any, ...] | None:
        """The next step that this actor's worker has to send, as it would be right."""
        worker = self.system.workers[name]
        current = worker.actor.current
        if not worker.inputs:
            self.message(name)
        if not worker.inputs or (current is not None and current.ask is not None):
            return None
        if worker.record is None:
            worker.begin()
        record = worker.record
        assert record is not None
        self._closed.clear()
        for _ in range(self.dice.randint(0, 3)):
            self._call(worker)
        match self.dice.choice(("end", "end", "request", "open-channel", "get-chain")):
            case "request" | "open-channel" as function:
                body = self.dice.choice((b"?", b"y" * 2000))
                to = self.dice.choice(NAMES)
                record.add(EventType.HOST_CALL, MESSAGES, function, [[to, body]])
            case "get-chain":
                record.add(EventType.HOST_CALL, RUNTIME, "get-chain", [[]])
            case _:
                self._end(worker)
        return self._cut(worker)

    def _call(self, worker: PretendedWorker) -> None:
        assert worker.record is not None
        known = outstanding.known(worker.actor)
        channels = sorted(worker.actor.channels.keys() - self._closed)
        body = self.dice.choice((b"", b"m" * 2000))
        kinds = ("send", "send", "log", "respond", "cancel", "say", "close", "loop", "no loop")
        match self.dice.choice(kinds):
            case "send":
                worker.send(self.dice.choice((*NAMES, "nobody")), body)
            case "loop":
                worker.start_loop(body)
            case "no loop":
                worker.stop_loop()
            case "respond" if known:
                worker.respond(self.dice.choice(known), body)
            case "cancel" if known:
                worker.cancel(self.dice.choice(known))
            case "say" if channels:
                worker.say(self.dice.choice(channels), body)
            case "close" if channels:
                channel = self.dice.choice(channels)
                self._closed.add(channel)
                worker.close(channel)
            case _:
                worker.record.add(EventType.HOST_CALL, RUNTIME, "log", [["a line"], None])

    def _end(self, worker: PretendedWorker) -> None:
        assert worker.record is not None
        kind = worker.inputs[0][2]
        state = self.dice.choice((None, b"", b"s", b"t" * 2000))
        reply = self.dice.choice((None, b"yes", b"z" * 2000))
        answer: dict[str, list[Any]] = {
            "request": [[reply]],
            "channel-open": [[{"accepted": self.dice.random() < 0.8, "message": reply}]],
            "loop": [[{"err": "done"} if reply is None else {"ok": reply}]],
        }
        worker.record.result(*CALLS[kind], {"ok": [state, *answer.get(kind, [])]}, state, 7)

    def _cut(self, worker: PretendedWorker) -> tuple[Any, ...]:
        assert worker.record is not None
        number, events, contents = worker.record.cut()
        return ("step", worker.record.turn, number, worker.inputs[0][3], events, contents)

    def say_right(self, name: str) -> None:
        step = self.step(name)
        if step is None:
            return
        worker = self.system.workers[name]
        self._from_worker(worker.actor, wire.pack(step))
        told = [item.message for item in self.turns.out if isinstance(item, ToRoot)]
        assert not worker.actor.fenced, f"a right step was refused: {told}"
        if worker.actor.current is None:
            worker.inputs.pop(0)
            worker.record = None
        self.commit()

    def _impatient(self, name: str) -> tuple[Any, ...] | None:
        """The step after an ask, without its answer."""
        worker = self.system.workers[name]
        current, record = worker.actor.current, worker.record
        if current is None or record is None:
            return None
        self._closed.clear()
        self._call(worker)
        self._end(worker)
        return self._cut(worker)

    def say_wrong(self, name: str) -> None:
        """A step with a fault: it is taken, or it changes nothing and ends its incarnation."""
        step = self.step(name) or self._impatient(name)
        if step is None:
            return
        actor = self.turns.actors[name]
        before = deepcopy((actor, self.turns.next_seq, self.turns.next_message))
        if self.dice.random() < 0.4:
            *numbers, events, contents = step
            data = wire.pack((*numbers, retold(self.dice, events), contents))
        else:
            data = mutated(self.dice, step)
        self._from_worker(actor, data)
        if actor.fenced:
            (told,) = self.turns.out
            assert isinstance(told, ToRoot) and told.message[0] == "violation"
            batch = self.turns.batch
            assert batch.counters == {"violations": 1}
            batch.counters = {}
            assert batch.is_empty(), f"a refused step left {batch}"
            then, *numbers = before
            then.fenced, then.route, then.due_s = True, None, None
            assert (actor, self.turns.next_seq, self.turns.next_message) == (then, *numbers)
        self.commit()
        self.die(name, data)

    def die(self, name: str, data: bytes) -> None:
        """It dies, and what it has said is in its black box, after a fashion."""
        actor = self.turns.actors[name]
        self.workers.gone(actor)
        self.system.kill(name, _box(self.dice, data), wanted=self.dice.random() < 0.5)
        self.start(name)

    def _from_worker(self, actor: Actor, data: bytes) -> None:
        assert actor.route is not None
        self.from_workers.put(actor.route, data)
        self.workers.take(math.inf, 0.0)

    def stranger(self) -> None:
        """Somebody who is no worker says HELLO, or something like it."""
        actor = self.turns.actors[self.dice.choice(NAMES)]
        hello = ("hello", actor.name, actor.incarnation, SECRET, None)
        route = self.dice.randbytes(5)
        self.from_workers.put(route, mutated(self.dice, hello), pid=actor.pid or 0)
        self.from_workers.put(route, mutated(self.dice, ("step", 1, 0, 1, [], [])))
        was = actor.route
        self.workers.take(math.inf, 0.0)
        strangers, self.workers.strangers = self.workers.strangers, {}
        self.workers.judge(strangers, 0.0)
        self.commit()
        if actor.route != was or actor.fenced:  # it was believed: nothing in it was wrong
            self.die(actor.name, b"")

    def client(self) -> None:
        self._said += 1
        kinds: list[tuple[Any, ...]] = [
            ("send", f"c-{self._said}", "a", b"body"),
            ("request", f"c-{self._said}", "b", b"body", 5.0),
            ("retry", f"c-{self._said}", 1),
            ("drop", f"c-{self._said}", 1),
            ("watch", f"c-{self._said}"),
        ]
        for kind in self.dice.choices(kinds, k=2):
            self.from_clients.put(b"client", mutated(self.dice, kind))
        self.clients.take(math.inf, 0.0)
        self.clients.time_out(self.dice.choice((0.0, 10.0)))
        self.commit()

    def end(self) -> None:
        problems = [each for each in self.system.problems() if not re.search(TOLERATED, each)]
        self.system.db.close()
        assert not problems, "\n".join(problems)


def _box(dice: random.Random, data: bytes) -> bytes:
    """A black box that holds something like the events of this step."""
    try:
        events = [each for each in wire.unpack(data)[4] if isinstance(each, bytes)]
    except Exception:
        events = [data]
    box = b"".join(struct.pack("<I", len(event)) + event for event in events)
    return scrambled(dice, box) if dice.random() < 0.5 else box


def _quiet() -> contextlib.AbstractContextManager[object]:
    """The broker says in its own log whom it refuses."""
    return contextlib.redirect_stderr(io.StringIO())


def broker(dice: random.Random) -> None:
    """One case: messages, right steps, wrong ones, strangers and clients."""
    with tempfile.TemporaryDirectory(prefix="theater-fuzz-") as directory, _quiet():
        hostile = Hostile(Path(directory), dice)
        for _ in range(MOVES):
            name = dice.choice(NAMES)
            match dice.choice(
                ("message", "right", "right", "wrong", "wrong", "stranger", "client")
            ):
                case "message":
                    hostile.message(name)
                case "right":
                    hostile.say_right(name)
                case "wrong":
                    hostile.say_wrong(name)
                case "stranger":
                    hostile.stranger()
                case _:
                    hostile.client()
        hostile.end()
