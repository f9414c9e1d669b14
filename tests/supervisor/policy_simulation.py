"""Pretended processes around the policy, which check every action they are given.

A Simulation holds the state, a clock that only `wait` moves, and one Process for each fork
that was ordered and not yet reported gone. What must hold in any history is asserted while
the actions are taken, so a test only has to drive it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from theater.spec import ActorSpec, Limits, Restart, Shutdown, ShutdownKind, SupervisorSpec
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
    Phase,
    PhaseChanged,
    Ready,
    Removed,
    Reply,
    Spawn,
    WakeAt,
)
from theater.supervisor.tree import Book, Child

CALLS = (
    policy.AddChild,
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


def flat(*paths: str, **more: Any) -> Simulation:
    """Permanent actors under the root supervisor."""
    return Simulation(supervisor("", *(actor(path) for path in paths), **more))


@dataclass
class Process:
    path: str
    incarnation: int
    ready: bool = False
    asked: bool = False
    killed: bool = False
    start_by_s: float = 0.0  # killed at the latest, unless ready or asked before
    stop_by_s: float | None = None


@dataclass
class Simulation:
    spec: SupervisorSpec
    incarnations: dict[str, int] = field(default_factory=dict)
    now_s: float = 1000.0

    def __post_init__(self) -> None:
        self.state = policy.initial(self.spec, self.incarnations)
        self.live: dict[str, Process] = {}
        self.last = dict(self.incarnations)
        self.phases: dict[str, Phase] = {row.path: row.phase for row in policy.rows(self.state)}
        self.actions: list[Action] = []
        self.open_calls: set[int] = set()
        self.replies: dict[int, Reply] = {}
        self.ended: Ended | None = None
        self.wake_s: float | None = None
        self.killing = False
        self.down: set[str] = set()  # supervisors on their way down, and those that are
        self.restarts: dict[str, list[float]] = {}  # by supervisor, since it came up

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
        for action in actions:
            self.check(action)
        self.check_after(event)
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

    def settle(self) -> None:
        """Every process is good, until nothing is left to do."""
        while todo := [p.path for p in self.live.values() if p.killed or p.asked or not p.ready]:
            self.react(todo[0])

    # What may not happen -------------------------------------------------------------------

    def check(self, action: Action) -> None:
        assert self.ended is None or isinstance(action, Reply), f"{action} after Ended"
        match action:
            case Spawn(path, incarnation):
                assert path not in self.live, f"two incarnations of {path}"
                assert incarnation == self.last.get(path, 0) + 1
                assert not self.killing, "a spawn after everything was killed"
                siblings = [p for p in self.live.values() if self.above(p.path) == self.above(path)]
                assert all(p.ready or p.killed or p.asked for p in siblings), "two starts at once"
                self.last[path] = incarnation
                start_by_s = self.now_s + self.actor(path).limits.start_timeout_s
                self.live[path] = Process(path, incarnation, start_by_s=start_by_s)
            case AskStop(path, incarnation):
                process = self.live[path]
                assert process.incarnation == incarnation and not process.asked
                assert not process.killed and not self.killing
                self.check_order(self.state.children[path])
                process.asked = True
                shutdown = self.actor(path).shutdown
                assert shutdown.kind is not ShutdownKind.BRUTAL_KILL
                if shutdown.kind is ShutdownKind.TIMEOUT:
                    process.stop_by_s = self.now_s + shutdown.timeout_s
                elif not process.ready:
                    process.stop_by_s = process.start_by_s
            case Kill(path, incarnation):
                process = self.live[path]
                assert process.incarnation == incarnation and not process.killed
                if self.actor(path).shutdown.kind is ShutdownKind.BRUTAL_KILL and process.ready:
                    self.check_order(self.state.children[path])
                process.killed = True
            case Reply(call):
                assert call in self.open_calls, f"call {call} answered twice or never made"
                self.open_calls.remove(call)
                self.replies[call] = action
            case PhaseChanged(path, phase, supervisor=False):
                assert phase is not self.phases.get(path), f"{path} is {phase} already"
                self.phases[path] = phase
                process_or_none = self.live.get(path)
                if phase in (Phase.STOPPED, Phase.FAILED, Phase.RESTARTING):
                    assert process_or_none is None, f"{path} is {phase} and has a process"
                elif phase in (Phase.RUNNING, Phase.STOPPING):
                    assert process_or_none is not None
            case Removed(path):
                assert path not in self.live, f"{path} is removed and has a process"
                self.phases.pop(path, None)
            case PhaseChanged(path, Phase.STARTING, supervisor=True):
                self.restarts[path] = []
                self.down.discard(path)
            case PhaseChanged(path, Phase.STOPPING, supervisor=True):
                self.down.add(path)
                child = self.state.children[path]
                if child.parent and child.book is Book.STOPPING:
                    self.check_order(child)
            case Decided(path, Decision.RESTART | Decision.RETRY, detail):
                node = self.state.children[path].parent
                assert node is not None and detail["left"] >= 0
                stamps = self.restarts[node.spec.path]
                stamps.append(self.now_s)
                inside = [s for s in stamps if self.now_s - s <= node.spec.period_s]
                assert len(inside) <= node.spec.intensity, "more restarts than the window allows"
                assert detail["left"] == node.spec.intensity - len(inside)
            case Decided(path, Decision.GAVE_UP):
                inner = self.state.children[path].inner
                assert inner is not None
                stamps = self.restarts[path]
                inside = [s for s in stamps if self.now_s - s <= inner.spec.period_s]
                assert len(inside) == inner.spec.intensity, "it gave up too early"
            case Ended():
                assert not self.live, f"ended with {list(self.live)}"
                assert not self.open_calls, f"calls without an answer: {self.open_calls}"
                self.ended = action
            case WakeAt(time_s):
                self.wake_s = time_s

    def check_order(self, child: Child) -> None:
        """One at a time under each supervisor; when it goes down, the youngest first."""
        node = child.parent
        assert node is not None
        if node.owner.kill_why or node.pool:
            return  # everything at once
        siblings = list(node.children.values())
        for sibling in siblings:
            if sibling is not child and sibling.path in self.live:
                both = f"{child.path} and {sibling.path} are stopped at once"
                assert not self.live[sibling.path].asked, both
        if node.spec.path in self.down and child in siblings:
            younger = siblings[siblings.index(child) + 1 :]
            assert not any(each.alive for each in younger), f"{child.path} before a younger one"

    def check_after(self, event: Event) -> None:
        for process in self.live.values():
            due = process.stop_by_s if process.asked else process.start_by_s
            if process.killed or due is None or (process.ready and not process.asked):
                continue
            if process.asked and process.ready and process.stop_by_s == process.start_by_s:
                continue  # infinity, and ready after all
            assert self.wake_s is not None and self.wake_s <= due, f"nobody waits for {process}"
            if isinstance(event, policy.Tick):
                assert due > self.now_s, f"{process} is late and still there"
        if self.ended:
            phases = {row.phase for row in policy.rows(self.state)}
            phases |= {row.phase for row in policy.supervisor_rows(self.state, self.now_s)}
            assert phases <= {Phase.STOPPED, Phase.FAILED}
        for path, phase in self.phases.items():
            if phase in (Phase.RUNNING, Phase.STOPPING):
                assert path in self.live, f"{path} is {phase} without a process"
        shown = {row.path: row.phase for row in policy.rows(self.state)}
        for path, phase in shown.items():
            if phase is Phase.STOPPED:
                self.phases.setdefault(path, phase)  # new, and never started
        assert self.phases == shown
        for path, child in self.state.children.items():
            assert child.path == path and (child.parent is None or not child.hidden)

    # Looking -------------------------------------------------------------------------------

    def actor(self, path: str) -> ActorSpec:
        spec = self.state.children[path].spec
        assert isinstance(spec, ActorSpec)
        return spec

    def above(self, path: str) -> str:
        parent = self.state.children[path].parent
        assert parent is not None
        return parent.spec.path

    def row(self, path: str) -> policy.ActorRow:
        return next(row for row in policy.rows(self.state) if row.path == path)

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
