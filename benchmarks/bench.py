"""One run: how much of it, and the systems and floors that its figures share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from benchmarks import floors, systems
from benchmarks.report import Round
from theater.client import System
from theater.supervisor.cache import prepare

BODY = b"x" * 100
SYNCS = 5  # taken in each round


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured in each of `rounds`."""

    rounds: int
    starts: int
    kills: int
    crowds: tuple[int, ...]  # actors killed at once
    turns: int  # one way
    raw: int  # messages of the one-way floor
    events: int  # of the log that is verified, at least
    trips: int
    commands: int  # of each kind
    actors: int  # idle ones
    pairs: int  # a sender and a receiver each, busy at once
    flood_s: float  # how long some try to take all for themselves


TINY = Sizes(
    rounds=1,
    starts=2,
    kills=1,
    crowds=(2,),
    turns=200,
    raw=500,
    events=300,
    trips=20,
    commands=1,
    actors=2,
    pairs=2,
    flood_s=1.2,
)
QUICK = Sizes(
    rounds=2,
    starts=8,
    kills=20,
    crowds=(10, 20),
    turns=3_000,
    raw=20_000,
    events=30_000,
    trips=60,
    commands=5,
    actors=15,
    pairs=8,
    flood_s=8.0,
)
FULL = Sizes(
    rounds=5,
    starts=16,
    kills=40,
    crowds=(50, 100, 200),
    turns=10_000,
    raw=50_000,
    events=300_000,
    trips=200,
    commands=15,
    actors=50,
    pairs=32,
    flood_s=60.0,
)


class Bench(contextlib.ExitStack):
    """One run: a directory for its data, its floors and its systems, made when first needed.

    Leaving it ends every process it has started.
    """

    def __init__(self, directory: Path, sizes: Sizes) -> None:
        super().__init__()
        self.directory = directory
        self.sizes = sizes
        self.syncs: list[list[float]] = []  # milliseconds, by round
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def fresh(self) -> Path:
        """A directory that nobody has used."""
        self._number += 1
        return self.directory / str(self._number)

    def sync(self) -> None:
        """What one sync costs now, for a figure of its own over the whole run."""
        samples = floors.sync_samples(self.directory, SYNCS)
        self.syncs.append([1e3 * sample for sample in samples])

    @cached_property
    def fork(self) -> floors.ForkFloor:
        return self.enter_context(floors.ForkFloor(artifact("minimal.wat")))

    @cached_property
    def router(self) -> floors.RouterFloor:
        return self.enter_context(floors.RouterFloor(self.directory))

    @cached_property
    def pair(self) -> dict[str, System]:
        """A system of each durability, side by side; the one that is not measured idles."""
        actors = [("small", "minimal.wat"), ("sink", "sink.wat"), ("burst", "burst.wat")]
        return {
            durability: self.enter_context(systems.start(self.fresh(), durability, actors))
            for durability in systems.DURABILITIES
        }

    def rounds(
        self, floor: Callable[[], list[float]], measures: dict[str, Callable[[], list[float]]]
    ) -> dict[str, list[Round]]:
        """Take floor and figures in turn; by the names of `measures`, which share the floor."""
        taken: dict[str, list[Round]] = {name: [] for name in measures}
        for _ in range(self.sizes.rounds):
            self.sync()
            below = floor()
            for name, measure in measures.items():
                taken[name].append(Round(measure(), below))
        return taken


def artifact(component: str) -> str:
    """The path of a test component, compiled."""
    return prepare(str(systems.COMPONENTS / component)).path


def milliseconds(samples: list[float]) -> list[float]:
    return [1e3 * sample for sample in samples]
