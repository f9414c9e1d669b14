"""Whether those who want all leave enough to the others, and the memory as it is.

One system, in which at once: actors pass messages to each other as fast as they can, one sends a
hundred messages in each turn, one sends a thousand to nobody, one feeds a slow one, one doubles
every message it takes, a client sends all it can. And a pair that is sent a hundred messages a
second by another client, which is nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil

from benchmarks import systems
from benchmarks.bench import Bench
from benchmarks.floors import Helper
from benchmarks.report import Bar, Figure, Round
from theater.client import System
from theater.supervisor.datadir import runtime_of

RINGS = 4  # of two actors each
TOKENS = 100  # messages that go round in a ring: more than a worker is handed at once
PACE = 100.0  # messages a second
WINDOWS = 4  # the time is cut into so many; the memory of the first is what it may stay at
SHARE_BAR = Bar("≥ 0.8", 0.8, at_most=False, of_ratio=False)
KEPT_BAR = Bar("≥ 0.95", 0.95, at_most=False, of_ratio=False)
FLAT_BAR = Bar("≤ 1.2 x floor", 1.2, at_most=True)
BEGINNING = "the same in the beginning"

SLOW = "mailbox = { max_messages = 1_000 }"
FEW = "mailbox = { max_messages = 200 }"  # dead letters from 2,000 on
# Each with what receives from it: what both do counts as the sender's.
GREEDY = {"burst": ("drain",), "lost": (), "feeder": ("slow",), "double": (), "client": ("inbox",)}


def fair(bench: Bench) -> list[Figure]:
    rings = [(f"ping{number}", f"pong{number}") for number in range(RINGS)]
    keys = {"slow": SLOW, "inbox": "", "drain": "", "burst": "", "lost": "", "feeder": ""}
    keys |= {"double": f'initial_state = "double"\n{FEW}', "tick": 'initial_state = "tock"'}
    for one, other in rings:
        keys |= {one: f'initial_state = "{other}"', other: f'initial_state = "{one}"'}
    members = [name for ring in rings for name in ring]
    components = dict.fromkeys([*members, "tick", "double"], "ring.wat")
    components |= dict.fromkeys(["burst", "lost", "feeder"], "burst.wat")
    components |= dict.fromkeys(["drain", "inbox", "tock"], "sink.wat") | {"slow": "probe.wat"}
    with systems.start(bench.fresh(), "disk", components.items(), keys) as system:
        for one, _ in rings:
            system.send_many(one, [b"1"] * TOKENS)
        return _with_the_greedy(system, bench.sizes.flood_s, members)


def _with_the_greedy(system: System, seconds: float, members: list[str]) -> list[Figure]:
    enough = int(100 * seconds)  # turns for each of these; they take longer than this
    system.send_many("burst", [b"100 drain x"] * enough)
    system.send_many("lost", [b"1000 sibling x"] * enough)
    system.send_many("feeder", [b"100 slow spin 300000"] * enough)
    system.send("double", b"2")
    endpoint = f"ipc://{runtime_of(system.data.directory).clients}"
    flood, pace = Helper("client", endpoint), Helper("client", endpoint)
    flood.tell("flood", to="inbox", size=100, seconds=seconds, flying=1_000)
    pace.tell("pace", to="tick", body="1", seconds=seconds, per_second=PACE)
    began_at = time.time()
    pids = {"broker": system.info()["helpers"]["broker"], "root": system.info()["pid"]}
    resident: dict[str, list[float]] = {name: [] for name in pids}
    for window in range(WINDOWS):
        time.sleep(max(0.0, began_at + seconds * (window + 1) / WINDOWS - time.time()))
        for name, pid in pids.items():
            resident[name].append(1e-6 * psutil.Process(pid).memory_info().rss)
    sent = pace.hear()["ok"]
    flood.hear()
    flood.close()
    pace.close()
    ended_at = systems.turn_done_at(system, "tock", 1 + sent)
    relayed = systems.relayed(system, "tick", "tock")
    first_at, last_at = relayed[0][0], relayed[-1][0]
    shares = list(_shares(system, members, began_at, seconds / WINDOWS))
    system.down(kill=True)
    senders = len(members) + len(GREEDY)
    return [
        Figure(
            "fair: least of the others",
            "of 1/n",
            f"the sender with the fewest of all turns, of {len(members)} in rings, beside"
            f" {len(GREEDY)} who want all: n is {senders}; in each of {WINDOWS} windows",
            [Round(shares)],
            bar=SHARE_BAR,
        ),
        Figure(
            "fair: kept by a pair",
            "of 1",
            f"of {PACE:g} messages a second that a client sends one of two meanwhile, how many both"
            " have done in a second",
            [Round([(last_at - first_at) / (ended_at - first_at)])],
            bar=KEPT_BAR,
        ),
        Figure(
            "fair: delay in that pair",
            "ms",
            "from the commit of the client's message to the second actor's turn",
            [Round([1e3 * (done_at - sent_at) for sent_at, done_at in relayed])],
            tails=True,
        ),
        *(
            Figure(
                f"fair: memory of {name}",
                "MB",
                f"resident at the end of the last half of {seconds:g} s of this",
                [Round(sizes[WINDOWS // 2 :], sizes[:1])],
                BEGINNING,
                FLAT_BAR,
            )
            for name, sizes in resident.items()
        ),
    ]


def _shares(system: System, members: list[str], from_at: float, seconds: float) -> Iterator[float]:
    """The least share of any of the members in each window, in parts of an even one."""
    for window in range(WINDOWS):
        begin_at = from_at + window * seconds
        turns = systems.turns_between(system, begin_at, begin_at + seconds)
        least = min(turns.get(name, 0) for name in members)
        yield least / sum(turns.values()) * (len(members) + len(GREEDY))
