"""What is measured, and beside what. Each function here takes its figure and its floor in turn.

A round is: the floor, the system that is safe from the death of processes, the system that is
safe from power loss. Ratios are made within a round.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks import floors, systems
from benchmarks.bench import BODY, Bench, artifact, milliseconds
from benchmarks.commands import commands
from benchmarks.cost import cost
from benchmarks.fairness import fair
from benchmarks.helper import private_bytes
from benchmarks.packages import called
from benchmarks.replays import replay
from benchmarks.report import Bar, Figure, Round
from benchmarks.verifies import verified
from theater.client import System

SENDS = 100  # messages that a sender sends in one turn
ASKS = 20  # requests that an asker makes in one turn

SPAWN_BAR = Bar("≤ 2 x floor", 2.0, at_most=True)
ONE_WAY_BAR = Bar("≥ 0.2 x floor", 0.2, at_most=False)
MEMORY_BAR = Bar("≤ 5 MB", 5.0, at_most=True, of_ratio=False)


# Starts


def spawn(bench: Bench) -> list[Figure]:
    count = bench.sizes.starts
    by_root: dict[str, list[Round]] = {name: [] for name in systems.DURABILITIES}
    by_log: dict[str, list[Round]] = {name: [] for name in systems.DURABILITIES}
    for _ in range(bench.sizes.rounds):
        bench.sync()
        floor = milliseconds(bench.fork.starts(count))
        for durability in systems.DURABILITIES:
            taken = systems.first_starts(bench.fresh(), durability, count)
            by_root[durability].append(Round(milliseconds(taken.by_root), floor))
            by_log[durability].append(Round(milliseconds(taken.by_log), floor))
    return [
        Figure(f"{name} ({durability})", "ms", how, rounds[durability], floors.SPAWN_FLOOR, bar)
        for name, how, rounds, bar in (
            (
                "spawn to ready",
                "a first start as root sees it: from its order to fork until the next actor's,"
                " given when init is committed and told",
                by_root,
                SPAWN_BAR,
            ),
            (
                "  of it, by the log",
                "ready_at - started_at: from that order's arrival at the broker until it has the"
                " step that ends init",
                by_log,
                None,
            ),
        )
        for durability in systems.DURABILITIES
    ]


def start_again(bench: Bench) -> list[Figure]:
    def measure(system: System) -> list[float]:
        samples = []
        for _ in range(bench.sizes.starts):
            system.stop("small")
            before_s = time.monotonic()
            system.start_child("small")
            samples.append(time.monotonic() - before_s)
        return milliseconds(samples)

    how = "a client's `start` of a stopped actor, until root says that it runs; no init"
    return _starts(bench, "start again to ready", how, measure)


def kill(bench: Bench) -> list[Figure]:
    """Sample by sample beside its floor, so that what else the machine does hits both alike."""
    taken = {durability: Round([], []) for durability in bench.pair}
    for _ in range(bench.sizes.rounds):
        bench.sync()
        for _ in range(bench.sizes.kills):
            for durability, system in bench.pair.items():
                taken[durability].floor.extend(milliseconds(bench.fork.starts(1)))
                samples = [systems.kill_to_ready(system, "small")]
                taken[durability].samples.extend(milliseconds(samples))
    how = (
        "from SIGKILL of an idle actor until the broker has the next incarnation's HELLO, by one"
        " clock; no init; each beside one floor"
    )
    return [
        Figure(
            *(f"kill to ready ({durability})", "ms", how, [round], floors.SPAWN_FLOOR),
            bar=SPAWN_BAR,
            tails=True,
        )
        for durability, round in taken.items()
    ]


def crowd(bench: Bench) -> list[Figure]:
    how = "all actors killed at once, until the last is ready again, divided by their number"
    figures = []
    for count in bench.sizes.crowds:
        actors = [(f"a{number}", "minimal.wat") for number in range(count)]
        round = Round([], [])
        with systems.start(bench.fresh(), "process", actors) as system:
            for _ in range(bench.sizes.rounds):
                round.floor.extend(milliseconds(bench.fork.starts(bench.sizes.starts)))
                round.samples.append(1e3 * systems.kill_all_to_ready(system) / count)
        figures.append(
            Figure(f"kill {count} to ready, each", "ms", how, [round], floors.SPAWN_FLOOR)
        )
    return figures


def _starts(
    bench: Bench, name: str, how: str, measure: Callable[[System], list[float]]
) -> list[Figure]:
    taken = bench.rounds(
        lambda: milliseconds(bench.fork.starts(bench.sizes.starts)), _both(bench, measure)
    )
    return [
        Figure(f"{name} ({durability})", "ms", how, rounds, floors.SPAWN_FLOOR)
        for durability, rounds in taken.items()
    ]


def _both(
    bench: Bench, measure: Callable[[System], list[float]]
) -> dict[str, Callable[[], list[float]]]:
    """The same measure on both of the pair."""

    def of(system: System) -> Callable[[], list[float]]:
        return lambda: measure(system)

    return {durability: of(system) for durability, system in bench.pair.items()}


# Messages


def request(bench: Bench) -> list[Figure]:
    def measure(system: System) -> list[float]:
        samples = []
        for _ in range(max(1, bench.sizes.trips // ASKS)):
            before_s = time.monotonic()
            system.request("burst", b"%d sink %s" % (ASKS, BODY), timeout_s=60.0)
            samples.append((time.monotonic() - before_s) / ASKS)
        return milliseconds(samples)

    how = f"one of {ASKS} that an actor asks another in one turn; 100 B there and back"
    return _trips(bench, "request, actor to actor", how, measure)


def client(bench: Bench) -> list[Figure]:
    def measure(system: System) -> list[float]:
        samples = []
        for _ in range(bench.sizes.trips):
            before_s = time.monotonic()
            system.request("sink", BODY)
            samples.append(time.monotonic() - before_s)
        return milliseconds(samples)

    how = "one request of the Python API, until its answer is committed and here; 100 B"
    return _trips(bench, "request, client to actor", how, measure)


def _trips(
    bench: Bench, name: str, how: str, measure: Callable[[System], list[float]]
) -> list[Figure]:
    def floor() -> list[float]:
        return milliseconds(bench.router.round_trips(bench.sizes.trips, len(BODY)))

    return [
        Figure(f"{name} ({durability})", "ms", how, rounds, floors.TRIP_FLOOR)
        for durability, rounds in bench.rounds(floor, _both(bench, measure)).items()
    ]


def one_way(bench: Bench) -> list[Figure]:
    return _one_way(bench, "one-way turns", SENDS, bench.sizes.turns, ONE_WAY_BAR)


def relay(bench: Bench) -> list[Figure]:
    return _one_way(bench, "one-way turns, 1 send a turn", 1, bench.sizes.turns // 4, None)


def _one_way(bench: Bench, name: str, per_turn: int, count: int, bar: Bar | None) -> list[Figure]:
    command = b"%d sink %s" % (per_turn, BODY)

    def measure(system: System) -> list[float]:
        done = systems.turns_of(system, "sink")
        began_at = time.time()
        system.send_many("burst", [command] * (count // per_turn))
        ended_at = systems.turn_done_at(system, "sink", done + count)
        return [count / (ended_at - began_at)]

    how = (
        f"turns a second of an actor that takes 100 B messages, {per_turn} sent in a turn; from"
        " the client's first send until the last turn's commit begins"
    )
    taken = bench.rounds(
        lambda: [bench.router.rate(bench.sizes.raw, len(BODY))], _both(bench, measure)
    )
    return [
        Figure(f"{name} ({durability})", "1/s", how, rounds, floors.ROUTER_FLOOR, bar)
        for durability, rounds in taken.items()
    ]


# Memory


def memory(bench: Bench) -> list[Figure]:
    count = bench.sizes.actors
    bare = bench.fork.bare_bytes(count)
    instance = bench.fork.instance_bytes(artifact("counter.wat"), count)
    actors = [(f"a{number}", "counter.wat") for number in range(count)]
    with systems.start(bench.fresh(), "process", actors) as system:
        idle = [private_bytes(row["pid"]) for row in system.ps()]
    floor = [1e-6 * size for size in bare]
    return [
        Figure(
            name, "MB", how, [Round([1e-6 * size for size in sizes], floor)], floors.FORK_FLOOR, bar
        )
        for name, how, sizes, bar in (
            (
                "own memory of an idle actor",
                f"private bytes (smaps_rollup) of each of {count} workers after init",
                idle,
                MEMORY_BAR,
            ),
            (
                "  of a fork with its component",
                "the same of forked processes that have called the component, without a broker",
                instance,
                None,
            ),
        )
    ]


def sync(bench: Bench) -> list[Figure]:
    bench.sync()
    how = "one append of 4 KiB and its fdatasync, where the data lie; taken in every round"
    return [Figure("fdatasync", "ms", how, [Round(samples) for samples in bench.syncs])]


def parts(bench: Bench) -> list[Figure]:
    """What the floor of a start is made of, from every time it was taken."""
    if not bench.fork.parts["fork"]:
        bench.fork.starts(bench.sizes.starts)
    how = "a part of the floor of a start"
    return [
        Figure(f"floor: {name}", "ms", how, [Round(milliseconds(samples))])
        for name, samples in bench.fork.parts.items()
    ]


# In this order: what fills the logs comes late, what sums up the run comes last.
FIGURES: dict[str, Callable[[Bench], list[Figure]]] = {
    "spawn": spawn,
    "start": start_again,
    "kill": kill,
    "crowd": crowd,
    "request": request,
    "client": client,
    "oneway": one_way,
    "relay": relay,
    "cost": cost,
    "fair": fair,
    "package": called,
    "replay": replay,
    "verify": verified,
    "memory": memory,
    "commands": commands,
    "parts": parts,
    "sync": sync,
}
