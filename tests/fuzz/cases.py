"""What is fuzzed: each target runs one case from a seed; what it raises is a failure."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.fuzz.box import box
from tests.fuzz.broker import broker
from tests.fuzz.pack import pack

TARGETS: dict[str, Callable[[random.Random], None]] = {
    "broker": broker,
    "box": box,
    "pack": pack,
}


def run(target: str, seed: int) -> None:
    """One case; if it fails, say how to run it again."""
    try:
        TARGETS[target](random.Random(seed))
    except BaseException:
        print(f"python -m tests.fuzz --target {target} --case {seed}")
        raise
