"""Share the work among processes, or do it here if there is little of it.

A task is a name and its arguments. Python does not look for circles meanwhile: there are none among
rows, and looking takes a tenth of the time.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from theater import linux
from theater.errors import EnvironmentProblem
from theater.fsck.file import LogFile
from theater.paths import reading_uri
from theater.verify import contents
from theater.verify.careful import Careful
from theater.verify.part import Part, Range
from theater.verify.scan import ROW_MAX, Odd, Scan

Task = tuple[Any, ...]
Begun = Task | Future[Any]
CACHE_KIB = 4096


@dataclass(frozen=True, slots=True)
class Facts:
    """What every process has to know."""

    path: str
    version: int  # of the log's schema
    names: dict[int, str]
    old_until: float


class Worker:
    """Does tasks, with a connection of its own."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._file = LogFile(facts.path)
        self._scan: Scan | None = None
        self._db: sqlite3.Connection | None = None

    def close(self) -> None:
        self._file.close()
        if self._db is not None:
            self._db.close()

    def do(self, task: Task) -> Any:
        name, *arguments = task
        return getattr(self, f"_{name}")(*arguments)

    def _events(self, range: Range) -> Part:
        try:
            if self._scan is None:
                facts = self._facts
                self._scan = Scan(self._fast(), facts.names, facts.old_until)
            return self._scan.run(range)
        except Odd:
            facts = self._facts
            return Careful(self._file, facts.names, facts.old_until).run(range)

    def _fast(self) -> sqlite3.Connection:
        """A connection on which nothing is looked after but the size of a value."""
        if self._db is None:
            db = sqlite3.connect(
                reading_uri(self._facts.path), uri=True, timeout=10, isolation_level=None
            )
            for pragma in ("query_only = 1", "trusted_schema = 0", "cell_size_check = 1"):
                db.execute(f"PRAGMA {pragma}")
            db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, ROW_MAX)
            self._db = db
        return self._db

    def _blobs(self, first: int, last: int) -> Any:
        # What is large, or text that is wrong, is read in another way.
        with contextlib.suppress(sqlite3.Error, TypeError):
            if contents.blobs_hold(self._fast(), first, last):
                return [], last - first + 1
        return contents.blobs(self._file, first, last)

    def _evidence(self, first: int, last: int) -> Any:
        return contents.evidence(self._file, first, last)

    def _states(self, actor: int) -> Any:
        name = self._facts.names[actor]
        return contents.states(self._file, actor, name, self._facts.version)

    def _last_states(self) -> Any:
        return contents.last_states(self._file, self._facts.names)


_worker: Worker | None = None


def _begin(facts: Facts, parent: int) -> None:
    """In each process of a pool."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever has the terminal ends us
    linux.die_with_parent()
    if os.getppid() != parent:
        os._exit(1)
    gc.disable()
    _worker = Worker(facts)


def _do(task: Task) -> Any:
    assert _worker is not None
    return _worker.do(task)


class Pool:
    """Does tasks: here, one after the other, or in processes of its own."""

    def __init__(self, facts: Facts, processes: int) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._worker: Worker | None = None
        self._collects = gc.isenabled()
        if processes > 1:
            context = multiprocessing.get_context("fork")
            self._pool = ProcessPoolExecutor(processes, context, _begin, (facts, os.getpid()))
        else:
            self._worker = Worker(facts)
            gc.disable()

    def begin(self, tasks: Sequence[Task]) -> list[Begun]:
        """What `result` makes results of. Those that are begun first are done first."""
        if self._pool is None:
            return list(tasks)
        return [self._pool.submit(_do, task) for task in tasks]

    def result(self, begun: Begun) -> Any:
        if isinstance(begun, tuple):
            assert self._worker is not None
            return self._worker.do(begun)
        try:
            return begun.result()
        except BrokenProcessPool:
            raise EnvironmentProblem(
                "a process that verified was killed; was there too little memory?"
            ) from None

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        if self._worker is not None:
            self._worker.close()
            if self._collects:
                gc.enable()
