"""What a run recorded, event by event, beside what comes when it is run again. Pure.

Where component and settings are the recorded ones the bytes of an event are compared, as they were
hashed; elsewhere what they say, as far as it has to be the same.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from theater.events import Event, EventType, externalise
from theater.replay.slices import Crossing, Run
from theater.worker.failure import Abort, GuestFailure
from theater.worker.turn import TurnRecord, TurnTooLong

# What `instance.py` guesses from the memory of its whole process.
_GUESS = re.compile(r" \(its memory had grown close to the limit of .*\)$")


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


class TooLong(Abort):
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


class Comparison:
    """Of one run. `own`: what it recorded itself, as far as it has to come again."""

    def __init__(
        self,
        run: Run,
        own: Sequence[Crossing],
        actor: str,
        limits: Mapping[str, int],
        settings: Settings,
    ) -> None:
        self.seen = 0  # events that are as they were
        self.own = deque(own)  # still to come
        self.first = run.own[0].event.index if run.own else len(run.before)
        self._settings = settings
        self._record = TurnRecord(
            actor, run.incarnation, run.turn, limits["turn_bytes"], limits["message_max"]
        )
        if run.before:
            size = sum(len(crossing.data) for crossing in run.before)
            self._record.go_on(0, self.first, size, 0, ())

    def cross(self, type: EventType, interface: str, function: str, payload: Any) -> None:
        """An event; it has to be the next of the record. Raises Unlike, TooLong."""
        try:
            data = self._record.add(type, interface, function, payload)
        except TurnTooLong as error:
            raise TooLong(str(error)) from None
        expected = self.own.popleft() if self.own else None
        if expected is None or (
            expected.data != data
            and not self._is_as_good(expected.event, type, interface, function, payload)
        ):
            raise Unlike(expected, type, interface, function, payload)
        self.seen += 1

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

    def fail(self, error: GuestFailure, interface: str, function: str) -> None:
        """The guest could not end its turn. It must have been so. Raises Unlike."""
        failure = told(error)
        recorded = self.next()
        if recorded is None or not self._is_same_failure(recorded.event, failure):
            raise Unlike(recorded, EventType.WASM_ERROR, interface, function, failure)
        self.own.clear()
        self.seen += 1

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

    def next(self) -> Crossing | None:
        """What the record has next, but for lines."""
        for crossing in self.own:
            if crossing.event.type != EventType.LOG:
                return crossing
        return None

    def failure(self) -> tuple[str, str] | None:
        """(kind, message) of the failure that the record ends with, if that comes next."""
        recorded = self.next()
        if recorded is None or recorded.event.type != EventType.WASM_ERROR:
            return None
        payload = recorded.event.payload
        return str(payload.get("kind")), str(payload.get("message"))

    def index(self, error: Unlike) -> int:
        """Of the event that came instead."""
        return self._record.index if error.recorded is None else error.recorded.event.index


def told(error: GuestFailure) -> dict[str, Any]:
    """A failure as `wasm-error` has it."""
    return {
        "kind": error.kind,
        "message": error.message,
        "backtrace": error.backtrace,
        "fuel": error.fuel,
    }


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
