"""What is found out about a range of the log's events. Plain data: it goes between processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from theater.fsck.findings import Note, Problem, Reports
from theater.merkle import Frontier

Place = dict[str, str | int]  # where something is, for a report


class Range(NamedTuple):
    """Events `first` to `last`, both included, and the sizes of kept heads that fall into it."""

    first: int
    last: int
    heads: tuple[int, ...] = ()


class Peaks(NamedTuple):
    """A frontier (see merkle.py) over a range's events from its first on."""

    size: int
    hashes: tuple[bytes, ...]

    @classmethod
    def of(cls, tree: Frontier) -> Peaks:
        return cls(tree.size, tuple(tree.peaks))


class Evidence(NamedTuple):
    """What a `turn-failed` event says of its evidence."""

    actor: int
    incarnation: int
    turn: int
    hash: bytes
    position: int
    seq: int


@dataclass(slots=True)
class Part:
    range: Range
    problems: list[Problem] = field(default_factory=list)
    events: int = 0
    tree: Peaks | None = None  # None: something is missing in it
    at_heads: list[Peaks] = field(default_factory=list)
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)  # first and last position
    done: dict[int, int] = field(default_factory=dict)  # results, by actor
    steps: dict[int, int] = field(default_factory=dict)
    evidence: list[Evidence] = field(default_factory=list)
    unsure: set[int] = field(default_factory=set)  # actors whose turns cannot be counted here


def collecting(problems: list[Problem]) -> Reports:
    """What is wrong is added to them, to be told by another process."""

    def keep(finding: Problem | Note) -> None:
        if isinstance(finding, Problem):
            problems.append(finding)

    return Reports(keep)
