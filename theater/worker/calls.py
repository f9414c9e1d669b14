"""Which export an input calls, with what, and what comes back beside the state. Pure."""

from __future__ import annotations

from typing import Any

ACTOR = "theater:simple/actor"
CLIENT = "theater:simple/message-server-client"
CALLS = {
    "init": (ACTOR, "init"),
    "send": (CLIENT, "handle-send"),
    "request": (CLIENT, "handle-request"),
    "channel-open": (CLIENT, "handle-channel-open"),
    "channel-message": (CLIENT, "handle-channel-message"),
    "channel-close": (CLIENT, "handle-channel-close"),
}


def parameters(kind: str, name: str, body: Any) -> list[Any]:
    """What an export is given for a message. `name`: of the request or the channel."""
    match kind:
        case "send":
            return [body]
        case "channel-close":
            return [name]
    return [name, body]


def answer_bytes(kind: str, returned: list[Any]) -> int:
    """The size of the message that an export returns, if it does."""
    message = None
    if kind == "request":
        (message,) = returned[1]
    elif kind == "channel-open":
        message = returned[1][0]["message"]
    return 0 if message is None else len(message)
