"""A pool is given a number of instances."""

from __future__ import annotations

import pytest

from tests.supervisor.policy_simulation import (
    Simulation,
    actor,
    flat,
    pool,
    supervisor,
    work,
    workers,
)
from theater.supervisor.policy import (
    AddChild,
    Decision,
    ExitKind,
    Phase,
    Removed,
    Scale,
    Start,
    StartInstance,
    StopChild,
)
from theater.supervisor.policy import Shutdown as ShutdownAll

CRASH, NORMAL = ExitKind.CRASH, ExitKind.NORMAL


def test_more_are_started_one_after_the_other() -> None:
    sim = workers(1)
    assert work(sim.send(Scale("", 3, 1))) == ["spawn w-2 1"]
    assert work(sim.ready("w-2")) == ["spawn w-3 1"]
    assert work(sim.ready("w-3")) == ["ok 1: 3 instances"]
    (decided,) = sim.decisions(Decision.OPERATOR)
    assert (decided.subject, decided.detail) == (
        "",
        {"call": "scale", "instances": 3, "before": 1},
    )


def test_fewer_means_that_the_youngest_are_stopped_all_at_once_and_forgotten() -> None:
    sim = workers(4)
    assert work(sim.send(Scale("", 1, 1))) == ["ask w-4 1", "ask w-3 1", "ask w-2 1"]
    sim.obey("w-3")
    sim.obey("w-2")
    assert work(sim.obey("w-4")) == ["ok 1: 1 instance"]
    removed = [action.child for action in sim.actions if isinstance(action, Removed)]
    assert removed == ["w-3", "w-2", "w-4"]
    assert list(sim.state.children) == ["", "w-1"]


def test_the_youngest_is_the_one_that_was_started_last_whatever_its_number() -> None:
    sim = workers(3)
    sim.send(StopChild("w-1"))
    sim.obey("w-1")
    sim.send(Scale("", 3))
    assert list(sim.live) == ["w-2", "w-3", "w-1"]
    sim.settle()
    assert work(sim.send(Scale("", 2))) == ["ask w-1 2"]


def test_a_pool_can_be_scaled_to_nothing_and_back() -> None:
    sim = workers(2)
    sim.send(Scale("", 0, 1))
    sim.settle()
    assert sim.replies[1].text == "0 instances"
    assert (list(sim.state.children), sim.ended) == ([""], None)
    sim.send(Scale("", 2, 2))
    sim.settle()
    assert [sim.row(path).incarnation for path in ("w-1", "w-2")] == [2, 2]


def test_the_same_number_changes_nothing() -> None:
    sim = workers(2)
    assert work(sim.send(Scale("", 2, 1))) == ["ok 1: 2 instances, as before"]


def test_the_lowest_free_numbers_are_used_but_never_for_a_single_new_instance() -> None:
    sim = workers(4)
    for path in ("w-1", "w-3"):
        sim.send(StopChild(path))
        sim.obey(path)
    sim.send(StartInstance(""))
    sim.settle()
    assert list(sim.live) == ["w-2", "w-4", "w-5"]
    sim.send(Scale("", 6))
    sim.settle()
    assert list(sim.live) == ["w-2", "w-4", "w-5", "w-1", "w-3", "w-6"]
    assert [sim.row(path).incarnation for path in ("w-1", "w-3", "w-6")] == [2, 2, 1]
    assert work(sim.send(StartInstance("", (), 1))) == ["spawn w-7 1"]


def test_numbers_of_an_earlier_run_are_free_for_scaling_only() -> None:
    sim = Simulation(pool(actor("w"), 1), {"w-2": 5, "w-9": 1}).begin()
    assert work(sim.send(Scale("", 2, 1))) == ["spawn w-2 6"]
    sim.ready("w-2")
    assert work(sim.send(StartInstance("", (), 2))) == ["spawn w-10 1"]


def test_new_ones_have_no_arguments_of_their_own() -> None:
    sim = Simulation(pool(actor("w", args=("t",)), 0)).begin()
    sim.send(StartInstance("", ("mine",)))
    sim.settle()
    sim.send(Scale("", 0))
    sim.settle()
    sim.send(Scale("", 1))
    sim.settle()
    assert sim.actor("w-1").args == ("t",)


@pytest.mark.parametrize("first", [0, 4])
def test_what_fails_to_start_ends_it_and_the_rest_is_forgotten(first: int) -> None:
    sim = workers(first, intensity=0)
    if first:
        sim.send(Scale("", 0))
        sim.settle()
    sim.send(Scale("", 4, 1))
    sim.ready("w-1")
    assert work(sim.exit("w-2", CRASH, "no")) == ["no 1: w-2: failed to start: no"]
    assert list(sim.state.children) == ["", "w-1"], "also what the manifest lists"
    sim.send(Scale("", 3, 2))
    sim.settle()
    assert list(sim.live) == ["w-1", "w-2", "w-3"]


def test_one_with_nothing_to_run_is_forgotten_and_the_others_are_started() -> None:
    sim = workers(0)
    sim.send(Scale("", 3, 1))
    sim.ready("w-1")
    assert work(sim.exit("w-2", NORMAL, "nothing", ignored=True)) == ["spawn w-3 1"]
    assert work(sim.ready("w-3")) == ["ok 1: 3 instances"]
    assert list(sim.live) == ["w-1", "w-3"]


def test_one_that_is_stopped_while_it_starts_does_not_stop_the_others() -> None:
    sim = workers(0)
    sim.send(Scale("", 3, 1))
    sim.ready("w-1")
    assert work(sim.send(StopChild("w-2", 2))) == [
        "no 1: it was stopped while it started",
        "ask w-2 1",
    ]
    assert work(sim.obey("w-2")) == ["ok 2: stopped", "spawn w-3 1"]
    sim.ready("w-3")
    assert list(sim.live) == ["w-1", "w-3"]


def test_what_is_to_be_started_can_be_seen_and_its_stop_waits_for_its_start() -> None:
    sim = workers(0)
    sim.send(Scale("", 2, 1))
    assert [row.path for row in sim.rows()] == ["w-1", "w-2"]
    assert work(sim.send(StopChild("w-2", 2))) == []
    sim.ready("w-1")
    assert work(sim.ready("w-2")) == ["ok 1: 2 instances", "ask w-2 1"]


def test_the_dead_and_those_that_are_tried_again_are_instances_too() -> None:
    sim = workers(3, intensity=9)
    sim.exit("w-1")
    sim.exit("w-3")
    sim.send(Scale("", 2, 1))
    sim.exit("w-1")
    assert work(sim.ready("w-3")) == ["ask w-3 2"], "w-1 is tried again after this"
    assert work(sim.obey("w-3")) == ["ok 1: 2 instances", "spawn w-1 3"]


def test_a_dead_one_that_is_scaled_away_is_not_restarted() -> None:
    sim = workers(3)
    sim.exit("w-1")
    sim.send(Scale("", 2, 1))
    sim.exit("w-3")
    assert work(sim.ready("w-1")) == ["ok 1: 2 instances"]
    assert list(sim.state.children) == ["", "w-1", "w-2"]
    assert sim.supervisor_row("").left == 2


def test_a_shutdown_ends_it() -> None:
    sim = workers(1)
    sim.send(Scale("", 4, 1))
    assert work(sim.send(ShutdownAll())) == [
        "no 1: its supervisor is stopping",
        "ask w-2 1",
        "ask w-1 1",
    ]
    assert [row.path for row in sim.rows()] == ["w-1", "w-2"], "the others were never there"
    sim.obey("w-1")
    assert work(sim.obey("w-2")) == ["ended: shut down"]


def test_a_shutdown_while_some_are_stopped_waits_for_all() -> None:
    sim = workers(3)
    sim.send(Scale("", 1, 1))
    assert work(sim.send(ShutdownAll())) == ["no 1: its supervisor is stopping", "ask w-1 1"]
    sim.obey("w-3")
    sim.obey("w-1")
    assert work(sim.obey("w-2")) == ["ended: shut down"]


def test_a_pool_that_begins_anew_has_the_number_of_the_manifest() -> None:
    sim = Simulation(supervisor("", pool(actor("p/w"), 2, intensity=0))).begin()
    for count in (4, 1):
        sim.send(Scale("p", count))
        sim.settle()
        sim.exit("p/w-1")
        sim.settle()
        assert list(sim.live) == ["p/w-1", "p/w-2"]


def test_a_pool_of_supervisors_is_scaled_like_any_other() -> None:
    sim = Simulation(pool(supervisor("w", actor("w/x"), actor("w/y")), 1)).begin()
    assert work(sim.send(Scale("", 3, 1))) == ["spawn w-2/x 1"]
    assert work(sim.ready("w-2/x")) == ["spawn w-2/y 1"]
    assert work(sim.ready("w-2/y")) == ["spawn w-3/x 1"]
    sim.ready("w-3/x")
    assert work(sim.exit("w-3/y", CRASH, "no")) == ["ask w-3/x 1"]
    assert work(sim.obey("w-3/x")) == ["no 1: w-3: failed to start: w-3/y failed to start: no"]
    assert work(sim.send(Scale("", 0, 2))) == ["ask w-2/y 1", "ask w-1/y 1"]
    sim.settle()
    assert list(sim.state.children) == [""]


def test_an_instance_that_comes_back_begins_a_new_life() -> None:
    sim = Simulation(pool(supervisor("w", actor("w/x")), 1)).begin()
    sim.send(AddChild("w-1", actor("w-1/mine")))
    sim.settle()
    sim.exit("w-1/x")
    sim.settle()
    assert (sim.row("w-1/x").incarnation, sim.row("w-1/x").reason) == (2, "it ended: crash")
    sim.send(Scale("", 0))
    sim.settle()
    sim.send(Scale("", 1, 1))
    assert [(row.path, row.incarnation, row.reason) for row in sim.rows()] == [("w-1/x", 3, "")]
    assert work(sim.ready("w-1/x")) == ["ok 1: 1 instance"]


def test_only_a_pool_can_be_scaled_and_not_beyond_what_an_address_holds() -> None:
    sim = flat("a").begin()
    sim.send(Scale("", 3, 1))
    sim.send(Scale("a", 3, 2))
    assert [sim.replies[number].code for number in (1, 2)] == ["not_a_pool", "not_found"]
    sim = Simulation(pool(actor("w" * 253), 0)).begin()
    sim.send(Scale("", 10, 1))
    assert "256 bytes" in sim.replies[1].text


def test_a_scale_waits_until_the_pool_is_up() -> None:
    sim = Simulation(pool(actor("w"), 2))
    sim.send(Start())
    assert work(sim.send(Scale("", 1, 1))) == []
    sim.ready("w-1")
    assert work(sim.ready("w-2")) == ["ask w-2 1"]
    assert sim.supervisor_row("").phase is Phase.RUNNING
