"""What each that checks rows works with, and how it goes on where a log cannot be read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from theater.fsck.contents import Contents
from theater.fsck.file import LogFile, Scratch, Unreadable
from theater.fsck.findings import Reports
from theater.quoting import escaped

LINE_MAX = 300


class Tools(NamedTuple):
    file: LogFile
    version: int  # of the log's schema
    scratch: Scratch
    contents: Contents
    reports: Reports


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
