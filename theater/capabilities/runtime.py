"""The handler `runtime`: who am I, say something, read my chain, stop."""

from __future__ import annotations

from theater.calls import RUNTIME
from theater.capabilities.capability import CHAIN_EVENT, HandlerType, Setting, Wrong
from theater.quoting import described

MAX_EVENTS = 1000  # where nothing else is said
MAX_EVENTS_MAX = 1_000_000


def _check_max_events(value: object) -> Wrong:
    if type(value) is not int or not 1 <= value <= MAX_EVENTS_MAX:
        allowed = f"must be a whole number from 1 to {MAX_EVENTS_MAX}"
        return [((), f"found {described(value)}; {allowed}")]
    return []


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
            "So many events of its chain, the newest, are what get-chain shows an actor.",
            {
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_EVENTS_MAX,
                "default": MAX_EVENTS,
            },
        )
    },
)
