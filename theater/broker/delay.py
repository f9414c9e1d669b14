"""When the log cannot be written for now: try again, later and later, and decide nothing meanwhile.

A delay happens inside a commit. What was decided is kept, nothing of it leaves, and nothing is
taken from workers, from clients or from root, so nothing grows: who has to wait for the broker
waits, within its own bounds. Only what root asks about the waiting itself is answered, and it can
end it.
"""

from __future__ import annotations

import select
import sqlite3
import time
from collections.abc import Callable
from typing import Any

from theater import linux
from theater.broker.root import RootSocket
from theater.broker.trouble import Fatal, Trouble, judge, make_suspect

Message = tuple[Any, ...]

FIRST_S = 0.1
LONGEST_S = 5.0


class Delay:
    def __init__(
        self,
        root: RootSocket,
        log: str,
        counts: Callable[[], dict[str, Any]] = dict,
        urgent: Callable[[], list[Message]] = list,
    ) -> None:
        """`log`: the path; `counts`: how full the mailboxes are, for whoever asks meanwhile;
        `urgent`: takes from what waits for the commit what root need not wait for."""
        self._root = root
        self._log = log
        self._counts = counts
        self._urgent = urgent
        self._since: float | None = None  # Unix time
        self._began_s = 0.0
        self._pause_s = FIRST_S
        self._told = ""
        self.ends = False  # root wants the end: one more failure is one too many

    def attempt(self, action: Callable[[], None]) -> float:
        """Do it, again and again if it fails for what may pass. How long that was waited for.

        Raises Fatal with what does not pass, or if the end is wanted before.
        """
        while True:
            try:
                action()
            except sqlite3.Error as error:
                self._wait(judge(error, self._log))
            else:
                return self._over()

    def _wait(self, trouble: Trouble) -> None:
        said = f"cannot write the log {self._log}: {trouble.what}"
        if not trouble.passes:
            end(said, trouble, self._log)
        if self.ends:
            lost = "what had not been acknowledged is not in it, and nothing else is lost"
            raise Fatal(f"{said}; {trouble.todo}; {lost}", trouble.code)
        if self._since is None:
            self._since, self._began_s = time.time(), time.monotonic()
            linux.complain(f"broker: {said}; it waits")
            for message in self._urgent():
                self._root.send(message)
        if self._told != said:
            self._told = said
            self._root.send(("waits", trouble.what, trouble.todo, self._since))
        self._listen(self._pause_s)
        self._pause_s = min(2 * self._pause_s, LONGEST_S)

    def _over(self) -> float:
        if self._since is None:
            return 0.0
        waited_s = time.monotonic() - self._began_s
        linux.complain(f"broker: the log is written again, after {waited_s:.1f} s")
        self._root.send(("goes_on",))
        self._since, self._told, self._pause_s = None, "", FIRST_S
        return waited_s

    def _listen(self, pause_s: float) -> None:
        """Until it is time to try again, or root wants the end. All that is not about this waits
        in its order."""
        again_s = time.monotonic() + pause_s
        poll = select.poll()
        while not self.ends:
            self._root.flush()
            wanted = select.POLLIN | (self._root.has_unsent() and select.POLLOUT)
            poll.register(self._root, wanted)
            left_s = again_s - time.monotonic()
            if left_s <= 0:
                return
            poll.poll(left_s * 1000)
            self._root.receive()
            for name, *arguments in self._root.pick("stats", "end"):
                if name == "stats":
                    self._root.send(("stats", *arguments, self._counts()))
                else:
                    self.ends = True
            self.ends = self.ends or self._root.closed


def end(said: str, trouble: Trouble, log: str) -> None:
    """The log is not to be used any more before it has been checked."""
    todo = trouble.todo
    if not trouble.passes and not make_suspect(log, trouble.what):
        todo = "look at the disk, and run `theater fsck` before the next `up`"
    raise Fatal(f"{said}; {todo}", trouble.code)
