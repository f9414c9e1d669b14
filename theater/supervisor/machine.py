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
from typing import assert_never

from theater.spec import Restart, ShutdownKind
from theater.supervisor import calls, reload
from theater.supervisor.broods import Broods
from theater.supervisor.orders import (
    Action,
    AddChild,
    AddChildren,
    Decision,
    DeleteChild,
    Ended,
    Event,
    Exited,
    ExitKind,
    ForkLost,
    KillAll,
    Phase,
    Ready,
    Recycle,
    Reload,
    RestartChild,
    Scale,
    Shutdown,
    Spawn,
    Start,
    StartChild,
    StartInstance,
    StopChild,
    Tick,
    Unspawnable,
)
from theater.supervisor.restarter import ENDED
from theater.supervisor.rules import RESTARTS
from theater.supervisor.tree import (
    Book,
    Child,
    Death,
    Node,
    Purpose,
    Task,
    TryAgain,
    below,
)


class Machine(Broods):
    """One step of the whole tree."""

    # Events --------------------------------------------------------------------------------

    def take(self, event: Event) -> list[Action]:
        """One event and everything that follows from it."""
        self.handle(event)
        while self.agenda:
            self.advance(self.agenda.popleft())
        self.wake(again=isinstance(event, Tick) and not self.state.ended)
        if self.last:
            self.out.append(self.last)
        return self.out

    def handle(self, event: Event) -> None:
        state = self.state
        match event:
            case Start():
                if not state.begun:
                    state.begun = True
                    self.decided(state.root.path, Decision.UP)
                    self.start(state.root, automatic=False)
            case Ready():
                child = self.find(event.child, event.incarnation)
                if child:
                    child.init = False
                if child and not child.kill_why:
                    self.ready(child)
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
                if child:
                    self.fork_lost(child)
            case Recycle():
                child = self.find(event.child, event.incarnation)
                if child and child.parent:
                    child.parent.inbox.append(event)
                    self.agenda.append(child.parent)
            case StopChild() | StartChild() | RestartChild() | DeleteChild() | AddChild():
                calls.put(self, event)
            case StartInstance() | Scale():
                calls.put(self, event)
            case AddChildren():
                calls.put_all(self, event)
            case Reload():
                reload.reload(self, event)
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

    def fork_lost(self, child: Child) -> None:
        going_down = child.parent is not None and child.parent.ending
        if child.book is Book.STARTING and not child.kill_why and not going_down:
            self.number(child)
            self.out.append(Spawn(child.path, child.incarnation, child.init))
        else:
            kind = ExitKind.CRASH if child.kill_why else ExitKind.SHUTDOWN
            self.gone(child, kind, "it was never forked")

    def shut_down(self, kill: bool = False) -> None:
        state, root = self.state, self.state.root
        assert root.inner is not None
        if state.ended:
            return
        if not state.begun:
            state.begun = state.ended = True
            self.last = Ended("shut down before it was started", failed=False)
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
            elif task.stop and task.at_once:
                self.ask_all(task)
            elif task.asked:
                return
            elif task.stop:
                child = task.stop.pop()
                child.keep = child in task.start and not _is_left(task, child)
                if child.busy and (child.alive or not child.keep):
                    task.current = child
                    self.ask(child, _left(task, child))
                else:
                    self.stopped(child, _left(task, child))
            elif task.start:
                child = task.start.pop()
                if task.purpose is Purpose.RESTART and not self.comes_back(child):
                    continue
                task.current = child
                self.start(child, task.automatic)
            elif task.purpose is Purpose.END:
                if node.live == 0:  # more only after a kill, which does not go one by one
                    self.down(node, task)
                return
            elif task.wait is not None:
                self.wait(node, task, task.wait)
            else:
                node.task = None
                if task.purpose is Purpose.START:
                    self.up(node.owner)
                else:
                    self.answer(task, True, task.done)

    def serve(self, node: Node) -> None:
        """Take the next thing from the inbox."""
        match item := node.inbox.popleft():
            case Death(child, incarnation):
                if child.book is Book.UP and child.incarnation == incarnation:
                    self.died(node, item)  # else it was collected while something was stopped
            case TryAgain():
                self.try_again(node, item)
            case Recycle():
                self.recycle(node, item)
            case _:
                node.calls -= 1
                calls.serve(self, node, item)

    def down(self, node: Node, task: Task) -> None:
        """Every child is gone: tell the one above."""
        node.task = None
        node.inbox.clear()
        node.calls = 0
        owner = node.owner
        if owner.keeper is not None:
            self.brood_down(owner.keeper, node, task)
            return
        if owner.parent is not None:
            kind = ExitKind.CRASH if owner.kill_why else ExitKind.SHUTDOWN
            self.gone(owner, kind, task.reason, failed=task.failed)
            return
        owner.alive = False
        owner.book = Book.NONE
        owner.reason = task.reason
        self.phase(owner, Phase.FAILED if task.failed else Phase.STOPPED)
        self.state.ended = True
        self.last = Ended(task.reason, task.failed)

    # One child -----------------------------------------------------------------------------

    def start(self, child: Child, automatic: bool) -> None:
        """Begin to start it: fork an actor, let a supervisor start its initial list."""
        assert not child.alive, f"{child.path} would have two incarnations"
        self.number(child)
        child.restarts += automatic
        child.alive = True
        child.ended = child.keep = child.asked = child.external = False
        child.kill_why = ""
        child.timer = 0
        child.up_s = None
        child.book = Book.STARTING
        if child.parent:
            child.parent.live += 1
            child.parent.children.setdefault(child.path, child)
        self.phase(child, Phase.STARTING)
        node = child.inner
        if node is None:
            self.fork(child)
            return
        node.window.stamps.clear()
        for each in list(node.children.values()):
            if each.dynamic:  # OTP: a restarted supervisor begins with its initial list
                self.forget(each, "its supervisor has begun anew, without it")
        node.children = {each.path: each for each in node.initial}
        for each in node.initial:
            each.book = Book.NONE
            each.ended = False
            if each.hidden:
                each.hidden = False
                self.enlist(each)
        for each in below(child):
            self.phase(each, Phase.RESTARTING if automatic else Phase.STARTING)
        node.task = Task(Purpose.START, start=node.initial[::-1], automatic=automatic)
        self.agenda.append(node)

    def ready(self, child: Child) -> None:
        if child.book is Book.STARTING:
            self.up(child)
        elif child.stop.kind is ShutdownKind.INFINITY:
            child.timer = 0  # asked to stop before, and from now on it may take its time

    def up(self, child: Child) -> None:
        """It is ready."""
        child.book = Book.UP
        child.timer = 0
        child.new = False
        child.up_s = self.now_s
        self.phase(child, Phase.RUNNING)
        parent = child.parent
        if parent and parent.task and parent.task.current is child:
            if parent.task.up_s is not None:
                child.up_s = parent.task.up_s  # to be recycled does not unsettle it
            parent.task.current = None
            self.agenda.append(parent)

    def gone(
        self,
        child: Child,
        kind: ExitKind,
        reason: str,
        ignored: bool = False,
        failed: bool = False,
    ) -> None:
        """It has ended, by itself or because it had to. `reason` says why; `failed`: it is a
        supervisor that has given up."""
        parent = child.parent
        assert parent is not None and child.alive
        if child.has_brood and child.book is not Book.UP and not child.keep:
            # It did not come up, or goes down: what it has spawned is down before it is.
            assert child.brood is not None
            child.gone, child.timer = (kind, reason, ignored), 0
            child.brood.forget = child.brood.forget or ignored
            self.end_brood(child, ENDED if ignored else "stopped", child.leave)
            return
        child.alive = False
        child.timer = 0
        # Killed, unless it was quicker; and why we did it says more than "signal 9".
        child.reason = child.kill_why if child.kill_why and kind is ExitKind.CRASH else reason
        parent.live -= 1
        self.agenda.append(parent)
        task = parent.task
        if child.book is Book.STOPPING:
            if task and task.current is child:
                if task.purpose is Purpose.RECYCLE and kind is ExitKind.SHUTDOWN:
                    child.reason = task.reason  # which says more than that it obeyed
                task.current = None
            elif task:
                task.asked.discard(child)
            self.decided(
                child.path,
                Decision.STOPPED,
                incarnation=child.incarnation,
                exit=kind.value,
                reason=child.reason,
                expected=_obeyed(child, kind),
            )
            self.stopped(child, child.leave)
            if not parent.ending:
                self.forget_new(child)
        elif task and task.current is child:
            task.current = None
            if ignored:
                self.decided(child.path, Decision.IGNORED, incarnation=child.incarnation)
                child.new = child.init = False
                self.stopped(child, Phase.STOPPED)
                if not task.at_once:  # a pool that is scaled goes on
                    task.done = "it has nothing to run"
            else:
                self.start_failed(parent, task, child)
        elif task and task.purpose is Purpose.END:
            self.phase(child, task.leave)  # collected when its turn to be stopped comes
        else:
            parent.inbox.append(Death(child, child.incarnation, kind, child.reason))
            # The supervisor may be busy for a while; what it will decide is shown at once.
            if RESTARTS[child.spec.restart, kind]:
                self.phase(child, Phase.RESTARTING)
            else:
                crash = kind is ExitKind.CRASH or failed
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
            case Purpose.START if node.owner.keeper is not None:
                # Its actor comes up without it, and it is tried again as after a restart.
                child.book, child.strategy = Book.RESTARTING, node.spec.strategy
                self.settle(child, Phase.RESTARTING)
                node.inbox.append(TryAgain(child))
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
                child.strategy = task.strategy
                self.settle(child, Phase.RESTARTING)
                node.task = None
                node.inbox.append(TryAgain(child))
            case Purpose.RECYCLE:
                node.task = None
                child.book = Book.UP  # as one that has died after it was ready
                self.died(node, Death(child, child.incarnation, ExitKind.CRASH, child.reason))
            case Purpose.CALL:
                self.settle(child, Phase.FAILED)
                node.task = None
                for each in (child, *task.start):
                    self.forget_new(each)
                self.drop(child)
                which = f"{child.path}: " if node.pool else ""  # not the one that was named
                self.answer(task, False, f"{which}failed to start: {child.reason}")
            case Purpose.END | Purpose.ORPHANS:
                raise AssertionError("a supervisor that takes something down starts nothing")
            case _:
                assert_never(task.purpose)


def _left(task: Task, child: Child) -> Phase:
    """The phase of what has been stopped. A restart does not bring temporary siblings back."""
    return Phase.STOPPED if _is_left(task, child) else task.leave


def _is_left(task: Task, child: Child) -> bool:
    return task.purpose is Purpose.RESTART and child.spec.restart is Restart.TEMPORARY


def _obeyed(child: Child, kind: ExitKind) -> bool:
    """OTP reports a shutdown_error for a child that ends otherwise while it is stopped."""
    match kind:
        case ExitKind.SHUTDOWN:
            return True
        case ExitKind.NORMAL:
            return child.spec.restart is not Restart.PERMANENT
        case ExitKind.CRASH:
            return child.spec.shutdown.kind is ShutdownKind.BRUTAL_KILL
        case _:
            assert_never(kind)
