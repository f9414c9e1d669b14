"""What becomes of those that an actor has spawned when it is started, restarted, or ends.

They have a supervisor of their own under the actor, its brood, which comes up beside it and goes
down before it. A crash of the actor, and a restart that is asked for, it does not notice.
"""

from __future__ import annotations

from theater import inheritance
from theater.spec import ActorSpec, OnRestart
from theater.supervisor.orders import DeleteChild, ExitKind, Phase, Spawn
from theater.supervisor.restarter import Restarter
from theater.supervisor.rules import Window
from theater.supervisor.stopper import start_timeout_s
from theater.supervisor.tree import (
    Book,
    Child,
    Node,
    Purpose,
    Task,
    below,
    brood_spec,
    may_spawn,
    new_brood,
)

BEGAN_ANEW = "the actor that spawned it has begun anew"
NOT_GRANTED = "the actor that spawned it may not spawn any more"


class Broods(Restarter):
    """The part of a step that is about actors that may spawn."""

    def gone(
        self,
        child: Child,
        kind: ExitKind,
        reason: str,
        ignored: bool = False,
        failed: bool = False,
    ) -> None:
        """See Machine."""
        raise NotImplementedError

    def fork(self, child: Child) -> None:
        """Have an actor's process made, as soon as what it has spawned lets it."""
        assert isinstance(child.spec, ActorSpec)
        spawns = may_spawn(child.spec)
        if child.brood is None and spawns:
            child.brood = new_brood(child)
        brood = child.brood
        if brood is not None:
            anew = child.init or child.spec.on_restart is OnRestart.INIT
            other = brood.keeper is not None and _grants(brood.keeper) != _grants(child.spec)
            if brood.owner.alive and (anew or brood.ending or other or not spawns):
                brood.forget = brood.forget or anew or not spawns
                child.held = True
                why = BEGAN_ANEW if anew else "stopped"
                self.end_brood(child, why, Phase.RESTARTING)
                return
            if anew or not spawns:
                self.forget_brood(child, BEGAN_ANEW if anew else NOT_GRANTED)
            if not spawns:
                child.brood = None
            elif not brood.owner.alive:
                self.start_brood(child, brood)
        self.set_timer(child, start_timeout_s(child.spec))
        self.out.append(Spawn(child.path, child.incarnation, child.init))

    def start_brood(self, keeper: Child, node: Node) -> None:
        """Its supervisor comes up with an actor, beside it: it may spawn in its `init`."""
        assert isinstance(keeper.spec, ActorSpec) and keeper.parent is not None
        owner, node.keeper = node.owner, keeper.spec
        owner.spec = brood_spec(keeper.spec)
        node.window = Window(owner.spec.intensity, owner.spec.period_s)
        owner.alive, owner.book = True, Book.STARTING
        owner.kill_why = ""
        keeper.parent.live += 1
        for each in list(node.initial):
            self.inherit(each, keeper.spec)
        node.children = {each.path: each for each in node.initial}
        for each in node.initial:
            each.book = Book.NONE
            each.ended = False
            for one in (each, *below(each)):
                self.phase(one, Phase.STARTING)
        node.task = Task(Purpose.START, start=node.initial[::-1])
        self.agenda.append(node)

    def inherit(self, child: Child, parent: ActorSpec) -> None:
        """What its actor is granted may have changed since it was spawned."""
        assert isinstance(child.spec, ActorSpec)
        for _, why in inheritance.refused(child.spec, parent):
            self.forget(child, f"it was granted more than its parent is now: {why}")
            return
        child.spec = inheritance.inherited(child.spec, parent)

    def brood_down(self, keeper: Child, node: Node, task: Task) -> None:
        """Nothing of what an actor has spawned runs any more."""
        owner, parent = node.owner, keeper.parent
        assert parent is not None
        owner.alive, owner.book = False, Book.NONE
        parent.live -= 1
        self.agenda.append(parent)
        if node.forget:
            node.forget = False
            self.forget_brood(keeper, task.reason)
        if keeper.gone is not None:
            (kind, reason, ignored), keeper.gone = keeper.gone, None
            self.gone(keeper, kind, reason, ignored)
        elif keeper.held:
            keeper.held = False
            if keeper.book is Book.STARTING and not keeper.kill_why and not parent.ending:
                self.fork(keeper)
            else:
                kind = ExitKind.CRASH if keeper.kill_why else ExitKind.SHUTDOWN
                self.gone(keeper, kind, "it was never forked")
        elif keeper.alive:
            if keeper.book is not Book.STOPPING:  # its brood gave up, and so it has failed
                self.kill_process(keeper, f"what it spawned {task.reason}")
            elif not keeper.kill_why and not keeper.asked:
                self.ask_itself(keeper)
        elif parent.task is not None and parent.task.purpose is Purpose.ORPHANS:
            then, parent.task = parent.task.then, None
            assert then is not None
            parent.inbox.appendleft(then)
            parent.calls += isinstance(then, DeleteChild)
        elif keeper.book is Book.STOPPING:
            if parent.task is not None and parent.task.current is keeper:
                parent.task.current = None
            elif parent.task is not None:
                parent.task.asked.discard(keeper)
            self.stopped(keeper, keeper.leave)


def _grants(actor: ActorSpec) -> tuple[object, ...]:
    return actor.handlers, actor.limits, actor.mailbox
