"""Pretended processes around the policy, which check every action they are given."""

from __future__ import annotations

from typing import Any

from tests.supervisor.policy_checks import Checks, Process
from theater import addresses
from theater.spec import (
    ActorSpec,
    Limits,
    Restart,
    Shutdown,
    ShutdownKind,
    Strategy,
    SupervisorSpec,
    instance,
)
from theater.supervisor import policy
from theater.supervisor.policy import (
    Action,
    AskStop,
    Decided,
    Decision,
    Ended,
    Event,
    Exited,
    ExitKind,
    Kill,
    KillAll,
    Ready,
    Reply,
    Spawn,
    WakeAt,
)

CALLS = (
    policy.AddChild,
    policy.AddChildren,
    policy.DeleteChild,
    policy.Reload,
    policy.RestartChild,
    policy.Scale,
    policy.StartChild,
    policy.StartInstance,
    policy.StopChild,
)

BRUTAL = Shutdown(ShutdownKind.BRUTAL_KILL)
INFINITY = Shutdown(ShutdownKind.INFINITY)


def actor(path: str, restart: str = "permanent", start_s: float = 30.0, **more: Any) -> ActorSpec:
    limits = Limits(start_timeout_s=start_s)
    return ActorSpec(path, "x.wasm", restart=Restart(restart), limits=limits, **more)


def supervisor(
    path: str, *children: ActorSpec | SupervisorSpec, restart: str = "permanent", **more: Any
) -> SupervisorSpec:
    return SupervisorSpec(path, children=children, restart=Restart(restart), **more)


def pool(
    template: ActorSpec | SupervisorSpec, first: int, restart: str = "permanent", **more: Any
) -> SupervisorSpec:
    """A pool of it that begins with so many instances. It stands above its template."""
    children = [instance(template, number) for number in range(1, first + 1)]
    more = {"template": template, "strategy": Strategy.SIMPLE_ONE_FOR_ONE, **more}
    return supervisor(addresses.parent(template.path), *children, restart=restart, **more)


def flat(*paths: str, **more: Any) -> Simulation:
    """Permanent actors under the root supervisor."""
    return Simulation(supervisor("", *(actor(path) for path in paths), **more))


def workers(first: int, restart: str = "permanent", **more: Any) -> Simulation:
    """A pool of actors as the root supervisor, and everything is ready."""
    return Simulation(pool(actor("w", restart), first, **more)).begin()


class Simulation(Checks):
    """Pretended processes around the policy.

    It holds the state and a clock that only `wait` moves. What must hold in any history is
    asserted while the actions are taken, so a test only has to drive it.
    """

    def __init__(
        self, spec: SupervisorSpec, incarnations: dict[str, int] | None = None, seed: int = 0
    ) -> None:
        super().__init__(last=dict(incarnations or {}))
        self.spec = spec
        self.state = policy.initial(spec, self.last, seed)
        self.listed.update(self.state.children)
        self.phases = {row.path: row.phase for row in policy.rows(self.state)}
        self.actions: list[Action] = []

    # What happens --------------------------------------------------------------------------

    def send(self, event: Event) -> list[Action]:
        """One step; returns its actions, without WakeAt."""
        if isinstance(event, Exited):
            process = self.live.get(event.child)
            if process and process.incarnation == event.incarnation:
                del self.live[event.child]
        elif isinstance(event, policy.Unspawnable | policy.ForkLost):
            process = self.live.get(event.child)
            if process and process.incarnation == event.incarnation:
                assert not process.ready, "the driver lost a fork that was there"
                respawned = isinstance(event, policy.ForkLost)
                if respawned and not process.asked and not process.killed:
                    self.lost[event.child] = process.start_by_s
                del self.live[event.child]
        elif isinstance(event, Ready):
            process = self.live.get(event.child)
            if process and process.incarnation == event.incarnation:
                process.ready = True
        elif isinstance(event, CALLS):
            if event.call is not None:
                assert event.call not in self.open_calls and event.call not in self.replies
                self.open_calls.add(event.call)
        elif isinstance(event, KillAll):
            self.killing = True
        self.state, actions = policy.step(self.state, event, self.now_s)
        self.take(self.state, event, actions)
        self.lost.clear()
        self.actions += actions
        return [action for action in actions if not isinstance(action, WakeAt)]

    def begin(self) -> Simulation:
        """Start, and everything gets ready."""
        self.send(policy.Start())
        self.settle()
        return self

    def ready(self, path: str) -> list[Action]:
        return self.send(Ready(path, self.live[path].incarnation))

    def exit(
        self, path: str, kind: ExitKind = ExitKind.CRASH, reason: str = "", ignored: bool = False
    ) -> list[Action]:
        reason = reason or f"it ended: {kind}"
        return self.send(Exited(path, self.live[path].incarnation, kind, reason, ignored))

    def obey(self, path: str) -> list[Action]:
        assert self.live[path].asked, f"{path} was not asked to stop"
        return self.exit(path, ExitKind.SHUTDOWN)

    def wait(self, seconds: float) -> list[Action]:
        """Let time pass, with a Tick whenever one was ordered."""
        until, out = self.now_s + seconds, list[Action]()
        while self.wake_s is not None and self.wake_s <= until:
            self.now_s = max(self.now_s, self.wake_s)
            out += self.send(policy.Tick())
            assert self.wake_s is None or self.wake_s > self.now_s
        self.now_s = until
        return out

    def react(self, path: str) -> None:
        """What a good process does next."""
        process = self.live[path]
        if process.killed:
            self.exit(path, ExitKind.CRASH, "signal 9")
        elif process.asked:
            self.obey(path)
        elif not process.ready:
            self.ready(path)

    def busy(self) -> list[Process]:
        """Those that are to get ready or to end, the oldest first."""
        return [p for p in self.live.values() if p.killed or p.asked or not p.ready]

    def settle(self) -> None:
        """Every process is good, until nothing is left to do."""
        while todo := self.busy():
            self.react(todo[0].path)

    # Looking -------------------------------------------------------------------------------

    def actor(self, path: str) -> ActorSpec:
        spec = self.state.children[path].spec
        assert isinstance(spec, ActorSpec)
        return spec

    def above(self, path: str) -> str:
        parent = self.state.children[path].parent
        assert parent is not None
        return parent.spec.path

    def rows(self) -> list[policy.ActorRow]:
        return policy.rows(self.state)

    def row(self, path: str) -> policy.ActorRow:
        return next(row for row in self.rows() if row.path == path)

    def supervisor_row(self, path: str) -> policy.SupervisorRow:
        found = policy.supervisor_rows(self.state, self.now_s)
        return next(row for row in found if row.path == path)

    def decisions(self, decision: Decision) -> list[Decided]:
        return [a for a in self.actions if isinstance(a, Decided) and a.decision is decision]

    def spawned(self) -> list[str]:
        return [action.child for action in self.actions if isinstance(action, Spawn)]


def work(actions: list[Action]) -> list[str]:
    """What is ordered and answered, without what is only told: spawn a 2, ask a 1, ..."""
    words = []
    for action in actions:
        match action:
            case Spawn(path, incarnation):
                words.append(f"spawn {path} {incarnation}")
            case AskStop(path, incarnation):
                words.append(f"ask {path} {incarnation}")
            case Kill(path, incarnation):
                words.append(f"kill {path} {incarnation}")
            case Reply(call, ok, text):
                words.append(f"{'ok' if ok else 'no'} {call}: {text}")
            case Ended(reason, failed):
                words.append(f"{'failed' if failed else 'ended'}: {reason}")
    return words
