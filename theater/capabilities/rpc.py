"""The handler `rpc`: call what other actors export, and ask what that is. For packages alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from theater.calls import RPC
from theater.capabilities import message_server
from theater.capabilities.capability import HandlerType, Setting
from theater.spec import Handler

HANDLER_NAME = "rpc"


def call_to(handlers: Iterable[Handler]) -> list[str] | None:
    """Whom an actor with these handlers may call, as address patterns; None: its neighbours.

    Whoever says to whom it may send and not whom it may call means both.
    """
    granted = {handler.type: handler.settings for handler in handlers}
    for type in (HANDLER_NAME, message_server.HANDLER_NAME):
        send_to = granted.get(type, {}).get("send_to")
        if send_to is not None:
            return list(send_to)
    return None


def effective(_settings: Mapping[str, Any], handlers: Iterable[Handler]) -> dict[str, Any]:
    """See HandlerType: also what is taken over from `message-server`."""
    send_to = call_to(handlers)
    return {} if send_to is None else {"send_to": send_to}


HANDLER = HandlerType(
    description=(
        "Call functions that other actors export, and ask which interfaces those are. Only packages"
        " of Pack's can call, and be called."
    ),
    imports={},
    exports={},
    packages=frozenset({RPC}),
    settings={
        "send_to": Setting(
            message_server.check_send_to,
            "The actors that it may call, as address patterns. Without it: those that"
            " `message-server` lets it send to, or, if that is not said either, its neighbours.",
            message_server.SEND_TO_SCHEMA,
        )
    },
    usage=message_server.Sent,
    within=message_server.within,
    effective=effective,
)
