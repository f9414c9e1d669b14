"""The handler `runtime`: who am I, say something, read my chain, stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgpack

from theater.calls import RUNTIME
from theater.capabilities.capability import (
    CHAIN_EVENT,
    Call,
    HandlerType,
    HeardFrom,
    Setting,
    Usage,
    Wrong,
)
from theater.events import CHAIN_CODE
from theater.quoting import described

MAX_EVENTS = 1000  # where nothing else is said
MAX_EVENTS_MAX = 1_000_000


def _check_max_events(value: object) -> Wrong:
    if type(value) is not int or not 1 <= value <= MAX_EVENTS_MAX:
        allowed = f"must be a whole number from 1 to {MAX_EVENTS_MAX}"
        return [((), f"found {described(value)}; {allowed}")]
    return []


class Runtime(Usage):
    """How much of its chain an actor has been shown."""

    def __init__(self, heard_from: HeardFrom) -> None:
        super().__init__(heard_from)
        self._shown = 0

    def call(self, call: Call) -> bool:
        if call.function == "get-chain":
            self._shown = max(self._shown, _events_in(call.answer))
        return True

    def settings(self, granted: Mapping[str, Any]) -> dict[str, Any] | None:
        # Where nothing is said the default holds, and was enough.
        return {"max_events": max(1, self._shown)} if "max_events" in granted else {}

    def told(self) -> list[str]:
        return [f"at most {self._shown:,} events at once"] if self._shown else []

    def facts(self) -> dict[str, Any]:
        return {"events_at_once": self._shown}


def _events_in(answer: Any) -> int:
    """Of the answer to get-chain: it is recorded as the place in the chain."""
    if not isinstance(answer, msgpack.ExtType) or answer.code != CHAIN_CODE:
        return 0
    try:
        _, first, last, _ = msgpack.unpackb(answer.data)
        return max(0, min(int(last) - int(first) + 1, MAX_EVENTS_MAX))
    except (ValueError, TypeError, msgpack.UnpackException):
        return 0


def within(child: Mapping[str, Any], parent: Mapping[str, Any]) -> str | None:
    """See HandlerType."""
    events, granted = child.get("max_events", MAX_EVENTS), parent.get("max_events", MAX_EVENTS)
    return f"max_events is {events}, of {granted}" if events > granted else None


HANDLER = HandlerType(
    description="A line in the log, the actor's own address, its own chain, and its shutdown.",
    imports={
        RUNTIME: {
            "log": "func(msg: string)",
            "self": "func() -> string",
            "get-chain": f"func() -> record{{events: list<{CHAIN_EVENT}>}}",
            "shutdown": "func(data: option<list<u8>>) -> result<_, string>",
        }
    },
    exports={},
    settings={
        "max_events": Setting(
            _check_max_events,
            "So many events of its chain, the newest, are what get-chain shows an actor; fewer, if"
            " they have more bytes than a message may have.",
            {
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_EVENTS_MAX,
                "default": MAX_EVENTS,
            },
        )
    },
    usage=Runtime,
    within=within,
)
