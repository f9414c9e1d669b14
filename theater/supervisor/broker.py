"""The broker as root sees it: a process that may die and be started again, and a line to it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from theater.paths import DataPaths, RuntimePaths
from theater.spec import SystemSpec
from theater.supervisor import reaper, spawn
from theater.supervisor.debts import Debts
from theater.supervisor.line import Line
from theater.supervisor.waiter import Waiter

LATE_S = 15.0  # a burial is a commit: by then it hangs, or its disk does


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
        self._window = spawn.helper_window()
        self._debts = Debts(LATE_S)
        self._listens = False  # before it has read the log, it cannot answer
        self._helper: spawn.Helper | None = None
        self._line: Line | None = None

    @property
    def pid(self) -> int | None:
        return self._helper.pid if self._helper else None

    def restart(self, now_s: float) -> bool:
        """Start another one; False: too many have died lately."""
        if not self._window.take(now_s):
            return False
        self.start()
        return True

    def start(self) -> None:
        self._listens = False
        self._debts.forgive()
        self._helper = spawn.start_broker(self._internal_log, self._lock)
        self._line = Line(self._helper.socket)
        self._waiter.watch(self._helper.socket, self._hear)
        self._waiter.watch(self._helper.pidfd, self._gone)

    def say(self, *message: Any) -> None:
        if self._helper is not None and self._line is not None:
            self._line.say(*message)
            # Now: whoever waits next has to wait for that too.
            self._waiter.wait_for_room(self._helper.socket, self._line.wants_write)

    def ask(self, what: Hashable, now_s: float, *message: Any) -> None:
        """Say something that is to be answered, by `answered` with the same `what`."""
        self._debts.owe(what, now_s)
        self.say(*message)

    def answered(self, what: Hashable) -> None:
        self._debts.paid(what)

    def listens(self, now_s: float) -> None:
        """It has read the log, and takes what was said meanwhile."""
        self._listens = True
        self._debts.restart(now_s)

    @property
    def due_s(self) -> float | None:
        """By when it has to have answered."""
        return self._debts.due_s if self._listens else None

    def hurry(self, now_s: float) -> None:
        """One that hangs is killed: the next one answers."""
        if self._listens and self._debts.is_late(now_s):
            self._debts.forgive()
            assert self._helper is not None
            self._helper.process.kill()

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
        self._listens = False
        self._died(reaper.how(status))

    def end(self, timeout_s: float) -> None:
        """It commits what it has, and ends."""
        if self._helper is None or self._line is None:
            return
        self._line.say("end")
        self._helper.socket.settimeout(timeout_s)
        self._line.flush_all()
        spawn.end_helper(self._helper, timeout_s)
        self._hear()  # its last words


def setup(system: SystemSpec, data: DataPaths, runtime: RuntimePaths) -> dict[str, Any]:
    """What it has to know before it opens the log and its sockets."""
    return {
        "log": data.log,
        "boxes": data.boxes,
        "durability": system.durability.value,
        "message_max_bytes": system.message_max_bytes,
        "state_max_bytes": system.state_max_bytes,
        "workers_endpoint": f"ipc://{runtime.workers}",
        "clients_endpoint": f"ipc://{runtime.clients}",
    }
