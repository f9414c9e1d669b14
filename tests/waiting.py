"""Wait for what happens in other processes, and say what was waited for in vain."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

# So long that a machine which does ten other things does not fail a test, and no longer than needed
# to be told what hangs. Nobody waits so long for what comes.
WAIT_S = 120.0


def eventually(condition: Callable[[], Any], what: str, timeout_s: float = WAIT_S) -> Any:
    """Wait until `condition()` is true; its value."""
    began_s = time.monotonic()
    while not (value := condition()):
        waited_s = time.monotonic() - began_s
        assert waited_s < timeout_s, f"waited {timeout_s:g} s in vain for {what}"
        # What comes soon is seen soon; what takes longer is not asked for all the time, since most
        # questions are answered by the very processes that it is waited for.
        time.sleep(min(0.05, 0.005 + waited_s / 10))
    return value
