"""Handler `supervisor`: what an actor spawns, and asks of that. All of it the broker answers."""

from __future__ import annotations

from typing import Any

from theater.calls import ABOUT_CHILDREN, BORN, SUPERVISOR
from theater.capabilities.supervisor import too_large
from theater.worker.handlers import ASK, Handler


class Supervisor(Handler):
    interface = SUPERVISOR

    def __init__(self, state_max: int, message_max: int) -> None:
        self._state_max = state_max
        self._message_max = message_max

    def call(self, function: str, arguments: list[Any]) -> Any:
        if function not in ABOUT_CHILDREN:
            raise LookupError(function)
        if function in BORN:
            wrong = too_large(arguments, self._state_max, self._message_max)
            if wrong is not None:
                return {"err": wrong}
        return ASK
