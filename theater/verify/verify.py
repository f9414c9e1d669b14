"""Verify a log: every chain and the order of the log, what is stored by hash, and the tree heads.

The log is cut into ranges of a power of two of events, each of which can be verified by itself: the
first event of a chain in it takes the hash of the one before from its row, which its own range
holds to its bytes. The trees over the ranges combine. What is found comes in the order of the log.
"""

from __future__ import annotations

import bisect
import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from theater.fsck import shape
from theater.fsck.file import LogFile
from theater.fsck.findings import Reports, Tell, both_shown
from theater.fsck.tools import part as readable
from theater.merkle import Frontier
from theater.paths import DataPaths
from theater.verify import accounts, kept
from theater.verify.accounts import Accounts, Mark
from theater.verify.kept import Kept
from theater.verify.part import Part, Range
from theater.verify.pool import Begun, Facts, Pool, Task

RANGE = 1 << 14  # events
BLOB_RANGE = 1 << 12  # rows
FEW = 4  # so many ranges one process has verified before others have begun

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Summary:
    """What has been verified."""

    problems: int
    actors: int
    events: int
    contents: int
    heads: int
    signed: int  # events that a head is over, of those that hold
    size: int  # events in the log then
    root: str  # of the tree over them, hex; "" if it could not be made
    went_on: bool  # the system has written more since


def verify(
    paths: DataPaths,
    tell: Tell,
    progress: Progress = lambda _text: None,
    head_files: Sequence[str] = (),
    key_files: Sequence[str] = (),
    processes: int | None = None,
    range_events: int = RANGE,
) -> Summary:
    """Tell every problem of the log. Raises TheaterError if it cannot be looked at.

    `head_files`: more heads to hold it to. `key_files`: the keys that are believed, instead of the
    one beside the log. `processes`: at most; by default one for each processor.
    """
    reports = Reports(tell)
    if not os.path.exists(paths.log):
        LogFile(paths.log)  # says so
    # The heads first: what is signed later may be over events that come later.
    heads = kept.read(paths, head_files, reports)
    if processes is None:
        processes = len(os.sched_getaffinity(0))
    return _Verify(paths, reports, heads, key_files, progress, processes, range_events).run()


class _Verify:
    def __init__(
        self,
        paths: DataPaths,
        reports: Reports,
        heads: list[Kept],
        key_files: Sequence[str],
        progress: Progress,
        processes: int,
        range_events: int,
    ) -> None:
        assert range_events & (range_events - 1) == 0, "a range is a power of two of events"
        self._paths = paths
        self._reports = reports
        self._heads = heads
        self._key_files = key_files
        self._progress = progress
        self._processes = processes
        self._range = range_events
        self._events = self._contents = self._signed = 0
        self._tree: Frontier | None = Frontier()
        self._failing: list[Kept] = []
        self._held = 0  # heads that hold

    def run(self) -> Summary:
        self._progress("verifying ...")
        version, mark, old_until = self._look()
        if not version:
            return self._summary(mark)
        facts = Facts(self._paths.log, version, mark.names, old_until)
        if mark.seq < FEW * self._range:
            self._processes = 1
        self._beyond(mark)
        # No connection is open here while processes are made: SQLite's do not survive a fork.
        pool = Pool(facts, self._processes)
        try:
            # The rest is begun first, as it is less even: the last ranges fill what it leaves.
            rest = [(task, pool.begin([task])[0]) for task in _rest(mark, version)]
            ranges = pool.begin([("events", each) for each in self._ranges(mark)])
            file = LogFile(self._paths.log)
            try:
                self._signatures()
                self._chains(pool, ranges, file, mark, old_until)
                for task, begun in rest:
                    self._other(task, pool.result(begun))
                went_on = self._went_on(file, mark)
            finally:
                file.close()
        finally:
            pool.close()
        return self._summary(mark, went_on)

    def _chains(
        self, pool: Pool, ranges: Sequence[Begun], file: LogFile, mark: Mark, old_until: float
    ) -> None:
        signed = [each for each in self._heads if each.head.size <= mark.seq]
        books = Accounts(file, mark, old_until, self._reports)
        at = 0
        for begun in ranges:
            at = self._part(pool.result(begun), books, signed, at, mark)
        self._tell_failing()
        books.finish()

    def _signatures(self) -> None:
        """Here, and now: the others have to do already."""
        keys = kept.read_keys(self._paths, self._key_files, self._heads, self._reports)
        for each in self._heads:
            problem = kept.signature_problem(each, keys)
            if problem is not None:
                found, expected = problem
                self._reports.wrong(found, expected, **each.where)

    def _look(self) -> tuple[int, Mark, float]:
        """The version, 0 if it is no log that can be verified; and the log at this moment."""
        with (
            contextlib.closing(LogFile(self._paths.log)) as file,
            readable(self._reports, file="chain.db"),
        ):
            version = shape.version_of(file, self._reports)
            before = self._reports.count
            if version:
                shape.judge(file, version, self._reports)
            if version and self._reports.count == before:
                return version, accounts.mark(file), shape.old_until(file, version)
        return 0, Mark(), 0

    def _ranges(self, mark: Mark) -> list[Range]:
        sizes = sorted({each.head.size for each in self._heads if 0 < each.head.size <= mark.seq})
        ranges = []
        for first, last in _spans(mark.seq, self._range):
            begin, end = bisect.bisect_left(sizes, first), bisect.bisect_right(sizes, last)
            ranges.append(Range(first, last, tuple(sizes[begin:end])))
        return ranges

    def _beyond(self, mark: Mark) -> None:
        """Heads over more than there is."""
        beyond = [each for each in self._heads if each.head.size > mark.seq]
        for each in beyond[:1]:
            found = f"the log has {mark.seq:,} events"
            others = _others(len(beyond) - 1)
            expected = f"{each.head.size:,}, as were signed at {each.head.time}: the last are gone"
            self._reports.wrong(found, f"{expected}{others}", **each.where)

    # Results

    def _part(self, part: Part, books: Accounts, signed: list[Kept], at: int, mark: Mark) -> int:
        """The next range; `at`: how many of the heads have had their turn."""
        self._reports.repeat(part.problems)
        books.take(part)
        self._events += part.events
        roots = dict(zip(part.range.heads, part.at_heads, strict=False))
        while at < len(signed) and signed[at].head.size <= part.range.last:
            self._judge(signed[at], roots.get(signed[at].head.size))
            at += 1
        if part.tree is None:
            self._tree = None
        elif self._tree is not None:
            self._tree.join(Frontier(*part.tree))
        self._progress(f"verifying ... {self._events:,} of {mark.seq:,} events")
        return at

    def _judge(self, each: Kept, peaks: tuple[int, Sequence[bytes]] | None) -> None:
        root = None
        if each.head.size == 0:
            root = Frontier().root()
        elif self._tree is not None and peaks is not None:
            tree = self._tree.copy()
            tree.join(Frontier(*peaks))
            root = tree.root()
        if root == each.head.root:
            self._held += 1
            self._signed = max(self._signed, each.head.size)
            return
        if not self._failing:
            if root is None:
                found = "the tree that was signed cannot be made, as events are missing"
                self._reports.wrong(found, "all there", **each.where)
            else:
                since = f"events {self._signed + 1:,} to {each.head.size:,} are not"
                found, expected = both_shown(root, each.head.root)
                found = f"the root is {found}: {since} what they were"
                expected = f"{expected}, as was signed at {each.head.time}"
                self._reports.wrong(found, expected, **each.where)
        self._failing.append(each)

    def _tell_failing(self) -> None:
        """Those after the first one that does not fit; they cannot, if all are of one log."""
        others = self._failing[1:]
        if others:
            first, last = others[0].head.size, others[-1].head.size
            many = "1 more head" if len(others) == 1 else f"{len(others):,} more heads"
            found = f"{many}, of {first:,} to {last:,} events, not fitting the log either"
            self._reports.wrong(found, "none", file=others[0].file)

    def _other(self, task: Task, result: object) -> None:
        match task[0], result:
            case "blobs", (list(problems), int(count)):
                self._reports.repeat(problems)
                self._contents += count
                self._progress(f"verifying contents ... {self._contents:,}")
            case _, list(problems):
                self._reports.repeat(problems)

    def _went_on(self, file: LogFile, mark: Mark) -> bool:
        with readable(self._reports, table="events"):
            return bool(file.rows("SELECT max(seq) > ? FROM events", (mark.seq,))[0][0])
        return False

    def _summary(self, mark: Mark, went_on: bool = False) -> Summary:
        whole = self._tree is not None and self._tree.size == mark.seq
        return Summary(
            self._reports.count,
            len(mark.actors),
            self._events,
            self._contents,
            self._held,
            self._signed,
            mark.seq,
            self._tree.root().hex() if whole and self._tree is not None else "",
            went_on,
        )


def _spans(last: int, size: int) -> list[tuple[int, int]]:
    return [(first, min(first + size - 1, last)) for first in range(1, last + 1, size)]


def _rest(mark: Mark, version: int) -> list[Task]:
    """What is verified beside the events."""
    tasks: list[Task] = [("blobs", *span) for span in _spans(mark.blob, BLOB_RANGE)]
    tasks += [("states", actor) for actor, count in mark.actors.items() if count.turns]
    tasks += [("evidence", *span) for span in _spans(mark.evidence, BLOB_RANGE)]
    return [*tasks, ("last_states",)] if version >= 4 else tasks


def _others(count: int) -> str:
    """Heads that are over more events than there are, too."""
    return "" if count <= 0 else f", as do {count:,} more heads say"
