"""Random scenarios: any tree, any fates, and moves that mostly mean something to it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from tests.otp.scenario import (
    HOUR_S,
    SUDDEN,
    Add,
    Ask,
    Batch,
    Die,
    Fate,
    Move,
    Scenario,
    StartInstance,
    Verb,
    moved,
)
from theater.spec import (
    ActorSpec,
    AutoShutdown,
    ChildSpec,
    Restart,
    Shutdown,
    ShutdownKind,
    Strategy,
    SupervisorSpec,
)
from theater.supervisor.policy import ExitKind

STARTS_MAX = 16  # of one worker, that a fate is drawn for


class Chance:
    """One seeded random scenario."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.labels = 0
        self.supervisors: dict[str, SupervisorSpec] = {}
        self.under: dict[str, list[str]] = {}  # paths that are or may once be there
        self.workers: dict[str, bool] = {}  # by path: is it an instance of a pool?

    def scenario(self) -> Scenario:
        dice = self.dice
        tree = self.tree("", dice.choice([1, 2, 2, 3]))
        self.learn(tree)
        first = set(self.workers)
        fail = dice.choice([0.0, 0.1, 0.2, 0.3, 0.5, 0.7])
        batches = tuple(self.batch() for _ in range(dice.randint(1, 8)))
        fates: list[tuple[str, int, Fate]] = []
        for path, instance in self.workers.items():
            for number in range(1, STARTS_MAX):
                roll = dice.random() * (8 if number == 1 and path in first else 1)
                if roll < fail:
                    fates.append((path, number, "fail"))
                elif roll < fail * 1.3 and not (instance and number > 1):
                    # OTP 25 keeps a bogus entry of an instance that is ignored when restarted.
                    fates.append((path, number, "ignore"))
                elif roll < fail * 1.6 and "/" not in path:
                    # Further down OTP itself would leave the order open: the supervisor above
                    # goes on with its work while the one below handles this death.
                    fates.append((path, number, dice.choice(SUDDEN)))
        return Scenario(tree, tuple(fates), batches)

    def child(self, path: str, depth: int, above: AutoShutdown) -> ChildSpec:
        if depth > 0 and self.dice.random() < 0.35:
            spec: ChildSpec = self.tree(path, depth - 1)
        else:
            shutdown = self.dice.choice(
                [
                    Shutdown(timeout_s=60.0),
                    Shutdown(ShutdownKind.BRUTAL_KILL),
                    Shutdown(ShutdownKind.INFINITY),
                ]
            )
            spec = ActorSpec(path, "x.wasm", shutdown=shutdown)
        restart = self.dice.choice(list(Restart))
        may_be = above is not AutoShutdown.NEVER and restart is not Restart.PERMANENT
        return replace(spec, restart=restart, significant=may_be and self.dice.random() < 0.6)

    def tree(self, path: str, depth: int) -> SupervisorSpec:
        dice = self.dice
        strategy = dice.choice(list(Strategy))
        intensity = dice.choice([0, 1, 2, 3, 5, 10, 20])
        below = f"{path}/" if path else ""
        if strategy is Strategy.SIMPLE_ONE_FOR_ONE:
            template = self.child(f"{below}w", depth, AutoShutdown.NEVER)
            return SupervisorSpec(path, strategy, intensity, HOUR_S, template=template)
        auto = dice.choice([AutoShutdown.NEVER, *AutoShutdown])
        names = "abcd"[: dice.choice([0, 1, 2, 2, 3, 3, 4]) if path else dice.randint(1, 4)]
        children = tuple(self.child(f"{below}{name}", depth, auto) for name in names)
        return SupervisorSpec(path, strategy, intensity, HOUR_S, auto, children=children)

    def learn(self, spec: ChildSpec, instance: bool = False) -> None:
        for each in everything(spec):
            if isinstance(each, SupervisorSpec):
                self.supervisors[each.path] = each
                known = self.under.setdefault(each.path, [])
                known += [child.path for child in each.children if child.path not in known]
            else:
                self.workers[each.path] = instance and each is spec

    def batch(self) -> Batch:
        dice = self.dice
        paths = list(self.supervisors)
        path = "" if dice.random() < 0.3 else dice.choice(paths)
        spec, under = self.supervisors[path], self.under[path]
        mortal = [each for each in under if each in self.workers]
        dying = dice.sample(mortal, min(len(mortal), dice.choice([0, 1, 1, 1, 2, 3, 4])))
        moves: list[Move] = [Die(each, dice.choice(list(ExitKind))) for each in dying]
        # A caller has the pid of now: after a restart it would be another instance's.
        there = [each for each in under if each not in dying]
        for _ in range(dice.choice([0, 0, 1, 1, 2, 3, 5]) if dying else dice.randint(1, 4)):
            if spec.template is not None:
                call = self.pool_call(spec, there)
            else:
                call = self.call(spec, under)
            moves.insert(dice.randint(0, len(moves)), call)
        return Batch(path, tuple(moves))

    def call(self, spec: SupervisorSpec, under: list[str]) -> Move:
        dice = self.dice
        if under and dice.random() < 0.75:
            return Ask(dice.choice([Verb.TERMINATE, Verb.RESTART, Verb.DELETE]), dice.choice(under))
        below = f"{spec.path}/" if spec.path else ""
        path = dice.choice(under) if under and dice.random() < 0.4 else below + dice.choice("efg")
        child = self.child(path, 1 if path not in self.workers else 0, spec.auto_shutdown)
        if path in self.supervisors:  # a pool stays a pool, so that it is known what it takes
            known = self.supervisors[path]
            child = replace(known, restart=child.restart, significant=child.significant)
        self.learn(child)
        if path not in under:
            under.append(path)
        return Add(child)

    def pool_call(self, spec: SupervisorSpec, there: list[str]) -> Move:
        assert spec.template is not None
        if there and self.dice.random() < 0.4:
            return Ask(Verb.TERMINATE_INSTANCE, self.dice.choice(there))
        self.labels += 1
        path = f"{spec.template.path}-{self.labels}"
        self.under[spec.path].append(path)
        self.learn(moved(spec.template, spec.template.path, path), instance=True)
        return StartInstance(str(self.labels))


def everything(spec: ChildSpec) -> Iterator[ChildSpec]:
    """It and all below it, but no templates."""
    yield spec
    if isinstance(spec, SupervisorSpec):
        for child in spec.children:
            yield from everything(child)
