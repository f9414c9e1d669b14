"""Whatever happens to an actor and to those it has spawned, the log says the same in all places."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.broker.family import BOSS, Family, family
from tests.broker.test_dead import letter
from tests.broker.whole import give
from theater.broker import dead, waits

STEPS = 60
SEEDS = range(25)
CHILDREN_MAX = 4


class History:
    """Of one family. Nobody but the boss has inputs when one thing is over and the next begins."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.made: Family = family(directory)
        self.children: list[str] = []
        self.names = 0

    def live(self) -> None:
        happenings: list[tuple[int, Callable[[], None]]] = [
            (2, self.spawn),
            (3, self.wait_for_one),
            (8, self.work),
            (1, self.work_much),
            (2, self.subscribe),
            (2, self.ask),
            (3, self.crash),
            (2, self.shut_down),
            (2, self.stop),
            (1, self.remove),
            (1, self.begin_anew),
            (4, self.hear),
            (1, self.fail),
            (1, self.retry),
            (1, self.boss_dies),
            (1, self.boss_is_away),
            (1, self.broker_dies),
            (1, self.all_die),
        ]
        weights = [weight for weight, _ in happenings]
        for _ in range(STEPS):
            [(_, happens)] = self.random.choices(happenings, weights)
            happens()
        assert self.made.problems() == []

    def child(self) -> str | None:
        return self.random.choice(self.children) if self.children else None

    def state(self) -> bytes:
        return self.random.choice([b"a", b"b", b"long " * 300])

    def spawn(self) -> None:
        self.hear()
        if len(self.children) < CHILDREN_MAX:
            self.names += 1
            function = self.random.choice(["spawn", "resume"])
            state = self.random.choice([None, self.state()])
            self.children.append(self.made.spawn(f"c{self.names}", function, state))

    def wait_for_one(self) -> None:
        """Whatever happens meanwhile, the wait has one answer, that of the end."""
        self.hear()
        self.names += 1
        name = f"w{self.names}"
        child = f"{BOSS}/{name}"
        asked = self.made.wait_for(name, self.random.choice([None, 1000]))
        self.children.append(child)
        others = [self.work, self.crash, self.begin_anew, self.lose_broker, self.lose_all]
        for _ in range(self.random.randrange(4)):
            self.random.choice(others)()
        if self.random.random() < 0.3:
            self.made.kill(BOSS)
            self.made.expect(BOSS)
        assert self.made.answer_of(asked) is None
        begins = self.end_one(child)
        if self.random.random() < 0.3:
            self.lose_broker()
        answer = self.made.answer_of(asked)
        if answer is None:
            assert begins == "timeout: ", "it waits without a time"
            give(self.made, child).shutdown()
            self.made.workers[child].end(None)
            self.made.end(child)
            self.made.expect(child)
            answer, begins = self.made.answer_of(asked), "ok"
        assert begins in str(answer)
        if self.made.workers[BOSS].record is None:
            self.made.go_on()
        self.made.end_ask(*asked)

    def end_one(self, child: str) -> str:
        """One of the ends that there are; how the answer begins."""
        how = self.random.choice(["ok", "failed: ", "stopped: ", "no-actor: ", "timeout: "])
        match how:
            case "ok":
                worker = give(self.made, child)
                worker.shutdown(self.random.choice([None, self.state()]))
                worker.end(self.state())
                self.made.step()
                if self.random.random() < 0.3:
                    self.lose_all()  # which is as good an end
                else:
                    self.made.end(child)
                    self.made.expect(child)
            case "failed: ":
                self.made.kill(child)
                self.says(child, "failed")
                self.made.expect(child)
            case "stopped: ":
                self.made.end(child, by_others=True)
                self.made.expect(child)
            case "no-actor: ":
                self.children.remove(child)
                self.made.end(child)
                self.made.remove(child)
                self.made.orders = tuple(o for o in self.made.orders if o["name"] != child)
            case "timeout: ":
                self.made.wait(1.5)
                self.made.turns.time_out(self.made.now_s)
                self.made.step()
        return how

    def says(self, child: str, phase: str) -> None:
        """The child's supervisor."""
        self.made.phase(child, phase)
        actor = self.made.actor(child)
        waits.settled(self.made.turns, actor, phase, "killed", False, self.made.now_s)
        self.made.step()

    def lose_broker(self) -> None:
        self.made = self.made.replaced(*self.made.orders, at=self.made.turns.at)

    def lose_all(self) -> None:
        self.made = self.made.again(*self.made.orders, at=self.made.turns.at)
        for name in (BOSS, *self.children):
            self.made.expect(name)

    def work(self) -> None:
        if (child := self.child()) is not None:
            give(self.made, child, self.state()).end(self.state())
            self.made.step()

    def work_much(self) -> None:
        for _ in range(40):
            self.work()

    def subscribe(self) -> None:
        self.hear()
        if (child := self.child()) is not None:
            wanted = self.random.choice(["subscribe-to-child", "unsubscribe-from-child"])
            assert self.made.ask(wanted, child) == {"ok": None}

    def ask(self) -> None:
        self.hear()
        child = self.child() or "nobody"
        assert sorted(self.made.ask("list-children")) == sorted(self.children)
        for function in ("get-child-state", "get-child-events"):
            assert ("ok" in self.made.ask(function, child)) == (child in self.children)

    def crash(self) -> None:
        if (child := self.child()) is not None:
            if self.random.random() < 0.3:
                give(self.made, child)
                self.made.fail(child)
            else:
                self.made.kill(child)
            self.made.expect(child)

    def shut_down(self) -> None:
        if (child := self.child()) is not None:
            worker = give(self.made, child)
            worker.shutdown(self.random.choice([None, self.state()]))
            worker.end(self.state())
            self.made.end(child)
            self.made.expect(child)

    def stop(self) -> None:
        if (child := self.child()) is not None:
            self.made.end(child, by_others=self.random.random() < 0.5)
            self.made.expect(child)

    def remove(self) -> None:
        if (child := self.child()) is not None:
            self.children.remove(child)
            self.made.end(child)
            self.made.remove(child)
            self.made.orders = tuple(each for each in self.made.orders if each["name"] != child)

    def begin_anew(self) -> None:
        if (child := self.child()) is not None:
            self.made.kill(child)
            worker = self.made.expect(child, anew="on_restart")
            worker.begin()
            worker.end(self.state())
            worker.take()
            self.made.step()

    def hear(self) -> None:
        self.made.hear(self.state())

    def fail(self) -> None:
        """The boss traps in what it is told."""
        if self.made.workers[BOSS].inputs:
            self.made.workers[BOSS].begin()
            self.made.fail(BOSS)
            self.made.expect(BOSS)

    def retry(self) -> None:
        rows = self.made.query("SELECT id FROM dead_letters WHERE status = 'open' LIMIT 1")
        for (id,) in rows:
            to = letter(self.made, id)
            if to.actor == BOSS:
                assert dead.retry(self.made.turns, to, f"retry {id}")[1] is None
                self.made.step()

    def boss_dies(self) -> None:
        self.made.kill(BOSS)
        self.made.expect(BOSS)

    def boss_is_away(self) -> None:
        """Stopped, which its children are not in the time between."""
        self.made.phase(BOSS, "stopped")
        self.work()
        self.made.phase(BOSS, "running")

    def broker_dies(self) -> None:
        self.hear()
        self.lose_broker()

    def all_die(self) -> None:
        self.made = self.made.again(*self.made.orders, at=self.made.turns.at)
        for name in (BOSS, *self.children):
            self.made.start(name)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_log_of_any_history_is_whole(tmp_path: Path, seed: int) -> None:
    History(tmp_path, seed).live()
