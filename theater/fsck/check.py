"""Check a log from end to end: SQLite's own check first, then chain by chain, then across them.

Work is done along indexes, a page at a time, and what has to be remembered lies on disk: the
memory needed does not grow with the log. A system that runs is not held up. What was committed
when the check began is checked; of an actor, as it is when its turn comes, so that its chain and
the rows about it are of one moment.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from theater import wire
from theater.errors import EnvironmentProblem, ProtocolError
from theater.events import EventType, decode
from theater.fsck import answers, channels, contents, creators, post, shape
from theater.fsck.ahead import Ahead, Key
from theater.fsck.answers import Answers
from theater.fsck.chain import EVENT_MAX, Chain, Crossing, references
from theater.fsck.channels import Channels
from theater.fsck.contents import Contents
from theater.fsck.file import LogFile, Row, Scratch, Unreadable, comes_after
from theater.fsck.findings import Reports, Summary, Tell, shown
from theater.fsck.letters import Letters
from theater.fsck.life import ACTOR, FACTS, Life
from theater.fsck.numbering import Numbering
from theater.fsck.post import Post
from theater.fsck.rows import (
    ACTORS,
    ASKS,
    EVENTS,
    EVIDENCE,
    INCARNATIONS,
    LAST_STATES,
    SENDERS,
    STEPS,
    TURNS,
    EvidenceRow,
    R,
    Source,
    as_of,
)
from theater.fsck.states import States
from theater.fsck.turns import Rows, Turns
from theater.quoting import escaped

LINE_MAX = 300
ROOT = "/"  # the root supervisor; version 1 had none
NEVER = float("inf")
STRIDE = 10_000  # events between two words of progress
OWNED = ("events", "incarnations", "turns", "steps", "asks", "senders", "evidence", "last_states")
COUNTERS = frozenset(
    {
        "clients_refused",
        "dead_letters",
        "held_back",
        "late_answers",
        "mailbox_full",
        "timeouts",
        "violations",
    }
)

Progress = Callable[[str], None]


def check(path: str, tell: Tell, progress: Progress = lambda _text: None) -> Summary:
    """Tell every problem of the log at `path`. Raises TheaterError if it cannot be looked at."""
    file = LogFile(path)
    try:
        tables = (
            contents.TABLES,
            post.TABLES,
            creators.TABLES,
            answers.TABLES,
            channels.TABLES,
        )
        scratch = Scratch("".join(tables))
        try:
            return Check(file, scratch, Reports(tell), progress).run()
        finally:
            scratch.close()
    finally:
        file.close()


@dataclass(frozen=True, slots=True)
class Mark:
    """The last rows at the moment when the check began, and the counters."""

    seq: int = 0
    actor: int = 0
    message: int = 0
    letter: int = 0
    evidence: int = 0
    blob: int = 0
    old_until: float = 0  # the events before this one are of version 1
    counters: tuple[Row, ...] = ()


class Check:
    def __init__(
        self, file: LogFile, scratch: Scratch, reports: Reports, progress: Progress
    ) -> None:
        self._file = file
        self._scratch = scratch
        self._reports = reports
        self._progress = progress
        self._contents = Contents(file, scratch, reports)
        self._answers = Answers(file, scratch, reports)
        self._channels = Channels(file, scratch, reports)
        self._mark = Mark()
        self._version = 0
        self._actors = 0
        self._events = 0
        self._timeouts = 0

    def run(self) -> Summary:
        with self._part(file="chain.db"):
            self._version = self._schema_version()
        self._progress("checking the file")
        for finding in self._file.integrity():
            self._reports.wrong(f"SQLite finds: {shown_line(finding)}", "whole", file="chain.db")
        if not self._version:
            return self._summary()
        before = self._reports.count
        with self._part(file="chain.db"):
            shape.judge(self._file, self._version, self._reports)
        if self._reports.count > before:  # what is read from other tables could be anything
            return self._summary()
        with self._part(file="chain.db"):
            self._mark = self._now()
        self._progress(f"checking ... {self._mark.seq:,} events")
        self._chains()
        self._across()
        return self._summary()

    def _summary(self) -> Summary:
        went_on = False
        with contextlib.suppress(Unreadable):
            went_on = bool(self._mark.seq) and self._went_on()
        return Summary(
            self._reports.count,
            self._actors,
            self._events,
            self._contents.count,
            self._mark.seq,
            went_on,
        )

    @contextlib.contextmanager
    def _part(self, **where: str | int) -> Iterator[None]:
        """What cannot be read is told, and the check goes on elsewhere."""
        try:
            yield
        except Unreadable as error:
            self._reports.wrong(f"cannot be read: {shown_line(str(error))}", "readable", **where)

    def _schema_version(self) -> int:
        """0, told already: this is no log."""
        ((version,),) = self._file.rows("PRAGMA user_version")
        if version > shape.VERSION:
            raise EnvironmentProblem(
                f"the log has schema version {version}; this theater reads {shape.VERSION} and"
                " older. Use the theater that wrote it"
            )
        if version < 1:
            there = self._file.rows("SELECT 1 FROM sqlite_schema LIMIT 1")
            found = f"has schema version {version}" if there else "is empty"
            self._reports.wrong(found, f"a log of version 1 to {shape.VERSION}", file="chain.db")
            return 0
        return int(version)

    def _now(self) -> Mark:
        with self._file.moment():
            last = {
                field: self._file.rows(f"SELECT coalesce(max({column}), 0) FROM {table}")[0][0]
                for field, table, column in (
                    ("seq", "events", "seq"),
                    ("actor", "actors", "id"),
                    ("message", "messages", "id"),
                    ("letter", "dead_letters", "id"),
                    ("evidence", "evidence", "id"),
                    ("blob", "blobs", "rowid"),
                )
            }
            counters = self._file.rows("SELECT name, value FROM counters ORDER BY name LIMIT 100")
            root = self._file.one(
                "SELECT e.seq FROM actors a JOIN events e ON e.actor = a.id AND e.position = 0"
                " WHERE a.name = ?",
                (ROOT,),
            )
        old_until: float = NEVER if self._version == 1 else 0
        if root is not None and isinstance(root[0], int):
            old_until = root[0]
        return Mark(**last, old_until=old_until, counters=tuple(counters))

    def _went_on(self) -> bool:
        return bool(self._file.rows("SELECT max(seq) > ? FROM events", (self._mark.seq,))[0][0])

    # Chain by chain

    def _chains(self) -> None:
        numbering = Numbering("actor number", self._reports)
        with self._part(table="actors"):
            rows = self._file.pages(
                as_of(ACTORS, self._version), ACTORS.keys, "id <= ?", [self._mark.actor]
            )
            for row in rows:
                actor = ACTORS.make(*row)
                numbering.take(actor.id)
                misfits = list(ACTORS.misfits(actor))
                for found, expected in misfits:
                    self._reports.wrong(found, expected, table="actors", id=actor.id)
                name = actor.name if isinstance(actor.name, str) else f"actor {actor.id}"
                self._actors += actor.role == ACTOR
                with self._part(actor=name):
                    self._walk(actor.id, name)
            numbering.end(self._mark.actor)

    def _walk(self, id: int, name: str) -> None:
        """Along one chain, and beside it along the rows about the actor."""
        with self._file.moment():
            row = self._file.one(f"{as_of(ACTORS, self._version)} WHERE id = ?", (id,))
            last = {
                source.table: self._last(source, id)
                for source in (EVENTS, TURNS, STEPS, ASKS, INCARNATIONS, EVIDENCE)
            }
            queued = self._file.one(
                "SELECT id FROM messages WHERE to_actor = ? AND status = 'queued'"
                " ORDER BY id LIMIT 1",
                (id,),
            )
            states = States(name, self._version, self._contents, self._reports)
            self._last_state(id, name, states)

        def ahead(source: Source[R], *also: Callable[[R], None]) -> Ahead[R]:
            return Ahead(self._stream(source, id, name, last[source.table], also))

        def evidence(row: EvidenceRow) -> None:
            self._judge_evidence(name, row)

        mark = self._mark
        chain = Chain(name, self._reports)
        life = Life(name, ahead(INCARNATIONS), mark.old_until, self._reports)
        rows = Rows(ahead(TURNS, states.row), ahead(STEPS), ahead(ASKS), ahead(EVIDENCE, evidence))
        numbers = (mark.old_until, self._reports, mark.seq, self._version)
        turns = Turns(name, id, life, rows, *numbers, self._answers.expect)
        for _, event in self._stream(EVENTS, id, name, last["events"], (), typed=False):
            assert event is not None
            crossing = chain.take(event)
            if crossing is None:
                life.sure = False
                turns.lost()
                continue
            self._cross(name, life, turns, states, crossing)
            self._events += 1
            if self._events % STRIDE == 0:
                self._progress(f"checking ... {self._events:,} of {mark.seq:,} events")
        self._timeouts += turns.timeouts
        initialised = turns.end(queued[0] if queued is not None else None)
        states.end(turns.state, turns.state_sure and initialised is not None)
        actor = ACTORS.make(*row) if row is not None else None
        if actor is not None and not list(ACTORS.misfits(actor)):
            life.end(actor, initialised)

    def _last_state(self, id: int, name: str, states: States) -> None:
        """Look at it now: the next one takes its place."""
        if self._version < 4:
            return
        with self._part(actor=name, table="last_states"):
            found = self._file.one(f"{LAST_STATES.select} WHERE {LAST_STATES.owner}", (id,))
            if found is None:
                return
            row = LAST_STATES.make(*found)
            misfits = list(LAST_STATES.misfits(row))
            if row.type != "blob":
                misfits.append((f"bytes is {row.type}", "bytes"))
            for wrong, expected in misfits:
                self._reports.wrong(wrong, expected, actor=name, table="last_states")
            if not misfits:
                digest = hashlib.sha256()
                for piece in self._file.content("last_states", "bytes", id):
                    digest.update(piece)
                states.last(row, digest.digest())

    def _cross(self, name: str, life: Life, turns: Turns, states: States, at: Crossing) -> None:
        life.pass_by(at)
        if at.turn:
            turns.take(at)
        else:
            if not at.follows:
                turns.lost()
            life.take(at)
            if at.type == EventType.TURN_FAILED:
                turns.failed(at)
            elif at.type == EventType.REMOVED:
                turns.removed(at)
            elif at.type == EventType.REINITIALISED:
                turns.began_anew(at)
        wanted = references(at)
        if wanted is None:
            self._reports.wrong(
                "its payload is nested too deeply to be read",
                "less deep",
                actor=name,
                position=at.position,
                seq=at.seq,
            )
        if at.sound and at.type in FACTS and isinstance(at.payload, dict):
            state = at.payload.get("initial_state")
            wanted = [*(wanted or []), *([state] if isinstance(state, bytes) else [])]
        for hash in states.take(at, wanted or [], turns):
            self._contents.want(hash, name, "position", at.position)

    def _last(self, source: Source[Any], id: int) -> Row | None:
        order = ", ".join(f"{key} DESC" for key in source.keys)
        return self._file.one(
            f"{as_of(source, self._version)} WHERE {source.owner} ORDER BY {order} LIMIT 1", (id,)
        )

    def _stream(
        self,
        source: Source[R],
        id: int,
        name: str,
        last: Row | None,
        also: tuple[Callable[[R], None], ...],
        typed: bool = True,
    ) -> Iterator[tuple[Key, R | None]]:
        """The rows about an actor up to `last`, which is as it was at the moment."""
        if last is None:
            return
        size = len(source.keys)
        end = last[:size]
        select = as_of(source, self._version)
        for row in self._file.pages(select, source.keys, source.owner, [id]):
            key = row[:size]
            if comes_after(key, end):
                return
            value = source.make(*(last if key == end else row))
            if not typed:
                yield key, value
                continue
            misfits = list(source.misfits(value))
            for found, expected in misfits:
                where = dict(zip(source.make._fields, key, strict=False))
                numbers = {field: number for field, number in where.items() if type(number) is int}
                self._reports.wrong(found, expected, actor=name, table=source.table, **numbers)
            if all(type(number) is int for number in key):
                if not misfits:
                    for each in also:
                        each(value)
                yield key, None if misfits else value

    def _judge_evidence(self, name: str, row: EvidenceRow) -> None:
        def wrong(found: str, expected: str) -> None:
            self._reports.wrong(found, expected, actor=name, turn=row.turn, evidence=row.id)

        digest = hashlib.sha256(row.events).digest()
        if digest != row.hash:
            wrong(f"its events have hash {shown(digest)}", f"{shown(row.hash)}, as in its row")
            return
        try:
            events = wire.unpack(row.events) if len(row.events) <= EVENT_MAX else None
            if not isinstance(events, list) or not events:
                raise ProtocolError("no list of events")
            turns = {decode(data).turn for data in events}
        except (ProtocolError, MemoryError) as error:
            wrong(f"its events are {error}", "events")
            return
        if turns != {row.turn}:
            wrong(f"its events are of turn {', '.join(map(str, sorted(turns)))}", str(row.turn))

    # Across chains

    def _across(self) -> None:
        mark = self._mark
        parts = (self._file, self._version, self._scratch, self._contents, self._reports)
        letters = Letters(*parts, mark.letter)
        self._progress("checking messages")
        with self._part(table="messages"):
            Post(*parts, mark.seq, mark.message, self._answers, self._channels).check()
            self._answers.check(self._went_on)
        if self._version >= 4:
            with self._part(table="channels"):
                self._channels.check(self._went_on)
        with self._part(table="dead_letters"):
            letters.check(self._went_on)
        with self._part(table="senders"):
            self._senders()
        with self._part(table="evidence"):
            numbering = Numbering("evidence", self._reports)
            for (id,) in self._file.pages(
                "SELECT id FROM evidence", ("id",), "id <= ?", [mark.evidence]
            ):
                numbering.take(id)
            numbering.end(mark.evidence)
        for table in OWNED:
            if not shape.columns(table, self._version):
                continue  # of a later version
            with self._part(table=table):
                self._strangers(table)
        if not self._reports.count:  # else what is missing would be told a second time
            self._counters(letters.count)
        self._progress("checking contents")
        with self._part(table="blobs"):
            self._contents.check(mark.blob)

    def _senders(self) -> None:
        """Each has sent. That each who has sent is there, its messages tell."""
        for row in self._file.pages(SENDERS.select, SENDERS.keys):
            sender = SENDERS.make(*row)
            misfits = list(SENDERS.misfits(sender))
            for found, expected in misfits:
                self._reports.wrong(found, expected, table="senders")
            if misfits:
                continue
            pairs = self._scratch.rows(
                "SELECT 1 FROM pairs WHERE receiver = ? AND sender = ?", sender
            )
            if next(pairs, None) is None and not self._has_sent_since(*sender):
                found = f"a sender {shown(sender.sender)} of actor number {sender.actor}"
                self._reports.wrong(f"{found}, and no message", "one", table="senders")

    def _has_sent_since(self, receiver: int, sender: str) -> bool:
        row = self._file.one(
            "SELECT 1 FROM messages m JOIN actors s ON s.id = m.from_actor"
            " WHERE m.id > ? AND m.to_actor = ? AND s.name = ? LIMIT 1",
            (self._mark.message, receiver, sender),
        )
        return row is not None

    def _strangers(self, table: str) -> None:
        """Rows about nobody. From one owner to the next, along the key."""
        select = f"SELECT x.actor, a.id FROM {table} x LEFT JOIN actors a ON a.id = x.actor"
        row = self._file.one(f"{select} ORDER BY x.actor LIMIT 1")
        while row is not None:
            owner, known = row
            if known is None:
                self._reports.wrong(f"of an actor {shown(owner)}", "of one there is", table=table)
            row = self._file.one(f"{select} WHERE x.actor > ? ORDER BY x.actor LIMIT 1", (owner,))
            if row is not None and not comes_after(row[:1], (owner,)):
                raise Unreadable(f"after actor {owner} comes {row[0]}")

    def _counters(self, letters: int) -> None:
        derived = {"dead_letters": letters, "timeouts": self._timeouts}
        there: dict[str, Any] = dict(self._mark.counters)
        for name, value in there.items():
            if name not in COUNTERS or type(value) is not int or value < 1:
                found = f"{shown(name)} is {shown(value)}"
                self._reports.wrong(found, "a known one, above 0", table="counters")
        for name, value in derived.items():
            if there.get(name, 0) != value:
                found = f"{name} is {shown(there.get(name, 0))}"
                self._reports.wrong(found, f"{value}, as counted", table="counters")


def shown_line(text: str) -> str:
    """What SQLite says, which may repeat what the file says."""
    return escaped(text, LINE_MAX)
