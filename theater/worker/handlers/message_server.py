"""Handler `message-server`: send and request, within what the manifest grants."""

from __future__ import annotations

from typing import Any

from theater.addresses import check_address, permitted
from theater.worker.handlers import ASK, Handler

_LATER = {
    "respond-to-request",
    "cancel-request",
    "open-channel",
    "send-on-channel",
    "close-channel",
}


class MessageServer(Handler):
    interface = "theater:simple/message-server-host"

    def __init__(
        self, actor: str, send_to: tuple[str, ...] | None, message_max: int, senders: set[str]
    ) -> None:
        self._actor = actor
        self._send_to = send_to
        self._message_max = message_max
        self.senders = senders  # who has ever sent to this actor

    def call(self, function: str, arguments: list[Any]) -> Any:
        match function:
            case "send":
                return self._why_not(arguments[0], arguments[1]) or {"ok": None}
            case "request":
                return self._why_not(arguments[0], arguments[1]) or ASK
            case "register":
                return {"ok": None}
            case "list-outstanding-requests":
                return []
        if function in _LATER:
            return {"err": f"refused: {function} is not available in this version of theater"}
        raise LookupError(function)

    def _why_not(self, to: str, body: bytes) -> dict[str, str] | None:
        """The error a send gets at once: only what can be known here."""
        if len(body) > self._message_max:
            return {
                "err": f"too-large: {len(body)} bytes; a message has at most {self._message_max}"
            }
        wrong = check_address(to)
        if wrong is not None:
            return {"err": f"no-actor: {wrong}"}
        if not permitted(self._send_to, self._actor, to, self.senders):
            return {"err": f"refused: send_to in the manifest of {self._actor} does not grant {to}"}
        return None
