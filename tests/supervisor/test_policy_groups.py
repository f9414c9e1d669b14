"""one_for_all and rest_for_one: who is stopped, who is started, and in which order."""

from __future__ import annotations

import pytest

from tests.supervisor.policy_simulation import Simulation, actor, supervisor, work
from theater.spec import ActorSpec, Strategy, SupervisorSpec
from theater.supervisor.policy import (
    AddChild,
    Decision,
    DeleteChild,
    Event,
    ExitKind,
    Phase,
    RestartChild,
    StartChild,
    StopChild,
    Unspawnable,
)
from theater.supervisor.policy import Shutdown as ShutdownAll

CRASH, NORMAL = ExitKind.CRASH, ExitKind.NORMAL
ALL, REST, ONE = Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE, Strategy.ONE_FOR_ONE


def tree(
    strategy: Strategy, *children: str | ActorSpec | SupervisorSpec, intensity: int = 9
) -> Simulation:
    """Names are permanent actors."""
    specs = [actor(child) if isinstance(child, str) else child for child in children]
    return Simulation(supervisor("", *specs, strategy=strategy, intensity=intensity)).begin()


# Whom a restart takes ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "dead", "stop", "start"),
    [
        (ONE, "a", "", "a"),
        (ONE, "b", "", "b"),
        (ONE, "d", "", "d"),
        (ALL, "a", "dcb", "abcd"),
        (ALL, "b", "dca", "abcd"),
        (ALL, "d", "cba", "abcd"),
        (REST, "a", "dcb", "abcd"),
        (REST, "b", "dc", "bcd"),
        (REST, "d", "", "d"),
    ],
)
def test_the_strategy_says_who_is_stopped_and_who_is_started(
    strategy: Strategy, dead: str, stop: str, start: str
) -> None:
    sim = tree(strategy, *"abcd")
    before = len(sim.actions)
    sim.exit(dead)
    sim.settle()
    words = [word for word in work(sim.actions[before:]) if word[:3] in ("ask", "spa")]
    assert words == [f"ask {path} 1" for path in stop] + [f"spawn {path} 2" for path in start]
    assert sim.supervisor_row("").left == 8, "however many it takes, it is one restart"
    assert [path for path in "abcd" if sim.row(path).restarts] == list(start)


@pytest.mark.parametrize("strategy", [ALL, REST])
def test_each_is_stopped_when_the_one_before_is_gone_and_started_when_it_is_ready(
    strategy: Strategy,
) -> None:
    sim = tree(strategy, "a", "b", "c")
    assert work(sim.exit("a")) == ["ask c 1"]
    assert work(sim.obey("c")) == ["ask b 1"]
    assert sim.row("c").phase is Phase.RESTARTING
    assert work(sim.obey("b")) == ["spawn a 2"]
    assert work(sim.ready("a")) == ["spawn b 2"]
    assert work(sim.ready("b")) == ["spawn c 2"]
    assert work(sim.ready("c")) == []


@pytest.mark.parametrize("strategy", list(Strategy))
@pytest.mark.parametrize(
    ("restart", "kind"), [("transient", NORMAL), ("temporary", NORMAL), ("temporary", CRASH)]
)
def test_a_death_that_is_not_restarted_never_touches_a_sibling(
    strategy: Strategy, restart: str, kind: ExitKind
) -> None:
    # E8
    if strategy is Strategy.SIMPLE_ONE_FOR_ONE:
        return  # see test_policy_pool
    sim = tree(strategy, "a", actor("x", restart), "b")
    assert work(sim.exit("x", kind)) == []
    assert [sim.row(path).incarnation for path in "ab"] == [1, 1]
    assert sim.supervisor_row("").left == 9


def test_a_group_is_stopped_as_each_childs_shutdown_says() -> None:
    inner = supervisor("p", actor("p/x"), actor("p/y"))
    sim = tree(ALL, "a", inner, "b")
    assert work(sim.exit("a")) == ["ask b 1"]
    assert work(sim.wait(5.0)) == ["kill b 1"]
    assert work(sim.exit("b")) == ["ask p/y 1"]
    assert work(sim.obey("p/y")) == ["ask p/x 1"]
    assert work(sim.obey("p/x")) == ["spawn a 2"]
    assert {sim.row(path).phase for path in ("p/x", "p/y", "b")} == {Phase.RESTARTING}
    assert work(sim.ready("a")) == ["spawn p/x 2"]
    assert work(sim.ready("p/x")) == ["spawn p/y 2"]
    assert work(sim.ready("p/y")) == ["spawn b 2"]
    assert sim.supervisor_row("p").restarts == 1


def test_a_supervisor_that_is_restarted_with_its_group_begins_with_a_new_window() -> None:
    inner = supervisor("p", actor("p/x"), intensity=1)
    sim = tree(ALL, "a", inner)
    sim.exit("p/x")
    sim.settle()
    assert sim.supervisor_row("p").left == 0
    sim.exit("a")
    sim.settle()
    assert sim.supervisor_row("p").left == 1


# Siblings that were not running ------------------------------------------------------------


def test_one_for_all_revives_what_was_stopped_or_had_ended_and_forgets_what_is_temporary() -> None:
    # E4
    sim = tree(ALL, "a", "stopped", actor("ended", "transient"), actor("t", "temporary"), "b")
    sim.send(StopChild("stopped"))
    sim.obey("stopped")
    sim.exit("ended", NORMAL)
    sim.exit("b")
    sim.settle()
    assert list(sim.live) == ["a", "stopped", "ended", "b"]
    assert (sim.row("stopped").incarnation, sim.row("ended").incarnation) == (2, 2)
    assert sim.row("t").phase is Phase.STOPPED
    sim.send(StopChild("t", 1))
    assert sim.replies[1].code == "not_found"


def test_rest_for_one_revives_only_what_stands_behind() -> None:
    # E5
    sim = tree(REST, "before", "a", "behind")
    for path in ("before", "behind"):
        sim.send(StopChild(path))
        sim.obey(path)
    sim.exit("a")
    sim.settle()
    assert list(sim.live) == ["a", "behind"]
    assert sim.row("before").phase is Phase.STOPPED


def test_a_temporary_sibling_is_stopped_for_good() -> None:
    # E4, temporary_bystander
    inner = supervisor("p", actor("p/x"), restart="temporary")
    sim = tree(ALL, "a", actor("t", "temporary"), inner)
    sim.exit("a")
    assert work(sim.obey("p/x")) == ["ask t 1"]
    assert sim.row("p/x").phase is Phase.STOPPED, "nobody is going to start it again"
    assert work(sim.obey("t")) == ["spawn a 2"]
    sim.ready("a")
    assert sim.row("t").phase is Phase.STOPPED
    assert sim.supervisor_row("p").phase is Phase.STOPPED
    assert work(sim.exit("a")) == ["spawn a 3"], "nor is it part of the group any more"


@pytest.mark.parametrize("strategy", [ALL, REST])
def test_a_temporary_bystander_that_is_dead_already_is_forgotten_too(strategy: Strategy) -> None:
    sim = tree(strategy, "a", actor("t", "temporary"), "b")
    sim.exit("a")
    sim.exit("t", CRASH)
    sim.settle()
    assert list(sim.live) == ["a", "b"]
    assert sim.row("t").phase is Phase.FAILED
    sim.send(StopChild("t", 1))
    assert sim.replies[1].code == "not_found"


def test_a_deleted_sibling_does_not_come_back_with_its_group() -> None:
    sim = tree(ALL, "a", "b")
    sim.send(StopChild("b"))
    sim.obey("b")
    sim.send(DeleteChild("b"))
    sim.exit("a")
    sim.settle()
    assert list(sim.live) == ["a"]


def test_an_added_child_takes_part_at_the_end_of_the_order() -> None:
    # E15
    sim = tree(REST, "a", "b")
    sim.send(AddChild("", actor("new")))
    sim.settle()
    assert work(sim.exit("b")) == ["ask new 1"]
    assert work(sim.obey("new")) == ["spawn b 2"]
    assert work(sim.ready("b")) == ["spawn new 2"]
    sim.ready("new")
    assert work(sim.exit("new")) == ["spawn new 3"], "nobody stands behind it"


def test_an_added_temporary_sibling_is_removed_with_the_group() -> None:
    sim = tree(ALL, "a")
    sim.send(AddChild("", actor("t", "temporary")))
    sim.settle()
    sim.exit("a")
    sim.settle()
    assert list(sim.state.children) == ["", "a"]


# At the same moment ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "first", "second", "restarts"),
    [
        (ONE, "a", "c", 2),
        (ONE, "c", "a", 2),
        (ALL, "a", "c", 1),
        (ALL, "c", "a", 1),
        (REST, "a", "c", 1),
        (REST, "c", "a", 2),
    ],
)
def test_two_deaths_at_once_cost_what_their_order_says(
    strategy: Strategy, first: str, second: str, restarts: int
) -> None:
    # E6; the last is X8
    sim = tree(strategy, "a", "b", "c", intensity=2)
    sim.exit(first)
    sim.exit(second)
    sim.settle()
    assert list(sorted(sim.live)) == ["a", "b", "c"]
    assert sim.supervisor_row("").left == 2 - restarts
    assert len(sim.decisions(Decision.RESTART)) == restarts


@pytest.mark.parametrize(
    ("strategy", "first", "second", "restarts"),
    [
        (ONE, "a", "c", 2),
        (ALL, "c", "a", 1),
        (REST, "a", "c", 1),
        (REST, "c", "a", 2),
    ],
)
def test_nor_does_it_matter_that_nobody_looked_at_the_first_before_the_second(
    strategy: Strategy, first: str, second: str, restarts: int
) -> None:
    sim = tree(strategy, "a", "b", "c", intensity=2)
    sim.send(RestartChild("b"))
    sim.exit(first)
    sim.exit(second)
    sim.settle()
    decided = sim.decisions(Decision.RESTART)
    assert len(decided) == restarts
    if (strategy, first) == (REST, "c"):
        assert decided[0].detail["started"] == ["c"], "a is dead too, but has its own restart"
    assert sorted(sim.live) == ["a", "b", "c"]


def test_a_death_during_the_stop_of_its_group_is_just_collected() -> None:
    sim = tree(ALL, "a", "b", "c", intensity=1)
    assert work(sim.exit("a")) == ["ask c 1"]
    assert work(sim.exit("b")) == []
    assert sim.row("b").phase is Phase.RESTARTING
    assert work(sim.exit("c", CRASH)) == ["spawn a 2"]
    sim.settle()
    assert sim.supervisor_row("").left == 0


def test_a_death_after_its_new_start_counts_again() -> None:
    sim = tree(ALL, "a", "b", "c", intensity=2)
    sim.exit("c")
    sim.obey("b")
    sim.obey("a")
    assert work(sim.ready("a")) == ["spawn b 2"]
    assert work(sim.exit("a")) == [], "it waits until the group is up"
    assert work(sim.ready("b")) == ["spawn c 2"]
    assert work(sim.ready("c")) == ["ask c 2"]
    sim.settle()
    assert sim.supervisor_row("").left == 0


# A start that fails ------------------------------------------------------------------------


def test_one_for_all_stops_what_it_has_started_and_begins_again() -> None:
    # E13; what has been started is stopped with reason shutdown
    sim = tree(ALL, "a", "b", "c", intensity=2)
    sim.exit("b")
    sim.obey("c")
    assert work(sim.obey("a")) == ["spawn a 2"]
    assert work(sim.ready("a")) == ["spawn b 2"]
    assert work(sim.exit("b")) == ["ask a 2"]
    assert sim.row("c").phase is Phase.RESTARTING
    assert work(sim.obey("a")) == ["spawn a 3"]
    sim.settle()
    assert [sim.row(path).incarnation for path in "abc"] == [3, 3, 2]
    assert sim.supervisor_row("").left == 0


def test_rest_for_one_goes_on_from_the_child_that_failed() -> None:
    # E14: what has been restarted before it stays up
    sim = tree(REST, "a", "b", "c", "d", intensity=2)
    sim.exit("b")
    sim.obey("d")
    assert work(sim.obey("c")) == ["spawn b 2"]
    assert work(sim.ready("b")) == ["spawn c 2"]
    assert work(sim.exit("c")) == ["spawn c 3"]
    assert work(sim.ready("c")) == ["spawn d 2"]
    sim.ready("d")
    assert [sim.row(path).incarnation for path in "abcd"] == [1, 2, 3, 2]
    assert sim.supervisor_row("").left == 0


@pytest.mark.parametrize("strategy", [ALL, REST])
def test_attempts_of_a_group_count_like_restarts(strategy: Strategy) -> None:
    sim = tree(strategy, "a", "b", intensity=3)
    sim.exit("a")
    sim.obey("b")
    for incarnation in (2, 3):
        assert work(sim.exit("a")) == [f"spawn a {incarnation + 1}"]
    assert work(sim.exit("a", CRASH, "no")) == [
        "failed: gave up: a needed more than 3 restarts in 5 s, the last time because: no"
    ]
    assert {sim.row(path).phase for path in "ab"} == {Phase.FAILED}


def test_those_behind_a_child_that_is_tried_again_are_down_and_calls_find_them_so() -> None:
    # hanging_restart_loop_rest_for_one
    sim = tree(REST, "a", "b", "c")
    sim.exit("b")
    sim.obey("c")
    sim.send(StopChild("a"))
    events: list[Event] = [StartChild("b", 0), StartChild("c", 1), DeleteChild("b", 2)]
    for number, event in enumerate(events):
        sim.send(event)
        assert number not in sim.replies
    assert work(sim.exit("b")) == ["ask a 1"]
    words = work(sim.obey("a"))
    assert words == ["no 0: it is being restarted", "spawn c 2"]
    assert work(sim.ready("c")) == [
        "ok 1: running",
        "no 2: it is being restarted: stop it first",
        "ask c 2",  # the next attempt takes it with it
    ]
    sim.settle()
    assert list(sim.live) == ["b", "c"]


@pytest.mark.parametrize("strategy", [ALL, REST])
def test_a_stop_ends_the_attempts_and_the_rest_of_the_group_stays_down(strategy: Strategy) -> None:
    # X18
    sim = tree(strategy, "a", "b", "c")
    sim.exit("a")
    sim.send(StopChild("a", 1))
    sim.obey("c")
    assert work(sim.obey("b")) == ["spawn a 2"]
    assert work(sim.exit("a")) == ["ok 1: stopped, its restart was pending"]
    assert not sim.live
    assert {sim.row(path).phase for path in "abc"} == {Phase.STOPPED}
    sim.check_rest()


def test_a_restart_by_hand_of_one_that_is_tried_again_leaves_its_group_down() -> None:
    sim = tree(ALL, "a", "b")
    sim.exit("b")
    sim.send(RestartChild("a", 1))
    sim.obey("a")
    assert work(sim.exit("a")) == ["spawn a 3"], "the call stands before the next attempt"
    assert work(sim.ready("a")) == ["ok 1: running"]
    assert sim.row("b").phase is Phase.STOPPED, "terminate_child and restart_child, as in OTP"
    sim.check_rest()


@pytest.mark.parametrize("strategy", [ALL, REST])
def test_one_with_nothing_to_run_is_left_out_and_the_others_start(strategy: Strategy) -> None:
    # E11
    sim = tree(strategy, "a", "b", "c")
    sim.exit("a")
    sim.obey("c")
    sim.obey("b")
    sim.ready("a")
    assert work(sim.exit("b", NORMAL, "nothing", ignored=True)) == ["spawn c 2"]
    sim.ready("c")
    assert sim.row("b").phase is Phase.STOPPED
    assert sim.supervisor_row("").left == 8
    assert work(sim.send(StartChild("b", 1))) == ["spawn b 3"], "its entry is kept"


def test_what_cannot_be_forked_is_tried_again_with_its_group() -> None:
    sim = tree(ALL, "a", "b")
    sim.exit("b")
    sim.obey("a")
    sim.ready("a")
    assert work(sim.send(Unspawnable("b", 2, "no memory"))) == ["ask a 2"]


def test_a_supervisor_in_a_group_that_does_not_come_up_is_a_failed_start() -> None:
    inner = supervisor("p", actor("p/x"), actor("p/y"))
    sim = tree(ALL, "a", inner, "b", intensity=2)
    sim.exit("a")
    sim.obey("b")
    sim.obey("p/y")
    sim.obey("p/x")
    sim.ready("a")
    sim.ready("p/x")
    assert work(sim.exit("p/y")) == ["ask p/x 2"]
    assert work(sim.obey("p/x")) == ["ask a 2"]
    sim.settle()
    assert [sim.row(path).incarnation for path in ("a", "p/x", "p/y", "b")] == [3, 3, 3, 2]


# Stops that come between -------------------------------------------------------------------


def test_a_shutdown_during_a_group_restart_stops_what_is_up_and_starts_nothing() -> None:
    sim = tree(ALL, "a", "b", "c")
    sim.exit("c")
    assert work(sim.send(ShutdownAll())) == [], "b is waited for first"
    assert work(sim.obey("b")) == ["ask a 1"]
    assert work(sim.obey("a")) == ["ended: shut down"]


def test_a_stop_of_the_child_that_a_group_is_starting_goes_on_with_the_next() -> None:
    sim = tree(ALL, "a", "b", "c")
    sim.exit("a")
    sim.obey("c")
    sim.obey("b")
    sim.ready("a")
    assert work(sim.send(StopChild("b", 1))) == ["ask b 2"]
    assert work(sim.obey("b")) == ["ok 1: stopped", "spawn c 2"]
    sim.ready("c")
    assert sim.row("b").phase is Phase.STOPPED
    sim.check_rest()
