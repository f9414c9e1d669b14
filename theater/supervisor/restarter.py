"""What a supervisor does about a child that has ended by itself: restart, leave it, give up."""

from __future__ import annotations

from typing import Any

from theater.spec import AutoShutdown, Restart, Strategy
from theater.supervisor.orders import Decision, ExitKind, Phase, Recycle
from theater.supervisor.rules import RESTARTS, delay_s, group
from theater.supervisor.stopper import Stopper
from theater.supervisor.tree import Book, Child, Death, Node, Purpose, Task, TryAgain

ENDED = "the actor that spawned it has ended"


class Restarter(Stopper):
    """The part of a step that decides about deaths."""

    def died(self, node: Node, death: Death) -> None:
        """A child ended by itself."""
        child = death.child
        restart = child.spec.restart
        if RESTARTS[restart, death.kind]:
            self.restart(node, child, Decision.RESTART, death.kind.value, node.spec.strategy)
            return
        if child.brood is not None and child.has_brood:
            # What it has spawned is its own, and ends with it.
            child.brood.forget = True
            node.task = Task(Purpose.ORPHANS, current=child, then=death)
            self.end_brood(child, ENDED, Phase.STOPPED)
            return
        if child.brood is not None:
            self.forget_brood(child, ENDED)
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
        significant = child.spec.significant
        self.drop(child)
        if significant:
            self.maybe_shut_down(node, child)

    def maybe_shut_down(self, node: Node, child: Child) -> None:
        """supervisor.erl, do_auto_shutdown: a significant child ended and is not restarted."""
        mode = node.spec.auto_shutdown
        if mode is AutoShutdown.NEVER:
            return
        others = any(
            each.spec.significant and each.book is not Book.NONE for each in node.children.values()
        )
        if mode is AutoShutdown.ALL_SIGNIFICANT and others:
            return
        reason = f"auto_shutdown is {mode.value}, and {child.path} has ended"
        self.decided(
            node.spec.path,
            Decision.AUTO_SHUTDOWN,
            child=child.path,
            incarnation=child.incarnation,
            auto_shutdown=mode.value,
            reason=child.reason,
            stopped=[c.path for c in reversed(node.children.values()) if c.alive],
        )
        self.end(node, reason, failed=False, leave=_leave(node, Phase.STOPPED))

    def restart(
        self, node: Node, dead: Child, decision: Decision, exit: str, strategy: Strategy
    ) -> None:
        """One restart, counted before it is made, however many children it takes."""
        spec = node.spec
        facts: dict[str, Any] = {
            "child": dead.path,
            "incarnation": dead.incarnation,
            "exit": exit,
            "reason": dead.reason,
            "restart": dead.spec.restart.value,
            "strategy": strategy.value,
            "intensity": spec.intensity,
            "period_s": spec.period_s,
        }
        if not node.window.take(self.now_s):
            self.give_up(node, dead, facts)
            return
        stop, start = _group(node, dead, strategy)
        wait_s = self.backoff_s(node, dead)
        facts["stopped"] = [child.path for child in stop if child.alive]
        facts["started"] = [child.path for child in start if not _temporary(child)]
        facts["left"] = node.window.left(self.now_s)
        if wait_s:
            facts["delay_s"] = wait_s
        self.decided(dead.path, decision, **facts)
        task = self.begin_restart(node, dead, stop, start, strategy)
        if wait_s:
            task.start.clear()
            task.wait, task.delay_s = dead, wait_s

    def begin_restart(
        self, node: Node, dead: Child, stop: list[Child], start: list[Child], strategy: Strategy
    ) -> Task:
        dead.book = Book.NONE
        dead.timer = 0
        self.settle(dead, Phase.RESTARTING)
        node.task = Task(
            Purpose.RESTART,
            stop[::-1],
            start[::-1],
            leave=Phase.RESTARTING,
            automatic=True,
            strategy=strategy,
        )
        return node.task

    def recycle(self, node: Node, note: Recycle) -> None:
        """A planned restart of one child: nobody has died, so that it is not counted, nobody waits
        and no sibling is touched. Nothing to do if it has ended, or is another by now."""
        child = self.state.children.get(note.child)
        if child is None or child.parent is not node or child.incarnation != note.incarnation:
            return
        if child.book is not Book.UP or not child.alive:
            return
        self.decided(child.path, Decision.RECYCLE, incarnation=child.incarnation, turns=note.turns)
        node.task = Task(
            Purpose.RECYCLE,
            [child],
            [child],
            leave=Phase.RESTARTING,
            up_s=child.up_s,
            reason=f"recycled after {note.turns} turns",
        )

    def comes_back(self, child: Child) -> bool:
        """Whether a restart starts it: temporary siblings are stopped and forgotten. By now: a
        reload may have made it temporary since it died."""
        if not _temporary(child):
            return not child.ended
        if not child.ended:
            self.stopped(child, Phase.STOPPED)
        return False

    def try_again(self, node: Node, note: TryAgain) -> None:
        """supervisor.erl, try_again_restart: unless somebody has seen to the child meanwhile."""
        child = note.child
        if child.book is not Book.RESTARTING:
            return
        assert child.strategy is not None
        if note.counted:
            self.begin_restart(node, child, *_group(node, child, child.strategy), child.strategy)
        else:
            self.restart(node, child, Decision.RETRY, "start-failed", child.strategy)

    def backoff_s(self, node: Node, dead: Child) -> float:
        """How long to wait before the restart that was just counted."""
        backoff = node.spec.backoff
        if backoff is None:
            return 0.0
        if dead.up_s is not None and self.now_s - dead.up_s >= backoff.settled_s:
            dead.tries = 0
        dead.tries += 1
        return delay_s(backoff, dead.tries, self.state.dice.uniform(-1.0, 1.0))

    def wait(self, node: Node, task: Task, child: Child) -> None:
        """The group is down; the child is RESTARTING until its time comes."""
        node.task = None
        child.book = Book.RESTARTING
        child.strategy = task.strategy
        self.set_timer(child, task.delay_s)

    def overdue(self, child: Child) -> None:
        """The time of a timer has come: not ready, not gone, or to be tried again."""
        if child.book is not Book.RESTARTING:
            super().overdue(child)
            return
        child.timer = 0
        assert child.parent is not None
        child.parent.inbox.append(TryAgain(child, counted=True))
        self.agenda.append(child.parent)

    def give_up(self, node: Node, dead: Child, facts: dict[str, Any]) -> None:
        spec = node.spec
        dead.book = Book.NONE
        dead.timer = 0
        reason = (
            f"gave up: {dead.path} needed more than {spec.intensity} restarts"
            f" in {spec.period_s:g} s, the last time because: {dead.reason}"
        )
        facts["stopped"] = [c.path for c in reversed(node.children.values()) if c.alive]
        facts["started"] = []
        facts["left"] = 0
        self.decided(spec.path, Decision.GAVE_UP, **facts)
        leave = _leave(node, Phase.FAILED)
        self.end(node, reason, failed=True, leave=leave)
        self.settle(dead, leave)


def _leave(node: Node, phase: Phase) -> Phase:
    """The phase of what is under a supervisor that ends by itself.

    The one above will see an exit with reason shutdown. A permanent child is restarted for
    that, so what is under it need not look dead in the meantime.
    """
    keeper = node.owner.keeper
    if keeper is not None:  # it is killed, which is a crash
        permanent = keeper.spec.restart is not Restart.TEMPORARY
    else:
        permanent = node.owner.parent is not None and node.spec.restart is Restart.PERMANENT
    return Phase.RESTARTING if permanent else phase


def _group(node: Node, dead: Child, strategy: Strategy) -> tuple[list[Child], list[Child]]:
    """Whom a restart stops and starts. Those that wait for it are started too, although a reload
    may have moved them out of the group: nobody else would do it."""
    order = node.children.values()
    stop, start = group(strategy, order, dead)
    alone = strategy in (Strategy.ONE_FOR_ONE, Strategy.SIMPLE_ONE_FOR_ONE)
    if alone or any(child.book is Book.RESTARTING and child is not dead for child in order):
        return stop, start
    take = set(start)
    return stop, [child for child in order if child in take or _waits(child)]


def _waits(child: Child) -> bool:
    return child.book is Book.NONE and child.phase is Phase.RESTARTING


def _temporary(child: Child) -> bool:
    return child.spec.restart is Restart.TEMPORARY
