"""A second, independent reading of supervisor.erl (one_for_one), to compare the policy with.

Everything here is synchronous, as in Erlang: a start returns when the child is up or has
failed, a stop when it is dead, and what arrives meanwhile is in a mailbox. How each start of
each actor goes is decided beforehand by `World.outcome`, so both sides meet the same fate.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Literal

from theater.spec import ActorSpec, SupervisorSpec

Outcome = Literal["ok", "fail", "ignore"]
Verb = Literal["stop", "start", "restart"]


@dataclass
class World:
    """What both sides share: how starts go. And what the model did, per supervisor."""

    seed: int
    fail: float  # how likely a start fails
    now_s: float = 0.0
    starts: dict[str, int] = field(default_factory=dict)
    traces: dict[str, list[str]] = field(default_factory=dict)
    answers: dict[int, bool] = field(default_factory=dict)
    pids: int = 0

    def outcome(self, path: str, number: int) -> Outcome:
        """How the start number `number` (from 1) of this actor goes."""
        dice = random.Random(f"{self.seed} {path} {number}").random()
        fail = self.fail if number > 1 else self.fail / 8
        return "fail" if dice < fail else "ignore" if dice < fail * 1.2 else "ok"


@dataclass(eq=False)
class Kid:
    spec: ActorSpec | SupervisorSpec
    pid: int | Literal["undefined", "restarting"] = "undefined"
    dead: bool = False  # the process is gone, the exit message not read yet
    sup: Super | None = None


class Super:
    """One supervisor process."""

    def __init__(self, spec: SupervisorSpec, world: World, parent: Super | None) -> None:
        self.spec, self.world, self.parent = spec, world, parent
        self.kids = [Kid(child) for child in spec.children]
        self.gone: list[Kid] = []  # deleted, but an operator may start them anew
        self.stamps: list[float] = []
        self.mailbox: list[tuple[str, object, str]] = []
        self.up = False
        self.trace = world.traces.setdefault(spec.path, [])

    def init(self) -> bool:
        for kid in list(self.kids):
            outcome = self.start(kid)
            if outcome == "fail":
                self.terminate()
                return False
            if outcome == "ignore":
                self.forget(kid)
        self.up = True
        return True

    def start(self, kid: Kid) -> Outcome:
        path = kid.spec.path
        self.world.pids += 1
        if isinstance(kid.spec, SupervisorSpec):
            kid.sup = Super(kid.spec, self.world, self)
            outcome: Outcome = "ok" if kid.sup.init() else "fail"
        else:
            number = self.world.starts[path] = self.world.starts.get(path, 0) + 1
            self.trace.append(f"start {path}")
            outcome = self.world.outcome(path, number)
        kid.dead = False
        kid.pid = self.world.pids if outcome == "ok" else "undefined"
        return outcome

    def stop(self, kid: Kid) -> None:
        if isinstance(kid.pid, int) and not kid.dead:
            if kid.sup:
                kid.sup.terminate()
            else:
                self.trace.append(f"stop {kid.spec.path}")
        kid.pid = "undefined"

    def terminate(self) -> None:
        self.up = False
        for kid in reversed(self.kids):
            self.stop(kid)
        for tag, what, _ in self.mailbox:
            if tag == "call":
                assert isinstance(what, int)
                self.world.answers[what] = False
        self.mailbox.clear()

    def forget(self, kid: Kid) -> None:
        kid.pid = "undefined"
        if kid.spec.restart == "temporary":
            self.kids.remove(kid)
            self.gone.append(kid)

    def find(self, path: str) -> Kid | None:
        return next((kid for kid in self.kids + self.gone if kid.spec.path == path), None)

    def serve(self) -> None:
        """Read one message."""
        tag, what, more = self.mailbox.pop(0)
        if tag == "EXIT":
            kid = next((kid for kid in self.kids if kid.pid == what), None)
            if kid is None:
                return
            if kid.spec.restart == "permanent" or (
                kid.spec.restart == "transient" and more == "crash"
            ):
                self.restart(kid)
            else:
                self.forget(kid)
        elif tag == "again":
            kid = next(kid for kid in self.kids if kid.spec.path == what)
            if kid.pid == "restarting":
                self.restart(kid)
        else:
            assert tag == "call" and isinstance(what, int)
            verb, path = more.split()
            self.world.answers[what] = self.call(verb, path)

    def restart(self, kid: Kid) -> None:
        now_s = self.world.now_s
        self.stamps = [stamp for stamp in self.stamps if stamp >= now_s - self.spec.period_s]
        if len(self.stamps) > self.spec.intensity - 1:
            kid.pid = "undefined"
            self.terminate()
            if self.parent:
                me = next(k for k in self.parent.kids if k.sup is self)
                me.dead = True
                self.parent.mailbox.append(("EXIT", me.pid, "shutdown"))
            return
        self.stamps.append(now_s)
        if self.start(kid) == "fail":
            kid.pid = "restarting"
            self.mailbox.append(("again", kid.spec.path, ""))

    def call(self, verb: str, path: str) -> bool:
        kid = self.find(path)
        assert kid is not None
        deleted = kid in self.gone
        if verb == "stop":
            if deleted:
                return False
            self.stop(kid)
            self.forget(kid)
            return True
        if verb == "start" and kid.pid != "undefined":
            return False
        self.stop(kid)
        if kid.spec.restart == "temporary":  # deleted with its end, and added at the end
            (self.gone if deleted else self.kids).remove(kid)
            self.kids.append(kid)
        outcome = self.start(kid)
        if outcome != "ok":
            self.forget(kid)
        return outcome != "fail"


class Model:
    """The whole tree."""

    def __init__(self, spec: SupervisorSpec, world: World) -> None:
        self.world = world
        self.root = Super(spec, world, None)

    def supers(self) -> list[Super]:
        found, out = [self.root], []
        while found:
            each = found.pop()
            out.append(each)
            found += [kid.sup for kid in each.kids + each.gone if kid.sup and kid.sup.up]
        return out

    def run(self) -> None:
        """Until every mailbox is empty."""
        while busy := [each for each in self.supers() if each.mailbox]:
            assert len(busy) == 1, "the order would not be determined"
            busy[0].serve()

    def owner(self, path: str) -> Super | None:
        """The supervisor that has this child on its list, if it is up."""
        return next((each for each in self.supers() if each.up and each.find(path)), None)

    def die(self, path: str, kind: str) -> None:
        owner = self.owner(path)
        assert owner is not None
        kid = owner.find(path)
        assert kid is not None and isinstance(kid.pid, int)
        kid.dead = True
        owner.mailbox.append(("EXIT", kid.pid, kind))

    def call(self, number: int, verb: Verb, path: str) -> None:
        owner = self.owner(path)
        if owner is None:
            self.world.answers[number] = False
        else:
            owner.mailbox.append(("call", number, f"{verb} {path}"))

    def alive(self) -> set[str]:
        return {
            kid.spec.path
            for each in self.supers()
            for kid in each.kids
            if isinstance(kid.pid, int) and not kid.sup
        }
