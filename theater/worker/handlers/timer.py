"""Handler `timer`: set and clear timers, and what time it is.

A timer is set when its step commits, and its tick is made by the broker. Here is only which timers
there are: told by the broker when the worker is born, and from then on changed by nothing but what
the guest does and the turns that it runs, so that both always know the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from theater.calls import CLEAR, SET_INTERVAL, SET_TIMEOUT, TIMER
from theater.capabilities.timer import MAX_TIMERS, why_not
from theater.worker.handlers import Handler


class Timers(Handler):
    interface = TIMER

    def __init__(
        self,
        settings: dict[str, Any],
        takes_ticks: Callable[[], bool],
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """`takes_ticks`: whether the component has an export for them."""
        self._max_timers = settings.get("max_timers", MAX_TIMERS)
        self._takes_ticks = takes_ticks
        self._wall_ns = wall_ns
        self._timers: dict[str, bool] = {}  # whether it goes off once, by name
        self._ticking: str | None = None  # the timer whose tick this turn is, as it was set then

    def call(self, function: str, arguments: list[Any]) -> Any:
        match function:
            case "now":
                return max(0, self._wall_ns() // 1_000_000)
            case "set-interval" | "set-timeout":
                return self._why_not(function, *arguments) or self._set(function, arguments[0])
            case "clear-interval":
                self._clear(arguments[0])
                return {"ok": None}
        raise LookupError(function)

    def _why_not(self, function: str, name: str, after_ms: int) -> dict[str, str] | None:
        wrong = why_not(function, name, after_ms)
        if wrong is None and not self._takes_ticks():
            wrong = "refused: the component does not export theater:simple/timer-client"
        if wrong is None and name not in self._timers and len(self._timers) >= self._max_timers:
            wrong = f"refused: there are {len(self._timers)} timers, and max_timers is"
            wrong = f"{wrong} {self._max_timers}"
        return None if wrong is None else {"err": wrong}

    def _set(self, function: str, name: str) -> dict[str, str]:
        self._clear(name)
        self._timers[name] = function == SET_TIMEOUT
        return {"ok": name}

    def _clear(self, name: str) -> None:
        """One that there is not is cleared too: who clears one that goes off once cannot know."""
        self._timers.pop(name, None)
        if self._ticking == name:
            self._ticking = None

    def replayed(self, function: str, arguments: list[Any], answer: Any) -> None:
        """This call is committed, and the broker has told what came of it."""
        is_done = function in (SET_INTERVAL, SET_TIMEOUT, CLEAR) and "ok" in answer
        if is_done and self._ticking == arguments[0]:
            self._ticking = None

    # Turns

    def begin(self, name: str | None) -> None:
        """A turn begins. `name`: of the timer whose tick it is about."""
        self._ticking = name

    def end(self) -> None:
        """The turn has ended: what goes off once has done so."""
        if self._ticking is not None and self._timers.get(self._ticking) is True:
            del self._timers[self._ticking]
        self._ticking = None

    # The broker

    def stand(self, timers: list[list[Any]]) -> None:
        """(name, whether it goes off once) of those that are set as far as is committed."""
        self._timers = {name: once for name, once in timers}
