"""Decide whose time comes next. Pure: time comes in as an argument.

Deadlines move with every turn, and few of them ever come. Nothing is searched: for each one who is
watched the heap holds an entry that is not later than the deadline (`alarm_s`), and it is put right
when it comes to the top. Entries that do not count any more are taken out together, when they are
most of the heap.
"""

from __future__ import annotations

import heapq
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    alarm_s: float | None  # kept by Deadlines: the entry that counts

    @property
    def deadline_s(self) -> float | None: ...


T = TypeVar("T", bound=Timed)

STALE_MAX = 64  # entries that do not count, in a heap that is small


class Deadlines(Generic[T]):
    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._count = 0  # so that no two entries compare by what they are about
        self._stale = 0  # entries that do not count

    def watch(self, timed: T) -> None:
        """To be called when a deadline may have become earlier than it was."""
        time_s = timed.deadline_s
        if time_s is None or (timed.alarm_s is not None and timed.alarm_s <= time_s):
            return
        self._stale += timed.alarm_s is not None
        timed.alarm_s = time_s
        self._count += 1
        heapq.heappush(self._heap, (time_s, self._count, timed))
        self._tidy()

    def forget(self, timed: T) -> None:
        """It is gone for good."""
        if timed.alarm_s is not None:
            timed.alarm_s = None
            self._stale += 1
            self._tidy()

    def _tidy(self) -> None:
        if self._stale > STALE_MAX and 2 * self._stale > len(self._heap):
            kept = {id(entry[2]): entry for entry in self._heap if entry[2].alarm_s == entry[0]}
            self._heap = list(kept.values())
            heapq.heapify(self._heap)
            self._stale = 0

    def next_s(self) -> float | None:
        """The first deadline that there is now."""
        while self._heap:
            time_s, _, timed = self._heap[0]
            counts = timed.alarm_s == time_s
            if counts and timed.deadline_s == time_s:
                return time_s
            heapq.heappop(self._heap)
            self._stale -= not counts
            if counts:  # it has moved, or there is none any more
                timed.alarm_s = None
                self.watch(timed)
        return None

    def take(self, now_s: float, most: int | None = None) -> list[T]:
        """Those whose deadline has come, the first `most` of them. They are watched no longer."""
        taken: list[T] = []
        while most is None or len(taken) < most:
            time_s = self.next_s()
            if time_s is None or time_s > now_s:
                break
            timed = heapq.heappop(self._heap)[2]
            timed.alarm_s = None
            taken.append(timed)
        return taken
