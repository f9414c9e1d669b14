"""What actors ask root to do with what they spawn, each ask once: however often it is told.

An ask is named by (actor, turn, index) for ever. The broker tells of it when it is committed, and
each new broker tells again of those that are open; what root has answered it keeps until the broker
has it. A child that is in the tree, or was when the last system ended, says which ask it came from.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from theater import addresses
from theater.calls import BORN, WAITS, code_given
from theater.crashpoints import reached
from theater.spec import ActorSpec, ChildSpec, SupervisorSpec, SystemSpec
from theater.supervisor import policy, view
from theater.supervisor.offspring import Birth, born
from theater.supervisor.preparer import Judged, Preparation, Wish
from theater.supervisor.stock import Stock
from theater.supervisor.waiter import Waiter

AT_ONCE = 2  # manifests that are judged; each may compile
IDLE_S = 5.0  # so long a process that has judged one waits for the next
FIRST_CALL = 1 << 40  # of the numbers of calls here; those of the desk are smaller
TEXT_MAX = 2000  # characters of an error that a guest is told

Key = tuple[str, int, int]  # actor, turn, index of the event that asks


class Owner(Protocol):
    """What is needed of root."""

    @property
    def state(self) -> policy.State | None: ...
    def now_s(self) -> float: ...
    def call(self, event: policy.Event) -> None: ...
    def tell_broker(self, *message: Any) -> None: ...


@dataclass(slots=True)
class Ask:
    """One that is not answered yet. `child`: the one it is about, once that is known."""

    function: str
    arguments: list[Any]
    kept: tuple[str, str] | None  # the store and the hash of the manifest, if it is in one
    child: str = ""
    begun: bool = False
    dropped: bool = False  # nobody waits for it any more


class Spawning:
    """`kept`: what was spawned for an ask that the last system did not come to answer."""

    def __init__(
        self,
        root: Owner,
        waiter: Waiter,
        stock: Stock,
        system: SystemSpec,
        data: str,
        internal_log: int,
        kept: Iterable[ActorSpec],
    ) -> None:
        self._root = root
        self._waiter = waiter
        self._stock = stock
        self._system = replace(system, root=SupervisorSpec(path=""))
        self._data = data
        self._internal_log = internal_log
        self.kept = {key_of(spec): spec for spec in kept}
        self._asks: dict[Key, Ask] = {}
        self._answers: dict[Key, Any] = {}  # said, and not known to have been heard
        self._calls: dict[int, Key] = {}
        self._next = FIRST_CALL
        self._numbers: dict[str, int] = {}  # the last that was free, by address without one
        self._to_judge: deque[Key] = deque()
        self._judges: list[Preparation] = []
        self._waiting: set[Key] = set()  # until their actors are started

    # What is asked

    def take(
        self,
        key: Key,
        function: str,
        arguments: list[Any],
        kept: list[str] | None,
        is_there: bool = False,
    ) -> None:
        """The broker has committed an ask, or is a new one and tells of it again.

        `is_there`: who is born of it. If it has been told so, it is its end that is waited for.
        """
        if key in self._answers:
            self._say(key)
        elif is_there and function == WAITS and key not in self.kept:
            pass
        elif key not in self._asks:
            store = None if kept is None else (kept[0], kept[1])
            self._asks[key] = Ask(function, arguments, store)
            self._waiting.add(key)
            reached("root.birth-asked")

    def settled(self, key: Key) -> None:
        """The broker has the answer, or nobody wants it any more."""
        self._answers.pop(key, None)

    def dropped(self, key: Key) -> None:
        """Its turn has been set aside. What has begun goes on; nothing is begun for it."""
        ask = self._asks.get(key)
        if ask is None or ask.begun or ask.function not in BORN or key in self.kept:
            return
        ask.dropped = True
        if key in self._waiting or key in self._to_judge:
            self._to_judge = deque(each for each in self._to_judge if each != key)
            self._drop(key)

    def go_on(self) -> None:
        """Begin what waited for its actor to be started."""
        if not self._waiting or self._root.state is None:
            return
        for key in list(self._waiting):
            if view.has_brood(self._root.state, key[0]):
                self._waiting.discard(key)
                self._begin(key, self._asks[key])

    def _begin(self, key: Key, ask: Ask) -> None:
        if ask.function in BORN:
            kept = self.kept.pop(key, None)
            if kept is not None:
                self._add(key, kept)
            elif (refused := self._has_too_many(key[0])) is not None:
                self._answer(key, {"err": refused})
            else:
                self._to_judge.append(key)
                self._judge_next()
            return
        ask.child = ask.arguments[0]
        number = self._number(key)
        stop = ask.function == "stop-child"
        made = policy.StopChild if stop else policy.RestartChild
        self._root.call(made(ask.child, number, by_parent=True))

    def _has_too_many(self, parent: str) -> str | None:
        assert self._root.state is not None
        coming = (ask.child for ask in self._asks.values() if ask.begun)
        refused = view.too_many(self._root.state, parent, coming)
        return None if refused is None else f"refused: {refused}"

    def _number(self, key: Key) -> int:
        number = self._next
        self._next += 1
        self._calls[number] = key
        return number

    # Judging

    def _judge_next(self) -> None:
        while self._to_judge:
            judge = next((each for each in self._judges if each.is_idle()), None)
            if judge is None and len(self._judges) == AT_ONCE:
                return
            self._judge(self._to_judge.popleft(), judge)

    def _judge(self, key: Key, judge: Preparation | None) -> None:
        ask, state = self._asks[key], self._root.state
        assert state is not None
        if view.spec_of(state, key[0]) is None:
            self._drop(key)
            return
        parent = view.actor_spec(state, key[0])
        birth = Birth(parent, ask.arguments[0], ask.kept, code_given(ask.arguments))

        def done(answer: Judged | dict[str, Any]) -> None:
            if self._asks[key].dropped:
                self._drop(key)
            elif isinstance(answer, dict):
                self._answer(key, {"err": f"refused: {answer['error'][:TEXT_MAX]}"})
            else:
                assert isinstance(answer, tuple)
                self._judged(key, answer[0])
            self._judge_next()

        try:
            judge = judge or self._new_judge()
        except OSError as error:
            text = f"failed: no process can be started to read it ({error.strerror})"
            self._answer(key, {"err": text})
        else:
            judge.judge(Wish("", None, self._system, self._data, birth=birth), done)

    def _new_judge(self) -> Preparation:
        def closed() -> None:
            self._judges.remove(judge)

        judge = Preparation(
            self._waiter,
            self._internal_log,
            self._root.now_s,
            self._stock.take,
            closed,
            idle_s=IDLE_S,
        )
        self._judges.append(judge)
        return judge

    def _judged(self, key: Key, spec: ChildSpec) -> None:
        state, parent = self._root.state, key[0]
        assert state is not None and isinstance(spec, ActorSpec)
        reached("root.birth-judged")
        if view.spec_of(state, parent) is None:
            self._drop(key)
            return
        if not view.has_brood(state, parent):  # it goes down meanwhile: its next start goes on
            self._waiting.add(key)
            return
        number = self._numbers.get(spec.path, 1)
        path, self._numbers[spec.path] = view.free_address(state, spec.path, number)
        if (too_long := addresses.check_address(path)) is not None:
            self._answer(key, {"err": f"refused: {too_long}"})
        elif (refused := self._has_too_many(parent)) is not None:
            self._answer(key, {"err": refused})
        else:
            ask = self._asks[key]
            self._add(key, born(spec, path, key[1:], ask.arguments[1], ask.function == "resume"))

    def _add(self, key: Key, spec: ActorSpec) -> None:
        ask = self._asks[key]
        ask.child, ask.begun = spec.path, True
        reached("root.birth-added")
        self._root.call(policy.AddChild(key[0], spec, self._number(key)))

    # Answers

    def answered(self, reply: policy.Reply) -> bool:
        """The policy has done, or refused, what was asked; whether it was asked here."""
        key = self._calls.pop(reply.call, None)
        if key is None:
            return False
        ask = self._asks[key]
        if not reply.ok:
            self._answer(key, {"err": f"failed: {reply.text[:TEXT_MAX]}"})
        else:
            self._answer(key, {"ok": ask.child if ask.function in BORN else None})
        return True

    def _answer(self, key: Key, value: dict[str, Any]) -> None:
        if self._asks.pop(key).begun:
            reached("root.birth-answered")
        self._answers[key] = value
        self._say(key)

    def _say(self, key: Key) -> None:
        self._root.tell_broker("child_answer", *key, self._answers[key])

    def _drop(self, key: Key) -> None:
        """Its actor is gone, and the ask with it."""
        del self._asks[key]
        self._waiting.discard(key)

    def forget(self, actor: str) -> None:
        """It is gone for good: nobody waits for what it has asked."""
        for key in [key for key in self._waiting if key[0] == actor]:
            self._drop(key)
        for key in [key for key in self.kept if key[0] == actor]:
            spec = self.kept.pop(key)
            self._root.tell_broker("remove", spec.path, "the actor that spawned it has ended")

    # The processes that judge

    def prepares(self) -> bool:
        """Whether components may arrive that nothing in the tree names yet."""
        return any(not each.is_idle() for each in self._judges)

    def components(self) -> set[str]:
        """The hashes of what is to be started when its actor is."""
        return {spec.component_sha256 for spec in self.kept.values()}

    @property
    def due_s(self) -> float | None:
        return min((each.due_s for each in self._judges), default=None)

    def hurry(self) -> None:
        for judge in list(self._judges):
            judge.hurry()

    def pids(self) -> set[int]:
        return {each.helper.pid for each in self._judges}

    def close(self) -> None:
        self._to_judge.clear()
        for judge in list(self._judges):
            judge.close()


def key_of(spec: ActorSpec) -> Key:
    assert spec.spawned is not None
    return (addresses.parent(spec.path), *spec.spawned)
