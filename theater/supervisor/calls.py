"""Operators: stop, start and restart a child, with OTP's answer for each state it can be in."""

from __future__ import annotations

from typing import assert_never

from theater.supervisor.orders import Call, Decision, Phase, RestartChild, StartChild, StopChild
from theater.supervisor.stopper import Stopper
from theater.supervisor.tree import Book, Child, Node, Purpose, Task

CALLS_MAX = 1000  # waiting at one supervisor; the next one is answered "busy"


def put(machine: Stopper, call: Call) -> None:
    """Put it into the inbox of the supervisor above, or say at once why not."""
    child = machine.state.children.get(call.path)
    if child is None:
        machine.reply(call.call, False, f"there is no {call.path!r}")
        return
    node = child.parent
    if node is None:
        machine.reply(call.call, False, "this is the whole system: take it down instead")
        return
    task, owner = node.task, node.owner
    name = f"supervisor {owner.path!r}" if owner.parent else "the system"
    if not owner.alive:
        machine.reply(call.call, False, f"{name} is not running")
    elif task and task.purpose is Purpose.END:
        machine.reply(call.call, False, f"{name} is stopping")
    elif (
        isinstance(call, StopChild)
        and task
        and task.current is child
        and child.book is Book.STARTING
    ):
        _operator(machine, call)
        machine.answer(task, False, "it was stopped while it started")
        _wait(child, call)
        machine.ask(child, Phase.STOPPED)
    elif node.calls >= CALLS_MAX:
        machine.reply(call.call, False, f"{name} is busy: {CALLS_MAX} calls are waiting")
    else:
        node.calls += 1
        node.inbox.append(call)
        machine.agenda.append(node)


def serve(machine: Stopper, node: Node, call: Call) -> None:
    """OTP's answers, by what the books say about the child."""
    child = machine.state.children[call.path]
    match call:
        case StopChild():
            if child.removed:
                machine.reply(call.call, False, "it is temporary and has ended")
            elif child.book is Book.NONE:
                machine.reply(call.call, True, "it was not running")
            elif child.book is Book.RESTARTING:
                _operator(machine, call)
                machine.stopped(child, Phase.STOPPED)
                machine.reply(call.call, True, "stopped, its restart was pending")
            else:
                _operator(machine, call)
                _wait(child, call)
                node.task = Task(Purpose.CALL, stop=[child])
        case StartChild():
            if child.book is Book.UP:
                machine.reply(call.call, False, "it is running already")
            elif child.book is Book.RESTARTING:
                machine.reply(call.call, False, "it is being restarted")
            else:
                _operator(machine, call)
                node.task = Task(Purpose.CALL, start=[child], call=call.call)
        case RestartChild():
            _operator(machine, call)
            stop = [child] if child.book is not Book.NONE else []
            node.task = Task(Purpose.CALL, stop, [child], leave=Phase.RESTARTING, call=call.call)
        case _:
            assert_never(call)


def _operator(machine: Stopper, call: Call) -> None:
    verb = {StopChild: "stop", StartChild: "start", RestartChild: "restart"}[type(call)]
    machine.decided(call.path, Decision.OPERATOR, call=verb)


def _wait(child: Child, call: Call) -> None:
    """Answer it when the child has stopped."""
    if call.call is not None:
        child.callers.append(call.call)
