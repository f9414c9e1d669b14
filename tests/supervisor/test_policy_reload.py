"""The manifest has changed while the system runs: what is made so, and when it is answered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.supervisor.policy_simulation import (
    BRUTAL,
    INFINITY,
    Simulation,
    actor,
    flat,
    supervisor,
    work,
)
from theater.spec import AutoShutdown, Backoff, Shutdown, Strategy, SupervisorSpec
from theater.supervisor.policy import (
    AddChild,
    Decision,
    DeleteChild,
    ExitKind,
    Phase,
    Reload,
    Removed,
    RestartChild,
    StartChild,
    StopChild,
)
from theater.supervisor.policy import Shutdown as ShutdownAll

CRASH, NORMAL = ExitKind.CRASH, ExitKind.NORMAL
ALL, REST = Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE


def letters(names: str, **flags: Any) -> SupervisorSpec:
    """Permanent actors under the root supervisor."""
    return replace(supervisor("", *map(actor, names)), **flags)


def removed(sim: Simulation) -> list[str]:
    return [action.child for action in sim.actions if isinstance(action, Removed)]


# In place ----------------------------------------------------------------------------------


def test_the_same_manifest_is_answered_at_once() -> None:
    sim = flat("a").begin()
    assert work(sim.send(Reload(sim.spec, call=1))) == ["ok 1: nothing has changed"]


def test_a_change_is_decided_and_touches_no_process() -> None:
    sim = flat("a", "b").begin()
    new = supervisor("", actor("a", args=("x",)), actor("b", shutdown=INFINITY), intensity=9)
    assert work(sim.send(Reload(new, call=1))) == ["ok 1: reloaded"]
    told = {
        decided.subject: decided.detail["changed"] for decided in sim.decisions(Decision.RELOADED)
    }
    assert told == {
        "": {"intensity": [3, 9]},
        "a": {"args": [[], ["x"]]},
        "b": {"shutdown": [5.0, "infinity"]},
    }
    assert sim.actor("a").args == ("x",), "for its next start"
    assert work(sim.exit("a")) == ["spawn a 2"]


def test_the_restarts_of_the_window_still_count() -> None:
    sim = flat("a", intensity=3, period_s=5.0).begin()
    for _ in range(2):
        sim.exit("a")
        sim.settle()
    sim.send(Reload(letters("a", intensity=2)))
    assert sim.supervisor_row("").left == 0
    sim.send(Reload(letters("a", intensity=4)))
    assert sim.supervisor_row("").left == 2
    sim.send(Reload(letters("a", intensity=1)))
    assert sim.supervisor_row("").left == 0, "and not less"
    sim.send(Reload(letters("a", intensity=2, period_s=1.0)))
    sim.wait(1.5)
    assert sim.supervisor_row("").left == 2
    assert work(sim.exit("a")) == ["spawn a 4"]


def test_fewer_restarts_than_there_have_been_mean_that_the_next_is_one_too_many() -> None:
    sim = flat("a", intensity=3).begin()
    for _ in range(2):
        sim.exit("a")
        sim.settle()
    sim.send(Reload(letters("a", intensity=1)))
    assert work(sim.exit("a"))[0].startswith("failed: gave up: a needed more than 1 restarts")


def test_a_restart_type_holds_for_the_next_death() -> None:
    sim = flat("a", "b").begin()
    sim.send(Reload(supervisor("", actor("a", "temporary"), actor("b", "transient"))))
    assert work(sim.exit("a", CRASH)) == []
    assert work(sim.exit("b", NORMAL)) == []
    sim.send(StopChild("a", 1))
    assert sim.replies[1].code == "not_found"


def test_a_significant_child_can_end_its_supervisor_from_now_on() -> None:
    sim = Simulation(supervisor("", actor("a", "transient"), actor("b"))).begin()
    significant = actor("a", "transient", significant=True)
    auto = AutoShutdown.ANY_SIGNIFICANT
    sim.send(Reload(supervisor("", significant, actor("b"), auto_shutdown=auto)))
    assert work(sim.exit("a", NORMAL)) == ["ask b 1"]


def test_a_shutdown_time_holds_for_the_next_stop_and_not_for_the_one_under_way() -> None:
    sim = Simulation(
        supervisor("", actor("a", shutdown=Shutdown(timeout_s=2.0)), actor("b"))
    ).begin()
    sim.send(StopChild("a", 1))
    patient = actor("a", shutdown=INFINITY)
    sim.send(Reload(supervisor("", patient, actor("b", shutdown=BRUTAL))))
    assert work(sim.wait(2.0)) == ["kill a 1"]
    assert work(sim.exit("a")) == ["ok 1: stopped"]
    assert sim.row("a").reason == "did not stop within 2 s"
    assert work(sim.send(ShutdownAll())) == ["kill b 1"]


def test_a_supervisor_that_is_being_stopped_keeps_the_time_it_was_given() -> None:
    inner = supervisor("p", actor("p/x"), shutdown=Shutdown(timeout_s=1.0))
    sim = Simulation(supervisor("", inner)).begin()
    sim.send(StopChild("p", 1))
    sim.send(Reload(supervisor("", replace(inner, shutdown=INFINITY)), call=2))
    assert work(sim.wait(1.0)) == ["kill p/x 1"]
    assert work(sim.exit("p/x")) == ["ok 1: stopped"]


def test_a_strategy_holds_for_the_next_death() -> None:
    sim = flat("a", "b").begin()
    sim.send(Reload(letters("ab", strategy=ALL)))
    assert work(sim.exit("a")) == ["ask b 1"]


def test_the_order_of_the_manifest_holds_for_what_comes_then() -> None:
    sim = flat("a", "b", "c", strategy=REST, intensity=9).begin()
    sim.send(AddChild("", actor("mine")))
    sim.settle()
    assert work(sim.send(Reload(letters("cab", strategy=REST), call=1))) == ["ok 1: reloaded"]
    assert [row.path for row in sim.rows()] == ["c", "a", "b", "mine"]
    assert work(sim.exit("a")) == ["ask mine 1"]
    sim.settle()
    assert sim.row("c").incarnation == 1, "it stands before a now"
    sim.send(ShutdownAll())
    order = []
    while sim.live:
        order.append(next(path for path, process in sim.live.items() if process.asked))
        sim.obey(order[-1])
    assert order == ["mine", "b", "a", "c"]


# Added -------------------------------------------------------------------------------------


def test_new_children_are_started_one_after_the_other_and_then_it_is_answered() -> None:
    sim = flat("a", "b").begin()
    assert work(sim.send(Reload(letters("xayb"), call=1))) == ["spawn x 1"]
    assert work(sim.ready("x")) == ["spawn y 1"]
    assert work(sim.ready("y")) == ["ok 1: reloaded"]
    assert [row.path for row in sim.rows()] == ["x", "a", "y", "b"]
    assert work(sim.send(ShutdownAll())) == ["ask b 1"], "they stand where the manifest has them"


def test_a_new_child_that_fails_is_named_and_stays() -> None:
    sim = flat("a").begin()
    sim.send(Reload(letters("axyz"), call=1))
    sim.exit("x", CRASH, "no x")
    sim.ready("y")
    assert work(sim.exit("z", CRASH, "no z")) == [
        "no 1: x: failed to start: no x; z: failed to start: no z"
    ]
    assert {sim.row(path).phase for path in "xz"} == {Phase.FAILED}
    assert work(sim.send(StartChild("x", 2))) == ["spawn x 2"], "unlike one added by a call"


def test_a_new_child_with_nothing_to_run_is_no_failure() -> None:
    sim = flat("a").begin()
    sim.send(Reload(letters("ax"), call=1))
    assert work(sim.exit("x", NORMAL, "nothing", ignored=True)) == ["ok 1: reloaded"]


def test_a_new_supervisor_comes_up_with_all_under_it() -> None:
    sim = flat("a").begin()
    new = supervisor("", actor("a"), supervisor("p", actor("p/x"), actor("p/y")))
    assert work(sim.send(Reload(new, call=1))) == ["spawn p/x 1"]
    assert work(sim.ready("p/x")) == ["spawn p/y 1"]
    assert work(sim.ready("p/y")) == ["ok 1: reloaded"]


def test_a_new_child_that_comes_up_with_its_group_is_no_failure() -> None:
    sim = flat("a", "b", strategy=ALL, intensity=9).begin()
    sim.send(StopChild("b"))
    sim.exit("a")
    sim.send(Reload(letters("abx", strategy=ALL), call=1))
    assert work(sim.obey("b")) == ["spawn a 2"]
    sim.ready("a")
    sim.ready("b")
    assert work(sim.ready("x")) == ["ok 1: reloaded"]


def test_what_was_deleted_by_hand_comes_back() -> None:
    sim = flat("a", "b").begin()
    sim.send(StopChild("b"))
    sim.obey("b")
    sim.send(DeleteChild("b"))
    assert work(sim.send(Reload(sim.spec, call=1))) == ["spawn b 2"]
    assert work(sim.ready("b")) == ["ok 1: reloaded"]


def test_what_was_stopped_by_hand_or_has_ended_is_not_started() -> None:
    children = (actor("t", "temporary"), actor("e", "transient"), actor("s"))
    sim = Simulation(supervisor("", *children)).begin()
    sim.exit("t", CRASH)
    sim.exit("e", NORMAL)
    sim.send(StopChild("s"))
    sim.obey("s")
    new = supervisor("", *children, intensity=9)
    assert work(sim.send(Reload(new, call=1))) == ["ok 1: reloaded"]
    assert not sim.live


def test_a_child_added_by_hand_becomes_the_manifests_if_it_is_written_there() -> None:
    sim = flat("a").begin()
    sim.send(AddChild("", actor("mine")))
    sim.settle()
    assert work(sim.send(Reload(letters("a"), prune=True, call=1))) == ["ok 1: nothing has changed"]
    new = supervisor("", actor("a"), actor("mine"))
    assert work(sim.send(Reload(new, call=2))) == ["ok 2: reloaded"], "although it is the same"
    (decided,) = sim.decisions(Decision.RELOADED)
    assert (decided.subject, decided.detail) == ("mine", {"changed": {"listed": [False, True]}})
    assert sim.row("mine").incarnation == 1
    assert work(sim.send(Reload(letters("a"), prune=True, call=3))) == ["ask mine 1"]
    assert work(sim.obey("mine")) == ["ok 3: reloaded"]
    assert removed(sim) == ["mine"]


def test_a_child_that_is_just_being_added_stays_if_the_manifest_lists_it_meanwhile() -> None:
    sim = flat("a").begin()
    sim.send(AddChild("", actor("mine"), 1))
    assert work(sim.send(Reload(supervisor("", actor("a"), actor("mine")), call=2))) == [
        "ok 2: reloaded"
    ]
    assert work(sim.exit("mine", CRASH, "no")) == ["no 1: failed to start: no"]
    assert sim.row("mine").phase is Phase.FAILED
    assert removed(sim) == []


def test_a_decision_says_that_it_is_part_of_a_reload() -> None:
    sim = flat("a", "b", "c").begin()
    sim.send(Reload(letters("ax"), prune=True))
    sim.settle()
    sim.send(StopChild("x"))
    sim.settle()
    sim.send(DeleteChild("x"))
    told = [(d.subject, d.detail) for d in sim.decisions(Decision.OPERATOR)]
    ours = {"part_of": "reload"}
    assert told == [
        ("c", {"call": "stop", **ours}),
        ("c", {"call": "delete", **ours}),
        ("b", {"call": "stop", **ours}),
        ("b", {"call": "delete", **ours}),
        ("x", {"call": "start", **ours}),
        ("x", {"call": "stop"}),
        ("x", {"call": "delete"}),
    ]


# Missing -----------------------------------------------------------------------------------


def test_what_is_missing_is_kept_until_its_supervisor_begins_anew() -> None:
    def root(*names: str) -> SupervisorSpec:
        inner = supervisor("p", *(actor(f"p/{name}") for name in names), intensity=1)
        return supervisor("", inner)

    sim = Simulation(root("a", "b", "c")).begin()
    assert work(sim.send(Reload(root("c", "a"), call=1))) == ["ok 1: reloaded"]
    assert list(sim.live) == ["p/a", "p/b", "p/c"]
    assert [row.path for row in sim.rows()] == ["p/c", "p/a", "p/b"]
    assert work(sim.exit("p/b")) == ["spawn p/b 2"], "it is restarted like any other"
    sim.ready("p/b")
    sim.exit("p/b")
    sim.settle()
    assert removed(sim) == ["p/b"]
    assert list(sim.live) == ["p/c", "p/a"]


def test_what_is_missing_and_had_ended_for_good_is_gone_at_once() -> None:
    sim = Simulation(supervisor("", actor("t", "temporary"), actor("a"))).begin()
    sim.exit("t", CRASH)
    assert work(sim.send(Reload(letters("a"), call=1))) == ["ok 1: reloaded"]
    assert removed(sim) == ["t"]


def test_with_prune_the_missing_are_stopped_and_deleted_the_youngest_first() -> None:
    sim = flat("a", "b", "c").begin()
    assert work(sim.send(Reload(letters("b"), prune=True, call=1))) == ["ask c 1"]
    assert work(sim.obey("c")) == ["ask a 1"]
    assert work(sim.obey("a")) == ["ok 1: reloaded"]
    assert removed(sim) == ["c", "a"]
    assert list(sim.state.children) == ["", "b"]


def test_with_prune_whole_supervisors_go() -> None:
    inner = supervisor("p", actor("p/x"), supervisor("p/q", actor("p/q/y")))
    sim = Simulation(supervisor("", actor("a"), inner)).begin()
    assert work(sim.send(Reload(letters("a"), prune=True, call=1))) == ["ask p/q/y 1"]
    assert work(sim.obey("p/q/y")) == ["ask p/x 1"]
    assert work(sim.obey("p/x")) == ["ok 1: reloaded"]
    assert removed(sim) == ["p/q/y", "p/q", "p/x", "p"]


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("how", ["running", "dead", "stopped", "ended", "kept before"])
def test_whatever_it_does_a_missing_child_can_be_pruned(restart: str, how: str) -> None:
    sim = Simulation(supervisor("", actor("a"), actor("x", restart), intensity=9)).begin()
    match how:
        case "dead":
            sim.exit("a")  # so that the next is not looked at yet
            sim.exit("x", CRASH)
        case "stopped":
            sim.send(StopChild("x"))
            sim.obey("x")
        case "ended":
            sim.exit("x", NORMAL)
            sim.settle()
        case "kept before":
            sim.send(Reload(letters("a", intensity=9)))
    sim.send(Reload(letters("a", intensity=9), prune=True, call=1))
    sim.settle()
    assert (sim.replies[1].ok, sim.replies[1].text) == (True, "reloaded")
    assert list(sim.state.children) == ["", "a"]
    assert removed(sim) == ["x"]


def test_a_child_that_is_tried_again_can_be_pruned() -> None:
    sim = flat("a", "x", backoff=Backoff(10.0)).begin()
    sim.exit("x")
    assert sim.row("x").retry_s == sim.now_s + 10.0
    new = letters("a", backoff=Backoff(10.0))
    assert work(sim.send(Reload(new, prune=True, call=1))) == ["ok 1: reloaded"]
    assert sim.wake_s is None


def test_pruned_and_added_in_one() -> None:
    sim = flat("a", "b").begin()
    assert work(sim.send(Reload(letters("bc"), prune=True, call=1))) == ["ask a 1"]
    assert work(sim.obey("a")) == ["spawn c 1"]
    assert work(sim.ready("c")) == ["ok 1: reloaded"]


def test_what_is_kept_already_is_no_change_until_it_is_pruned() -> None:
    inner = supervisor("p", actor("p/a"), actor("p/b"))
    sim = Simulation(supervisor("", inner)).begin()
    smaller = supervisor("", supervisor("p", actor("p/a")))
    assert work(sim.send(Reload(smaller, call=1))) == ["ok 1: reloaded"]
    assert work(sim.send(Reload(smaller, call=2))) == ["ok 2: nothing has changed"]
    sim.send(RestartChild("p"))
    sim.settle()
    assert list(sim.live) == ["p/a"], "the first of them has made it so"
