"""A clock that stands still while its process does.

A process that was stopped (SIGSTOP, suspend, a starved machine) finds that much time has passed
at once. Whoever it watches had no chance to be on time either, so that time must not count.
Nor does the time in which nothing can be committed: it can be stopped.
"""

from __future__ import annotations

GRACE_S = 1.0  # a wait may last this much longer than asked before it counts as a pause


class SteadyClock:
    """Seconds since start, without the time in which this process was not running."""

    def __init__(self, raw_s: float) -> None:
        self._offset_s = raw_s
        self._stopped_s: float | None = None  # the raw time at which it was

    def now_s(self, raw_s: float) -> float:
        """`raw_s` is the monotonic clock."""
        return (raw_s if self._stopped_s is None else self._stopped_s) - self._offset_s

    def leave_out(self, seconds: float) -> None:
        """This much of the time that has passed does not count."""
        self._offset_s += seconds

    def stop(self, raw_s: float) -> None:
        if self._stopped_s is None:
            self._stopped_s = raw_s

    def go_on(self, raw_s: float) -> None:
        if self._stopped_s is not None:
            self._offset_s += raw_s - self._stopped_s
            self._stopped_s = None

    def woke(self, before_s: float, timeout_s: float, raw_s: float) -> float:
        """A wait begun at raw time `before_s` for at most `timeout_s` ended at `raw_s`.

        If there was a pause, nothing of the wait counts: nobody can tell when in it the pause
        began, and whatever was to be over by its end has as much time left as before it.
        Returns how long the pause was; 0.0 most of the time.
        """
        paused_s = raw_s - before_s - timeout_s
        if paused_s < GRACE_S or self._stopped_s is not None:
            return 0.0
        self._offset_s += raw_s - before_s
        return paused_s
