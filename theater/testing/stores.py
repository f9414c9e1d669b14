"""The stores of an actor that runs as a unit test: in memory, with the rules of real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from theater_actor.calls import NotDone

from theater.stores import Access, check_hash, check_label, hash_of

if TYPE_CHECKING:
    from theater.testing.inprocess import InProcess


@dataclass(slots=True)
class Shelf:
    """What a store has: contents by their hashes, and what labels name. Put there what you like."""

    contents: dict[str, bytes] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    written: dict[str, bytes] = field(default_factory=dict)  # by turns, also such as have failed


class Stores(dict[str, Shelf]):
    """Those of an actor, by their ids. `settings`: of its handler, as a manifest has them."""

    def __init__(self, actor: InProcess, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self._actor = actor
        self._access = Access.of(actor.address, settings)

    def __missing__(self, id: str) -> Shelf:
        shelf = self[id] = Shelf()
        return shelf

    def new(self) -> str:
        return f"{self._actor.address}:{self._actor.next_number()}:0"

    def put(self, store: str, content: bytes, label: str | None) -> str:
        shelf = self._granted(store, writes=True)
        if label is not None:
            _refuse(check_label(label))
        hash = hash_of(content)
        shelf.written[hash] = content

        def keep() -> None:
            shelf.contents[hash] = content
            if label is not None:
                shelf.labels[label] = hash

        self._actor.hold(keep)
        return hash

    def content(self, store: str, hash: str) -> bytes:
        files = self._files(store)
        _refuse(check_hash(hash))
        found = files.get(hash)
        if found is None:
            raise NotDone(f"no-content: store {store!r} has no content {hash}")
        return found

    def exists(self, store: str, hash: str) -> bool:
        files = self._files(store)
        _refuse(check_hash(hash))
        return hash in files

    def label(self, store: str, label: str, hash: str) -> None:
        shelf = self._granted(store, writes=True)
        _refuse(check_label(label))
        self.content(store, hash)
        self._actor.hold(lambda: shelf.labels.update({label: hash}))

    def unlabel(self, store: str, label: str, hash: str | None) -> None:
        shelf = self._granted(store, writes=True)
        _refuse(check_label(label) or (None if hash is None else check_hash(hash)))

        def remove() -> None:
            if hash is None or shelf.labels.get(label) == hash:
                shelf.labels.pop(label, None)

        self._actor.hold(remove)

    def at(self, store: str, label: str) -> str | None:
        shelf = self._granted(store)
        _refuse(check_label(label))
        return self._asked(shelf).labels.get(label)

    def labels(self, store: str) -> list[str]:
        return sorted(self._asked(self._granted(store)).labels)

    def contents(self, store: str) -> list[str]:
        return sorted(self._asked(self._granted(store)).contents)

    def size(self, store: str) -> int:
        return sum(map(len, self._asked(self._granted(store)).contents.values()))

    def _files(self, store: str) -> dict[str, bytes]:
        shelf = self._granted(store)
        return {**shelf.written, **shelf.contents}

    def _granted(self, store: str, writes: bool = False) -> Shelf:
        _refuse(self._access.why_not(store, writes))
        return self[store]

    def _asked(self, shelf: Shelf) -> Shelf:
        """An ask is a commit point."""
        self._actor.commit()
        return shelf


def _refuse(why: str | None) -> None:
    if why is not None:
        raise NotDone(why)
