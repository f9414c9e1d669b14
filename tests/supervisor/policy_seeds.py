"""Runs seeded histories in blocks, so that they can be spread over processes.

A failure names its seed: run `history(seed)` again.
"""

from __future__ import annotations

from collections.abc import Callable

BLOCK = 100


def run_block(block: int, history: Callable[[int], object]) -> None:
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        try:
            history(seed)
        except Exception as error:
            raise AssertionError(f"{history.__name__}({seed}) failed: {error!r}") from error
