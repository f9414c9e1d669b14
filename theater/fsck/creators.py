"""The events that make messages: calls that send, asks, accepted channels, retried dead letters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from theater import calls
from theater.errors import ProtocolError
from theater.events import Event, EventType, content_hash, decode, ref_hash
from theater.fsck.across import CREATORS, LETTERS, CreatorRow, LetterRow
from theater.fsck.answers import Answers
from theater.fsck.chain import (
    CALL,
    CANCEL,
    CLOSE,
    EVENT_MAX,
    LOOPED,
    OPEN_CHANNEL,
    REQUEST,
    RESPOND,
    SAY,
    SEND,
    TIMED,
    kind_of,
)
from theater.fsck.channels import Channels
from theater.fsck.children import Children
from theater.fsck.findings import shown
from theater.fsck.inquiries import Inquiries
from theater.fsck.notices import Notices
from theater.fsck.numbering import Numbering
from theater.fsck.rounds import LOOP, Rounds
from theater.fsck.source import as_of
from theater.fsck.timers import Timers
from theater.fsck.tools import Tools

RETRY = "retry"
CHANNEL_OPEN, CHANNEL_MESSAGE = "channel-open", "channel-message"
CHANNEL_CLOSE = "channel-close"
# What a call makes: by an ask, or by a call that is answered Ok.
ASKED = {REQUEST: "request", OPEN_CHANNEL: CHANNEL_OPEN, CALL: calls.CALL}
CALLED = {SEND: "send", SAY: CHANNEL_MESSAGE, CLOSE: CHANNEL_CLOSE}

# Calls that are answered by others, or make what is no message.
_SENDING = frozenset(function for _, function in {*ASKED, *CALLED, *LOOPED, RESPOND, CANCEL})

TABLES = """
CREATE TABLE decided (letter INTEGER PRIMARY KEY);
"""


@dataclass(frozen=True, slots=True)
class Creator:
    """An event that makes a message."""

    seq: int
    kind: str  # of the message, or retry
    actor: int
    turn: int
    index: int
    to: str  # "": to the other side of its channel
    content: bytes | None  # its hash
    message: int | None = None  # of a retry: the one that it makes
    letter: int = 0
    sure: bool = True  # it is an event, and says all that
    channel: str | None = None


class Creators:
    """Goes along all events once; what they say beside is told those who hold it to others."""

    def __init__(
        self,
        tools: Tools,
        answers: Answers,
        channels: Channels,
        timers: Timers,
        rounds: Rounds,
        children: Children,
        notices: Notices,
        inquiries: Inquiries,
    ) -> None:
        self._file, self._version, self._scratch, _, self._reports = tools
        self._answers = answers
        self._channels = channels
        self._timers = timers
        self._rounds = rounds
        self._children = children
        self._notices = notices
        self._inquiries = inquiries

    def until(self, last_seq: int) -> Iterator[Creator]:
        """Those that are in the log up to this event, in the order of commits."""
        order = Numbering("seq", self._reports)
        for row in self._file.pages(CREATORS.select, CREATORS.keys, "seq <= ?", [last_seq]):
            event = CREATORS.make(*row)
            order.take(event.seq)
            if event.data is not None:
                yield from self._made_by(event)
            elif event.type in (EventType.REINITIALISED, EventType.REMOVED):
                self._timers.gone(event.actor)
                self._rounds.gone(event.actor)
                if event.type == EventType.REMOVED:
                    self._children.gone(event)
                    self._notices.gone(event)
        order.end(last_seq)

    def _made_by(self, row: CreatorRow) -> Iterator[Creator]:
        numbers = (row.actor, row.turn, row.idx)
        try:
            if not isinstance(row.data, bytes) or len(row.data) > EVENT_MAX:
                raise ProtocolError
            event = decode(row.data)
        except (ProtocolError, MemoryError):  # its chain's walk tells
            self._timers.lose(row.actor)
            self._rounds.lose(row.actor)
            self._children.lose(row.actor)
            is_call = row.type == EventType.HOST_CALL and row.function in _SENDING
            if is_call or (row.type, row.function) == (EventType.WASM_RESULT, LOOP):
                yield Creator(row.seq, row.function, *numbers, "", None, sure=False)
            return
        payload = event.payload
        self._children.take(row, event)
        self._notices.take(row, event)
        self._inquiries.take(row, event)
        self._rounds.facts(row, event)
        if event.type == EventType.DEAD_LETTER and isinstance(payload, dict):
            yield from self._decision(row, payload)
        elif event.type == EventType.HOST_CALL and isinstance(payload, list) and payload:
            yield from self._call(row, event, payload)
        elif kind_of((event.interface, event.function)) == CHANNEL_OPEN:
            yield from self._accept(row, payload)
        elif kind_of((event.interface, event.function)) == LOOP:
            yield from self._round(row, event.actor, payload)

    def _call(self, row: CreatorRow, event: Event, payload: list[Any]) -> Iterator[Creator]:
        """A call that sends something, or answers."""
        name, arguments = (event.interface, event.function), payload[0]
        numbers = (row.actor, row.turn, row.idx)
        if len(payload) == 1:
            if name == CALL:
                yield self._called(row, arguments)
            elif name in ASKED:
                yield _sent(row.seq, ASKED[name], numbers, arguments, event.actor)
        elif isinstance(payload[1], dict) and "ok" in payload[1]:
            if name in CALLED:
                yield _sent(row.seq, CALLED[name], numbers, arguments, event.actor)
            elif name in TIMED:
                self._timers.call(*numbers, event.function, arguments, row.seq)
            elif name in LOOPED:
                self._rounds.call(*numbers, event.function, row.seq)
                if event.function == calls.START_LOOP:
                    yield _sent(
                        row.seq, LOOP, numbers, [event.actor, *_listed(arguments)], event.actor
                    )
            elif name in (RESPOND, CANCEL) and isinstance(arguments, list) and arguments:
                content = hash_of(arguments[1]) if len(arguments) == 2 else None
                request = str(arguments[0])
                self._answers.give(row.actor, request, event.function, content, row.seq)

    def _called(self, row: CreatorRow, arguments: Any) -> Creator:
        """A call of what another actor exports. Its message has the name of that, too."""
        numbers = (row.actor, row.turn, row.idx)
        match arguments:
            case [str(to), str(function), params, _]:
                hash = ref_hash(params)
                if hash is not None:
                    found = self._file.one("SELECT bytes FROM blobs WHERE hash = ?", (hash,))
                    params = found[0] if found is not None else None
                if isinstance(params, bytes):
                    content = content_hash(calls.rpc_body(function, params))
                    return Creator(row.seq, calls.CALL, *numbers, to, content)
        return Creator(row.seq, calls.CALL, *numbers, "", None, sure=False)

    def _accept(self, row: CreatorRow, payload: Any) -> Iterator[Creator]:
        """The end of a turn that was asked to open a channel."""
        try:
            (answer,) = payload[0]["ok"][1]
            accepted, message = answer["accepted"], answer["message"]
        except (TypeError, ValueError, LookupError):
            return  # its chain's walk tells
        channel = self._channels.accept(row.actor, row.turn) if accepted is True else None
        if channel is not None and message is not None:
            numbers = (row.actor, row.turn, row.idx)
            hash = hash_of(message)
            yield Creator(row.seq, CHANNEL_MESSAGE, *numbers, "", hash, channel=channel)

    def _round(self, row: CreatorRow, actor: str, payload: Any) -> Iterator[Creator]:
        """The end of a loop's round."""
        numbers = (row.actor, row.turn, row.idx)
        state = self._rounds.result(*numbers, payload)
        if state is not None:
            yield _sent(row.seq, LOOP, numbers, [actor, state], actor)

    def _decision(self, row: CreatorRow, payload: dict[str, Any]) -> Iterator[Creator]:
        """Somebody has retried or dropped a dead letter."""
        id, decision = payload.get("id"), payload.get("decision")
        again = payload.get("message")
        if not isinstance(id, int) or decision not in ("retried", "dropped"):
            found = f"a decision {shown(decision)} about dead letter {shown(id)}"
            self._reports.wrong(found, "retried or dropped", seq=row.seq)
            return
        letter = self._letter(id)
        if letter is None:
            self._reports.wrong(f"dead letter {id} is not there", "in dead_letters", seq=row.seq)
        elif (letter.status, letter.again) != (decision, again):
            found = f"it is {shown(letter.status)}, as message {shown(letter.again)}"
            expected = f"{decision}, as message {shown(again)}, as is chained at seq {row.seq}"
            self._reports.wrong(found, expected, **{"dead letter": id})
        if not self._scratch.run("INSERT OR IGNORE INTO decided VALUES (?)", (id,)):
            found = "it was decided about a second time"
            self._reports.wrong(found, "once", **{"dead letter": id, "seq": row.seq})
        if decision == "retried" and isinstance(again, int):
            self._rounds.retried(again)
            to = letter.actor if letter is not None and isinstance(letter.actor, str) else ""
            numbers = (row.actor, row.turn, row.idx)
            yield Creator(row.seq, RETRY, *numbers, to, None, again, id, letter is not None)

    def _letter(self, id: int) -> LetterRow | None:
        row = self._file.one(f"{as_of(LETTERS, self._version)} WHERE d.id = ?", (id,))
        return None if row is None else LETTERS.make(*row)


def _sent(
    seq: int, kind: str, numbers: tuple[int, int, int], arguments: Any, actor: str
) -> Creator:
    if kind == CHANNEL_CLOSE and isinstance(arguments, list):
        arguments = [*arguments, b""]
    if isinstance(arguments, list) and len(arguments) == 2 and isinstance(arguments[0], str):
        name, body = arguments
        if kind in (CHANNEL_MESSAGE, CHANNEL_CLOSE):
            return Creator(seq, kind, *numbers, "", hash_of(body), channel=name)
        _, turn, index = numbers
        channel = f"{actor}:{turn}:{index}" if kind == CHANNEL_OPEN else None
        return Creator(seq, kind, *numbers, name, hash_of(body), channel=channel)
    return Creator(seq, kind, *numbers, "", None, sure=False)


def _listed(arguments: Any) -> list[Any]:
    return arguments if isinstance(arguments, list) else []


def hash_of(body: Any) -> bytes | None:
    hash = ref_hash(body)
    return content_hash(body) if hash is None and isinstance(body, bytes) else hash
