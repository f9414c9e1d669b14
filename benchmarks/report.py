"""Figures as samples: their statistics, the table, the JSON. Measures nothing."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

import theater

PACKAGES = ("wasmtime", "pyzmq", "msgpack", "psutil")


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure should reach: its ratio to the floor, or its median without one."""

    text: str
    limit: float
    at_most: bool
    of_ratio: bool = True

    def met(self, value: float) -> bool:
        return value <= self.limit if self.at_most else value >= self.limit


@dataclass(frozen=True, slots=True)
class Round:
    """Samples of a figure and of its floor, taken one after the other."""

    samples: list[float]
    floor: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. All samples are in `unit`."""

    name: str
    unit: str
    how: str  # what was measured, from where to where
    rounds: list[Round]
    floor_name: str = ""
    bar: Bar | None = None
    tails: bool = False  # there are enough samples to show the ends of the distribution

    def samples(self) -> list[float]:
        return [value for round in self.rounds for value in round.samples]

    def floor_samples(self) -> list[float]:
        return [value for round in self.rounds for value in round.floor]

    def floor(self) -> float | None:
        floor = self.floor_samples()
        return statistics.median(floor) if floor else None

    def ratios(self) -> list[float]:
        """Figure to floor, of each round by itself: the machine changes between rounds."""
        return [
            statistics.median(round.samples) / statistics.median(round.floor)
            for round in self.rounds
            if round.samples and round.floor
        ]

    def ratio(self) -> float | None:
        ratios = self.ratios()
        return statistics.median(ratios) if ratios else None

    def met(self) -> bool | None:
        if self.bar is None:
            return None
        value = self.ratio() if self.bar.of_ratio else statistics.median(self.samples())
        return None if value is None else self.bar.met(value)

    def as_json(self) -> dict[str, Any]:
        low, middle, high = spread(self.samples())
        return {
            "name": self.name,
            "unit": self.unit,
            "how": self.how,
            "median": middle,
            "p10": low,
            "p90": high,
            "floor": {"name": self.floor_name, "median": self.floor()} if self.floor_name else None,
            "ratio": self.ratio(),
            "ratios": self.ratios(),
            "bar": self.bar.text if self.bar else None,
            "met": self.met(),
            "tails": tails(self.samples()),
            "rounds": [{"samples": each.samples, "floor": each.floor} for each in self.rounds],
        }


def spread(samples: Sequence[float]) -> tuple[float, float, float]:
    """The 10th percentile, the median and the 90th; of fewer than 3 the least and the most."""
    if len(samples) < 3:
        return min(samples), statistics.median(samples), max(samples)
    cuts = statistics.quantiles(samples, n=10, method="inclusive")
    return cuts[0], statistics.median(samples), cuts[-1]


def tails(samples: Sequence[float]) -> dict[str, float]:
    """The distribution in six numbers."""
    ordered = sorted(samples)
    return {
        "n": len(ordered),
        "min": ordered[0],
        "median": statistics.median(ordered),
        "p90": ordered[(len(ordered) - 1) * 90 // 100],
        "p99": ordered[(len(ordered) - 1) * 99 // 100],
        "max": ordered[-1],
    }


# The tables


def show(figures: Sequence[Figure], facts: dict[str, Any]) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=132)
    table = Table(title="Theater beside its floors")
    for column in ("figure", "median", "10-90 %", "floor", "ratio", "of rounds", "bar", ""):
        justify: Literal["left", "right"] = "left" if column in ("figure", "bar", "") else "right"
        table.add_column(column, justify=justify, no_wrap=column == "figure")
    for figure in figures:
        table.add_row(*_row(figure))
    console.print(table)
    shown = [figure for figure in figures if figure.tails]
    if shown:
        console.print(_tails_table(shown))
    for name, text in explanations(figures).items():
        console.print(f"[dim]{name}: {text}[/dim]", highlight=False)
    load = facts["load"]
    console.print(
        f"{facts['machine']['cores']} cores, load {load['before']:.1f} before and"
        f" {load['after']:.1f} after, {facts['took_s']:.0f} s; data on"
        f" {facts['machine']['filesystem']}",
        highlight=False,
    )


def _tails_table(figures: Sequence[Figure]) -> Table:
    table = Table(title="All samples of a figure, and of its floor beside it")
    table.add_column("")
    for column in tails([0.0]):
        table.add_column(column, justify="right")
    for figure in figures:
        for name, samples in ((figure.name, figure.samples()), ("  floor", figure.floor_samples())):
            if not samples:
                continue
            count, *rest = tails(samples).values()
            table.add_row(name, f"{count:.0f}", *map(number, rest))
    return table


def explanations(figures: Sequence[Figure]) -> dict[str, str]:
    """How each figure was taken, once where several were taken alike."""
    texts: dict[str, str] = {}
    for figure in figures:
        floor = f"; floor: {figure.floor_name}" if figure.floor_name else ""
        text = figure.how + floor
        if text not in texts.values():
            texts[figure.name.partition(" (")[0].strip()] = text
    return texts


def _row(figure: Figure) -> list[str]:
    low, middle, high = spread(figure.samples())
    floor, ratio, ratios = figure.floor(), figure.ratio(), figure.ratios()
    met = {None: "", True: "[green]met[/green]", False: "[red]MISSED[/red]"}[figure.met()]
    return [
        figure.name,
        f"{number(middle)} {figure.unit}",
        f"{number(low)} - {number(high)}",
        number(floor) if floor is not None else "",
        f"{ratio:.2f}" if ratio is not None else "",
        f"{min(ratios):.2f} - {max(ratios):.2f}" if len(ratios) > 1 else "",
        figure.bar.text if figure.bar else "",
        met,
    ]


def number(value: float) -> str:
    """Three figures that count, without an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


# The JSON


def machine(directory: Path) -> dict[str, Any]:
    """What the figures depend on and a reader cannot see."""
    return {
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "filesystem": filesystem(directory),
        "versions": {
            "theater": theater.__version__,
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            **{name: version(name) for name in PACKAGES},
        },
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def filesystem(directory: Path) -> str:
    """The type of the file system a directory lies on: on tmpfs a sync costs nothing."""
    where = os.path.realpath(directory)
    best, kind = "", "unknown"
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mount, found, *_ = line.split()
        inside = where == mount or where.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, found
    return kind


def write_json(file: Path, figures: Sequence[Figure], facts: dict[str, Any]) -> None:
    data = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **facts,
        "figures": [figure.as_json() for figure in figures],
    }
    file.write_text(json.dumps(data, indent=1) + "\n")
