"""Numbers that are given without a gap: each row has the one after that before it. Pure."""

from __future__ import annotations

from theater.fsck.findings import Reports


class Numbering:
    def __init__(self, what: str, reports: Reports) -> None:
        self._what = what
        self._reports = reports
        self._next = 1

    def take(self, number: int) -> None:
        if number > self._next:
            self._missing(number - 1)
        elif number < self._next:
            self._wrong("a number below 1", "from 1 on", number)
        self._next = max(self._next, number + 1)

    def end(self, last: int) -> None:
        """`last` is known to have been given."""
        if last >= self._next:
            self._missing(last)

    def _missing(self, last: int) -> None:
        many = "" if last == self._next else f", as are all up to {last}"
        self._wrong(f"it is missing{many}", "no gap", self._next)
        self._next = last + 1

    def _wrong(self, found: str, expected: str, number: int) -> None:
        self._reports.wrong(found, expected, **{self._what: number})
