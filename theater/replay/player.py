"""Run an incarnation again: every call is answered from the record, and everything is compared.

The player is the host of an instance. It knows no handler: whatever the component imports leads
here, and here to the record. What it has to do itself is little: cut what the guest writes to
stdout and stderr into lines, as they are events of their own, and end where the record ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wasmtime import Engine

from theater.calls import ACTOR, RUNTIME, kind_of
from theater.errors import TheaterError
from theater.events import (
    Event,
    EventType,
    content_hash,
    encode,
    externalise,
    internalise,
    state_ref,
)
from theater.journal import Diverged, Journal, Recorded, Resolve, resolver
from theater.replay.compare import Comparison, Settings, TooLong, Unlike, told
from theater.replay.output import Output, told_apart
from theater.replay.slices import Ending, Run
from theater.worker.export import call_export, check_sizes
from theater.worker.failure import Abort, GuestFailure
from theater.worker.guest import Guest, instantiate
from theater.worker.wasi import WasiExit

_NONE = Run(0, 0, Ending.LEFT, [], [])
EXIT = "wasi:cli/exit"
LOOK_FUEL = 200_000_000  # that a look beyond the record burns: a part of a second


class _Cut(Abort):
    """Here the record of this process ends. `beyond`: what it did next."""

    def __init__(self, message: str, beyond: list[str] | None = None) -> None:
        self.beyond = beyond or []
        super().__init__(message)


class _HostFailed(TheaterError):
    """What the host raised then, in the words that are recorded."""


@dataclass(slots=True)
class Played:
    """What came of a run."""

    turn: int
    events: int  # that are as they were
    ending: str
    difference: Unlike | None = None
    found: bytes = b""  # of a difference: the event that came, and what it refers to
    contents: list[bytes] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)  # allowed ones, that differ: see `told_apart`
    state: bytes | None = None  # after it
    beyond: list[str] = field(default_factory=list)  # where it was, innermost first


class Player:
    """One incarnation of an actor, on a fresh instance. `limits`: see `births.limits`."""

    def __init__(
        self,
        actor: str,
        incarnation: int,
        limits: Mapping[str, int],
        settings: Settings,
        artifact: str,
        engine: Engine,
        state: bytes | None,
    ) -> None:
        """`state`: the one it begins with."""
        self._actor = actor
        self._incarnation = incarnation
        self._limits = limits
        self._settings = settings
        self._artifact = artifact
        self._engine = engine
        self._state = state
        self._instance: Guest | None = None
        self._output = Output(self._line)
        self._is_quiet = False
        self._is_beyond = False  # the end of what is recorded
        # Of the run that is on:
        self._run: Run | None = None
        self._journal = Journal([])
        self._resolve: Resolve = lambda value: value
        self._compared = Comparison(_NONE, [], actor, limits, settings)
        self._lines: list[str] = []  # that it has said, where they need not be as recorded

    def close(self) -> None:
        if self._instance is not None:
            self._instance.close()

    def play(self, run: Run, contents: dict[bytes, bytes], chains: dict[bytes, Any]) -> Played:
        """Run a turn again. After anything but a turn that ended the instance is finished.

        `contents`: what its input and its answers refer to; `chains`: answers by their places.
        """
        self._begin(run, contents, chains)
        played = Played(run.turn, 0, run.ending)
        try:
            try:
                if run.before:
                    self._compared.cross(EventType.CARRIED_ON, *_export(run), [])
                if self._instance is None:
                    self._instance = self._instantiate()
                self._call(run, contents)
            except _Cut as error:
                played.beyond = error.beyond
            except Unlike:
                raise
            except GuestFailure as error:
                if self._is_beyond:
                    played.beyond = [_beyond(error), *error.backtrace]
                else:
                    self._fail(error)
            except WasiExit as error:
                self._fail(GuestFailure("exit", str(error)))
            except TooLong as error:
                self._fail(GuestFailure("too-large", str(error)))
            except Diverged as error:
                self._fail(GuestFailure("diverged", str(error)))
        except Unlike as error:
            if self._may_not_have_come_here(run, error):
                played.events = self._compared.seen
                return played
            played.difference = error
            payload = externalise(error.found[3], played.contents)
            numbers = (self._incarnation, run.turn, self._compared.index(error))
            played.found = encode(self._actor, *numbers, *error.found[:3], payload)
        played.events = self._compared.seen
        if self._settings.tells_states:
            played.state = self._state
        if self._settings.allow_logs:
            recorded = [line for each in (*run.before, *run.own) for line in _lines(each.event)]
            played.lines = told_apart(recorded, self._lines)
        return played

    def _may_not_have_come_here(self, run: Run, error: Unlike) -> bool:
        """Whether all is done that this process recorded before it died. What it was answered from
        the record of those before it, it did not record again: nobody knows how far it came."""
        if run.ending is not Ending.LEFT or self._compared.own:
            return False
        return error.recorded is None or error.recorded.event.index < self._compared.first

    def _begin(self, run: Run, contents: dict[bytes, bytes], chains: dict[bytes, Any]) -> None:
        self._run = run
        before, own = run.before, run.own
        if self._settings.allow_logs:
            before = [each for each in before if not self._output.recorded(each.event)]
            own = [each for each in own if not self._output.recorded(each.event)]
        self._journal = Journal(crossing.event for crossing in (*before, *own))
        self._resolve = resolver(contents, chains)
        self._compared = Comparison(run, own, self._actor, self._limits, self._settings)
        self._lines = []

    def _instantiate(self) -> Guest:
        return instantiate(
            self._artifact,
            self,
            memory_bytes=self._limits["memory_bytes"],
            fuel=self._limits["fuel"],
            engine=self._engine,
        )

    def _call(self, run: Run, contents: dict[bytes, bytes]) -> None:
        """Call the export as it was called."""
        call = run.call()
        if call is None:
            raise _Cut("it ended before the call")
        interface, function = call.interface, call.function
        hash = None if self._state is None else content_hash(self._state)
        arguments = [state_ref(hash), call.payload[1]]
        try:
            self._journal.begin(interface, function, arguments)
        except Diverged as error:
            raise self._unlike(error, EventType.WASM_CALL, interface, function, arguments) from None
        if not run.before:
            self._compared.cross(EventType.WASM_CALL, interface, function, arguments)
        self._cut_at_the_end()
        given = [self._state, internalise(call.payload[1], contents)]
        instance = self._instance
        assert instance is not None
        fuel = LOOK_FUEL if self._is_beyond else self._limits["fuel"]
        result, fuel = call_export(instance, interface, function, given, fuel)
        if self._is_beyond:
            raise _Cut("it is not known what it did", ["it ends by itself"])
        if "err" in result:
            failure = GuestFailure("err", result["err"] or "", [], fuel)
            self._end("it failed", EventType.WASM_ERROR, ACTOR, "failed", told(failure))
            raise failure
        returned = result["ok"]
        self._end("the turn has ended", EventType.WASM_RESULT, interface, function, [result, fuel])
        self._output.flush()
        kind = kind_of(interface, function)
        limits = self._limits
        check_sizes(kind, returned, fuel, limits["message_max"], limits["state_max"])
        state = returned[0]
        hash = None if state is None else content_hash(state)
        value = [{"ok": [state_ref(hash), *returned[1:]]}, fuel]
        self._compared.cross(EventType.WASM_RESULT, interface, function, value)
        self._state = state

    def _end(self, how: str, type: str, interface: str, function: str, value: Any) -> None:
        """The export is over, with this. All calls that the record has must have been made."""
        recorded = self._compared.next()
        if recorded is not None and recorded.event.type == EventType.HOST_CALL:
            raise Unlike(recorded, type, interface, function, value)
        self._journal.end(how)  # it may have been so in what was recorded before

    def _fail(self, error: GuestFailure) -> None:
        """The guest could not end its turn. It may have been so."""
        self._output.flush()
        self._compared.fail(error, ACTOR, "failed")

    # What the guest does: see `Host`

    def call(self, interface: str, function: str, args: list[Any]) -> Any:
        if self._is_beyond:
            raise _Cut("nobody knows the answer", [f"it calls {interface}.{function}"])
        if self._settings.allow_logs:
            said = self._output.said(interface, function, args)
            if said is not None:
                return said.answer
        try:
            recorded = self._journal.answer(interface, function, args)
        except Diverged as error:
            if self._compared.failure() == ("diverged", str(error)):
                raise _Cut("it diverged here, too") from None
            raise self._unlike(error, EventType.HOST_CALL, interface, function, [args]) from None
        if recorded is None:
            return self._not_recorded(interface, function, args)
        is_own = recorded.index >= self._compared.first
        self._is_quiet = not is_own
        self._output.answered(interface, function, args, recorded.answer)
        self._is_quiet = False
        if is_own:
            answered = self._own_answer(recorded)
            self._compared.cross(EventType.HOST_CALL, interface, function, [args, *answered])
        told = recorded.told
        if told is not None and self._compared.own and self._compared.own[0].event is told:
            self._compared.cross(EventType.HOST_ANSWER, interface, function, told.payload)
        if not recorded.is_answered:
            raise _Cut("it waited for this answer")
        self._cut_at_the_end()
        return self._resolve(recorded.answer)

    def drop(self, interface: str, resource: str, rep: int) -> None:
        pass

    def _own_answer(self, recorded: Recorded) -> list[Any]:
        """The answer, if it stands in the event of the call itself."""
        for crossing in self._compared.own:
            if crossing.event.type != EventType.LOG:
                return list(crossing.event.payload[1:])
        return []

    def _not_recorded(self, interface: str, function: str, args: list[Any]) -> Any:
        """The record has no such call, or has ended."""
        if interface == EXIT:
            status = args[0] if function == "exit-with-code" else "ok" not in args[0]
            raise WasiExit(int(status))
        assert self._run is not None
        if self._run.ending is Ending.LEFT:
            raise _Cut("it ended before this call was recorded")
        failure = self._compared.failure()
        if failure is not None:
            kind, message = failure
            name = f"{interface}.{function}: "
            if kind == "trap" and message.startswith(name):
                raise _HostFailed(message.removeprefix(name))
            if kind == "too-large":
                raise TooLong(message)
        raise Unlike(self._compared.next(), EventType.HOST_CALL, interface, function, [args])

    def _cut_at_the_end(self) -> None:
        assert self._run is not None
        if self._run.ending is not Ending.LEFT or not self._journal.is_finished():
            return
        if not self._settings.looks_beyond:
            raise _Cut("the record ends here")
        self._is_beyond = True
        if self._instance is not None:
            self._instance.limit_fuel(LOOK_FUEL)

    def _line(self, stream: str, line: str) -> None:
        """A whole line has been written, which is an event of its own."""
        if self._is_quiet:
            return
        if self._settings.allow_logs:
            self._lines.append(line)
        elif stream != "log":
            self._compared.cross(EventType.LOG, f"wasi:cli/{stream}", "line", [line])

    def _unlike(
        self, error: Diverged, type: str, interface: str, function: str, payload: Any
    ) -> Unlike:
        """As a crossing: what the journal has found."""
        assert self._run is not None
        for crossing in (*self._run.before, *self._run.own):
            if crossing.event is error.recorded:
                return Unlike(crossing, type, interface, function, payload)
        return Unlike(self._compared.next(), type, interface, function, payload)


def _beyond(error: GuestFailure) -> str:
    if error.kind == "fuel":
        return f"{LOOK_FUEL:,} fuel later it is in"
    return f"{error.kind}: {error.message}"


def _lines(event: Event) -> list[str]:
    """The line that an event is, or logs."""
    if event.type == EventType.LOG:
        return list(event.payload)
    is_log = (event.type, event.interface, event.function) == (EventType.HOST_CALL, RUNTIME, "log")
    return list(event.payload[0]) if is_log else []


def _export(run: Run) -> tuple[str, str]:
    call = run.call()
    return ("", "") if call is None else (call.interface, call.function)
