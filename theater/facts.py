"""What the log says of the lives of actors and supervisors: one fact after the other. Pure.

A supervisor's decisions, the starts and the deaths are facts. What they are called and what they
hold: `supervisor/orders.Decision` and whoever decides it. `causes` and `deaths` follow them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from theater.events import EventType

ROOT = "/"  # what the root supervisor is called in the log
LAST = 1 << 62  # a place after every event of a log


@dataclass(frozen=True, slots=True)
class Fact:
    """One event of the life of an actor or a supervisor."""

    seq: int
    at: float  # Unix time of the commit
    name: str  # whom it is about
    incarnation: int
    type: str
    facts: Mapping[str, Any]

    @property
    def decision(self) -> str:
        """Its word, if something was decided; else ""."""
        word = self.facts.get("decision") if self.type == EventType.DECIDED else None
        return word if isinstance(word, str) else ""

    def text(self, key: str) -> str:
        value = self.facts.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int:
        value = self.facts.get(key)
        return value if isinstance(value, int) else 0

    def paths(self, key: str) -> list[str]:
        value = self.facts.get(key)
        return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


class Past(Protocol):
    """What is asked of the log. All of it newest first, and before event `before`."""

    def is_supervisor(self, name: str) -> bool: ...

    def decisions(self, before: int) -> Iterator[Fact]:
        """What all supervisors decided."""
        ...

    def starts(self, name: str, before: int) -> Iterator[Fact]:
        """The starts of an actor's incarnations."""
        ...

    def tail(self, name: str, before: int) -> Iterator[Fact]:
        """The facts of one chain that no event of a turn has followed."""
        ...


# Names


def parent(name: str) -> str:
    """The supervisor above."""
    return name.rpartition("/")[0] or ROOT


def is_below(supervisor: str, name: str) -> bool:
    if supervisor == ROOT:
        return name != ROOT
    return name.startswith(f"{supervisor}/")


def covered(paths: Iterable[str], name: str) -> bool:
    return any(path == name or is_below(path, name) for path in paths)


def in_order(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    by_seq = {fact.seq: fact for fact in facts}
    return tuple(by_seq[seq] for seq in sorted(by_seq))
