"""Let a command that is told to end leave nothing behind.

SIGTERM and a terminal that is closed become SystemExit wherever the command stands, and the way
out is its ordinary one: each `with` and `finally` ends what has been begun. Two things would spoil
that. A second signal on the way out (a shell repeats the SIGHUP of its terminal) must not cut it
short. And Python drops what is raised in a destructor or in a callback of C code; it only says so
to `sys.unraisablehook`, and without more the command would go on for ever.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from typing import Any

ENDING = (signal.SIGTERM, signal.SIGHUP)
AGAIN_S = 0.001  # after an exception that was dropped: until then its destructor is done


@contextlib.contextmanager
def ended_in_order() -> Iterator[None]:
    """Within this, the first SIGTERM or SIGHUP raises SystemExit."""
    leaving: SystemExit | None = None

    def leave(number: int, _frame: Any) -> None:
        nonlocal leaving
        if leaving is None:
            leaving = SystemExit(128 + number)
        elif _is_handled(leaving):
            return
        raise leaving

    def dropped(what: Any) -> None:
        if leaving is None or what.exc_value is not leaving:
            before_hook(what)
        else:
            signal.setitimer(signal.ITIMER_REAL, AGAIN_S)

    before_hook = sys.unraisablehook
    before = {}
    before[signal.SIGALRM] = signal.signal(signal.SIGALRM, leave)
    sys.unraisablehook = dropped
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup theater
            before[number] = signal.signal(number, leave)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        sys.unraisablehook = before_hook
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_handled(exception: BaseException) -> bool:
    """Whether what runs now runs because of this exception."""
    found = sys.exc_info()[1]
    while found is not None:
        if found is exception:
            return True
        found = found.__context__
    return False
