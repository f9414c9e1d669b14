"""Children that are added and deleted while the system runs: start_child and delete_child."""

from __future__ import annotations

import pytest

from tests.supervisor.policy_simulation import Simulation, actor, flat, pool, supervisor, work
from theater.spec import AutoShutdown
from theater.supervisor.policy import (
    AddChild,
    AddChildren,
    Decision,
    DeleteChild,
    ExitKind,
    Phase,
    Removed,
    RestartChild,
    Start,
    StartChild,
    StopChild,
)
from theater.supervisor.policy import Shutdown as ShutdownAll

CRASH, NORMAL = ExitKind.CRASH, ExitKind.NORMAL


def removed(sim: Simulation) -> list[str]:
    return [action.child for action in sim.actions if isinstance(action, Removed)]


# Adding ------------------------------------------------------------------------------------


def test_an_added_child_is_the_last_in_the_order_and_the_first_to_be_stopped() -> None:
    sim = flat("a", "b").begin()
    assert work(sim.send(AddChild("", actor("new"), 1))) == ["spawn new 1"]
    assert work(sim.ready("new")) == ["ok 1: running"]
    assert [row.path for row in sim.rows()] == ["a", "b", "new"]
    assert work(sim.send(ShutdownAll())) == ["ask new 1"]


def test_an_added_supervisor_comes_up_with_all_under_it() -> None:
    sim = flat("a").begin()
    new = supervisor("p", actor("p/x"), supervisor("p/q", actor("p/q/y")))
    assert work(sim.send(AddChild("", new, 1))) == ["spawn p/x 1"]
    assert work(sim.send(AddChild("p", actor("p/z"), 2))) == []
    assert work(sim.ready("p/x")) == ["spawn p/q/y 1"]
    assert work(sim.ready("p/q/y")) == ["spawn p/z 1", "ok 1: running"]
    assert work(sim.ready("p/z")) == ["ok 2: running"]


def test_one_that_fails_to_start_is_forgotten_and_nobody_else_is_touched() -> None:
    # 1.7, X16
    sim = flat("a", "b", intensity=1).begin()
    sim.send(AddChild("", actor("new"), 1))
    assert work(sim.exit("new", CRASH, "no")) == ["no 1: failed to start: no"]
    assert removed(sim) == ["new"]
    assert [sim.row(path).incarnation for path in "ab"] == [1, 1]
    assert sim.supervisor_row("").left == 1
    assert work(sim.send(AddChild("", actor("new"), 2))) == ["spawn new 2"], "a new number"
    sim.ready("new")


def test_an_added_supervisor_that_does_not_come_up_is_forgotten_with_all_under_it() -> None:
    sim = flat("a").begin()
    sim.send(AddChild("", supervisor("p", actor("p/x"), actor("p/y"), actor("p/z")), 1))
    sim.ready("p/x")
    assert work(sim.exit("p/y", CRASH, "no")) == ["ask p/x 1"]
    assert work(sim.obey("p/x")) == ["no 1: failed to start: p/y failed to start: no"]
    assert set(removed(sim)) == {"p", "p/x", "p/y", "p/z"}
    assert list(sim.state.children) == ["", "a"]


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
def test_one_with_nothing_to_run_is_kept_unless_it_is_temporary(restart: str) -> None:
    sim = flat("a").begin()
    sim.send(AddChild("", actor("new", restart), 1))
    words = work(sim.exit("new", NORMAL, "nothing", ignored=True))
    assert words == ["ok 1: it has nothing to run"]
    assert removed(sim) == (["new"] if restart == "temporary" else [])
    if restart != "temporary":
        # restart_child that fails keeps the entry: it was added, there was just nothing to run.
        sim.send(StartChild("new", 2))
        assert work(sim.exit("new", CRASH, "no")) == ["no 2: failed to start: no"]
        assert sim.row("new").phase is Phase.FAILED


def test_one_that_is_stopped_before_it_is_up_has_not_been_added() -> None:
    sim = flat("a").begin()
    sim.send(AddChild("", actor("new"), 1))
    assert work(sim.send(StopChild("new", 2))) == [
        "no 1: it was stopped while it started",
        "ask new 1",
    ]
    assert work(sim.obey("new")) == ["ok 2: stopped"]
    assert removed(sim) == ["new"]


def test_an_added_temporary_child_is_forgotten_when_it_ends() -> None:
    sim = flat("a").begin()
    sim.send(AddChild("", actor("t", "temporary"), 1))
    sim.settle()
    sim.exit("t", CRASH)
    assert removed(sim) == ["t"]
    sim.send(StartChild("t", 2))
    assert sim.replies[2].code == "not_found"


def test_an_added_temporary_child_can_be_restarted_by_hand() -> None:
    sim = flat("a").begin()
    sim.send(AddChild("", actor("t", "temporary")))
    sim.settle()
    assert work(sim.send(RestartChild("t", 1))) == ["ask t 1"]
    assert work(sim.obey("t")) == ["spawn t 2"]
    assert work(sim.ready("t")) == ["ok 1: running"]
    assert removed(sim) == []


def test_an_added_child_is_restarted_like_any_other() -> None:
    sim = flat("a").begin()
    sim.send(AddChild("", actor("new")))
    sim.settle()
    assert work(sim.exit("new")) == ["spawn new 2"]
    sim.ready("new")
    assert sim.supervisor_row("").left == 2


def test_a_restarted_supervisor_has_lost_what_was_added_and_found_what_was_deleted() -> None:
    # 1.9; SUITE, tree
    inner = supervisor("p", actor("p/a"), actor("p/deleted"), intensity=0)
    sim = Simulation(supervisor("", inner)).begin()
    sim.send(AddChild("p", actor("p/new")))
    sim.settle()
    sim.send(StopChild("p/deleted"))
    sim.obey("p/deleted")
    sim.send(DeleteChild("p/deleted"))
    assert removed(sim) == ["p/deleted"]
    sim.exit("p/a")
    sim.settle()
    assert removed(sim) == ["p/deleted", "p/new"]
    assert list(sim.live) == ["p/a", "p/deleted"]
    assert sim.row("p/deleted").incarnation == 2, "its number is not used twice"


def test_what_waits_to_be_added_is_refused_when_its_supervisor_goes_down() -> None:
    inner = supervisor("p", actor("p/a"), actor("p/b"))
    sim = Simulation(supervisor("", inner)).begin()
    sim.send(AddChild("p", actor("p/new"), 1))
    sim.send(AddChild("p", actor("p/next"), 2))
    assert work(sim.send(StopChild("p", 3))) == [
        "no 1: its supervisor is stopping",
        "no 2: its supervisor is stopping",
        "ask p/new 1",
    ]
    assert [sim.replies[number].code for number in (1, 2)] == ["noproc", "noproc"]
    sim.settle()
    assert removed(sim) == [], "it is shown as stopped until p begins anew"
    sim.send(StartChild("p"))
    assert removed(sim) == ["p/new"]


# In the place of an ended temporary child --------------------------------------------------


def test_another_child_can_be_added_in_place_of_an_ended_temporary_one() -> None:
    sim = Simulation(supervisor("", actor("t", "temporary"), actor("a"))).begin()
    sim.exit("t", NORMAL)
    assert work(sim.send(AddChild("", actor("t", "transient"), 1))) == ["spawn t 2"]
    assert removed(sim) == ["t"], "the ended one is gone, and what waited for it"
    assert work(sim.ready("t")) == ["ok 1: running"]
    assert [row.path for row in sim.rows()] == ["a", "t"]
    assert sim.row("t").restart_type == "transient"


def test_nothing_is_left_of_an_ended_temporary_supervisor_when_another_takes_its_place() -> None:
    old = supervisor("p", actor("p/x"), actor("p/y"), restart="temporary", intensity=0)
    sim = Simulation(supervisor("", old, actor("a"))).begin()
    sim.exit("p/x")
    sim.settle()
    sim.send(AddChild("", supervisor("p", actor("p/y"), actor("p/z")), 1))
    sim.settle()
    assert list(sim.live) == ["a", "p/y", "p/z"]
    assert set(removed(sim)) == {"p", "p/x", "p/y"}
    assert sorted(sim.state.children) == ["", "a", "p", "p/y", "p/z"]


def test_the_child_of_the_manifest_comes_back_when_its_supervisor_begins_anew() -> None:
    inner = supervisor("p", actor("p/t", "temporary"), actor("p/a"))
    sim = Simulation(supervisor("", inner)).begin()
    sim.exit("p/t", NORMAL)
    sim.send(AddChild("p", actor("p/t"), 1))
    sim.settle()
    sim.send(RestartChild("p"))
    sim.settle()
    assert sim.row("p/t").restart_type == "temporary"
    assert sim.row("p/t").incarnation == 3
    assert removed(sim) == ["p/t", "p/t"]


# Several at once ---------------------------------------------------------------------------


def test_several_are_added_one_after_the_other_with_one_answer() -> None:
    sim = flat("a").begin()
    assert work(sim.send(AddChildren("", (actor("x"), actor("y")), 1))) == ["spawn x 1"]
    assert work(sim.ready("x")) == ["spawn y 1"]
    assert work(sim.ready("y")) == ["ok 1: running"]


def test_several_may_be_one_or_none() -> None:
    sim = flat("a").begin()
    assert work(sim.send(AddChildren("", (actor("x"),), 1))) == ["spawn x 1"]
    assert work(sim.ready("x")) == ["ok 1: running"]
    assert work(sim.send(AddChildren("", (), 2))) == ["ok 2: running"]
    sim.send(AddChildren("", (actor("x"),), 3))
    assert sim.replies[3].code == "already_started"


def test_an_answer_for_several_names_those_that_failed_and_waits_for_the_rest() -> None:
    sim = flat("a").begin()
    sim.send(AddChildren("", (actor("x"), actor("a"), actor("y")), 1))
    assert work(sim.exit("x", CRASH, "no")) == ["spawn y 1"]
    assert work(sim.ready("y")) == [
        "no 1: x: failed to start: no; a is running already; running: y"
    ]


def test_every_failure_of_several_is_named_whatever_its_text_begins_with() -> None:
    sim = flat("a").begin()
    sim.send(StopChild("a"))
    bad = actor("x", "temporary", significant=True)
    sim.send(AddChildren("", (bad, actor("i")), 1))
    sim.send(ShutdownAll())
    assert sim.replies[1].text == ("x: its supervisor is stopping; i: its supervisor is stopping")
    sim.settle()


# What OTP refuses --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("auto_shutdown", "restart", "text"),
    [
        (AutoShutdown.NEVER, "temporary", "auto_shutdown is never"),
        (AutoShutdown.ANY_SIGNIFICANT, "permanent", "it never ends for good"),
    ],
)
@pytest.mark.parametrize("name", ["new", "a", "down"])
def test_a_bad_combination_is_refused_before_anything_else_is_looked_at(
    auto_shutdown: AutoShutdown, restart: str, text: str, name: str
) -> None:
    # supervisor.erl, handle_call: check_childspec comes before find_child
    sim = flat("a", "down", auto_shutdown=auto_shutdown).begin()
    sim.send(StopChild("down"))
    sim.settle()
    sim.send(AddChild("", actor(name, restart, significant=True), 1))
    assert sim.replies[1].code == "bad_combination"
    assert text in sim.replies[1].text


@pytest.mark.parametrize("parent", ["nobody", "a"])
def test_only_a_supervisor_can_have_children(parent: str) -> None:
    sim = flat("a").begin()
    sim.send(AddChild(parent, actor(f"{parent}/new"), 1))
    assert sim.replies[1].code == "not_found"


def test_nothing_is_added_to_a_pool() -> None:
    sim = Simulation(supervisor("", pool(actor("p/w"), 1))).begin()
    sim.send(AddChild("p", actor("p/new"), 1))
    assert sim.replies[1].code == "simple_one_for_one"


# Deleting ----------------------------------------------------------------------------------


def test_a_deleted_child_is_gone_with_all_under_it() -> None:
    sim = Simulation(supervisor("", actor("a"), supervisor("p", actor("p/x")))).begin()
    sim.send(StopChild("p"))
    sim.settle()
    assert work(sim.send(DeleteChild("p", 1))) == ["ok 1: deleted"]
    assert removed(sim) == ["p/x", "p"]
    assert list(sim.state.children) == ["", "a"]
    for number, path in enumerate(("p", "p/x"), start=2):
        sim.send(StopChild(path, number))
        assert sim.replies[number].code == "not_found"


def test_an_incarnation_is_never_used_twice_however_often_a_child_is_added() -> None:
    sim = Simulation(flat("a").spec, {"new": 4}).begin()
    for number in (5, 6, 7):
        assert work(sim.send(AddChild("", actor("new")))) == [f"spawn new {number}"]
        sim.ready("new")
        sim.send(StopChild("new"))
        sim.obey("new")
        sim.send(DeleteChild("new"))
    assert removed(sim) == ["new"] * 3
    (decided, *_) = sim.decisions(Decision.OPERATOR)
    assert (decided.subject, decided.detail) == ("new", {"call": "add"})


def test_an_ended_temporary_child_can_be_taken_off_the_list_unless_one_asks_strictly() -> None:
    sim = Simulation(supervisor("", actor("t", "temporary"), actor("a"))).begin()
    sim.exit("t", CRASH)
    sim.send(DeleteChild("t", 1, strict=True))
    assert sim.replies[1].code == "not_found", "in OTP it is deleted by then"
    assert work(sim.send(DeleteChild("t", 2))) == ["ok 2: deleted"]
    assert removed(sim) == ["t"]


# Calls that are made before the answer to the one before -----------------------------------


def test_a_call_finds_the_child_that_a_call_in_front_of_it_adds() -> None:
    sim = flat("a", "b").begin()
    sim.send(StopChild("b"))
    sim.send(AddChild("", actor("new"), 1))
    sim.send(StopChild("new", 2))
    sim.send(DeleteChild("new", 3))
    sim.send(DeleteChild("new", 4))
    sim.settle()
    assert [sim.replies[number].code for number in (1, 2, 3, 4)] == ["ok", "ok", "ok", "not_found"]
    assert "new" not in sim.state.children


def test_a_name_that_is_wrong_is_refused_at_once_although_the_supervisor_is_busy() -> None:
    sim = flat("a", "b")
    sim.send(Start())
    assert work(sim.send(StopChild("nobody", 1))) == ['no 1: there is no "nobody"']
