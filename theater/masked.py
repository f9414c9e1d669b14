"""Hold back the signals that end a command while it makes what it must not lose sight of.

Their handlers raise, wherever they come. Between the instant at which a process or a directory is
there and the one at which somebody holds it, nobody would end the one or remove the other.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def masked() -> Iterator[None]:
    """What comes within this is handled at its end. A process started in it inherits the mask."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
