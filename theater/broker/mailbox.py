"""Decide what waits, what is handed on, and when a mailbox is full. Pure.

The rows in the log are the mailbox. In memory there is a count, and a window of the oldest
messages that have not been handed to the worker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from theater.calls import TOLD, called, parameters
from theater.events import INLINE_MAX, content_hash, externalise, ref
from theater.spec import MailboxBounds, OnFull

WINDOW = 512  # messages in memory, per actor
WINDOW_BYTES = 4 * 1024 * 1024
OVERFLOW = 10  # at this many times the bound a message becomes a dead letter


@dataclass(slots=True)
class Message:
    """One committed message on its way to an actor."""

    id: int
    kind: str  # see actors.py
    sender: str | None  # address; None: a client
    sender_turn: int | None
    sender_index: int | None
    client: str | None  # the client's id for it
    body: bytes
    # Only of a body over the inline size; reckoned when it is first wanted.
    body_hash: bytes | None = field(default=None, compare=False)
    deliveries: int = 0  # failed ones
    numbered: bool = False  # it has failed without a step: its turn's number stands in the chain
    was_tried: bool = False  # a guest has failed with it, and a fresh instance tries it once more
    sender_id: int | None = None
    channel: str | None = None  # the id of the channel that it opens, is on, or closes
    # A request that has been answered already, in a step of its turn. Of an actor's that the log
    # was asked for it is not known: whether it waits tells.
    replied: bool = False
    # What it calls, once somebody has asked: see `called`.
    export: tuple[str, str] | None = field(default=None, compare=False)

    def called(self) -> tuple[str, str]:
        """The export that it calls. Of a call of another actor's it stands in the body."""
        if self.export is None:
            self.export = called(self.kind, self.body)
        return self.export

    def body_value(self) -> object:
        """The body as it stands in an event: itself, or a reference when it is long."""
        if len(self.body) <= INLINE_MAX:
            return self.body
        if self.body_hash is None:
            self.body_hash = content_hash(self.body)
        return ref(self.body_hash)

    def request_id(self) -> str:
        """The name of a request or a channel, derived from who made it."""
        if self.sender is None:
            return f"client:{self.id}"
        return f"{self.sender}:{self.sender_turn}:{self.sender_index}"

    def name(self) -> str:
        """What its handler is told beside the body: of which request, child, or channel."""
        if self.kind == "request":
            return self.request_id()
        if self.kind.startswith("child-"):
            return self.sender or ""
        return self.channel or ""

    def parameters(self) -> list[Any]:
        """What its export is given beside the state, as it stands in the event."""
        if self.kind in TOLD:
            told = parameters(self.kind, self.name(), self.body)
            return [externalise(each, []) for each in told]
        return parameters(self.kind, self.name(), self.body_value())


@dataclass(slots=True)
class Mailbox:
    bounds: MailboxBounds
    messages: int = 0  # queued in the log, also those handed to the worker and not consumed
    bytes: int = 0
    window: deque[Message] = field(default_factory=deque)
    window_bytes: int = 0
    handed: int = 0
    last_loaded: int = 0  # id of the newest message that has been in the window

    def put(self, message: Message) -> None:
        """A message has become a row. It enters the window if no older one is outside."""
        complete = self.messages == len(self.window) + self.handed
        self.messages += 1
        self.bytes += len(message.body)
        if complete and self._has_room():
            self._load(message)

    def refill(self, messages: Iterable[Message]) -> None:
        """Rows read after `last_loaded`, oldest first."""
        for message in messages:
            if not self._has_room():
                return
            self._load(message)

    def _has_room(self) -> bool:
        return len(self.window) < WINDOW and self.window_bytes < WINDOW_BYTES

    def _load(self, message: Message) -> None:
        assert message.id > self.last_loaded, "a mailbox was loaded out of order"
        self.window.append(message)
        self.window_bytes += len(message.body)
        self.last_loaded = message.id

    def wants_refill(self) -> bool:
        return not self.window and self.messages > self.handed

    def hand(self) -> Message | None:
        """The oldest message that no worker has, now in a worker's hands."""
        if not self.window:
            return None
        message = self.window.popleft()
        self.window_bytes -= len(message.body)
        self.handed += 1
        return message

    def next_kind(self) -> str | None:
        """Of the message that is handed next."""
        return self.window[0].kind if self.window else None

    def take_out(self, id: int, size: int) -> None:
        """A message that no worker has is not wanted any more, wherever it waits."""
        self.messages -= 1
        self.bytes -= size
        for place, message in enumerate(self.window):
            if message.id == id:
                del self.window[place]
                self.window_bytes -= len(message.body)
                return
        assert id > self.last_loaded, "a message was taken out that a worker has"

    def take_back(self, handed: Iterable[Message]) -> None:
        """The worker is gone: its messages, oldest first, stand at the front again."""
        back = list(handed)
        for message in reversed(back):
            self.window.appendleft(message)
            self.window_bytes += len(message.body)
        self.handed -= len(back)

    def consumed(self, message: Message) -> None:
        """A message in a worker's hands has been consumed by a turn, or set aside."""
        self.handed -= 1
        self.messages -= 1
        self.bytes -= len(message.body)
        assert self.messages >= 0 and self.handed >= 0, "a message was consumed twice"

    def is_full(self) -> bool:
        return self.messages >= self.bounds.max_messages or self.bytes >= self.bounds.max_bytes

    def refuses(self) -> bool:
        """Whether a message from an actor becomes a dead letter."""
        if self.bounds.on_full is OnFull.REJECT:
            return self.is_full()
        return (
            self.messages >= OVERFLOW * self.bounds.max_messages
            or self.bytes >= OVERFLOW * self.bounds.max_bytes
        )
