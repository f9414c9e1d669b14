"""What must hold in any history of the policy, asserted while its actions are taken.

It keeps its own books (one Process for each fork that was ordered and not yet reported gone,
one list of restarts per supervisor, ...) and looks into the policy's state only to learn who
stands where.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from theater.spec import ActorSpec, Restart, ShutdownKind, Strategy
from theater.supervisor import policy
from theater.supervisor.policy import (
    Action,
    AskStop,
    Decided,
    Decision,
    Ended,
    Event,
    Kill,
    Phase,
    PhaseChanged,
    Removed,
    Reply,
    Spawn,
    WakeAt,
)
from theater.supervisor.tree import Book, Child, Node, Purpose, below

GROUPS = (Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE)
ENDINGS = (Decision.GAVE_UP, Decision.AUTO_SHUTDOWN, Decision.START_ABORTED, Decision.SHUTDOWN)


@dataclass
class Process:
    path: str
    incarnation: int
    ready: bool = False
    asked: bool = False
    killed: bool = False
    start_by_s: float = 0.0  # killed at the latest, unless ready or asked before
    stop_by_s: float | None = None
    for_ever: bool = False  # asked, and as soon as it is ready it may take its time


@dataclass
class Plan:
    """What a supervisor has said it is going to do with its children, in this order."""

    stop: list[str]
    start: list[str]
    alone: bool = False  # the time of others may come meanwhile, and of their groups


@dataclass
class Checks:
    now_s: float = 1000.0
    last: dict[str, int] = field(default_factory=dict)  # incarnation by path
    live: dict[str, Process] = field(default_factory=dict)
    phases: dict[str, Phase] = field(default_factory=dict)  # of actors
    lost: dict[str, float] = field(default_factory=dict)  # of a lost fork: when to be ready
    open_calls: set[int] = field(default_factory=set)
    replies: dict[int, Reply] = field(default_factory=dict)
    ended: Ended | None = None
    wake_s: float | None = None
    killing: bool = False
    down: set[str] = field(default_factory=set)  # supervisors on their way down, and those that are
    leaving: set[str] = field(default_factory=set)  # those of them that do so by themselves
    due_s: dict[str, float] = field(default_factory=dict)  # of those that wait for a restart
    reloaded: bool = False  # what waits may wait for the strategy that was
    waited: set[str] = field(
        default_factory=set
    )  # supervisors that had a backoff since they came up
    restarts: dict[str, list[float]] = field(default_factory=dict)  # by supervisor, in the window
    plans: dict[str, Plan] = field(default_factory=dict)  # by supervisor
    listed: dict[str, Child | None] = field(default_factory=dict)  # and not Removed
    passing: set[str] = field(default_factory=set)  # paths with more than one life in this step
    before: dict[str, Child] = field(default_factory=dict)  # the state's, before this step

    def take(self, state: policy.State, event: Event, actions: list[Action]) -> None:
        """One step has been made."""
        self.state = state
        if isinstance(event, policy.Reload):  # it may have changed the order
            self.plans.clear()
            self.down.clear()
            self.reloaded = True
        self.passing = self.twice(actions)
        for action in actions:
            self.check(action)
            if isinstance(action, PhaseChanged):  # a life begins, if it is not listed
                self.listed.setdefault(action.child, state.children.get(action.child))
        self.check_processes(event)
        self.check_phases()
        self.check_state()

    # Actions -------------------------------------------------------------------------------

    def check(self, action: Action) -> None:
        assert self.ended is None or isinstance(action, Reply), f"{action} after Ended"
        match action:
            case Spawn(path, incarnation):
                self.check_spawn(path, incarnation)
            case AskStop(path, incarnation):
                process, child = self.live[path], self.child(path)
                assert process.incarnation == incarnation and not process.asked
                assert not process.killed and not self.killing
                self.check_stop(child)
                process.asked = True
                shutdown = child.spec.shutdown
                assert shutdown.kind is not ShutdownKind.BRUTAL_KILL
                if shutdown.kind is ShutdownKind.TIMEOUT:
                    process.stop_by_s = self.now_s + shutdown.timeout_s
                else:
                    process.for_ever = True
                    process.stop_by_s = None if process.ready else process.start_by_s
            case Kill(path, incarnation, why):
                process, child = self.live[path], self.child(path)
                assert process.incarnation == incarnation and not process.killed
                brutal = child.spec.shutdown.kind is ShutdownKind.BRUTAL_KILL
                failed = why.startswith("what it spawned")
                if brutal and process.ready and not process.asked and not failed:
                    self.check_stop(child)
                process.killed = True
            case Reply(call, ok, _, code):
                assert call in self.open_calls, f"call {call} answered twice or never made"
                assert ok == (code == "ok")
                self.open_calls.remove(call)
                self.replies[call] = action
            case PhaseChanged(path, phase, supervisor=supervisor) if path in self.passing:
                if not supervisor:
                    self.phases[path] = phase
                elif phase is Phase.STARTING:
                    self.begin_anew(path)
            case PhaseChanged(path, phase, supervisor=supervisor):
                if supervisor:
                    self.check_supervisor(self.child(path), phase)
                else:
                    self.check_actor(path, phase)
            case Removed(path):
                assert path not in self.live, f"{path} is removed and has a process"
                assert path in self.listed or path in self.passing, f"{path} was not there"
                self.listed.pop(path, None)
                self.phases.pop(path, None)
            case Decided():
                self.check_decided(action)
            case Ended():
                assert not self.live, f"ended with {list(self.live)}"
                assert not self.open_calls, f"calls without an answer: {self.open_calls}"
                self.ended = action
            case WakeAt(time_s):
                self.wake_s = time_s

    def check_spawn(self, path: str, incarnation: int) -> None:
        assert path not in self.live, f"two incarnations of {path}"
        assert incarnation > self.last.get(path, 0), f"{path} {incarnation} once more"
        assert not self.killing, "a spawn after everything was killed"
        child = self.child(path)
        assert isinstance(child.spec, ActorSpec) and child.parent is not None
        node = child.parent
        for process in self.live.values():
            if self.child(process.path).parent is node:
                # Killed as one that has failed: what it spawned has crashed too often.
                failed = self.child(process.path).book is Book.UP
                killed = process.killed and not failed
                busy = process.asked or killed or not process.ready
                assert not busy, f"{path} is started while {process} is not settled"
        for sibling in node.children.values():
            if sibling.inner and not node.ending:
                busy = sibling.book in (Book.STARTING, Book.STOPPING)
                assert not busy, f"{path} is started while {sibling} is not settled"
        self.check_start(node, path)
        self.last[path] = incarnation
        in_s = child.spec.limits.start_timeout_s
        start_by_s = self.lost.pop(path, self.now_s + in_s)
        self.live[path] = Process(path, incarnation, start_by_s=start_by_s)

    def check_start(self, node: Node, path: str) -> None:
        """In the order that was announced, and not before everything to be stopped is gone."""
        plan = self.plans.get(node.spec.path)
        if plan is None:
            return
        if plan.alone:
            if node.spec.strategy not in GROUPS and not self.reloaded:
                assert self.now_s >= self.due_s.pop(path, 0.0), f"{path} before its time"
            return
        assert not any(each in self.live for each in plan.stop), f"{path} before a stop is done"
        assert path in plan.start, f"{path} is started, and nobody has said so"
        del plan.start[: plan.start.index(path)]  # itself not: its fork may get lost
        plan.stop.clear()

    def check_stop(self, child: Child) -> None:
        """One at a time under each supervisor, in the order that was announced; when it goes
        down, the youngest first."""
        node = child.parent
        assert node is not None
        if node.owner.kill_why or node.pool:
            return  # everything at once
        siblings = list(node.children.values())
        for sibling in siblings:
            if sibling is not child and sibling.path in self.live:
                both = f"{child.path} and {sibling.path} are stopped at once"
                assert not self.live[sibling.path].asked, both
        first = child.brood is not None and child.book is Book.STOPPING  # what it has spawned was
        if node.spec.path in self.down and child in siblings and not first:
            younger = siblings[siblings.index(child) + 1 :]
            assert not any(each.alive for each in younger), f"{child.path} before a younger one"
        plan = self.plans.get(node.spec.path)
        if plan is not None:
            said = child.path in plan.stop
            assert said or plan.alone, f"{child.path} is stopped, and nobody has said so"
            del plan.stop[: plan.stop.index(child.path) if said else 0]

    def check_actor(self, path: str, phase: Phase) -> None:
        assert phase is not self.phases.get(path), f"{path} is {phase} already"
        self.phases[path] = phase
        self.plans.pop(path, None)  # of what it has spawned
        if phase in (Phase.STOPPED, Phase.FAILED, Phase.RESTARTING):
            assert path not in self.live, f"{path} is {phase} and has a process"
        elif phase is Phase.RUNNING or (phase is Phase.STOPPING and self.child(path).brood is None):
            assert path in self.live

    def begin_anew(self, path: str) -> None:
        self.restarts[path] = []
        self.plans.pop(path, None)
        for paths in (self.down, self.leaving, self.waited):
            paths.discard(path)

    def check_supervisor(self, child: Child, phase: Phase) -> None:
        path, node = child.path, child.inner
        assert node is not None
        match phase:
            case Phase.STARTING:
                self.begin_anew(path)
                for each in node.initial:
                    self.due_s.pop(each.path, None)
                self.plans[path] = Plan([], [each.path for each in node.initial])
            case Phase.RUNNING:
                self.plans.pop(path, None)
            case Phase.STOPPING:
                self.plans.pop(path, None)
                self.down.add(path)
                if child.parent and child.book is Book.STOPPING and path not in self.leaving:
                    self.check_stop(child)

    def check_decided(self, decided: Decided) -> None:
        path, decision, detail = decided.subject, decided.decision, decided.detail
        match decision:
            case Decision.RESTART | Decision.RETRY:
                self.check_restart(path, detail["left"])
                self.check_group(decided)
            case Decision.RECYCLE:
                above = self.child(path).parent
                assert above is not None and self.child(path).alive
                plan = self.plans.get(above.spec.path)
                if plan is not None and not plan.alone:
                    del self.plans[above.spec.path]  # it was done; times of others may come
            case Decision.GAVE_UP if self.child(path).inner is not None:
                inside, intensity = self.window(self.child(path))
                assert len(inside) >= intensity, "it gave up too early"
        if decision in ENDINGS:
            self.plans.pop(path, None)
            self.leaving.add(path)
        elif decision in (Decision.OPERATOR, Decision.START_FAILED):
            child = self.child_or_none(path)
            if child is not None and child.parent is not None:
                self.plans.pop(child.parent.spec.path, None)
            self.plans.pop(path, None)
            self.due_s.pop(path, None)

    def window(self, owner: Child) -> tuple[list[float], int]:
        """Its restarts that still count, and how many may."""
        assert owner.inner is not None
        spec = owner.inner.spec
        stamps = self.restarts[owner.path]
        return [s for s in stamps if self.now_s - s <= spec.period_s], spec.intensity

    def check_restart(self, dead: str, left: int) -> None:
        node = self.child(dead).parent
        assert node is not None and left >= 0
        if node.owner.keeper is not None:
            return  # nobody is told when its window begins
        inside, intensity = self.window(node.owner)
        inside.append(self.now_s)
        assert len(inside) <= intensity, "more restarts than the window allows"
        assert left == intensity - len(inside) >= 0
        self.restarts[node.spec.path] = inside

    def check_group(self, decided: Decided) -> None:
        """OTP's strategies: who is stopped and who is started, in which order."""
        dead, detail = self.child(decided.subject), decided.detail
        node = dead.parent
        assert node is not None
        stopped, started = list(detail["stopped"]), list(detail["started"])
        delay_s = detail.get("delay_s", 0.0)
        order = list(node.children.values())
        if node.task and node.task.purpose is Purpose.RESTART and dead in order:  # else it is over
            match Strategy(detail["strategy"]):
                case Strategy.ONE_FOR_ONE | Strategy.SIMPLE_ONE_FOR_ONE:
                    group = [dead]
                case Strategy.REST_FOR_ONE:
                    group = order[order.index(dead) :]
                case Strategy.ONE_FOR_ALL:
                    group = order
            others = [child for child in reversed(group) if child is not dead]
            # A supervisor with nothing under it is down again in this very step.
            alive = [child.path for child in others if self.has_process(child)]
            said = [path for path in stopped if path in alive]
            assert said == alive, f"{stopped} instead of {alive}"
            again = [child.path for child in group if child.spec.restart is not Restart.TEMPORARY]
            # More, if a reload has moved one that waits for this out of the group.
            assert [path for path in started if path in again] == again
        if delay_s:
            self.waited.add(node.spec.path)
            self.due_s[dead.path] = self.now_s + delay_s
        alone = Strategy(detail["strategy"]) not in GROUPS or node.spec.path in self.waited
        self.plans[node.spec.path] = Plan(stopped, started, alone)

    # After each step -----------------------------------------------------------------------

    def check_processes(self, event: Event) -> None:
        """Each is shown as what it is, and somebody waits for those that are not settled."""
        for process in self.live.values():
            shown = self.phases[process.path]
            child = self.state.children[process.path]
            if child.has_brood and child.book is Book.STOPPING and not process.asked:
                assert shown is Phase.STOPPING, process  # what it has spawned goes down first
                continue
            if process.asked:
                assert shown is Phase.STOPPING, process
            elif not process.killed:
                assert shown is (Phase.RUNNING if process.ready else Phase.STARTING), process
            due = process.stop_by_s if process.asked else process.start_by_s
            if process.killed or due is None or (process.ready and not process.asked):
                continue
            if process.asked and process.ready and process.for_ever:
                continue
            assert self.wake_s is not None and self.wake_s <= due, f"nobody waits for {process}"
            if isinstance(event, policy.Tick):
                assert due > self.now_s, f"{process} is late and still there"

    def check_phases(self) -> None:
        for path, phase in self.phases.items():
            waits = phase is Phase.STOPPING and self.state.children[path].has_brood
            if phase in (Phase.RUNNING, Phase.STOPPING) and not waits:
                assert path in self.live, f"{path} is {phase} without a process"
        children = self.state.children.items()
        shown = {path: child.phase for path, child in children if child.inner is None}
        for path, phase in shown.items():
            if phase is Phase.STOPPED:
                self.phases.setdefault(path, phase)  # new, and never started
        assert self.phases == shown, f"{self.phases} was said, {shown} is shown"
        if self.ended:
            over = (Phase.STOPPED, Phase.FAILED)
            for child in self.state.children.values():
                assert child.phase in over, child

    def check_state(self) -> None:
        """Nothing is left over in it: what it has can be reached, and what it waits for comes."""
        state = self.state
        reached = {child.path: child for child in (state.root, *below(state.root))}
        assert reached == state.children, "the tree and the paths are not the same"
        for path, child in self.listed.items():
            assert reached.get(path) is child, f"{path} is gone or replaced, and not removed"
        self.listed = dict(reached)
        self.before = reached
        timers = {number: each for _, number, each in state.timers if each.timer == number}
        for child in reached.values():
            assert not child.timer or timers.get(child.timer) is child
            assert not (child.timer and child.book in (Book.NONE, Book.UP)), f"{child} waits"
            assert not child.callers or child.book is Book.STOPPING
            node = child.node
            if node is not None:
                known = node.known()
                assert node.live == sum(each.alive + each.has_brood for each in known)
                assert all(node.children[path].path == path for path in node.children)
                waiting = [item for item in node.inbox if isinstance(item, policy.Call)]
                assert node.calls == len(waiting)
        assert len(timers) == sum(bool(child.timer) for child in reached.values())
        if not self.open_calls:
            assert not any(batch.call for batch, *_ in state.batches.values()), "a batch is stuck"
        if self.ended:
            assert not state.timers and not state.batches

    def check_rest(self) -> None:
        """Nothing is left to do: it has been done, and everybody is told so."""
        assert not self.open_calls and not self.state.batches
        for child in self.state.children.values():
            node = child.node
            if node is None or node.owner.book is not Book.UP:
                continue
            assert node.task is None and not node.inbox
            for each in node.children.values():
                match each.book:
                    case Book.UP:
                        assert each.phase is Phase.RUNNING
                    case Book.NONE:
                        assert each.phase in (Phase.STOPPED, Phase.FAILED), each
                    case _:
                        raise AssertionError(f"{each} at rest")

    def twice(self, actions: list[Action]) -> set[str]:
        """Paths that have more than one life in this step, or one that begins and ends in it."""
        found, removed = set[str](), set[str]()
        for action in actions:
            if isinstance(action, Removed | PhaseChanged) and action.child in removed:
                found.add(action.child)
            if isinstance(action, Removed):
                removed.add(action.child)
        return found | (removed - self.listed.keys())

    # Looking -------------------------------------------------------------------------------

    def child(self, path: str) -> Child:
        """As it is, or as it was before this step."""
        child = self.child_or_none(path)
        assert child is not None, f"there is no {path!r}"
        return child

    def child_or_none(self, path: str) -> Child | None:
        return self.state.children.get(path) or self.before.get(path)

    def has_process(self, child: Child) -> bool:
        if child.inner is None:
            return child.path in self.live
        return any(each.path in self.live for each in (child, *below(child)))
