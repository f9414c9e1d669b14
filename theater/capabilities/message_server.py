"""The handler `message-server`: messages, requests, channels; `send_to` says to whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theater.addresses import PATTERN_SCHEMA, check_pattern, covers, permitted
from theater.calls import ADDRESSED, CLIENT, DESCRIBED, MESSAGES
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

HANDLER_NAME = "message-server"
SEND_TO_SCHEMA = {"type": "array", "items": PATTERN_SCHEMA}


def check_send_to(value: object) -> Wrong:
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


_ADDRESSED = {"send", "call", *ADDRESSED, *DESCRIBED}
ADDRESSES_MAX = 1000  # that are told apart; who sends to more needs patterns


class Sent(Usage):
    """To whom messages, requests and channels went; or calls."""

    def __init__(self, heard_from: HeardFrom) -> None:
        super().__init__(heard_from)
        self._to: dict[str, int] = {}
        self._more = 0  # messages to others than these
        self._strangers: set[str] = set()  # of them, who is no default neighbour

    def call(self, call: Call) -> bool:
        if call.function not in _ADDRESSED:
            return True
        left = call.is_ask or (isinstance(call.answer, dict) and "ok" in call.answer)
        to = call.arguments[0] if call.arguments else None
        if not left or not isinstance(to, str):
            return True  # the worker refused it
        if to not in self._to and len(self._to) == ADDRESSES_MAX:
            self._more += 1
            return True
        self._to[to] = self._to.get(to, 0) + 1
        is_neighbour = permitted(None, call.actor, to, ()) or self.heard_from(call.actor, to)
        if not is_neighbour:
            self._strangers.add(to)
        return True

    def settings(self, granted: Mapping[str, Any]) -> dict[str, Any] | None:
        return {"send_to": ["**"] if self._more else sorted(self._to)}

    def told(self) -> list[str]:
        if not self._to:
            return []
        most = sorted(self._to.items(), key=lambda item: (-item[1], item[0]))
        told = [f"to {', '.join(f'{name} {count:,}' for name, count in most)}"]
        if self._more:
            told.append(f"and to others, {self._more:,}")
        if self._strangers:
            told.append(f"no default neighbours: {', '.join(sorted(self._strangers))}")
        elif not self._more:
            told.append("all of them default neighbours")
        return told

    def facts(self) -> dict[str, Any]:
        return {
            "to": dict(sorted(self._to.items())),
            "to_others": self._more,
            "no_neighbours": sorted(self._strangers),
        }


def within(child: Mapping[str, Any], parent: Mapping[str, Any]) -> str | None:
    """See HandlerType. Where the parent says no list, there is none to be handed on."""
    granted = parent.get("send_to", ())
    for pattern in child.get("send_to", ()):
        if not any(covers(each, pattern) for each in granted):
            return f"send_to has {pattern}"
    return None


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
            check_send_to,
            "The actors that it may send to, ask and open channels to, as address patterns: *"
            " stands for anything within a name, ** for any number of names. Without it: its"
            " siblings, its parent, its own children, and whoever has sent to it.",
            SEND_TO_SCHEMA,
        )
    },
    usage=Sent,
    within=within,
)
