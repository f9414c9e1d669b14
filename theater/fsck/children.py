"""Hold what actors have spawned to the asks that had it spawned, and its rows to its chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from theater import spec_data, wire
from theater.addresses import parent as above
from theater.capabilities import granted
from theater.errors import ProtocolError
from theater.events import FACTS, Event, EventType, content_hash
from theater.fsck.across import CHILDREN, ChildRow, CreatorRow
from theater.fsck.file import LogFile, Scratch
from theater.fsck.findings import Reports, shown
from theater.fsck.past import Past, is_count
from theater.fsck.tools import named
from theater.spec import ActorSpec

# Who was spawned by which ask, as their chains say; the asks.
TABLES = """
CREATE TABLE born (actor INTEGER PRIMARY KEY, parent, turn, idx, there);
CREATE INDEX born_by ON born (parent, turn, idx);
CREATE TABLE births (
    actor INTEGER, turn, idx, function, PRIMARY KEY (actor, turn, idx)
) WITHOUT ROWID;
CREATE TABLE unsure_families (actor INTEGER PRIMARY KEY);
"""


class Children:
    def __init__(self, file: LogFile, scratch: Scratch, reports: Reports) -> None:
        self._file = file
        self._scratch = scratch
        self._reports = reports
        self._past = Past(file)

    def id(self, name: str) -> int | None:
        row = self._file.one("SELECT id FROM actors WHERE name = ?", (name,))
        return None if row is None else row[0]

    def is_sure(self, *actors: Any) -> bool:
        return all(
            self._scratch.one("SELECT 1 FROM unsure_families WHERE actor = ?", (actor,)) is None
            for actor in actors
        )

    # What is met, in the order of commits

    def lose(self, actor: int) -> None:
        """An event of this actor's cannot be read, which is told."""
        self._scratch.run("INSERT OR IGNORE INTO unsure_families VALUES (?)", (actor,))

    def gone(self, row: CreatorRow) -> None:
        """It was removed."""
        self._scratch.run("UPDATE born SET there = 0 WHERE actor = ?", (row.actor,))

    def take(self, row: CreatorRow, event: Event) -> None:
        """An event that may say by whom it was spawned."""
        if event.type in FACTS and isinstance(event.payload, dict):
            self._facts(row, event.payload, event.actor)

    def asked(self, row: CreatorRow, function: str) -> None:
        """An ask that has a child spawned, if it is answered so."""
        key = (row.actor, row.turn, row.idx)
        self._scratch.run("INSERT OR IGNORE INTO births VALUES (?,?,?,?)", (*key, function))

    def _facts(self, row: CreatorRow, facts: dict[str, Any], name: str) -> None:
        spawned = facts.get("spawned")
        self._scratch.run("DELETE FROM born WHERE actor = ?", (row.actor,))
        if spawned is None:
            return

        def wrong(found: str, expected: str) -> None:
            self._reports.wrong(found, expected, actor=name, seq=row.seq)

        parent = self.id(above(name))
        try:
            turn, index = spawned
        except (TypeError, ValueError):
            turn = index = None
        if parent is None or not is_count(turn) or not is_count(index):
            wrong(f"spawned by {shown(spawned)} of {shown(above(name))}", "by an ask of an actor's")
            return
        key = (parent, turn, index)
        other = self.born_by(*key)
        if other is not None:
            wrong(f"it was spawned by the ask that spawned actor {other}", "one by each")
        self._scratch.run("INSERT INTO born VALUES (?,?,?,?,1)", (row.actor, *key))
        ask = self._scratch.one(
            "SELECT function FROM births WHERE (actor, turn, idx) = (?,?,?)", key
        )
        if not self.is_sure(parent):
            return
        what = f"spawned by turn {turn}, index {index} of {shown(above(name))}"
        if ask is None:
            wrong(f"{what}, which has not asked for it", "by an ask")
        elif row.type == EventType.CREATED and (ask[0] == "resume") != (
            facts.get("resumed") is True
        ):
            wrong(f"{what}, which called {ask[0]}", "resumed if that was called")

    # What its chain says that an actor is

    def is_there(self, actor: int) -> bool:
        """Whether it was spawned, and is not removed."""
        found = self._scratch.one("SELECT 1 FROM born WHERE actor = ? AND there", (actor,))
        return found is not None

    def parent_of(self, actor: int) -> int | None:
        """Who has spawned it, if anybody has; also of one that was removed."""
        row = self._scratch.one("SELECT parent FROM born WHERE actor = ?", (actor,))
        return None if row is None else row[0]

    def child_of(self, parent: int, name: Any) -> int | None:
        """The actor of this name, if this one has spawned it and it is there."""
        child = self.id(name) if isinstance(name, str) else None
        found = self._scratch.one(
            "SELECT 1 FROM born WHERE actor = ? AND parent = ? AND there", (child, parent)
        )
        return child if found is not None else None

    def born_by(self, parent: int, turn: int, index: int) -> int | None:
        """Whom this ask has had spawned."""
        row = self._scratch.one(
            "SELECT actor FROM born WHERE (parent, turn, idx) = (?,?,?)", (parent, turn, index)
        )
        return None if row is None else row[0]

    def count_of(self, parent: int) -> int:
        """How many there are that it has spawned."""
        row = self._scratch.one("SELECT count(*) FROM born WHERE parent = ? AND there", (parent,))
        return 0 if row is None else row[0]

    # The rows

    def check(self, went_on: Callable[[], bool]) -> None:
        for row in self._file.pages(CHILDREN.select, CHILDREN.keys):
            child = CHILDREN.make(*row)
            misfits = list(CHILDREN.misfits(child))
            for found, expected in misfits:
                self._wrong(child.actor, found, expected)
            if not misfits:
                self._judge(child, went_on)
        for actor in self._lost() if not went_on() else ():
            self._wrong(actor, "it was spawned, and has no row", "one in children")

    def _wrong(self, actor: Any, found: str, expected: str) -> None:
        self._reports.wrong(found, expected, actor=named(self._file, actor))

    def _lost(self) -> Iterator[int]:
        for (actor,) in self._scratch.rows("SELECT actor FROM born WHERE there ORDER BY actor"):
            row = self._file.one("SELECT 1 FROM children WHERE actor = ?", (actor,))
            if row is None and self.is_sure(actor):
                yield actor

    def _judge(self, row: ChildRow, went_on: Callable[[], bool]) -> None:
        def wrong(found: str, expected: str) -> None:
            self._wrong(row.actor, f"{found} in children", expected)

        if not isinstance(row.name, str):
            return  # it is nobody's, which is told with what is of strangers
        if row.parent_name != (above(row.name) or None):
            wrong(f"parent is {shown(row.parent_name)}", f"{shown(above(row.name))}, above it")
        born = self._scratch.one("SELECT turn, idx, there FROM born WHERE actor = ?", (row.actor,))
        if self.is_sure(row.actor) and not went_on():
            if born is None:
                wrong("a row", "none: its chain does not say that it was spawned")
                return
            elif not born[2]:
                wrong("a row", "none: it was removed")
            elif born[:2] != (row.turn, row.idx):
                found = f"turn {row.turn}, index {row.idx}"
                wrong(found, f"turn {born[0]}, index {born[1]}, as is chained")
        try:
            spec = spec_data.unpack(row.spec)
            grants = {each.type: granted(each) for each in spec.handlers}
        except (ProtocolError, TypeError, ValueError, LookupError, AttributeError):
            wrong("a spec that is none", "the specification of an actor")
            return
        if not went_on():
            self._judge_spec(row, spec, grants, wrong)

    def _judge_spec(
        self, row: ChildRow, spec: ActorSpec, grants: dict[str, Any], wrong: Any
    ) -> None:
        """It says what the chain says."""
        facts = self._past.said(row.actor)
        key = "to" if "to" in facts else "component"
        limits = facts.get("limits")
        state = spec.initial_state
        pairs = [
            ("path", spec.path, row.name),
            ("spawned", list(spec.spawned or ()), [row.turn, row.idx]),
            ("component", spec.component_sha256, facts.get(key)),
            ("resumed", spec.resumed, facts.get("resumed") is True),
            (
                "initial state",
                None if state is None else content_hash(state),
                facts.get("initial_state"),
            ),
            ("grants", grants, facts.get("grants")),
        ]
        for name in ("memory_bytes", "fuel", "turn_bytes"):
            chained = limits.get(name) if isinstance(limits, dict) else None
            pairs.append((f"limit {name}", getattr(spec.limits, name), chained))
        for name, said, chained in pairs if facts and self.is_sure(row.actor) else ():
            if wire.pack(said) != wire.pack(chained):
                wrong(f"{name} {shown(said)} in its spec", f"{shown(chained)}, as is chained")
