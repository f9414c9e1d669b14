"""Handler `supervisor`: what an actor spawns, and asks of that. All of it the broker answers."""

from __future__ import annotations

from typing import Any

from theater.calls import ABOUT_CHILDREN, BORN, SUPERVISOR
from theater.worker.handlers import ASK, Handler


class Supervisor(Handler):
    interface = SUPERVISOR

    def __init__(self, state_max: int) -> None:
        self._state_max = state_max

    def call(self, function: str, arguments: list[Any]) -> Any:
        if function not in ABOUT_CHILDREN:
            raise LookupError(function)
        state = arguments[1] if function in BORN else None
        if state is not None and len(state) > self._state_max:
            most = f"a state has at most {self._state_max}"
            return {"err": f"too-large: {len(state)} bytes; {most}"}
        return ASK
