"""What was so of one actor before an event of another's.

Events are numbered in the order of commits, and so are an actor's own: what it was then is found
by halving.
"""

from __future__ import annotations

from typing import Any

from theater.errors import ProtocolError
from theater.events import decode
from theater.fsck.file import LogFile, Row

COUNT_MAX = 1 << 53  # of anything; larger numbers are nobody's


class Past:
    def __init__(self, file: LogFile) -> None:
        self._file = file

    def length(self, actor: int, seq: int) -> int:
        """How many events of its chain there were before this one of another's."""
        (last,) = self._file.one("SELECT max(position) FROM events WHERE actor = ?", (actor,)) or (
            None,
        )
        low, high = 0, last + 1 if isinstance(last, int) else 0
        while low < high:
            middle = (low + high) // 2
            at = self._file.one(
                "SELECT seq FROM events WHERE actor = ? AND position = ?", (actor, middle)
            )
            low, high = (middle + 1, high) if at is not None and at[0] < seq else (low, middle)
        return low

    def state(self, actor: int, seq: int) -> tuple[bool, bytes | None]:
        """(whether it is known, the hash of the state that it had before this event)."""
        (last,) = self._file.one("SELECT max(turn) FROM turns WHERE actor = ?", (actor,)) or (None,)
        low, high = 0, last if isinstance(last, int) else 0
        found: Row | None = None  # the last turn, and step of it, that was committed by then
        while low < high:
            middle = (low + high + 1) // 2
            step = self._file.one(
                "SELECT turn, step, last_event FROM steps WHERE actor = ? AND turn <= ?"
                " ORDER BY turn DESC, step DESC LIMIT 1",
                (actor, middle),
            )
            if step is None or not is_count(step[2]) or step[2] < seq:
                low = middle
            else:
                high = middle - 1
        found = self._file.one(
            "SELECT s.turn, s.step, t.status, t.steps, t.state FROM steps s JOIN turns t"
            " ON t.actor = s.actor AND t.turn = s.turn WHERE s.actor = ? AND s.turn <= ?"
            " ORDER BY s.turn DESC, s.step DESC LIMIT 1",
            (actor, low),
        )
        if found is not None and not is_count(found[1]):
            return False, None  # its chain's walk tells
        if found is not None and found[2] == "done" and found[3] == found[1] + 1:
            return True, found[4]
        # What stands in the row of a turn before is the state as it was at its end.
        before = self._file.one(
            "SELECT state FROM turns WHERE actor = ? AND turn < ? ORDER BY turn DESC LIMIT 1",
            (actor, low + 1 if found is None else found[0]),
        )
        if before is not None:
            return True, before[0]
        facts = self.said(actor, "ASC")
        state = facts.get("initial_state") if facts.get("resumed") is True else None
        return isinstance(state, bytes | None), state

    def said(self, actor: int, order: str = "DESC") -> dict[str, Any]:
        """What its chain said of it last (ASC: first)."""
        row = self._file.one(
            "SELECT bytes FROM events WHERE actor = ? AND (type = 'created' OR"
            " type = 'component-changed' OR type = 'changed' OR type = 'returned')"
            f" ORDER BY position {order} LIMIT 1",
            (actor,),
        )
        try:
            payload = None if row is None else decode(row[0]).payload
        except (ProtocolError, TypeError, MemoryError):
            payload = None
        return payload if isinstance(payload, dict) else {}


def is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < COUNT_MAX
