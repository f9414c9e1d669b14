"""Run an incarnation again: every call is answered from the record, and everything is compared.

The player is the host of an instance. It knows no handler: whatever the component imports leads
here, and here to the record. What it has to do itself is little: cut what the guest writes to
stdout and stderr into lines, as they are events of their own, and end where the record ends.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wasmtime import Engine

from theater.calls import ACTOR, CALLS, RUNTIME
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
from theater.replay.output import Output, told_apart
from theater.replay.slices import Crossing, Ending, Run
from theater.worker.export import call_export, check_sizes
from theater.worker.failure import Abort, GuestFailure
from theater.worker.instance import Instance
from theater.worker.turn import TurnRecord, TurnTooLong
from theater.worker.wasi import WasiExit

_KINDS = {export: kind for kind, export in CALLS.items()}
# What `instance.py` guesses from the memory of its whole process.
_GUESS = re.compile(r" \(its memory had grown close to the limit of .*\)$")
EXIT = "wasi:cli/exit"
LOOK_FUEL = 200_000_000  # that a look beyond the record burns: a part of a second


class Unlike(Abort):
    """Something is not as it was recorded.

    `recorded`: the event that was to come, None if nothing was; the rest is what came instead.
    """

    def __init__(
        self, recorded: Crossing | None, type: str, interface: str, function: str, payload: Any
    ) -> None:
        self.recorded = recorded
        self.found = (type, interface, function, payload)
        super().__init__("not as recorded")


class _Cut(Abort):
    """Here the record of this process ends. `beyond`: what it did next."""

    def __init__(self, message: str, beyond: list[str] | None = None) -> None:
        self.beyond = beyond or []
        super().__init__(message)


class _HostFailed(TheaterError):
    """What the host raised then, in the words that are recorded."""


class _TooLong(Abort):
    """The turn recorded more than it may."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How strictly a run is compared."""

    same_component: bool = True
    same_engine: bool = True  # as recorded: then the fuel is the same too
    allow_logs: bool = False  # other lines than recorded are no difference
    tells_states: bool = True
    looks_beyond: bool = False  # of a run that was cut short: where it went on from there

    @property
    def compares_fuel(self) -> bool:
        return self.same_component and self.same_engine

    @property
    def compares_bytes(self) -> bool:
        return self.same_component and not self.allow_logs


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
        self._instance: Instance | None = None
        self._output = Output(self._line)
        self._is_quiet = False
        self._is_beyond = False  # the end of what is recorded
        # Of the run that is on:
        self._run: Run | None = None
        self._journal = Journal([])
        self._resolve: Resolve = lambda value: value
        self._own: deque[Crossing] = deque()
        self._first_own = 0
        self._record = TurnRecord(actor, incarnation, 0, 0, 0)
        self._seen = 0
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
                    self._cross(EventType.CARRIED_ON, *_export(run), [])
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
                    self._failed(error)
            except WasiExit as error:
                self._failed(GuestFailure("exit", str(error)))
            except _TooLong as error:
                self._failed(GuestFailure("too-large", str(error)))
            except Diverged as error:
                self._failed(GuestFailure("diverged", str(error)))
        except Unlike as error:
            if self._may_not_have_come_here(run, error):
                played.events = self._seen
                return played
            played.difference = error
            payload = externalise(error.found[3], played.contents)
            numbers = (self._incarnation, run.turn, self._index(error))
            played.found = encode(self._actor, *numbers, *error.found[:3], payload)
        played.events = self._seen
        if self._settings.tells_states:
            played.state = self._state
        if self._settings.allow_logs:
            recorded = [line for each in (*run.before, *run.own) for line in _lines(each.event)]
            played.lines = told_apart(recorded, self._lines)
        return played

    def _may_not_have_come_here(self, run: Run, error: Unlike) -> bool:
        """Whether all is done that this process recorded before it died. What it was answered from
        the record of those before it, it did not record again: nobody knows how far it came."""
        if run.ending is not Ending.LEFT or self._own:
            return False
        return error.recorded is None or error.recorded.event.index < self._first_own

    def _begin(self, run: Run, contents: dict[bytes, bytes], chains: dict[bytes, Any]) -> None:
        self._run = run
        before, own = run.before, run.own
        if self._settings.allow_logs:
            before = [each for each in before if not self._output.recorded(each.event)]
            own = [each for each in own if not self._output.recorded(each.event)]
        self._journal = Journal(crossing.event for crossing in (*before, *own))
        self._resolve = resolver(contents, chains)
        self._own = deque(own)
        self._first_own = run.own[0].event.index if run.own else len(run.before)
        limits = self._limits
        self._record = TurnRecord(
            self._actor,
            self._incarnation,
            run.turn,
            limits["turn_bytes"],
            limits["message_max"],
        )
        if run.before:
            size = sum(len(crossing.data) for crossing in run.before)
            self._record.go_on(0, self._first_own, size, 0, ())
        self._seen, self._lines = 0, []

    def _instantiate(self) -> Instance:
        return Instance(
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
            self._cross(EventType.WASM_CALL, interface, function, arguments)
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
            self._end("it failed", EventType.WASM_ERROR, ACTOR, "failed", _told(failure))
            raise failure
        returned = result["ok"]
        self._end("the turn has ended", EventType.WASM_RESULT, interface, function, [result, fuel])
        self._output.flush()
        kind = _KINDS[interface, function]
        limits = self._limits
        check_sizes(kind, returned, fuel, limits["message_max"], limits["state_max"])
        state = returned[0]
        hash = None if state is None else content_hash(state)
        value = [{"ok": [state_ref(hash), *returned[1:]]}, fuel]
        self._cross(EventType.WASM_RESULT, interface, function, value)
        self._state = state

    def _end(self, how: str, type: str, interface: str, function: str, value: Any) -> None:
        """The export is over, with this. All calls that the record has must have been made."""
        recorded = self._next()
        if recorded is not None and recorded.event.type == EventType.HOST_CALL:
            raise Unlike(recorded, type, interface, function, value)
        self._journal.end(how)  # it may have been so in what was recorded before

    def _failed(self, error: GuestFailure) -> None:
        """The guest could not end its turn. It may have been so."""
        self._output.flush()
        failure = _told(error)
        recorded = self._next()
        if recorded is None or not self._is_same_failure(recorded.event, failure):
            raise Unlike(recorded, EventType.WASM_ERROR, ACTOR, "failed", failure)
        self._own.clear()
        self._seen += 1

    def _is_same_failure(self, recorded: Event, failure: dict[str, Any]) -> bool:
        if recorded.type != EventType.WASM_ERROR or not isinstance(recorded.payload, dict):
            return False
        names = ["kind", "message"]
        if self._settings.same_component:
            names.append("backtrace")
        if self._settings.compares_fuel:
            names.append("fuel")
        said = recorded.payload
        return [_comparable(said.get(n)) for n in names] == [_comparable(failure[n]) for n in names]

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
            if self._recorded_failure() == ("diverged", str(error)):
                raise _Cut("it diverged here, too") from None
            raise self._unlike(error, EventType.HOST_CALL, interface, function, [args]) from None
        if recorded is None:
            return self._not_recorded(interface, function, args)
        is_own = recorded.index >= self._first_own
        self._is_quiet = not is_own
        self._output.answered(interface, function, args, recorded.answer)
        self._is_quiet = False
        if is_own:
            answered = self._own_answer(recorded)
            self._cross(EventType.HOST_CALL, interface, function, [args, *answered])
        if self._own and self._own[0].event is recorded.told:
            self._cross(EventType.HOST_ANSWER, interface, function, [recorded.answer])
        if not recorded.is_answered:
            raise _Cut("it waited for this answer")
        self._cut_at_the_end()
        return self._resolve(recorded.answer)

    def drop(self, interface: str, resource: str, rep: int) -> None:
        pass

    def _own_answer(self, recorded: Recorded) -> list[Any]:
        """The answer, if it stands in the event of the call itself."""
        for crossing in self._own:
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
        failure = self._recorded_failure()
        if failure is not None:
            kind, message = failure
            name = f"{interface}.{function}: "
            if kind == "trap" and message.startswith(name):
                raise _HostFailed(message.removeprefix(name))
            if kind == "too-large":
                raise _TooLong(message)
        raise Unlike(self._next(), EventType.HOST_CALL, interface, function, [args])

    def _recorded_failure(self) -> tuple[str, str] | None:
        """(kind, message) of the failure that the record ends with, if that comes next."""
        recorded = self._next()
        if recorded is None or recorded.event.type != EventType.WASM_ERROR:
            return None
        payload = recorded.event.payload
        return str(payload.get("kind")), str(payload.get("message"))

    def _cut_at_the_end(self) -> None:
        assert self._run is not None
        if self._run.ending is not Ending.LEFT or not self._journal.is_finished():
            return
        if not self._settings.looks_beyond:
            raise _Cut("the record ends here")
        self._is_beyond = True
        if self._instance is not None:
            self._instance.limit_fuel(LOOK_FUEL)

    # Comparing

    def _line(self, stream: str, line: str) -> None:
        """A whole line has been written, which is an event of its own."""
        if self._is_quiet:
            return
        if self._settings.allow_logs:
            self._lines.append(line)
        elif stream != "log":
            self._cross(EventType.LOG, f"wasi:cli/{stream}", "line", [line])

    def _cross(self, type: EventType, interface: str, function: str, payload: Any) -> None:
        """An event; it has to be the next of the record."""
        try:
            data = self._record.add(type, interface, function, payload)
        except TurnTooLong as error:
            raise _TooLong(str(error)) from None
        expected = self._own.popleft() if self._own else None
        if expected is None or (
            expected.data != data
            and not self._is_as_good(expected.event, type, interface, function, payload)
        ):
            raise Unlike(expected, type, interface, function, payload)
        self._seen += 1

    def _is_as_good(
        self, recorded: Event, type: str, interface: str, function: str, payload: Any
    ) -> bool:
        """Whether an event of other bytes says the same, as far as it has to."""
        if (recorded.type, recorded.interface, recorded.function) != (type, interface, function):
            return False
        found = externalise(payload, [])
        known = recorded.payload
        if type == EventType.WASM_RESULT and not self._settings.compares_fuel:
            found, known = found[:1], known[:1]
        elif self._settings.compares_bytes:
            return False
        return bool(_comparable(found) == _comparable(known))

    def _next(self) -> Crossing | None:
        """What the record has next, but for lines."""
        for crossing in self._own:
            if crossing.event.type != EventType.LOG:
                return crossing
        return None

    def _unlike(
        self, error: Diverged, type: str, interface: str, function: str, payload: Any
    ) -> Unlike:
        """As a crossing: what the journal has found."""
        assert self._run is not None
        for crossing in (*self._run.before, *self._run.own):
            if crossing.event is error.recorded:
                return Unlike(crossing, type, interface, function, payload)
        return Unlike(self._next(), type, interface, function, payload)

    def _index(self, error: Unlike) -> int:
        return self._record.index if error.recorded is None else error.recorded.event.index


def _beyond(error: GuestFailure) -> str:
    if error.kind == "fuel":
        return f"{LOOK_FUEL:,} fuel later it is in"
    return f"{error.kind}: {error.message}"


def _told(error: GuestFailure) -> dict[str, Any]:
    """A failure as `wasm-error` has it."""
    return {
        "kind": error.kind,
        "message": error.message,
        "backtrace": error.backtrace,
        "fuel": error.fuel,
    }


def _lines(event: Event) -> list[str]:
    """The line that an event is, or logs."""
    if event.type == EventType.LOG:
        return list(event.payload)
    is_log = (event.type, event.interface, event.function) == (EventType.HOST_CALL, RUNTIME, "log")
    return list(event.payload[0]) if is_log else []


def _export(run: Run) -> tuple[str, str]:
    call = run.call()
    return ("", "") if call is None else (call.interface, call.function)


def _comparable(value: Any) -> Any:
    """Floats by their bits, so that a NaN equals itself; a guess of the host's left out."""
    if isinstance(value, str):
        return _GUESS.sub("", value)
    if isinstance(value, float):
        return ("float", value.hex())
    if isinstance(value, list | tuple):
        return [_comparable(item) for item in value]
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in value.items()}
    return value
