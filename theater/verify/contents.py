"""Hold what is stored by its hash to it: contents, last states, evidence; and that none is missing.

Each function looks at some rows of one table, so that several processes can share the work.
"""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Any

from theater.fsck.file import LogFile
from theater.fsck.findings import Problem, Reports, both_shown, shown
from theater.fsck.tools import part as readable
from theater.verify.part import collecting

PAGE = 64  # rows in one transaction, each of up to a mebibyte
SMALL = 65536  # bytes that are read with their row; larger ones come in pieces


def blobs_hold(db: sqlite3.Connection, first: int, last: int) -> bool:
    """Whether rows `first` to `last` of `blobs` are there and hold, without naming what does not.
    A value that is larger than the connection reads is an error of SQLite's."""
    sha256 = hashlib.sha256
    for begin in range(first, last + 1, PAGE):
        end = min(begin + PAGE - 1, last)
        sql = "SELECT hash, bytes FROM blobs WHERE rowid BETWEEN ? AND ?"
        rows = db.execute(sql, (begin, end)).fetchall()
        if len(rows) != end - begin + 1:
            return False
        for hash, data in rows:
            if sha256(data).digest() != hash:
                return False
    return True


def blobs(file: LogFile, first: int, last: int) -> tuple[list[Problem], int]:
    """Rows `first` to `last` of `blobs`: what is wrong, and how many there are."""
    problems: list[Problem] = []
    reports = collecting(problems)
    count, expected = 0, first
    with readable(reports, table="blobs", first_row=first):
        for row, hash, type, size, data in file.pages(
            "SELECT rowid, hash, typeof(bytes), length(bytes),"
            f" CASE WHEN length(bytes) <= {SMALL} THEN bytes END FROM blobs",
            ("rowid",),
            "rowid BETWEEN ? AND ?",
            [first, last],
        ):
            _none_missing(reports, expected, row - 1)
            expected = row + 1
            count += 1
            where = {"content": shown(hash), "row": row}
            if type != "blob" or not isinstance(hash, bytes):
                found = f"column bytes is {type}, under {shown(hash)}"
                reports.wrong(found, "bytes under their hash", table="blobs", row=row)
                continue
            if data is not None:
                digest = hashlib.sha256(data).digest()
            else:
                digest = _digest(file, "blobs", "bytes", row)
            if digest != hash:
                is_, should_be = both_shown(digest, hash)
                found = f"its {size:,} bytes have hash {is_}"
                reports.wrong(found, f"{should_be}, under which they are stored", **where)
        _none_missing(reports, expected, last)
    return problems, count


def _none_missing(reports: Reports, first: int, last: int) -> None:
    """Contents are only ever added, so their rows are numbered without a gap."""
    if first <= last:
        many = "" if first == last else f", as are all up to {last}"
        reports.wrong(f"it is missing{many}", "no gap", table="blobs", row=first)


def _digest(file: LogFile, table: str, column: str, row: int) -> bytes:
    digest = hashlib.sha256()
    for piece in file.content(table, column, row):
        digest.update(piece)
    return digest.digest()


def evidence(file: LogFile, first: int, last: int) -> list[Problem]:
    """Rows `first` to `last` of `evidence`, by id."""
    problems: list[Problem] = []
    reports = collecting(problems)
    with readable(reports, table="evidence", first_row=first):
        for id, type, hash in file.pages(
            "SELECT id, typeof(events), hash FROM evidence",
            ("id",),
            "id BETWEEN ? AND ?",
            [first, last],
        ):
            if type != "blob":
                reports.wrong(f"column events is {type}", "bytes", evidence=id)
                continue
            digest = _digest(file, "evidence", "events", id)
            if digest != hash:
                found, expected = both_shown(digest, hash)
                found = f"its events have hash {found}"
                reports.wrong(found, f"{expected}, as in its row", evidence=id)
    return problems


def last_states(file: LogFile, names: dict[int, str]) -> list[Problem]:
    """The last state of each actor, where it may go again; and that it is the last one."""
    problems: list[Problem] = []
    reports = collecting(problems)
    with readable(reports, table="last_states"):
        for (id,) in file.pages("SELECT actor FROM last_states", ("actor",)):
            name = names.get(id)
            if name is None:
                reports.wrong(f"of an actor {shown(id)}", "of one there is", table="last_states")
                continue
            with file.moment():  # the next one is written over it
                row = file.one("SELECT hash, typeof(bytes) FROM last_states WHERE actor = ?", (id,))
                if row is None:
                    continue
                hash, type = row
                if type != "blob":
                    found = f"column bytes is {type}"
                    reports.wrong(found, "bytes", actor=name, table="last_states")
                    continue
                digest = _digest(file, "last_states", "bytes", id)
                state = _last_state(file, id)
            if digest != hash:
                found, expected = both_shown(digest, hash)
                found = f"its bytes have hash {found}"
                reports.wrong(found, expected, actor=name, table="last_states")
            if state != hash:
                found, expected = both_shown(hash, state)
                found = f"column hash is {found}"
                expected = f"{expected}, the state after its last turn"
                reports.wrong(found, expected, actor=name, table="last_states")
    return problems


def _last_state(file: LogFile, actor: int) -> Any:
    row = file.one(
        "SELECT state FROM turns WHERE actor = ? AND status = 'done' ORDER BY turn DESC LIMIT 1",
        (actor,),
    )
    return None if row is None else row[0]


def states(file: LogFile, actor: int, name: str, version: int) -> list[Problem]:
    """The states of an actor that have to be there with their bytes: those that are kept, and the
    last one."""
    problems: list[Problem] = []
    reports = collecting(problems)
    kept = "t.kept = 1" if version >= 4 else "1"
    told: set[Any] = set()  # of each state the first turn that had it is enough
    with readable(reports, actor=name, table="turns"):
        for turn, state in file.pages(
            "SELECT t.turn, t.state FROM turns t",
            ("turn",),
            f"t.actor = ? AND {kept} AND t.state IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM blobs b WHERE b.hash = t.state)",
            [actor],
            file.all_steps,
        ):
            if state in told or _is_last_state(file, actor, state, version):
                continue  # an open turn's row says what is so of the one before
            told.add(state)
            found = f"the bytes of its state {shown(state)} are not there"
            reports.wrong(found, "in blobs, as they are kept", actor=name, turn=turn)
        with file.moment():
            state = _last_state(file, actor)
            there = (
                state is None
                or file.one("SELECT 1 FROM blobs WHERE hash = ?", (state,)) is not None
                or _is_last_state(file, actor, state, version)
            )
        if not there and state not in told:
            found = f"the bytes of its last state {shown(state)} are not there"
            reports.wrong(found, "in blobs or last_states", actor=name)
    return problems


def _is_last_state(file: LogFile, actor: int, state: Any, version: int) -> bool:
    if version < 4:
        return False
    sql = "SELECT 1 FROM last_states WHERE actor = ? AND hash = ?"
    return file.one(sql, (actor, state)) is not None
