"""The broker as root sees it: a process that may die and be started again, and a line to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from theater.supervisor import reaper, spawn
from theater.supervisor.line import Line
from theater.supervisor.waiter import Waiter
from theater.supervisor.workers import end_helper

RESTARTS = 5  # at most so many ...
PERIOD_S = 10.0  # ... in this long


class Broker:
    """`heard` is called with each message, `died` when it has gone, with how."""

    def __init__(
        self,
        waiter: Waiter,
        internal_log: int,
        lock: int,
        heard: Callable[[list[Any]], None],
        died: Callable[[str], None],
    ) -> None:
        self._waiter = waiter
        self._internal_log = internal_log
        self._lock = lock  # each broker holds it too: a log never has two writers
        self._heard = heard
        self._died = died
        self._starts: deque[float] = deque()
        self._helper: spawn.Helper | None = None
        self._line: Line | None = None

    @property
    def pid(self) -> int | None:
        return self._helper.pid if self._helper else None

    def start(self, now_s: float) -> bool:
        """Start one; False: too many have died lately."""
        while self._starts and self._starts[0] < now_s - PERIOD_S:
            self._starts.popleft()
        if len(self._starts) > RESTARTS:
            return False
        self._starts.append(now_s)
        self._helper = spawn.start_broker(self._internal_log, self._lock)
        self._line = Line(self._helper.socket)
        self._waiter.watch(self._helper.socket, self._hear)
        self._waiter.watch(self._helper.pidfd, self._gone)
        return True

    def say(self, *message: Any) -> None:
        if self._line is not None:
            self._line.say(*message)

    def flush(self) -> bool:
        """Give the kernel what it takes; whether that was everything."""
        if self._helper is None or self._line is None:
            return True
        self._line.flush()
        self._waiter.wait_for_room(self._helper.socket, self._line.wants_write)
        return not self._line.wants_write

    def _hear(self) -> None:
        if self._helper is None or self._line is None:
            return
        self._line.flush()
        while messages := self._line.heard():
            for message in messages:
                self._heard(message)
        if messages is None:
            self._waiter.unwatch(self._helper.socket)

    def _gone(self) -> None:
        helper = self._helper
        assert helper is not None
        self._hear()  # its last words
        status = helper.process.wait()
        self._waiter.unwatch(helper.socket)
        self._waiter.unwatch(helper.pidfd)
        helper.close()
        self._helper = self._line = None
        self._died(reaper.reason_of(status) if status < 0 else f"exit status {status}")

    def kill(self) -> None:
        if self._helper is not None:
            self._helper.process.kill()

    def end(self, timeout_s: float) -> None:
        """It commits what it has, and ends."""
        if self._helper is None or self._line is None:
            return
        self._line.say("end")
        self._helper.socket.settimeout(timeout_s)
        self._line.flush_all()
        end_helper(self._helper, timeout_s)
