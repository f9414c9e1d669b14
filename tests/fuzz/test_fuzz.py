"""A slice of the fuzzing."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.cases import TARGETS, run

CASES = 8


@pytest.mark.parametrize("target", TARGETS)
def test_hostile_input_breaks_nothing(target: str) -> None:
    for _ in range(CASES):
        run(target, random.SystemRandom().randrange(1 << 32))
