"""What it takes to call a package of Pack's, beside wasmtime's own way of calling it."""

from __future__ import annotations

from contextlib import closing

from benchmarks import floors
from benchmarks.bench import Bench, artifact
from benchmarks.report import Bar, Figure, Round

PUBLIC_FLOOR = "the same by wasmtime-py's public calls"
BAR = Bar("≤ 0.6 x floor", 0.6, at_most=True)
SIZES = (100, 64 * 1024)  # bytes of a request and its answer
SAMPLES = 5  # of a size, in each round


def called(bench: Bench) -> list[Figure]:
    path = artifact("pack-echo.wat")
    rounds: dict[int, list[Round]] = {size: [] for size in SIZES}
    with closing(floors.Helper("package")) as helper:
        for _ in range(bench.sizes.rounds):
            bench.sync()
            for size in SIZES:
                count = max(10, bench.sizes.turns // 10 // (1 + size // 4096))
                public, quick = (
                    [
                        1e6 * each
                        for each in helper.ask(
                            "call",
                            artifact=path,
                            quick=is_quick,
                            size=size,
                            count=count,
                            samples=SAMPLES,
                        )
                    ]
                    for is_quick in (False, True)
                )
                rounds[size].append(Round(quick, public))
    return [
        Figure(
            f"package: echo of {size} B",
            "µs",
            "a call of a package's handle-request, from plain values to plain values: state and"
            " message encoded, given to it, answered, decoded",
            rounds[size],
            PUBLIC_FLOOR,
            BAR if size == SIZES[0] else None,
        )
        for size in SIZES
    ]
