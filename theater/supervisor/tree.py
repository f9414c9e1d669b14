"""The supervision tree as the policy keeps it.

Mutable on purpose (a copy of a thousand children for every event is a waste) and owned by
`policy.step`: everybody else reads `rows` and `supervisor_rows`. The same events at the same
times always give the same state and the same actions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from theater.spec import ActorSpec, SupervisorSpec
from theater.supervisor.orders import Call, ExitKind, Phase
from theater.supervisor.rules import Window


class Book(StrEnum):
    """What a supervisor has on its books about a child: OTP's pid field.

    Not the phase: a child whose exit still waits in the inbox is UP on the books.
    """

    NONE = "none"  # `undefined`: no process, none wanted
    STARTING = "starting"
    UP = "up"
    STOPPING = "stopping"
    RESTARTING = "restarting"  # no process; a try-again waits in the inbox


@dataclass(slots=True, eq=False, repr=False)
class Child:
    """An actor or a supervisor in its place. Lives as long as the state does."""

    spec: ActorSpec | SupervisorSpec
    parent: Node | None  # None: the root supervisor
    inner: Node | None = None  # only of a supervisor
    incarnation: int = 0  # the last one used; supervisors have them too
    book: Book = Book.NONE
    phase: Phase = Phase.STOPPED
    alive: bool = False  # its process is there or ordered; for a supervisor: it is not down
    kill_why: str = ""  # set once this incarnation has been killed
    leave: Phase = Phase.STOPPED  # its phase once the stop under way is done
    removed: bool = False  # temporary and ended: OTP has deleted it, we still show it
    timer: int = 0  # the number of the timer it waits for: until ready, or until killed
    callers: list[int] = field(default_factory=list)  # calls answered when it is stopped
    restarts: int = 0  # automatic ones in this run, attempts included
    reason: str = ""  # why it last ended

    @property
    def path(self) -> str:
        return self.spec.path

    def __repr__(self) -> str:
        return f"<{self.path or 'the root'} #{self.incarnation}, {self.book}, {self.phase}>"


class Purpose(StrEnum):
    START = "start"  # the supervisor itself comes up
    RESTART = "restart"  # a child died
    CALL = "call"  # the operator asked
    END = "end"  # the supervisor itself goes down


@dataclass(slots=True, eq=False)
class Task:
    """The one thing a supervisor is doing: first stop these, then start those, one at a time."""

    purpose: Purpose
    stop: list[Child] = field(default_factory=list)  # still to stop; the next is the last
    start: list[Child] = field(default_factory=list)  # still to start; the next is the last
    current: Child | None = None  # the one being stopped or started
    leave: Phase = Phase.STOPPED  # the phase of what has been stopped
    automatic: bool = False  # what is started counts as restarted
    call: int | None = None  # answered when the last start is done
    reason: str = ""  # END: why, told to whoever is above
    failed: bool = False  # END: not what the operator wanted


@dataclass(frozen=True, slots=True)
class Death:
    """A child ended by itself; waits in the inbox until the supervisor gets to it."""

    child: Child
    incarnation: int
    kind: ExitKind
    reason: str


@dataclass(frozen=True, slots=True)
class TryAgain:
    """A restart failed; the supervisor wrote itself a note, behind what already waits."""

    child: Child
    incarnation: int


@dataclass(slots=True, eq=False)
class Node:
    """One supervisor: handles one thing at a time, in the order of arrival."""

    spec: SupervisorSpec
    owner: Child  # itself, as a child of the one above
    window: Window = field(init=False)
    initial: list[Child] = field(default_factory=list)  # as in the manifest
    children: dict[str, Child] = field(default_factory=dict)  # in start order
    live: int = 0  # how many of them are alive
    task: Task | None = None
    inbox: deque[Death | TryAgain | Call] = field(default_factory=deque)
    calls: int = 0  # how many calls are in the inbox

    def __post_init__(self) -> None:
        self.window = Window(self.spec.intensity, self.spec.period_s)


@dataclass(slots=True, eq=False)
class State:
    root: Child
    children: dict[str, Child]  # everything by path, parents first, in manifest order
    begun: bool = False
    ended: bool = False
    timers: list[tuple[float, int, Child]] = field(default_factory=list)  # a heap
    timer: int = 0  # the last timer number used
    wake_s: float | None = None  # the last WakeAt


def initial(spec: SupervisorSpec, incarnations: Mapping[str, int]) -> State:
    """The tree before Start. `incarnations`: the last number each actor has used, by path."""
    root = Child(spec, None)
    children: dict[str, Child] = {}
    stack = [root]
    while stack:
        child = stack.pop()
        assert child.path not in children, f"two children are called {child.path!r}"
        children[child.path] = child
        if isinstance(child.spec, SupervisorSpec):
            node = child.inner = Node(child.spec, child)
            node.initial = [Child(below, node) for below in child.spec.children]
            stack.extend(reversed(node.initial))
        else:
            child.incarnation = incarnations.get(child.path, 0)
    return State(root, children)


def below(child: Child) -> Iterator[Child]:
    """Everything under a supervisor, parents first; nothing for an actor."""
    stack = [child]
    while stack:
        each = stack.pop()
        if each is not child:
            yield each
        if each.inner:
            stack.extend(reversed(each.inner.initial))


@dataclass(frozen=True, slots=True)
class ActorRow:
    path: str
    phase: Phase
    incarnation: int  # 0: never started
    restarts: int  # how often it was restarted automatically in this run
    restart_type: str
    supervisor: str  # path of the one above, "" for the root supervisor
    reason: str  # why it last ended; "" if it never did


@dataclass(frozen=True, slots=True)
class SupervisorRow:
    path: str
    phase: Phase
    strategy: str
    restarts: int
    restart_type: str
    supervisor: str | None  # None: this is the root supervisor
    reason: str
    intensity: int
    period_s: float
    left: int  # restarts left in the window


def rows(state: State) -> list[ActorRow]:
    """Every actor, in manifest order."""
    return [
        ActorRow(
            child.path,
            child.phase,
            child.incarnation,
            child.restarts,
            child.spec.restart.value,
            child.parent.spec.path,
            child.reason,
        )
        for child in state.children.values()
        if child.parent is not None and child.inner is None
    ]


def supervisor_rows(state: State, now_s: float) -> list[SupervisorRow]:
    """Every supervisor, the root first, in manifest order."""
    return [
        SupervisorRow(
            child.path,
            child.phase,
            child.inner.spec.strategy.value,
            child.restarts,
            child.spec.restart.value,
            child.parent.spec.path if child.parent else None,
            child.reason,
            child.inner.window.intensity,
            child.inner.window.period_s,
            child.inner.window.left(now_s),
        )
        for child in state.children.values()
        if child.inner is not None
    ]
