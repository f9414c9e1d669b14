"""The host side of the sandbox: every call the guest makes passes here and is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from theater.crashpoints import reached
from theater.events import EventType, externalise
from theater.journal import Diverged, Journal, Resolve
from theater.worker.blackbox import BlackBox
from theater.worker.failure import Abort
from theater.worker.handlers import ASK, WORLD, Handler
from theater.worker.turn import TurnRecord, TurnTooLong
from theater.worker.wasi import Wasi


class Leave(Abort):
    """The worker has been asked to stop while it waits in an ask; the turn stays open."""


class TooLong(Abort):
    """The turn recorded more than it may."""


class Differs(Abort):
    """A turn that is carried on does something else than its record says."""


class Recorder:
    """Answers the guest through the handlers, and writes each call down before it returns.

    `ask` sends the step that ends with an ask; `wait` waits for the answer of the ask at an index,
    `settle` until the step that was sent is committed. `world` has the world calls, and what
    becomes of an interrupted one: see `capabilities`.
    """

    def __init__(
        self, handlers: list[Handler], wasi: Wasi, box: BlackBox, world: dict[str, dict[str, str]]
    ) -> None:
        self._handlers = {handler.interface: handler for handler in handlers}
        self._wasi = wasi
        self._box = box
        self._world_calls = world
        self.turn: TurnRecord | None = None
        self.ask: Callable[[], None] | None = None
        self.wait: Callable[[int], Any] | None = None
        self.settle: Callable[[], None] | None = None
        self.is_instantiating = True  # until the first turn calls its export
        self._journal: Journal | None = None  # of a turn that is carried on, while it lasts
        self._resolve: Resolve | None = None
        self._is_quiet = False
        # What the guest did while it was instantiated; it opens the record of the first turn.
        self._prelude: list[tuple[EventType, str, str, Any]] = []

    def provide(self, handler: Handler) -> None:
        self._handlers[handler.interface] = handler

    # Turns

    def begin(self, turn: TurnRecord, interface: str, function: str, arguments: list[Any]) -> None:
        """From now on the guest's calls belong to `turn`, which calls this export."""
        self.turn = turn
        self.is_instantiating = False
        self._record_prelude()
        self.record(EventType.WASM_CALL, interface, function, arguments)

    def carry_on(
        self,
        turn: TurnRecord,
        interface: str,
        function: str,
        arguments: list[Any],
        journal: Journal,
        resolve: Resolve,
        instantiate_again: Callable[[], None],
    ) -> None:
        """As `begin`, of a turn that has a record already: its calls are answered from there."""
        self.turn = turn
        self._journal, self._resolve = journal, resolve
        self.record(EventType.CARRIED_ON, interface, function, [])
        for event, answer in journal.calls():
            if event.interface not in self._handlers and answer is not None:
                self._wasi.reserve(event.interface, event.function, answer)
        if self._prelude and (journal.has_prelude() or len(self._wasi.resources)):
            # The instance has been told other things at its start than the record says, or holds
            # resources by numbers that stand for others there.
            self._prelude.clear()
            self._wasi.forget()
            instantiate_again()
        self.is_instantiating = False
        self._record_prelude()
        try:
            journal.begin(interface, function, arguments)
        except Diverged as error:
            raise Differs(str(error)) from None

    def end(self, how: str) -> None:
        """The export is over: `how` it ended. Half a line counts as one."""
        if self._journal is not None:
            try:
                self._journal.end(how)
            except Diverged as error:
                raise Differs(str(error)) from None
        self.flush()

    def flush(self) -> None:
        self._wasi.flush()

    def _record_prelude(self) -> None:
        prelude, self._prelude = self._prelude, []
        for event in prelude:
            self.record(*event)

    def record(self, type: EventType, interface: str, function: str, payload: Any) -> None:
        if self.turn is None:
            self._prelude.append((type, interface, function, payload))
            return
        before = len(self.turn.contents)
        try:
            event = self.turn.add(type, interface, function, payload)
        except TurnTooLong as error:
            raise TooLong(str(error)) from None
        if len(self.turn.contents) > before:
            self._keep_answer(type, payload)
        self._box.record(event)

    def _keep_answer(self, type: EventType, payload: Any) -> None:
        """What was answered here is nowhere else until the step commits. The rest of an event the
        guest says again when it runs again."""
        answer: list[bytes] = []
        if type == EventType.HOST_ANSWER:
            externalise(payload, answer)
        elif type == EventType.HOST_CALL and len(payload) == 2:
            externalise(payload[1], answer)
        for content in answer:
            self._box.content(content)

    # What the guest does

    def call(self, interface: str, function: str, args: list[Any]) -> Any:
        """Answer one call of the guest. What is raised here ends the instance."""
        handler = self._handlers.get(interface)
        if handler is not None and self.is_instantiating:
            raise Abort(f"{interface}.{function} was called while the component started")
        if self._journal is not None:
            try:
                recorded = self._journal.answer(interface, function, args)
            except Diverged as error:
                raise Differs(str(error)) from None
            if recorded is not None:
                answer = recorded.answer
                if not recorded.is_answered:
                    answer = self._answer_open(handler, interface, function, args, recorded.index)
                return self._replayed(handler, interface, function, args, answer, recorded.kept)
        if handler is None:
            answer = self._wasi.call(interface, function, args)
        else:
            answer = handler.call(function, args)
        if answer is ASK:
            return self._ask(interface, function, args)
        if answer is WORLD:
            return self._perform(handler, interface, function, args)
        self.record(EventType.HOST_CALL, interface, function, [args, answer])
        return answer

    def _ask(self, interface: str, function: str, args: list[Any]) -> Any:
        assert self.turn is not None and self.ask is not None and self.wait is not None
        index = self.turn.index
        self.record(EventType.HOST_CALL, interface, function, [args])
        self.ask()
        answer = self.wait(index)
        self._count(interface, function, answer)
        return answer

    def _count(self, interface: str, function: str, answer: Any, has_place: bool = False) -> None:
        assert self.turn is not None
        try:
            self.turn.answered(interface, function, answer, has_place)
        except TurnTooLong as error:
            raise TooLong(str(error)) from None

    def _perform(
        self, handler: Handler | None, interface: str, function: str, args: list[Any]
    ) -> Any:
        """A world call: it is done when it is committed that it is to be done."""
        if self.is_instantiating:
            what = "changes something outside, and was called while the component started"
            raise Abort(f"{interface}.{function} {what}")
        assert self.turn is not None and self.ask is not None and self.settle is not None
        index = self.turn.index
        self.record(EventType.HOST_CALL, interface, function, [args])
        self.ask()
        self.settle()
        reached("worker.world-call", self.turn.actor)
        if handler is None:
            told = self._wasi.perform()
        else:
            told = [handler.perform(function, args, self.turn.key(index))]
        reached("worker.world-done", self.turn.actor)
        self.record(EventType.HOST_ANSWER, interface, function, told)
        return told[0]

    def _answer_open(
        self, handler: Handler | None, interface: str, function: str, args: list[Any], index: int
    ) -> Any:
        """The answer of an ask that an incarnation before has made, and that has none yet."""
        assert self.turn is not None and self.wait is not None
        interrupted = self._world_calls.get(interface, {}).get(function)
        if interrupted is None:
            answer = self.wait(index)
            self._count(interface, function, answer, has_place=True)
            return answer
        if handler is None:
            told = self._wasi.resume(interface, args)
        elif interrupted == "again":
            told = [handler.perform(function, args, self.turn.key(index))]
        else:
            told = [handler.interrupted(function, args)]
        self.record(EventType.HOST_ANSWER, interface, function, told)
        return told[0]

    def _replayed(
        self,
        handler: Handler | None,
        interface: str,
        function: str,
        args: list[Any],
        answer: Any,
        kept: Any,
    ) -> Any:
        """The call has this answer; what it did is done, but what is held here must know."""
        assert self._journal is not None and self._resolve is not None
        if self._journal.is_finished():
            self._journal = None
        answer, kept = self._resolve(answer), self._resolve(kept)
        if handler is not None:
            handler.replayed(function, args, answer)
            return answer
        self._is_quiet = True
        try:
            self._wasi.replayed(interface, function, args, answer, kept)
        finally:
            self._is_quiet = False
        return answer

    def drop(self, interface: str, resource: str, rep: int) -> None:
        self._wasi.drop(interface, resource, rep)

    def line(self, stream: str, line: str) -> None:
        """The guest has written a whole line to stdout or stderr."""
        if not self._is_quiet:
            self.record(EventType.LOG, f"wasi:cli/{stream}", "line", [line])
