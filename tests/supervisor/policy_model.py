"""A second, independent reading of supervisor.erl, to compare the policy with.

Everything here is synchronous, as in Erlang: a start returns when the child is up or has
failed, a stop when it is dead, and what arrives meanwhile is in a mailbox. How each start of
each actor goes is decided beforehand by `World.outcome`, so both sides meet the same fate.

Beyond OTP it knows what the policy adds on purpose: a pool begins with instances and can be
scaled, a child can be restarted by hand, and a temporary child of the manifest that has ended
can be started anew.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Literal

from theater.spec import ActorSpec, SupervisorSpec

Outcome = Literal["ok", "fail", "ignore"]
Pid = int | Literal["undefined", "restarting"]
ChildSpec = ActorSpec | SupervisorSpec

# Calls: what a supervisor finds in its mailbox, beside exits and notes to itself.


@dataclass(frozen=True)
class Ask:
    """terminate_child, restart_child, delete_child; and our own start and bounce."""

    verb: Literal["terminate", "restart", "delete", "start", "bounce"]
    path: str


@dataclass(frozen=True)
class Add:
    """start_child with a specification."""

    spec: ChildSpec


@dataclass(frozen=True)
class StartInstance:
    """start_child of a simple_one_for_one supervisor."""

    args: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scale:
    count: int


Call = Ask | Add | StartInstance | Scale


@dataclass(frozen=True)
class Exit:
    pid: Pid
    reason: str


@dataclass(frozen=True)
class TryAgain:
    """try_again_restart: it names the child, whichever that is by then."""

    path: str


@dataclass(frozen=True)
class Called:
    number: int
    call: Call


@dataclass
class World:
    """What both sides share: how starts go. And what the model did, per supervisor."""

    seed: int
    fail: float  # how likely a start fails
    now_s: float = 0.0
    starts: dict[str, int] = field(default_factory=dict)
    traces: dict[str, list[str]] = field(default_factory=dict)
    answers: dict[int, str] = field(default_factory=dict)  # OTP's words
    numbers: dict[str, int] = field(default_factory=dict)  # of a pool: the highest ever used
    pids: int = 0

    def outcome(self, path: str, number: int) -> Outcome:
        """How the start number `number` (from 1) of this actor goes."""
        dice = random.Random(f"{self.seed} {path} {number}").random()
        fail = self.fail if number > 1 else self.fail / 8
        return "fail" if dice < fail else "ignore" if dice < fail * 1.2 else "ok"


@dataclass(eq=False)
class Kid:
    spec: ChildSpec
    pid: Pid = "undefined"
    dead: bool = False  # the process is gone, the exit message not read yet
    sup: Super | None = None
    listed: bool = True  # on the initial list

    @property
    def path(self) -> str:
        return self.spec.path

    @property
    def temporary(self) -> bool:
        return self.spec.restart == "temporary"


class Super:
    """One supervisor process."""

    def __init__(self, spec: SupervisorSpec, world: World, parent: Super | None) -> None:
        self.spec, self.world, self.parent = spec, world, parent
        self.simple = spec.strategy == "simple_one_for_one"
        self.kids = [Kid(child) for child in spec.children]
        self.gone: list[Kid] = []  # temporary, listed and ended: the entry is deleted
        self.stamps: list[float] = []
        self.mailbox: list[Exit | TryAgain | Called] = []
        self.up = False
        self.trace = world.traces.setdefault(spec.path, [])
        if self.simple:
            last = world.numbers.get(spec.path, 0)
            world.numbers[spec.path] = max(last, len(self.kids))

    def find(self, path: str) -> Kid | None:
        return next((kid for kid in self.kids if kid.path == path), None)

    # Starting and stopping -----------------------------------------------------------------

    def init(self) -> bool:
        for kid in list(self.kids):
            outcome = self.start(kid)
            if outcome == "fail":
                self.terminate()
                return False
            if outcome == "ignore":
                self.del_child(kid)
        self.up = True
        return True

    def start(self, kid: Kid) -> Outcome:
        self.world.pids += 1
        if isinstance(kid.spec, SupervisorSpec):
            kid.sup = Super(kid.spec, self.world, self)
            outcome: Outcome = "ok" if kid.sup.init() else "fail"
        else:
            number = self.world.starts[kid.path] = self.world.starts.get(kid.path, 0) + 1
            self.trace.append(f"start {kid.path}")
            outcome = self.world.outcome(kid.path, number)
        kid.dead = False
        kid.pid = self.world.pids if outcome == "ok" else "undefined"
        return outcome

    def stop(self, kid: Kid) -> None:
        if isinstance(kid.pid, int) and not kid.dead:
            if kid.sup:
                kid.sup.terminate()
            else:
                self.trace.append(f"stop {kid.path}")
        kid.pid = "undefined"

    def terminate(self) -> None:
        self.up = False
        for kid in reversed(self.kids):
            self.stop(kid)
        for message in self.mailbox:
            if isinstance(message, Called):
                self.world.answers[message.number] = "noproc"
        self.mailbox.clear()

    def leave(self) -> None:
        """{stop, shutdown, State}."""
        self.terminate()
        if self.parent:
            me = next(kid for kid in self.parent.kids if kid.sup is self)
            me.dead = True
            self.parent.mailbox.append(Exit(me.pid, "shutdown"))

    def del_child(self, kid: Kid) -> None:
        kid.pid = "undefined"
        if self.simple:
            self.kids.remove(kid)
        elif kid.temporary:
            self.kids.remove(kid)
            if kid.listed:
                self.gone.append(kid)

    # Deaths --------------------------------------------------------------------------------

    def serve(self) -> None:
        """Read one message."""
        match self.mailbox.pop(0):
            case Exit(pid, reason):
                kid = next((kid for kid in self.kids if kid.pid == pid), None)
                if kid:
                    self.do_restart(kid, reason)
            case TryAgain(path):
                kid = self.find(path)
                if kid and kid.pid == "restarting":
                    self.restart(kid)
            case Called(number, call):
                self.world.answers[number] = self.answer(call)

    def do_restart(self, kid: Kid, reason: str) -> None:
        if kid.spec.restart == "permanent" or (
            kid.spec.restart == "transient" and reason == "crash"
        ):
            self.restart(kid)
        else:
            self.del_child(kid)
            self.do_auto_shutdown(kid)

    def do_auto_shutdown(self, kid: Kid) -> None:
        if not kid.spec.significant:
            return
        alive = [each for each in self.kids if each.spec.significant and each.pid != "undefined"]
        if self.spec.auto_shutdown == "any_significant" or (
            self.spec.auto_shutdown == "all_significant" and not alive
        ):
            self.leave()

    def restart(self, kid: Kid) -> None:
        now_s = self.world.now_s
        self.stamps = [stamp for stamp in self.stamps if stamp >= now_s - self.spec.period_s]
        if len(self.stamps) > self.spec.intensity - 1:
            self.del_child(kid)
            self.leave()
            return
        self.stamps.append(now_s)
        if self.spec.strategy == "one_for_all":
            self.restart_multiple(list(self.kids))
        elif self.spec.strategy == "rest_for_one":
            self.restart_multiple(self.kids[self.kids.index(kid) :])
        else:
            outcome = self.start(kid)
            if outcome == "fail":
                self.again(kid)
            elif outcome == "ignore":
                self.del_child(kid)

    def restart_multiple(self, children: list[Kid]) -> None:
        for kid in reversed(children):
            self.stop(kid)
            if kid.temporary:
                self.del_child(kid)
        for kid in children:
            if not kid.temporary and self.start(kid) == "fail":
                self.again(kid)
                return

    def again(self, kid: Kid) -> None:
        kid.pid = "restarting"
        self.mailbox.append(TryAgain(kid.path))

    # Calls ---------------------------------------------------------------------------------

    def answer(self, call: Call) -> str:
        match call:
            case Add(spec):
                return self.start_child(spec)
            case StartInstance(args):
                return self.start_instance(args)
            case Scale(count):
                return self.scale(count)
            case Ask("start" | "bounce", path):
                return self.start_by_hand(call.verb == "bounce", path)
            case Ask(verb, path):
                if self.simple and verb != "terminate":
                    return "simple_one_for_one" if self.find(path) else "not_found"
                return self.handle(verb, self.find(path))

    def handle(self, verb: str, kid: Kid | None) -> str:
        if kid is None:
            return "not_found"
        if verb == "terminate":
            self.stop(kid)
            self.del_child(kid)
            return "ok"
        if kid.pid != "undefined":
            return "restarting" if kid.pid == "restarting" else "running"
        if verb == "delete":
            self.kids.remove(kid)
            return "ok"
        return "failed" if self.start(kid) == "fail" else "ok"

    def start_child(self, spec: ChildSpec) -> str:
        if self.simple:
            return "simple_one_for_one"
        if spec.significant and (spec.restart == "permanent" or self.spec.auto_shutdown == "never"):
            return "bad_combination"
        present = self.find(spec.path)
        if present:
            return "already_started" if isinstance(present.pid, int) else "already_present"
        self.gone = [kid for kid in self.gone if kid.path != spec.path]
        kid = Kid(spec, listed=False)
        outcome = self.start(kid)
        if outcome == "ok" or (outcome == "ignore" and not kid.temporary):
            self.kids.append(kid)
        return "failed" if outcome == "fail" else "ok"

    # Ours ----------------------------------------------------------------------------------

    def start_by_hand(self, stop: bool, path: str) -> str:
        """Start; as a bounce, stop it before. One that is temporary goes to the end."""
        ended = next((kid for kid in self.gone if kid.path == path), None)
        kid = self.find(path) or ended
        if kid is None:
            return "not_found"
        if kid.pid != "undefined" and not stop:
            return "restarting" if kid.pid == "restarting" else "running"
        self.stop(kid)
        if kid.temporary and not self.simple:
            (self.gone if ended else self.kids).remove(kid)
            self.kids.append(kid)
        outcome = self.start(kid)
        if outcome != "ok":
            self.del_child(kid)
        return "failed" if outcome == "fail" else "ok"

    def instance(self, number: int, args: tuple[str, ...] = ()) -> Kid:
        template = self.spec.template
        assert template is not None
        last = self.world.numbers[self.spec.path]
        self.world.numbers[self.spec.path] = max(last, number)
        return Kid(renamed(template, template.path, f"{template.path}-{number}", args))

    def start_instance(self, args: tuple[str, ...]) -> str:
        if not self.simple:
            return "not_a_pool"
        kid = self.instance(self.world.numbers[self.spec.path] + 1, args)
        outcome = self.start(kid)
        if outcome == "ok":
            self.kids.append(kid)
        return "failed" if outcome == "fail" else "ok"

    def scale(self, count: int) -> str:
        if not self.simple or self.spec.template is None:
            return "not_a_pool"
        for kid in reversed(self.kids[count:]):
            self.stop(kid)
            self.kids.remove(kid)
        new: list[Kid] = []
        number = 1
        while len(self.kids) + len(new) < count:
            if not self.find(f"{self.spec.template.path}-{number}"):
                new.append(self.instance(number))
            number += 1
        for kid in new:
            outcome = self.start(kid)
            if outcome == "fail":
                return "failed"
            if outcome == "ok":
                self.kids.append(kid)
        return "ok"


def renamed(spec: ChildSpec, old: str, new: str, args: tuple[str, ...]) -> ChildSpec:
    path = new + spec.path.removeprefix(old)
    if isinstance(spec, ActorSpec):
        return replace(spec, path=path, args=spec.args + args)
    return replace(
        spec, path=path, children=tuple(renamed(c, old, new, args) for c in spec.children)
    )


class Model:
    """The whole tree."""

    def __init__(self, spec: SupervisorSpec, world: World) -> None:
        self.world = world
        self.root = Super(spec, world, None)

    def supers(self) -> list[Super]:
        """Those that are up."""
        found, out = [self.root], []
        while found:
            each = found.pop()
            if each.up:
                out.append(each)
                found += [kid.sup for kid in each.kids if kid.sup]
        return out

    def super(self, path: str) -> Super | None:
        return next((each for each in self.supers() if each.spec.path == path), None)

    def run(self) -> None:
        """Until every mailbox is empty."""
        while busy := [each for each in self.supers() if each.mailbox]:
            assert len(busy) == 1, "the order would not be determined"
            busy[0].serve()

    def die(self, supervisor: str, path: str, reason: str) -> None:
        owner = self.super(supervisor)
        assert owner is not None
        kid = owner.find(path)
        assert kid is not None and isinstance(kid.pid, int)
        kid.dead = True
        owner.mailbox.append(Exit(kid.pid, reason))

    def call(self, number: int, supervisor: str, call: Call) -> None:
        owner = self.super(supervisor)
        if owner is None:
            self.world.answers[number] = "noproc"
        else:
            owner.mailbox.append(Called(number, call))

    def alive(self) -> set[str]:
        return {
            kid.path
            for each in self.supers()
            for kid in each.kids
            if isinstance(kid.pid, int) and not kid.sup
        }
