"""How fast a recorded run is run again, beside how fast it was live."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks import systems
from benchmarks.bench import BODY, Bench
from benchmarks.report import Bar, Figure, Round
from theater.client import System
from theater.replay.recording import Recording
from theater.replay.run import Replayed, Replayer

LIVE_FLOOR = "the same turns when they were recorded"
BAR = Bar("≥ live", 1.0, at_most=False)
BURST = 100  # messages that a sender sends in one turn
ASKS = 20  # requests that an asker makes in one turn


def replay(bench: Bench) -> list[Figure]:
    one_way, requests = [], []
    for _ in range(bench.sizes.rounds):
        bench.sync()
        directory = bench.fresh()
        sends = max(1, bench.sizes.turns // BURST)
        asks = max(1, bench.sizes.trips // ASKS)
        actors = [("burst", "burst.wat"), ("sink", "sink.wat"), ("asker", "burst.wat")]
        with systems.start(directory, "process", actors) as system:
            sent_s = _send(system, sends)
            asked_s = _ask(system, asks)
            system.down()
        again = _seconds(directory / ".theater", ["sink", "asker"])
        turns = sends * BURST
        one_way.append(Round([turns / again["sink"]], [turns / sent_s]))
        requests.append(Round([asks * ASKS / again["asker"]], [asks * ASKS / asked_s]))
    return [
        Figure(
            "replay: one-way turns",
            "1/s",
            "turns a second of an actor that was sent 100 B messages, replayed and compared",
            one_way,
            LIVE_FLOOR,
            BAR,
        ),
        Figure(
            "replay: requests",
            "1/s",
            f"requests a second of an actor that had made {ASKS} in each turn",
            requests,
            LIVE_FLOOR,
            BAR,
        ),
    ]


def _send(system: System, times: int) -> float:
    command = b"%d sink %s" % (BURST, BODY)
    before_s = time.monotonic()
    for _ in range(times):
        system.send("burst", command)
    system.wait_for(
        lambda: system.log.query(
            "SELECT count(*) > ? FROM turns t JOIN actors a ON a.id = t.actor"
            " WHERE a.name = 'sink' AND t.status = 'done'",
            times * BURST,
        )[0][0],
        "all turns",
        systems.WAIT_S,
    )
    return time.monotonic() - before_s


def _ask(system: System, times: int) -> float:
    command = b"%d sink %s" % (ASKS, BODY)
    before_s = time.monotonic()
    for _ in range(times):
        system.request("asker", command, timeout_s=systems.WAIT_S)
    return time.monotonic() - before_s


def _seconds(data: Path, actors: list[str]) -> dict[str, float]:
    """How long each actor takes, once a process is there to replay in."""
    recording = Recording(str(data))
    taken = {}
    try:
        with Replayer(recording) as replayer:
            for actor in ["burst", *actors]:
                before_s = time.monotonic()
                for item in replayer.replay(actor):
                    assert not isinstance(item, Replayed) or item.difference is None
                taken[actor] = time.monotonic() - before_s
    finally:
        recording.close()
    return taken
