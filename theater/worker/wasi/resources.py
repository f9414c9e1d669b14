"""The resources a guest holds handles of, by number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Functions = dict[str, Callable[..., Any]]
Interfaces = dict[str, Functions]  # interface -> function as WIT names it -> what answers it


class ResourceTable:
    """Numbers from 1 in the order of creation, never used twice: a run again gives the same."""

    def __init__(self) -> None:
        self._items: dict[int, Any] = {}
        self._last = 0

    def add(self, item: Any) -> int:
        self._last += 1
        self._items[self._last] = item
        return self._last

    def get(self, rep: int) -> Any:
        """The resource, or None for one that only a recorded answer has handed out."""
        return self._items.get(rep)

    def drop(self, rep: int) -> None:
        self._items.pop(rep, None)

    def __len__(self) -> int:
        return len(self._items)
