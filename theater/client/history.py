"""The facts that `causes` asks for, read from the log without reading through it.

Decisions have an index of their own. In a chain the numbers of events and of incarnations only
grow, so that a place in it is found in a few steps, however many turns lie between.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from theater.client.reader import LogReader
from theater.errors import Damaged, ProtocolError
from theater.events import EventType, decode
from theater.facts import Fact

FIRST_PAGE = 32  # rows; most questions are about what has just happened
PAGE = 1024
NEAR = 16  # positions; some turns


class History:
    def __init__(self, log: LogReader) -> None:
        self._log = log
        self._supervisors = frozenset(log.supervisors())

    def is_supervisor(self, name: str) -> bool:
        return name in self._supervisors

    def decisions(self, before: int) -> Iterator[Fact]:
        limit = FIRST_PAGE
        while True:
            rows = self._log.query(
                "SELECT seq, at, bytes FROM events WHERE type = 'decided' AND seq < ?"
                " ORDER BY seq DESC LIMIT ?",
                before,
                limit,
            )
            for row in rows:
                yield from _facts(*row)
            if len(rows) < limit:
                return
            before, limit = rows[-1][0], PAGE

    def starts(self, name: str, before: int) -> Iterator[Fact]:
        actor, end = self._chain(name)
        rows = self._log.query(
            "SELECT incarnation FROM incarnations WHERE actor = ? ORDER BY incarnation DESC", actor
        )
        for (incarnation,) in rows:
            end = self._first(actor, "incarnation", incarnation, end)
            for seq, at, data in self._log.query(
                "SELECT seq, at, bytes FROM events WHERE actor = ? AND position = ?", actor, end
            ):
                for fact in _facts(seq, at, data):
                    if fact.type == EventType.STARTED and seq < before:
                        yield fact

    def tail(self, name: str, before: int) -> Iterator[Fact]:
        actor, end = self._chain(name)
        end = self._before(actor, before, end)
        while end > 0:
            rows = self._log.query(
                "SELECT seq, at, bytes, turn, type FROM events WHERE actor = ? AND position < ?"
                " ORDER BY position DESC LIMIT ?",
                actor,
                end,
                FIRST_PAGE,
            )
            for seq, at, data, turn, type in rows:
                if type == EventType.HOST_ANSWER:
                    continue  # comes also to whoever has died
                if turn != 0:
                    return
                yield from _facts(seq, at, data)
            end -= len(rows)

    def _before(self, actor: int, seq: int, end: int) -> int:
        """The first position of a chain, before `end`, that is not before event `seq`."""
        rows = self._log.query("SELECT actor, position FROM events WHERE seq = ?", seq)
        if rows and rows[0][0] == actor:  # an event of its own: mostly a start
            return int(rows[0][1])
        return self._first(actor, "seq", seq, end)

    def _chain(self, name: str) -> tuple[int, int]:
        """The chain's number and length."""
        rows = self._log.query("SELECT id FROM actors WHERE name = ?", name)
        if not rows:
            return 0, 0
        ((actor,),) = rows
        ((last,),) = self._log.query("SELECT max(position) FROM events WHERE actor = ?", actor)
        return actor, 0 if last is None else last + 1

    def _first(self, actor: int, column: str, value: int, end: int) -> int:
        """The first position before `end` with at least this value; `end` if there is none.

        It is looked for from the end on, in steps that grow: it is mostly near.
        """
        low, high, step = 0, end, NEAR
        while high > 0:
            at = max(0, high - step)
            if self._value(actor, column, at) < value:
                low = at + 1
                break
            high, step = at, step * 2
        while low < high:
            middle = (low + high) // 2
            if self._value(actor, column, middle) < value:
                low = middle + 1
            else:
                high = middle
        return high

    def _value(self, actor: int, column: str, position: int) -> int:
        rows = self._log.query(
            f"SELECT {column} FROM events WHERE actor = ? AND position = ?", actor, position
        )
        if not rows or not isinstance(rows[0][0], int):
            raise Damaged(
                f"position {position} of a chain is not there, or damaged; `theater fsck` tells"
                " what else is"
            )
        return rows[0][0]


def _facts(seq: int, at: float, data: bytes) -> Iterator[Fact]:
    """The fact in these event bytes. Damaged if they are no event."""
    try:
        event = decode(data)
    except ProtocolError as error:
        raise Damaged(
            f"event {seq} of the log cannot be read ({error}); see theater verify"
        ) from None
    facts: dict[str, Any] = event.payload if isinstance(event.payload, dict) else {}
    # What is about somebody without a chain of its own stands in the root supervisor's.
    subject = facts.get("subject")
    name = subject if isinstance(subject, str) and event.type == EventType.DECIDED else event.actor
    yield Fact(seq, at, name, event.incarnation, event.type, facts)
