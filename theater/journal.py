"""Run a turn again from its record: answer each call as it was, and name the first that differs.

The record is the turn's committed events, in order. A guest that is called again with the same
arguments must make the same calls; each gets the answer that is recorded, and nothing is done.
After the last recorded call it goes on by itself. Pure: it neither knows who calls nor who waits.

A turn may have been run by several incarnations, one after the other. What each of them recorded
is a part of its own, which begins with `carried-on`. A fresh instance may have to do for itself
what an older one had done in an earlier turn: read its environment, ask for random numbers to
hash with. So a call of WASI that is not the next of the record is no difference: it is answered
anew and recorded in the part of the incarnation that makes it. The same rule, applied to the
parts in their order, finds those answers again in the next run: whatever came after the first
part was recorded by a fresh instance, like the one that is running now.

Not so what changes something outside, also of WASI: a write that is not the next of the record is
a difference, since to answer it anew would be to write once more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgpack

from theater import values, wasi
from theater.calls import RUNTIME, SUPERVISOR
from theater.events import CHAIN_CODE, Event, EventType, externalise, internalise, refs_in

_CHAIN_ANSWERS = {(RUNTIME, "get-chain"), (SUPERVISOR, "get-child-events")}
_SHOWN = 120  # characters of a call's arguments in a message

Resolve = Callable[[Any], Any]  # a recorded answer -> the value itself


class Diverged(Exception):
    """The guest did something else than the record says. The message names both.

    `recorded` is the event that was to come; None: the record had ended.
    """

    def __init__(self, message: str, recorded: Event | None = None) -> None:
        self.recorded = recorded
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The answer of a call that the record has."""

    index: int  # of the call's event
    answer: Any  # as recorded: see `internalise`
    is_answered: bool  # else it is an ask whose answer is still to come
    told: Event | None  # the event that has the answer of an ask
    kept: Any = None  # beside the answer, as recorded: see `wasi.Kept`


@dataclass(slots=True)
class _Call:
    event: Event
    arguments: bytes
    answer: Any = None
    is_answered: bool = False
    told: Event | None = None
    kept: Any = None


class Journal:
    """What is left of a turn's record. `export` is the call that the turn is."""

    def __init__(
        self, events: Iterable[Event], world: Mapping[str, Container[str]] | None = None
    ) -> None:
        """`world`: the functions, by interface, whose answer the worker itself records."""
        self._parts: list[deque[_Call]] = [deque()]
        self._length = 0
        asked: _Call | None = None  # and has no answer yet
        for event in events:
            self._length += 1
            match event.type:
                case EventType.WASM_CALL:
                    self._parts[-1].append(_Call(event, _packed(event.payload)))
                case EventType.HOST_CALL:
                    call = _Call(event, _packed(event.payload[0]))
                    if len(event.payload) == 2:
                        call.answer, call.is_answered = event.payload[1], True
                    else:
                        asked = call
                    self._parts[-1].append(call)
                case EventType.HOST_ANSWER:
                    # Of a world call it may come after what a fresh instance asked WASI for.
                    assert asked is not None, "an answer without an ask"
                    asked.answer, *kept = event.payload
                    asked.kept = kept[0] if kept else None
                    asked.is_answered, asked.told = True, event
                    asked = None
                case EventType.CARRIED_ON:
                    self._parts.append(deque())
                case _:
                    pass  # a line that was written follows from the calls that wrote it
        self._waits = False
        if asked is not None:
            self._waits = asked.event.function not in (world or {}).get(asked.event.interface, ())

    @property
    def next_index(self) -> int:
        """The index of the first event that is not in the record: an answer that is still to
        come has its place already."""
        return self._length + self._waits

    def has_prelude(self) -> bool:
        """Whether calls are recorded that the component may have made while it was instantiated."""
        first = self._parts[0]
        return len(self._parts) > 1 or (bool(first) and first[0].event.type != EventType.WASM_CALL)

    def calls(self) -> list[tuple[Event, Any]]:
        """(call, recorded answer) of all host calls that are left."""
        return [
            (call.event, call.answer)
            for part in self._parts
            for call in part
            if call.event.type == EventType.HOST_CALL
        ]

    def is_finished(self) -> bool:
        return not any(self._parts)

    def begin(self, interface: str, function: str, arguments: list[Any]) -> None:
        """The export is called. Raises Diverged."""
        self._take(EventType.WASM_CALL, interface, function, arguments)

    def answer(self, interface: str, function: str, arguments: list[Any]) -> Recorded | None:
        """The recorded answer of the guest's next call; None: it is to be answered anew.

        Raises Diverged.
        """
        if self.is_finished():
            return None
        is_wasi = interface.startswith(wasi.PREFIX)
        is_local = is_wasi and not wasi.is_change(interface, function, arguments)
        call = self._take(EventType.HOST_CALL, interface, function, arguments, is_local)
        if call is None:
            return None
        return Recorded(call.event.index, call.answer, call.is_answered, call.told, call.kept)

    def end(self, how: str) -> None:
        """The export is over. Raises Diverged if the record goes on."""
        for part in self._parts:
            if part:
                expected = part[0].event
                message = f"{_place(expected)} was {_called(expected)}, and now {how}"
                raise Diverged(message, expected)

    def _take(
        self,
        type: EventType,
        interface: str,
        function: str,
        arguments: list[Any],
        is_local: bool = False,
    ) -> _Call | None:
        packed = _packed(externalise(arguments, []))
        first: Event | None = None
        for part in self._parts:
            if not part:
                continue
            event = part[0].event
            if (event.type, event.interface, event.function) == (type, interface, function) and (
                part[0].arguments == packed
            ):
                return part.popleft()
            if first is None:
                first = event
            if not is_local:
                break
        if is_local:
            return None
        found = f"{interface}.{function}{_shown(arguments)}"
        if first is None:
            raise Diverged(f"the record has no call of {found}")
        raise Diverged(f"{_place(first)} was {_called(first)}, and now it is {found}", first)


def contents_of(events: Iterable[Event]) -> tuple[list[bytes], list[bytes]]:
    """What the answers in a record refer to: (hashes of contents, places of parts of chains)."""
    hashes: list[bytes] = []
    chains: list[bytes] = []
    for event in events:
        if event.type == EventType.HOST_ANSWER:
            answer = event.payload[0]
            hashes += refs_in(event.payload[1:])
        elif event.type == EventType.HOST_CALL and len(event.payload) == 2:
            answer = event.payload[1]
        else:
            continue
        # What a worker has recorded may look like a place, and is none.
        is_brokers = event.type == EventType.HOST_ANSWER
        place = answer["ok"] if _is_ok(answer) else answer
        if is_brokers and (event.interface, event.function) in _CHAIN_ANSWERS and _is_place(place):
            chains.append(place.data)
        hashes += refs_in(answer)
    return hashes, chains


def resolver(contents: dict[bytes, bytes], chains: dict[bytes, Any]) -> Resolve:
    """Give recorded answers back whole, from what `contents_of` has named. `chains`: lists of
    `chain-event`, by place."""

    def resolve(value: Any) -> Any:
        if _is_place(value):
            return {"events": chains[value.data]}
        if _is_ok(value) and _is_place(value["ok"]):
            return {"ok": chains[value["ok"].data]}
        return internalise(value, contents)

    return resolve


def _is_ok(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"ok"}


def _is_place(value: Any) -> bool:
    return isinstance(value, msgpack.ExtType) and value.code == CHAIN_CODE


def _packed(value: Any) -> bytes:
    """Bytes to compare by: a NaN equals itself, a tuple equals a list."""
    data: bytes = msgpack.packb(value, use_bin_type=True)
    return data


def _place(event: Event) -> str:
    return f"event {event.index} of turn {event.turn}"


def _called(event: Event) -> str:
    arguments = event.payload if event.type == EventType.WASM_CALL else event.payload[0]
    return f"{event.interface}.{event.function}{_shown(arguments)}"


def _shown(arguments: Any) -> str:
    return "(" + ", ".join(values.text(each, limit=_SHOWN) for each in arguments)[:_SHOWN] + ")"
