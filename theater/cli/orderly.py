"""Let a command that is told to end leave nothing behind."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def ended_in_order() -> Iterator[None]:
    """SIGTERM and a terminal that is closed become SystemExit: what has been begun is ended."""

    def leave(number: int, _frame: Any) -> None:
        raise SystemExit(128 + number)

    before = {}
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup theater
            before[number] = signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
