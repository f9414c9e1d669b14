"""The careful pass over a range of events in which something is odd: it names what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from theater import merkle
from theater.chain import link
from theater.events import EventType, ref_hash, refs_in
from theater.fsck.chain import Chain, Crossing, kind_of, references
from theater.fsck.file import LogFile, Unreadable
from theater.fsck.findings import both_shown, shown
from theater.fsck.rows import EventRow
from theater.fsck.tools import shown_line
from theater.merkle import Frontier
from theater.verify.part import Evidence, Part, Peaks, Place, Range, collecting

_SELECT = (
    "SELECT seq, actor, position, incarnation, turn, idx, type, function, line, bytes, hash, at"
    " FROM events"
)
INSIDE = frozenset({EventType.WASM_CALL, EventType.LOG, EventType.CARRIED_ON, EventType.HOST_CALL})
TURN_COLUMNS = ("kind", "status", "incarnation", "steps", "state", "fuel", "reason", "at")
WHY = {"at": "as of its last event", "steps": "as are chained"}


class Links(Chain):
    """A chain whose rows come in the order of the log."""

    @property
    def last(self) -> int:
        """The position that it has come to."""
        return self._next - 1

    def _in_place(self, row: EventRow) -> bool:
        expected = self._next
        if row.position == expected:
            return super()._in_place(row)
        if any(link(parent, row.data) == row.hash for parent in self._parents):
            # Its hash says that it is the next one: only the number is another.
            found = f"column position is {row.position}"
            self._wrong(row, found, f"{expected}, as it follows on the one before it")
            self._next = expected + 1
            return True
        if row.position > expected:
            return super()._in_place(row)
        found = f"it comes after position {expected - 1}"
        self._wrong(row, found, "in the order of commits")
        self._parents = ()
        return False


class _Steps:
    """Where the turns of one actor have come to."""

    def __init__(self, name: str, chain: Links, first: int) -> None:
        self.name = name
        self.chain = chain
        self.first = first
        self.turn = 0
        self.asks = -1  # of that turn so far; -1: it may have begun before
        self.sure = True  # nothing of the turn that is counted is missing
        self.done: dict[int, tuple[Crossing, tuple[Any, ...]]] = {}
        self.steps: dict[tuple[int, int], Crossing] = {}
        self.unsure: set[int] = set()  # turns of which something is missing


class Careful:
    def __init__(self, file: LogFile, names: dict[int, str], old_until: float) -> None:
        self._file = file
        self._names = names
        self._old_until = old_until

    def run(self, range: Range) -> Part:
        """All that is wrong in the range is in its `problems`."""
        part = Part(range)
        _Pass(self._file, self._names, self._old_until, part).run()
        return part


class _Pass:
    def __init__(self, file: LogFile, names: dict[int, str], old_until: float, part: Part) -> None:
        self._file = file
        self._names = names
        self._old_until = old_until
        self._part = part
        self._reports = collecting(part.problems)
        self._actors: dict[int, _Steps] = {}
        self._tree: Frontier | None = Frontier()
        self._heads = list(part.range.heads)
        self._before: tuple[Crossing, float] | None = None  # within a step: the last one of it

    def run(self) -> None:
        first, last, _ = self._part.range
        expected = first
        try:
            for row in self._rows():
                seq = row[0]
                self._missing(expected, seq - 1)
                self._take(seq, row[1], EventRow(row[2], seq, *row[3:]))
                expected = seq + 1
            self._missing(expected, last)
        except Unreadable as error:
            found = f"cannot be read: {shown_line(str(error))}"
            self._wrong(found, "readable", first_seq=expected, last_seq=last)
            self._tree = None
            for actor in self._actors.values():
                self._lose(actor)
        if self._tree is not None:
            self._heads_before(last + 1, self._tree)
        for id, actor in self._actors.items():
            self._beside(id, actor)
        if self._tree is not None:
            self._part.tree = Peaks.of(self._tree)

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        first, last, _ = self._part.range
        yield from self._file.pages(_SELECT, ("seq",), "seq BETWEEN ? AND ?", [first, last])

    def _wrong(self, found: str, expected: str, **where: str | int) -> None:
        self._reports.wrong(found, expected, **where)

    # The order of the log

    def _missing(self, first: int, last: int) -> None:
        """Events that should be between two that are there."""
        if last < first:
            return
        many = "" if last == first else f", as are all up to {last}"
        self._wrong(f"it is missing{many}", "no gap", seq=first)
        self._tree = None
        for actor in self._actors.values():
            self._lose(actor)

    def _lose(self, actor: _Steps) -> None:
        actor.sure = False
        actor.unsure.add(actor.turn)

    def _leaf(self, row: EventRow, name: str | None) -> None:
        typed = isinstance(row.hash, bytes) and isinstance(row.time, float)
        if self._tree is None or name is None or not typed:
            self._tree = None
            return
        self._heads_before(row.seq, self._tree)
        self._tree.append(merkle.leaf(row.seq, name, row.hash, row.time))

    def _heads_before(self, seq: int, tree: Frontier) -> None:
        while self._heads and self._heads[0] < seq:
            self._heads.pop(0)
            self._part.at_heads.append(Peaks.of(tree))

    # Rows

    def _take(self, seq: int, id: Any, row: EventRow) -> None:
        self._part.events += 1
        name = self._names.get(id) if isinstance(id, int) else None
        self._leaf(row, name)
        if name is None:
            self._wrong(f"of an actor {shown(id)}", "of one there is", seq=seq)
            self._before = None
            return
        actor = self._actors.get(id) or self._begin(id, name, row)
        at = actor.chain.take(row)
        if at is None:
            self._lose(actor)
            self._before = None
            return
        self._same_time(name, at)
        if not at.follows or not at.sound:
            self._lose(actor)
        self._cross(id, actor, at)

    def _begin(self, id: int, name: str, row: EventRow) -> _Steps:
        """The chain from here on, by the row of it that comes before this range in the log."""
        first = self._part.range.first
        before = self._file.one(
            "SELECT position, hash FROM events WHERE actor = ? AND seq < ?"
            " ORDER BY seq DESC LIMIT 1",
            (id, first),
            self._file.all_steps,
        )
        if before is None:
            chain = Links(name, self._reports)
            position = 0
        else:
            position, parent = before
            count = self._file.rows(
                "SELECT count(*) FROM events WHERE actor = ? AND seq < ?",
                (id, first),
                self._file.all_steps,
            )[0][0]
            # The one before may say of itself that it is another; then it is told there.
            known = isinstance(position, int) and row.position != count
            position = position + 1 if known else count
            parent = parent if isinstance(parent, bytes) else None
            chain = Links(name, self._reports, position, parent)
        actor = self._actors[id] = _Steps(name, chain, position)
        return actor

    def _same_time(self, name: str, at: Crossing) -> None:
        """What is of one step is of one commit."""
        before, self._before = self._before, None
        if before is not None and at.seq >= self._old_until:
            one, time = before
            same = (at.turn, at.incarnation) == (one.turn, one.incarnation)
            if same and one.seq + 1 == at.seq and at.time != time:
                found = f"column at is {at.time}"
                where: Place = {"actor": name, "position": at.position, "seq": at.seq}
                self._wrong(found, f"{time}, as of the event before it in its step", **where)
        if at.sound and at.turn and at.type in INSIDE and not at.asks():
            self._before = at, at.time

    def _cross(self, id: int, actor: _Steps, at: Crossing) -> None:
        if not at.sound:
            return
        if at.type == EventType.WASM_RESULT or at.asks():
            self._step_ends(id, actor, at)
        elif at.type == EventType.TURN_FAILED:
            self._failed(id, actor, at)
        self._contents(actor, at)

    def _step_ends(self, id: int, actor: _Steps, at: Crossing) -> None:
        if actor.turn != at.turn:
            number = 0
            if actor.asks < 0:
                found = self._file.one(
                    "SELECT count(*) FROM steps WHERE actor = ? AND turn = ? AND last_event < ?",
                    (id, at.turn, self._part.range.first),
                )
                number = found[0] if found is not None else 0
            actor.turn, actor.asks = at.turn, number
            actor.sure = at.turn not in actor.unsure
        number = actor.asks
        actor.asks += 1
        actor.steps[at.turn, number] = at
        if at.type != EventType.WASM_RESULT:
            return
        try:
            value, fuel = at.payload
            state = value["ok"][0]
            kind = kind_of(at.name)
        except (ValueError, TypeError, KeyError, IndexError):
            where: Place = {
                "actor": actor.name,
                "turn": at.turn,
                "position": at.position,
                "seq": at.seq,
            }
            self._wrong(f"a result {shown(at.payload)}", "[{ok: [state, ...]}, fuel]", **where)
            actor.unsure.add(at.turn)
            return
        hash = None if state is None else ref_hash(state)
        row = (kind, "done", at.incarnation, number + 1, hash, fuel, None, at.time)
        actor.done[at.turn] = at, row
        actor.turn = actor.asks = 0

    def _failed(self, id: int, actor: _Steps, at: Crossing) -> None:
        facts = at.payload if isinstance(at.payload, dict) else {}
        turn, reason, hash = facts.get("turn"), facts.get("reason"), facts.get("evidence")
        if not isinstance(turn, int):
            return
        if isinstance(hash, bytes):
            where = (at.position, at.seq)
            self._part.evidence.append(Evidence(id, at.incarnation, turn, hash, *where))
        if facts.get("again") is True:
            return
        row = self._file.one(
            "SELECT status, incarnation, fuel, reason, at FROM turns WHERE actor = ? AND turn = ?",
            (id, turn),
        )
        said = ("failed", at.incarnation, None, reason, at.time)
        self._compare(actor, at, turn, row, said, ("status", "incarnation", "fuel", "reason", "at"))

    def _contents(self, actor: _Steps, at: Crossing) -> None:
        """What it refers to is there, but for states: those are looked for from their turns."""
        wanted = references(at)
        if not wanted:
            return
        if at.type == EventType.WASM_CALL and isinstance(at.payload, list):
            wanted = refs_in(at.payload[1:])
        elif at.type == EventType.WASM_RESULT:
            try:
                wanted = refs_in(at.payload[0]["ok"][1:])
            except (TypeError, LookupError):
                return
        for hash in wanted:
            if self._file.one("SELECT 1 FROM blobs WHERE hash = ?", (hash,)) is None:
                where: Place = {"actor": actor.name, "position": at.position, "seq": at.seq}
                self._wrong(f"its content {shown(hash)} is not there", "in blobs", **where)

    # What stands in other tables

    def _beside(self, id: int, actor: _Steps) -> None:
        part = self._part
        part.spans[id] = actor.first, actor.chain.last
        part.done[id], part.steps[id] = len(actor.done), len(actor.steps)
        if actor.unsure:
            part.unsure.add(id)
        try:
            self._turns(id, actor)
            self._steps(id, actor)
        except Unreadable as error:
            found = f"its turns cannot be read: {shown_line(str(error))}"
            self._wrong(found, "readable", actor=actor.name)

    def _turns(self, id: int, actor: _Steps) -> None:
        if not actor.done:
            return
        between = [id, min(actor.done), max(actor.done)]
        select = f"SELECT turn, {', '.join(TURN_COLUMNS)} FROM turns"
        where = "actor = ? AND turn BETWEEN ? AND ?"
        seen = set()
        for turn, *row in self._file.pages(select, ("turn",), where, between):
            seen.add(turn)
            at, said = actor.done.get(turn, (None, ()))
            if turn in actor.unsure:
                continue
            if at is not None:
                self._compare(actor, at, turn, tuple(row), said, TURN_COLUMNS)
            elif row[1] == "done":
                found = 'a row with status "done", and its chain has no result of it'
                self._wrong(found, "both", actor=actor.name, turn=turn)
        for turn in sorted(actor.done.keys() - seen):
            at, _ = actor.done[turn]
            assert at is not None
            self._compare(actor, at, turn, None, (), ())

    def _compare(
        self,
        actor: _Steps,
        at: Crossing,
        turn: int,
        row: tuple[Any, ...] | None,
        said: tuple[Any, ...],
        columns: tuple[str, ...],
    ) -> None:
        """A turn's row with what its event says."""
        where: Place = {"actor": actor.name, "turn": turn, "position": at.position, "seq": at.seq}
        if row is None:
            self._wrong("no row in turns for what ends here", "one", **where)
            return
        for column, value, expected in zip(columns, row, said, strict=True):
            if column == "at" and at.seq < self._old_until:
                continue
            if column == "steps" and turn in actor.unsure:
                continue
            if value != expected:
                why = WHY.get(column, "as is chained")
                found, wanted = both_shown(value, expected)
                self._wrong(f"column {column} is {found} in turns", f"{wanted}, {why}", **where)

    def _steps(self, id: int, actor: _Steps) -> None:
        if not actor.steps:
            return
        first, last, _ = self._part.range
        turns = [turn for turn, _ in actor.steps]
        select = "SELECT turn, step, incarnation, last_event FROM steps"
        where = "actor = ? AND turn BETWEEN ? AND ?"
        seen = set()
        between = [id, min(turns), max(turns)]
        for turn, step, incarnation, event in self._file.pages(
            select, ("turn", "step"), where, between
        ):
            seen.add((turn, step))
            at = actor.steps.get((turn, step))
            if turn in actor.unsure:
                continue
            place: Place = {"actor": actor.name, "turn": turn, "step": step}
            if at is None:
                if isinstance(event, int) and not first <= event <= last:
                    continue  # of a turn that goes beyond this range
                self._wrong("a row in steps, and its chain has none", "both", **place)
                continue
            if event != at.seq:
                found = f"column last_event is {shown(event)} in steps"
                self._wrong(found, f"{at.seq}, where it ends", **place)
            if incarnation != at.incarnation:
                found = f"column incarnation is {shown(incarnation)} in steps"
                self._wrong(found, f"{at.incarnation}, as is chained", **place)
        for turn, step in sorted(actor.steps.keys() - seen):
            if turn not in actor.unsure:
                at = actor.steps[turn, step]
                where_: Place = {
                    "actor": actor.name,
                    "turn": turn,
                    "position": at.position,
                    "seq": at.seq,
                }
                self._wrong(f"no row in steps for what ends here (step {step})", "one", **where_)
