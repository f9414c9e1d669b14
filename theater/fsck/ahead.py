"""Go along rows beside something else, always knowing the next one. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

R = TypeVar("R", bound=NamedTuple)
Key = tuple[int, ...]


class Ahead(Generic[R]):
    """Rows in the order of their keys. A row that is told to be wrong already is None."""

    def __init__(self, rows: Iterator[tuple[Key, R | None]]) -> None:
        self._rows = rows
        self._head = next(rows, None)

    @property
    def key(self) -> Key | None:
        """Of the next row; None: there is none any more."""
        return None if self._head is None else self._head[0]

    @property
    def row(self) -> R | None:
        return None if self._head is None else self._head[1]

    def take(self) -> R | None:
        head, self._head = self._head, next(self._rows, None)
        return None if head is None else head[1]

    def before(self, key: Key) -> Iterator[tuple[Key, R | None]]:
        """All next ones whose key, as far as `key` goes, is smaller."""
        while self._head is not None and self._head[0][: len(key)] < key:
            head = self._head
            self._head = next(self._rows, None)
            yield head

    def at(self, key: Key) -> bool:
        return self._head is not None and self._head[0] == key
