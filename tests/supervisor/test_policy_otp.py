"""Seeded random histories, against a model of OTP: the same order of work, the same answers.

A failure names its seed: run `compare(seed)` again.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import assert_never

import pytest

from tests.slices import sliced
from tests.supervisor.policy_model import Add, Ask, Call, Model, Scale, StartInstance, World
from tests.supervisor.policy_seeds import run_block
from tests.supervisor.policy_simulation import Simulation
from tests.supervisor.policy_trees import NEVER, maybe_significant, random_actor, random_tree, under
from theater.spec import SupervisorSpec
from theater.supervisor import policy
from theater.supervisor.policy import (
    AddChild,
    AskStop,
    DeleteChild,
    Exited,
    ExitKind,
    Kill,
    Phase,
    Ready,
    RestartChild,
    Spawn,
    Start,
    StartChild,
    StopChild,
)
from theater.supervisor.tree import Book, Node
from theater.supervisor.view import which_children

STRICT: dict[str, type[StopChild] | type[StartChild] | type[DeleteChild]] = {
    "terminate": StopChild,
    "delete": DeleteChild,
}


class Twin:
    """The policy and the model in the same world, brought to rest after every move."""

    def __init__(self, spec: SupervisorSpec, world: World) -> None:
        self.world = world
        self.model = Model(spec, world)
        self.sim = Simulation(spec)
        self.traces: dict[str, list[str]] = {}
        self.doomed: set[tuple[str, int]] = set()  # will die by themselves in this batch
        self.actors: set[str] = set()  # paths of what has been added
        self.supervisors: set[str] = set()
        self.calls = 0

    def send(self, event: policy.Event) -> None:
        for action in self.sim.send(event):
            match action:
                case Spawn(path):
                    self.trace(path, "start")
                case AskStop(path, number) | Kill(path, number):
                    first = not (isinstance(action, Kill) and self.sim.live[path].asked)
                    came_up = self.world.outcome(path, number) == "ok"
                    if first and came_up and (path, number) not in self.doomed:
                        self.trace(path, "stop")

    def trace(self, path: str, word: str) -> None:
        self.traces.setdefault(self.sim.above(path), []).append(f"{word} {path}")

    def rest(self) -> None:
        """Every process does what its fate is, oldest first."""
        while todo := self.sim.busy():
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

    # Moves ---------------------------------------------------------------------------------

    def batch(self, dice: random.Random) -> None:
        """Deaths and calls under one supervisor, faster than it can handle them."""
        nodes = [c.inner for c in self.sim.state.children.values() if c.inner]
        node = dice.choice([node for node in nodes if node.owner.book is Book.UP] or nodes)
        path, incarnation = node.spec.path, node.owner.incarnation
        there = [child.path for child in node.children.values() if child.path in self.sim.live]
        dying = [each for each in there if dice.random() < 0.35]
        dice.shuffle(dying)
        self.doomed = {(each, self.sim.live[each].incarnation) for each in dying}
        moves: list[Call | tuple[str, ExitKind]] = []
        moves += [(each, dice.choice(list(ExitKind))) for each in dying]
        for _ in range(dice.choice([0, 0, 1, 1, 2, 3])):
            moves.insert(dice.randint(0, len(moves)), self.random_call(dice, node))
        for move in moves:
            if isinstance(move, tuple):
                child, kind = move
                self.model.die(path, child, kind)
                self.send(Exited(child, self.sim.live[child].incarnation, kind, "trouble"))
            elif node.owner.incarnation == incarnation and self.comparable(node, move):
                self.calls += 1
                self.model.call(self.calls, path, move)
                self.send(ours(move, path, self.calls))
        self.model.run()
        self.rest()
        self.doomed = set()
        self.same()

    def comparable(self, node: Node, call: Call) -> bool:
        if not isinstance(call, Ask):
            return self.sim.state.children.get(node.spec.path) is node.owner
        current = node.task.current if node.task else None
        if call.verb == "terminate" and current and current.path == call.path:
            # This stop would not wait, which is where we differ from OTP on purpose.
            return current.book is not Book.STARTING
        if call.path in self.sim.state.children:
            return True
        # An unknown path is answered at once, unless a call in front of it may make it known.
        return node.owner.book is Book.UP and (node.task is None or node.calls > 0)

    def random_call(self, dice: random.Random, node: Node) -> Call:
        path = node.spec.path
        if dice.random() < (0.5 if node.pool else 0.2):
            if node.pool or dice.random() < 0.1:
                count = dice.choice([None, None, 0, 1, 2, 4])
                return StartInstance(dice.choice([(), ("x",)])) if count is None else Scale(count)
            return self.random_add(dice, node)
        known = [child.path for child in node.known()]
        name = under(path, dice.choice(["w-1", "w-9"] if node.pool else "abcdefg"))
        target = dice.choice(known) if known and dice.random() < 0.9 else name
        return Ask(dice.choice(["terminate", "restart", "delete", "start", "bounce"]), target)

    def random_add(self, dice: random.Random, node: Node) -> Add:
        """An actor under an old or a new name, or a supervisor under a new one."""
        path, auto = node.spec.path, node.spec.auto_shutdown
        name = under(path, dice.choice("abcdefg"))
        actors = self.world.starts.keys() | self.actors
        supervisors = self.world.traces.keys() | self.supervisors
        if name in supervisors or (name not in actors and dice.random() < 0.2):
            while name in supervisors or name in actors:
                name += "x"
            self.supervisors.add(name)
            return Add(maybe_significant(dice, random_tree(dice, name, 2), auto))
        self.actors.add(name)
        significant = dice.random() < (0.1 if auto is NEVER else 0.5)
        return Add(replace(random_actor(dice, name), significant=significant))

    # Comparing -----------------------------------------------------------------------------

    def same(self) -> None:
        sim, model = self.sim, self.model
        assert {k: v for k, v in self.traces.items() if v} == {
            k: v for k, v in self.world.traces.items() if v
        }
        assert set(sim.live) == model.alive()
        assert {call: reply.code for call, reply in sim.replies.items()} == self.world.answers
        assert all(reply.ok == (reply.code == "ok") for reply in sim.replies.values())
        assert (sim.ended is None) == model.root.up
        nodes = [child.inner for child in sim.state.children.values() if child.inner]
        up = {node.spec.path for node in nodes if node.owner.book is Book.UP}
        assert up == {each.spec.path for each in model.supers()}
        shown = {row.path: row for row in policy.supervisor_rows(sim.state, sim.now_s)}
        for each in model.supers():
            row = shown[each.spec.path]
            inside = [s for s in each.stamps if s >= self.world.now_s - each.spec.period_s]
            assert row.phase is Phase.RUNNING
            assert row.left == each.spec.intensity - len(inside)
            rows = which_children(sim.state, each.spec.path)
            assert rows is not None
            assert [(row.path, row.process) for row in rows] == [
                (kid.path, "running" if isinstance(kid.pid, int) else kid.pid) for kid in each.kids
            ]
            for kid in each.kids + each.gone:
                phase = sim.state.children[kid.path].phase
                running = isinstance(kid.pid, int)
                assert (phase is Phase.RUNNING) == running, kid.path
                assert running or phase in (Phase.STOPPED, Phase.FAILED), f"{kid.path}: {phase}"


def ours(call: Call, supervisor: str, number: int) -> policy.Call:
    match call:
        case Add(spec):
            return AddChild(supervisor, spec, number)
        case StartInstance(args):
            return policy.StartInstance(supervisor, args, number)
        case Scale(count):
            return policy.Scale(supervisor, count, number)
        case Ask(verb, path):
            if verb == "bounce":
                return RestartChild(path, number)
            return STRICT.get(verb, StartChild)(path, number, strict=verb != "start")
        case _:
            assert_never(call)


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


@pytest.mark.parametrize("block", sliced(range(30), *range(10)))
def test_any_history_goes_as_in_otp(block: int) -> None:
    run_block(block, compare)
