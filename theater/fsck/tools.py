"""What each that checks rows works with, and how it goes on where a log cannot be read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from theater.fsck.contents import Contents
from theater.fsck.file import LogFile, Scratch, Unreadable
from theater.fsck.findings import Reports, shown
from theater.quoting import escaped

LINE_MAX = 300


class Tools(NamedTuple):
    file: LogFile
    version: int  # of the log's schema
    scratch: Scratch
    contents: Contents
    reports: Reports


def named(file: LogFile, actor: Any) -> str:
    """An actor in a report, by its number if nothing names it."""
    row = file.one("SELECT name FROM actors WHERE id = ?", (actor,))
    return str(row[0]) if row is not None else f"actor {shown(actor)}"


@contextlib.contextmanager
def part(reports: Reports, **where: str | int) -> Iterator[None]:
    """What cannot be read is told, and the check goes on elsewhere."""
    try:
        yield
    except Unreadable as error:
        reports.wrong(f"cannot be read: {shown_line(str(error))}", "readable", **where)


def shown_line(text: str) -> str:
    """What SQLite says, which may repeat what the file says."""
    return escaped(text, LINE_MAX)
