"""`python -m benchmarks`: figures of Theater beside their floors, measured in one run."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.bench import FULL, QUICK, Bench, Sizes
from benchmarks.figures import FIGURES


def measure(
    names: list[str], sizes: Sizes, directory: Path, tell: bool = True
) -> tuple[list[report.Figure], dict[str, Any]]:
    """The figures of these names, and the facts of the run.

    No process is left; the files in `directory` are the caller's to remove.
    """
    load, began_s = os.getloadavg()[0], time.monotonic()
    figures: list[report.Figure] = []
    with Bench(directory, sizes) as bench:
        for name, take in FIGURES.items():
            if name in names:
                for figure in take(bench):
                    figures.append(figure)
                    if tell:
                        middle = report.number(report.spread(figure.samples())[1])
                        print(f"{figure.name}: {middle} {figure.unit}", file=sys.stderr)
    return figures, {
        "took_s": time.monotonic() - began_s,
        "load": {"before": load, "after": os.getloadavg()[0]},
        "sizes": {name: getattr(sizes, name) for name in sizes.__slots__},
        "machine": report.machine(directory),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few samples, in some seconds")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all samples there too")
    parser.add_argument(
        "--only", metavar="NAME", nargs="+", choices=list(FIGURES), help="of %(choices)s"
    )
    parser.add_argument(
        "--directory", metavar="DIR", help="keep the data under DIR: the disk that is measured"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="theater-bench-", dir=options.directory) as name:
        os.environ["XDG_CACHE_HOME"] = f"{name}/cache"  # nothing stays in the user's own
        figures, facts = measure(
            options.only or list(FIGURES), QUICK if options.quick else FULL, Path(name)
        )
    report.show(figures, facts)
    if options.json:
        report.write_json(options.json, figures, facts)


if __name__ == "__main__":
    main()
