"""Check a log from end to end: SQLite's own check first, then chain by chain, then across them.

Work is done along indexes, a page at a time, and what has to be remembered lies on disk: the
memory needed does not grow with the log. A system that runs is not held up. What was committed
when the check began is checked; of an actor, as it is when its turn comes, so that its chain and
the rows about it are of one moment.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Any

from theater.fsck import (
    answers,
    channels,
    children,
    contents,
    creators,
    inquiries,
    notices,
    post,
    rounds,
    shape,
    stores,
    timers,
)
from theater.fsck.across import SENDERS
from theater.fsck.answers import Answers
from theater.fsck.channels import Channels
from theater.fsck.children import Children
from theater.fsck.contents import Contents
from theater.fsck.creators import Creators
from theater.fsck.file import LogFile, Row, Scratch, Unreadable, comes_after
from theater.fsck.findings import Reports, Summary, Tell, shown
from theater.fsck.inquiries import Inquiries
from theater.fsck.letters import Letters
from theater.fsck.life import ACTOR
from theater.fsck.notices import Notices
from theater.fsck.numbering import Numbering
from theater.fsck.post import Post
from theater.fsck.rounds import Rounds
from theater.fsck.rows import ACTORS
from theater.fsck.source import as_of
from theater.fsck.storefiles import StoreFiles
from theater.fsck.stores import Stores
from theater.fsck.timers import Timers
from theater.fsck.tools import Tools, part, shown_line
from theater.fsck.walk import Progress, Walk

OWNED = (
    "events",
    "incarnations",
    "turns",
    "steps",
    "asks",
    "senders",
    "evidence",
    "last_states",
    "timers",
    "children",
)
FILES = "store"  # the directory beside the log that the contents of stores are in
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
            timers.TABLES,
            rounds.TABLES,
            stores.TABLES,
            children.TABLES,
            notices.TABLES,
            inquiries.TABLES,
        )
        scratch = Scratch("".join(tables))
        try:
            files = f"{os.path.dirname(os.path.realpath(path))}/{FILES}"
            return Check(file, scratch, Reports(tell), progress, files).run()
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
        self, file: LogFile, scratch: Scratch, reports: Reports, progress: Progress, files: str
    ) -> None:
        """`files`: the directory of the contents of stores."""
        self._file = file
        self._scratch = scratch
        self._reports = reports
        self._progress = progress
        self._contents = Contents(file, scratch, reports)
        self._answers = Answers(file, scratch, reports)
        self._channels = Channels(file, scratch, reports)
        self._timers = Timers(file, scratch, reports)
        self._rounds = Rounds(file, scratch, reports)
        self._stores = Stores(file, scratch, reports)
        self._files = StoreFiles(file, files, reports)
        self._children = Children(file, scratch, reports)
        self._notices = Notices(file, scratch, reports, self._children)
        self._mark = Mark()
        self._version = 0
        self._actors = 0
        self._events = 0

    def run(self) -> Summary:
        with part(self._reports, file="chain.db"):
            self._version = shape.version_of(self._file, self._reports)
        self._progress("checking the file")
        for finding in self._file.integrity():
            self._reports.wrong(f"SQLite finds: {shown_line(finding)}", "whole", file="chain.db")
        if not self._version:
            return self._summary()
        before = self._reports.count
        with part(self._reports, file="chain.db"):
            shape.judge(self._file, self._version, self._reports)
        if self._reports.count > before:  # what is read from other tables could be anything
            return self._summary()
        with part(self._reports, file="chain.db"):
            self._mark = self._now()
        self._progress(f"checking ... {self._mark.seq:,} events")
        tools = Tools(self._file, self._version, self._scratch, self._contents, self._reports)
        numbers = (self._mark.old_until, self._mark.seq)
        walk = Walk(tools, *numbers, self._answers.expect, self._stores, self._progress)
        self._chains(walk)
        self._events = walk.events
        self._across(tools, walk.timeouts)
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
            old_until = shape.old_until(self._file, self._version)
        return Mark(**last, old_until=old_until, counters=tuple(counters))

    def _went_on(self) -> bool:
        return bool(self._file.rows("SELECT max(seq) > ? FROM events", (self._mark.seq,))[0][0])

    # Chain by chain

    def _chains(self, walk: Walk) -> None:
        numbering = Numbering("actor number", self._reports)
        with part(self._reports, table="actors"):
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
                with part(self._reports, actor=name):
                    walk.along(actor.id, name)
            numbering.end(self._mark.actor)

    # Across chains

    def _across(self, tools: Tools, timeouts: int) -> None:
        mark = self._mark
        letters = Letters(tools, mark.letter)
        self._progress("checking messages")
        with part(self._reports, table="messages"):
            others = (self._answers, self._channels, self._timers, self._rounds)
            family = (self._children, self._notices)
            asked = Inquiries(self._file, self._scratch, self._reports, *family)
            made_by = Creators(tools, *others, *family, asked)
            Post(tools, mark.seq, mark.message, made_by, *others, self._notices).check()
            self._answers.check(self._went_on)
            self._rounds.check(self._went_on)
        if self._version >= 4:
            with part(self._reports, table="channels"):
                self._channels.check(self._went_on)
        if self._version >= 5:
            with part(self._reports, table="timers"):
                self._timers.check(self._went_on)
            with part(self._reports, table="contents"):
                self._stores.check(mark.seq, self._went_on)
            with part(self._reports, table="children"):
                self._children.check(self._went_on)
                self._notices.check(self._went_on)
                asked.check(self._went_on)
        with part(self._reports, table="dead_letters"):
            letters.check(self._went_on)
        with part(self._reports, table="senders"):
            self._senders()
        with part(self._reports, table="evidence"):
            numbering = Numbering("evidence", self._reports)
            for (id,) in self._file.pages(
                "SELECT id FROM evidence", ("id",), "id <= ?", [mark.evidence]
            ):
                numbering.take(id)
            numbering.end(mark.evidence)
        for table in OWNED:
            if not shape.columns(table, self._version):
                continue  # of a later version
            with part(self._reports, table=table):
                self._strangers(table)
        if not self._reports.count:  # else what is missing would be told a second time
            self._counters(letters.count, timeouts)
        self._progress("checking contents")
        if self._version >= 5:
            with part(self._reports, table="contents"):
                self._files.check()
        with part(self._reports, table="blobs"):
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

    def _counters(self, letters: int, timeouts: int) -> None:
        derived = {"dead_letters": letters, "timeouts": timeouts}
        there: dict[str, Any] = dict(self._mark.counters)
        for name, value in there.items():
            if name not in COUNTERS or type(value) is not int or value < 1:
                found = f"{shown(name)} is {shown(value)}"
                self._reports.wrong(found, "a known one, above 0", table="counters")
        for name, value in derived.items():
            if there.get(name, 0) != value:
                found = f"{name} is {shown(there.get(name, 0))}"
                self._reports.wrong(found, f"{value}, as counted", table="counters")
