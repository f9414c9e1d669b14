"""The handler `runtime`: who am I, say something, read my chain, stop."""

from __future__ import annotations

from theater.calls import RUNTIME
from theater.capabilities.capability import CHAIN_EVENT, HandlerType, Wrong
from theater.quoting import described


def _check_max_events(value: object) -> Wrong:
    if type(value) is not int or not 1 <= value <= 1_000_000:
        return [((), f"found {described(value)}; must be a whole number from 1 to 1000000")]
    return []


HANDLER = HandlerType(
    imports={
        RUNTIME: {
            "log": "func(msg: string)",
            "self": "func() -> string",
            "get-chain": f"func() -> record{{events: list<{CHAIN_EVENT}>}}",
            "shutdown": "func(data: option<list<u8>>) -> result<_, string>",
        }
    },
    exports={},
    settings={"max_events": _check_max_events},
)
