"""A pool in the manifest has changed: its template, the number of its instances."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.supervisor.policy_simulation import Simulation, actor, pool, supervisor, work, workers
from theater.supervisor.policy import (
    AddChild,
    Decision,
    ExitKind,
    Phase,
    Reload,
    RestartChild,
    Scale,
    StartChild,
    StartInstance,
    StopChild,
)

CRASH, NORMAL = ExitKind.CRASH, ExitKind.NORMAL


def test_a_template_holds_for_every_instance_from_its_next_start_on() -> None:
    sim = workers(2)
    sim.send(StartInstance("", ("mine",)))
    sim.settle()
    assert work(sim.send(Reload(pool(actor("w", args=("x",)), 2), call=1))) == ["ok 1: reloaded"]
    assert [sim.actor(path).args for path in ("w-1", "w-2", "w-3")] == [
        ("x",),
        ("x",),
        ("x", "mine"),
    ]
    assert [decided.subject for decided in sim.decisions(Decision.RELOADED)] == [
        "",
        "w-1",
        "w-2",
        "w-3",
    ]
    sim.send(StartInstance("", (), 2))
    assert sim.actor("w-4").args == ("x",)


def test_a_restart_type_of_the_template_holds_at_once() -> None:
    sim = workers(2)
    sim.send(Reload(pool(actor("w", "temporary"), 2)))
    assert work(sim.exit("w-1", CRASH)) == []
    assert list(sim.state.children) == ["", "w-2"]


def test_more_instances_are_started_and_fewer_are_kept_unless_pruned() -> None:
    sim = workers(2)
    assert work(sim.send(Reload(pool(actor("w"), 4), call=1))) == ["spawn w-3 1"]
    assert work(sim.ready("w-3")) == ["spawn w-4 1"]
    assert work(sim.ready("w-4")) == ["ok 1: reloaded"]
    assert work(sim.send(Reload(pool(actor("w"), 1), call=2))) == ["ok 2: reloaded"]
    assert len(sim.live) == 4
    assert work(sim.send(Reload(pool(actor("w"), 1), prune=True, call=3))) == ["ask w-4 1"]
    assert work(sim.obey("w-4")) == ["ask w-3 1"]
    assert work(sim.obey("w-3")) == ["ask w-2 1"]
    assert work(sim.obey("w-2")) == ["ok 3: reloaded"]
    assert list(sim.state.children) == ["", "w-1"]


def test_what_operators_started_is_never_pruned() -> None:
    sim = workers(1)
    sim.send(StartInstance(""))
    sim.settle()
    sim.send(Scale("", 4))
    sim.settle()
    assert work(sim.send(Reload(pool(actor("w", args=("x",)), 0), prune=True, call=1))) == [
        "ask w-1 1"
    ]
    assert work(sim.obey("w-1")) == ["ok 1: reloaded"]
    assert list(sim.live) == ["w-2", "w-3", "w-4"]


def test_a_number_that_a_reload_has_used_is_not_used_by_the_next_single_instance() -> None:
    sim = workers(1)
    sim.send(StartInstance(""))
    sim.settle()
    sim.send(Reload(pool(actor("w"), 4)))
    sim.settle()
    assert sorted(sim.live) == ["w-1", "w-2", "w-3", "w-4"]
    assert work(sim.send(StartInstance("", (), 1))) == ["spawn w-5 1"]


def test_an_instance_started_by_hand_becomes_the_manifests_and_loses_its_arguments() -> None:
    sim = workers(1)
    sim.send(StartInstance("", ("mine",)))
    sim.settle()
    assert work(sim.send(Reload(pool(actor("w"), 2), call=1))) == ["ok 1: reloaded"]
    assert sim.row("w-2").incarnation == 1
    assert sim.actor("w-2").args == ()
    assert work(sim.send(Reload(pool(actor("w"), 1), prune=True, call=2))) == ["ask w-2 1"]


def test_an_instance_that_was_stopped_or_has_ended_comes_back_if_the_manifest_lists_it() -> None:
    sim = workers(3, "transient")
    sim.send(StopChild("w-1"))
    sim.obey("w-1")
    sim.exit("w-3", NORMAL)
    new = pool(actor("w", "transient"), 3)
    assert work(sim.send(Reload(new, call=1))) == ["spawn w-1 2"]
    assert work(sim.ready("w-1")) == ["spawn w-3 2"]
    assert work(sim.ready("w-3")) == ["ok 1: reloaded"]


def test_an_instance_that_does_not_come_up_is_named_and_forgotten() -> None:
    sim = workers(1)
    sim.send(Reload(pool(actor("w"), 3), call=1))
    assert work(sim.exit("w-2", CRASH, "no")) == ["spawn w-3 1"]
    assert work(sim.ready("w-3")) == ["no 1: w-2: failed to start: no"]
    assert sorted(sim.state.children) == ["", "w-1", "w-3"]


def test_a_template_of_another_name_makes_new_instances_and_the_old_ones_stay() -> None:
    sim = workers(1)
    sim.send(StartInstance(""))
    sim.settle()
    assert work(sim.send(Reload(pool(actor("v", args=("x",)), 1), call=1))) == ["spawn v-1 1"]
    sim.ready("v-1")
    assert sorted(sim.live) == ["v-1", "w-1", "w-2"]
    assert sim.actor("w-2").args == (), "they were made from another one"
    assert work(sim.send(StartInstance("", (), 2))) == ["spawn v-2 1"]


@pytest.mark.parametrize("first", [0, 1])
def test_another_template_is_there_even_if_no_instance_is(first: int) -> None:
    sim = workers(first)
    sim.send(Scale("", 0))
    sim.settle()
    sim.send(Reload(pool(actor("v"), 0), call=1))
    assert sim.replies[1].text == "reloaded"
    assert work(sim.send(StartInstance("", (), 2))) == ["spawn v-1 1"]


# A template that is a supervisor -----------------------------------------------------------


def test_flags_and_children_change_in_every_instance_also_in_those_started_by_hand() -> None:
    sim = Simulation(pool(supervisor("w", actor("w/x"), intensity=1), 1)).begin()
    sim.send(StartInstance("", ("mine",)))
    sim.settle()
    template = supervisor("w", actor("w/x", args=("1",)), actor("w/y"), intensity=5)
    assert work(sim.send(Reload(pool(template, 1), call=1))) == ["spawn w-1/y 1", "spawn w-2/y 1"]
    sim.ready("w-2/y")
    assert work(sim.ready("w-1/y")) == ["ok 1: reloaded"]
    assert [sim.supervisor_row(path).left for path in ("w-1", "w-2")] == [5, 5]
    assert [sim.actor(path).args for path in ("w-1/x", "w-2/x", "w-2/y")] == [
        ("1",),
        ("1", "mine"),
        ("mine",),
    ]


def test_what_is_missing_in_the_template_is_pruned_in_every_instance() -> None:
    sim = Simulation(pool(supervisor("w", actor("w/x"), actor("w/y")), 2)).begin()
    smaller = pool(supervisor("w", actor("w/x")), 2)
    assert work(sim.send(Reload(smaller, call=1))) == ["ok 1: reloaded"]
    assert len(sim.live) == 4
    assert work(sim.send(Reload(smaller, prune=True, call=2))) == ["ask w-1/y 1", "ask w-2/y 1"]
    sim.obey("w-1/y")
    assert work(sim.obey("w-2/y")) == ["ok 2: reloaded"]


def test_what_was_added_to_an_instance_by_hand_stays() -> None:
    sim = Simulation(pool(supervisor("w", actor("w/x")), 1)).begin()
    sim.send(AddChild("w-1", actor("w-1/mine")))
    sim.settle()
    template = supervisor("w", actor("w/x", args=("1",)))
    assert work(sim.send(Reload(pool(template, 1), prune=True, call=1))) == ["ok 1: reloaded"]
    assert "w-1/mine" in sim.live


def test_a_refusal_in_one_instance_is_one_for_all() -> None:
    sim = Simulation(pool(supervisor("w", actor("w/x")), 2)).begin()
    sim.send(AddChild("w-2", actor("w-2/y")))
    sim.settle()
    template = supervisor("w", actor("w/x", args=("1",)), supervisor("w/y"))
    sim.send(Reload(pool(template, 2), call=1))
    assert sim.replies[1].code == "refused"
    assert sim.actor("w-1/x").args == ()


# At other moments --------------------------------------------------------------------------


def test_a_pool_that_is_down_begins_with_the_new_number() -> None:
    inner = pool(actor("p/w"), 3)
    sim = Simulation(supervisor("", inner)).begin()
    sim.send(StopChild("p"))
    sim.settle()
    sim.send(Reload(supervisor("", pool(actor("p/w"), 1)), call=1))
    sim.send(StartChild("p"))
    sim.settle()
    assert list(sim.live) == ["p/w-1"]
    sim.send(Reload(supervisor("", pool(actor("p/w"), 2)), call=2))
    sim.settle()
    sim.send(RestartChild("p"))
    sim.settle()
    assert list(sim.live) == ["p/w-1", "p/w-2"]


def test_a_reload_and_a_scaling_do_not_get_into_each_others_way() -> None:
    sim = workers(1)
    sim.send(Scale("", 4, 1))
    sim.send(Reload(pool(actor("w"), 3), call=2))
    sim.ready("w-2")
    sim.ready("w-3")
    assert work(sim.ready("w-4")) == ["ok 1: 4 instances"]
    assert sim.replies[2].ok
    sim.send(Scale("", 1))
    sim.settle()
    assert {row.path: row.phase for row in sim.rows()} == {"w-1": Phase.RUNNING}
    sim.check_rest()


def test_a_scaling_that_fails_forgets_also_what_a_reload_has_made_its_own() -> None:
    sim = workers(0)
    sim.send(Scale("", 3, 1))
    sim.send(Reload(pool(actor("w"), 3), call=2))
    assert work(sim.exit("w-1", CRASH, "no")) == ["no 1: w-1: failed to start: no"]
    assert list(sim.state.children) == [""]
    assert work(sim.send(Scale("", 1, 3))) == ["spawn w-1 2"]


def test_an_instance_that_is_scaled_away_before_a_reload_gets_to_it_is_not_pruned_twice() -> None:
    sim = workers(3)
    sim.send(Scale("", 2))
    sim.send(Scale("", 1))
    sim.send(Reload(replace(pool(actor("w"), 1), intensity=9), prune=True, call=1))
    sim.settle()
    assert sim.replies[1].ok
    assert list(sim.live) == ["w-1"]
