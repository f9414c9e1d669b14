"""A loop through any history, beside a plain model of what it is.

An actor starts and stops its loop, in turns of one or more steps, and is sent messages; its worker
is killed, fails, is stopped and started, begins anew, is granted loops no more and again; dead
letters are retried; the broker dies before or after a commit, and its worker says again what nobody
has heard; everything dies at once. Whatever happens, the turns are those of the model, in its
order: no round twice, none that was cleared, none lost.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.broker.alone import Alone, Listened
from tests.broker.logged import order
from tests.slices import sliced
from theater.broker import dead
from theater.calls import CALLS, LOOP, START_LOOP
from theater.events import Event, EventType

MOMENTS = 100
KINDS = {export: kind for kind, export in CALLS.items()}


@dataclass(eq=False)
class Waiting:
    kind: str
    body: bytes


@dataclass
class Model:
    """What has to be so, as of the last commit."""

    queue: deque[Waiting] = field(default_factory=deque)  # the oldest first
    loop: Waiting | None = None  # that which has not been handled, if it is not over
    initialised: bool = False
    is_granted: bool = True
    kind: str = ""  # of the turn that has committed a step
    turns: list[tuple[str, bytes]] = field(default_factory=list)

    def put(self, kind: str, body: bytes) -> None:
        self.queue.append(Waiting(kind, body))
        if kind == "loop":
            assert self.loop is None
            self.loop = self.queue[-1]

    def step(self, events: list[Event]) -> None:
        for event in events:
            if event.type == EventType.HOST_CALL and event.interface == LOOP:
                self._stop()
                if event.function == START_LOOP:
                    self.put("loop", event.payload[0][0])
            elif event.type in (EventType.WASM_CALL, EventType.CARRIED_ON):
                self.kind = KINDS[event.interface, event.function]
            elif event.type == EventType.WASM_RESULT:
                self.initialised = True
                kind, (returned, _) = KINDS[event.interface, event.function], event.payload
                self.end(kind, returned["ok"][1][0].get("ok") if kind == "loop" else None)

    def _stop(self) -> None:
        """What is at the front is being handled, but by an init."""
        is_handled = self.kind != "init" and self.loop is self.queue[0]
        if self.loop is not None and not is_handled:
            self.queue.remove(self.loop)
        self.loop = None

    def end(self, kind: str, next: bytes | None = None) -> None:
        """The turn about what comes next is over."""
        if kind == "init":
            self.turns.append((kind, b""))
            return
        front = self.queue.popleft()
        assert front.kind == kind
        self.turns.append((kind, front.body))
        if front is self.loop:
            self.loop = None
            if next is not None and self.is_granted:
                self.put("loop", next)

    def anew(self) -> None:
        self.initialised = False
        if self.loop is not None:
            self.queue.remove(self.loop)
        self.loop = None


class History(Alone):
    model: Model

    def __init__(self, directory: Path, seed: int) -> None:
        recycled = random.Random(f"{seed}").choice([0, 0, 5])
        made = order("a", max_deliveries=2, recycle_turns=recycled)
        super().__init__(directory, seed, Model(), made)

    def hear_step(self, events: list[Event]) -> None:
        self.model.step(events)

    def hear_set_aside(self, kind: str) -> None:
        self.model.end(kind)

    # What happens

    def moment(self) -> None:
        chance = self.chance
        self.number += 1
        if self.worker is None:
            if chance.random() < 0.4:
                self.start("on_restart" if chance.random() < 0.1 else "")
            elif chance.random() < 0.3:
                self.grant(not self.model.is_granted)
            else:
                self.retry()
                self.commit()
            return
        match chance.choices(
            ["go on", "client", "die", "broker", "all", "retry"], [75, 12, 5, 4, 2, 4]
        )[0]:
            case "go on":
                self.go_on()
            case "client":
                body = b"%d" % self.number
                _, error = self.system.turns.deliver_from_client("a", body, "send", f"{body!r}")
                assert error is None
                self.model.put("send", body)
            case "die":
                self.die()
            case "broker":
                self.broker_dies()
            case "all":
                self.all_die()
            case "retry":
                self.retry()
        if chance.random() < 0.6:
            self.commit()

    def go_on(self) -> None:
        chance, worker = self.chance, self.worker
        assert worker is not None
        if worker.record is None:
            if self.is_spent():
                self.commit()
                self.worker = None
                self.system.kill("a", wanted=True)
                self.commit()
            elif worker.inputs:
                self.commit()  # its journal is of what is committed
                self.begin(worker)
        elif chance.random() < 0.15 and self.model.is_granted:
            if chance.random() < 0.6:
                self.number += 1
                worker.start_loop(b"%d:0" % self.number)
            else:
                worker.stop_loop()
        elif chance.random() < 0.2:
            worker.ask("request", "nobody", b"?", 0.0)
            worker.answered()
        else:
            self.end(worker)

    def is_spent(self) -> bool:
        limit = self.order["recycle_turns"]
        return bool(limit) and self.system.actor("a").ended_turns >= limit

    def begin(self, worker: Listened) -> None:
        worker.begin()
        worker.waits = False  # nobody had to be asked: the answer is there

    def end(self, worker: Listened) -> None:
        _, _, kind, *_, body, _, _ = worker.inputs[0]
        next = None
        if kind == "loop" and self.chance.random() < 0.9:
            loop, _, number = body.partition(b":")
            next = b"%s:%d" % (loop, int(number) + 1)
        worker.end(None, round=next)

    def grant(self, is_granted: bool) -> None:
        """Its manifest says so from now on."""
        grants: dict[str, Any] = {"message-server": {}, **({"loop": {}} if is_granted else {})}
        self.order = {**self.order, "may_loop": is_granted, "grants": grants}
        self.model.is_granted = is_granted
        self.system.adopt(self.order)
        self.commit()

    def retry(self) -> None:
        """A dead letter of the actor's, which may be one of a loop."""
        self.commit()
        letters = self.system.query("SELECT id FROM dead_letters WHERE status = 'open'")
        if not letters:
            return
        (id,) = self.chance.choice(letters)
        row = self.system.log.dead_letter(id)
        assert row is not None
        letter = dead.letter_from(id, row)
        _, error = dead.retry(self.system.turns, letter, f"retry {self.number}")
        if letter.message is None or not self.system.actor("a").takes_messages():
            assert error is not None
        elif letter.message.kind == "loop" and self.model.loop is not None:
            assert error is not None and error.startswith("refused: ")
        elif letter.message.kind == "loop" and not self.model.is_granted:
            assert error == "refused: the manifest of a does not grant loop"
        elif letter.actor == "a":
            assert error is None
            self.model.put(letter.message.kind, letter.message.body)

    def finish(self) -> None:
        """Its worker handles what there is, and no round leaves another one."""
        for _ in range(1000):
            if self.worker is None:
                self.start()
            worker = self.worker
            assert worker is not None
            self.commit()
            if worker.record is None and self.is_spent():
                self.go_on()
                continue
            if worker.record is None and worker.inputs:
                self.begin(worker)
            if worker.record is None:
                return
            worker.end(None)
        raise AssertionError("it never ends")

    # What has to be so

    def judge(self, where: str) -> None:
        system, model = self.system, self.model
        actor = system.actor("a")
        turns = system.query(
            "SELECT t.kind, coalesce(m.body, x'') FROM turns t LEFT JOIN messages m"
            " ON m.id = t.message WHERE t.status IN ('done', 'failed') ORDER BY t.turn"
        )
        assert turns == model.turns, where
        rows = system.query(
            "SELECT id, kind, body FROM messages WHERE status = 'queued' ORDER BY id"
        )
        assert [(kind, body) for _, kind, body in rows] == [
            (each.kind, each.body) for each in model.queue
        ], where
        assert actor.mailbox.messages == len(model.queue), where
        assert actor.mailbox.bytes == sum(len(each.body) for each in model.queue), where
        expected = None
        if model.loop is not None:
            expected = rows[list(model.queue).index(model.loop)][0], len(model.loop.body)
        assert actor.loop == expected, where
        loops = [each for each in model.queue if each.kind == "loop"]
        assert len(loops) <= 1 or (len(loops) == 2 and loops[0] is model.queue[0]), where


@pytest.mark.parametrize("block", sliced(range(10), *range(4)))
def test_any_history_of_a_loop_is_that_of_the_model(tmp_path: Path, block: int) -> None:
    for seed in range(block * 10, block * 10 + 10):
        directory = tmp_path / str(seed)
        directory.mkdir()
        run(directory, seed)


def run(directory: Path, seed: int, moments: int = MOMENTS) -> None:
    history = History(directory, seed)
    where = f"seed {seed}"
    for number in range(moments):
        history.moment()
        if number % 10 == 9:
            history.commit()
            history.judge(where)
    history.finish()
    history.commit()
    history.judge(where)
    assert history.system.problems() == [], where
