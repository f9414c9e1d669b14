"""A manifest has changed while the system runs: what is different, and making it so.

As OTP's code_change: flags and specifications change in place and processes keep running (a
specification holds from the next start on); children that are gone from the manifest are kept.
Beyond OTP: added children are started, and with `prune` the missing ones are stopped and deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from theater.spec import ActorSpec, ChildSpec, Restart, SupervisorSpec, instance, plain
from theater.supervisor.orders import Decision, DeleteChild, Reload, StartChild, StopChild
from theater.supervisor.stopper import Stopper
from theater.supervisor.tree import Batch, Book, Child, Node, State, build

# What holds for the process, so that it changes with the next start. All else holds at once.
_AT_ONCE = frozenset(
    {
        "strategy",
        "intensity",
        "period_s",
        "auto_shutdown",
        "backoff",
        "restart",
        "significant",
        "shutdown",
    }
)
_NOT_SHOWN = frozenset({"path", "where", "children", "template"})


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between the tree and the new manifest."""

    kind: str  # "added", "missing", "changed"
    path: str  # "" is the root supervisor
    fields: dict[str, tuple[Any, Any]] = field(default_factory=dict)  # of a changed one: old, new
    at_once: bool = True  # False: some of it holds from the next start on


@dataclass(slots=True)
class Plan:
    changes: list[Change] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)  # why it cannot be done at all


def plan(state: State, spec: SupervisorSpec) -> Plan:
    """What a reload with this root supervisor would do, in the order of the new manifest."""
    found = Plan()
    _compare(state.root, spec, found)
    return found


def _compare(child: Child, spec: ChildSpec, found: Plan) -> None:
    name = child.path or "the root supervisor"
    node = child.inner
    if (node is None) != isinstance(spec, ActorSpec):
        was, now = ("an actor", "a supervisor") if node is None else ("a supervisor", "an actor")
        found.refusals.append(f"{name} is {was} and would be {now}: delete it first")
        return
    if isinstance(spec, SupervisorSpec):
        assert node is not None
        if node.pool != (spec.template is not None):
            found.refusals.append(f"{name}: a supervisor cannot become a pool, nor cease to be one")
            return
    changed = _fields(child.spec, spec)
    if changed:
        at_once = not (changed.keys() - _AT_ONCE)
        found.changes.append(Change("changed", child.path, changed, at_once))
    if node is None or not isinstance(spec, SupervisorSpec):
        return
    present = _present(node)
    for below in spec.children:
        if below.path not in present:
            found.changes.append(Change("added", below.path))
        elif not node.pool:  # its template has been compared
            _compare(present[below.path], below, found)
    new = {below.path for below in spec.children}
    found.changes += [Change("missing", path) for path in _missing(node, new)]


def _fields(old: ChildSpec, new: ChildSpec) -> dict[str, tuple[Any, Any]]:
    found = {}
    for each in fields(new):
        if each.name in _NOT_SHOWN:
            continue
        before, after = getattr(old, each.name), getattr(new, each.name)
        if before != after:
            found[each.name] = (before, after)
    before, after = getattr(old, "template", None), getattr(new, "template", None)
    if before is not None and after is not None:
        for name, values in _fields(before, after).items():
            found[f"template.{name}"] = values
    return found


def _present(node: Node) -> dict[str, Child]:
    """The children that a new list is compared with, by path."""
    return {child.path: child for child in node.known()}


def _missing(node: Node, new: set[str]) -> Iterator[str]:
    """Children of a manifest that the new one has no more; not those added by hand."""
    for child in node.known():
        if child.path not in new and not (child.dynamic and not child.from_manifest):
            yield child.path


def reload(machine: Stopper, event: Reload) -> None:
    """Change the tree; answered when what was added runs and what was pruned is gone."""
    state = machine.state
    found = plan(state, event.spec)
    root = state.root
    if not root.alive or root.inner is None or root.inner.ending:
        machine.reply(event.call, False, "the system is not running", "noproc")
    elif found.refusals:
        machine.reply(event.call, False, "; ".join(found.refusals), "refused")
    elif not found.changes:
        machine.reply(event.call, True, "nothing has changed")
    else:
        batch = Batch(event.call, open=1, done="reloaded")  # open until all calls are made
        _apply(machine, root, event.spec, event.prune, batch)
        machine.made(batch)


def _apply(machine: Stopper, child: Child, spec: ChildSpec, prune: bool, batch: Batch) -> None:
    changed = _fields(child.spec, spec)
    if changed:
        facts = {name: [plain(old), plain(new)] for name, (old, new) in changed.items()}
        machine.decided(child.path, Decision.RELOADED, changed=facts)
    child.spec = spec
    node = child.inner
    if node is None:
        return
    assert isinstance(spec, SupervisorSpec)
    node.window.intensity, node.window.period_s = spec.intensity, spec.period_s
    present = _present(node)
    added = []
    missing = list(_missing(node, {below.path for below in spec.children}))
    node.initial = []
    for below in spec.children:
        existing = present.get(below.path)
        if existing is None:
            existing = build(below, node, from_manifest=True)
            machine.enlist(existing)
            added.append(existing)
        else:
            _apply(machine, existing, below, prune, batch)
        existing.dynamic = existing.new = False
        existing.from_manifest = True
        node.initial.append(existing)
    for path in missing:
        present[path].dynamic = True  # kept: but its supervisor would begin anew without it
    _reorder(node, added)
    if node.pool:
        _update_instances(node)
    running = node.owner.alive and not node.ending
    for path in reversed(missing):
        if prune:
            _prune(machine, node, present[path], running, batch)
    if running:
        for each in added:
            if node.owner.book is not Book.STARTING or node.task is None:
                call = StartChild(each.path, machine.own_call(batch, each.path))
                _queue(machine, node, call)
            else:
                node.task.start.insert(0, each)  # it is coming up: this one comes up with it


def _reorder(node: Node, added: list[Child]) -> None:
    """OTP: the order of the new list, with what was kept behind it."""
    listed = {child.path: child for child in node.initial}
    order = [child for child in node.initial if child in added or child.path in node.children]
    order += [child for path, child in node.children.items() if path not in listed]
    node.children = {child.path: child for child in order}


def _update_instances(node: Node) -> None:
    template = node.spec.template
    assert template is not None
    for child in node.children.values():
        if child.dynamic:
            number = child.path.removeprefix(f"{template.path}-")
            if number.isdecimal():
                child.spec = instance(template, int(number), child.args)


def _prune(machine: Stopper, node: Node, child: Child, running: bool, batch: Batch) -> None:
    if not child.alive and (child.ended or not running):
        machine.forget(child, "it is no longer in the manifest")
    elif not running:
        batch.failures.append(f"{child.path}: its supervisor is stopping")
    else:
        _queue(machine, node, StopChild(child.path, machine.own_call(batch, child.path)))
        if not node.pool and child.spec.restart is not Restart.TEMPORARY:
            _queue(machine, node, DeleteChild(child.path, machine.own_call(batch, child.path)))


def _queue(machine: Stopper, node: Node, call: StartChild | StopChild | DeleteChild) -> None:
    node.calls += 1
    node.inbox.append(call)
    machine.agenda.append(node)
