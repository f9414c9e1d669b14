"""Decide what becomes of what actors ask to have done with what they spawn. Pure.

An ask is named by (actor, turn, index) for ever, and what it asks for is done once, however often
it is told: the broker tells of it when it is committed, and each new broker tells again of those
that are open. What is answered is kept until the broker has it. A child that is in the tree, or was
when the last system ended, says which ask it came from.

| an ask for a child     | then                                                                |
|------------------------|---------------------------------------------------------------------|
| is told                | it waits until its actor's brood is up                              |
| has a child already    | that one is added to the tree                                       |
| has none               | its manifest is judged, of at most `AT_ONCE` at a time              |
| is judged              | the child has an address that nobody has had, and is added          |
| is added               | it is answered when that has started, or has not                    |
| is dropped before      | nothing is begun for it any more                                    |
| loses its actor before | so too: nobody waits for it                                         |
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, assert_never

from theater import addresses
from theater.calls import BORN, WAITS, code_given
from theater.spec import ActorSpec
from theater.supervisor import view
from theater.supervisor.offspring import Birth, born
from theater.supervisor.orders import AddChild, RestartChild, StopChild
from theater.supervisor.tree import State

AT_ONCE = 2  # manifests that are judged; each may compile
FIRST_CALL = 1 << 40  # of the numbers of calls here; those of the desk are smaller
TEXT_MAX = 2000  # characters of an error that a guest is told

Key = tuple[str, int, int]  # actor, turn, index of the event that asks


def key_of(spec: ActorSpec) -> Key:
    assert spec.spawned is not None
    return (addresses.parent(spec.path), *spec.spawned)


# What happens


@dataclass(frozen=True, slots=True)
class Asked:
    """The broker has committed an ask, or is a new one and tells of it again.

    `kept`: the store and the hash of the manifest, if it is in one; `is_there`: who is born of it.
    """

    key: Key
    function: str
    arguments: list[Any]
    kept: tuple[str, str] | None = None
    is_there: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """The broker has the answer, or nobody wants it any more."""

    key: Key


@dataclass(frozen=True, slots=True)
class Dropped:
    """Its turn has been set aside, or waits no longer. What has begun goes on."""

    key: Key


@dataclass(frozen=True, slots=True)
class Replaced:
    """There is another broker. It tells of what is open, and of nothing else."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The tree may be another."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Its manifest is one that its actor may have spawned. The address is the wanted one."""

    key: Key
    spec: ActorSpec


@dataclass(frozen=True, slots=True)
class Misjudged:
    """It is none, or could not be judged."""

    key: Key
    error: str


@dataclass(frozen=True, slots=True)
class Replied:
    """The policy has done what it was called for, or has not."""

    call: int
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Gone:
    """This actor is gone for good."""

    actor: str


Event = Asked | Settled | Dropped | Replaced | Moved | Judged | Misjudged | Replied | Gone


# What is to be done


@dataclass(frozen=True, slots=True)
class Judge:
    key: Key
    birth: Birth


@dataclass(frozen=True, slots=True)
class Do:
    """The policy has to do this, which is replied to."""

    call: AddChild | StopChild | RestartChild


@dataclass(frozen=True, slots=True)
class Answer:
    """The broker has to know. `born`: a child was added for it."""

    key: Key
    value: dict[str, Any]
    born: bool = False


@dataclass(frozen=True, slots=True)
class Forget:
    """Who is at this address is gone for good, and was never in the tree."""

    path: str
    reason: str


Action = Judge | Do | Answer | Forget


# The state


@dataclass(slots=True)
class Ask:
    """One that is not answered yet. `child`: the one it is about, once that is known."""

    function: str
    arguments: list[Any]
    kept: tuple[str, str] | None
    child: str = ""
    begun: bool = False
    dropped: bool = False  # nobody waits for it any more


@dataclass(slots=True)
class Asks:
    """Mutable on purpose, as the tree is, and owned by `step`.

    `kept`: what was spawned for an ask that the last system did not come to answer.
    """

    kept: dict[Key, ActorSpec]
    open: dict[Key, Ask] = field(default_factory=dict)
    answers: dict[Key, dict[str, Any]] = field(default_factory=dict)  # not known to be heard
    calls: dict[int, Key] = field(default_factory=dict)
    next_call: int = FIRST_CALL
    numbers: dict[str, int] = field(default_factory=dict)  # the last free one, by wanted address
    to_judge: deque[Key] = field(default_factory=deque)
    judging: int = 0
    waiting: dict[Key, None] = field(default_factory=dict)  # until their actors are started


def initial(kept: Iterable[ActorSpec] = ()) -> Asks:
    return Asks({key_of(spec): spec for spec in kept})


def step(asks: Asks, event: Event, tree: State | None) -> list[Action]:
    """`tree`: as the policy has it; None: it has begun nothing yet."""
    it = _Step(asks, tree)
    match event:
        case Asked():
            it.asked(event)
        case Settled(key):
            asks.answers.pop(key, None)
        case Dropped(key):
            it.dropped(key)
        case Replaced():
            it.out += [Answer(key, value) for key, value in asks.answers.items()]
        case Moved():
            it.moved()
        case Judged(key, spec):
            asks.judging -= 1
            it.judged(key, spec)
            it.judge_next()
        case Misjudged(key, error):
            asks.judging -= 1
            if asks.open[key].dropped:
                it.drop(key)
            else:
                it.answer(key, {"err": error})
            it.judge_next()
        case Replied():
            it.replied(event)
        case Gone(actor):
            it.gone(actor)
        case _:
            assert_never(event)
    return it.out


class _Step:
    def __init__(self, asks: Asks, tree: State | None) -> None:
        self._asks = asks
        self._tree = tree
        self.out: list[Action] = []

    def asked(self, event: Asked) -> None:
        asks, key = self._asks, event.key
        if key in asks.answers:
            self.out.append(Answer(key, asks.answers[key]))
        elif key in asks.open:
            pass
        elif event.is_there and event.function == WAITS and key not in asks.kept:
            pass  # it has been told that it runs: it is its end that is waited for
        else:
            asks.open[key] = Ask(event.function, event.arguments, event.kept)
            asks.waiting[key] = None

    def dropped(self, key: Key) -> None:
        asks = self._asks
        ask = asks.open.get(key)
        if ask is None or ask.begun or ask.function not in BORN or key in asks.kept:
            return
        ask.dropped = True
        if key in asks.waiting or key in asks.to_judge:
            asks.to_judge = deque(each for each in asks.to_judge if each != key)
            self.drop(key)

    def moved(self) -> None:
        for key in list(self._asks.waiting) if self._tree is not None else ():
            assert self._tree is not None
            if view.has_brood(self._tree, key[0]):
                del self._asks.waiting[key]
                self._begin(key, self._asks.open[key])

    def _begin(self, key: Key, ask: Ask) -> None:
        if ask.function in BORN:
            kept = self._asks.kept.pop(key, None)
            if kept is not None:
                self._add(key, kept)
            elif (refused := self._has_too_many(key[0])) is not None:
                self.answer(key, {"err": refused})
            else:
                self._asks.to_judge.append(key)
                self.judge_next()
            return
        ask.child = ask.arguments[0]
        made = StopChild if ask.function == "stop-child" else RestartChild
        self.out.append(Do(made(ask.child, self._number(key), by_parent=True)))

    def _has_too_many(self, parent: str) -> str | None:
        assert self._tree is not None
        coming = (ask.child for ask in self._asks.open.values() if ask.begun)
        refused = view.too_many(self._tree, parent, coming)
        return None if refused is None else f"refused: {refused}"

    def _number(self, key: Key) -> int:
        number = self._asks.next_call
        self._asks.next_call += 1
        self._asks.calls[number] = key
        return number

    # Judging

    def judge_next(self) -> None:
        asks, tree = self._asks, self._tree
        while asks.to_judge and asks.judging < AT_ONCE:
            key = asks.to_judge.popleft()
            ask = asks.open[key]
            assert tree is not None
            if view.spec_of(tree, key[0]) is None:
                self.drop(key)
                continue
            parent, code = view.actor_spec(tree, key[0]), code_given(ask.arguments)
            asks.judging += 1
            self.out.append(Judge(key, Birth(parent, ask.arguments[0], ask.kept, code)))

    def judged(self, key: Key, spec: ActorSpec) -> None:
        asks, tree, parent = self._asks, self._tree, key[0]
        ask = asks.open[key]
        assert tree is not None
        if ask.dropped or view.spec_of(tree, parent) is None:
            self.drop(key)
            return
        if not view.has_brood(tree, parent):  # it goes down meanwhile: its next start goes on
            asks.waiting[key] = None
            return
        number = asks.numbers.get(spec.path, 1)
        path, asks.numbers[spec.path] = view.free_address(tree, spec.path, number)
        if (too_long := addresses.check_address(path)) is not None:
            self.answer(key, {"err": f"refused: {too_long}"})
        elif (refused := self._has_too_many(parent)) is not None:
            self.answer(key, {"err": refused})
        else:
            state, resumed = ask.arguments[1], ask.function == "resume"
            self._add(key, born(spec, path, key[1:], state, resumed))

    def _add(self, key: Key, spec: ActorSpec) -> None:
        ask = self._asks.open[key]
        ask.child, ask.begun = spec.path, True
        self.out.append(Do(AddChild(key[0], spec, self._number(key))))

    # Answers

    def replied(self, reply: Replied) -> None:
        key = self._asks.calls.pop(reply.call)
        ask = self._asks.open[key]
        if not reply.ok and not self._is_born(ask):
            self.answer(key, {"err": f"failed: {reply.text[:TEXT_MAX]}"})
        else:
            self.answer(key, {"ok": ask.child if ask.function in BORN else None})

    def _is_born(self, ask: Ask) -> bool:
        """Whether it is there all the same: its supervisor was stopped while it started, and comes
        up with it."""
        if ask.function not in BORN or self._tree is None:
            return False
        return view.spec_of(self._tree, ask.child) is not None

    def answer(self, key: Key, value: dict[str, Any]) -> None:
        begun = self._asks.open.pop(key).begun
        self._asks.answers[key] = value
        self.out.append(Answer(key, value, begun))

    def drop(self, key: Key) -> None:
        """Its actor is gone, and the ask with it."""
        del self._asks.open[key]
        self._asks.waiting.pop(key, None)

    def gone(self, actor: str) -> None:
        """Nobody waits for what it has asked."""
        for key in [key for key in self._asks.waiting if key[0] == actor]:
            self.drop(key)
        for key in [key for key in self._asks.kept if key[0] == actor]:
            spec = self._asks.kept.pop(key)
            self.out.append(Forget(spec.path, "the actor that spawned it has ended"))
