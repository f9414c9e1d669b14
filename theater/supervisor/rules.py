"""OTP's rules as tables: who is restarted, in which order, and how often."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import dropwhile
from typing import TypeVar, assert_never

from theater.spec import Backoff, Restart, Strategy
from theater.supervisor.orders import ExitKind

T = TypeVar("T")

# supervisor.erl, do_restart: may a child that ended by itself be started again?
RESTARTS: dict[tuple[Restart, ExitKind], bool] = {
    (Restart.PERMANENT, ExitKind.NORMAL): True,
    (Restart.PERMANENT, ExitKind.SHUTDOWN): True,
    (Restart.PERMANENT, ExitKind.CRASH): True,
    (Restart.TRANSIENT, ExitKind.NORMAL): False,
    (Restart.TRANSIENT, ExitKind.SHUTDOWN): False,
    (Restart.TRANSIENT, ExitKind.CRASH): True,
    (Restart.TEMPORARY, ExitKind.NORMAL): False,
    (Restart.TEMPORARY, ExitKind.SHUTDOWN): False,
    (Restart.TEMPORARY, ExitKind.CRASH): False,
}


def group(strategy: Strategy, children: Iterable[T], dead: T) -> tuple[list[T], list[T]]:
    """What a restart of `dead` takes: whom to stop and whom to start, each in its order.

    `children` is everything under the supervisor in start order. The dead child is never in
    the first list and always in the second. Both hold also children that are down: a group
    restart revives what had ended or been stopped, and forgets what is temporary.
    """
    match strategy:
        case Strategy.ONE_FOR_ONE | Strategy.SIMPLE_ONE_FOR_ONE:
            return [], [dead]
        case Strategy.ONE_FOR_ALL:
            order = list(children)
            return [child for child in reversed(order) if child is not dead], order
        case Strategy.REST_FOR_ONE:
            order = list(dropwhile(lambda child: child is not dead, children))
            return order[:0:-1], order
        case _:
            assert_never(strategy)


def delay_s(backoff: Backoff, tries: int, dice: float) -> float:
    """How long to wait before restart number `tries` (from 1) in a row.

    `dice`, from -1 to 1, is multiplied by the jitter; `max_s` is never exceeded.
    """
    try:
        delay = backoff.base_s * backoff.factor ** (tries - 1)
    except OverflowError:
        delay = backoff.max_s
    return min(backoff.max_s, min(backoff.max_s, delay) * (1.0 + backoff.jitter * dice))


@dataclass(slots=True)
class Window:
    """Counts restarts in a sliding window: `intensity` of them within `period_s` are allowed.

    As supervisor.erl's add_restart, except that stamps are not cut to whole seconds: an
    earlier one counts while now - stamp <= period. Nothing but age removes a stamp.
    """

    intensity: int
    period_s: float
    stamps: deque[float] = field(default_factory=deque)

    def left(self, now_s: float) -> int:
        """How many restarts would be allowed now."""
        old = 0
        for stamp in self.stamps:
            if now_s - stamp <= self.period_s:
                break
            old += 1
        return max(0, self.intensity - (len(self.stamps) - old))  # fewer since a reload

    def take(self, now_s: float) -> bool:
        """Count one restart, before it is made. False: it is one too many, and not counted."""
        while self.stamps and now_s - self.stamps[0] > self.period_s:
            self.stamps.popleft()
        if len(self.stamps) >= self.intensity:
            return False
        self.stamps.append(now_s)
        return True
