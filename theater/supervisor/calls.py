"""Operators: what they ask of a supervisor's children, with OTP's answer for each state of them.

`put` takes a call at any time; `serve` does it when its supervisor gets to it.
"""

from __future__ import annotations

from typing import Any, assert_never

from theater import addresses
from theater.quoting import quoted
from theater.spec import ActorSpec, AutoShutdown, Restart, SupervisorSpec, instance
from theater.supervisor.orders import (
    AddChild,
    AddChildren,
    Call,
    Decision,
    DeleteChild,
    Phase,
    RestartChild,
    Scale,
    StartChild,
    StartInstance,
    StopChild,
)
from theater.supervisor.stopper import Stopper
from theater.supervisor.tree import Batch, Book, Child, Node, Purpose, Task, below, build

CALLS_MAX = 1000  # waiting at one supervisor; the next one is answered "busy"


def put(machine: Stopper, call: Call) -> None:
    """Put it into the inbox of the supervisor it is for, or say at once why not."""
    node = _addressee(machine, call)
    if node is None:
        return
    task, owner = node.task, node.owner
    name = f"supervisor {quoted(owner.path)}" if owner.parent else "the system"
    if owner.keeper:
        name = f"the supervisor of what {owner.path} spawns"
    child = None if isinstance(call, AddChild | StartInstance | Scale) else _child(machine, call)
    if not owner.alive:
        machine.reply(call.call, False, f"{name} is not running", "noproc")
    elif node.ending:
        machine.reply(call.call, False, f"{name} is stopping", "noproc")
    elif (
        isinstance(call, StopChild)
        and task
        and child is not None
        and task.current is child
        and child.book is Book.STARTING
    ):
        _operator(machine, call, "stop")
        machine.answer(task, False, "it was stopped while it started")
        child.external = not call.by_parent
        _wait(child, call)
        machine.ask(child, Phase.STOPPED)
    elif node.calls >= CALLS_MAX:
        machine.reply(call.call, False, f"{name} is busy: {CALLS_MAX} calls are waiting", "busy")
    else:
        node.calls += 1
        node.inbox.append(call)
        machine.agenda.append(node)


def put_all(machine: Stopper, call: AddChildren) -> None:
    """One after the other: a fragment's children may need each other."""
    if len(call.specs) == 1:
        put(machine, AddChild(call.parent, call.specs[0], call.call))
        return
    batch = Batch(call.call, open=1, done="running", made=[])  # open until all calls are made
    for spec in call.specs:
        put(machine, AddChild(call.parent, spec, machine.own_call(batch, spec.path)))
    machine.made(batch)


def _addressee(machine: Stopper, call: Call) -> Node | None:
    """The supervisor that has to do it; None: it has been answered."""
    children = machine.state.children
    if isinstance(call, AddChild | StartInstance | Scale):
        path = call.parent if isinstance(call, AddChild) else call.pool
        owner = children.get(path)
        if owner is not None and owner.brood is not None and _is_spawned(call):
            return owner.brood
        if owner is None or owner.inner is None:
            text = f"there is no supervisor {quoted(path)}"
            if owner is not None:
                spawns = owner.brood is not None
                text += ", but an actor" + (": what is below it, it alone spawns" if spawns else "")
            machine.reply(call.call, False, text, "not_found")
            return None
        return owner.inner
    child = children.get(call.path)
    if child is None:
        above = children.get(addresses.parent(call.path))
        if above is not None and above.node is not None and above.node.calls:
            return above.node  # one of the calls that wait there may be about to add it
        machine.reply(call.call, False, f"there is no {quoted(call.path)}", "not_found")
        return None
    if child.parent is None:
        text = "this is the whole system: take it down instead"
        machine.reply(call.call, False, text, "not_found")
    return child.parent


def _is_spawned(call: Call) -> bool:
    """Whether an actor has asked for it: nobody else adds anything to what it spawns."""
    spec = call.spec if isinstance(call, AddChild) else None
    return isinstance(spec, ActorSpec) and spec.spawned is not None


Existing = StopChild | StartChild | RestartChild | DeleteChild


def _child(machine: Stopper, call: Existing) -> Child | None:
    return machine.state.children.get(call.path)


def serve(machine: Stopper, node: Node, call: Call) -> None:
    """OTP's answers, by what the books say about the child."""
    match call:
        case AddChild():
            _add(machine, node, call)
        case StartInstance():
            _start_instance(machine, node, call)
        case Scale():
            _scale(machine, node, call)
        case _:
            child = _child(machine, call)
            if child is None or child.parent is not node:  # deleted while the call waited
                machine.reply(call.call, False, f"there is no {quoted(call.path)}", "not_found")
            else:
                _serve_existing(machine, node, child, call)


def _serve_existing(machine: Stopper, node: Node, child: Child, call: Existing) -> None:
    if child.ended and (isinstance(call, StopChild) or getattr(call, "strict", False)):
        machine.reply(call.call, False, "it is temporary and has ended", "not_found")
        return
    match call:
        case StopChild():
            _stop(machine, node, child, call)
        case StartChild():
            if node.pool and call.strict:
                machine.reply(call.call, False, _POOL, "simple_one_for_one")
            elif child.book is Book.UP:
                machine.reply(call.call, False, "it is running already", "running")
            elif child.book is Book.RESTARTING:
                machine.reply(call.call, False, "it is being restarted", "restarting")
            else:
                _operator(machine, call, "start")
                node.task = Task(Purpose.CALL, start=[child], call=call.call)
        case RestartChild():
            _operator(machine, call, "restart")
            if call.init:
                for each in (child, *below(child)):
                    each.init = each.inner is None
            stop = [child] if child.book is not Book.NONE else []
            if child.book is Book.RESTARTING:
                stop += _leave_group(machine, node, child)
            node.task = Task(Purpose.CALL, stop, [child], leave=Phase.RESTARTING, call=call.call)
        case DeleteChild():
            if node.pool:
                machine.reply(call.call, False, _POOL, "simple_one_for_one")
            elif child.book is Book.UP:
                text = "it is running: stop it first"
                machine.reply(call.call, False, text, "running")
            elif child.book is Book.RESTARTING:
                text = "it is being restarted: stop it first"
                machine.reply(call.call, False, text, "restarting")
            elif child.brood is not None and child.has_brood:
                child.brood.forget = True
                node.task = Task(Purpose.ORPHANS, current=child, then=call)
                machine.end_brood(child, "it was deleted", Phase.STOPPED)
            else:
                _operator(machine, call, "delete")
                machine.forget(child, "it was deleted")
                machine.reply(call.call, True, "deleted")
        case _:
            assert_never(call)


_POOL = "its supervisor is a pool (simple_one_for_one): stop the instance, or scale the pool"


def _stop(machine: Stopper, node: Node, child: Child, call: StopChild) -> None:
    if child.book is Book.NONE and not child.has_brood:
        machine.reply(call.call, True, "it was not running")
    elif child.book is Book.RESTARTING:
        _operator(machine, call, "stop")
        left = _leave_group(machine, node, child)
        if child.has_brood:
            _wait(child, call)
            left.append(child)
        else:
            machine.stopped(child, Phase.STOPPED)
            machine.reply(call.call, True, "stopped, its restart was pending")
        if left:
            node.task = Task(Purpose.CALL, stop=left)
    else:
        _operator(machine, call, "stop")
        _wait(child, call)
        child.external = not call.by_parent
        node.task = Task(Purpose.CALL, stop=[child])


def _leave_group(machine: Stopper, node: Node, child: Child) -> list[Child]:
    """It was to be restarted with others of its group: nobody is going to start those now.
    Returns those of whom something still runs."""
    siblings = [sibling for sibling in node.children.values() if sibling is not child]
    if any(sibling.book is Book.RESTARTING for sibling in siblings):
        return []
    waiting = [sibling for sibling in siblings if sibling.book is Book.NONE]
    for sibling in waiting:
        machine.settle(sibling, Phase.STOPPED)
    return [sibling for sibling in waiting if sibling.has_brood]


def _add(machine: Stopper, node: Node, call: AddChild) -> None:
    path = call.spec.path
    present = node.children.get(path)
    if node.pool:
        text = "it is a pool (simple_one_for_one): scale it, or start an instance"
        machine.reply(call.call, False, text, "simple_one_for_one")
    elif call.spec.significant and node.spec.auto_shutdown is AutoShutdown.NEVER:
        text = f"{path} is significant, and its supervisor's auto_shutdown is never"
        machine.reply(call.call, False, text, "bad_combination")
    elif call.spec.significant and call.spec.restart is Restart.PERMANENT:
        text = f"{path} is significant, and permanent: it never ends for good"
        machine.reply(call.call, False, text, "bad_combination")
    elif present is not None and present.book is Book.UP:
        machine.reply(call.call, False, f"{path} is running already", "already_started")
    elif present is not None:
        text = f"{path} is there already: start it, or delete it first"
        machine.reply(call.call, False, text, "already_present")
    else:
        more = {"by": addresses.parent(path)} if _is_spawned(call) else {}
        machine.decided(path, Decision.OPERATOR, call="add", **more)
        before = machine.state.children.get(path)
        if before is not None:  # temporary and ended, and shown only
            machine.forget(before, "another one has been added in its place")
        child = _newborn(machine, node, call.spec)
        node.task = Task(Purpose.CALL, start=[child], call=call.call)


def _start_instance(machine: Stopper, node: Node, call: StartInstance) -> None:
    if not node.pool or node.spec.template is None:
        machine.reply(call.call, False, _not_a_pool(node), "not_a_pool")
        return
    number = _last_number(machine, node) + 1
    spec = instance(node.spec.template, number, call.args)
    if too_long := _too_long(spec):
        machine.reply(call.call, False, too_long)
        return
    machine.decided(node.spec.path, Decision.OPERATOR, call="start-instance", number=number)
    node.number = number
    child = _newborn(machine, node, spec)
    child.args = call.args
    text = f"{child.path} is running"
    node.task = Task(Purpose.CALL, start=[child], call=call.call, done=text)


def _scale(machine: Stopper, node: Node, call: Scale) -> None:
    template = node.spec.template
    if not node.pool or template is None:
        machine.reply(call.call, False, _not_a_pool(node), "not_a_pool")
        return
    have = list(node.children.values())
    done = f"{call.count} instance" + ("" if call.count == 1 else "s")
    if len(have) == call.count:
        machine.reply(call.call, True, f"{done}, as before")
        return
    if too_long := _too_long(instance(template, call.count)):
        machine.reply(call.call, False, too_long)
        return
    machine.decided(
        node.spec.path, Decision.OPERATOR, call="scale", instances=call.count, before=len(have)
    )
    start: list[Child] = []
    listed = {child.path: child for child in node.initial}
    number = 0
    while len(have) + len(start) < call.count:
        number += 1
        spec = instance(template, number)
        if spec.path not in node.children:
            start.append(_newborn(machine, node, spec, listed.get(spec.path)))
    node.number = max(_last_number(machine, node), number)
    node.task = Task(
        Purpose.CALL,
        stop=have[call.count :],  # the last is stopped first
        start=start[::-1],
        at_once=True,
        call=call.call,
        done=done,
    )


def _newborn(
    machine: Stopper, node: Node, spec: ActorSpec | SupervisorSpec, listed: Child | None = None
) -> Child:
    """A child to be started, at the end of the order; `listed`: the manifest has it, and it is
    to come back."""
    child = listed or build(spec, node)
    child.spec = spec
    child.dynamic, child.hidden, child.new = listed is None, False, True
    if node.owner.keeper:
        child.dynamic = False
        node.initial.append(child)
    node.children[child.path] = child
    machine.enlist(child)
    return child


def _last_number(machine: Stopper, node: Node) -> int:
    """The highest number an instance of this pool has ever had."""
    assert node.spec.template is not None
    if node.number == 0:
        prefix = f"{node.spec.template.path}-"
        listed = (child.path for child in node.initial)
        paths = (*machine.state.incarnations, *node.children, *listed)
        below = (path.removeprefix(prefix) for path in paths if path.startswith(prefix))
        # Of an instance that is a supervisor, only what is under it may be known.
        numbers = (text.partition("/")[0] for text in below)
        node.number = max((int(text) for text in numbers if text.isdecimal()), default=0)
    return node.number


def _too_long(spec: ActorSpec | SupervisorSpec) -> str | None:
    """An instance has a longer address than its template, and so has what is under it."""
    below = spec.actors() if isinstance(spec, SupervisorSpec) else ()
    problems = (addresses.check_address(each.path) for each in (spec, *below))
    return next(filter(None, problems), None)


def _not_a_pool(node: Node) -> str:
    name = node.spec.path or "the root supervisor"
    return f"{name} is no pool: its strategy is {node.spec.strategy.value}"


def _operator(machine: Stopper, call: Existing, verb: str) -> None:
    """Somebody asked for it, or a reload needs it."""
    own = machine.state.batches.get(call.call) if call.call is not None else None
    more: dict[str, Any] = {"part_of": "reload"} if own is not None else {}
    if isinstance(call, RestartChild) and call.init:
        more["init"] = True
    if isinstance(call, StopChild | RestartChild) and call.by_parent:
        more["by"] = addresses.parent(call.path)
    machine.decided(call.path, Decision.OPERATOR, call=verb, **more)


def _wait(child: Child, call: StopChild) -> None:
    """Answer it when the child has stopped."""
    if call.call is not None:
        child.callers.append(call.call)
