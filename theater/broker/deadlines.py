"""Decide whose time comes next. Pure: time comes in as an argument.

Deadlines move with every turn, and few of them ever come. Nothing is searched and nothing is taken
out: for each one who is watched the heap holds an entry that is not later than the deadline
(`alarm_s`), and it is put right when it comes to the top.
"""

from __future__ import annotations

import heapq
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    alarm_s: float | None  # kept by Deadlines: the entry that counts

    @property
    def deadline_s(self) -> float | None: ...


T = TypeVar("T", bound=Timed)


class Deadlines(Generic[T]):
    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._count = 0  # so that no two entries compare by what they are about

    def watch(self, timed: T) -> None:
        """To be called when a deadline may have become earlier than it was."""
        time_s = timed.deadline_s
        if time_s is None or (timed.alarm_s is not None and timed.alarm_s <= time_s):
            return
        timed.alarm_s = time_s
        self._count += 1
        heapq.heappush(self._heap, (time_s, self._count, timed))

    def next_s(self) -> float | None:
        """The first deadline that there is now."""
        while self._heap:
            time_s, _, timed = self._heap[0]
            counts = timed.alarm_s == time_s
            if counts and timed.deadline_s == time_s:
                return time_s
            heapq.heappop(self._heap)
            if counts:  # it has moved, or there is none any more
                timed.alarm_s = None
                self.watch(timed)
        return None

    def take(self, now_s: float) -> list[T]:
        """Those whose deadline has come. They are watched no longer."""
        taken: list[T] = []
        while True:
            time_s = self.next_s()
            if time_s is None or time_s > now_s:
                return taken
            timed = heapq.heappop(self._heap)[2]
            timed.alarm_s = None
            taken.append(timed)
