"""The resources a guest holds handles of, by number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Functions = dict[str, Callable[..., Any]]
Interfaces = dict[str, Functions]  # interface -> function as WIT names it -> what answers it


# What is always there has numbers that are always the same: a turn that is carried on by a fresh
# instance finds what an older instance had got hold of long before.
STDIN, STDOUT, STDERR, NETWORK = 1, 2, 3, 4


class ResourceTable:
    """Numbers in the order of creation, after those of what is always there (`lasting`), never
    used twice: a run again gives the same."""

    def __init__(self, lasting: Mapping[int, Any] | None = None) -> None:
        self._lasting = dict(lasting or {})
        self._items: dict[int, Any] = {}
        self._last = max(self._lasting, default=0)

    def add(self, item: Any) -> int:
        self._last += 1
        self._items[self._last] = item
        return self._last

    def reserve(self, rep: int) -> None:
        """A recorded answer has handed this number out: no other resource may get it."""
        self._last = max(self._last, rep)

    def get(self, rep: int) -> Any:
        """The resource, or None for one that only a recorded answer has handed out."""
        return self._lasting.get(rep) or self._items.get(rep)

    def forget(self) -> None:
        """Nobody holds any of them; their numbers are not given again."""
        self._items.clear()

    def drop(self, rep: int) -> None:
        self._items.pop(rep, None)

    def __len__(self) -> int:
        return len(self._items)
