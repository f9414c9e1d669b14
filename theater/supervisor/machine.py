"""How a supervisor gets from one state to the next, and what it orders on the way.

Each supervisor does one thing at a time. Whatever it does is a Task: stop these children in
this order, then start those in that order, and wait for each. Coming up, restarting, serving
an operator and going down differ only in the two lists and in what a failure means. What
arrives meanwhile waits in its inbox, as in OTP's single process. A nested supervisor is to
the one above what a worker is: it gets ready, and it ends.

Two things do not wait, unlike in OTP, where a start that hangs blocks everything: a stop of
the supervisor itself from above, and a stop of the very child that is being started.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import Any, assert_never

from theater.spec import ActorSpec, Restart, ShutdownKind, SupervisorSpec
from theater.supervisor.orders import (
    Action,
    AskStop,
    Call,
    Decided,
    Decision,
    Ended,
    Event,
    Exited,
    ExitKind,
    ForkLost,
    Kill,
    KillAll,
    Phase,
    PhaseChanged,
    Ready,
    Reply,
    RestartChild,
    Shutdown,
    Spawn,
    Start,
    StartChild,
    StopChild,
    Tick,
    Unspawnable,
    WakeAt,
)
from theater.supervisor.rules import RESTARTS, group
from theater.supervisor.tree import Book, Child, Death, Node, Purpose, State, Task, TryAgain, below

CALLS_MAX = 1000  # waiting at one supervisor; the next one is answered "busy"


class Machine:
    """One step: the state, the time, the actions so far, and the supervisors to look at."""

    def __init__(self, state: State, now_s: float) -> None:
        self.state = state
        self.now_s = now_s
        self.out: list[Action] = []
        self.agenda: deque[Node] = deque()

    # Events --------------------------------------------------------------------------------

    def take(self, event: Event) -> list[Action]:
        """One event and everything that follows from it."""
        self.sort(event)
        while self.agenda:
            self.advance(self.agenda.popleft())
        self.wake(again=isinstance(event, Tick))
        return self.out

    def sort(self, event: Event) -> None:
        state = self.state
        match event:
            case Start():
                if not state.begun:
                    state.begun = True
                    self.start(state.root, automatic=False)
            case Ready():
                child = self.find(event.child, event.incarnation)
                if child and child.book is Book.STARTING and not child.kill_why:
                    self.up(child)
            case Exited():
                child = self.find(event.child, event.incarnation)
                if child:
                    self.gone(child, event.kind, event.reason, event.ignored)
            case Unspawnable():
                child = self.find(event.child, event.incarnation)
                if child:
                    self.gone(child, ExitKind.CRASH, event.reason)
            case ForkLost():
                child = self.find(event.child, event.incarnation)
                if child and child.book is Book.STARTING and not child.kill_why:
                    child.incarnation += 1
                    self.out.append(Spawn(child.path, child.incarnation))
                elif child:
                    self.gone(child, ExitKind.SHUTDOWN, "it was never forked")
            case StopChild() | StartChild() | RestartChild():
                self.call(event)
            case Shutdown():
                self.shut_down()
            case KillAll():
                self.shut_down(kill=True)
            case Tick():
                timers = state.timers
                while timers and timers[0][0] <= self.now_s:
                    _, number, child = heapq.heappop(timers)
                    if child.timer == number:
                        self.overdue(child)
            case _:
                assert_never(event)

    def find(self, path: str, incarnation: int) -> Child | None:
        """The actor, if this is its present incarnation and it has not been reported gone."""
        child = self.state.children.get(path)
        if child is None or child.inner or not child.alive or child.incarnation != incarnation:
            return None
        return child

    def shut_down(self, kill: bool = False) -> None:
        state, root = self.state, self.state.root
        assert root.inner is not None
        if state.ended:
            return
        if not state.begun:
            state.begun = state.ended = True
            self.out.append(Ended("shut down before it was started", failed=False))
            return
        if root.book is not Book.STOPPING:
            root.book = Book.STOPPING
            self.decided("", Decision.SHUTDOWN, kill=kill)
            self.end(root.inner, "shut down", failed=False, leave=Phase.STOPPED)
        if kill:
            self.kill(root, "everything was to be killed")

    # The machine of one supervisor ---------------------------------------------------------

    def advance(self, node: Node) -> None:
        """Do what can be done now, until it has to wait for a child or has nothing to do."""
        while True:
            task = node.task
            if task is None:
                if node.owner.book is not Book.UP or not node.inbox:
                    return
                self.serve(node)
            elif task.current is not None:
                return
            elif task.stop:
                child = task.stop.pop()
                if child.alive:
                    task.current = child
                    self.ask(child, task.leave)
                else:
                    self.stopped(child, task.leave)
            elif task.start:
                task.current = task.start.pop()
                self.start(task.current, task.automatic)
            elif task.purpose is Purpose.END:
                if node.live == 0:  # more only after a kill, which does not go one by one
                    self.down(node, task)
                return
            else:
                node.task = None
                if task.purpose is Purpose.START:
                    self.up(node.owner)
                else:
                    self.answer(task, True, "running")

    def serve(self, node: Node) -> None:
        """Take the next thing from the inbox."""
        match item := node.inbox.popleft():
            case Death(child, incarnation):
                if child.book is Book.UP and child.incarnation == incarnation:
                    self.died(node, item)  # else it was collected while something was stopped
            case TryAgain(child, incarnation):
                if child.book is Book.RESTARTING and child.incarnation == incarnation:
                    self.restart(node, child, Decision.RETRY, "start-failed")
            case StopChild() | StartChild() | RestartChild():
                node.calls -= 1
                self.serve_call(node, item)
            case _:
                assert_never(item)

    def died(self, node: Node, death: Death) -> None:
        """A child ended by itself."""
        child = death.child
        restart = child.spec.restart
        if RESTARTS[restart, death.kind]:
            self.restart(node, child, Decision.RESTART, death.kind.value)
            return
        self.decided(
            child.path,
            Decision.NOT_RESTARTED,
            incarnation=child.incarnation,
            exit=death.kind.value,
            reason=death.reason,
            restart=restart.value,
        )
        child.book = Book.NONE
        self.settle(child, Phase.FAILED if death.kind is ExitKind.CRASH else Phase.STOPPED)
        self.drop_if_temporary(child)

    def restart(self, node: Node, dead: Child, decision: Decision, exit: str) -> None:
        """One restart, counted before it is made, however many children it takes."""
        facts: dict[str, Any] = {
            "child": dead.path,
            "incarnation": dead.incarnation,
            "exit": exit,
            "reason": dead.reason,
            "restart": dead.spec.restart.value,
            "strategy": node.spec.strategy.value,
            "intensity": node.spec.intensity,
            "period_s": node.spec.period_s,
        }
        if not node.window.take(self.now_s):
            dead.book = Book.NONE
            reason = (
                f"gave up: {dead.path} needed more than {node.spec.intensity} restarts"
                f" in {node.spec.period_s:g} s, the last time because: {dead.reason}"
            )
            facts["stopped"] = [c.path for c in reversed(node.children.values()) if c.alive]
            self.decided(node.spec.path, Decision.GAVE_UP, **facts)
            # The supervisor above will see an exit with reason shutdown. A permanent child is
            # restarted for that, so what is under it need not look dead in the meantime.
            permanent = node.owner.parent and node.spec.restart is Restart.PERMANENT
            leave = Phase.RESTARTING if permanent else Phase.FAILED
            self.end(node, reason, failed=True, leave=leave)
            self.settle(dead, leave)
            return
        stop, start = group(node.spec.strategy, node.children.values(), dead)
        facts["stopped"] = [child.path for child in stop if child.alive]
        facts["started"] = [child.path for child in start]
        facts["left"] = node.window.left(self.now_s)
        self.decided(dead.path, decision, **facts)
        dead.book = Book.NONE
        self.settle(dead, Phase.RESTARTING)
        node.task = Task(
            Purpose.RESTART, stop[::-1], start[::-1], leave=Phase.RESTARTING, automatic=True
        )

    def end(self, node: Node, reason: str, failed: bool, leave: Phase) -> None:
        """Go down: everything that is alive is stopped, the youngest first."""
        task = node.task
        if task and task.purpose is Purpose.END:
            if task.leave is not Phase.FAILED:
                task.leave = leave  # on its way already, now because of the one above
            return
        self.refuse_all(node)
        todo = list(node.children.values())
        if task and task.current and task.current.book is Book.STOPPING:
            todo.remove(task.current)  # has been asked: it is waited for first
            todo.append(task.current)
        node.task = Task(Purpose.END, todo, leave=leave, reason=reason, failed=failed)
        self.phase(node.owner, Phase.STOPPING)
        self.agenda.append(node)

    def down(self, node: Node, task: Task) -> None:
        """Every child is gone: tell the one above."""
        node.task = None
        node.inbox.clear()
        node.calls = 0
        owner = node.owner
        if owner.parent is not None:
            self.gone(owner, ExitKind.SHUTDOWN, task.reason)
            return
        owner.alive = False
        owner.book = Book.NONE
        owner.reason = task.reason
        self.phase(owner, Phase.FAILED if task.failed else Phase.STOPPED)
        self.state.ended = True
        self.out.append(Ended(task.reason, task.failed))

    # One child -----------------------------------------------------------------------------

    def start(self, child: Child, automatic: bool) -> None:
        """Begin to start it: fork an actor, let a supervisor start its initial list."""
        assert not child.alive, f"{child.path} would have two incarnations"
        child.incarnation += 1
        child.restarts += automatic
        child.alive = True
        child.removed = False
        child.kill_why = ""
        child.book = Book.STARTING
        if child.parent:
            child.parent.live += 1
            child.parent.children.setdefault(child.path, child)
        self.phase(child, Phase.STARTING)
        node = child.inner
        if node is None:
            self.set_timer(child, _start_timeout_s(child.spec))
            self.out.append(Spawn(child.path, child.incarnation))
            return
        node.window.stamps.clear()
        node.children = {each.path: each for each in node.initial}
        for each in node.initial:
            each.book = Book.NONE
            each.removed = False
        for each in below(child):
            self.phase(each, Phase.RESTARTING if automatic else Phase.STARTING)
        node.task = Task(Purpose.START, start=node.initial[::-1], automatic=automatic)
        self.agenda.append(node)

    def up(self, child: Child) -> None:
        """It is ready."""
        child.book = Book.UP
        child.timer = 0
        self.phase(child, Phase.RUNNING)
        parent = child.parent
        if parent and parent.task and parent.task.current is child:
            parent.task.current = None
            self.agenda.append(parent)

    def gone(self, child: Child, kind: ExitKind, reason: str, ignored: bool = False) -> None:
        """It has ended, by itself or because it had to. `reason` says why."""
        parent = child.parent
        assert parent is not None and child.alive
        child.alive = False
        child.timer = 0
        child.reason = child.kill_why or reason
        parent.live -= 1
        self.agenda.append(parent)
        task = parent.task
        if child.book is Book.STOPPING:
            if task and task.current is child:
                task.current = None
            self.decided(
                child.path,
                Decision.STOPPED,
                incarnation=child.incarnation,
                exit=kind.value,
                reason=child.reason,
                expected=_obeyed(child, kind),
            )
            self.stopped(child, child.leave)
        elif task and task.current is child:
            task.current = None
            if ignored:
                self.decided(child.path, Decision.IGNORED, incarnation=child.incarnation)
                self.stopped(child, Phase.STOPPED)
                self.answer(task, True, "it has nothing to run")
            else:
                self.start_failed(parent, task, child)
        elif not (task and task.purpose is Purpose.END):
            parent.inbox.append(Death(child, child.incarnation, kind, child.reason))
            # The supervisor may be busy for a while; what it will decide is shown at once.
            if RESTARTS[child.spec.restart, kind]:
                self.phase(child, Phase.RESTARTING)
            else:  # a supervisor that ends without having been told to has given up
                crash = kind is ExitKind.CRASH or child.inner
                self.phase(child, Phase.FAILED if crash else Phase.STOPPED)

    def start_failed(self, node: Node, task: Task, child: Child) -> None:
        """What a failed start means depends on what it was for."""
        child.book = Book.NONE
        self.decided(
            child.path,
            Decision.START_FAILED,
            incarnation=child.incarnation,
            reason=child.reason,
            during=task.purpose.value,
        )
        match task.purpose:
            case Purpose.START:
                # If this was a restart, the one above is going to try again.
                again = task.automatic
                self.settle(child, Phase.RESTARTING if again else Phase.FAILED)
                reason = f"{child.path} failed to start: {child.reason}"
                self.decided(node.spec.path, Decision.START_ABORTED, reason=reason)
                leave = Phase.RESTARTING if again else Phase.STOPPED
                self.end(node, reason, failed=True, leave=leave)
            case Purpose.RESTART:
                child.book = Book.RESTARTING
                self.settle(child, Phase.RESTARTING)
                node.task = None
                node.inbox.append(TryAgain(child, child.incarnation))
            case Purpose.CALL:
                self.settle(child, Phase.FAILED)
                self.drop_if_temporary(child)
                node.task = None
                self.answer(task, False, f"failed to start: {child.reason}")
            case Purpose.END:
                raise AssertionError("a supervisor that goes down starts nothing")
            case _:
                assert_never(task.purpose)

    def ask(self, child: Child, leave: Phase) -> None:
        """Begin to stop it, as its `shutdown` says. One that has been asked is waited for."""
        child.leave = leave
        if child.book is Book.STOPPING:
            return
        starting = child.book is Book.STARTING
        child.book = Book.STOPPING
        self.phase(child, Phase.STOPPING)
        shutdown = child.spec.shutdown
        if child.kill_why:
            return
        if shutdown.kind is ShutdownKind.BRUTAL_KILL:
            self.kill(child, "shutdown is brutal_kill")
            return
        if child.inner:
            self.end(child.inner, "stopped", failed=False, leave=leave)
        else:
            self.out.append(AskStop(child.path, child.incarnation))
        if shutdown.kind is ShutdownKind.TIMEOUT:
            child.timer = 0
            if shutdown.timeout_s > 0:
                self.set_timer(child, shutdown.timeout_s)
            else:
                self.kill(child, "shutdown is 0")
        elif not starting:
            # With infinity, one that is not ready yet still has to be in time with that.
            child.timer = 0

    def stopped(self, child: Child, leave: Phase) -> None:
        """Its supervisor has stopped it, or found it dead when it wanted to."""
        child.book = Book.NONE
        self.settle(child, leave)
        for call in child.callers:
            self.reply(call, True, "stopped")
        child.callers.clear()
        self.drop_if_temporary(child)

    def drop_if_temporary(self, child: Child) -> None:
        """OTP deletes the specification of a temporary child that has ended."""
        if child.spec.restart is Restart.TEMPORARY and child.parent:
            child.parent.children.pop(child.path, None)
            child.removed = True

    def overdue(self, child: Child) -> None:
        """It was not ready, or not gone, in the time it had."""
        spec, starting = child.spec, child.book is Book.STARTING
        if starting:
            why = f"not ready within {_start_timeout_s(spec):g} s"
        elif spec.shutdown.kind is ShutdownKind.TIMEOUT:
            why = f"did not stop within {spec.shutdown.timeout_s:g} s"
        else:
            why = f"neither ready nor stopped within {_start_timeout_s(spec):g} s"
        self.decided(child.path, Decision.KILL, incarnation=child.incarnation, why=why)
        if starting:
            self.kill_process(child, why)  # its end will be a failed start
        else:
            self.kill(child, why)

    def kill(self, child: Child, why: str) -> None:
        """Stop it by force; a supervisor with everything under it at once."""
        stack = [child]
        while stack:
            each = stack.pop()
            each.book = Book.STOPPING
            each.leave = child.leave
            self.phase(each, Phase.STOPPING)
            node = each.inner
            if node is None:
                self.kill_process(each, why)
                continue
            each.timer = 0
            each.kill_why = each.kill_why or why
            self.end(node, why, failed=False, leave=child.leave)
            assert node.task is not None
            node.task.stop = [below for below in node.children.values() if not below.alive]
            node.task.current = None
            self.agenda.append(node)
            stack.extend(below for below in reversed(node.children.values()) if below.alive)

    def kill_process(self, child: Child, why: str) -> None:
        child.timer = 0
        if not child.kill_why:
            child.kill_why = why
            self.out.append(Kill(child.path, child.incarnation, why))

    # Calls ---------------------------------------------------------------------------------

    def call(self, call: Call) -> None:
        """Put it into the inbox of the supervisor above, or say at once why not."""
        child = self.state.children.get(call.path)
        if child is None:
            self.reply(call.call, False, f"there is no {call.path!r}")
            return
        node = child.parent
        if node is None:
            self.reply(call.call, False, "this is the whole system: take it down instead")
            return
        task, owner = node.task, node.owner
        name = f"supervisor {owner.path!r}" if owner.parent else "the system"
        if not owner.alive:
            self.reply(call.call, False, f"{name} is not running")
        elif task and task.purpose is Purpose.END:
            self.reply(call.call, False, f"{name} is stopping")
        elif (
            isinstance(call, StopChild)
            and task
            and task.current is child
            and child.book is Book.STARTING
        ):
            self.operator(call)
            self.answer(task, False, "it was stopped while it started")
            self.add_caller(child, call.call)
            self.ask(child, Phase.STOPPED)
        elif node.calls >= CALLS_MAX:
            self.reply(call.call, False, f"{name} is busy: {CALLS_MAX} calls are waiting")
        else:
            node.calls += 1
            node.inbox.append(call)
            self.agenda.append(node)

    def serve_call(self, node: Node, call: Call) -> None:
        """OTP's answers, by what the books say about the child."""
        child = self.state.children[call.path]
        match call:
            case StopChild():
                if child.removed:
                    self.reply(call.call, False, "it is temporary and has ended")
                elif child.book is Book.NONE:
                    self.reply(call.call, True, "it was not running")
                elif child.book is Book.RESTARTING:
                    self.operator(call)
                    self.stopped(child, Phase.STOPPED)
                    self.reply(call.call, True, "stopped, its restart was pending")
                else:
                    self.operator(call)
                    self.add_caller(child, call.call)
                    node.task = Task(Purpose.CALL, stop=[child])
            case StartChild():
                if child.book is Book.UP:
                    self.reply(call.call, False, "it is running already")
                elif child.book is Book.RESTARTING:
                    self.reply(call.call, False, "it is being restarted")
                else:
                    self.operator(call)
                    node.task = Task(Purpose.CALL, start=[child], call=call.call)
            case RestartChild():
                self.operator(call)
                stop = [child] if child.book is not Book.NONE else []
                node.task = Task(
                    Purpose.CALL, stop, [child], leave=Phase.RESTARTING, call=call.call
                )
            case _:
                assert_never(call)

    def operator(self, call: Call) -> None:
        verb = {StopChild: "stop", StartChild: "start", RestartChild: "restart"}[type(call)]
        self.decided(call.path, Decision.OPERATOR, call=verb)

    def add_caller(self, child: Child, call: int | None) -> None:
        if call is not None:
            child.callers.append(call)

    def refuse_all(self, node: Node) -> None:
        """The supervisor goes down: nothing that waits will be done."""
        if node.task:
            self.answer(node.task, False, "its supervisor is stopping")
        for item in node.inbox:
            if isinstance(item, StopChild | StartChild | RestartChild):
                self.reply(item.call, False, "its supervisor is stopping")
        node.inbox.clear()
        node.calls = 0

    def answer(self, task: Task, ok: bool, text: str) -> None:
        call, task.call = task.call, None
        self.reply(call, ok, text)

    # What is said --------------------------------------------------------------------------

    def reply(self, call: int | None, ok: bool, text: str) -> None:
        if call is not None:
            self.out.append(Reply(call, ok, text))

    def decided(self, subject: str, decision: Decision, **detail: Any) -> None:
        self.out.append(Decided(subject, decision, detail))

    def phase(self, child: Child, phase: Phase) -> None:
        if child.phase is not phase:
            child.phase = phase
            supervisor = child.inner is not None
            self.out.append(PhaseChanged(child.path, phase, child.reason, supervisor))

    def settle(self, child: Child, phase: Phase) -> None:
        """It is down for now, with all under it; what has settled before keeps its phase."""
        for each in (child, *below(child)):
            if each.phase not in (Phase.STOPPED, Phase.FAILED):
                self.phase(each, phase)

    # Timers --------------------------------------------------------------------------------

    def set_timer(self, child: Child, after_s: float) -> None:
        self.state.timer += 1
        child.timer = self.state.timer
        heapq.heappush(self.state.timers, (self.now_s + after_s, child.timer, child))

    def wake(self, again: bool) -> None:
        """Say when to be woken, if that has changed or if the last time has been used up."""
        state, timers = self.state, self.state.timers
        while timers and timers[0][2].timer != timers[0][1]:
            heapq.heappop(timers)
        wake_s = timers[0][0] if timers else None
        if again or wake_s != state.wake_s:
            state.wake_s = wake_s
            self.out.append(WakeAt(wake_s))


def _start_timeout_s(spec: ActorSpec | SupervisorSpec) -> float:
    assert isinstance(spec, ActorSpec), "a supervisor has no start timeout of its own"
    return spec.limits.start_timeout_s


def _obeyed(child: Child, kind: ExitKind) -> bool:
    """OTP reports a shutdown_error for a child that ends otherwise while it is stopped."""
    match kind:
        case ExitKind.SHUTDOWN:
            return not child.kill_why or child.spec.shutdown.kind is ShutdownKind.BRUTAL_KILL
        case ExitKind.NORMAL:
            return child.spec.restart is not Restart.PERMANENT
        case ExitKind.CRASH:
            return child.spec.shutdown.kind is ShutdownKind.BRUTAL_KILL
        case _:
            assert_never(kind)
