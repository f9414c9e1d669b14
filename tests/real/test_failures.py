"""Whatever one actor does, it ends that incarnation only, with a reason, and comes back."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest

from tests.real.conftest import Theater, actor, gone
from tests.waiting import WAIT_S, eventually
from theater.broker.burial import read_box
from theater.client import System
from theater.errors import NotDelivered
from theater.paths import box_name

OFTEN = "[supervisor]\nintensity = 100\n"
SMALL = "[child.limits]\nmemory = '4MiB'\nfuel = 50_000_000\nturn_timeout = 1\n"

GUEST_FAILURES = {
    "trap": "trap: ",
    "err boom": "err: boom",
    "loop": "fuel: used up its fuel",
    "grow": "trap: ",
    "deep": "trap: call stack exhausted",
    "oob": "trap: ",
}


def reason_of(system: System, name: str) -> str:
    """Why the last incarnation of an actor ended, by the log."""
    rows = system.log.query(
        "SELECT i.reason FROM incarnations i JOIN actors a ON a.id = i.actor"
        " WHERE a.name = ? AND i.reason IS NOT NULL ORDER BY incarnation DESC LIMIT 1",
        name,
    )
    return str(rows[0][0]) if rows else ""


def _kill(pid: int, number: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
    return True


def restarted(system: System, name: str, incarnation: int = 2) -> None:
    eventually(
        lambda: (
            system.actor(name)["incarnation"] >= incarnation
            and system.actor(name)["status"] == "running"
        ),
        f"{name} to run again",
    )


def test_a_failing_turn_is_set_aside_and_the_actor_comes_back_with_its_state(
    theater: Theater,
) -> None:
    system = theater.up(actor("a", extra=SMALL), actor("b"), head=OFTEN)
    before = system.actor("b")["pid"]
    system.send("a", b"set kept")
    for count, (command, reason) in enumerate(GUEST_FAILURES.items(), 1):
        with pytest.raises(NotDelivered, match=r"failed: a: "):
            system.request("a", command.encode())
        restarted(system, "a", count + 1)
        assert reason_of(system, "a").startswith(reason), command
        assert system.actor("a")["reason"].startswith(reason), command
        assert system.request("a", b"get") == b"kept", command
        assert system.actor("b")["pid"] == before, command
        letters = system.log.query("SELECT actor, reason FROM dead_letters")
        assert [letter[0] for letter in letters] == ["a"] * count, command
    theater.note(system)


def test_a_killed_worker_comes_back_and_others_do_not_notice(theater: Theater) -> None:
    system = theater.up(actor("a"), actor("b"), head=OFTEN)
    system.send("a", b"set kept")
    assert system.request("a", b"get") == b"kept"
    other = system.actor("b")["pid"]
    for count, number in enumerate((signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT), 1):
        _die(system.actor("a")["pid"], number)
        restarted(system, "a", count + 1)
        assert reason_of(system, "a") == f"killed by {number.name}"
        assert system.request("a", b"get") == b"kept", number
        assert system.actor("b")["pid"] == other, number
        theater.note(system)


def _die(pid: int, number: int) -> None:
    # wasmtime's handler lets a SIGSEGV that no instruction caused pass once.
    eventually(lambda: gone({pid}) or not _kill(pid, number), "the worker to die")


def test_a_turn_that_takes_too_long_is_killed_and_set_aside_after_max_deliveries(
    theater: Theater,
) -> None:
    limits = "[child.limits]\nturn_timeout = 0.3\nfuel = 10_000_000_000_000\nmax_deliveries = 2\n"
    system = theater.up(actor("a", extra=limits))
    with pytest.raises(NotDelivered, match="delivered 2 times"):
        system.request("a", b"loop", timeout_s=20)
    restarted(system, "a", 3)
    assert reason_of(system, "a").startswith("timeout: turn 2 took longer than turn_timeout")
    assert system.request("a", b"echo fine") == b"fine"
    theater.note(system)


def test_a_worker_that_does_not_answer_at_all_is_killed(theater: Theater) -> None:
    limits = "[child.limits]\nturn_timeout = 0.3\nmax_deliveries = 5\n"
    system = theater.up(actor("a", extra=limits))
    pid = system.actor("a")["pid"]
    os.kill(pid, signal.SIGSTOP)
    assert system.request("a", b"echo late", timeout_s=20) == b"late"
    assert system.actor("a")["incarnation"] == 2
    assert system.actor("a")["pid"] != pid
    theater.note(system)


def test_a_worker_that_dies_without_having_begun_is_not_counted(theater: Theater) -> None:
    system = theater.up(actor("a", extra="[child.limits]\nmax_deliveries = 1\n"))
    os.kill(system.actor("a")["pid"], signal.SIGSTOP)
    system.send("a", b"append x")
    os.kill(system.actor("a")["pid"], signal.SIGKILL)
    assert system.request("a", b"get", timeout_s=20) == b"x"
    assert system.log.query("SELECT count(*) FROM dead_letters") == [(0,)]
    theater.note(system)


def test_a_shutdown_ends_a_transient_actor_for_good(theater: Theater) -> None:
    system = theater.up(actor("a", extra='restart = "transient"\n'), actor("b"))
    system.send("a", b"shutdown bye")
    row = system.wait_status("a", "stopped")
    assert row["pid"] is None
    with pytest.raises(NotDelivered, match="stopped: a is stopped"):
        system.send("a", b"echo")
    assert system.request("b", b"echo on") == b"on"
    system.start_child("a")
    assert system.request("a", b"echo again") == b"again"
    theater.note(system)


def test_a_temporary_actor_that_crashes_is_failed(theater: Theater) -> None:
    system = theater.up(actor("a", extra='restart = "temporary"\n'), actor("b"))
    system.send("a", b"trap")
    assert system.wait_status("a", "failed")["reason"].startswith("trap")


def test_a_supervisor_gives_up_after_too_many_restarts_and_the_system_says_why(
    theater: Theater,
) -> None:
    system = theater.up(actor("a"), actor("b"), head="[supervisor]\nintensity = 2\nperiod = 60\n")
    launch = system._launch
    assert launch is not None
    system.send("a", b"trap")  # which is tried once more
    restarted(system, "a", incarnation=3)
    theater.note(system)
    system.send("a", b"trap")
    last = [event for event in launch.events(WAIT_S) if event["event"] == "ended"]
    assert last and last[0]["failed"]
    assert "intensity" in last[0]["reason"] or "restart" in last[0]["reason"]
    assert launch.process.wait(WAIT_S) == 1


def test_a_nested_supervisor_gives_up_and_is_restarted_by_the_one_above(theater: Theater) -> None:
    pool = '[[child]]\nname = "pool"\n[child.supervisor]\nintensity = 0\n' + actor("w1").replace(
        "[child", "[child.child"
    ).replace("[[child", "[[child")
    pool = pool.replace("[[child.child]]", "[[child.child]]")
    system = theater.up(pool, actor("b"))
    other = system.actor("b")["pid"]
    system.send("pool/w1", b"append x")
    assert system.request("pool/w1", b"get") == b"x"
    system.send("pool/w1", b"trap")
    restarted(system, "pool/w1")
    assert system.request("pool/w1", b"get") == b"x"
    assert system.actor("b")["pid"] == other
    theater.note(system)


def test_a_deaf_actor_is_killed_after_its_shutdown_time(theater: Theater) -> None:
    limits = "shutdown = 0.5\n[child.limits]\nfuel = 10_000_000_000_000\nturn_timeout = 600\n"
    system = theater.up(actor("deaf", extra=limits), actor("b"))
    system.send("deaf", b"loop")
    box = Path(system.data.boxes) / box_name("deaf", 1)
    eventually(lambda: 2 in read_box(box.read_bytes()).turns, "the turn to begin")
    assert system.stop("deaf")
    row = system.wait_status("deaf", "stopped")
    assert row["pid"] is None
    assert system.request("b", b"echo on") == b"on"


def test_a_start_that_fails_takes_the_system_down_with_the_reason(theater: Theater) -> None:
    theater.write(actor("ok"), actor("bad", extra='initial_state = "init-trap"\n'))
    with pytest.raises(Exception, match="bad") as caught:
        System.start(theater.manifest)
    assert "trap" in str(caught.value)


def test_a_start_that_hangs_is_killed_after_start_timeout(theater: Theater) -> None:
    limits = (
        'initial_state = "init-loop"\n[child.limits]\nfuel = 10_000_000_000_000\n'
        "start_timeout = 0.5\nturn_timeout = 600\n"
    )
    theater.write(actor("bad", extra=limits))
    with pytest.raises(Exception, match="bad"):
        System.start(theater.manifest)


def test_a_shutdown_in_init_is_ignore(theater: Theater) -> None:
    system = theater.up(actor("a", extra='initial_state = "init-shutdown"\n'), actor("b"))
    assert system.actor("a")["status"] == "stopped"
    assert system.request("b", b"echo on") == b"on"
