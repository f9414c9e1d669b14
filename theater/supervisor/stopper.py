"""How children and supervisors are stopped: asked, waited for, killed."""

from __future__ import annotations

from theater.spec import ActorSpec, ChildSpec, Restart, ShutdownKind
from theater.supervisor.ledger import Ledger
from theater.supervisor.orders import AskStop, Call, Decision, Kill, Phase
from theater.supervisor.tree import Book, Child, Node, Purpose, Task


class Stopper(Ledger):
    """The part of a step that takes things down."""

    def end(self, node: Node, reason: str, failed: bool, leave: Phase) -> None:
        """Go down: everything that is alive is stopped, the youngest first; a pool all at once."""
        task = node.task
        if task and task.purpose is Purpose.END:
            if task.leave is not Phase.FAILED:
                task.leave = leave  # on its way already, now because of the one above
            return
        self.refuse_all(node)
        todo = list(node.children.values())
        for child in todo:
            child.keep = False  # nothing is started again
        if task and task.current and task.current.book is Book.STOPPING:
            todo.remove(task.current)  # has been asked: it is waited for first
            todo.append(task.current)
        node.task = Task(
            Purpose.END, todo, at_once=node.pool, leave=leave, reason=reason, failed=failed
        )
        self.phase(node.owner, Phase.STOPPING)
        self.agenda.append(node)

    def refuse_all(self, node: Node) -> None:
        """The supervisor goes down: nothing that waits will be done."""
        if node.task:
            self.answer(node.task, False, "its supervisor is stopping", "noproc")
            for child in node.task.start:
                self.forget_new(child)
        for item in node.inbox:
            if isinstance(item, Call):
                self.reply(item.call, False, "its supervisor is stopping", "noproc")
        node.inbox.clear()
        node.calls = 0

    def ask(self, child: Child, leave: Phase) -> None:
        """Begin to stop it, as its `shutdown` says. One that has been asked is waited for."""
        child.leave = leave
        if child.book is Book.STOPPING:
            return
        if not child.alive:
            child.book = Book.STOPPING
            self.phase(child, Phase.STOPPING)
            self.end_brood(child, "stopped", leave)
            return
        child.book = Book.STOPPING
        self.phase(child, Phase.STOPPING)
        shutdown = child.stop = child.spec.shutdown
        if child.kill_why:
            return
        if shutdown.kind is ShutdownKind.BRUTAL_KILL:
            self.kill(child, "shutdown is brutal_kill")
            return
        if child.has_brood and not child.keep:
            if shutdown.kind is ShutdownKind.TIMEOUT:
                child.timer = 0  # its time begins when nothing is left of that
            self.end_brood(child, "stopped", leave)
        else:
            self.ask_itself(child)

    def ask_itself(self, child: Child) -> None:
        """Nothing that it has spawned runs any more, or all of that goes on."""
        shutdown = child.stop
        if child.inner:
            self.end(child.inner, "stopped", failed=False, leave=child.leave)
        else:
            child.asked = True
            self.out.append(AskStop(child.path, child.incarnation))
        if shutdown.kind is ShutdownKind.TIMEOUT:
            child.timer = 0
            if shutdown.timeout_s > 0:
                self.set_timer(child, shutdown.timeout_s)
            else:
                self.kill(child, "shutdown is 0")
        elif child.up_s is not None:
            # With infinity, one that is not ready yet still has to be in time with that.
            child.timer = 0

    def end_brood(self, keeper: Child, reason: str, leave: Phase) -> None:
        """Stop what an actor has spawned. What comes after that is in `brood_down`."""
        if keeper.brood is not None and keeper.brood.owner.alive:
            self.end(keeper.brood, reason, failed=False, leave=leave)

    def forget_brood(self, keeper: Child, reason: str) -> None:
        """What an actor has spawned, and is down, is gone for good."""
        assert keeper.brood is not None
        for each in reversed(keeper.brood.known()):
            self.forget(each, reason)

    def ask_all(self, task: Task) -> None:
        """Stop what a pool has to stop: all at once, each with its own time from now on."""
        todo, task.stop = task.stop, []
        for child in reversed(todo):
            if child.busy:
                task.asked.add(child)
                self.ask(child, task.leave)
            else:
                self.stopped(child, task.leave)

    def stopped(self, child: Child, leave: Phase) -> None:
        """Its supervisor has stopped it, or found it dead when it wanted to."""
        child.book = Book.NONE
        child.timer = 0
        self.settle(child, leave)
        for call in child.callers:
            self.reply(call, True, "stopped")
        child.callers.clear()
        self.drop(child)

    def drop(self, child: Child) -> None:
        """OTP deletes its entry, if it is temporary or a pool's instance, once it has ended.

        Not while the supervisor goes down: what is there then comes back with it, or with the
        next run.
        """
        node = child.parent
        if node is None or node.ending:
            return
        task = node.task
        if task is not None and task.purpose is Purpose.RECYCLE and child in task.start:
            return  # it stays where it is
        again = task is not None and task.purpose is Purpose.CALL and child in task.start
        if node.pool:
            if not again:
                self.forget(child, "it has ended, and its pool has forgotten it")
        elif child.spec.restart is Restart.TEMPORARY and node.owner.keeper:
            if not again:
                self.forget(child, "it was temporary and has ended")
        elif child.spec.restart is Restart.TEMPORARY:
            node.children.pop(child.path, None)
            if again:
                node.children[child.path] = child  # OTP would add it anew, at the end
                return
            child.ended = True
            self.settle(child, Phase.STOPPED)  # for good, if it is temporary only since a reload
            if child.dynamic:
                self.forget(child, "it was temporary and has ended")

    def forget_new(self, child: Child) -> None:
        """OTP discards the specification of a child that start_child could not start."""
        if child.new:
            self.forget(child, "it could not be started")

    def overdue(self, child: Child) -> None:
        """It was not ready, or not gone, in the time it had."""
        starting = child.book is Book.STARTING
        if starting:
            why = f"not ready within {start_timeout_s(child.spec):g} s"
        elif child.stop.kind is ShutdownKind.TIMEOUT:
            why = f"did not stop within {child.stop.timeout_s:g} s"
        else:
            why = f"neither ready nor stopped within {start_timeout_s(child.spec):g} s"
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
            node = each.node
            if each.inner is None and each.alive:
                self.kill_process(each, why)
            if node is None or not node.owner.alive:
                continue
            if each.inner is None and each is child and child.keep:
                continue  # what it has spawned goes on
            each.timer = 0
            node.owner.kill_why = node.owner.kill_why or why
            self.end(node, why, failed=False, leave=child.leave)
            assert node.task is not None
            # What is dead is still taken off the books one by one; the rest goes as it dies.
            under = list(node.children.values())
            node.task.stop = [one for one in under if not one.busy]
            self.agenda.append(node)
            stack.extend(one for one in reversed(under) if one.busy)

    def kill_process(self, child: Child, why: str) -> None:
        child.timer = 0
        if not child.kill_why:
            child.kill_why = why
            if not child.held and child.gone is None:
                self.out.append(Kill(child.path, child.incarnation, why))


def start_timeout_s(spec: ChildSpec) -> float:
    assert isinstance(spec, ActorSpec), "a supervisor has no start timeout of its own"
    return spec.limits.start_timeout_s
