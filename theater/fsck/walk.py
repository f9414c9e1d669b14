"""Go along one chain after the other, and beside it along the rows about its actor."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from theater import wire
from theater.errors import ProtocolError
from theater.events import FACTS, EventType, decode, refs_in
from theater.fsck.ahead import Ahead, Key
from theater.fsck.asks import Expect
from theater.fsck.chain import EVENT_MAX, Chain, Crossing, references
from theater.fsck.file import Row, comes_after
from theater.fsck.findings import shown
from theater.fsck.life import Life
from theater.fsck.rows import (
    ACTORS,
    ASKS,
    EVENTS,
    EVIDENCE,
    INCARNATIONS,
    LAST_STATES,
    STEPS,
    TURNS,
    EvidenceRow,
)
from theater.fsck.source import R, Source, as_of
from theater.fsck.states import States
from theater.fsck.stores import Stores
from theater.fsck.tools import Tools, part
from theater.fsck.turns import Rows, Turns

STRIDE = 10_000  # events between two words of progress

Progress = Callable[[str], None]


class Walk:
    """`last_seq`: the last event when it began. Those before `old_until` are of version 1."""

    def __init__(
        self,
        tools: Tools,
        old_until: float,
        last_seq: int,
        expect: Expect,
        stores: Stores,
        progress: Progress,
    ) -> None:
        self._file, self._version, _, self._contents, self._reports = tools
        self._old_until = old_until
        self._last_seq = last_seq
        self._expect = expect
        self._stores = stores
        self._progress = progress
        self.events = 0
        self.timeouts = 0

    def along(self, id: int, name: str) -> None:
        """The chain of one actor."""
        with self._file.moment():
            row = self._file.one(f"{as_of(ACTORS, self._version)} WHERE id = ?", (id,))
            last = {
                source.table: self._last(source, id)
                for source in (EVENTS, TURNS, STEPS, ASKS, INCARNATIONS, EVIDENCE)
            }
            queued = self._file.one(
                "SELECT id FROM messages WHERE to_actor = ? AND status = 'queued'"
                " ORDER BY id LIMIT 1",
                (id,),
            )
            states = States(name, self._version, self._contents, self._reports)
            self._last_state(id, name, states)

        def ahead(source: Source[R], *also: Callable[[R], None]) -> Ahead[R]:
            return Ahead(self._stream(source, id, name, last[source.table], also))

        def evidence(row: EvidenceRow) -> None:
            self._judge_evidence(name, row)

        self._stores.begin(name)
        chain = Chain(name, self._reports)
        life = Life(name, ahead(INCARNATIONS), self._old_until, self._reports)
        rows = Rows(ahead(TURNS, states.row), ahead(STEPS), ahead(ASKS), ahead(EVIDENCE, evidence))
        numbers = (self._old_until, self._reports, self._last_seq, self._version)
        turns = Turns(name, id, life, rows, *numbers, self._expect)
        for _, event in self._stream(EVENTS, id, name, last["events"], (), typed=False):
            assert event is not None
            crossing = chain.take(event)
            if crossing is None:
                life.sure = False
                turns.lost()
                self._stores.lost()
                continue
            self._cross(name, life, turns, states, crossing)
            self.events += 1
            if self.events % STRIDE == 0:
                self._progress(f"checking ... {self.events:,} of {self._last_seq:,} events")
        self.timeouts += turns.timeouts
        initialised = turns.end(queued[0] if queued is not None else None)
        states.end(turns.state, turns.state_sure and initialised is not None)
        actor = ACTORS.make(*row) if row is not None else None
        if actor is not None and not list(ACTORS.misfits(actor)):
            life.end(actor, initialised)

    def _last_state(self, id: int, name: str, states: States) -> None:
        """Look at it now: the next one takes its place."""
        if self._version < 4:
            return
        with part(self._reports, actor=name, table="last_states"):
            found = self._file.one(f"{LAST_STATES.select} WHERE {LAST_STATES.owner}", (id,))
            if found is None:
                return
            row = LAST_STATES.make(*found)
            misfits = list(LAST_STATES.misfits(row))
            if row.type != "blob":
                misfits.append((f"bytes is {row.type}", "bytes"))
            for wrong, expected in misfits:
                self._reports.wrong(wrong, expected, actor=name, table="last_states")
            if not misfits:
                digest = hashlib.sha256()
                for piece in self._file.content("last_states", "bytes", id):
                    digest.update(piece)
                states.last(row, digest.digest())

    def _cross(self, name: str, life: Life, turns: Turns, states: States, at: Crossing) -> None:
        life.pass_by(at)
        if at.turn:
            turns.take(at)
            self._stores.take(at, life)
        else:
            if not at.follows:
                turns.lost()
            life.take(at)
            if at.type == EventType.CREATED:
                turns.created(at)
            elif at.type == EventType.TURN_FAILED:
                turns.failed(at)
            elif at.type == EventType.REMOVED:
                turns.removed(at)
            elif at.type == EventType.REINITIALISED:
                turns.began_anew(at)
        wanted = references(at)
        if wanted is None:
            self._reports.wrong(
                "its payload is nested too deeply to be read",
                "less deep",
                actor=name,
                position=at.position,
                seq=at.seq,
            )
        if at.sound and at.type in FACTS and isinstance(at.payload, dict):
            state = at.payload.get("initial_state")
            wanted = [*(wanted or []), *([state] if isinstance(state, bytes) else [])]
        for hash in states.take(at, wanted or [], turns):
            self._contents.want(hash, name, "position", at.position)

    def _last(self, source: Source[Any], id: int) -> Row | None:
        order = ", ".join(f"{key} DESC" for key in source.keys)
        return self._file.one(
            f"{as_of(source, self._version)} WHERE {source.owner} ORDER BY {order} LIMIT 1", (id,)
        )

    def _stream(
        self,
        source: Source[R],
        id: int,
        name: str,
        last: Row | None,
        also: tuple[Callable[[R], None], ...],
        typed: bool = True,
    ) -> Iterator[tuple[Key, R | None]]:
        """The rows about an actor up to `last`, which is as it was at the moment."""
        if last is None:
            return
        size = len(source.keys)
        end = last[:size]
        select = as_of(source, self._version)
        for row in self._file.pages(select, source.keys, source.owner, [id]):
            key = row[:size]
            if comes_after(key, end):
                return
            value = source.make(*(last if key == end else row))
            if not typed:
                yield key, value
                continue
            misfits = list(source.misfits(value))
            for found, expected in misfits:
                where = dict(zip(source.make._fields, key, strict=False))
                numbers = {field: number for field, number in where.items() if type(number) is int}
                self._reports.wrong(found, expected, actor=name, table=source.table, **numbers)
            if all(type(number) is int for number in key):
                if not misfits:
                    for each in also:
                        each(value)
                yield key, None if misfits else value

    def _judge_evidence(self, name: str, row: EvidenceRow) -> None:
        def wrong(found: str, expected: str) -> None:
            self._reports.wrong(found, expected, actor=name, turn=row.turn, evidence=row.id)

        digest = hashlib.sha256(row.events).digest()
        if digest != row.hash:
            wrong(f"its events have hash {shown(digest)}", f"{shown(row.hash)}, as in its row")
            return
        try:
            events = wire.unpack(row.events) if len(row.events) <= EVENT_MAX else None
            if not isinstance(events, list) or not events:
                raise ProtocolError("no list of events")
            decoded = [decode(data) for data in events]
        except (ProtocolError, MemoryError) as error:
            wrong(f"its events are {error}", "events")
            return
        for event in decoded:
            with contextlib.suppress(RecursionError):
                for hash in refs_in(event.payload):  # the box need not have had it
                    self._contents.want(hash, name, "turn", row.turn, needed=False)
        turns = {event.turn for event in decoded}
        if turns != {row.turn}:
            wrong(f"its events are of turn {', '.join(map(str, sorted(turns)))}", str(row.turn))
