"""What has to add up over a whole log: rows that no event speaks for, chains from part to part."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from theater.errors import ProtocolError
from theater.events import EventType, decode
from theater.fsck.file import LogFile, Row
from theater.fsck.findings import Reports, both_shown, shown
from theater.fsck.tools import part as readable
from theater.fsck.turn import FAILED, OPEN, RENUMBERED, WAITING
from theater.verify.part import Evidence, Part, Place

STATUSES = (WAITING, OPEN, FAILED, RENUMBERED)  # of a turn without a result
TURNS = "SELECT actor, count(*), sum(status = 'done') FROM turns GROUP BY actor"
STEPS = "SELECT actor, count(*) FROM steps GROUP BY actor"
MANY = 1 << 40  # more than there can be
# Of turns without a result, and beside them what their columns repeat.
NOT_DONE = (
    "SELECT t.turn, t.status, t.kind, CASE WHEN t.message IS NULL THEN 'init' ELSE"
    " (SELECT m.kind FROM messages m WHERE m.id = t.message) END, t.steps, t.state, t.fuel, t.at,"
    " EXISTS (SELECT 1 FROM events e WHERE e.actor = t.actor AND e.at = t.at),"
    " t.incarnation, EXISTS (SELECT 1 FROM events e WHERE e.actor = t.actor AND e.at = t.at"
    " AND e.incarnation = t.incarnation),"
    " (SELECT count(*) FROM steps s WHERE s.actor = t.actor AND s.turn = t.turn),"
    " (SELECT d.state FROM turns d WHERE d.actor = t.actor AND d.turn < t.turn"
    " AND d.status = 'done' ORDER BY d.turn DESC LIMIT 1) FROM turns t"
)


@dataclass(frozen=True, slots=True)
class Count:
    name: str
    done: int = 0  # turns
    turns: int = 0
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """The log at one moment: what is verified is what was committed then."""

    seq: int = 0
    blob: int = 0
    evidence: int = 0
    actors: dict[int, Count] = field(default_factory=dict)
    strangers: tuple[tuple[str, Any], ...] = ()  # (table, actor) of rows about nobody

    @property
    def names(self) -> dict[int, str]:
        return {id: count.name for id, count in self.actors.items()}


def mark(file: LogFile) -> Mark:
    steps = file.all_steps
    with file.moment():

        def one(sql: str) -> int:
            value = file.rows(sql, (), steps)[0][0]
            return value if isinstance(value, int) else 0

        names: dict[int, Any] = dict(file.pages("SELECT id, name FROM actors", ("id",)))
        turns = {id: counts for id, *counts in file.rows(TURNS, (), steps, MANY)}
        step_counts: dict[Any, int] = dict(file.rows(STEPS, (), steps, MANY))
        counts = {
            id: Count(str(name), done, count, step_counts.get(id, 0))
            for id, name in names.items()
            for count, done in (turns.get(id, (0, 0)),)
        }
        strangers = [("turns", id) for id in turns.keys() - names.keys()]
        strangers += [("steps", id) for id in step_counts.keys() - names.keys()]
        return Mark(
            one("SELECT max(seq) FROM events"),
            one("SELECT max(rowid) FROM blobs"),
            one("SELECT max(id) FROM evidence"),
            counts,
            tuple(strangers),
        )


class Accounts:
    def __init__(self, file: LogFile, mark: Mark, old_until: float, reports: Reports) -> None:
        self._file = file
        self._mark = mark
        self._old_until = old_until
        self._reports = reports
        self._ends: dict[int, int] = {}  # of each actor's chain so far, its last position
        self._done: dict[int, int] = {}
        self._steps: dict[int, int] = {}
        self._unsure: set[int] = set()
        self._whole = True  # no event is missing so far
        self._evidence = self._evidence_rows()
        self._row: Row | None = None  # the next of it that is there
        self._next_evidence = 0

    # Part by part, in the order of the log

    def take(self, part: Part) -> None:
        for id, (first, last) in part.spans.items():
            expected = self._ends.get(id, -1) + 1
            if first != expected and self._whole and id not in self._unsure:
                found = f"position {first} comes next in the log"
                self._reports.wrong(found, str(expected), actor=self._name(id))
            self._ends[id] = last
        for sums, counts in ((self._done, part.done), (self._steps, part.steps)):
            for id, count in counts.items():
                sums[id] = sums.get(id, 0) + count
        self._unsure |= part.unsure
        self._whole = self._whole and part.tree is not None
        with readable(self._reports, table="evidence"):
            for each in part.evidence:
                self._hold(each)

    def _name(self, id: int) -> str:
        count = self._mark.actors.get(id)
        return count.name if count is not None else f"actor {id}"

    def _evidence_rows(self) -> Iterator[Row]:
        yield from self._file.pages(
            "SELECT id, actor, incarnation, turn, hash FROM evidence",
            ("id",),
            "id <= ?",
            [self._mark.evidence],
        )

    def _hold(self, said: Evidence) -> None:
        """Evidence is numbered in the order of the log: this is of the next number."""
        if not self._whole:
            return  # which one is the next is not known any more
        self._next_evidence += 1
        if self._row is None or self._row[0] < self._next_evidence:
            self._row = next(self._evidence, None)
        where: Place = {"actor": self._name(said.actor), "position": said.position}
        where["seq"] = said.seq
        if self._row is None or self._row[0] != self._next_evidence:
            found = f"its evidence {self._next_evidence} is not there"
            self._reports.wrong(found, f"{shown(said.hash)}, as is chained", **where)
            return
        id, *values = self._row
        columns = ("actor", "incarnation", "turn", "hash")
        expected = (said.actor, said.incarnation, said.turn, said.hash)
        for column, value, wanted in zip(columns, values, expected, strict=True):
            if value != wanted:
                is_, should_be = both_shown(value, wanted)
                found = f"column {column} of evidence {id} is {is_}"
                self._reports.wrong(found, f"{should_be}, as is chained", **where)

    # At the end

    def finish(self) -> None:
        with readable(self._reports, table="evidence"):
            rows = [self._row] if self._row is not None else []
            for id, *_ in itertools.chain(rows, self._evidence) if self._whole else ():
                if id > self._next_evidence or id < 1:
                    self._reports.wrong("is chained in no turn-failed", "in one", evidence=id)
        for id, count in self._mark.actors.items():
            with readable(self._reports, actor=count.name):
                if count.turns > count.done:
                    self._not_done(id, count.name)
                if id in self._unsure or not self._whole:
                    continue
                if count.done != self._done.get(id, 0):
                    self._extra_turns(id, count.name)
                if count.steps != self._steps.get(id, 0):
                    self._extra_steps(id, count.name)
        for table, id in self._mark.strangers:
            self._reports.wrong(f"of an actor {shown(id)}", "of one there is", table=table)

    def _pages(self, select: str, keys: tuple[str, ...], where: str, id: int) -> Iterator[Row]:
        yield from self._file.pages(select, keys, where, [id], self._file.all_steps)

    def _extra_turns(self, id: int, name: str) -> None:
        """Rows that say a turn is done, and no result of it is in the log."""
        for (turn,) in self._pages(
            "SELECT t.turn FROM turns t",
            ("turn",),
            "t.actor = ? AND t.status = 'done' AND NOT EXISTS ("
            "SELECT 1 FROM steps s JOIN events e ON e.seq = s.last_event"
            " WHERE s.actor = t.actor AND s.turn = t.turn AND e.actor = t.actor"
            " AND e.turn = t.turn AND e.type = 'wasm-result')",
            id,
        ):
            found = 'a row with status "done", and its chain has no result of it'
            self._reports.wrong(found, "both", actor=name, turn=turn)

    def _extra_steps(self, id: int, name: str) -> None:
        for turn, step, event in self._pages(
            "SELECT s.turn, s.step, s.last_event FROM steps s",
            ("turn", "step"),
            "s.actor = ? AND NOT EXISTS (SELECT 1 FROM events e WHERE e.seq = s.last_event"
            " AND e.actor = s.actor AND e.turn = s.turn)",
            id,
        ):
            found = f"a row in steps that ends with event {shown(event)}"
            where: Place = {"actor": name, "turn": turn, "step": step}
            self._reports.wrong(found, "with one of its turn", **where)

    def _not_done(self, id: int, name: str) -> None:
        """Turns without a result: what their rows repeat of others, and that something is chained
        of them."""
        failed: set[Any] | None = None
        for (
            turn,
            status,
            kind,
            message_kind,
            steps,
            state,
            fuel,
            time,
            of_event,
            incarnation,
            of_incarnation,
            known,
            before,
        ) in self._pages(NOT_DONE, ("turn",), "t.actor = ? AND t.status != 'done'", id):
            where: Place = {"actor": name, "turn": turn}
            if status not in STATUSES:
                found = f"column status is {shown(status)} in turns"
                self._reports.wrong(found, f"done or {', '.join(STATUSES)}", **where)
            if kind != message_kind:
                found = f"column kind is {shown(kind)} in turns"
                self._reports.wrong(found, f"{shown(message_kind)}, as of its message", **where)
            if self._old_until > 1:
                pass  # times were others then
            elif not of_event:
                found = f"column at is {shown(time)} in turns"
                self._reports.wrong(found, "the time of an event of its chain", **where)
            elif not of_incarnation:
                found = f"column incarnation is {shown(incarnation)} in turns"
                self._reports.wrong(found, "that of the event at its time", **where)
            if fuel is not None:
                found = f"column fuel is {shown(fuel)} in turns"
                self._reports.wrong(found, "none: it has no result", **where)
            if steps != known:
                found = f"column steps is {shown(steps)} in turns"
                self._reports.wrong(found, f"{known}, as there are rows in steps", **where)
            if state != before and before is None:
                before = self._resumed_from(id, turn)
            if state != before:
                is_, should_be = both_shown(state, before)
                found = f"column state is {is_} in turns"
                self._reports.wrong(found, f"{should_be}, as before the turn", **where)
            if not known:
                failed = self._failed_turns(id) if failed is None else failed
                if turn not in failed and self._whole:
                    found = f"a row with status {shown(status)}, and its chain has nothing of it"
                    self._reports.wrong(found, "both", **where)

    def _resumed_from(self, id: int, turn: Any) -> Any:
        """The hash of the state that the actor began with, if it was resumed from one and nothing
        was done before this turn."""
        sql = "SELECT 1 FROM turns WHERE actor = ? AND turn < ? AND status = 'done' LIMIT 1"
        if self._file.one(sql, (id, turn)) is not None:
            return None
        row = self._file.one("SELECT bytes FROM events WHERE actor = ? AND position = 0", (id,))
        try:
            facts = None if row is None else decode(row[0]).payload
        except (ProtocolError, TypeError):
            return None  # it is told already
        if not isinstance(facts, dict) or facts.get("resumed") is not True:
            return None
        return facts.get("initial_state")

    def _failed_turns(self, id: int) -> set[Any]:
        found = set()
        for _, data in self._pages(
            "SELECT position, bytes FROM events",
            ("position",),
            f"actor = ? AND type = '{EventType.TURN_FAILED}'",
            id,
        ):
            try:
                payload = decode(data).payload
            except (ProtocolError, TypeError):
                continue  # it is told already
            if isinstance(payload, dict):
                found.add(payload.get("turn"))
        return found
