"""Handler `loop`: start a loop, and stop it.

Both are done when the step commits, and the broker knows which loop there is: here is only whether
one can be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from theater.calls import LOOP
from theater.worker.handlers import Handler

OK: dict[str, Any] = {"ok": None}


class Loop(Handler):
    interface = LOOP

    def __init__(self, takes_rounds: Callable[[], bool], message_max: int) -> None:
        """`takes_rounds`: whether the package has the export that a loop calls."""
        self._takes_rounds = takes_rounds
        self._message_max = message_max

    def call(self, function: str, arguments: list[Any]) -> Any:
        match function:
            case "start-loop":
                return self._why_not(arguments[0]) or OK
            case "stop-loop":  # also where there is none: what has ended by itself nobody is told
                return OK
        raise LookupError(function)

    def _why_not(self, state: bytes) -> dict[str, str] | None:
        if not self._takes_rounds():
            return {"err": "refused: the package does not export theater:simple/loop-client.loop"}
        if len(state) > self._message_max:
            most = f"a loop state has at most {self._message_max}"
            return {"err": f"too-large: {len(state)} bytes; {most}"}
        return None
