"""How much of a chain an answer shows, and what that is.

A part of a chain is as many of its newest events as were granted, and no more bytes than a message
may have: the broker reads it, and a turn has to hold it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from theater.broker.actors import Chain
from theater.broker.migration import Connection

if TYPE_CHECKING:
    from theater.broker.book import Book


class Rows(Protocol):
    """What is committed."""

    def sizes(self, chain: int, before: int, limit: int) -> Iterator[int]:
        """Bytes of the events before this position, the newest first."""
        ...


class NoRows:
    """Nothing has been committed yet."""

    def sizes(self, chain: int, before: int, limit: int) -> Iterator[int]:
        return iter(())


class ChainRows:
    """Those of `chain.db`."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def sizes(self, chain: int, before: int, limit: int) -> Iterator[int]:
        rows = self._db.execute(
            "SELECT length(bytes) FROM events WHERE actor = ? AND position < ?"
            " ORDER BY position DESC LIMIT ?",
            (chain, before, limit),
        )
        return (size for (size,) in rows)

    def part(self, name: str, first: int, last: int) -> list[dict[str, Any]]:
        """The events at positions `first` to `last`, both included, as guests see them."""
        (actor,) = self._db.execute("SELECT id FROM actors WHERE name = ?", (name,)).fetchone()
        rows = self._db.execute(
            "SELECT bytes, hash, type, position FROM events"
            " WHERE actor = ? AND position BETWEEN ? AND ? ORDER BY position",
            (actor, first - 1, last),
        )
        parent: bytes | None = None
        chain = []
        for data, hash, type, position in rows:
            if position >= first:
                event = {"hash": hash, "parent-hash": parent, "event-type": type, "data": data}
                chain.append(event)
            parent = hash
        return chain


def first_shown(book: Book, chain: Chain, events_max: int, bytes_max: int) -> int | None:
    """The position of the oldest event that is shown; None: the newest is too large already."""
    position, left = chain.length, bytes_max
    for size in islice(_sizes(book, chain, events_max), events_max):
        left -= size
        if left < 0:
            return position if position < chain.length else None
        position -= 1
    return max(0, chain.length - events_max)


def _sizes(book: Book, chain: Chain, limit: int) -> Iterator[int]:
    """Bytes of its events, the newest first, also of those that are not written yet."""
    position = chain.length
    for _, id, _, _, _, _, _, _, _, data, _, _ in reversed(book.batch.events):
        if id == chain.id:
            position -= 1
            yield len(data)
    yield from book.chain_rows.sizes(chain.id, position, limit)
