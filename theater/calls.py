"""What an actor is called with and what it may call, by name: the same for all who look. Pure."""

from __future__ import annotations

from typing import Any

import msgpack

OURS = "theater:"  # how the interfaces begin that Theater provides, but for WASI's
ACTOR = "theater:simple/actor"
CLIENT = "theater:simple/message-server-client"
RUNTIME = "theater:simple/runtime"
MESSAGES = "theater:simple/message-server-host"
TIMER = "theater:simple/timer"
TIMER_CLIENT = "theater:simple/timer-client"
STORE = "theater:simple/store"
SUPERVISOR = "theater:simple/supervisor"
CHILDREN = "theater:simple/supervisor-handlers"

# The export that an input calls, by its kind.
CALLS = {
    "init": (ACTOR, "init"),
    "send": (CLIENT, "handle-send"),
    "request": (CLIENT, "handle-request"),
    "channel-open": (CLIENT, "handle-channel-open"),
    "channel-message": (CLIENT, "handle-channel-message"),
    "channel-close": (CLIENT, "handle-channel-close"),
    "tick": (TIMER_CLIENT, "handle-tick"),
    "child-error": (CHILDREN, "handle-child-error"),
    "child-exit": (CHILDREN, "handle-child-exit"),
    "child-external-stop": (CHILDREN, "handle-child-external-stop"),
    "child-event": (CHILDREN, "handle-child-event"),
}

# What a held call and an ask are given: a name (of an actor, a request, a channel), and a body.
WITH_BODY = frozenset({"send", "respond-to-request", "send-on-channel"})
NAMED = frozenset({"cancel-request", "close-channel"})
SET_INTERVAL, SET_TIMEOUT, CLEAR = "set-interval", "set-timeout", "clear-interval"
# Of a store: what puts a content into it, what changes a label, what is asked about the two.
PUTS = frozenset({"store", "store-at-label", "replace-content-at-label"})
LABELS = frozenset({"label", "replace-at-label", "remove-label", "remove-from-label"})
LOOKUPS = frozenset({"get-by-label", "list-labels", "list-all-content", "calculate-total-size"})
HELD = frozenset(
    {
        (RUNTIME, "shutdown"),
        *((MESSAGES, each) for each in WITH_BODY | NAMED),
        *((TIMER, each) for each in (SET_INTERVAL, SET_TIMEOUT, CLEAR)),
        *((STORE, each) for each in PUTS | LABELS),
    }
)
ADDRESSED = frozenset({"request", "open-channel"})
# Of what an actor asks about what it has spawned: what root does, and what the broker knows.
BORN = frozenset({"spawn", "resume"})
MANAGED = BORN | {"stop-child", "restart-child"}
LOOKED_AT = frozenset({"get-child-state", "get-child-events"})
SUBSCRIBED = frozenset({"subscribe-to-child", "unsubscribe-from-child"})
ABOUT_CHILDREN = MANAGED | LOOKED_AT | SUBSCRIBED | {"list-children"}
ASKS = frozenset(
    {
        (RUNTIME, "get-chain"),
        *((MESSAGES, each) for each in ADDRESSED),
        *((STORE, each) for each in LOOKUPS),
        *((SUPERVISOR, each) for each in ABOUT_CHILDREN),
    }
)


def parameters(kind: str, name: str, body: Any) -> list[Any]:
    """What an export is given for a message. `name`: of the request, the channel or the child."""
    match kind:
        case "send":
            return [body]
        case "channel-close" | "child-external-stop":
            return [name]
        case "tick":  # its body is the name of its timer
            return [body.decode()]
        case "child-error":
            type, data = msgpack.unpackb(body)
            return [name, {"error-type": type, "data": data}]
        case "child-exit":
            (data,) = msgpack.unpackb(body)
            return [name, data]
        case "child-event":
            type, data = msgpack.unpackb(body)
            return [name, type, data]
    return [name, body]


# Messages whose body is msgpack of what is told: it stands in the event, and not the body.
TOLD = frozenset({"child-error", "child-exit", "child-event"})


def answer_bytes(kind: str, returned: list[Any]) -> int:
    """The size of the message that an export returns, if it does."""
    message = None
    if kind == "request":
        (message,) = returned[1]
    elif kind == "channel-open":
        message = returned[1][0]["message"]
    return 0 if message is None else len(message)
