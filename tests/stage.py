"""A system without processes: the real policy, and the log that would be written of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from theater.facts import Fact
from theater.spec import ActorSpec, ChildSpec, Restart, SupervisorSpec
from theater.supervisor import policy
from theater.supervisor.births import name_in_log
from theater.supervisor.policy import ExitKind


def actor(path: str, restart: str = "permanent", **more: Any) -> ActorSpec:
    return ActorSpec(path, "x.wasm", restart=Restart(restart), **more)


def supervisor(
    path: str, *children: ChildSpec, restart: str = "permanent", **more: Any
) -> SupervisorSpec:
    return SupervisorSpec(path, children=children, restart=Restart(restart), **more)


class Log:
    """Facts as the log would hold them; what `causes.Past` asks for."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.supervisors: set[str] = set()
        self.incarnations: dict[str, int] = {}

    def write(self, name: str, type: str, **facts: Any) -> None:
        """A start begins the next incarnation; all else is of the last one."""
        if type == "started":
            self.incarnations[name] = self.incarnations.get(name, 0) + 1
        seq, incarnation = len(self.facts) + 1, self.incarnations.get(name, 0)
        self.facts.append(Fact(seq, float(seq), name, incarnation, type, facts))

    def is_supervisor(self, name: str) -> bool:
        return name in self.supervisors

    def _back(self, before: int) -> Iterator[Fact]:
        return (fact for fact in reversed(self.facts) if fact.seq < before)

    def decisions(self, before: int) -> Iterator[Fact]:
        return (fact for fact in self._back(before) if fact.type == "decided")

    def starts(self, name: str, before: int) -> Iterator[Fact]:
        return (f for f in self._back(before) if f.name == name and f.type == "started")

    def tail(self, name: str, before: int) -> Iterator[Fact]:
        for fact in self._back(before):
            if fact.name == name and fact.type != "host-answer":
                if fact.type == "wasm-call":
                    return
                yield fact


class Stage:
    """What is forked gets ready at once, unless it is `broken`: then it dies. What is asked to stop
    stops."""

    def __init__(self, spec: SupervisorSpec) -> None:
        self.log = Log()
        self.broken: set[str] = set()
        self.now_s = 0.0
        self.up(spec)

    def up(self, spec: SupervisorSpec) -> None:
        self.state = policy.initial(spec, self.log.incarnations)
        self._sort(spec)
        self.do(policy.Start())

    def _sort(self, spec: SupervisorSpec) -> None:
        self.log.supervisors.add(name_in_log(spec.path))
        for child in spec.children:
            if isinstance(child, SupervisorSpec):
                self._sort(child)

    def do(self, *events: policy.Event) -> None:
        todo = list(events)
        while todo:
            self.state, actions = policy.step(self.state, todo.pop(0), self.now_s)
            for action in actions:
                todo.extend(self._perform(action))

    def _perform(self, action: policy.Action) -> Iterator[policy.Event]:
        match action:
            case policy.Decided(subject, decision, detail):
                self.log.write(name_in_log(subject), "decided", decision=decision.value, **detail)
            case policy.Spawn(child, incarnation, init):
                if init:
                    self.log.write(child, "reinitialised", reason="operator")
                self.log.write(child, "started")
                assert self.log.incarnations[child] == incarnation
                if child in self.broken:
                    yield self.died(child, ExitKind.CRASH, "trap: no start")
                else:
                    self.log.write(child, "ready")
                    yield policy.Ready(child, incarnation)
            case policy.AskStop(child):
                yield self.died(child, ExitKind.SHUTDOWN, "stopped")
            case policy.Kill(child):
                yield self.died(child, ExitKind.CRASH, "killed by SIGKILL")
            case policy.Removed(child, reason):
                self.log.write(name_in_log(child), "removed", reason=reason)

    # What befalls it

    def died(self, name: str, kind: ExitKind, reason: str) -> policy.Exited:
        """As the log has it; the policy is still to be told."""
        self.log.write(name, "exited", kind=kind.value, reason=reason)
        return policy.Exited(name, self.log.incarnations[name], kind, reason)

    def turn(self, name: str) -> None:
        self.log.write(name, "wasm-call")

    def crash(self, name: str) -> None:
        """It traps in a turn."""
        self.log.write(name, "turn-failed", turn=7, reason="trap: ouch", evidence=None)
        self.do(self.died(name, ExitKind.CRASH, "trap: ouch"))

    def recycle(self, name: str, turns: int = 1000) -> None:
        """It has run all the turns that its incarnation may."""
        self.turn(name)
        self.do(policy.Recycle(name, self.log.incarnations[name], turns))

    def end(self, name: str) -> None:
        self.do(self.died(name, ExitKind.NORMAL, "shutdown by itself"))

    def tick(self, after_s: float) -> None:
        self.now_s += after_s
        self.do(policy.Tick())
