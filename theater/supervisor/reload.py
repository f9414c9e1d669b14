"""A manifest has changed while the system runs: what is different, and making it so.

As OTP's code_change: flags and specifications change in place and processes keep running (a
specification holds from the next start on); children that are gone from the manifest are kept.
Beyond OTP: added children are started, and with `prune` the missing ones are stopped and deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from theater.spec import ActorSpec, ChildSpec, SupervisorSpec, instance, plain
from theater.supervisor.orders import Decision, DeleteChild, Reload, StartChild, StopChild
from theater.supervisor.stopper import Stopper
from theater.supervisor.tree import Batch, Child, Node, State, build

# What holds for the process, so that it changes with the next start. All else holds at once.
_AT_ONCE = frozenset(
    {
        "strategy",
        "intensity",
        "period_s",
        "auto_shutdown",
        "backoff",
        "restart",
        "on_restart",
        "significant",
        "shutdown",
        "order",
    }
)
_LISTED = {"listed": (False, True)}  # there without the manifest until now, and in it again
_NOT_SHOWN = frozenset({"path", "where", "build", "children", "template"})


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
    if not _possible(child.path or "the root supervisor", child.spec, spec, found):
        return
    changed = _changed(child, spec)
    if changed:
        at_once = not (changed.keys() - _AT_ONCE)
        found.changes.append(Change("changed", child.path, changed, at_once))
    node = child.inner
    if node is None or not isinstance(spec, SupervisorSpec):
        return
    present = _present(node)
    for below in spec.children:
        existing = present.get(below.path)
        if existing is None:
            found.changes.append(Change("added", below.path))
            continue
        if existing.dynamic:
            found.changes.append(Change("changed", below.path, _LISTED))
        if not node.pool:
            _compare(existing, below, found)
    new = {below.path for below in spec.children}
    found.changes += [Change("missing", child.path) for child in _missing(node, new)]
    if node.pool:
        _compare_instances(node, spec, found)


def _compare_instances(node: Node, spec: SupervisorSpec, found: Plan) -> None:
    """The template's changes have been told; here is what comes and goes under its instances."""
    listed = {below.path: below for below in spec.children}
    for child in node.known():
        below = listed.get(child.path) or _of_template(child, spec)
        if below is not None:
            instance = Plan()
            _compare(child, below, instance)
            found.refusals += instance.refusals
            found.changes += [each for each in instance.changes if each.kind != "changed"]


def _possible(name: str, old: ChildSpec, new: ChildSpec, found: Plan) -> bool:
    """Whether the one can become the other; of a pool, with all that is in its template."""
    refusal = _refusal(name, old, new)
    if refusal:
        found.refusals.append(refusal)
    return not refusal


def _refusal(name: str, old: ChildSpec, new: ChildSpec, in_template: bool = False) -> str:
    first = f"delete {'its pool' if in_template else 'it'} first"
    if isinstance(old, ActorSpec) or isinstance(new, ActorSpec):
        if type(old) is type(new):
            return ""
        was_actor = isinstance(old, ActorSpec)
        was, now = ("an actor", "a supervisor") if was_actor else ("a supervisor", "an actor")
        return f"{name} is {was} and would be {now}: {first}"
    if (old.template is None) != (new.template is None):
        return f"{name}: a supervisor cannot become a pool, nor cease to be one: {first}"
    if old.template is not None and new.template is not None:
        return _refusal(f"the template of {name}", old.template, new.template, in_template=True)
    if in_template:
        names = {_name(child): child for child in old.children}
        for child in new.children:
            if _name(child) in names:
                below = f"{_name(child)} in {name}"
                if refusal := _refusal(below, names[_name(child)], child, in_template=True):
                    return refusal
    return ""


def _changed(child: Child, spec: ChildSpec) -> dict[str, tuple[Any, Any]]:
    """What is different about it, but not what is under it; of a pool, all of its template."""
    old, found = child.spec, _fields(child.spec, spec)
    if isinstance(old, SupervisorSpec) and isinstance(spec, SupervisorSpec):
        if old.template is not None and spec.template is not None:
            found |= _template_changes(old.template, spec.template, "template.")
        elif child.inner is not None:
            found |= _order([each.path for each in child.inner.initial if not each.hidden], spec)
    return found


def _fields(old: ChildSpec, new: ChildSpec) -> dict[str, tuple[Any, Any]]:
    pairs = {each.name: (getattr(old, each.name), getattr(new, each.name)) for each in fields(new)}
    return {
        name: (before, after)
        for name, (before, after) in pairs.items()
        if before != after and name not in _NOT_SHOWN
    }


def _order(listed: list[str], spec: SupervisorSpec) -> dict[str, tuple[Any, Any]]:
    """Whether those that stay are to stand in another order."""
    new = [child.path for child in spec.children]
    both = set(listed) & set(new)
    same = [path for path in listed if path in both] == [path for path in new if path in both]
    return {} if same else {"order": (listed, new)}


def _template_changes(old: ChildSpec, new: ChildSpec, at: str) -> dict[str, tuple[Any, Any]]:
    """With all that is in it; `at`: what the names of the fields begin with."""
    found = {f"{at}{name}": values for name, values in _fields(old, new).items()}
    if _name(old) != _name(new):
        found[f"{at}name"] = (_name(old), _name(new))
    if isinstance(old, SupervisorSpec) and isinstance(new, SupervisorSpec):
        if old.template is not None and new.template is not None:
            return found | _template_changes(old.template, new.template, f"{at}template.")
        before, after = ({_name(child): child for child in each.children} for each in (old, new))
        if list(before) != list(after):
            found[f"{at}children"] = (list(before), list(after))
        for name in after:
            if name in before:
                found |= _template_changes(before[name], after[name], f"{at}{name}.")
    return found


def _name(spec: ChildSpec) -> str:
    return spec.path.rpartition("/")[2]


def _of_template(child: Child, spec: SupervisorSpec) -> ChildSpec | None:
    """What an instance is, going by its number; None: the template was called otherwise."""
    assert spec.template is not None
    number = child.path.removeprefix(f"{spec.template.path}-")
    return instance(spec.template, int(number), child.args) if number.isdecimal() else None


def _present(node: Node) -> dict[str, Child]:
    """The children that a new list is compared with, by path."""
    return {child.path: child for child in node.known()}


def _missing(node: Node, new: set[str]) -> Iterator[Child]:
    """Children of a manifest that the new one has no more; not those added by hand."""
    for child in node.known():
        if child.path not in new and not (child.dynamic and not child.from_manifest):
            yield child


def reload(machine: Stopper, event: Reload) -> None:
    """Change the tree; answered when what was added runs and what was pruned is gone."""
    state = machine.state
    found = plan(state, event.spec)
    root = state.root
    if not root.alive or root.inner is None or root.inner.ending:
        machine.reply(event.call, False, "the system is not running", "noproc")
    elif found.refusals:
        machine.reply(event.call, False, "; ".join(found.refusals), "refused")
    elif not found.changes or (
        not event.prune and all(_is_kept(state, change) for change in found.changes)
    ):
        machine.reply(event.call, True, "nothing has changed")
    else:
        batch = Batch(event.call, open=1, done="reloaded")  # open until all calls are made
        _apply(machine, root, event.spec, event.prune, batch)
        machine.made(batch)


def _is_kept(state: State, change: Change) -> bool:
    """Whether it is missing and has been kept by an earlier reload."""
    child = state.children.get(change.path)
    return change.kind == "missing" and child is not None and child.dynamic and not child.ended


def _apply(machine: Stopper, child: Child, spec: ChildSpec, prune: bool, batch: Batch) -> None:
    changed = _changed(child, spec)
    if changed:
        facts = {name: [plain(old), plain(new)] for name, (old, new) in changed.items()}
        machine.decided(child.path, Decision.RELOADED, changed=facts)
    child.spec = spec
    node = child.inner
    if node is None:
        return  # what it may spawn holds from its next start on
    assert isinstance(spec, SupervisorSpec)
    node.window.intensity, node.window.period_s = spec.intensity, spec.period_s
    present = _present(node)
    missing = list(_missing(node, {below.path for below in spec.children}))
    added = []
    node.initial = []
    for below in spec.children:
        existing = present.get(below.path)
        if existing is None:
            existing = build(below, node, from_manifest=True)
            machine.enlist(existing)
            added.append(existing)
        else:
            if existing.dynamic:
                machine.decided(existing.path, Decision.RELOADED, changed=plain(_LISTED))
            _apply(machine, existing, below, prune, batch)
        existing.new = existing.new and node.pool  # that it could not be started: it stays
        existing.dynamic, existing.from_manifest, existing.args = False, True, ()
        node.initial.append(existing)
    running = node.owner.alive and not node.ending
    for gone in reversed(missing):
        gone.dynamic = True  # kept: but its supervisor would begin anew without it
        if gone.ended or gone.path not in node.children:
            machine.forget(gone, _GONE)  # not kept by OTP either
        elif prune:
            _prune(machine, node, gone, running, batch)
    _reorder(node, added)
    if node.pool:
        node.number = 0  # which numbers have been used is to be found out again
        for other in [each for each in node.children.values() if each.dynamic]:
            below_it = _of_template(other, spec)
            if below_it is not None:
                _apply(machine, other, below_it, prune, batch)
    if running:
        for each in added:
            # It may come up with its group before; then it is found running.
            call = StartChild(each.path, machine.own_call(batch, each.path, "running"))
            _queue(machine, node, call)


_GONE = "it is no longer in the manifest"


def _reorder(node: Node, added: list[Child]) -> None:
    """OTP: the order of the new list, with what was kept behind it."""
    listed = {child.path for child in node.initial}
    there = node.children.keys() | {child.path for child in added}
    order = [child for child in node.initial if child.path in there]
    order += [child for path, child in node.children.items() if path not in listed]
    node.children = {child.path: child for child in order}


def _prune(machine: Stopper, node: Node, child: Child, running: bool, batch: Batch) -> None:
    path = child.path
    if running:
        # It may end before, and be forgotten; then it is not found.
        call = machine.own_call(batch, path, "not_found")
        _queue(machine, node, StopChild(path, call))
        if not node.pool:
            call = machine.own_call(batch, path, "not_found")
            _queue(machine, node, DeleteChild(path, call))
    elif child.alive:
        batch.failures.append(f"{path}: its supervisor is stopping")
    else:
        machine.forget(child, _GONE)


def _queue(machine: Stopper, node: Node, call: StartChild | StopChild | DeleteChild) -> None:
    node.calls += 1
    node.inbox.append(call)
    machine.agenda.append(node)
