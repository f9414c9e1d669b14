"""How long a command takes from its start to its end, beside a Python that does nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks import floors, systems
from benchmarks.bench import Bench, milliseconds
from benchmarks.report import Bar, Figure

# What a person does not notice, or hardly.
BARS = {
    "--version": Bar("≤ 60 ms", 60.0, at_most=True, of_ratio=False),
    "--help": Bar("≤ 250 ms", 250.0, at_most=True, of_ratio=False),
    "ps --json": Bar("≤ 300 ms", 300.0, at_most=True, of_ratio=False),
    "why <TAB>": Bar("≤ 150 ms", 150.0, at_most=True, of_ratio=False),
}


def commands(bench: Bench) -> list[Figure]:
    directory = os.path.dirname(bench.pair["process"].data.directory)  # where the manifest lies
    environment = {**os.environ, "PYTHONPATH": str(systems.ROOT)}

    def taken(*arguments: str) -> Callable[[], list[float]]:
        def measure() -> list[float]:
            samples = []
            for _ in range(bench.sizes.commands):
                before_s = time.monotonic()
                subprocess.run(
                    [sys.executable, *arguments],
                    cwd=directory,
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stdin=subprocess.DEVNULL,
                    check=True,
                )
                samples.append(time.monotonic() - before_s)
            return milliseconds(samples)

        return measure

    measures = {
        "--version": taken("-m", "theater", "--version"),
        "--help": taken("-m", "theater", "--help"),
        "ps --json": taken("-m", "theater", "ps", "--json"),
        "why <TAB>": taken("-m", "theater", "_complete", "why", ""),
    }
    how = "one command, from the start of its process to its end"
    rounds = bench.rounds(taken("-c", ""), measures)
    return [
        Figure(f"theater {words}", "ms", how, rounds[words], floors.PYTHON_FLOOR, bar)
        for words, bar in BARS.items()
    ]
