"""Have done what actors ask root to do with what they spawn, as `asks` decides.

Manifests are judged by processes of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol, assert_never

from theater.crashpoints import reached
from theater.spec import ActorSpec, SupervisorSpec, SystemSpec
from theater.supervisor import asks, policy
from theater.supervisor.asks import TEXT_MAX, Key
from theater.supervisor.preparer import Judged, Preparation, Wish
from theater.supervisor.stock import Stock
from theater.supervisor.waiter import Waiter

IDLE_S = 5.0  # so long a process that has judged one waits for the next


class Owner(Protocol):
    """What is needed of root."""

    @property
    def state(self) -> policy.State | None: ...
    def now_s(self) -> float: ...
    def call(self, event: policy.Event) -> None: ...
    def tell_broker(self, *message: Any) -> None: ...


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
        self._asks = asks.initial(kept)
        self._judges: list[Preparation] = []

    # What happens

    def take(
        self,
        key: Key,
        function: str,
        arguments: list[Any],
        kept: list[str] | None,
        is_there: bool,
    ) -> None:
        """The broker tells of an ask; see `Asked`."""
        is_new = key not in self._asks.open
        store = None if kept is None else (kept[0], kept[1])
        self._step(asks.Asked(key, function, arguments, store, is_there))
        if is_new and key in self._asks.open:
            reached("root.birth-asked")

    def settled(self, key: Key) -> None:
        self._step(asks.Settled(key))

    def dropped(self, key: Key) -> None:
        self._step(asks.Dropped(key))

    def tell_again(self) -> None:
        """Another broker is there."""
        self._step(asks.Replaced())

    def go_on(self) -> None:
        """Begin what waited for its actor to be started."""
        if self._asks.waiting:
            self._step(asks.Moved())

    def answered(self, reply: policy.Reply) -> bool:
        """The policy has done, or refused, what was asked; whether it was asked here."""
        if reply.call not in self._asks.calls:
            return False
        self._step(asks.Replied(reply.call, reply.ok, reply.text))
        return True

    def forget(self, actor: str) -> None:
        """It is gone for good."""
        self._step(asks.Gone(actor))

    # What is done

    def _step(self, event: asks.Event) -> None:
        for action in asks.step(self._asks, event, self._root.state):
            self._perform(action)

    def _perform(self, action: asks.Action) -> None:
        match action:
            case asks.Judge():
                self._judge(action)
            case asks.Do():
                if isinstance(action.call, policy.AddChild):
                    reached("root.birth-added")
                self._root.call(action.call)
            case asks.Answer():
                if action.born:
                    reached("root.birth-answered")
                self._root.tell_broker("child_answer", *action.key, action.value)
            case asks.Forget():
                self._root.tell_broker("remove", action.path, action.reason)
            case _:
                assert_never(action)

    def _judge(self, action: asks.Judge) -> None:
        def done(answer: Judged | dict[str, Any]) -> None:
            if isinstance(answer, dict):
                text = f"refused: {answer['error'][:TEXT_MAX]}"
                self._step(asks.Misjudged(action.key, text))
                return
            assert isinstance(answer, tuple) and isinstance(answer[0], ActorSpec)
            reached("root.birth-judged")
            self._step(asks.Judged(action.key, answer[0]))

        judge = next((each for each in self._judges if each.is_idle()), None)
        try:
            judge = judge or self._new_judge()
        except OSError as error:
            text = f"failed: no process can be started to read it ({error.strerror})"
            self._step(asks.Misjudged(action.key, text))
        else:
            wish = Wish("", None, self._system, self._data, birth=action.birth)
            judge.judge(wish, done)

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

    # The processes that judge

    def prepares(self) -> bool:
        """Whether components may arrive that nothing in the tree names yet."""
        return any(not each.is_idle() for each in self._judges)

    def kept(self) -> Iterable[ActorSpec]:
        """What is not in the tree before its actor is started, and is not gone."""
        return self._asks.kept.values()

    def components(self) -> set[str]:
        """The hashes of what is to be started when its actor is."""
        return {spec.component_sha256 for spec in self.kept()}

    @property
    def due_s(self) -> float | None:
        return min((each.due_s for each in self._judges), default=None)

    def hurry(self) -> None:
        for judge in list(self._judges):
            judge.hurry()

    def pids(self) -> set[int]:
        return {each.helper.pid for each in self._judges}

    def close(self) -> None:
        self._asks.to_judge.clear()
        for judge in list(self._judges):
            judge.close()
