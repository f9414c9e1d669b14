"""Handler `message-server`: messages, requests and channels, within what the manifest grants.

It knows which requests are outstanding and which channels are open: from the broker, when the
worker says HELLO and whenever either changes from outside, and from what the guest does itself.
What it answers is recorded, so it need not be the last word: what has been settled meanwhile the
broker does not do again.
"""

from __future__ import annotations

from typing import Any

from theater.addresses import why_not
from theater.calls import MESSAGES
from theater.worker.handlers import ASK, Handler

OK: dict[str, Any] = {"ok": None}


class MessageServer(Handler):
    interface = MESSAGES

    def __init__(
        self, actor: str, send_to: tuple[str, ...] | None, message_max: int, senders: set[str]
    ) -> None:
        self._actor = actor
        self._send_to = send_to
        self._message_max = message_max
        self.senders = senders  # who has ever sent to this actor
        # Received and not answered, and open, with the turn in which they became so; 0: the
        # broker has told.
        self._requests: dict[str, int] = {}
        self._channels: dict[str, int] = {}
        self._closed: dict[str, int] = {}  # by the guest, in turns that are not acknowledged
        self._turn = 0

    def call(self, function: str, arguments: list[Any]) -> Any:
        match function:
            case "send":
                return self._why_not(arguments[0], arguments[1]) or OK
            case "request" | "open-channel":
                return self._why_not(arguments[0], arguments[1]) or ASK
            case "register":
                return OK
            case "list-outstanding-requests":
                return list(self._requests)
            case "respond-to-request":
                return self._too_large(arguments[1]) or self._settle(arguments[0])
            case "cancel-request":
                return self._settle(arguments[0])
            case "send-on-channel":
                return self._too_large(arguments[1]) or self._not_open(arguments[0]) or OK
            case "close-channel":
                return self._not_open(arguments[0]) or self._close(arguments[0])
        raise LookupError(function)

    def _why_not(self, to: str, body: bytes) -> dict[str, str] | None:
        """The error a send gets at once: only what can be known here."""
        if error := self._too_large(body):
            return error
        wrong = why_not(self._send_to, self._actor, to, self.senders)
        return None if wrong is None else {"err": wrong}

    def _too_large(self, body: bytes) -> dict[str, str] | None:
        if len(body) <= self._message_max:
            return None
        return {"err": f"too-large: {len(body)} bytes; a message has at most {self._message_max}"}

    def _settle(self, id: str) -> dict[str, Any]:
        if self._requests.pop(id, None) is None:
            return {"err": f"refused: no outstanding request {id}"}
        return OK

    def _not_open(self, id: str) -> dict[str, str] | None:
        return None if id in self._channels else {"err": f"refused: no open channel {id}"}

    def _close(self, id: str) -> dict[str, Any]:
        del self._channels[id]
        self._closed[id] = self._turn
        return OK

    # Turns

    def begin(self, turn: int, kind: str, name: str) -> None:
        """A turn begins. `name`: of the request or the channel that it is about."""
        self._turn = turn
        if kind == "request":
            self._requests.setdefault(name, turn)
        elif kind == "channel-close":
            self._channels.pop(name, None)

    def end(self, kind: str, name: str, returned: list[Any]) -> None:
        """The turn has ended, and `returned` this: the state, and an answer if it gives one."""
        if kind == "request" and returned[1][0] is not None:
            self._requests.pop(name, None)
        elif kind == "channel-open" and returned[1][0]["accepted"]:
            self._channels[name] = self._turn

    def replayed(self, function: str, arguments: list[Any], answer: Any) -> None:
        """This call was made and answered before the worker was born, and is committed.

        What was opened then the broker has told, if it is open still.
        """
        if not isinstance(answer, dict) or "ok" not in answer:
            return
        match function:
            case "respond-to-request" | "cancel-request":
                self._requests.pop(arguments[0], None)
            case "close-channel":
                self._channels.pop(arguments[0], None)

    # The broker

    def stand(self, requests: list[str], channels: list[str], committed_turn: int) -> None:
        """What is so as far as the broker has committed, up to this turn."""
        for known, told in ((self._requests, requests), (self._channels, channels)):
            there = set(told)
            for id in [id for id, turn in known.items() if turn <= committed_turn]:
                if id not in there:
                    del known[id]
        if not self._turn:  # a request that is new to it after that has been answered in a turn
            self._requests = dict.fromkeys(requests, 0)
        for id in channels:
            if id not in self._closed:
                self._channels.setdefault(id, 0)

    def acknowledged(self, turn: int) -> None:
        """Everything before this turn is committed."""
        if self._closed:
            self._closed = {id: at for id, at in self._closed.items() if at >= turn}

    def settled(self, id: str) -> None:
        """Nobody waits for the answer to this request any more."""
        self._requests.pop(id, None)

    def channel(self, id: str, is_open: bool) -> None:
        """A channel has been opened, or closed by the other side or by neither."""
        if is_open:
            self._channels.setdefault(id, 0)
        else:
            self._channels.pop(id, None)
