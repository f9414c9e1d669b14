"""Seeded random histories: what must hold in any, whatever happens when.

The Simulation asserts. A failure names its seed: run `chaos(seed)` again.
"""

from __future__ import annotations

import random

import pytest

from tests.supervisor.policy_checks import Process
from tests.supervisor.policy_seeds import run_block
from tests.supervisor.policy_simulation import Simulation
from tests.supervisor.policy_trees import random_tree, with_trouble
from theater.spec import ShutdownKind
from theater.supervisor import policy
from theater.supervisor.policy import (
    Exited,
    ExitKind,
    ForkLost,
    KillAll,
    Ready,
    RestartChild,
    Start,
    StartChild,
    StopChild,
    Tick,
    Unspawnable,
)

CALLS = (StopChild, StartChild, RestartChild)


def chaos(seed: int) -> Simulation:
    """The Simulation asserts; here is only the trouble."""
    dice = random.Random(seed)
    sim = Simulation(with_trouble(dice, random_tree(dice)), {"a": 5})
    sim.send(Start())
    if dice.random() < 0.8:
        sim.settle()
    paths = [*sim.state.children, "nobody"]
    calls = 0
    for _ in range(dice.randint(5, 120)):
        live = list(sim.live.values())
        process = dice.choice(live) if live else None
        roll = dice.random()
        if roll < 0.45 and process:
            sim.react(process.path)
        elif roll < 0.65 and process:
            ignored = not process.ready and dice.random() < 0.2
            sim.exit(process.path, dice.choice(list(ExitKind)), "trouble", ignored)
        elif roll < 0.75:
            sim.wait(dice.choice([0.0, 0.25, 0.5, 1.0, 2.0]))
        elif roll < 0.90:
            calls += 1
            call = None if dice.random() < 0.1 else calls
            sim.send(dice.choice(CALLS)(dice.choice(paths), call))
        elif roll < 0.93 and process and not process.ready:
            lost = dice.random() < 0.5
            number = process.incarnation
            sim.send(
                ForkLost(process.path, number)
                if lost
                else Unspawnable(process.path, number, "no memory")
            )
        elif roll < 0.96 and process:
            old = process.incarnation - 1
            before = policy.rows(sim.state)
            assert not sim.send(Exited(process.path, old, ExitKind.CRASH, "late"))
            assert not sim.send(Ready(process.path, old))
            assert before == policy.rows(sim.state)
        elif roll < 0.98:
            sim.send(Tick())
        elif roll < 0.985:
            sim.send(policy.Shutdown())
        elif roll < 0.988:
            sim.send(KillAll())
    finish(sim, deaf=dice.random() < 0.5)
    return sim


def finish(sim: Simulation, deaf: bool) -> None:
    """Take it down; with deaf workers, who only die of signals unless they have for ever."""

    def reacts(process: Process) -> bool:
        for_ever = sim.actor(process.path).shutdown.kind is ShutdownKind.INFINITY
        return process.killed or (process.asked and (for_ever or not deaf))

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


@pytest.mark.parametrize("block", range(30))
def test_any_history_keeps_the_promises_and_ends_with_no_process_left(block: int) -> None:
    run_block(block, chaos)
