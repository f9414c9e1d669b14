"""The broker is killed: another one goes on from the log, and no actor restarts."""

from __future__ import annotations

import os
import random
import signal
import threading
from typing import Any

import psutil
import pytest

from tests.real.conftest import Theater, actor, gone
from tests.slices import sliced
from tests.waiting import WAIT_S, eventually
from theater.client import System
from theater.errors import NotDelivered


def kill_broker(system: System) -> None:
    """Kill it, and wait until there is another one that knows everybody."""
    before = system.info()["helpers"]["broker"]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: system.info()["helpers"]["broker"] not in (None, before), "a new broker")


def pids(system: System) -> dict[str, int]:
    return {row["actor"]: row["pid"] for row in system.ps()}


def test_another_broker_goes_on_and_no_actor_restarts(theater: Theater) -> None:
    system = theater.up(actor("a"), actor("b"))
    system.send("a", b"set kept")
    before = pids(system)
    kill_broker(system)
    assert system.request("a", b"get") == b"kept"
    assert system.request("b", b"echo on") == b"on"
    assert pids(system) == before
    assert {row["incarnation"] for row in system.ps()} == {1}
    ready = system.log.query("SELECT count(*) FROM events WHERE type = 'ready'")
    assert ready == [(2,)], "nobody gets ready twice"
    theater.note(system)


def test_idle_workers_are_reached_again_one_after_the_other_death(theater: Theater) -> None:
    system = theater.up(actor("a"))
    for number in range(3):
        kill_broker(system)
        assert system.request("a", b"echo %d" % number) == b"%d" % number
    theater.note(system)


def _reach(system: System, seq: int) -> None:
    eventually(lambda: system.log.last_seq() >= seq, "it to be in full swing")


@pytest.mark.parametrize("attempt", sliced(range(3), 0))
def test_every_message_arrives_once_and_in_order_whenever_it_dies(
    theater: Theater, attempt: int
) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    dice = random.Random(seed)
    system = theater.up(actor("a"), actor("b"))
    total = 40
    for _ in range(2):
        system.send_many("a", [b"series %d b append ," % total] * 5)
        # Somewhere while all that is on its way.
        _reach(system, min(400, system.log.last_seq() + dice.randint(1, 300)))
        kill_broker(system)
    one = b"".join(b",%d" % number for number in range(1, total + 1))
    eventually(lambda: system.log.state("b") == one * 10, f"all of it, once (seed {seed})")
    assert {row["incarnation"] for row in system.ps()} == {1}
    assert system.log.query("SELECT count(*) FROM dead_letters") == [(0,)]
    theater.note(system)


def test_an_open_request_gets_its_answer_after_the_broker_died(theater: Theater) -> None:
    system = theater.up(actor("a", extra="request_timeout = 600\n"), actor("b"))
    os.kill(pids(system)["b"], signal.SIGSTOP)
    answer: list[bytes] = []

    def ask() -> None:
        asker = System(str(theater.data))
        answer.append(asker.request("a", b"request b echo found", timeout_s=60))
        asker.close()

    asking = threading.Thread(target=ask)
    asking.start()
    eventually(lambda: system.log.query("SELECT 1 FROM asks WHERE status = 'open'"), "the ask")
    kill_broker(system)
    os.kill(pids(system)["b"], signal.SIGCONT)
    asking.join(60)
    assert answer == [b"found"]
    assert {row["incarnation"] for row in system.ps()} == {1}
    assert system.log.query("SELECT count(*) FROM asks") == [(1,)]
    theater.note(system)


def test_a_worker_that_dies_while_the_broker_is_away_is_buried_by_the_next(
    theater: Theater,
) -> None:
    system = theater.up(actor("a"), actor("b"))
    system.send("a", b"set kept")
    assert system.request("a", b"get") == b"kept"
    info = system.info()
    root, worker = info["pid"], pids(system)["a"]
    os.kill(root, signal.SIGSTOP)
    os.kill(info["helpers"]["broker"], signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    os.kill(root, signal.SIGCONT)
    eventually(lambda: pids(system)["a"] not in (None, worker), "a new worker")
    assert system.request("a", b"get") == b"kept"
    row = system.actor("a")
    assert (row["incarnation"], row["restarts"]) == (2, 1)
    assert system.actor("b")["incarnation"] == 1
    theater.note(system)


def test_a_worker_that_a_deaf_broker_has_not_buried_is_buried_by_the_next(
    theater: Theater,
) -> None:
    system = theater.up(actor("a"))
    info = system.info()
    broker, worker = info["helpers"]["broker"], info["actors"][0]["pid"]
    os.kill(broker, signal.SIGSTOP)
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: gone({worker}), "the worker to be reaped")
    os.kill(broker, signal.SIGKILL)
    eventually(lambda: pids(system)["a"] not in (None, worker), "a new worker")
    assert system.request("a", b"echo on") == b"on"
    theater.note(system)


def test_a_shutdown_that_committed_stays_one(theater: Theater) -> None:
    system = theater.up(actor("a", extra='restart = "transient"\n'), actor("b"))
    info = system.info()
    os.kill(info["pid"], signal.SIGSTOP)
    system.send("a", b"shutdown done")
    eventually(
        lambda: psutil.Process(pids_of(info)["a"]).status() == psutil.STATUS_ZOMBIE, "its end"
    )
    os.kill(info["helpers"]["broker"], signal.SIGKILL)
    os.kill(info["pid"], signal.SIGCONT)
    row = system.wait_status("a", "stopped")
    assert row["reason"] == "shutdown by itself"
    theater.note(system)


def pids_of(info: dict[str, Any]) -> dict[str, int]:
    return {row["actor"]: row["pid"] for row in info["actors"]}


def test_a_broker_that_dies_again_and_again_ends_the_system_with_the_reason(
    theater: Theater,
) -> None:
    system = theater.up(actor("a"))
    system.send("a", b"set kept")
    assert system.request("a", b"get") == b"kept"
    launch = system._launch
    assert launch is not None
    root = psutil.Process(system.info()["pid"])
    killed: set[int] = set()

    def hunt() -> bool:
        for child in root.children():
            if child.name() == "theater-broker" and child.pid not in killed:
                killed.add(child.pid)
                child.kill()
        return launch.process.poll() is not None

    def hunted() -> bool:
        try:
            return hunt()
        except psutil.NoSuchProcess:
            return launch.process.poll() is not None

    eventually(hunted, "root to give it up")
    last = list(launch.events(WAIT_S))[-1]
    assert last["event"] == "ended" and last["failed"]
    assert last["reason"].startswith("the broker died (killed by SIGKILL)")
    assert len(killed) == 6
    system.close()
    again = theater.up()
    assert again.request("a", b"get") == b"kept"


def test_clients_and_readers_go_on(theater: Theater) -> None:
    system = theater.up(actor("a"))
    system._endpoint.watch()
    kill_broker(system)
    system.send("a", b"set x")
    eventually(lambda: system._endpoint.wait_commit(0.1), "to be told of commits again")
    with pytest.raises(NotDelivered, match="no-actor"):
        system.request("nobody", b"")
    theater.note(system)
