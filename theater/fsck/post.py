"""Hold messages to the events that made them, and to their receivers and senders.

Messages are numbered as their events are: message and event are found side by side, unless
something is missing. What is left over on either side waits in `scratch` for its other half.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from theater import wire
from theater.calls import CALL
from theater.errors import ProtocolError
from theater.events import INLINE_MAX, content_hash
from theater.fsck.across import MESSAGES, MessageRow
from theater.fsck.answers import CLIENT, Answers
from theater.fsck.chain import CANCEL, RESPOND
from theater.fsck.channels import Channels
from theater.fsck.creators import (
    ASKED,
    CHANNEL_CLOSE,
    CHANNEL_MESSAGE,
    CHANNEL_OPEN,
    RETRY,
    Creator,
    Creators,
    hash_of,
)
from theater.fsck.findings import shown
from theater.fsck.notices import KINDS as CHILD_KINDS
from theater.fsck.notices import Notices
from theater.fsck.numbering import Numbering
from theater.fsck.rounds import LOOP, Rounds
from theater.fsck.source import as_of
from theater.fsck.timers import CLEARED, TICK, Timers
from theater.fsck.tools import Tools

KINDS = (
    *("send", "request", CHANNEL_OPEN, CHANNEL_MESSAGE, CHANNEL_CLOSE, TICK, LOOP, CALL),
    *sorted(CHILD_KINDS),
)
UNSENT = {TICK, *CHILD_KINDS}  # that no call makes
STATUSES = ("queued", "outstanding", "done", "dead", CLEARED)

TABLES = """
CREATE TABLE lost_events (
    seq INTEGER PRIMARY KEY, kind, actor, turn, idx, receiver, content, message, letter, sure,
    channel);
CREATE INDEX lost_events_by ON lost_events (actor, turn, idx);
CREATE INDEX lost_events_of ON lost_events (message);
CREATE TABLE lost_messages (
    id INTEGER PRIMARY KEY, kind, actor, turn, idx, receiver, content, channel);
CREATE INDEX lost_messages_by ON lost_messages (actor, turn, idx);
CREATE TABLE dead (message INTEGER PRIMARY KEY);
CREATE TABLE pairs (receiver INTEGER, sender TEXT, PRIMARY KEY (receiver, sender)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Made:
    """A message, by what its event says of it too."""

    id: int
    kind: str
    actor: int | None
    turn: int | None
    index: int | None
    to: str
    content: bytes | None
    channel: str | None


class Post:
    def __init__(
        self,
        tools: Tools,
        last_seq: int,
        last_message: int,
        creators: Creators,
        answers: Answers,
        channels: Channels,
        timers: Timers,
        rounds: Rounds,
        notices: Notices,
    ) -> None:
        self._file, self._version, self._scratch, self._contents, self._reports = tools
        self._last_seq = last_seq
        self._last_message = last_message
        self._answers = answers
        self._channels = channels
        self._timers = timers
        self._rounds = rounds
        self._notices = notices
        self._creators = creators
        self._pairs: set[tuple[int, str]] = set()

    # Messages

    def check(self) -> None:
        """Each message has its event, and each such event its message."""
        creators = self._creators.until(self._last_seq)
        creator = next(creators, None)
        for made in self._made():
            while creator is not None and not _belong(creator, made):
                if not (self._makes_none(creator) or self._found_message(creator)):
                    break
                creator = next(creators, None)
            if creator is not None and _belong(creator, made):
                self._compare(creator, made)
                creator = next(creators, None)
            elif made.kind not in UNSENT and not self._found_event(made):
                key = (made.actor, made.turn, made.index)
                self._scratch.run(
                    "INSERT OR IGNORE INTO lost_messages VALUES (?,?,?,?,?,?,?,?)",
                    (made.id, made.kind, *key, made.to, made.content, made.channel),
                )
                if creator is not None:
                    self._lose(creator)
                    creator = next(creators, None)
        while creator is not None:
            if not (self._makes_none(creator) or self._found_message(creator)):
                self._lose(creator)
            creator = next(creators, None)
        self._tell_lost()

    def _made(self) -> Iterator[Made]:
        """All messages but those of clients. What no call makes is among them: what is dead may be
        retried."""
        order = Numbering("message", self._reports)
        select = as_of(MESSAGES, self._version)
        for row in self._file.pages(select, MESSAGES.keys, "m.id <= ?", [self._last_message]):
            message = MESSAGES.make(*row)
            order.take(message.id)
            misfits = list(MESSAGES.misfits(message))
            for found, expected in misfits:
                self._reports.wrong(found, expected, message=message.id)
            if not misfits:
                self._judge(message)
            if message.status == "dead":
                self._scratch.run("INSERT OR IGNORE INTO dead VALUES (?)", (message.id,))
            if message.kind == CHANNEL_CLOSE:
                self._channels.told(message)
                if message.from_actor is not None and message.from_turn is None:
                    continue  # no call closed it
            if message.client is None:
                yield Made(
                    message.id,
                    message.kind,
                    message.from_actor,
                    message.from_turn,
                    message.from_index,
                    message.to_name,
                    _content(message.body, message.body_hash),
                    message.channel,
                )
        order.end(self._last_message)

    def _makes_none(self, creator: Creator) -> bool:
        """Whether it is an ask that was refused, since it would have closed a circle; or the end of
        a channel that was closed already; or said on one that nobody waited for."""
        if creator.kind == CHANNEL_CLOSE:
            return self._channels.makes_no_close(creator.actor, creator.channel or "")
        if creator.kind == CHANNEL_MESSAGE:
            return self._channels.is_late(creator.channel or "")
        if creator.kind not in ASKED.values():
            return False
        key = (creator.actor, creator.turn, creator.index)
        row = self._file.one(
            "SELECT message FROM asks WHERE actor = ? AND turn = ? AND idx = ?", key
        )
        return row == (None,)

    def _lose(self, creator: Creator) -> None:
        self._scratch.run(
            "INSERT OR IGNORE INTO lost_events VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (
                creator.seq,
                creator.kind,
                creator.actor,
                creator.turn,
                creator.index,
                creator.to,
                creator.content,
                creator.message,
                creator.letter,
                creator.sure,
                creator.channel,
            ),
        )

    def _found_message(self, creator: Creator) -> bool:
        """Whether the message of this event has waited for it."""
        where, key = "actor = ? AND turn = ? AND idx = ?", [creator.actor, creator.turn]
        if creator.kind == RETRY:
            where, key = "id = ?", [creator.message or 0]
        else:
            key.append(creator.index)
        for row in self._scratch.rows(f"SELECT * FROM lost_messages WHERE {where} LIMIT 1", key):
            self._scratch.run("DELETE FROM lost_messages WHERE id = ?", row[:1])
            self._compare(creator, Made(*row))
            return True
        return False

    def _found_event(self, made: Made) -> bool:
        """Whether the event of this message has waited for it."""
        key = (made.actor, made.turn, made.index, made.id)
        sql = (
            "SELECT * FROM lost_events WHERE (actor = ? AND turn = ? AND idx = ? AND kind != ?)"
            " OR message = ? LIMIT 1"
        )
        for row in self._scratch.rows(sql, (*key[:3], RETRY, made.id)):
            self._scratch.run("DELETE FROM lost_events WHERE seq = ?", row[:1])
            self._compare(Creator(*row), made)
            return True
        return False

    def _tell_lost(self) -> None:
        for (id,) in self._scratch.rows("SELECT id FROM lost_messages ORDER BY id"):
            self._reports.wrong("no event made it, and no client", "one of them", message=id)
        for row in self._scratch.rows("SELECT * FROM lost_events WHERE sure ORDER BY seq"):
            lost = Creator(*row)
            where: dict[str, str | int] = {} if lost.kind == RETRY else {"turn": lost.turn}
            where |= {"seq": lost.seq}
            self._reports.wrong(
                f"a {lost.kind} to {shown(lost.to)} has no message", "one in messages", **where
            )

    def _compare(self, creator: Creator, made: Made) -> None:
        """An event and its message."""
        if not creator.sure:
            return
        where = {"message": made.id, "seq": creator.seq}
        if made.kind == TICK:
            self._timers.retried(made.id)
        elif made.kind in CHILD_KINDS:
            self._notices.retried(made.id)
        if creator.kind == RETRY:
            self._compare_retried(creator, made)
            return
        if made.kind != creator.kind:
            self._reports.wrong(f"kind is {shown(made.kind)}", shown(creator.kind), **where)
        to: str | None = creator.to  # which may be empty: a worker can say anything
        if creator.kind in (CHANNEL_MESSAGE, CHANNEL_CLOSE):
            to = self._channels.other(creator.channel, creator.actor)
        if made.to != to:
            found = f"to_name is {shown(made.to)}"
            self._reports.wrong(found, f"{shown(to)}, as is chained", **where)
        if made.channel != creator.channel:
            found = f"channel is {shown(made.channel)}"
            self._reports.wrong(found, f"{shown(creator.channel)}, as is chained", **where)
        if made.content != creator.content:
            found = f"its body has hash {shown(made.content)}"
            self._reports.wrong(found, f"{shown(creator.content)}, as is chained", **where)

    # One message

    def _judge(self, message: MessageRow) -> None:
        def wrong(found: str, expected: str) -> None:
            self._reports.wrong(found, expected, message=message.id)

        if message.kind not in KINDS:
            wrong(f"kind is {shown(message.kind)}", ", ".join(KINDS))
        if message.kind == TICK:
            self._timers.tick(message, wrong)
        elif message.kind == LOOP:
            self._rounds.message(message, wrong)
        elif message.kind in CHILD_KINDS:
            self._notices.message(message, wrong)
        none = ("send", "request", LOOP, CALL, *UNSENT)
        if (message.channel is None) != (message.kind in none):
            wrong(f"a {message.kind} of channel {shown(message.channel)}", "one if it is on one")
        if message.status not in STATUSES:
            wrong(f"status is {shown(message.status)}", ", ".join(STATUSES))
        self._judge_ends(message, wrong)
        self._judge_body(message, wrong)
        self._judge_status(message, wrong)

    def _judge_ends(self, message: MessageRow, wrong: Any) -> None:
        """Its receiver and its sender."""
        if message.to_actor is None:
            if message.status != "dead":
                wrong(f"to_actor is none, and it is {message.status}", "an actor, or it dead")
        elif message.to != message.to_name:
            wrong(f"to_name is {shown(message.to_name)}", f"{shown(message.to)}, as to_actor says")
        origin = (message.from_actor, message.from_turn, message.from_index)
        if message.kind == TICK and message.client is not None:
            wrong(f"a tick of client {shown(message.client)}", "none")
        if message.from_actor is None:
            if origin != (None, None, None):
                wrong("from_turn or from_index without from_actor", "all or none")
            return
        if message.kind in CHILD_KINDS or message.kind == LOOP:
            return  # nobody has sent it
        no_call = message.kind == CHANNEL_CLOSE and origin[1:] == (None, None)
        if (None in origin and not no_call) or message.client is not None:
            wrong("from_actor with too little or too much beside it", "turn and index alone")
        if message.sender is None:
            wrong(f"from_actor is {message.from_actor}", "one that there is")
        elif message.to_actor is not None:
            # One that was dead from the beginning made its sender known to nobody.
            if message.known is None and (message.status != "dead" or message.turn is not None):
                found = f"{shown(message.sender)} is not among the senders of {message.to_name}"
                wrong(found, "there")
            pair = (message.to_actor, message.sender)
            if pair not in self._pairs:
                if len(self._pairs) == 4096:
                    self._pairs.clear()
                self._pairs.add(pair)
                self._scratch.run("INSERT OR IGNORE INTO pairs VALUES (?,?)", pair)

    def _judge_body(self, message: MessageRow, wrong: Any) -> None:
        if (message.body is None) == (message.body_hash is None):
            wrong("body and body_hash are both there, or both missing", "one of them")
        elif message.body is not None:
            if len(message.body) != message.size or message.size > INLINE_MAX:
                wrong(f"size is {message.size}", f"{len(message.body)}, up to {INLINE_MAX}")
        elif message.body_hash is not None:
            self._contents.want(message.body_hash, "", "message", message.id)
            if message.content_size not in (message.size, None):
                wrong(f"size is {message.size}", f"{message.content_size}, as its content")

    def _judge_status(self, message: MessageRow, wrong: Any) -> None:
        status, turn = message.status, message.turn
        if status == "queued":
            if turn is not None:
                wrong(f"it waits, and names turn {turn}", "none")
            if message.to_removed is not None:
                wrong("it waits for an actor that was removed", "dead")
        elif status in ("done", "outstanding") and turn is None:
            wrong(f"it is {status}, and names no turn", "one")
        elif status == CLEARED:
            if turn is not None or message.kind not in (TICK, LOOP):
                found = f"a {message.kind} is cleared, in turn {shown(turn)}"
                wrong(found, "a tick or a round, in none")
        elif turn is not None:
            expected = "failed" if status == "dead" else "done"
            if message.turn_status is None:
                wrong(f"its turn {turn} of {message.to_name} is not there", "in turns")
            elif message.turn_message != message.id:
                wrong(f"its turn {turn} is about message {shown(message.turn_message)}", "this one")
            elif message.turn_status != expected:
                wrong(f"it is {status}, its turn {turn} is {shown(message.turn_status)}", expected)
        if status == "outstanding" and (message.kind != "request" or message.to_removed):
            wrong(f"a {message.kind} is outstanding", "a request, to an actor that is there")
        of_client = message.client is not None and message.kind == "request"
        if message.answered is not None and (status == "outstanding" or not of_client):
            wrong("it has an answer", "none: only a client's request has, when it is over")
        elif message.answered is not None and status == "queued":  # its turn is not over yet
            answer = _answer(message.answered)
            function = RESPOND[1] if "ok" in answer else CANCEL[1]
            name = f"{CLIENT}:{message.id}"
            self._answers.expect(message.to_name, name, function, hash_of(answer.get("ok")))
        if message.answered is None and of_client and self._is_over(status):
            wrong(f"it is {status}, and its client has no answer", "one")

    def _is_over(self, status: str) -> bool:
        """Whether there has to be an answer. Once a turn could end a request without one."""
        return status == "dead" or (status == "done" and self._version >= 4)

    def _compare_retried(self, creator: Creator, made: Made) -> None:
        found = self._file.one(
            "SELECT m.id, m.kind, m.from_actor, m.from_turn, m.from_index, d.actor, m.body,"
            f" m.body_hash, {'m.channel' if self._version >= 4 else 'NULL'}"
            " FROM dead_letters d JOIN messages m ON m.id = d.message WHERE d.id = ?",
            (creator.letter,),
        )
        if found is None:
            return
        id, kind, actor, turn, idx, to, body, body_hash, channel = found
        before = Made(id, kind, actor, turn, idx, to, _content(body, body_hash), channel)
        for name in ("kind", "actor", "turn", "index", "to", "content", "channel"):
            now, then = getattr(made, name), getattr(before, name)
            if now != then:
                expected = f"{shown(then)}, as of message {before.id}, which it is again"
                self._reports.wrong(
                    f"{name} is {shown(now)}", expected, message=made.id, seq=creator.seq
                )


def _belong(creator: Creator, made: Made) -> bool:
    if creator.kind == RETRY:
        return creator.message == made.id
    return (creator.actor, creator.turn, creator.index) == (made.actor, made.turn, made.index)


def _answer(packed: bytes) -> dict[str, Any]:
    try:
        answer = wire.unpack(packed)
    except (ProtocolError, MemoryError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _content(body: Any, body_hash: Any) -> bytes | None:
    if isinstance(body_hash, bytes):
        return body_hash
    return content_hash(body) if isinstance(body, bytes) else None
