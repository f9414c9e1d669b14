"""Actors and clients that want all: the others go on, mailboxes and memory stay bounded."""

from __future__ import annotations

import os
import signal
from collections import Counter

import psutil
import pytest

from tests.real.conftest import Theater, actor
from tests.waiting import eventually
from theater.client import System
from theater.errors import NotDelivered

MIB = 1 << 20
BOUND = 40  # of the mailboxes that are to be full
CREDIT = 256  # inputs in a worker's hands


def ring(name: str, to: str, extra: str = "") -> str:
    return actor(name, "ring.wat", extra=f'initial_state = "{to}"\n{extra}')


def bounded(messages: int) -> str:
    return f"mailbox = {{ max_messages = {messages} }}\n"


def turns(system: System) -> Counter[str]:
    sql = (
        "SELECT a.name, count(*) FROM turns t JOIN actors a ON a.id = t.actor"
        " WHERE t.status = 'done' AND t.kind != 'init' GROUP BY a.name"
    )
    return Counter(dict(system.log.query(sql)))


def test_every_sender_goes_on_beside_those_that_want_all(theater: Theater) -> None:
    system = theater.up(
        ring("ping", "pong"),
        ring("pong", "ping"),
        ring("double", "double", bounded(BOUND)),
        ring("tick", "tock"),
        actor("tock", "sink.wat"),
        actor("burst", "burst.wat"),
        actor("drain", "sink.wat"),
        actor("lost", "burst.wat"),
        actor("feeder", "burst.wat"),
        actor("slow", "sink.wat", extra=bounded(BOUND)),
        actor("inbox", "sink.wat", extra=bounded(BOUND)),
    )
    halted = [system.actor(name)["pid"] for name in ("slow", "inbox")]
    for pid in halted:
        os.kill(pid, signal.SIGSTOP)
    system.send_many("ping", [b"1"] * 20)  # go round for ever
    system.send("double", b"2")  # and this one becomes more and more
    system.send_many("feeder", [b"1 slow x"] * 200)
    with pytest.raises(NotDelivered, match=f"mailbox-full: inbox has {BOUND} messages waiting"):
        system.send_many("inbox", [b"x"] * 500)
    eventually(lambda: mailbox(system, "slow") >= BOUND, "a full mailbox")
    system.send_many("burst", [b"50 drain x"] * 40)
    system.send_many("lost", [b"50 sibling x"] * 40)
    system.send_many("tick", [b"1"] * 40)
    done = {"burst": 40, "drain": 40 * 50, "lost": 40, "tick": 40, "tock": 40}

    def rest() -> dict[str, int]:
        now = turns(system)
        return {name: count - now[name] for name, count in done.items() if count != now[name]}

    eventually(lambda: not rest(), "all that is not endless")
    assert min(turns(system)[name] for name in ("ping", "pong", "double")) > 100
    # Who feeds the slow one is held back, but for what it had in its hands already.
    assert BOUND <= mailbox(system, "slow") <= BOUND + CREDIT
    assert mailbox(system, "inbox") == BOUND
    assert mailbox(system, "double") <= 10 * BOUND
    for pid in halted:
        os.kill(pid, signal.SIGCONT)
    done |= {"feeder": 200, "slow": 200, "inbox": BOUND}
    eventually(lambda: not rest(), "what the slow ones have been sent")
    system.down(kill=True)


def mailbox(system: System, name: str) -> int:
    return int(system.actor(name)["mailbox"])


def test_messages_that_wait_are_on_the_disk_and_not_in_memory(theater: Theater) -> None:
    room = 'mailbox = { max_messages = 1_000, max_bytes = "200MiB" }\n'
    system = theater.up(actor("a", "sink.wat", extra=room))
    pids = {"broker": system.info()["helpers"]["broker"], "root": system.info()["pid"]}
    os.kill(system.actor("a")["pid"], signal.SIGSTOP)

    def resident() -> dict[str, int]:
        return {name: psutil.Process(pid).memory_info().rss for name, pid in pids.items()}

    before = resident()
    for _ in range(10):
        system.send_many("a", [b"x" * MIB] * 10)
    assert mailbox(system, "a") == 100
    after = resident()
    # SQLite may keep 32 MiB of pages, and the window holds 4 MiB of messages.
    assert after["broker"] - before["broker"] < 64 * MIB
    assert after["root"] - before["root"] < 8 * MIB
    system.down(kill=True)
