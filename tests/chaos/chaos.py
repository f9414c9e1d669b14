"""Many plans, one round each, in one run after another; what fails is kept and said."""

from __future__ import annotations

import contextlib
import random
import shutil
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from tests.chaos import plan as plans
from tests.chaos.plan import Hits, Plan
from tests.chaos.run import Run
from tests.waiting import eventually

ROUNDS = 40  # in one data directory; then its log is checked whole, and another begins
WORD_S = 30.0
COUNTED = 5  # rounds left alone, of which the middle one tells how many commits there are


class Chaos:
    """`directory` is empty; it holds one directory for each run, and at the end the bad one."""

    def __init__(self, directory: Path, seed: int, say: Callable[[str], None]) -> None:
        self._directory = directory
        self._seed = seed
        self._say = say
        self._dice = random.Random(seed)
        self._counts: Counter[str] = Counter()
        self._run: Run | None = None
        self._said_s = time.monotonic()
        self.hits: Hits = Counter()

    def told(self) -> str:
        counts = self._counts + (self._run.counts if self._run is not None else Counter())
        return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))

    # What there is to do

    def count(self) -> None:
        """Learn how often a round that is left alone reaches each point."""
        counts = []
        for _ in range(COUNTED):
            run = self._ready()
            with self._kept(run, "with nobody killed"):
                counts.append(run.count())
        self.hits = sorted(counts, key=Counter.total)[COUNTED // 2]

    def each(self) -> None:
        """Every instant of a round, once with each process that may die there."""
        todo = plans.every(self.hits, self._dice)
        self._say(f"chaos: {len(todo)} instants at which the scenario reaches a point")
        missed = self.rounds(todo)
        still = self.rounds(missed)  # processes interleave: the last commits are not always there
        self._say(f"chaos: {len(todo) - len(still)} of {len(todo)} hit; {self.told()}")

    def at_random(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            self.rounds([plans.some(self.hits, self._dice)])

    def rounds(self, todo: Iterable[Plan]) -> list[Plan]:
        """A round for each plan, in about that order; those that came to nothing."""
        waiting, missed = deque(todo), []
        while waiting:
            run = self._ready()
            plan = eventually(partial(_allowed, run, waiting), "root to forgive one more death")
            waiting.remove(plan)
            if not self._round(run, plan):
                missed.append(plan)
        return missed

    # Runs

    def _ready(self) -> Run:
        if self._run is not None and self._run.counts["rounds"] >= ROUNDS:
            self.end()
        if self._run is None:
            number = self._counts["runs"]
            self._run = Run(self._directory / f"{number}", f"{self._seed}-{number}")
        return self._run

    def _round(self, run: Run, plan: Plan) -> bool:
        with self._kept(run, f"plan: {plan}"):
            is_done = run.round(plan)
        if time.monotonic() > self._said_s + WORD_S:
            self._said_s = time.monotonic()
            self._say(f"chaos: {self.told()}")
        return is_done

    def end(self) -> None:
        """Take the system down and check its log."""
        run, self._run = self._run, None
        if run is None:
            return
        with self._kept(run, "at the end of a run"):
            run.end()
        self._counts += run.counts
        self._counts["runs"] += 1
        shutil.rmtree(run.directory)

    @contextlib.contextmanager
    def _kept(self, run: Run, when: str) -> Iterator[None]:
        """If something fails, say how to try it again and where its log is, which stays."""
        try:
            yield
        except BaseException:
            self._run = None
            self._say(f"chaos: failed; seed {self._seed}, {when}")
            self._say(f"chaos: the log is {run.directory}/.theater/chain.db")
            run.give_up()
            raise


def _allowed(run: Run, waiting: Iterable[Plan]) -> Plan | None:
    """The first that root would forgive now: a helper may die only so often in its window."""
    return next(filter(run.may, waiting), None)
