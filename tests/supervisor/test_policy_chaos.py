"""Seeded random histories: what must hold in any, whatever happens when.

The Simulation asserts; here is only the trouble. A failure names its seed: run `chaos(seed)`
again.
"""

from __future__ import annotations

import random

import pytest

from tests.slices import sliced
from tests.supervisor.policy_checks import Process
from tests.supervisor.policy_seeds import run_block
from tests.supervisor.policy_simulation import Simulation
from tests.supervisor.policy_trees import edited, random_child, random_tree, under, with_trouble
from theater.spec import AutoShutdown, ChildSpec
from theater.supervisor import policy
from theater.supervisor.policy import (
    AddChild,
    AddChildren,
    DeleteChild,
    Event,
    Exited,
    ExitKind,
    ForkLost,
    KillAll,
    Ready,
    Recycle,
    Reload,
    RestartChild,
    Scale,
    Start,
    StartChild,
    StartInstance,
    StopChild,
    Tick,
    Unspawnable,
)


class Chaos:
    def __init__(self, seed: int) -> None:
        self.dice = dice = random.Random(seed)
        self.manifest = with_trouble(dice, random_tree(dice))
        self.sim = Simulation(self.manifest, {"a": 5, "w-7": 2}, seed)
        self.calls = 0
        # Some histories are about what operators do, some about what workers do.
        self.operators = dice.choice([0.05, 0.15, 0.4])

    def live(self) -> None:
        sim, dice = self.sim, self.dice
        sim.send(Start())
        if dice.random() < 0.8:
            sim.settle()
        for _ in range(dice.randint(5, 120)):
            if dice.random() < self.operators:
                sim.send(self.call())
            else:
                self.move()
        if dice.random() < 0.5:
            self.come_to_rest()
        finish(sim, deaf=dice.random() < 0.5)

    def move(self) -> None:
        sim, dice = self.sim, self.dice
        processes = list(sim.live.values())
        process = dice.choice(processes) if processes else None
        roll = dice.random()
        if roll < 0.5 and process:
            sim.react(process.path)
        elif roll < 0.75 and process:
            ignored = not process.ready and dice.random() < 0.2
            sim.exit(process.path, dice.choice(list(ExitKind)), "trouble", ignored)
        elif roll < 0.9:
            sim.wait(dice.choice([0.0, 0.25, 0.5, 1.0, 2.0]))
        elif roll < 0.93 and process and not process.ready:
            lost = dice.random() < 0.5
            path, number = process.path, process.incarnation
            sim.send(ForkLost(path, number) if lost else Unspawnable(path, number, "no memory"))
        elif roll < 0.93 and process:
            number = process.incarnation - (dice.random() < 0.2)
            sim.send(Recycle(process.path, number, dice.randint(1, 9)))
        elif roll < 0.96 and process:
            old = process.incarnation - 1
            before = sim.rows()
            assert not sim.send(Exited(process.path, old, ExitKind.CRASH, "late"))
            assert not sim.send(Ready(process.path, old))
            assert before == sim.rows()
        elif roll < 0.98:
            sim.send(Tick())
        elif roll < 0.985:
            sim.send(policy.Shutdown())
        elif roll < 0.988:
            sim.send(KillAll())

    def call(self) -> Event:
        dice = self.dice
        self.calls += 1
        number = None if dice.random() < 0.1 else self.calls
        paths = list(self.sim.state.children)
        path = dice.choice([*paths, "nobody"])
        supervisors = [each for each in paths if self.sim.state.children[each].inner]
        supervisor = dice.choice([*supervisors, path])
        pools = [each for each in supervisors if self.is_pool(each)]
        roll = dice.random()
        if roll < 0.5:
            strict = dice.random() < 0.5
            kind = dice.randrange(3)
            if kind == 0:
                return StopChild(path, number, strict)
            return (StartChild if kind == 1 else DeleteChild)(path, number, strict)
        if roll < 0.6:
            return RestartChild(path, number)
        if roll < 0.7 and pools:
            pool = dice.choice(pools)
            if dice.random() < 0.5:
                return StartInstance(pool, ("x",) * dice.randint(0, 1), number)
            return Scale(pool, dice.choice([0, 1, 2, 4]), number)
        if roll < 0.85:
            if dice.random() < 0.2:
                names = dice.sample("abcdefg", 2)
                new = tuple(self.newborn(supervisor, name) for name in names)
                return AddChildren(supervisor, new, number)
            return AddChild(supervisor, self.newborn(supervisor, dice.choice("abcdefg")), number)
        self.manifest = edited(dice, self.manifest)
        return Reload(self.manifest, dice.random() < 0.5, number)

    def newborn(self, supervisor: str, name: str) -> ChildSpec:
        path = under(supervisor, name)
        return random_child(self.dice, path, 2, self.dice.choice(list(AutoShutdown)))

    def is_pool(self, path: str) -> bool:
        node = self.sim.state.children[path].inner
        return node is not None and node.pool

    def come_to_rest(self) -> None:
        """Everybody is good from now on, until nothing is left to do."""
        sim = self.sim
        sim.settle()
        while sim.wake_s is not None and not sim.ended:
            sim.wait(sim.wake_s - sim.now_s)
            sim.settle()
        sim.check_rest()


def finish(sim: Simulation, deaf: bool) -> None:
    """Take it down; with deaf workers, who only die of signals unless they have for ever."""

    def reacts(process: Process) -> bool:
        return process.killed or (process.asked and (process.for_ever or not deaf))

    sim.send(policy.Shutdown())
    while sim.live:
        todo = [process.path for process in sim.live.values() if reacts(process)]
        if todo:
            sim.react(todo[0])
        else:
            assert sim.wake_s is not None, "somebody is deaf, and nobody waits for a time"
            sim.wait(sim.wake_s - sim.now_s)
    assert sim.ended is not None
    assert not sim.open_calls
    assert sim.wake_s is None


def chaos(seed: int) -> Simulation:
    history = Chaos(seed)
    history.live()
    return history.sim


@pytest.mark.parametrize("block", sliced(range(30), *range(10)))
def test_any_history_keeps_the_promises_and_ends_with_no_process_left(block: int) -> None:
    run_block(block, chaos)
