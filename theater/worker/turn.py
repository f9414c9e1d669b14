"""The record of one turn: numbers its events, cuts it into steps. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgpack

from theater.calls import RUNTIME
from theater.events import (
    INLINE_MAX,
    EventType,
    content_hash,
    encode,
    externalise,
    ref,
    ref_hash,
    state_ref,
)

PLACE_MAX = 4096  # bytes of the event of an answer that says where in the log it lies


class TurnTooLong(Exception):
    """The turn has recorded more bytes than its limit allows."""


class TurnRecord:
    """Events of turn `turn`; `events` and `contents` are what the next step will carry."""

    def __init__(
        self, actor: str, incarnation: int, turn: int, limit_bytes: int, message_max: int
    ) -> None:
        self.turn = turn
        self.step = 0
        self.index = 0
        self.size = 0
        self.events: list[bytes] = []
        self.contents: list[bytes] = []
        self._known: set[bytes | None] = set()  # contents the broker has: state before, input
        self._sent: set[bytes] = set()  # contents of this step
        self.actor = actor
        self._incarnation = incarnation
        self._limit = limit_bytes
        # Long byte strings are stored beside the events: one message of the largest size fits.
        self._contents_limit = limit_bytes + message_max
        self._contents_size = 0

    def know(self, hash: bytes | None) -> None:
        """The broker has this content: the state before, or the input."""
        self._known.add(hash)

    def go_on(
        self, step: int, index: int, size: int, contents_size: int, known: Iterable[bytes]
    ) -> None:
        """The turn has a record already: `step` steps, with what comes before event `index`."""
        self.step, self.index = step, index
        self.size, self._contents_size = size, contents_size
        self._known.update(known)

    def know_body(self, value: bytes | msgpack.ExtType) -> None:
        """The broker has the input's body, which stands in the event as `value`."""
        self.know(ref_hash(value))

    def key(self, index: int) -> str:
        """What names the call that is event `index`, in whatever run of the turn."""
        return f"{self.actor}:{self.turn}:{index}"

    def add(self, type: EventType, interface: str, function: str, payload: Any) -> bytes:
        """The next event's bytes; long byte strings in the payload become references."""
        data = self._bytes(type, interface, function, payload)
        if len(data) > INLINE_MAX:
            found: list[bytes] = []
            payload = externalise(payload, found)
            for content in found:
                # Also one the broker has had before: it may have to pass it on.
                hash = content_hash(content)
                if hash not in self._sent:
                    self._sent.add(hash)
                    self.contents.append(content)
                    self._contents_size += len(content)
            data = self._bytes(type, interface, function, payload)
        self.size += len(data)
        if type != EventType.WASM_ERROR:
            self._check_size()
        self.events.append(data)
        self.index += 1
        return data

    def answered(self, interface: str, function: str, answer: Any, has_place: bool = False) -> None:
        """The broker has added the event of an answer. `has_place`: its index was left free.

        It counts: whoever carries the turn on is given all of its record at once.
        """
        contents: list[bytes] = []
        payload = [externalise(answer, contents)]
        event = self._bytes(EventType.HOST_ANSWER, interface, function, payload)
        is_place = (interface, function) == (RUNTIME, "get-chain")
        # Of a part of a chain only the place is in the event; it is read again.
        self.size += min(len(event), PLACE_MAX) if is_place else len(event)
        self._contents_size += len(event) + sum(map(len, contents))
        self.index += not has_place
        self._check_size()

    def _check_size(self) -> None:
        if self.size > self._limit or self._contents_size > self._contents_limit:
            raise TurnTooLong(f"the turn recorded more than turn_bytes ({self._limit} bytes)")

    def _bytes(self, type: EventType, interface: str, function: str, payload: Any) -> bytes:
        """The next event's bytes, as the payload stands."""
        numbers = (self._incarnation, self.turn, self.index)
        return encode(self.actor, *numbers, type, interface, function, payload)

    def result(
        self, interface: str, function: str, value: dict[str, Any], state: bytes | None, fuel: int
    ) -> tuple[bytes, bytes | None]:
        """The last event. Returns it and the hash of the new state, which is its own content."""
        hash = None if state is None else content_hash(state)
        if state is not None and hash not in self._known and hash not in self._sent:
            self.contents.append(state)
        returned = [state_ref(hash), *value["ok"][1:]]
        data = self.add(EventType.WASM_RESULT, interface, function, [{"ok": returned}, fuel])
        return data, hash

    def cut(self) -> tuple[int, list[bytes], list[bytes]]:
        """End the step: its number, its events, its contents. The next one begins."""
        step = self.step, self.events, self.contents
        self.step += 1
        self.events, self.contents = [], []
        self._known |= self._sent
        self._sent = set()
        return step


def body_value(body: bytes) -> bytes | msgpack.ExtType:
    """A message's body as it stands in an event."""
    return body if len(body) <= INLINE_MAX else ref(content_hash(body))
