"""The handler `message-server`: messages, requests, channels; `send_to` says to whom."""

from __future__ import annotations

from theater.addresses import PATTERN_SCHEMA, check_pattern
from theater.calls import CLIENT, MESSAGES
from theater.capabilities.capability import NEW_STATE, STATE, HandlerType, Setting, Wrong
from theater.quoting import described


def _check_send_to(value: object) -> Wrong:
    if not isinstance(value, list):
        shape = 'must be an array of address patterns, as in ["counter", "pool/*"]'
        return [((), f"found {described(value)}; {shape}")]
    wrong: Wrong = []
    for index, pattern in enumerate(value):
        if not isinstance(pattern, str):
            wrong.append(((index,), f"found {described(pattern)}; must be an address pattern"))
        elif problem := check_pattern(pattern):
            wrong.append(((index,), problem))
    return wrong


HANDLER = HandlerType(
    description="Messages and requests to other actors, answers, and channels.",
    imports={
        MESSAGES: {
            "register": "func() -> result<_, string>",
            "send": "func(actor-id: string, msg: list<u8>) -> result<_, string>",
            "request": "func(actor-id: string, msg: list<u8>) -> result<list<u8>, string>",
            "list-outstanding-requests": "func() -> list<string>",
            "respond-to-request": (
                "func(request-id: string, response: list<u8>) -> result<_, string>"
            ),
            "cancel-request": "func(request-id: string) -> result<_, string>",
            "open-channel": (
                "func(actor-id: string, initial-msg: list<u8>) -> result<string, string>"
            ),
            "send-on-channel": "func(channel-id: string, msg: list<u8>) -> result<_, string>",
            "close-channel": "func(channel-id: string) -> result<_, string>",
        }
    },
    exports={
        CLIENT: {
            "handle-send": f"func({STATE}, params: tuple<list<u8>>) -> {NEW_STATE}",
            "handle-request": (
                f"func({STATE}, params: tuple<string, list<u8>>) -> "
                "result<tuple<option<list<u8>>, tuple<option<list<u8>>>>, string>"
            ),
            "handle-channel-open": (
                f"func({STATE}, params: tuple<string, list<u8>>) -> "
                "result<tuple<option<list<u8>>, "
                "tuple<record{accepted: bool, message: option<list<u8>>}>>, string>"
            ),
            "handle-channel-message": (
                f"func({STATE}, params: tuple<string, list<u8>>) -> {NEW_STATE}"
            ),
            "handle-channel-close": f"func({STATE}, params: tuple<string>) -> {NEW_STATE}",
        }
    },
    settings={
        "send_to": Setting(
            _check_send_to,
            "The actors that it may send to, ask and open channels to, as address patterns: *"
            " stands for anything within a name, ** for any number of names. Without it: its"
            " siblings, its parent, its own children, and whoever has sent to it.",
            {"type": "array", "items": PATTERN_SCHEMA},
        )
    },
)
