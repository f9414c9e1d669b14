"""Timers of real actors, through the deaths of whomever."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.real.conftest import Theater, actor, kill_everything, kill_worker
from tests.real.test_broker_dies import kill_broker
from tests.waiting import eventually
from theater.client import System

TIMER = '\n[[child.handler]]\ntype = "timer"\n'
LATER = 3_600_000  # ms; nothing that is tested comes so late


def clock(name: str = "a", extra: str = "", **settings: int) -> str:
    more = "".join(f"{key} = {value}\n" for key, value in settings.items())
    return actor(name, "clock.wat", extra=extra) + TIMER + more


def ticks(system: System, name: str = "a") -> list[str]:
    """The timers whose ticks it has handled, as its state has them."""
    state = system.log.state(name) or b""
    return state.decode().split(",")[:-1]


def count(system: System, timer: str, at_least: int) -> None:
    eventually(lambda: ticks(system).count(timer) >= at_least, f"{at_least} ticks of {timer}")


def rows(system: System) -> list[str]:
    return [name for (name,) in system.log.query("SELECT name FROM timers ORDER BY name")]


def statuses(system: System) -> set[str]:
    return {row[0] for row in system.log.query("SELECT status FROM messages WHERE kind = 'tick'")}


def test_an_interval_ticks_until_it_is_cleared_and_a_timeout_once(theater: Theater) -> None:
    system = theater.up(clock())
    assert system.request("a", b"i 20 x\nt 30 y\nt %d z" % LATER) == b""
    count(system, "x", 5)
    count(system, "y", 1)
    assert rows(system) == ["x", "z"]
    system.request("a", b"c x")
    before = ticks(system)
    system.request("a", b"t 50 w")
    count(system, "w", 1)
    assert ticks(system) == [*before, "w"] and before.count("y") == 1
    assert rows(system) == ["z"]


def test_the_clock_is_the_machines_and_is_recorded(theater: Theater) -> None:
    system = theater.up(clock())
    now_ms = int(system.request("a", b"n"))
    (at,) = system.log.query("SELECT max(at) FROM events WHERE function = 'now'")[0]
    assert abs(at - now_ms / 1000) < 60


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (b"i 9 x", b"refused: an interval of 9 ms; 10 ms is the shortest"),
        (b"i 0 x", b"refused: an interval of 0 ms; 10 ms is the shortest"),
        (b"t 9007199254740992 x", b"refused: 9007199254740992 ms are too long; 900719925474099"),
        (b"i 18446744073709551615 x", b"refused: 18446744073709551615 ms are too long; "),
        (b"t 1 ", b"refused: the name of a timer has 1 to 255 bytes, and not 0"),
        (b"t 1 " + b"x" * 256, b"refused: the name of a timer has 1 to 255 bytes, and not 256"),
    ],
)
def test_what_may_not_be_set_is_an_error(theater: Theater, command: bytes, error: bytes) -> None:
    system = theater.up(clock())
    assert system.request("a", command).startswith(error)
    assert rows(system) == []


def test_the_number_of_timers_is_bounded_and_what_is_over_makes_room(theater: Theater) -> None:
    system = theater.up(clock(max_timers=2))
    full = b"refused: there are 2 timers, and max_timers is 2"
    assert system.request("a", b"t %d x\nt %d y\nt %d z" % (LATER, LATER, LATER)) == full
    assert rows(system) == ["x", "y"]
    assert system.request("a", b"i %d x\nc y\nt 0 z" % LATER) == b""
    count(system, "z", 1)
    kill_worker(system, "a")
    assert system.request("a", b"t %d y\nt %d z" % (LATER, LATER)) == full


def test_they_outlive_worker_broker_and_everything(theater: Theater) -> None:
    system = theater.up(clock())
    system.request("a", b"i 25 x\nt %d z" % LATER)
    seen = 0
    for who in ("worker", "broker", "everything", "stop", "down", "worker"):
        count(system, "x", seen := seen + 3)
        match who:
            case "worker":
                kill_worker(system, "a")
            case "broker":
                kill_broker(system)
            case "everything":
                kill_everything(system)
                system = theater.up()
            case "stop":
                system.stop("a")
                system.start_child("a")
            case "down":
                system.close()
                system = theater.up()
        seen = max(seen, ticks(system).count("x"))
    count(system, "x", seen + 3)
    assert rows(system) == ["x", "z"]
    assert system.log.query("SELECT * FROM dead_letters") == []
    theater.note(system)


def test_a_timeout_that_came_due_while_all_was_down_goes_off_once(theater: Theater) -> None:
    system = theater.up(clock())
    system.request("a", b"t 400 x\nt %d z" % LATER)
    kill_everything(system)
    (due_at,) = system.log.query("SELECT due_at FROM timers WHERE name = 'x'")[0]
    eventually(lambda: time.time() > due_at, "it to be due")
    assert ticks(system) == []
    system = theater.up()
    count(system, "x", 1)
    kill_everything(system)
    system = theater.up()
    system.request("a", b"t 0 y")
    count(system, "y", 1)
    assert ticks(system) == ["x", "y"] and rows(system) == ["z"]


def test_ticks_that_a_busy_actor_missed_become_one(theater: Theater) -> None:
    system = theater.up(clock(extra='shutdown = "brutal_kill"\n'))
    system.request("a", b"i 20 x")
    count(system, "x", 1)
    pid = system.actor("a")["pid"]
    os.kill(pid, signal.SIGSTOP)
    waiting = "SELECT count(*) FROM messages WHERE kind = 'tick' AND status = 'queued'"
    eventually(lambda: system.log.query(waiting) == [(1,)], "one to wait")
    last = "SELECT max(id) FROM messages WHERE kind = 'tick'"
    before = system.log.query(last)
    system.send("a", b"c x")  # behind the tick
    assert system.log.query(waiting) == [(1,)]
    os.kill(pid, signal.SIGCONT)
    eventually(lambda: rows(system) == [], "it to be cleared")
    assert system.log.query(last)[0][0] <= before[0][0] + 1


def test_a_cleared_timer_leaves_no_tick_even_if_its_worker_has_much_in_hand(
    theater: Theater,
) -> None:
    system = theater.up(clock())
    system.request("a", b"i 10 x")
    os.kill(system.actor("a")["pid"], signal.SIGSTOP)
    eventually(lambda: system.log.query("SELECT 1 FROM messages WHERE status = 'queued'"), "a tick")
    system.send_many("a", [b"c x", *[b"t %d y" % LATER] * 300])
    os.kill(system.actor("a")["pid"], signal.SIGCONT)
    eventually(lambda: rows(system) == ["y"], "all of it to be done")
    before = ticks(system)
    system.request("a", b"t 40 z")
    count(system, "z", 1)
    assert ticks(system) == [*before, "z"]
    assert statuses(system) <= {"done", "cleared"}


def test_beginning_anew_clears_them(theater: Theater) -> None:
    system = theater.up(clock(extra='on_restart = "init"\ninitial_state = "s,"\n'))
    system.request("a", b"i 20 x\nt %d z" % LATER)
    count(system, "x", 2)
    kill_worker(system, "a")
    system.request("a", b"t 60 y")
    count(system, "y", 1)
    assert ticks(system) == ["s", "y"] and rows(system) == []
    theater.note(system)


def test_removal_takes_them_along(theater: Theater) -> None:
    system = theater.up(clock("a"), actor("b"))
    more = theater.directory / "more.toml"
    more.write_text(clock("c"))
    system.add_child(more)
    system.request("c", b"i 20 x\nt %d z" % LATER)
    count_of = "SELECT count(*) FROM timers"
    assert system.log.query(count_of) == [(2,)]
    system.stop("c")
    system.delete_child("c")
    eventually(lambda: system.log.query(count_of) == [(0,)], "them to go")
    assert system.dead_letters() == []
    system.request("a", b"t %d z" % LATER)
    system.close()
    theater.write(actor("b"))
    system = theater.up()
    assert system.log.query(count_of) == [(0,)]


def test_of_an_actor_that_failed_they_stand(theater: Theater) -> None:
    system = theater.up(clock(extra='restart = "temporary"\n'), actor("b"))
    system.request("a", b"i 20 x")
    count(system, "x", 1)
    os.kill(system.actor("a")["pid"], signal.SIGKILL)
    system.wait_status("a", "failed")
    seen = "SELECT max(id) FROM messages"
    before = system.log.query(seen)
    for _ in range(10):
        system.request("b", b"echo on")
    waiting = "SELECT count(*) FROM messages WHERE kind = 'tick' AND status = 'queued'"
    assert system.log.query(waiting)[0][0] <= 1
    ours = "SELECT count(*) FROM messages WHERE kind = 'tick' AND id > ?"
    assert system.log.query(ours, before[0][0])[0][0] <= 1
    done = ticks(system).count("x")
    system.start_child("a")
    count(system, "x", done + 3)
    assert system.dead_letters() == []


def test_a_tick_that_traps_is_a_dead_letter_and_the_timer_goes_on(theater: Theater) -> None:
    system = theater.up(clock(), head="[supervisor]\nintensity = 1000\nperiod = 1\n")
    system.request("a", b"t 10 trap\ni 30 x")
    (letter,) = eventually(system.dead_letters, "the dead letter")
    assert letter.kind == "tick" and letter.sender is None and letter.reason.startswith("trap: ")
    count(system, "x", 2)
    assert rows(system) == ["x"]
    again = system.retry_dead(letter.id)
    assert again
    eventually(
        lambda: len(system.dead_letters()) == 1 and system.dead_letters()[0].id != letter.id,
        "it to be dead again",
    )
    theater.note(system)


def test_an_open_turn_of_a_tick_is_carried_on(theater: Theater) -> None:
    system = theater.up(
        clock(extra="request_timeout = 600\n"), actor("b", extra='shutdown = "brutal_kill"\n')
    )
    os.kill(system.actor("b")["pid"], signal.SIGSTOP)
    system.request("a", b"i 20 ask b")
    eventually(lambda: system.log.query("SELECT 1 FROM asks WHERE status = 'open'"), "the ask")
    kill_worker(system, "a")
    kill_broker(system)
    os.kill(system.actor("b")["pid"], signal.SIGCONT)
    count(system, "ask b", 3)
    system.request("a", b"c ask b")
    carried = system.log.query("SELECT count(*) FROM events WHERE type = 'carried-on'")
    assert carried == [(1,)]
    theater.note(system)


def test_without_the_grant_it_does_not_start(theater: Theater) -> None:
    from theater.errors import TheaterError

    with pytest.raises(TheaterError, match="theater:simple/timer, which the manifest does not"):
        theater.up(actor("a", "clock.wat"))
