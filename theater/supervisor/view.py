"""What can be seen of the tree: rows for `ps` and `tree`, OTP's which_children and count_children.

Only reads the state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from theater.capabilities.supervisor import MAX_CHILDREN
from theater.spec import ActorSpec, ChildSpec, component_hashes
from theater.supervisor.orders import AddChild, Phase
from theater.supervisor.tree import SPAWNS, Book, Child, State, below


@dataclass(frozen=True, slots=True)
class ActorRow:
    path: str
    phase: Phase
    incarnation: int  # 0: never started
    restarts: int  # how often it was restarted automatically in this run
    restart_type: str
    supervisor: str  # path of the one above, "" for the root supervisor
    reason: str  # why it last ended; "" if it never did
    since_s: float  # when the phase began, on the policy's clock
    retry_s: float | None  # when it is to be started again, if a backoff makes it wait
    significant: bool


@dataclass(frozen=True, slots=True)
class SupervisorRow:
    path: str
    phase: Phase
    strategy: str
    restarts: int
    restart_type: str
    supervisor: str | None  # None: this is the root supervisor
    reason: str
    since_s: float
    retry_s: float | None
    significant: bool
    auto_shutdown: str
    intensity: int
    period_s: float
    left: int  # restarts left in the window


@dataclass(frozen=True, slots=True)
class Flags:
    """How that is supervised which an actor has spawned."""

    strategy: str
    intensity: int
    period_s: float
    left: int  # restarts left in the window


@dataclass(frozen=True, slots=True)
class ChildRow:
    """One entry of OTP's which_children."""

    path: str
    process: str  # running, restarting or undefined
    type: str  # worker or supervisor
    restart_type: str


@dataclass(frozen=True, slots=True)
class Count:
    """OTP's count_children."""

    specs: int
    active: int
    supervisors: int
    workers: int


def tree_rows(state: State, now_s: float) -> Iterator[ActorRow | SupervisorRow]:
    """Everything, the root first, each supervisor before what is under it, in start order."""
    for child in (state.root, *below(state.root)):
        yield _actor_row(child) if child.inner is None else _supervisor_row(child, now_s)


def rows(state: State) -> list[ActorRow]:
    """Every actor, in the order of the tree."""
    return [_actor_row(child) for child in below(state.root) if child.inner is None]


def supervisor_rows(state: State, now_s: float) -> list[SupervisorRow]:
    """Every supervisor, the root first, in the order of the tree."""
    found = tree_rows(state, now_s)
    return [row for row in found if isinstance(row, SupervisorRow)]


def _actor_row(child: Child) -> ActorRow:
    assert child.parent is not None
    return ActorRow(
        path=child.path,
        phase=child.phase,
        incarnation=child.incarnation,
        restarts=child.restarts,
        restart_type=child.spec.restart.value,
        supervisor=child.parent.spec.path,
        reason=child.reason,
        since_s=child.since_s,
        retry_s=_retry_s(child),
        significant=child.spec.significant,
    )


def _supervisor_row(child: Child, now_s: float) -> SupervisorRow:
    node = child.inner
    assert node is not None
    return SupervisorRow(
        path=child.path,
        phase=child.phase,
        strategy=node.spec.strategy.value,
        restarts=child.restarts,
        restart_type=child.spec.restart.value,
        supervisor=child.parent.spec.path if child.parent else None,
        reason=child.reason,
        since_s=child.since_s,
        retry_s=_retry_s(child),
        significant=child.spec.significant,
        auto_shutdown=node.spec.auto_shutdown.value,
        intensity=node.window.intensity,
        period_s=node.window.period_s,
        left=node.window.left(now_s),
    )


def _retry_s(child: Child) -> float | None:
    return child.due_s if child.book is Book.RESTARTING and child.timer else None


def which_children(state: State, supervisor: str) -> list[ChildRow] | None:
    """What is on the books of a supervisor, in start order; None: there is no such supervisor."""
    owner = state.children.get(supervisor)
    if owner is None or owner.node is None:
        return None
    return [
        ChildRow(
            child.path,
            _PROCESS.get(child.book, "running"),
            "supervisor" if child.inner else "worker",
            child.spec.restart.value,
        )
        for child in owner.node.children.values()
    ]


_PROCESS = {Book.NONE: "undefined", Book.RESTARTING: "restarting"}


def count_children(state: State, supervisor: str) -> Count | None:
    """A pool has one specification however many instances it has."""
    found = which_children(state, supervisor)
    if found is None:
        return None
    owner = state.children[supervisor]
    supervisors = sum(row.type == "supervisor" for row in found)
    return Count(
        specs=1 if owner.node and owner.node.pool else len(found),
        active=sum(row.process == "running" for row in found),
        supervisors=supervisors,
        workers=len(found) - supervisors,
    )


def spec_of(state: State, path: str) -> ChildSpec | None:
    """The specification that holds now; a new one holds from the next start on."""
    child = state.children.get(path)
    return None if child is None else child.spec


def has_brood(state: State, path: str) -> bool:
    """Whether this actor can have something spawned now."""
    child = state.children.get(path)
    node = child.brood if child is not None else None
    return node is not None and node.owner.alive and not node.ending


def brood_flags(state: State, path: str, now_s: float) -> Flags | None:
    """None: this is no actor that may spawn."""
    node = state.children[path].brood
    if node is None:
        return None
    window = node.window
    left = window.left(now_s)
    return Flags(node.spec.strategy.value, window.intensity, window.period_s, left)


def free_address(state: State, wanted: str, number: int = 1) -> tuple[str, int]:
    """An address that nobody has had, and its number: the wanted one, or the first with a number
    behind it. Those before `number` are known to be taken."""
    while True:
        path = wanted if number == 1 else f"{wanted}-{number}"
        if path not in state.children and path not in state.incarnations:
            return path, number
        number += 1


def too_many(state: State, path: str, coming: Iterable[str] = ()) -> str | None:
    """Why this actor can have no other one spawned; None: it can.

    What is spawned counts for whoever has spawned it, and for whoever has spawned that, however far
    up: else what an actor may have would be without bound, as those have others again. `coming`:
    addresses of those that are about to be added.
    """
    added = [each for each in coming if each not in state.children]
    actor: Child | None = state.children[path]
    while actor is not None:
        if actor.brood is not None:
            most = most_spawned(actor.spec)
            count = sum(1 for _ in below(actor))
            count += sum(each.startswith(f"{actor.path}/") for each in added)
            if count >= most:
                return f"{actor.path} has spawned {count} actors, and max_children is {most}"
        actor = actor.parent.owner.keeper if actor.parent is not None else None
    return None


def most_spawned(spec: ChildSpec) -> int:
    """How many it may have spawned."""
    granted = spec.handler(SPAWNS) if isinstance(spec, ActorSpec) else None
    return MAX_CHILDREN if granted is None else granted.settings.get("max_children", MAX_CHILDREN)


def was_stopped_by_others(state: State, path: str) -> bool:
    """Whether somebody else than the actor that has spawned it has had it stopped."""
    child = state.children.get(path)
    return child is not None and child.external


def is_over(state: State, path: str) -> bool:
    """Whether this was spawned and has ended, and neither with what it belongs to nor to be started
    again: nobody starts it before its parent is started again, or somebody asks for it."""
    child = state.children.get(path)
    node = child.parent if child is not None else None
    if child is None or node is None or node.owner.keeper is None:
        return False
    is_down = child.phase in (Phase.STOPPED, Phase.FAILED) and not child.busy
    return is_down and node.owner.alive and not node.ending


def ended_offspring(state: State) -> Iterator[tuple[str, str, str, bool]]:
    """What actors have spawned and is over: path, phase, reason, and that it is."""
    for child in below(state.root):
        if is_over(state, child.path):
            yield child.path, child.phase.value, child.reason, True


def actor_spec(state: State, path: str) -> ActorSpec:
    spec = spec_of(state, path)
    assert isinstance(spec, ActorSpec), f"{path} is no actor"
    return spec


def components(state: State) -> Iterator[str]:
    """The hash of every component that something may be started from: of what is there, of what
    comes back with its supervisor, of templates, and of what waits to be added."""
    stack = [state.root]
    while stack:
        child = stack.pop()
        node = child.node
        if child.inner is None:
            yield from component_hashes(child.spec)
        if node is None:
            continue
        stack += {*node.initial, *node.children.values()}
        if node.spec.template is not None:
            yield from component_hashes(node.spec.template)
        for item in node.inbox:
            if isinstance(item, AddChild):
                yield from component_hashes(item.spec)


def specs(state: State) -> Iterator[tuple[str, ChildSpec]]:
    """The path and specification of everything, the root first."""
    for child in (state.root, *below(state.root)):
        yield child.path, child.spec
