"""A step that has been checked, in the words of what it does. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from theater.calls import (
    HELD,
)
from theater.errors import ProtocolError
from theater.events import (
    Event,
    EventType,
    ref_hash,
)


class BadStep(ProtocolError):
    """The worker sent a step it may not send; its incarnation ends."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a held call does."""

    index: int
    interface: str
    function: str
    name: str = ""  # of an actor, a request, a channel or a timer
    body: bytes | None = b""  # None: a shutdown without a result
    number: int = 0  # milliseconds


@dataclass(slots=True)
class Step:
    """A checked step, in the words of what it does."""

    turn: int
    step: int
    events: list[tuple[bytes, Event]]
    size: int
    contents: dict[bytes, bytes] = field(default_factory=dict)  # by hash, that events refer to
    effects: list[Effect] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)  # channels, by it
    store_calls: list[Event] = field(default_factory=list)  # also those that ask: see stores.py
    ask: Event | None = None
    callee: str = ""  # of a request, or of what opens a channel
    question: bytes = b""
    asked: list[Any] = field(default_factory=list)  # arguments of the ask, with their contents
    tells: bool = False  # the answer of the world call before it
    ends: bool = False
    state: bytes | None = None  # hash after the turn
    state_bytes: bytes | None = None  # its content, if it came with the step and is nothing else
    needs_state: bool = False  # an event refers to the state before the turn, which is so needed
    reply: bytes | None = None  # to a request, a channel's first message, a loop's next state
    answer: dict[str, Any] | None = None  # to a call of another actor's
    accepted: bool = False  # the channel that the turn was asked to open
    fuel: int = 0


def takes_effect(event: Event) -> bool:
    """Whether this is a held call that was answered with Ok."""
    if event.type != EventType.HOST_CALL or (event.interface, event.function) not in HELD:
        return False
    payload = event.payload
    return len(payload) == 2 and isinstance(payload[1], dict) and "ok" in payload[1]


def content_of(value: Any, step: Step, limit: int) -> bytes:
    """The bytes behind a body, which is there itself or as a reference."""
    hash = ref_hash(value)
    content = step.contents.get(hash) if hash is not None else value
    if not isinstance(content, bytes):
        raise BadStep("a message is not bytes")
    if len(content) > limit:
        raise BadStep(f"a message of {len(content)} bytes is over the limit of {limit}")
    return content
