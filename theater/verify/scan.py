"""The fast pass over a range of events: it says that all holds, or that something is odd.

What is odd is looked at again, row by row, by `careful.py`, which names it. So this one need not
know what is wrong, and each row costs only what it must: its hash from the one before it, its
columns as the bytes that they stand for, and its leaf of the tree. Bytes are decoded only where
something in them stands in another table.
"""

from __future__ import annotations

import hashlib
import sqlite3
import struct
from typing import Any

import msgpack

from theater import calls
from theater.chain import GENESIS
from theater.errors import ProtocolError
from theater.events import REF_CODE, EventType, decode, refs_in
from theater.merkle import Frontier
from theater.verify.part import Evidence, Part, Peaks, Range

PAGE = 256  # rows in one transaction
ROW_MAX = 1 << 20  # bytes of a value; a page with a larger one is read in another way
ASKED_AT_ONCE = 500

_SELECT = (
    "SELECT actor, position, incarnation, turn, idx, type, function, line, bytes, hash, at"
    " FROM events WHERE seq BETWEEN ? AND ? ORDER BY seq"
)
# Turns that end in a range, with the one step that most of them have; and all of them.
_SINGLE = (
    "SELECT t.turn, t.kind, t.incarnation, t.state, t.fuel, t.at, s.last_event FROM turns t"
    " JOIN steps s ON s.actor = t.actor AND s.turn = t.turn AND s.step = 0"
    " AND s.incarnation = t.incarnation WHERE t.actor = ? AND t.turn BETWEEN ? AND ?"
    " AND t.status = 'done' AND t.reason IS NULL AND t.steps = 1 ORDER BY t.turn"
)
_STEP_COUNT = "SELECT count(*) FROM steps WHERE actor = ? AND turn BETWEEN ? AND ?"
_TURNS = (
    "SELECT turn, kind, incarnation, state, fuel, at, steps FROM turns"
    " WHERE actor = ? AND turn BETWEEN ? AND ? AND status = 'done' AND reason IS NULL"
)
_STEPS = (
    "SELECT turn, step, incarnation, last_event FROM steps"
    " WHERE actor = ? AND turn BETWEEN ? AND ? AND last_event BETWEEN ? AND ?"
)
_BEFORE = "SELECT hash FROM events WHERE actor = ? AND position = ?"
_STEPS_BEFORE = "SELECT count(*) FROM steps WHERE actor = ? AND turn = ? AND last_event < ?"
_FAILED = (
    "SELECT incarnation, reason, at FROM turns"
    " WHERE actor = ? AND turn = ? AND status = 'failed' AND fuel IS NULL"
)

KINDS = {function: kind for kind, (_, function) in calls.CALLS.items()}
ASK, STATE_REF, NO_STATE = 0x91, b"\x92\x81\xa2ok\x91\xc7\x20\x01", b"\x92\x81\xa2ok\x91\xc0"
REF = b"\xc7\x20\x01"  # how a reference begins that is spelt as ours are
REST = len(STATE_REF) + 32
MANY = 1 << 16  # so much is remembered of what may come again

# What more there is to do for an event, by its type.
PLAIN, CALL, HOST_CALL, RESULT, LINE, LOG_CALL, FAILED, ANSWER = range(8)
_WORK: dict[str, int] = {
    EventType.WASM_CALL: CALL,
    EventType.HOST_CALL: HOST_CALL,
    EventType.WASM_RESULT: RESULT,
    EventType.LOG: LINE,
    EventType.TURN_FAILED: FAILED,
    EventType.HOST_ANSWER: ANSWER,
    EventType.CARRIED_ON: CALL,  # another event of its step follows, as after a call
}
# What a row that is not as it should be can make of this.
_BROKEN = (
    sqlite3.Error,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    msgpack.UnpackException,
    struct.error,
)

packed = msgpack.Packer(use_bin_type=True, autoreset=True).pack


class Odd(Exception):
    """Something is not as it nearly always is."""


class _Actor:
    """How far its chain has come, and its rows in other tables as they have to be."""

    __slots__ = (
        "asked",
        "done",
        "first",
        "hash",
        "id",
        "incarnation",
        "leaf",
        "next",
        "prefix",
        "stem",
        "turn",
    )

    def __init__(self, id: int, name: str, position: int, hash: bytes) -> None:
        self.id = id
        self.hash = hash
        self.first = self.next = position
        self.prefix = b"\x99\x01" + packed(name)
        self.leaf = packed(name) + b"\xc4\x20"
        # The prefix, and the incarnation and turn of the last event.
        self.incarnation = self.turn = -1
        self.stem = b""
        # (turn, kind, incarnation, state, fuel, time, seq) of results
        self.done: list[tuple[Any, ...]] = []
        self.asked: list[tuple[int, int, int]] = []  # (turn, incarnation, seq)


class Scan:
    """Over one open database; for any number of ranges, one after the other."""

    def __init__(self, db: sqlite3.Connection, names: dict[int, str], old_until: float) -> None:
        """`names`: of the actors. Events before `old_until` are of a version that wrote other
        times."""
        self._db = db
        self._names = names
        self._old_until = old_until
        self._actors: dict[int, _Actor] = {}
        # By index, type and function: what follows the turn in the bytes, and what is to do.
        self._middles: dict[tuple[int, str, str], tuple[bytes, int]] = {}
        self._range = Range(1, 0)
        self._leaves: list[bytes] = []
        self._fuels: dict[bytes, int] = {}
        self._evidence: list[Evidence] = []
        self._refs: set[bytes] = set()
        self._time: float | None = None
        self._inside = False  # the last row is one that another of its step follows

    def run(self, range: Range) -> Part:
        """What has to hold of the range, or Odd."""
        first, last, heads = self._range = range
        self._actors = {}
        self._leaves, self._evidence, self._refs = [], [], set()
        self._time, self._inside = None, False
        part = Part(range)
        tree, begun = Frontier(), first
        try:
            for size in (*heads, last):
                for page in _pages(begun, size):
                    self._page(*page)
                begun = max(begun, size + 1)
                tree.extend(self._leaves)
                self._leaves.clear()
                part.at_heads.append(Peaks.of(tree))
            for actor in self._actors.values():
                self._beside(actor, part)
            self._contents()
        except _BROKEN as error:
            raise Odd from error
        part.tree = part.at_heads.pop()
        part.events = last - first + 1
        part.evidence = self._evidence
        return part

    def _page(self, first: int, last: int) -> None:
        rows = self._db.execute(_SELECT, (first, last)).fetchall()
        if len(rows) != last - first + 1:
            raise Odd
        # No function is called here that need not be: a call costs as much as a hash.
        sha256, actors, middles, fuels = hashlib.sha256, self._actors, self._middles, self._fuels
        add, time, inside = self._leaves.append, self._time, self._inside
        state: bytes | None
        tail = b"" if time is None else b"\xcb" + struct.pack(">d", time)
        starts, seqs = _leaf_starts(first, last), range(first, last + 1)
        for seq, start, (
            id, position, incarnation, turn, index, type, function, line, data, hash, at,
        ) in zip(seqs, starts, rows, strict=True):  # fmt: skip
            try:
                actor = actors[id]
            except KeyError:
                actor = self._begin(id, position)
            if position != actor.next or sha256(actor.hash + data).digest() != hash:
                raise Odd
            actor.hash = hash
            actor.next = position + 1
            if turn != actor.turn or incarnation != actor.incarnation:
                actor.turn, actor.incarnation = turn, incarnation
                actor.stem = actor.prefix + packed(incarnation) + packed(turn)
            try:
                rest, work = middles[index, type, function]
            except KeyError:
                rest, work = self._middle(index, type, function, data)
            before = actor.stem + rest
            if not data.startswith(before):
                said = (self._names[id], incarnation, turn, index, type, function)
                data = self._spelt_otherwise(said, data, len(before))
            if at != time:
                if inside and seq >= self._old_until:
                    raise Odd  # one step, two times
                tail = b"\xcb" + struct.pack(">d", at)
                time = at
            inside = False
            if work is CALL:
                inside = True
                if data.count(REF) > 1:
                    self._refer(data[len(before) :], True)
            elif work is RESULT:
                payload = data[len(before) :]
                if payload.startswith(STATE_REF):
                    state, end = payload[len(STATE_REF) : REST], payload[REST:]
                elif payload.startswith(NO_STATE):
                    state, end = None, payload[len(NO_STATE) :]
                else:
                    state, end = self._answered(payload)
                fuel = fuels.get(end)
                if fuel is None:
                    fuel = self._fuel(end)
                kind = KINDS.get(function, calls.CALL)
                actor.done.append((turn, kind, incarnation, state, fuel, at, seq))
            elif work is HOST_CALL:
                if data[len(before)] == ASK:
                    actor.asked.append((turn, incarnation, seq))
                else:
                    inside = True
                if REF in data:
                    self._refer(data[len(before) :])
            elif work is not PLAIN:
                inside = turn > 0 and work is not ANSWER
                self._other(actor, (incarnation, seq, at), work, data[len(before) :], line)
                if work is not FAILED and work is not ANSWER:
                    line = None
            if line is not None:
                raise Odd
            add(sha256(start + actor.leaf + hash + tail).digest())
        self._time, self._inside = time, inside

    # Rows

    def _begin(self, id: int, position: int) -> _Actor:
        name = self._names[id]
        hash = GENESIS
        if position:
            hash = self._db.execute(_BEFORE, (id, position - 1)).fetchone()[0]
            if len(hash) != 32:
                raise Odd
        actor = self._actors[id] = _Actor(id, name, position, hash)
        return actor

    def _middle(self, index: int, type: str, function: str, data: bytes) -> tuple[bytes, int]:
        """What stands between the turn's number and the payload of such an event."""
        names = packed(type) + packed(_event(data).interface) + packed(function)
        work = _WORK.get(type, PLAIN)
        if work is HOST_CALL and function == "log":
            work = LOG_CALL
        found = packed(index) + names, work
        if len(self._middles) < MANY:
            self._middles[index, type, function] = found
        return found

    def _spelt_otherwise(self, said: tuple[Any, ...], data: bytes, length: int) -> bytes:
        """An event of another interface, or whose bytes are not spelt as we spell them: a beginning
        of this length, and its payload."""
        event = _event(data)
        numbers = (event.actor, event.incarnation, event.turn, event.index)
        if said != (*numbers, event.type, event.function):
            raise Odd
        payload: bytes = packed(event.payload)
        return bytes(length) + payload

    def _fuel(self, data: bytes) -> int:
        """The end of a result. Often it is the same as before."""
        fuel: int = msgpack.unpackb(data)
        if len(self._fuels) < MANY:
            self._fuels[data] = fuel
        return fuel

    def _answered(self, payload: bytes) -> tuple[bytes | None, bytes]:
        """The state and the fuel of a result with an answer in it."""
        value, fuel = msgpack.unpackb(payload, strict_map_key=False)
        state = value["ok"][0]
        if state is not None:
            if state.code != REF_CODE or len(state.data) != 32:
                raise Odd
            state = state.data
        if payload.count(REF) > (state is not None):
            self._refs.update(refs_in(value["ok"][1:]))
        return state, packed(fuel)

    def _other(
        self,
        actor: _Actor,
        when: tuple[int, int, float],
        work: int,
        payload: bytes,
        line: str | None,
    ) -> None:
        if work is LINE or work is LOG_CALL:
            said = msgpack.unpackb(payload, strict_map_key=False)
            if (said if work is LINE else said[0]) != [line]:
                raise Odd
        elif work is FAILED:
            self._failed(actor, when, payload)
        if REF in payload:
            self._refer(payload)

    def _failed(self, actor: _Actor, when: tuple[int, int, float], payload: bytes) -> None:
        """A turn has failed: its row, if it was set aside, and its evidence."""
        incarnation, seq, at = when
        facts = msgpack.unpackb(payload, strict_map_key=False)
        turn, reason, hash = facts["turn"], facts["reason"], facts.get("evidence")
        if facts.get("again") is not True:
            found = self._db.execute(_FAILED, (actor.id, turn)).fetchone()
            expected: tuple[Any, ...] = (incarnation, reason, at)
            if seq < self._old_until:
                found, expected = found[:2], expected[:2]
            if found != expected:
                raise Odd
        if hash is not None:
            position = actor.next - 1
            self._evidence.append(Evidence(actor.id, incarnation, turn, hash, position, seq))

    def _refer(self, payload: bytes, is_call: bool = False) -> None:
        """Remember what is referred to; not the state of a call, whose bytes need not be kept."""
        value = msgpack.unpackb(payload, strict_map_key=False)
        self._refs.update(refs_in(value[1:] if is_call else value))

    # What stands in other tables

    def _beside(self, actor: _Actor, part: Part) -> None:
        """The rows about its turns that ended here, and their steps."""
        part.spans[actor.id] = actor.first, actor.next - 1
        done, asked = actor.done, actor.asked
        part.done[actor.id], part.steps[actor.id] = len(done), len(done) + len(asked)
        if done and not asked:
            between = (actor.id, done[0][0], done[-1][0])
            rows = self._db.execute(_SINGLE, between).fetchall()
            count = self._db.execute(_STEP_COUNT, between).fetchone()[0]
            if rows == done and count == len(done):
                return
        if done or asked:
            self._with_asks(actor)

    def _with_asks(self, actor: _Actor) -> None:
        """The same where turns have several steps; the first turn's maybe before this range."""
        first, last, _ = self._range
        ends = [(row[6], row[0], row[2]) for row in actor.done]
        ends += [(seq, turn, incarnation) for turn, incarnation, seq in actor.asked]
        ends.sort()
        steps = []
        numbers: dict[int, int] = {}
        for seq, turn, incarnation in ends:
            if not numbers:
                before = (actor.id, turn, first)
                numbers[turn] = self._db.execute(_STEPS_BEFORE, before).fetchone()[0]
            elif turn not in numbers:
                numbers[turn] = 0
            steps.append((turn, numbers[turn], incarnation, seq))
            numbers[turn] += 1
        between = (actor.id, steps[0][0], steps[-1][0], first, last)
        if self._db.execute(_STEPS, between).fetchall() != steps:
            raise Odd
        done: list[tuple[Any, ...]] = [(*row[:6], numbers[row[0]]) for row in actor.done]
        if done:
            rows = self._db.execute(_TURNS, (actor.id, done[0][0], done[-1][0])).fetchall()
            if first < self._old_until:  # a log that was begun with version 1 has other times
                rows = [(*row[:5], *row[6:]) for row in rows]
                done = [(*row[:5], *row[6:]) for row in done]
            if rows != done:
                raise Odd

    def _contents(self) -> None:
        """Whether what events refer to is there."""
        wanted = list(self._refs)
        for at in range(0, len(wanted), ASKED_AT_ONCE):
            some = wanted[at : at + ASKED_AT_ONCE]
            marks = ",".join("?" * len(some))
            sql = f"SELECT count(*) FROM blobs WHERE hash IN ({marks})"
            if self._db.execute(sql, some).fetchone()[0] != len(some):
                raise Odd


def _event(data: bytes) -> Any:
    try:
        return decode(data)
    except ProtocolError:
        raise Odd from None


def _pages(first: int, last: int) -> list[tuple[int, int]]:
    return [(at, min(at + PAGE - 1, last)) for at in range(first, last + 1, PAGE)]


def _leaf_starts(first: int, last: int) -> list[bytes]:
    """How the leaves of events `first` to `last` begin: 0x00, an array of four, the number."""
    if first >= 1 << 16 and last < 1 << 32:  # all of them take four bytes
        pack = struct.Struct(">3sI").pack
        return [pack(b"\0\x94\xce", seq) for seq in range(first, last + 1)]
    return [b"\0\x94" + packed(seq) for seq in range(first, last + 1)]
