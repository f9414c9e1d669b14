"""A supervisor comes up: order, failures, ignore, start timeout."""

from __future__ import annotations

import pytest

from tests.supervisor.policy_simulation import (
    Simulation,
    actor,
    flat,
    supervisor,
    work,
)
from theater.supervisor.policy import (
    Decision,
    ExitKind,
    ForkLost,
    Phase,
    Ready,
    Start,
    StartChild,
    StopChild,
    Unspawnable,
)
from theater.supervisor.policy import Shutdown as ShutdownAll

CRASH, NORMAL = ExitKind.CRASH, ExitKind.NORMAL


def test_children_are_started_one_after_the_other_in_manifest_order() -> None:
    sim = Simulation(supervisor("", actor("a"), supervisor("p", actor("p/x")), actor("b")))
    assert work(sim.send(Start())) == ["spawn a 1"]
    assert work(sim.ready("a")) == ["spawn p/x 1"]
    assert sim.supervisor_row("p").phase is Phase.STARTING
    assert work(sim.ready("p/x")) == ["spawn b 1"]
    assert sim.supervisor_row("p").phase is Phase.RUNNING
    assert sim.supervisor_row("").phase is Phase.STARTING
    assert work(sim.ready("b")) == []
    assert sim.supervisor_row("").phase is Phase.RUNNING


def test_who_waits_for_its_first_start_counts_as_starting() -> None:
    # Its mailbox collects what the ones before it send in their init.
    sim = Simulation(supervisor("", actor("a"), supervisor("p", actor("p/x"))))
    sim.send(Start())
    assert sim.row("p/x").phase is Phase.STARTING


def test_a_tree_without_actors_is_up_at_once() -> None:
    sim = Simulation(supervisor("", supervisor("p", supervisor("p/q"))))
    sim.send(Start())
    assert {sim.supervisor_row(path).phase for path in ("", "p", "p/q")} == {Phase.RUNNING}
    assert work(sim.send(ShutdownAll())) == ["ended: shut down"]


def test_a_second_start_changes_nothing() -> None:
    sim = flat("a")
    sim.send(Start())
    assert work(sim.send(Start())) == []


def test_incarnations_go_on_from_the_last_run() -> None:
    sim = Simulation(supervisor("", actor("a"), actor("b")), {"a": 7})
    assert work(sim.send(Start())) == ["spawn a 8"]
    assert work(sim.ready("a")) == ["spawn b 1"]


def test_a_failed_first_start_is_not_retried_and_stops_the_others_in_reverse() -> None:
    # OTP: {error, {shutdown, {failed_to_start_child, c, Reason}}} (E10)
    sim = flat("a", "b", "c", "d")
    sim.send(Start())
    sim.ready("a")
    sim.ready("b")
    assert work(sim.exit("c", CRASH, "no component")) == ["ask b 1"]
    assert work(sim.obey("b")) == ["ask a 1"]
    assert work(sim.obey("a")) == ["failed: c failed to start: no component"]
    assert [sim.row(path).phase for path in "abcd"] == [
        Phase.STOPPED,
        Phase.STOPPED,
        Phase.FAILED,
        Phase.STOPPED,
    ]


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
def test_a_failed_first_start_does_not_ask_for_the_restart_type(restart: str) -> None:
    sim = Simulation(supervisor("", actor("a", restart)))
    sim.send(Start())
    assert work(sim.exit("a", NORMAL, "end")) == ["failed: a failed to start: end"]


def test_a_nested_supervisor_that_does_not_come_up_is_a_failed_start_of_that_child() -> None:
    sim = Simulation(
        supervisor("", actor("a"), supervisor("p", actor("p/x"), actor("p/y")), actor("b"))
    )
    sim.send(Start())
    sim.ready("a")
    sim.ready("p/x")
    assert work(sim.exit("p/y", CRASH, "boom")) == ["ask p/x 1"]
    assert work(sim.obey("p/x")) == ["ask a 1"]
    assert work(sim.obey("a")) == [
        "failed: p failed to start: p/y failed to start: boom",
    ]
    assert "b" not in sim.spawned()


def test_what_cannot_be_forked_is_a_failed_start() -> None:
    sim = flat("a")
    sim.send(Start())
    assert work(sim.send(Unspawnable("a", 1, "no memory"))) == [
        "failed: a failed to start: no memory"
    ]


def test_a_lost_fork_is_asked_for_again_under_a_new_number_and_not_counted() -> None:
    sim = flat("a", intensity=0)
    sim.send(Start())
    assert work(sim.send(ForkLost("a", 1))) == ["spawn a 2"]
    assert work(sim.send(Ready("a", 1))) == []
    assert sim.row("a").phase is Phase.STARTING
    sim.ready("a")
    assert sim.row("a").restarts == 0


def test_a_lost_fork_of_a_child_that_is_being_stopped_is_its_end() -> None:
    sim = flat("a")
    sim.send(Start())
    assert work(sim.send(ShutdownAll())) == ["ask a 1"]
    assert work(sim.send(ForkLost("a", 1))) == ["ended: shut down"]


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
def test_ignore_keeps_the_child_as_stopped_and_the_start_goes_on(restart: str) -> None:
    sim = Simulation(supervisor("", actor("a", restart), actor("b")))
    sim.send(Start())
    assert work(sim.exit("a", NORMAL, "nothing to do", ignored=True)) == ["spawn b 1"]
    sim.ready("b")
    assert sim.row("a").phase is Phase.STOPPED
    dropped = restart == "temporary"
    assert work(sim.send(StopChild("a", 1))) == (
        ["no 1: it is temporary and has ended"] if dropped else ["ok 1: it was not running"]
    )
    assert work(sim.send(StartChild("a", 2))) == ["spawn a 2"]


def test_ignore_during_a_restart_ends_the_attempts() -> None:
    sim = flat("a").begin()
    assert work(sim.exit("a")) == ["spawn a 2"]
    assert work(sim.exit("a", NORMAL, "nothing to do", ignored=True)) == []
    assert sim.row("a").phase is Phase.STOPPED
    assert sim.supervisor_row("").left == 2


def test_who_is_not_ready_in_time_is_killed_and_that_is_a_failed_start() -> None:
    sim = Simulation(supervisor("", actor("a"), actor("b", start_s=4.0)))
    sim.send(Start())
    sim.ready("a")
    assert work(sim.wait(3.9)) == []
    assert work(sim.wait(0.2)) == ["kill b 1"]
    (decided,) = sim.decisions(Decision.KILL)
    assert decided.detail == {"incarnation": 1, "why": "not ready within 4 s"}
    assert work(sim.ready("b")) == [], "too late"
    assert work(sim.exit("b", CRASH, "signal 9")) == ["ask a 1"]
    assert work(sim.obey("a")) == ["failed: b failed to start: not ready within 4 s"]
