"""The supervision tree as the policy keeps it.

Mutable on purpose (a copy of a thousand children for every event is a waste) and owned by
`policy.step`: everybody else reads `view`. The same events at the same times always give the
same state and the same actions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random

from theater import addresses
from theater.spec import ActorSpec, ChildSpec, Shutdown, Strategy, SupervisorSpec
from theater.supervisor.orders import Call, DeleteChild, ExitKind, Phase, Recycle
from theater.supervisor.rules import Window

SPAWNS = "supervisor"  # the handler with which an actor may spawn


class Book(StrEnum):
    """What a supervisor has on its books about a child: OTP's pid field.

    Not the phase: a child whose exit still waits in the inbox is UP on the books.
    """

    NONE = "none"  # `undefined`: no process, none wanted
    STARTING = "starting"
    UP = "up"
    STOPPING = "stopping"
    RESTARTING = "restarting"  # no process; a try-again waits in the inbox, or for its time


@dataclass(slots=True, eq=False, repr=False)
class Child:
    """An actor or a supervisor in its place."""

    spec: ChildSpec
    parent: Node | None  # None: the root supervisor
    inner: Node | None = None  # only of a supervisor
    brood: Node | None = None  # of an actor that may spawn: the supervisor of what it spawns
    keeper: Child | None = None  # of the owner of a brood: the actor
    keep: bool = False  # it is stopped to be started again, and its brood does not notice
    asked: bool = False  # its process has been asked to stop
    external: bool = False  # somebody else than the actor that spawned it has had it stopped
    held: bool = False  # its fork waits until its brood is down
    gone: tuple[ExitKind, str, bool] | None = None  # its process is; its brood not yet
    dynamic: bool = False  # not on its supervisor's initial list: gone when that starts anew
    from_manifest: bool = False  # it is, or was, in the manifest; else it was added by a call
    new: bool = False  # added by a call and not up yet: forgotten if it does not start
    init: bool = False  # somebody wants it to begin with `init`, which has not committed yet
    args: tuple[str, ...] = ()  # of a pool's instance, beyond the template's
    incarnation: int = 0  # the last one used; supervisors have them too
    book: Book = Book.NONE
    phase: Phase = Phase.STOPPED
    since_s: float = 0.0  # when the phase began
    alive: bool = False  # its process is there or ordered; for a supervisor: it is not down
    kill_why: str = ""  # set once this incarnation has been killed
    stop: Shutdown = field(default_factory=Shutdown)  # as it was asked to; `spec` may be newer
    leave: Phase = Phase.STOPPED  # its phase once the stop under way is done
    ended: bool = False  # temporary and ended: OTP has deleted it, we still show it
    hidden: bool = False  # deleted, but on the initial list: it comes back with its supervisor
    timer: int = 0  # the number of the timer it waits for: to be ready, dead or tried again
    due_s: float = 0.0  # when that is
    callers: list[int] = field(default_factory=list)  # calls answered when it is stopped
    restarts: int = 0  # automatic ones in this run, attempts included
    strategy: Strategy | None = None  # RESTARTING: with whom; a restart ends as it has begun
    tries: int = 0  # restarts since it last was settled, for the backoff
    up_s: float | None = None  # since when it has been ready
    reason: str = ""  # why it last ended

    @property
    def path(self) -> str:
        return self.spec.path

    @property
    def node(self) -> Node | None:
        """What supervises what is under it, if it is a supervisor or an actor that may spawn."""
        return self.inner or self.brood

    @property
    def has_brood(self) -> bool:
        """Whether something that it has spawned is, or may be, alive."""
        return self.brood is not None and self.brood.owner.alive

    @property
    def busy(self) -> bool:
        """Whether there is something to be stopped."""
        return self.alive or self.has_brood

    def __repr__(self) -> str:
        return f"<{self.path or 'the root'} #{self.incarnation}, {self.book}, {self.phase}>"


class Purpose(StrEnum):
    START = "start"  # the supervisor itself comes up
    ORPHANS = "orphans"  # an actor goes for good, and what it has spawned goes with it
    RESTART = "restart"  # a child died
    RECYCLE = "recycle"  # a child has run all the turns that an incarnation may
    CALL = "call"  # the operator asked
    END = "end"  # the supervisor itself goes down


@dataclass(slots=True, eq=False)
class Task:
    """The one thing a supervisor is doing: first stop these, then start those, one at a time."""

    purpose: Purpose
    stop: list[Child] = field(default_factory=list)  # still to stop; the next is the last
    start: list[Child] = field(default_factory=list)  # still to start; the next is the last
    current: Child | None = None  # the one being stopped or started
    at_once: bool = False  # do not stop one by one: ask them all, then wait for all
    asked: set[Child] = field(default_factory=set)  # at once, and not gone yet
    leave: Phase = Phase.STOPPED  # the phase of what has been stopped
    automatic: bool = False  # what is started counts as restarted
    strategy: Strategy | None = None  # RESTART: by which it is
    up_s: float | None = None  # RECYCLE: since when the child has been ready without dying
    wait: Child | None = None  # RESTART: the one to try again after `delay_s`, instead of a start
    delay_s: float = 0.0
    then: Death | DeleteChild | None = None  # ORPHANS: what is decided about when they are gone
    call: int | None = None  # answered when the last start is done
    done: str = "running"  # that answer
    reason: str = ""  # END: why, told to whoever is above; RECYCLE: why the child has stopped
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
    """A note of the supervisor to itself, behind what already waits: this one is RESTARTING."""

    child: Child
    counted: bool = False  # the attempt was counted when the wait for it began


@dataclass(slots=True, eq=False)
class Node:
    """One supervisor: handles one thing at a time, in the order of arrival."""

    owner: Child  # itself, as a child of the one above
    window: Window = field(init=False)
    initial: list[Child] = field(default_factory=list)  # as in the manifest
    children: dict[str, Child] = field(default_factory=dict)  # OTP's list, in start order
    live: int = 0  # how many of them are alive, and how many of their broods
    forget: bool = False  # of a brood that goes down: what is in it does not come back
    keeper: ActorSpec | None = None  # of a brood that has come up: its actor, as it was then
    task: Task | None = None
    inbox: deque[Death | TryAgain | Recycle | Call] = field(default_factory=deque)
    calls: int = 0  # how many calls are in the inbox
    number: int = 0  # of a pool: no instance has had a higher one; 0: not known yet

    def __post_init__(self) -> None:
        self.window = Window(self.spec.intensity, self.spec.period_s)

    @property
    def spec(self) -> SupervisorSpec:
        assert isinstance(self.owner.spec, SupervisorSpec)
        return self.owner.spec

    @property
    def pool(self) -> bool:
        return self.spec.strategy is Strategy.SIMPLE_ONE_FOR_ONE

    @property
    def ending(self) -> bool:
        return self.task is not None and self.task.purpose is Purpose.END

    def known(self) -> list[Child]:
        """Everything to be shown: the initial list first, ended temporary children too."""
        shown = [child for child in self.initial if not child.hidden]
        return shown + [child for child in self.children.values() if child.dynamic]


@dataclass(slots=True, eq=False)
class Batch:
    """Calls the policy makes itself for one of the operator's, which is answered after them."""

    call: int | None
    open: int = 0
    failures: list[str] = field(default_factory=list)
    code: str = ""  # of the first failure
    made: list[str] | None = None  # what has succeeded, to be named beside the failures
    done: str = ""  # the answer if there are none


@dataclass(slots=True, eq=False)
class State:
    root: Child
    dice: Random  # for the backoff's jitter
    children: dict[str, Child] = field(default_factory=dict)  # everything by path
    incarnations: dict[str, int] = field(default_factory=dict)  # the last used, of any path ever
    begun: bool = False
    ended: bool = False
    timers: list[tuple[float, int, Child]] = field(default_factory=list)  # a heap
    timer: int = 0  # the last timer number used
    wake_s: float | None = None  # the last WakeAt
    batches: dict[int, tuple[Batch, str, str]] = field(default_factory=dict)  # see own_call
    own_calls: int = 0  # the policy's own calls have the numbers -1, -2, ...


def initial(
    spec: SupervisorSpec,
    incarnations: Mapping[str, int],
    seed: int = 0,
    spawned: Iterable[ActorSpec] = (),
) -> State:
    """The tree before Start. `incarnations`: the last number used, of every path that ever had
    one; `seed`: of the jitter; `spawned`: by actors in an earlier run, parents first."""
    state = State(
        build(spec, None, from_manifest=True), Random(seed), incarnations=dict(incarnations)
    )
    state.children[spec.path] = state.root
    for child in below(state.root):
        assert child.path not in state.children, f"two children are called {child.path!r}"
        state.children[child.path] = child
        if child.inner is None:
            child.incarnation = state.incarnations.get(child.path, 0)
    for each in spawned:
        parent = state.children.get(addresses.parent(each.path))
        if parent is not None and parent.brood is not None:
            child = state.children[each.path] = build(each, parent.brood)
            child.incarnation = state.incarnations.get(child.path, 0)
            parent.brood.initial.append(child)
    return state


def build(spec: ChildSpec, parent: Node | None, from_manifest: bool = False) -> Child:
    """A child that has never been started, with all that is under it."""
    top = Child(spec, parent, from_manifest=from_manifest)
    stack = [top]
    while stack:
        child = stack.pop()
        if isinstance(child.spec, SupervisorSpec):
            node = child.inner = Node(child)
            node.initial = [
                Child(below, node, from_manifest=from_manifest) for below in child.spec.children
            ]
            stack.extend(node.initial)
        elif may_spawn(child.spec):
            child.brood = new_brood(child)
    return top


def may_spawn(spec: ActorSpec) -> bool:
    return spec.handler(SPAWNS) is not None


def new_brood(keeper: Child) -> Node:
    """The supervisor under an actor, which nobody sees but its children."""
    assert isinstance(keeper.spec, ActorSpec)
    owner = Child(brood_spec(keeper.spec), None, keeper=keeper)
    owner.inner = Node(owner)
    return owner.inner


def brood_spec(actor: ActorSpec) -> SupervisorSpec:
    handler = actor.handler(SPAWNS)
    assert handler is not None
    settings = handler.settings
    defaults = SupervisorSpec(path=actor.path)
    return replace(
        defaults,
        intensity=settings.get("intensity", defaults.intensity),
        period_s=settings.get("period", defaults.period_s),
    )


def below(child: Child) -> Iterator[Child]:
    """Everything under a supervisor, or under an actor that has spawned; parents first."""
    stack = [child]
    while stack:
        each = stack.pop()
        if each is not child:
            yield each
        if each.node:
            stack.extend(reversed(each.node.known()))
