"""What it costs that nothing is lost and everything can be checked.

The same path of a message three times, side by side: in a bare system, whose log is in memory and
not hashed, and in one of each durability. Each figure's floor is the bare system's in its round.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from benchmarks import systems
from benchmarks.bench import BODY, Bench, milliseconds
from benchmarks.helper import cpu_s
from benchmarks.report import Figure, Round
from theater.client import System

BARE_FLOOR = "the same in a bare system: log in memory, nothing hashed"
PARTS = 2  # of a round, so that what else the machine does hits all three alike
BURST = 50  # messages that a sender sends in one turn
ASKS = 20  # requests that an asker makes in one turn


def cost(bench: Bench) -> list[Figure]:
    pairs = bench.sizes.pairs
    names = [str(number) for number in range(pairs)]
    actors = [(f"burst{name}", "burst.wat") for name in names]
    actors += [(f"sink{name}", "sink.wat") for name in names]
    trio = {"bare": bench.enter_context(systems.start_bare(bench.fresh(), actors))} | {
        durability: bench.enter_context(systems.start(bench.fresh(), durability, actors))
        for durability in systems.DURABILITIES
    }
    count = max(BURST, bench.sizes.turns // PARTS)
    trips = max(1, bench.sizes.trips // ASKS // PARTS)

    def alone(system: System) -> list[float]:
        return [count / _send(system, "0", BURST, count // BURST)]

    def crowd(system: System) -> list[float]:
        return [_sends_of_all(system, pairs, max(1, count // pairs))]

    def work(system: System) -> list[float]:
        broker = system.info()["helpers"]["broker"]
        before_s = cpu_s(broker)
        _send(system, "0", BURST, count // BURST)
        return [1e6 * (cpu_s(broker) - before_s) / count]

    def request(system: System) -> list[float]:
        return milliseconds([_ask(system, "0") for _ in range(trips)])

    def requests(system: System) -> list[float]:
        return [_asks_of_all(system, pairs, trips)]

    return [
        figure
        for name, unit, how, measure in (
            (
                "cost: one-way turns",
                "1/s",
                f"turns a second of an actor that takes 100 B messages, {BURST} sent in a turn of"
                " one sender, until a request behind them is answered",
                alone,
            ),
            (
                "cost: broker's work",
                "µs",
                "processor time of the broker for each of these turns, sending included",
                work,
            ),
            (
                "cost: relayed messages",
                "1/s",
                f"messages a second that {pairs} clients send, each to an actor of its own that"
                " passes it on to another, until a request behind them is answered; two turns each",
                crowd,
            ),
            (
                "cost: request",
                "ms",
                f"one of {ASKS} that an actor asks another in one turn, nobody else doing anything",
                request,
            ),
            (
                "cost: requests",
                "1/s",
                f"requests a second that {pairs} actors ask as many others, {ASKS} in a turn",
                requests,
            ),
        )
        for figure in _beside_bare(bench, trio, name, unit, how, measure)
    ]


def _beside_bare(
    bench: Bench,
    trio: dict[str, System],
    name: str,
    unit: str,
    how: str,
    measure: Callable[[System], list[float]],
) -> list[Figure]:
    taken: dict[str, list[Round]] = {durability: [] for durability in systems.DURABILITIES}
    for _ in range(bench.sizes.rounds):
        bench.sync()
        samples: dict[str, list[float]] = {each: [] for each in trio}
        for _ in range(PARTS):
            for each, system in trio.items():
                samples[each] += measure(system)
        for durability, rounds in taken.items():
            rounds.append(Round(samples[durability], samples["bare"]))
    return [
        Figure(f"{name} ({durability})", unit, how, rounds, BARE_FLOOR)
        for durability, rounds in taken.items()
    ]


def _send(system: System, name: str, per_turn: int, commands: int) -> float:
    """Seconds until what this sender has been told to send is done."""
    before_s = time.monotonic()
    command = b"%d sink%s %s" % (per_turn, name.encode(), BODY)
    system.send_many(f"burst{name}", [command] * commands)
    system.request(f"burst{name}", b"1 sink%s ." % name.encode(), timeout_s=60.0)
    return time.monotonic() - before_s


def _ask(system: System, name: str) -> float:
    """Seconds for each of the requests of one turn."""
    before_s = time.monotonic()
    command = b"%d sink%s %s" % (ASKS, name.encode(), BODY)
    system.request(f"burst{name}", command, timeout_s=60.0)
    return (time.monotonic() - before_s) / ASKS


def _sends_of_all(system: System, pairs: int, count: int) -> float:
    """Messages a second, of all senders together."""

    def send(own: System, name: str) -> None:
        _send(own, name, 1, count)

    return pairs * count / _all_at_once(system, pairs, send)


def _asks_of_all(system: System, pairs: int, turns: int) -> float:
    """Requests a second, of all askers together."""

    def ask(own: System, name: str) -> None:
        for _ in range(turns):
            _ask(own, name)

    return pairs * turns * ASKS / _all_at_once(system, pairs, ask)


def _all_at_once(system: System, pairs: int, do: Callable[[System, str], None]) -> float:
    """Seconds until it is done for each pair, by a client each."""
    clients = [System(system.data.directory) for _ in range(pairs)]
    with ThreadPoolExecutor(pairs) as pool:
        before_s = time.monotonic()
        list(pool.map(do, clients, map(str, range(pairs))))
        took_s = time.monotonic() - before_s
    for client in clients:
        client.close()
    return took_s
