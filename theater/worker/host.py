"""The host side of the sandbox: every call the guest makes passes here and is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from theater.events import EventType
from theater.worker.blackbox import BlackBox
from theater.worker.failure import Abort
from theater.worker.handlers import ASK, Handler
from theater.worker.turn import TurnRecord, TurnTooLong
from theater.worker.wasi import Wasi

Asker = Callable[[], Any]  # sends the step that ends with the ask, waits, gives the answer


class Leave(Abort):
    """The worker has been asked to stop while it waits in an ask; the turn stays open."""


class Recorder:
    """Answers the guest through the handlers, and writes each call down before it returns."""

    def __init__(self, handlers: list[Handler], wasi: Wasi, box: BlackBox) -> None:
        self._handlers = {handler.interface: handler for handler in handlers}
        self._wasi = wasi
        self._box = box
        self.turn: TurnRecord | None = None
        self.ask: Asker | None = None
        # What the guest did while it was instantiated; it opens the record of the first turn.
        self._prelude: list[tuple[EventType, str, str, Any]] = []

    def begin(self, turn: TurnRecord) -> None:
        """From now on the guest's calls belong to `turn`."""
        self.turn = turn
        prelude, self._prelude = self._prelude, []
        for event in prelude:
            self.record(*event)

    def record(self, type: EventType, interface: str, function: str, payload: Any) -> None:
        if self.turn is None:
            self._prelude.append((type, interface, function, payload))
            return
        try:
            self._box.record(self.turn.add(type, interface, function, payload))
        except TurnTooLong as error:
            raise TooLong(str(error)) from None

    def call(self, interface: str, function: str, args: list[Any]) -> Any:
        """Answer one call of the guest. What is raised here ends the instance."""
        handler = self._handlers.get(interface)
        if handler is None:
            answer = self._wasi.call(interface, function, args)
        else:
            if self.turn is None:
                raise Abort(f"{interface}.{function} was called while the component started")
            answer = handler.call(function, args)
            if answer is ASK:
                return self._ask(interface, function, args)
        self.record(EventType.HOST_CALL, interface, function, [args, answer])
        return answer

    def _ask(self, interface: str, function: str, args: list[Any]) -> Any:
        assert self.turn is not None and self.ask is not None
        self.record(EventType.HOST_CALL, interface, function, [args])
        answer = self.ask()
        self.turn.answered()
        return answer

    def drop(self, interface: str, resource: str, rep: int) -> None:
        self._wasi.drop(interface, resource, rep)

    def line(self, stream: str, line: str) -> None:
        """The guest has written a whole line to stdout or stderr."""
        self.record(EventType.LOG, f"wasi:cli/{stream}", "line", [line])

    def flush(self) -> None:
        """The turn ends: half a line counts as one."""
        self._wasi.flush()


class TooLong(Abort):
    """The turn recorded more than it may."""
