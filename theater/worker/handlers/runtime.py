"""Handler `runtime`: who am I, say something, read my chain, stop."""

from __future__ import annotations

from typing import Any

from theater.calls import RUNTIME
from theater.worker.handlers import ASK, Handler


class Runtime(Handler):
    interface = RUNTIME

    def __init__(self, actor: str) -> None:
        self._actor = actor
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
                self.shutdown_called = True
                return {"ok": None}
        raise LookupError(function)

    def replayed(self, function: str, arguments: list[Any], answer: Any) -> None:
        if function == "shutdown":
            self.shutdown_called = True
