"""Hold what stores have to the calls that put it there: contents, labels, and what was answered.

All calls of all actors are done again, in the order of commits, on tables in `scratch`. What the
log's own tables have must be the same in the end, and each answer what was so at its time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

from theater import wire
from theater.calls import PUTS, STORE
from theater.errors import ProtocolError
from theater.events import EventType, content_hash
from theater.fsck.chain import Crossing
from theater.fsck.file import LogFile, Scratch
from theater.fsck.findings import Reports, shown
from theater.fsck.life import Life
from theater.fsck.source import Source
from theater.storecalls import (
    StoreCall,
    contents_answer,
    label_answer,
    labels_answer,
    read_call,
)
from theater.stores import LIST_MAX

TABLES = """
CREATE TABLE store_calls (
    seq INTEGER PRIMARY KEY, turn, position, function, store, label, hash, size, answer);
CREATE TABLE store_contents (store, hash, size, seq, PRIMARY KEY (store, hash)) WITHOUT ROWID;
CREATE TABLE store_labels (store, label, hash, seq, PRIMARY KEY (store, label)) WITHOUT ROWID;
"""


class ContentRow(NamedTuple):
    store: str
    hash: bytes
    size: int
    seq: int


CONTENTS = Source(
    "contents",
    "SELECT store, hash, size, seq FROM contents",
    ("store", "hash"),
    ContentRow,
    "tbii",
)


class LabelRow(NamedTuple):
    store: str
    label: str
    hash: bytes
    seq: int


LABELS = Source(
    "labels",
    "SELECT store, label, hash, seq FROM labels",
    ("store", "label"),
    LabelRow,
    "ttbi",
)


class Stores:
    def __init__(self, file: LogFile, scratch: Scratch, reports: Reports) -> None:
        self._file = file
        self._scratch = scratch
        self._reports = reports
        self._sure = True  # no call is missing
        self._asked: StoreCall | None = None  # by the event before
        self._actor = ""  # whose chain it is

    # Along the chains

    def begin(self, actor: str) -> None:
        """The chain of this one begins."""
        self._actor, self._asked = actor, None

    def lost(self) -> None:
        """An event is damaged, and may have been a call of a store."""
        self._sure = False

    def take(self, at: Crossing, life: Life) -> None:
        """An event of a turn."""
        asked, self._asked = self._asked, None
        if not at.sound:
            self.lost()
        elif at.interface == STORE and at.type == EventType.HOST_CALL:
            self._call(at, life)
        elif at.interface == STORE and at.type == EventType.HOST_ANSWER and asked is not None:
            with contextlib.suppress(TypeError, ValueError):
                (answer,) = at.payload
                self._remember(at, asked, 0, content_hash(wire.pack(answer)))

    def _call(self, at: Crossing, life: Life) -> None:
        numbers = (at.turn, at.index, at.function)
        try:
            call = read_call(life.stores, self._actor, *numbers, at.payload)
            size = 0 if call is None or call.content is None else self._size(call)
        except ProtocolError as error:
            if life.sure:
                self._wrong(at, str(error), "what its worker may say")
            call = None
        except (TypeError, ValueError, LookupError, AttributeError):
            self._wrong(at, f"a call with payload {shown(at.payload)}", "[arguments, answer]")
            call = None
        if call is None:
            return
        if at.asks():
            self._asked = call
        elif call.content is not None or call.changes_label:
            self._remember(at, call, size, None)

    def _size(self, call: StoreCall) -> int | None:
        """Of the content that it puts there; None: that is not in the log, which is told."""
        if isinstance(call.content, bytes):
            return len(call.content)
        row = self._file.one("SELECT length(bytes) FROM blobs WHERE hash = ?", (call.hash,))
        return row[0] if row is not None else None

    def _wrong(self, at: Crossing, found: str, expected: str) -> None:
        where = {"turn": at.turn, "position": at.position, "seq": at.seq}
        self._reports.wrong(found, expected, actor=self._actor, **where)

    def _remember(
        self, at: Crossing, call: StoreCall, size: int | None, answer: bytes | None
    ) -> None:
        named = (call.function, call.store, call.label, call.hash, size)
        self._scratch.run(
            "INSERT OR IGNORE INTO store_calls VALUES (?,?,?,?,?,?,?,?,?)",
            (at.seq, at.turn, at.position, *named, answer),
        )

    # All of them

    def check(self, last_seq: int, went_on: Callable[[], bool]) -> None:
        """`last_seq`: the last event when the check began. Later ones are not looked at."""
        calls = self._scratch.rows(
            "SELECT seq, turn, position, function, store, label, hash, size, answer"
            " FROM store_calls WHERE seq <= ? ORDER BY seq",
            (last_seq,),
        )
        for seq, turn, position, function, store, label, hash, size, answer in calls:
            call = StoreCall(function, store, label, hash)
            if answer is None:
                self._do(call, size, seq)
            elif self._sure and content_hash(wire.pack(self._answer(call))) != answer:
                where = {"turn": turn, "position": position, "seq": seq}
                found = f"an answer of {function} of store {shown(store)}"
                self._reports.wrong(found, "what was so when it was asked", **where)
        if self._sure:  # else what is missing would be told a second time
            self._compare(CONTENTS, "store_contents", last_seq, went_on)
            self._compare(LABELS, "store_labels", last_seq, went_on)

    def _do(self, call: StoreCall, size: int | None, seq: int) -> None:
        if call.function in PUTS:
            self._scratch.run(
                "INSERT OR IGNORE INTO store_contents VALUES (?,?,?,?)",
                (call.store, call.hash, size, seq),
            )
        if not call.changes_label:
            return
        named = call.names(self._label(call.store, call.label))
        if named is None:
            self._scratch.run(
                "DELETE FROM store_labels WHERE store = ? AND label = ?", (call.store, call.label)
            )
        elif call.function != "remove-from-label":
            self._scratch.run(
                "INSERT OR REPLACE INTO store_labels VALUES (?,?,?,?)",
                (call.store, call.label, named, seq),
            )

    def _label(self, store: str, label: str | None) -> bytes | None:
        sql = "SELECT hash FROM store_labels WHERE store = ? AND label = ?"
        row = self._scratch.one(sql, (store, label))
        return None if row is None else row[0]

    def _answer(self, call: StoreCall) -> dict[str, Any]:
        def rows(sql: str) -> list[Any]:
            found = self._scratch.rows(f"{sql} LIMIT {LIST_MAX + 1}", (call.store,))
            return [value for (value,) in found]

        match call.function:
            case "get-by-label":
                return label_answer(self._label(call.store, call.label))
            case "list-labels":
                sql = "SELECT label FROM store_labels WHERE store = ? ORDER BY label"
                return labels_answer(call.store, rows(sql))
            case "list-all-content":
                sql = "SELECT hash FROM store_contents WHERE store = ? ORDER BY hash"
                return contents_answer(call.store, rows(sql))
        (total,) = rows("SELECT coalesce(sum(size), 0) FROM store_contents WHERE store = ?")
        return {"ok": total}

    def _compare(
        self, source: Source[Any], derived: str, last_seq: int, went_on: Callable[[], bool]
    ) -> None:
        """The rows of a table with those that the calls make."""
        store, key = source.keys
        for row in self._file.pages(source.select, source.keys):
            found = source.make(*row)
            misfits = list(source.misfits(found))
            for wrong, expected in misfits:
                self._reports.wrong(wrong, expected, table=source.table)
            if misfits or found.seq > last_seq:
                continue
            where = {"store": shown(found[0]), _word(source): shown(found[1])}
            sql = f"SELECT * FROM {derived} WHERE {store} = ? AND {key} = ?"
            made = self._scratch.one(sql, found[:2])
            if made is None:
                if not went_on():
                    self._reports.wrong("no call has put it there", "one", **where)
                continue
            self._scratch.run(f"DELETE FROM {derived} WHERE {store} = ? AND {key} = ?", found[:2])
            for name, value, expected in zip(source.make._fields, found, made, strict=True):
                if value != expected and expected is not None and not went_on():
                    what = f"{name} is {shown(value)}"
                    self._reports.wrong(what, f"{shown(expected)}, as is chained", **where)
        for made in self._scratch.rows(f"SELECT * FROM {derived} ORDER BY {store}, {key}"):
            if not went_on():
                where = {"store": shown(made[0]), _word(source): shown(made[1])}
                text = f"it was put there at seq {made[3]}, and has no row"
                self._reports.wrong(text, f"in {source.table}", **where)


def _word(source: Source[Any]) -> str:
    return "label" if source is LABELS else "content"
