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
LOOP = "theater:simple/loop"
LOOP_CLIENT = "theater:simple/loop-client"
STORE = "theater:simple/store"
SUPERVISOR = "theater:simple/supervisor"
CHILDREN = "theater:simple/supervisor-handlers"
RPC = "theater:simple/rpc"  # of packages alone

# The export that an input calls, by its kind.
CALLS = {
    "init": (ACTOR, "init"),
    "send": (CLIENT, "handle-send"),
    "request": (CLIENT, "handle-request"),
    "channel-open": (CLIENT, "handle-channel-open"),
    "channel-message": (CLIENT, "handle-channel-message"),
    "channel-close": (CLIENT, "handle-channel-close"),
    "tick": (TIMER_CLIENT, "handle-tick"),
    "loop": (LOOP_CLIENT, "loop"),
    "child-error": (CHILDREN, "handle-child-error"),
    "child-exit": (CHILDREN, "handle-child-exit"),
    "child-external-stop": (CHILDREN, "handle-child-external-stop"),
    "child-event": (CHILDREN, "handle-child-event"),
}

CALL = "rpc"  # the kind of an input that calls whatever export its sender names: see `called`
_KINDS = {export: kind for kind, export in CALLS.items()}

# What a held call and an ask are given: a name (of an actor, a request, a channel), and a body.
WITH_BODY = frozenset({"send", "respond-to-request", "send-on-channel"})
NAMED = frozenset({"cancel-request", "close-channel"})
SET_INTERVAL, SET_TIMEOUT, CLEAR = "set-interval", "set-timeout", "clear-interval"
START_LOOP, STOP_LOOP = "start-loop", "stop-loop"
# Of a store: what puts a content into it, what changes a label, what is asked about the two.
PUTS = frozenset({"store", "store-at-label", "replace-content-at-label"})
LABELS = frozenset({"label", "replace-at-label", "remove-label", "remove-from-label"})
LOOKUPS = frozenset({"get-by-label", "list-labels", "list-all-content", "calculate-total-size"})
HELD = frozenset(
    {
        (RUNTIME, "shutdown"),
        *((MESSAGES, each) for each in WITH_BODY | NAMED),
        *((TIMER, each) for each in (SET_INTERVAL, SET_TIMEOUT, CLEAR)),
        *((LOOP, each) for each in (START_LOOP, STOP_LOOP)),
        *((STORE, each) for each in PUTS | LABELS),
    }
)
ADDRESSED = frozenset({"request", "open-channel"})
DESCRIBED = frozenset({"implements", "exports"})  # what is asked of what another actor exports
# Of what an actor asks about what it has spawned: what root does, and what the broker knows.
WAITS = "spawn-and-wait"  # for the end of what is born; only packages have it
BORN = frozenset({"spawn", "resume", WAITS})
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
        *((RPC, each) for each in {"call"} | DESCRIBED),
    }
)


def called(kind: str, body: bytes) -> tuple[str, str]:
    """The export that an input calls."""
    return split_name(function_called(body)) if kind == CALL else CALLS[kind]


def function_called(body: bytes) -> str:
    """The export, by its whole name, that this message of kind `rpc` calls."""
    function, params = msgpack.unpackb(body)
    if not isinstance(function, str) or not isinstance(params, bytes):
        raise ValueError("a call is of no function, or with no value")
    return function


def kind_of(interface: str, function: str) -> str:
    """The kind of the input that calls this export. What Theater calls of itself no actor calls."""
    return _KINDS.get((interface, function), CALL)


def split_name(export: str) -> tuple[str, str]:
    """The interface of a package's export, "" if there is none, and the function."""
    interface, _, function = export.rpartition(".")
    return interface, function


REFUSAL_MAX = 8192  # characters of why a package could not take a call


def refusal(state: bytes | None, why: str) -> dict[str, Any]:
    """What is returned for a call of another actor's that cannot be taken: nothing is done, and the
    caller is told."""
    return {"ok": [state, [{"err": f"refused: {why}"[:REFUSAL_MAX]}]]}


def rpc_body(function: str, params: bytes) -> bytes:
    """The message that a call of this export is. `params`: a value, encoded."""
    body: bytes = msgpack.packb([function, params])
    return body


def parameters(kind: str, name: str, body: Any) -> list[Any]:
    """What an export is given for a message. `name`: of the request, the channel or the child."""
    match kind:
        case "send" | "loop":  # of a loop it is what the round before has left for this one
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
        case "rpc":
            _function, params = msgpack.unpackb(body)
            return [params]
    return [name, body]


def code_given(arguments: list[Any]) -> Any:
    """What is to run in place of the component that the manifest of a birth names; None: that."""
    return arguments[2] if len(arguments) > 2 else None


# Messages whose body is msgpack of what is told: it stands in the event, and not the body.
TOLD = frozenset({"child-error", "child-exit", "child-event", CALL})


def answer_bytes(kind: str, returned: list[Any]) -> int:
    """The size of the message that an export returns, if it does, or of the next loop state."""
    message = None
    if kind == "request":
        (message,) = returned[1]
    elif kind == "channel-open":
        message = returned[1][0]["message"]
    elif kind in (CALL, "loop"):
        message = returned[1][0].get("ok")
    return 0 if message is None else len(message)
