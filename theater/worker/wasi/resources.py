"""The resources a guest holds handles of, by number."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from theater.wasi import BODIES

Functions = dict[str, Callable[..., Any]]
Interfaces = dict[str, Functions]  # interface -> function as WIT names it -> what answers it

T = TypeVar("T")
# The answer of a call that changes something outside: it yields once, when it is sure that it is to
# be done, and goes on when that is committed. One that returns before it yields was no such call.
Change = Generator[None, None, T]


@dataclass(frozen=True, slots=True)
class Done:
    """What a world call has come to, if there is more to be recorded than its answer."""

    answer: Any
    kept: Any  # see `theater.wasi.is_answer`


PREOPENS = 1 << 29  # of a directory that is granted: this and something that it is known by

OPEN_MAX = 512  # resources of one instance that hold something of the system's


class Gone(ValueError):
    """A resource of an instance that is gone was used; there is no answer that would say so."""


class Held:
    """A resource that holds a descriptor, or so much memory that it counts as one."""

    def close(self) -> None:
        """Nobody uses it any more."""


class ResourceTable:
    """Numbers in the order of creation, after those of what is always there (`lasting`), never
    used twice: a run again gives the same."""

    def __init__(self, lasting: Mapping[int, Any] | None = None) -> None:
        self._lasting = dict(lasting or {})
        self._items: dict[int, Any] = {}
        self._last = max(self._lasting, default=0)
        self._last_body = BODIES - 1
        self._given: int | None = None
        self._held = 0

    def keep(self, rep: int, item: Any) -> None:
        """One more that is always there, under a number of its own beyond all others."""
        self._lasting[rep] = item

    def add(self, item: Any, is_body: bool = False) -> int:
        """`is_body`: it is an output stream into the body of a request."""
        if self._given is not None:
            rep, self._given = self._given, None
        elif is_body:
            rep = self._last_body = self._last_body + 1
        else:
            rep = self._last = self._last + 1
        self._items[rep] = item
        self._held += isinstance(item, Held)
        return rep

    @contextlib.contextmanager
    def handing_out(self, rep: int | None) -> Iterator[None]:
        """What is added meanwhile gets this number, if any, by which a recorded answer knows it."""
        self._given = rep
        try:
            yield
        finally:
            self._given = None

    def is_full(self) -> bool:
        """Whether the guest has to drop something before it gets another one that is `Held`."""
        return self._held >= OPEN_MAX

    def reserve(self, rep: int) -> None:
        """A recorded answer has handed this number out: no other resource may get it."""
        if rep >= BODIES:
            self._last_body = max(self._last_body, rep)
        else:
            self._last = max(self._last, rep)

    def get(self, rep: int) -> Any:
        """The resource, or None for one that only a recorded answer has handed out."""
        return self._lasting.get(rep) or self._items.get(rep)

    def there(self, rep: int, kind: type[T]) -> T:
        """The resource. Raises Gone for one that only a recorded answer has handed out."""
        found = self.get(rep)
        if not isinstance(found, kind):
            raise Gone(f"{kind.__name__.lower()} {rep} was made before a crash, and is gone")
        return found

    def forget(self) -> None:
        """Nobody holds any of them; their numbers are not given again."""
        for rep in list(self._items):
            self.drop(rep)

    def take(self, rep: int) -> Any:
        """The guest has given it away: the resource, which has no number any more, or None."""
        item = self._items.pop(rep, None)
        self._held -= isinstance(item, Held)
        return item

    def drop(self, rep: int) -> None:
        item = self.take(rep)
        if isinstance(item, Held):
            item.close()

    def drop_all(self, *kinds: type) -> None:
        """All of these kinds, whoever holds them."""
        for rep in [rep for rep, item in self._items.items() if isinstance(item, kinds)]:
            self.drop(rep)

    def __len__(self) -> int:
        return len(self._items)
