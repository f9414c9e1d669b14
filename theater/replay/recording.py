"""A recorded system: its log, read-only, and the components that its actors ran."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgpack

from theater.chain import GENESIS, link
from theater.client.reader import LogReader
from theater.errors import Damaged, ProtocolError, TheaterError
from theater.events import EventType, content_hash
from theater.paths import DataPaths
from theater.replay.slices import Crossing, Item, Slices

PAGE = 1000  # events a transaction


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a chain to begin: to read on from `position`, after `parent`."""

    position: int = 0
    parent: bytes = GENESIS


class Recording:
    """The data directory of a system, running or not. Raises NotRunning if there is no log."""

    def __init__(self, directory: str) -> None:
        self.paths = DataPaths(os.path.realpath(directory))
        self.log = LogReader(self.paths.log)

    def close(self) -> None:
        self.log.close()

    def component(self, sha256: str) -> str:
        """The path of a component's kept file. TheaterError if it is not there."""
        path = f"{self.paths.components}/{sha256}"
        if not os.path.exists(path):
            raise TheaterError(
                f"the component {sha256[:12]} is not in {self.paths.components}; if you have its"
                " file, put it there under its whole hash, or give it with --component"
            )
        return path

    def content(self, hash: bytes) -> bytes:
        """What a reference stands for; Damaged if it is not there or something else."""
        found = self.log.content(hash)
        if found is None:
            raise Damaged(f"the content {hash.hex()[:12]} is not in the log")
        return found

    def turns(self, actor: str) -> int:
        """How many turns the log knows."""
        rows = self.log.query("SELECT count(*) FROM turns WHERE actor = ?", self._id(actor))
        return int(rows[0][0])

    def chain_part(self, place: bytes) -> list[dict[str, Any]]:
        """The events that a `get-chain` was given, from what is recorded of them."""
        try:
            name, first, last, head = msgpack.unpackb(place)
            if [type(each) for each in (name, first, last)] != [str, int, int]:
                raise ValueError("not a place")
        except (ValueError, TypeError, msgpack.UnpackException):
            raise Damaged("a part of a chain was answered that is no part of any") from None
        actor = self._id(name)
        parent = self._hash_at(actor, first - 1) if first else None
        chain = []
        for hash, kind, data in self.log.query(
            "SELECT hash, type, bytes FROM events WHERE actor = ? AND position BETWEEN ? AND ?"
            " ORDER BY position",
            actor,
            first,
            last,
        ):
            chain.append({"hash": hash, "parent-hash": parent, "event-type": kind, "data": data})
            parent = hash
        if len(chain) != last - first + 1 or parent != head:
            raise Damaged(f"events {first} to {last} of {name} are not what was answered")
        return chain

    # Slices

    def slices(self, actor: str, first_turn: int | None = None) -> Iterator[Item]:
        """What each incarnation ran. `first_turn`: from the incarnation on that began that turn.

        Raises TheaterError for a turn that is not there, Damaged for a broken chain.
        """
        id = self._id(actor)

        def evidence(hash: bytes) -> list[bytes] | None:
            for (events,) in self.log.query(
                "SELECT events FROM evidence WHERE actor = ? AND hash = ?", id, hash
            ):
                if content_hash(events) != hash:
                    raise Damaged(f"evidence of {actor} is not what its hash says")
                try:
                    return list(msgpack.unpackb(events))
                except (ValueError, TypeError, msgpack.UnpackException) as error:
                    raise Damaged(f"evidence of {actor}: {error}") from None
            return None

        slices = Slices(evidence)
        skip = 0
        place = _Place()
        if first_turn is not None:
            position, skip = self._start_of(actor, id, first_turn)
            if position:
                place = _Place(position, self._hash_at(id, position - 1))
                slices.facts = self._facts_before(id, position)
        for crossing in self._crossings(actor, id, place):
            if crossing.event.type == EventType.STARTED and crossing.event.incarnation >= skip:
                skip = 0
            try:
                items = list(slices.take(crossing))
            except ProtocolError as error:
                raise Damaged(f"evidence of {actor}: {error}") from None
            if not skip:
                yield from items
        yield from slices.end()

    def _crossings(self, actor: str, id: int, place: _Place) -> Iterator[Crossing]:
        position, parent = place.position, place.parent
        while True:
            rows = self.log.query(
                "SELECT position, bytes, hash FROM events WHERE actor = ? AND position >= ?"
                " ORDER BY position LIMIT ?",
                id,
                position,
                PAGE,
            )
            for found, data, hash in rows:
                if isinstance(data, bytes):  # SQLite holds nobody to the type of a column
                    parent = link(parent, data)
                if found != position or parent != hash:
                    raise Damaged(f"the chain of {actor} is broken at position {position}")
                try:
                    yield Crossing.read(data)
                except ProtocolError as error:
                    raise Damaged(f"position {position} of {actor}: {error}") from None
                position += 1
            if len(rows) < PAGE:
                return

    def _start_of(self, actor: str, id: int, turn: int) -> tuple[int, int]:
        """Where to read from to have all of the incarnation that began `turn`, and its number.

        That is its `started`, or that of the one which began the turn that it went on with.
        """
        began = (
            "SELECT incarnation FROM evidence WHERE actor = ? AND turn = ?"
            " UNION ALL SELECT incarnation FROM steps WHERE actor = ? AND turn = ?"
        )
        ((incarnation,),) = self.log.query(
            f"SELECT min(incarnation) FROM ({began})", *(id, turn, id, turn)
        )
        if incarnation is None:
            raise TheaterError(f"{actor} has no turn {turn}: nothing of it is recorded")
        ran = (
            "SELECT turn FROM evidence WHERE actor = ? AND incarnation = ?"
            " UNION ALL SELECT turn FROM steps WHERE actor = ? AND incarnation = ?"
        )
        ((first,),) = self.log.query(
            f"SELECT min(turn) FROM ({ran})", *(id, incarnation, id, incarnation)
        )
        ((opener,),) = self.log.query(
            f"SELECT min(incarnation) FROM ({began})", *(id, first, id, first)
        )
        return self._first_of(id, opener), incarnation

    def _first_of(self, id: int, incarnation: int) -> int:
        """The position of its `started`. Numbers of incarnations only grow along a chain."""
        ((last,),) = self.log.query("SELECT max(position) FROM events WHERE actor = ?", id)
        low, high = 0, last + 1
        while low < high:
            middle = (low + high) // 2
            rows = self.log.query(
                "SELECT incarnation FROM events WHERE actor = ? AND position = ?", id, middle
            )
            if not rows or not isinstance(rows[0][0], int):
                raise Damaged(f"position {middle} of a chain is not there, or damaged")
            low, high = (middle + 1, high) if rows[0][0] < incarnation else (low, middle)
        return low

    def _facts_before(self, id: int, position: int) -> dict[str, Any]:
        for (data,) in self.log.query(
            "SELECT bytes FROM events WHERE actor = ? AND position < ? AND"
            " (type = 'created' OR type = 'component-changed' OR type = 'changed'"
            " OR type = 'returned') ORDER BY position DESC LIMIT 1",
            *(id, position),
        ):
            try:
                return dict(Crossing.read(data).event.payload)
            except ProtocolError as error:
                raise Damaged(f"what a chain says of its actor: {error}") from None
        return {}

    def _hash_at(self, id: int, position: int) -> bytes:
        rows = self.log.query(
            "SELECT hash FROM events WHERE actor = ? AND position = ?", id, position
        )
        if not rows:
            raise Damaged(f"position {position} of a chain is not there")
        return bytes(rows[0][0])

    def _id(self, actor: str) -> int:
        rows = self.log.query("SELECT id FROM actors WHERE name = ?", actor)
        if not rows:
            raise TheaterError(f"the log knows no actor {actor}")
        return int(rows[0][0])
