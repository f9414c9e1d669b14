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
    deadline_s = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline_s, f"waited {timeout_s:g} s in vain for {what}"
        time.sleep(0.01)
    return value
