"""The handler `timer`: ticks at a time, once or again and again, and what time it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theater.calls import CLEAR, SET_INTERVAL, SET_TIMEOUT, TIMER, TIMER_CLIENT
from theater.capabilities.capability import (
    NEW_STATE,
    STATE,
    Call,
    HandlerType,
    HeardFrom,
    Setting,
    Usage,
    Wrong,
)
from theater.quoting import described

MAX_TIMERS = 1000  # of an actor at once, unless its manifest says otherwise
MOST_TIMERS = 100_000  # that it may say: each is a row, and a message when it goes off
NAME_MAX = 255  # bytes of a timer's name
INTERVAL_MIN_MS = 10
# The largest number of which every language's numbers hold each one below: 285,000 years.
DELAY_MAX_MS = (1 << 53) - 1


def why_not(function: str, name: str, after_ms: int) -> str | None:
    """Why no timer can be set so; None: it can. For whoever is asked, and whoever checks that."""
    size = len(name.encode())
    if not 0 < size <= NAME_MAX:
        return f"refused: the name of a timer has 1 to {NAME_MAX} bytes, and not {size}"
    if function == SET_INTERVAL and after_ms < INTERVAL_MIN_MS:
        return f"refused: an interval of {after_ms} ms; {INTERVAL_MIN_MS} ms is the shortest"
    if after_ms > DELAY_MAX_MS:
        return f"refused: {after_ms} ms are too long; {DELAY_MAX_MS} ms are the longest"
    return None


def _check_max_timers(value: object) -> Wrong:
    if type(value) is not int or not 1 <= value <= MOST_TIMERS:
        text = f"found {described(value)}; must be a whole number from 1 to {MOST_TIMERS}"
        return [((), text)]
    return []


class Timers(Usage):
    """Which timers were set, by their names: an actor never has more at once than it has named."""

    def __init__(self, heard_from: HeardFrom) -> None:
        super().__init__(heard_from)
        self._named: dict[str, set[str]] = {}  # by actor
        self._left = MAX_TIMERS  # names that are still told apart
        self._more = False

    def call(self, call: Call) -> bool:
        is_set = call.function in (SET_INTERVAL, SET_TIMEOUT)
        is_done = isinstance(call.answer, dict) and "ok" in call.answer
        name = call.arguments[0] if call.arguments else None
        known = self._named.setdefault(call.actor, set())
        if is_set and is_done and isinstance(name, str) and name not in known:
            self._more |= not self._left
            if self._left:
                self._left -= 1
                known.add(name)
        return True

    def settings(self, granted: Mapping[str, Any]) -> dict[str, Any] | None:
        most = granted.get("max_timers", MAX_TIMERS)
        named = max(map(len, self._named.values()), default=0)
        return dict(granted) if self._more else {"max_timers": max(1, min(named, most))}

    def _names(self) -> list[str]:
        return sorted(set().union(*self._named.values()))

    def told(self) -> list[str]:
        names = self._names()
        return [f"set {', '.join(names)}{' and others' if self._more else ''}"] if names else []

    def facts(self) -> dict[str, Any]:
        return {"timers": self._names(), "others": self._more}


def within(child: Mapping[str, Any], parent: Mapping[str, Any]) -> str | None:
    """See HandlerType."""
    most, granted = (each.get("max_timers", MAX_TIMERS) for each in (child, parent))
    return f"max_timers is {most}, of {granted}" if most > granted else None


HANDLER = HandlerType(
    description="Ticks at a time, once or again and again, and what time it is.",
    imports={
        TIMER: {
            SET_INTERVAL: "func(name: string, interval-ms: u64) -> result<string, string>",
            CLEAR: "func(name: string) -> result<_, string>",
            SET_TIMEOUT: "func(name: string, delay-ms: u64) -> result<string, string>",
            "now": "func() -> u64",
        }
    },
    exports={TIMER_CLIENT: {"handle-tick": f"func({STATE}, params: tuple<string>) -> {NEW_STATE}"}},
    settings={
        "max_timers": Setting(
            _check_max_timers,
            "So many timers an actor may have at once.",
            {"type": "integer", "minimum": 1, "maximum": MOST_TIMERS, "default": MAX_TIMERS},
        )
    },
    usage=Timers,
    within=within,
)
