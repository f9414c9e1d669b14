"""How fast a log is verified, beside a loop that does nothing but decode and hash its events."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import msgpack

from benchmarks import systems
from benchmarks.bench import Bench
from benchmarks.report import Bar, Figure, Round
from theater.paths import DataPaths
from theater.verify.verify import verify

FLOOR = "one process, bytes in memory: msgpack.unpackb and SHA-256 of each event, and nothing else"
BAR = Bar("≥ 0.5 x floor", 0.5, at_most=False)
BURST = 10  # messages that a sender sends in one turn
ORDER = {
    "order": 123456,
    "customer": "visitors/ann",
    "items": [
        {"name": "bread", "count": 2, "price": 4.25},
        {"name": "tea", "count": 1, "price": 2.5},
    ],
    "note": "please ring twice",
}


def verified(bench: Bench) -> list[Figure]:
    data = _fill(bench.fresh(), bench.sizes.events)
    with closing(sqlite3.connect(data / "chain.db")) as db:
        events = [row[0] for row in db.execute("SELECT bytes FROM events ORDER BY seq")]
    rounds = []
    for _ in range(bench.sizes.rounds):
        bench.sync()
        floor = len(events) / _bare(events)
        before_s = time.monotonic()
        summary = verify(DataPaths(str(data)), _never)
        took_s = time.monotonic() - before_s
        rounds.append(Round([summary.events / took_s], [floor]))
    size = sum(map(len, events)) / len(events)
    how = (
        f"events a second of a log of {len(events):,}, of {size:.0f} bytes each, with all that"
        " belongs to them; by as many processes as there are processors"
    )
    return [Figure("verify", "1/s", how, rounds, FLOOR, BAR)]


def _never(finding: object) -> None:
    raise AssertionError(f"the log of a run that went well: {finding}")


def _bare(events: list[bytes]) -> float:
    """Seconds."""
    sha256, unpackb = hashlib.sha256, msgpack.unpackb
    before_s = time.monotonic()
    for data in events:
        unpackb(data)
        sha256(data).digest()
    return time.monotonic() - before_s


def _fill(directory: Path, count: int) -> Path:
    """A data directory with the log of a run of at least so many events."""
    actors = [("shop", "burst.wat"), ("ledger", "sink.wat"), ("counter", "counter.wat")]
    order = b"%d ledger %s" % (BURST, json.dumps(ORDER).encode())
    with systems.start(directory, "process", actors) as system:
        done = 0
        while done < count:
            system.send_many("shop", [order] * max(1, count // BURST // 100))
            system.send_many("counter", [b"+"] * max(1, count // 200))
            done = system.log.query("SELECT max(seq) FROM events")[0][0]
        system.down()
    return directory / ".theater"
