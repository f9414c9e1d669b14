"""Hold the evidence of failed turns to the events that chain its hash. Pure."""

from __future__ import annotations

from typing import Any, Protocol

from theater.fsck.ahead import Ahead
from theater.fsck.chain import Crossing
from theater.fsck.findings import shown
from theater.fsck.rows import EvidenceRow

END = (1 << 64,)  # a key after every other


class Wrong(Protocol):
    def __call__(
        self, at: Crossing | None, found: str, expected: str, **where: str | int
    ) -> None: ...


class Evidence:
    """That of one actor, which `wrong` names."""

    def __init__(self, rows: Ahead[EvidenceRow], wrong: Wrong) -> None:
        self._rows = rows
        self._wrong = wrong

    def take(self, at: Crossing, number: int, hash: Any) -> None:
        """Turn `number` has failed, and this is the hash of what it left; None: it left nothing."""
        if hash is None:
            return
        wanted = (number, at.incarnation)
        rows = self._rows
        while (row := rows.row) is not None and row.hash != hash:
            if (row.turn, row.incarnation) >= wanted:
                break
            self._not_chained(row.id)
            rows.take()
        if row is None and rows.key is not None:  # it is told already
            rows.take()
        elif row is None or (row.hash != hash and (row.turn, row.incarnation) != wanted):
            self._wrong(at, f"its evidence {shown(hash)} is not there", "in evidence", turn=number)
        else:
            rows.take()
            self._compare(at, row, number, hash)

    def _compare(self, at: Crossing, row: EvidenceRow, number: int, hash: Any) -> None:
        if row.hash != hash:
            found = f"evidence {row.id} has hash {shown(row.hash)}"
            self._wrong(at, found, f"{shown(hash)}, as is chained", turn=number)
        if (row.turn, row.incarnation) != (number, at.incarnation):
            found = f"evidence {row.id} is of turn {row.turn}, incarnation {row.incarnation}"
            self._wrong(at, found, f"of turn {number}, incarnation {at.incarnation}", turn=number)

    def end(self, sure: bool) -> None:
        """No event comes any more; `sure`: none is missing."""
        for (id,), _ in self._rows.before(END):
            if sure:
                self._not_chained(id)

    def _not_chained(self, id: int) -> None:
        self._wrong(None, "is chained in no turn-failed", "in one", evidence=id)
