"""A slice of what `make replay` does."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.replay.history import History

MESSAGES = 60


@pytest.mark.parametrize("languages", [(), ("python",), ("javascript",)])
def test_whatever_random_actors_recorded_replays_identically(
    tmp_path: Path, languages: tuple[str, ...]
) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    try:
        history = History(tmp_path, seed, languages)
        history.run(MESSAGES)
        assert history.replay()["done"] > MESSAGES // 4
    except BaseException:
        print(f"python -m tests.replay --seed {seed} {' '.join(languages)}")
        raise
