"""What an incarnation begins with: the last state, or `init` as on the first day."""

from __future__ import annotations

import os
import signal

import pytest

from tests.real.conftest import Theater, actor, kill_worker
from tests.waiting import eventually
from theater.client import System
from theater.errors import Refused

INIT = 'on_restart = "init"\ninitial_state = "first"\n'


def state(system: System, name: str) -> bytes:
    """What it answers, once it runs."""
    system.wait_status(name, "running")
    return system.request(name, b"get")


def reasons(system: System, name: str) -> list[str]:
    rows = system.log.events(actors=[name])
    events = [row.event for row in rows]
    return [event.payload["reason"] for event in events if event.type == "reinitialised"]


def test_with_init_every_incarnation_after_the_first_begins_anew_whatever_ended_the_last(
    theater: Theater,
) -> None:
    head = '[supervisor]\nstrategy = "one_for_all"'
    system = theater.up(actor("a", extra=INIT), actor("b"), head=head)
    assert reasons(system, "a") == []
    for round, ended in enumerate(("killed", "in a group", "by hand", "with the system")):
        system.send("a", b"set other")
        system.send("b", b"set kept")
        assert (state(system, "a"), state(system, "b")) == (b"other", b"kept")
        match ended:
            case "killed":
                kill_worker(system, "a")
            case "in a group":
                kill_worker(system, "b")
            case "by hand":
                system.restart("a")
            case _:
                system.close()
                system = theater.up()
        assert state(system, "a") == b"first", f"it had ended {ended}"
        assert state(system, "b") == b"kept"
        assert reasons(system, "a") == ["on_restart"] * (round + 1)
    assert reasons(system, "b") == []
    theater.note(system)


def test_restart_with_init_is_once_and_keeps_what_waits(theater: Theater) -> None:
    system = theater.up(actor("a", extra='initial_state = "first"\nshutdown = "brutal_kill"\n'))
    system.request("a", b"set bad")
    os.kill(system.actor("a")["pid"], signal.SIGSTOP)
    system.send_many("a", [b"append +1", b"append +2"])
    assert system.restart("a", init=True) == "running"
    assert state(system, "a") == b"first+1+2"
    kill_worker(system, "a")
    assert state(system, "a") == b"first+1+2"
    assert reasons(system, "a") == ["operator"]
    account = system.why_restarted("a")
    assert account is not None and account.incarnation == 3


def test_a_message_that_kills_an_actor_that_begins_anew_is_set_aside_in_the_end(
    theater: Theater,
) -> None:
    limits = "limits = { turn_timeout = 0.2, max_deliveries = 2, fuel = 1_000_000_000_000 }\n"
    system = theater.up(actor("a", extra=INIT + limits))
    system.send("a", b"loop")
    eventually(system.dead_letters, "it to be set aside")
    assert state(system, "a") == b"first"
    (letter,) = system.dead_letters()
    assert letter.reason.endswith("delivered 2 times")
    theater.note(system)


def test_an_init_that_fails_is_a_failed_start_and_is_done_again(theater: Theater) -> None:
    system = theater.up(actor("a", extra='initial_state = "first"\n'))
    theater.write(actor("a", extra='initial_state = "init-trap"\n'))
    system.reload()
    with pytest.raises(Refused, match="failed to start: trap"):
        system.restart("a", init=True)
    theater.write(actor("a", extra='initial_state = "second"\n'))
    system.reload()
    assert system.start_child("a") == "running"
    assert state(system, "a") == b"second"
    assert reasons(system, "a") == ["operator"]
    theater.note(system)


def test_a_reload_changes_it_and_nothing_is_restarted(theater: Theater) -> None:
    system = theater.up(actor("a", extra='initial_state = "first"\n'))
    system.send("a", b"set other")
    theater.write(actor("a", extra=INIT))
    (change,) = system.reload()
    assert change["fields"] == {"on_restart": ["resume", "init"]} and change["at_once"]
    assert state(system, "a") == b"other" and system.actor("a")["incarnation"] == 1
    kill_worker(system, "a")
    assert state(system, "a") == b"first"
    theater.note(system)
