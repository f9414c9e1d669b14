"""The tree over a log that grows: made from its table, from where it was left the last time.

What is remembered (`heads.tree`) is the frontier, and the last leaf in it. It need not be
believed: it is used only if the log still has that leaf and it leads to the newest head; else the
tree is made anew. `theater verify` never looks at it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from theater import merkle
from theater.errors import Damaged, EnvironmentProblem
from theater.merkle import Frontier
from theater.paths import reading_uri

PAGE = 4096  # rows in one transaction
SAVE_EVERY = 1 << 18  # events, on the way to the end of a long log

Progress = Callable[[str], None]


class Log:
    """`chain.db`, to be read in short transactions. `at_rest`: nobody can be writing it."""

    def __init__(self, path: str, at_rest: bool = False) -> None:
        # A reader makes the WAL and its index and cannot remove them again, which takes room on a
        # disk that may have none for the next start. All that is in one file needs neither.
        alone = at_rest and not os.path.exists(f"{path}-wal")
        self._db = sqlite3.connect(
            f"{reading_uri(path)}{'&immutable=1' if alone else ''}",
            uri=True,
            timeout=10,
            isolation_level=None,
        )
        self._names: dict[int, str] = {}

    def close(self) -> None:
        self._db.close()

    def rows(self, sql: str, *parameters: Any) -> list[Any]:
        try:
            return self._db.execute(sql, parameters).fetchall()
        except sqlite3.DatabaseError as error:
            raise EnvironmentProblem(f"cannot read the log: {error}") from None

    def size(self) -> int:
        """How many events it has. They are numbered from 1 on without a gap."""
        return int(self.rows("SELECT coalesce(max(seq), 0) FROM events")[0][0])

    def leaves(self, first: int, end: int) -> Iterator[list[bytes]]:
        """The leaf hashes of events with numbers first + 1 to `end`, a page of them at a time."""
        while first < end:
            last = min(first + PAGE, end)
            rows = self.rows(
                "SELECT seq, actor, hash, at FROM events WHERE seq > ? AND seq <= ? ORDER BY seq",
                first,
                last,
            )
            page: list[bytes] = []
            for seq, actor, hash, time in rows:
                if seq != first + len(page) + 1:
                    break
                page.append(merkle.leaf(seq, self._name(actor), hash, time))
            if len(page) != last - first:
                raise Damaged(f"event {first + len(page) + 1} is missing in the log")
            yield page
            first = last

    def _name(self, actor: int) -> str:
        name = self._names.get(actor)
        if name is None:
            found = self.rows("SELECT name FROM actors WHERE id = ?", actor)
            if not found:
                raise Damaged(f"the log has events of an actor {actor}, and no such actor")
            name = self._names[actor] = found[0][0]
        return name


@dataclass(slots=True)
class Grown:
    """A frontier, and which root it is known to have led to before."""

    frontier: Frontier
    last_leaf: bytes = b""
    through: bytes = b""  # the root of the newest head that it goes on from


class Tree:
    def __init__(self, log: Log, state: str, progress: Progress = lambda _text: None) -> None:
        self._log = log
        self._state = state
        self._progress = progress

    def grow(self, size: int, head: tuple[int, bytes] | None) -> Frontier:
        """The frontier over the first `size` events. `head`: size and root of the newest one, that
        it has to go on from. Damaged if it does not."""
        begun = self._load()
        if begun is None or not self._fits(begun, size, head):
            begun = Grown(Frontier())
        if head is not None and begun.through != head[1]:
            begun = self._through(begun, *head)
        grown = self._to(begun, size, begun.through)
        self._save(grown)
        return grown.frontier

    def _through(self, begun: Grown, size: int, root: bytes) -> Grown:
        """What leads to the newest head: from where it was left, or from the beginning."""
        for each in (begun, Grown(Frontier())):
            grown = self._to(each, size, b"")
            if grown.frontier.root() == root:
                grown.through = root
                return grown
        raise Damaged(
            f"the log is not the one whose first {size:,} events were signed; nothing is signed."
            " `theater verify` tells what has changed"
        )

    def _fits(self, begun: Grown, size: int, head: tuple[int, bytes] | None) -> bool:
        at = begun.frontier.size
        if not 0 < at <= size:
            return False
        if head is not None and begun.through != head[1] and at > head[0]:
            return False  # whether it came through that head nobody can tell any more
        ((leaf,),) = self._log.leaves(at - 1, at)
        return leaf == begun.last_leaf

    def _to(self, begun: Grown, size: int, through: bytes) -> Grown:
        frontier, saved = begun.frontier, begun.frontier.size
        for page in self._log.leaves(frontier.size, size):
            frontier.extend(page)
            begun.last_leaf = page[-1]
            if frontier.size - saved >= SAVE_EVERY:
                saved = frontier.size
                self._save(begun)
                self._progress(f"making the tree ... {saved:,} of {size:,} events")
        begun.through = through
        return begun

    # What is remembered

    def _load(self) -> Grown | None:
        try:
            with open(self._state, "rb") as file:
                facts = json.loads(file.read(1 << 16))
            if facts.pop("check") != _check(facts):
                return None
            peaks = [bytes.fromhex(peak) for peak in facts["peaks"]]
            frontier = Frontier(facts["size"], peaks)
            leaf, through = bytes.fromhex(facts["leaf"]), bytes.fromhex(facts["through"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        return Grown(frontier, leaf, through)

    def _save(self, grown: Grown) -> None:
        facts: dict[str, Any] = {
            "size": grown.frontier.size,
            "peaks": [peak.hex() for peak in grown.frontier.peaks],
            "leaf": grown.last_leaf.hex(),
            "through": grown.through.hex(),
        }
        facts["check"] = _check(facts)
        with contextlib.suppress(OSError):  # then it is made anew the next time
            with open(f"{self._state}.new", "w", encoding="ascii") as file:
                json.dump(facts, file)
            os.rename(f"{self._state}.new", self._state)


def _check(facts: dict[str, Any]) -> str:
    """Against a bit that flips: what is remembered wrongly would be signed."""
    return hashlib.sha256(repr(sorted(facts.items())).encode()).hexdigest()
