"""Timers through any history, beside a plain model of what they are.

An actor sets, replaces and clears timers, in turns of one or more steps; time passes; its worker is
killed, fails, is stopped and started, begins anew; the broker dies before or after a commit, and
its worker says again what nobody has heard; everything dies at once. Whatever happens, the turns
are those of the model, in its order: no tick twice, none that was cleared, none lost.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.broker.alone import Alone, Listened
from tests.broker.logged import order
from tests.slices import sliced
from theater.broker import timers
from theater.calls import CALLS, CLEAR, SET_INTERVAL, SET_TIMEOUT, TIMER
from theater.events import Event, EventType, decode
from theater.worker.handlers.timer import Timers

NAMES = ("w", "x", "y", "z")
MAX_TIMERS = 3
MOMENTS = 60
DELAYS_MS = (10, 55, 130, 400, 1_000, 7_000)
KINDS = {function: kind for kind, (_, function) in CALLS.items()}


@dataclass
class Plain:
    """A timer: its interval, when it is due, whether its tick has not been handled."""

    interval_s: float | None
    due_at: float
    waits: bool = False


@dataclass
class Model:
    """What has to be so, as of the last commit. Time is the machine's."""

    timers: dict[str, Plain] = field(default_factory=dict)
    queue: deque[tuple[str, str]] = field(default_factory=deque)  # (kind, body), oldest first
    initialised: bool = False
    kind: str = ""  # of the turn that has committed a step
    turns: list[tuple[str, str]] = field(default_factory=list)

    def pass_to(self, at: float, takes: bool) -> None:
        if not takes:
            return
        due = [name for name, timer in self.timers.items() if not timer.waits]
        for name in sorted(due, key=lambda name: self.timers[name].due_at):
            timer = self.timers[name]
            if timer.due_at <= at:
                timer.waits = True
                self.queue.append(("tick", name))
                self._advance(timer, at)

    def step(self, events: list[Event], at: float) -> None:
        for event in events:
            payload = event.payload
            if event.type == EventType.HOST_CALL and event.interface == TIMER:
                arguments, answer = payload
                if event.function != "now" and "ok" in answer:
                    self._call(event.function, arguments, at, self.kind == "init")
            elif event.type in (EventType.WASM_CALL, EventType.CARRIED_ON):
                self.kind = KINDS[event.function]
            elif event.type == EventType.WASM_RESULT:
                self.initialised = True
                self.end(KINDS[event.function], at)

    def _call(self, function: str, arguments: list[Any], at: float, is_init: bool) -> None:
        name = arguments[0]
        timer = self.timers.pop(name, None)
        if timer is not None and timer.waits:
            # What is at the front is being handled, but by an init.
            handled, rest = ([], [*self.queue]) if is_init else ([self.queue[0]], [*self.queue][1:])
            self.queue = deque([*handled, *(each for each in rest if each != ("tick", name))])
        if function == CLEAR:
            return
        after_s = arguments[1] / 1000
        self.timers[name] = Plain(after_s if function == SET_INTERVAL else None, at + after_s)

    def end(self, kind: str, at: float) -> None:
        """The turn about what comes next is over."""
        if kind == "init":
            self.turns.append((kind, ""))
            return
        kind_of, body = front = self.queue.popleft()
        assert kind_of == kind
        self.turns.append(front)
        timer = self.timers.get(body) if kind == "tick" else None
        if timer is None or not timer.waits or front in self.queue:
            return  # cleared or set anew by its own turn
        timer.waits = False
        if timer.interval_s is None:
            del self.timers[body]
        else:
            self._advance(timer, at)

    def _advance(self, timer: Plain, at: float) -> None:
        while timer.interval_s is not None and timer.due_at <= at:
            timer.due_at += timer.interval_s

    def anew(self) -> None:
        self.initialised = False
        self.timers.clear()
        self.queue = deque(each for each in self.queue if each[0] != "tick")


class History(Alone):
    model: Model

    def __init__(self, directory: Path, seed: int) -> None:
        self.calls = 0
        made = order("a", max_timers=MAX_TIMERS, max_deliveries=2)
        super().__init__(directory, seed, Model(), made, at=1000.0)

    @property
    def is_running(self) -> bool:
        return self.system.actor("a").takes_ticks()

    def start(self, anew: str = "") -> None:
        super().start(anew)
        assert self.worker is not None
        self.handler = Timers({"max_timers": MAX_TIMERS}, lambda: True, lambda: 0)
        self.handler.stand([list(each) for each in timers.known(self.worker.actor)])

    def hear_step(self, events: list[Event]) -> None:
        self.model.step(events, self.system.turns.at)

    def hear_set_aside(self, kind: str) -> None:
        self.model.end(kind, self.at)

    def between_brokers(self) -> None:
        self.at += self.chance.random() / 2

    def before_hello(self) -> None:
        timers.wake(self.system.turns, self.system.actor("a"))
        self.after_hello()

    def after_hello(self) -> None:
        if self.chance.random() < 0.5:
            self.go_off()

    def all_die(self) -> None:
        self.at += self.chance.choice([0.0, 0.1, 20.0]) * self.chance.random()
        super().all_die()

    def wait(self, seconds: float) -> None:
        self.at += seconds
        self.system.now_s += seconds
        self.system.turns.at = self.at

    def go_off(self) -> None:
        timers.go_off(self.system.turns, self.system.now_s)
        self.model.pass_to(self.at, self.is_running)

    # What happens

    def moment(self) -> None:
        chance = self.chance
        self.number += 1
        self.wait(chance.choice([0.0, 0.001, 0.02, 0.2, 1.5]) * chance.random())
        if self.worker is None:
            if chance.random() < 0.3:
                self.go_off()
                self.start("on_restart" if chance.random() < 0.1 else "")
            else:
                self.lonely()
            return
        match chance.choices(
            ["go on", "client", "time", "die", "broker", "all"], [60, 15, 40, 4, 4, 2]
        )[0]:
            case "go on":
                self.go_on()
            case "client":
                body = b"%d" % self.number
                _, error = self.system.turns.deliver_from_client("a", body, "send", f"{body!r}")
                assert error is None
                self.model.queue.append(("send", body.decode()))
            case "time":
                self.go_off()
            case "die":
                self.die()
            case "broker":
                self.broker_dies()
            case "all":
                self.all_die()
        if chance.random() < 0.6:
            self.commit()

    def lonely(self) -> None:
        """Nobody runs the actor: it is stopped, or being restarted."""
        self.wait(self.chance.random())
        self.go_off()
        self.commit()

    def go_on(self) -> None:
        chance, worker = self.chance, self.worker
        assert worker is not None
        if worker.record is None:
            if not worker.inputs:
                return
            self.commit()  # its journal is of what is committed
            self.begin(worker)
        elif chance.random() < 0.65:
            self.call(worker)
        elif chance.random() < 0.2:
            worker.ask("request", "nobody", b"?", self.system.now_s)
            worker.answered()
        else:
            self.handler.end()
            worker.end(None, now_s=self.system.now_s)

    def begin(self, worker: Listened) -> None:
        _, turn, kind, _, _, _, body, *_ = worker.inputs[0]
        is_open = self.system.actor("a").current is not None
        worker.begin()
        self.handler.begin(body.decode() if kind == "tick" else None)
        if is_open:
            worker.waits = False  # nobody had to be asked: the answer is there
            for data in self.system.log.stored.turn_events(worker.actor.id, turn):
                event = decode(data)
                if event.type == EventType.HOST_CALL and event.interface == TIMER:
                    self.handler.replayed(event.function, *event.payload)

    def call(self, worker: Listened) -> None:
        chance = self.chance
        function = chance.choice([SET_INTERVAL, SET_TIMEOUT, SET_TIMEOUT, CLEAR])
        arguments: list[Any] = [chance.choice(NAMES)]
        if function != CLEAR:
            # No two of a turn are due at one time: their order would be nobody's business.
            self.calls += 1
            arguments.append(chance.choice(DELAYS_MS) + self.calls % 37)
        answer = self.handler.call(function, arguments)
        worker.timer(function, arguments, answer)

    def finish(self) -> None:
        if self.worker is None:
            self.go_off()
            self.start()
        for _ in range(1000):
            worker = self.worker
            assert worker is not None
            self.commit()
            if worker.record is None and worker.inputs:
                self.begin(worker)
            if worker.record is None:
                return
            self.handler.end()
            worker.end(None, now_s=self.system.now_s)
        raise AssertionError("it never ends")

    # What has to be so

    def judge(self, where: str) -> None:
        system, model = self.system, self.model
        actor = system.actor("a")
        turns = system.query(
            "SELECT t.kind, coalesce(CAST(m.body AS TEXT), '') FROM turns t LEFT JOIN messages m"
            " ON m.id = t.message WHERE t.status IN ('done', 'failed') ORDER BY t.turn"
        )
        assert turns == model.turns, where
        waiting = system.query(
            "SELECT kind, CAST(body AS TEXT) FROM messages WHERE status = 'queued' ORDER BY id"
        )
        assert waiting == list(model.queue), where
        assert actor.mailbox.messages == len(model.queue), where
        bodies = sum(len(body) for _, body in model.queue)
        assert actor.mailbox.bytes == bodies, where
        rows = system.query("SELECT name, interval_ms, due_at, message NOT NULL FROM timers")
        assert {name for name, *_ in rows} == set(model.timers), where
        for name, interval_ms, due_at, waits in rows:
            plain = model.timers[name]
            assert (interval_ms, waits) == (
                None if plain.interval_s is None else round(plain.interval_s * 1000),
                plain.waits,
            ), f"{where}: {name}"
            if not plain.waits:
                assert due_at == pytest.approx(plain.due_at, abs=1e-3), f"{where}: {name}"
        if self.worker is not None and self.worker.record is None:
            known = {name: timer.interval_s is None for name, timer in model.timers.items()}
            assert self.handler._timers == known, where


@pytest.mark.parametrize("block", sliced(range(10), *range(4)))
def test_any_history_of_timers_is_that_of_the_model(tmp_path: Path, block: int) -> None:
    for seed in range(block * 10, block * 10 + 10):
        directory = tmp_path / str(seed)
        directory.mkdir()
        run(directory, seed)


def run(directory: Path, seed: int, moments: int = MOMENTS) -> None:
    history = History(directory, seed)
    where = f"seed {seed}"
    for _ in range(moments):
        history.moment()
    history.commit()
    history.judge(where)
    history.finish()
    history.commit()
    history.judge(where)
    assert history.system.problems() == [], where
