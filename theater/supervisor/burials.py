"""Dead workers: the policy hears of each from the broker, which looks at its turn first.

A death that the broker has not answered is owed, and told to the next one too.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Iterator
from typing import Protocol

from theater.crashpoints import reached
from theater.paths import box_name
from theater.supervisor import policy, view
from theater.supervisor.broker import Broker
from theater.supervisor.orders import ExitKind


class Owner(Protocol):
    """What burials need of root."""

    news: deque[policy.Event]
    state: policy.State | None

    def now_s(self) -> float: ...


class Burials:
    """`boxes`: the directory of the workers' black boxes."""

    def __init__(self, root: Owner, broker: Broker, boxes: str) -> None:
        self._root = root
        self._broker = broker
        self._boxes = boxes
        # Told to the broker and not answered yet, and whether the policy had asked for the end.
        self._owed: dict[str, tuple[policy.Exited, bool]] = {}

    def bury(self, exited: policy.Exited, wanted: bool) -> None:
        """A worker is dead."""
        if self._broker.pid is None:
            self._leave(exited, wanted)
            return
        self._owed[exited.child] = exited, wanted
        self._tell(exited, wanted)

    def owed(self) -> Iterator[policy.Exited]:
        return (exited for exited, _ in self._owed.values())

    def buried(self, name: str, incarnation: int, kind: str, reason: str, ignored: bool) -> None:
        """What the broker has found, and is in the log."""
        reached("root.buried")
        self._owed.pop(name, None)
        self._broker.answered(("buried", name))
        self._root.news.append(policy.Exited(name, incarnation, ExitKind(kind), reason, ignored))

    def tell_again(self) -> None:
        """Another broker is there."""
        for exited, wanted in self._owed.values():
            self._tell(exited, wanted)

    def leave_all(self) -> None:
        """There will be no other broker."""
        for exited, wanted in self._owed.values():
            self._leave(exited, wanted)
        self._owed.clear()

    def _tell(self, exited: policy.Exited, wanted: bool) -> None:
        name, incarnation, kind = exited.child, exited.incarnation, exited.kind.value
        state = self._root.state
        by_others = state is not None and view.was_stopped_by_others(state, name)
        message = ("exited", name, incarnation, kind, exited.reason, wanted, by_others)
        self._broker.ask(("buried", name), self._root.now_s(), *message)

    def _leave(self, exited: policy.Exited, wanted: bool) -> None:
        """There is no broker that could look at its turn: the next `up` does, by its black box.
        One that was stopped is not to blame, and is not to be judged."""
        if wanted:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self._boxes, box_name(exited.child, exited.incarnation)))
        self._root.news.append(exited)
