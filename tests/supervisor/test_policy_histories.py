"""Seeded random histories: against what must hold in any, and against a model of OTP.

A failure names its seed: run `chaos(seed)` or `compare(seed)` again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.supervisor.policy_model import Model, Verb, World
from tests.supervisor.policy_simulation import (
    BRUTAL,
    INFINITY,
    Process,
    Simulation,
    actor,
    supervisor,
)
from theater.spec import ActorSpec, Restart, Shutdown, ShutdownKind, SupervisorSpec
from theater.supervisor import policy
from theater.supervisor.policy import (
    AskStop,
    Exited,
    ExitKind,
    ForkLost,
    Kill,
    KillAll,
    Phase,
    Ready,
    RestartChild,
    Spawn,
    Start,
    StartChild,
    StopChild,
    Tick,
    Unspawnable,
)
from theater.supervisor.tree import Book, Child

CALLS: dict[Verb, type[StopChild] | type[StartChild] | type[RestartChild]] = {
    "stop": StopChild,
    "start": StartChild,
    "restart": RestartChild,
}
BLOCK = 100


def random_tree(dice: random.Random, path: str = "", depth: int = 0) -> SupervisorSpec:
    children: list[ActorSpec | SupervisorSpec] = []
    for name in "abcd"[: dice.randint(0 if depth else 1, 4)]:
        below = f"{path}/{name}" if path else name
        if depth < 3 and dice.random() < 0.3:
            children.append(random_tree(dice, below, depth + 1))
        else:
            shutdown = dice.choice([Shutdown(timeout_s=dice.choice([0.0, 1.0])), BRUTAL, INFINITY])
            start_s = dice.choice([2.0, 4.0])
            restart = dice.choice(list(Restart))
            children.append(actor(below, restart, start_s, shutdown=shutdown))
    return supervisor(
        path,
        *children,
        restart=dice.choice(list(Restart)),
        intensity=dice.choice([0, 1, 2, 3, 10]),
        period_s=dice.choice([1.0, 2.0, 5.0]),
    )


def with_timeouts(spec: SupervisorSpec, dice: random.Random) -> SupervisorSpec:
    """Some supervisors are not waited for for ever."""
    shutdown = dice.choice([spec.shutdown, BRUTAL, Shutdown(timeout_s=1.5)])
    children = tuple(
        with_timeouts(child, dice) if isinstance(child, SupervisorSpec) else child
        for child in spec.children
    )
    return replace(spec, shutdown=shutdown, children=children)


# Anything may happen at any time -----------------------------------------------------------


def chaos(seed: int) -> Simulation:
    """The Simulation asserts; here is only the trouble."""
    dice = random.Random(seed)
    sim = Simulation(with_timeouts(random_tree(dice), dice), {"a": 5})
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
            sim.send(dice.choice(list(CALLS.values()))(dice.choice(paths), call))
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


# Against the model -------------------------------------------------------------------------


class Twin:
    """The policy and the model in the same world, brought to rest after every move."""

    def __init__(self, spec: SupervisorSpec, world: World) -> None:
        self.world = world
        self.model = Model(spec, world)
        self.sim = Simulation(spec)
        self.traces: dict[str, list[str]] = {}
        self.doomed: set[tuple[str, int]] = set()  # will die by themselves in this batch
        self.calls = 0

    def send(self, event: policy.Event) -> None:
        for action in self.sim.send(event):
            match action:
                case Spawn(path):
                    self.trace(path, "start")
                case AskStop(path, number) | Kill(path, number):
                    first = not (isinstance(action, Kill) and self.asked_before(path))
                    came_up = self.world.outcome(path, number) == "ok"
                    if first and came_up and (path, number) not in self.doomed:
                        self.trace(path, "stop")

    def asked_before(self, path: str) -> bool:
        return self.sim.live[path].asked

    def trace(self, path: str, word: str) -> None:
        self.traces.setdefault(self.sim.above(path), []).append(f"{word} {path}")

    def rest(self) -> None:
        """Every process does what its fate is, oldest first."""
        while todo := [p for p in self.sim.live.values() if p.killed or p.asked or not p.ready]:
            process = todo[0]
            path, number = process.path, process.incarnation
            fate = self.world.outcome(path, number)
            if process.asked or process.killed:
                kind = ExitKind.CRASH if process.killed else ExitKind.SHUTDOWN
                self.send(Exited(path, number, kind, "stopped"))
            elif fate == "ok":
                self.send(Ready(path, number))
            else:
                kind = ExitKind.CRASH if fate == "fail" else ExitKind.NORMAL
                self.send(Exited(path, number, kind, fate, ignored=fate == "ignore"))

    def start(self) -> None:
        self.model.root.init()
        self.send(Start())
        self.rest()
        self.same()

    def batch(self, dice: random.Random) -> None:
        """Deaths and calls under one supervisor, faster than it can handle them."""
        node = dice.choice([c.inner for c in self.sim.state.children.values() if c.inner])
        under = [child.path for child in node.initial]
        if not under:
            return
        dying = [path for path in under if path in self.sim.live and dice.random() < 0.4]
        dice.shuffle(dying)
        self.doomed = {(path, self.sim.live[path].incarnation) for path in dying}
        incarnation = node.owner.incarnation
        moves: list[tuple[str, Verb | ExitKind]] = []
        moves += [(path, dice.choice(list(ExitKind))) for path in dying]
        for _ in range(dice.choice([0, 0, 1, 1, 2])):
            verb = dice.choice(list(CALLS))
            moves.insert(dice.randint(0, len(moves)), (dice.choice(under), verb))
        for path, what in moves:
            if isinstance(what, ExitKind):
                self.model.die(path, what)
                self.send(Exited(path, self.sim.live[path].incarnation, what, "trouble"))
                continue
            current = node.task.current if node.task else None
            if what == "stop" and current and current.path == path and starting(current):
                continue  # this stop would not wait, which is where we differ from OTP
            if node.owner.incarnation != incarnation:
                continue  # too late for the supervisor it was meant for
            self.calls += 1
            self.model.call(self.calls, what, path)
            self.send(CALLS[what](path, self.calls))
        self.model.run()
        self.rest()
        self.doomed = set()
        self.same()

    def same(self) -> None:
        sim, model = self.sim, self.model
        assert {k: v for k, v in self.traces.items() if v} == {
            k: v for k, v in self.world.traces.items() if v
        }
        assert set(sim.live) == model.alive()
        assert {call: reply.ok for call, reply in sim.replies.items()} == self.world.answers
        assert (sim.ended is None) == model.root.up
        for each in model.supers():
            if each.up:
                row = sim.supervisor_row(each.spec.path)
                inside = [s for s in each.stamps if s >= self.world.now_s - each.spec.period_s]
                assert row.phase is Phase.RUNNING
                assert row.left == each.spec.intensity - len(inside)


def compare(seed: int) -> Twin:
    dice = random.Random(seed)
    world = World(seed, fail=dice.choice([0.0, 0.1, 0.3]), now_s=1000.0)
    twin = Twin(random_tree(dice), world)
    twin.start()
    for _ in range(20):
        if twin.sim.ended:
            break
        pause_s = dice.choice([0.0, 0.25, 1.0, 2.5, 5.0])
        world.now_s += pause_s
        twin.sim.wait(pause_s)
        twin.batch(dice)
    return twin


def starting(child: Child) -> bool:
    return child.book is Book.STARTING


# -------------------------------------------------------------------------------------------


def run_block(block: int, history: Callable[[int], object]) -> None:
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        try:
            history(seed)
        except Exception as error:
            raise AssertionError(f"{history.__name__}({seed}) failed: {error!r}") from error


@pytest.mark.parametrize("block", range(30))
def test_any_history_keeps_the_promises_and_ends_with_no_process_left(block: int) -> None:
    run_block(block, chaos)


@pytest.mark.parametrize("block", range(30))
def test_any_history_goes_as_in_otp(block: int) -> None:
    run_block(block, compare)
