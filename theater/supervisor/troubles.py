"""What an operator has to be told of the log: that it cannot be written, has grown, is another."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

from theater import linux

WAL_MAX_BYTES = 256 * 1024 * 1024
READ_LOCKS = (123, 127)  # of the -shm file: first and last byte that readers in transactions lock
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Trouble:
    what: str
    todo: str
    since: float | None = None  # Unix time; None: the system does not wait for it

    def text(self) -> str:
        return f"{self.what}; {self.todo}"


class Troubles:
    def __init__(self, log: str) -> None:
        self._log = log
        self.waiting: Trouble | None = None
        self._unsigned: Trouble | None = None

    def heads(self, signed: bool) -> None:
        """Whether the log was the one that tree heads were signed of before."""
        self._unsigned = None
        if not signed:
            self._unsigned = Trouble(
                "the log is not the one that tree heads were signed of; none is signed any more",
                "`theater verify` tells what has changed",
            )

    def wait(self, what: str, todo: str, since: float) -> Trouble:
        """The broker tries to write, and decides nothing until it can."""
        self.waiting = Trouble(
            f"the log cannot be written: {what}",
            f"{todo}, and all goes on by itself: nothing is lost",
            since,
        )
        return self.waiting

    def told(self) -> list[dict[str, Any]]:
        found = (self.waiting, self._unsigned, self._grown())
        return [asdict(each) for each in found if each is not None]

    def _grown(self) -> Trouble | None:
        """A WAL that is larger than it needs to be: some reader keeps it from beginning anew."""
        try:
            size = os.stat(f"{self._log}-wal").st_size
        except OSError:
            return None
        if size <= WAL_MAX_BYTES:
            return None
        name = os.path.basename(self._log)
        what = f"{name}-wal has grown to {size // MIB} MiB"
        readers = linux.lock_holders(f"{self._log}-shm", *READ_LOCKS)
        if not readers:
            return Trouble(f"{what}: a reader has stayed in a transaction", "it shrinks by itself")
        stay = "stays" if len(readers) == 1 else "stay"
        who = ", ".join(readers)
        return Trouble(
            f"{what}: {who} {stay} in a transaction on {name}", "end that, and it shrinks by itself"
        )
