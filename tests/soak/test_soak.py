"""A slice of the soak."""

from __future__ import annotations

import random
from pathlib import Path

from tests.soak.soak import Soak

SECONDS = 12.0


def test_random_kills_lose_nothing_and_leave_nothing(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    try:
        Soak(tmp_path, seed, say=print).run(SECONDS)
    except BaseException:
        print(f"python -m tests.soak --seed {seed}")
        raise
