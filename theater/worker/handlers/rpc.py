"""Handler `rpc`: call what other actors export. All that is permitted the broker answers."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from theater.addresses import why_not
from theater.calls import DESCRIBED, RPC, rpc_body
from theater.worker.handlers import ASK, Handler


class Rpc(Handler):
    interface = RPC

    def __init__(
        self,
        actor: str,
        call_to: tuple[str, ...] | None,
        message_max: int,
        senders: Set[str],
    ) -> None:
        """`senders`: who has sent to the actor, as it grows."""
        self._actor = actor
        self._call_to = call_to
        self._message_max = message_max
        self._senders = senders

    def call(self, function: str, arguments: list[Any]) -> Any:
        if function == "call":
            size = len(rpc_body(*arguments[1:3]))
            if size > self._message_max:
                most = f"a message has at most {self._message_max}"
                return {"err": f"too-large: {size} bytes; {most}"}
        elif function not in DESCRIBED:
            raise LookupError(function)
        wrong = why_not(self._call_to, self._actor, arguments[0], self._senders)
        return ASK if wrong is None else {"err": wrong}
