"""`python -m benchmarks [--quick] [--json FILE]`: a table of figures beside their floors."""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from benchmarks import figures, floors


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `ratio` is to the floor of the same run."""

    name: str
    unit: str
    low: float  # 10th percentile
    median: float
    high: float  # 90th percentile
    floor_name: str = ""
    floor: float | None = None
    bar: str = ""
    met: bool | None = None

    @property
    def ratio(self) -> float | None:
        return self.median / self.floor if self.floor else None


class Run:
    def __init__(self, quick: bool) -> None:
        self.rounds = 1 if quick else 3
        self.scale = 1 if quick else 5
        self.figures: list[Figure] = []

    def directory(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="theater-bench-")

    def sampled(
        self, what: Callable[[Path], list[float]], floor: Callable[[], list[float]]
    ) -> tuple[list[float], list[float]]:
        """The figure and its floor in turn, so that both see the same machine."""
        samples: list[float] = []
        floor_samples: list[float] = []
        for _ in range(self.rounds):
            floor_samples += floor()
            with self.directory() as directory:
                samples += what(Path(directory))
        return samples, floor_samples

    def add(
        self,
        name: str,
        unit: str,
        samples: list[float],
        factor: float = 1.0,
        floor: tuple[str, list[float]] | None = None,
        bar: tuple[str, Callable[[float], bool]] | None = None,
    ) -> None:
        low, middle, high = (value * factor for value in figures.spread(samples))
        base = floors.median(floor[1]) * factor if floor else None
        compared = middle / base if base else middle
        figure = Figure(
            name,
            unit,
            low,
            middle,
            high,
            floor[0] if floor else "",
            base,
            bar[0] if bar else "",
            bar[1](compared) if bar else None,
        )
        self.figures.append(figure)
        print(f"  {name}: {middle:.4g} {unit}", flush=True)

    def all(self) -> None:
        n = self.scale
        component = figures.COMPONENTS / "minimal.wat"
        with self.directory() as directory:
            self.add("fdatasync of this disk", "ms", floors.fsync_samples(Path(directory)), 1e3)
        for durability in ("process", "disk"):
            spawn, fork = self.sampled(
                partial(figures.spawn_to_ready, durability=durability, count=6 * n),
                lambda: floors.fork_samples(component, 6 * n),
            )
            bar = ("≤ 2 x floor", lambda ratio: ratio <= 2.0)
            warm = ("fork + map + link + first call", fork)
            self.add(f"spawn to ready ({durability})", "ms", spawn, 1e3, warm, bar)
            kill, fork = self.sampled(
                partial(figures.kill_to_ready, durability=durability, count=3 * n),
                lambda: floors.fork_samples(component, 6 * n),
            )
            self.add(f"kill to ready ({durability})", "ms", kill, 1e3, (warm[0], fork))
        for durability in ("process", "disk"):
            rate, raw = self.sampled(
                partial(figures.one_way_rates, durability=durability, count=4000 * n),
                lambda: [floors.router_rate(100, 8000 * n)],
            )
            self.add(
                f"one-way recorded turns ({durability})",
                "1/s",
                rate,
                floor=("raw Python ROUTER, one hop", raw),
                bar=("≥ 0.2 x floor", lambda ratio: ratio >= 0.2),
            )
        for durability in ("process", "disk"):
            for name, measured in (
                ("actor", figures.actor_round_trips),
                ("client", figures.client_round_trips),
            ):
                trips, raw = self.sampled(
                    partial(measured, durability=durability, count=60 * n),
                    lambda: floors.router_round_trips(100, 200 * n),
                )
                self.add(
                    f"request of {name} ({durability})",
                    "ms",
                    trips,
                    1e3,
                    ("raw Python ROUTER, round trip", raw),
                )
        with self.directory() as directory:
            memory = figures.idle_memory(Path(directory), 8 * n)
        self.add(
            "own memory of an idle actor",
            "MB",
            memory,
            1e-6,
            bar=("≤ 5 MB", lambda _: figures.spread(memory)[1] <= 5e6),
        )


def show(run: Run) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Theater beside its floors (medians of one run)")
    for column in ("figure", "median", "10-90 %", "floor", "ratio", "bar"):
        table.add_column(column, justify="left" if column in ("figure", "bar") else "right")
    for figure in run.figures:
        met = {None: "", True: " met", False: " MISSED"}[figure.met]
        table.add_row(
            figure.name,
            f"{figure.median:,.4g} {figure.unit}",
            f"{figure.low:,.3g} - {figure.high:,.3g}",
            f"{figure.floor:,.4g}" if figure.floor else "",
            f"{figure.ratio:.2f}" if figure.ratio else "",
            figure.bar + met,
        )
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few samples, under half a minute")
    parser.add_argument("--json", metavar="FILE", help="write the figures here too")
    options = parser.parse_args()
    run = Run(options.quick)
    run.all()
    show(run)
    if options.json:
        facts = {
            "at": time.time(),
            "machine": platform.platform(),
            "python": platform.python_version(),
            "versions": {name: version(name) for name in ("wasmtime", "pyzmq", "msgpack")},
            "figures": [{**asdict(figure), "ratio": figure.ratio} for figure in run.figures],
        }
        Path(options.json).write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
