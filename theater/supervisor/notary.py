"""When root has a tree head signed: at intervals, if the log has grown, and at the end.

The notary is a process that ends by itself; while the system runs nobody waits for it. Whether the
log has grown root sees by one look at the log's WAL, so an idle system is woken once an interval
and starts nothing.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

from theater import linux
from theater.errors import Damaged
from theater.paths import DataPaths
from theater.supervisor import spawn
from theater.supervisor.waiter import Waiter

LATE_S = 600.0  # then it hangs: a log of 100 million events takes half as long


class Notary:
    """`told` is called after a run with whether the log is the one that was signed before."""

    def __init__(
        self,
        waiter: Waiter,
        internal_log: int,
        data: DataPaths,
        every_s: float,
        now_s: Callable[[], float],
        told: Callable[[bool], None],
    ) -> None:
        self._waiter = waiter
        self._internal_log = internal_log
        self._data = data
        self._every_s = every_s  # 0: only at the end
        self._now_s = now_s
        self._told = told
        self._helper: spawn.Helper | None = None
        self._seen: tuple[int, int] | None = None  # the WAL as it was when the last run began
        self.due_s: float | None = None  # when to look next; while one runs, when it is late

    @property
    def pid(self) -> int | None:
        return self._helper.pid if self._helper else None

    def begin(self) -> None:
        """There is a log. Where no head has ever been signed one is at once: so there is a key."""
        self._look_later()
        if not os.path.exists(self._data.heads_public_key):
            self.due_s = self._now_s()

    def hurry(self) -> None:
        if self.due_s is None or self._now_s() < self.due_s:
            return
        if self._helper is not None:
            self._helper.process.kill()  # its pidfd tells when it is gone
            self.due_s = None
            return
        self._look_later()
        if self._has_grown() and self._start():
            self.due_s = self._now_s() + LATE_S

    def _look_later(self) -> None:
        self.due_s = self._now_s() + self._every_s if self._every_s else None

    def _has_grown(self) -> bool:
        try:
            found = os.stat(f"{self._data.log}-wal")
        except OSError:
            return True  # the broker has ended, and left one file
        wal = found.st_size, found.st_mtime_ns
        if wal == self._seen:
            return False
        self._seen = wal
        return True

    def _start(self, at_rest: bool = False) -> bool:
        try:
            self._helper = spawn.start_notary(self._internal_log, self._data.directory, at_rest)
        except OSError as error:  # no room for a process now
            linux.complain(f"root: no notary: {error}")
            self._seen = None
            return False
        if not at_rest:  # else it is waited for, and root waits for nothing else any more
            self._waiter.watch(self._helper.pidfd, self._gone)
        return True

    def _gone(self) -> None:
        self._look_later()
        self._reap()

    def _reap(self) -> None:
        helper, self._helper = self._helper, None
        assert helper is not None
        self._waiter.unwatch(helper.pidfd)
        status = helper.process.wait()
        helper.close()
        if status in (0, Damaged.exit_code):
            self._told(status == 0)
        else:
            self._seen = None  # and so it is tried again

    # The end

    def stop(self) -> None:
        """Before the broker ends: one that reads now keeps it from leaving one file, and has not
        read its last words. It loses nothing if it dies."""
        self.due_s = None
        if self._helper is not None:
            self._helper.process.kill()
            self._reap()

    def begin_last(self) -> None:
        """The broker has ended: sign what it has written last."""
        if self._has_grown():
            self._start(at_rest=True)

    def end_last(self, timeout_s: float) -> None:
        """Wait for it so long; what has not been signed then will be with the next `up`."""
        if self._helper is None:
            return
        try:
            self._helper.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            linux.complain(f"root: the notary was not ready within {timeout_s:g} s; killed")
            self._helper.process.kill()
        self._reap()
