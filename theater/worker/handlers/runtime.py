"""Handler `runtime`: who am I, say something, read my chain, stop."""

from __future__ import annotations

from typing import Any

from theater.calls import RUNTIME
from theater.worker.handlers import ASK, Handler


class Runtime(Handler):
    interface = RUNTIME

    def __init__(self, actor: str, message_max: int) -> None:
        self._actor = actor
        self._message_max = message_max
        self.shutdown_called = False

    def call(self, function: str, arguments: list[Any]) -> Any:
        match function:
            case "log":
                return None
            case "self":
                return self._actor
            case "get-chain":
                return ASK
            case "shutdown":
                (data,) = arguments
                if data is not None and len(data) > self._message_max:
                    most = f"a result has at most {self._message_max}"
                    return {"err": f"too-large: {len(data)} bytes; {most}"}
                self.shutdown_called = True
                return {"ok": None}
        raise LookupError(function)

    def replayed(self, function: str, arguments: list[Any], answer: Any) -> None:
        if function == "shutdown" and "ok" in answer:
            self.shutdown_called = True
