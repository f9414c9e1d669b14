"""Significant children and automatic shutdown: when a supervisor goes down by itself."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.supervisor.policy_simulation import Simulation, actor, supervisor, work
from theater.spec import AutoShutdown, Backoff, Restart, Strategy
from theater.supervisor.policy import (
    AddChild,
    Decision,
    ExitKind,
    Phase,
    RestartChild,
    Start,
    StartChild,
    StopChild,
)

CRASH, NORMAL = ExitKind.CRASH, ExitKind.NORMAL
NEVER, ANY, ALL = AutoShutdown
GROUP = Strategy.ONE_FOR_ALL

# The trigger, written out: it is significant, ends by itself and is not to be restarted. EEP56.
ENDS_FOR_GOOD = {
    ("transient", "normal"),
    ("transient", "shutdown"),
    ("temporary", "normal"),
    ("temporary", "shutdown"),
    ("temporary", "crash"),
}


def two(auto: AutoShutdown, restart: str = "transient", **more: Any) -> Simulation:
    """Two significant children, and one between them that is not."""
    children = (
        actor("s", restart, significant=True),
        actor("a"),
        actor("t", restart, significant=True),
    )
    flags: dict[str, Any] = {"auto_shutdown": auto, "intensity": 9, **more}
    return Simulation(supervisor("", *children, **flags)).begin()


@pytest.mark.parametrize(
    ("auto", "restart", "kind", "strategy"),
    list(
        itertools.product(
            (ANY, ALL), (Restart.TRANSIENT, Restart.TEMPORARY), ExitKind, list(Strategy)[:3]
        )
    ),
    ids=str,
)
def test_the_first_end(
    auto: AutoShutdown, restart: Restart, kind: ExitKind, strategy: Strategy
) -> None:
    sim = two(auto, restart, strategy=strategy)
    words = work(sim.exit("s", kind))
    if (restart, kind) not in ENDS_FOR_GOOD:
        assert not sim.decisions(Decision.AUTO_SHUTDOWN)
        return
    if auto is ALL:
        assert words == []
        words = work(sim.exit("t", kind))
        assert words == ["ask a 1"], "the last one has ended"
    else:
        assert words == ["ask t 1"], "the rest in reverse order"
        assert work(sim.obey("t")) == ["ask a 1"]
    last = "t" if auto is ALL else "s"
    assert work(sim.obey("a")) == [f"ended: auto_shutdown is {auto}, and {last} has ended"]
    assert sim.ended is not None and not sim.ended.failed


def test_a_decision_names_its_cause() -> None:
    sim = two(ANY)
    sim.exit("s", NORMAL, "done")
    (decided,) = sim.decisions(Decision.AUTO_SHUTDOWN)
    assert (decided.subject, decided.detail) == (
        "",
        {
            "child": "s",
            "incarnation": 1,
            "auto_shutdown": "any_significant",
            "reason": "done",
            "stopped": ["t", "a"],
        },
    )


@pytest.mark.parametrize("auto", [ANY, ALL])
def test_what_is_not_significant_may_end(auto: AutoShutdown) -> None:
    children = (actor("s", "transient", significant=True), actor("x", "transient"))
    sim = Simulation(supervisor("", *children, auto_shutdown=auto)).begin()
    assert work(sim.exit("x", NORMAL)) == []


def test_a_supervisor_can_be_significant() -> None:
    inner = supervisor("p", actor("p/x"), restart="transient", significant=True, intensity=0)
    sim = Simulation(supervisor("", actor("a"), inner, auto_shutdown=ANY)).begin()
    assert work(sim.exit("p/x")) == ["ask a 1"], "it gave up, which is reason shutdown"
    assert work(sim.obey("a")) == ["ended: auto_shutdown is any_significant, and p has ended"]


# What is no such end -----------------------------------------------------------------------


@pytest.mark.parametrize("auto", [ANY, ALL])
@pytest.mark.parametrize("restart", ["transient", "temporary"])
def test_a_stop_by_hand_is_no_such_end(auto: AutoShutdown, restart: str) -> None:
    sim = two(auto, restart)
    for path in "st":
        sim.send(StopChild(path))
        sim.exit(path, NORMAL)
    assert list(sim.live) == ["a"]
    assert not sim.decisions(Decision.AUTO_SHUTDOWN)


def test_a_restart_by_hand_is_no_such_end() -> None:
    sim = two(ANY, "temporary")
    sim.send(RestartChild("s"))
    sim.settle()
    assert sorted(sim.live) == ["a", "s", "t"]


def test_a_start_by_hand_that_fails_or_has_nothing_to_run_is_no_such_end() -> None:
    sim = two(ALL)
    sim.send(StopChild("t"))
    sim.obey("t")
    sim.send(StartChild("t"))
    sim.exit("t", CRASH)
    sim.send(StartChild("t"))
    sim.exit("t", NORMAL, ignored=True)
    assert not sim.decisions(Decision.AUTO_SHUTDOWN)
    assert work(sim.exit("s", NORMAL)) == ["ask a 1"]


def test_one_that_was_stopped_by_hand_counts_as_gone() -> None:
    # E17
    sim = two(ALL)
    sim.send(StopChild("s"))
    sim.obey("s")
    assert work(sim.exit("t", NORMAL)) == ["ask a 1"]


def test_one_that_is_tried_again_counts_as_alive() -> None:
    sim = two(ALL, backoff=Backoff(10.0))
    sim.exit("s", CRASH)
    assert sim.row("s").phase is Phase.RESTARTING
    assert work(sim.exit("t", NORMAL)) == []
    assert work(sim.wait(10.0)) == ["spawn s 2"]
    sim.ready("s")
    assert work(sim.exit("s", NORMAL)) == ["ask a 1"]


def test_one_whose_end_is_not_looked_at_yet_counts_as_alive() -> None:
    sim = two(ALL)
    sim.exit("a")
    sim.exit("s", NORMAL)
    sim.exit("t", NORMAL)
    assert work(sim.ready("a")) == ["ask a 2"], "and then as the last"


def test_a_temporary_one_that_is_stopped_with_its_group_is_gone_and_triggers_nothing() -> None:
    # X12: the planned shutdown is lost
    sim = two(ANY, "temporary", strategy=GROUP)
    sim.exit("a")
    sim.settle()
    assert list(sim.live) == ["a"]
    assert not sim.decisions(Decision.AUTO_SHUTDOWN)


def test_a_temporary_one_that_dies_while_its_group_is_stopped_triggers_nothing() -> None:
    sim = two(ANY, "temporary", strategy=GROUP)
    sim.exit("a")
    sim.exit("s", CRASH)
    sim.settle()
    assert list(sim.live) == ["a"]
    assert not sim.decisions(Decision.AUTO_SHUTDOWN)


def test_its_own_start_again_with_its_group_makes_a_transient_one_count_again() -> None:
    sim = two(ALL, strategy=GROUP)
    assert work(sim.exit("s", NORMAL)) == []
    sim.exit("a")
    sim.settle()
    assert sorted(sim.live) == ["a", "s", "t"]
    assert work(sim.exit("t", NORMAL)) == [], "s is there again"


def test_one_with_nothing_to_run_at_the_first_start_has_not_ended() -> None:
    children = (actor("s", "transient", significant=True), actor("a"))
    sim = Simulation(supervisor("", *children, auto_shutdown=ANY))
    sim.send(Start())
    assert work(sim.exit("s", NORMAL, "nothing", ignored=True)) == ["spawn a 1"]
    sim.ready("a")
    assert list(sim.live) == ["a"]


# What comes of it --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("restart", "again"), [("permanent", True), ("transient", False), ("temporary", False)]
)
def test_the_supervisor_above_sees_a_shutdown(restart: str, again: bool) -> None:
    # PRINC warns of permanent ones: they just begin anew
    job = actor("p/s", "transient", significant=True)
    inner = supervisor("p", job, actor("p/a"), restart=restart, auto_shutdown=ANY)
    sim = Simulation(supervisor("", actor("b"), inner, strategy=GROUP, intensity=2)).begin()
    assert work(sim.exit("p/s", NORMAL)) == ["ask p/a 1"]
    words = work(sim.obey("p/a"))
    assert words == (["ask b 1"] if again else [])
    assert sim.supervisor_row("").left == (1 if again else 2)
    phase = sim.supervisor_row("p").phase
    assert phase is (Phase.RESTARTING if again else Phase.STOPPED)
    assert sim.row("p/a").phase is phase
    assert sim.row("p/s").phase is Phase.STOPPED, "which it was before"


def test_it_goes_all_the_way_up() -> None:
    job = actor("p/q/s", "temporary", significant=True)
    lower = supervisor("p/q", job, restart="transient", significant=True, auto_shutdown=ANY)
    upper = supervisor("p", actor("p/a"), lower, restart="transient", auto_shutdown=ALL)
    sim = Simulation(supervisor("", upper, actor("b"))).begin()
    assert work(sim.exit("p/q/s", CRASH)) == ["ask p/a 1"]
    assert work(sim.obey("p/a")) == []
    assert sim.supervisor_row("p").phase is Phase.STOPPED
    assert list(sim.live) == ["b"]


def test_calls_that_wait_are_answered() -> None:
    sim = two(ANY)
    sim.exit("a")
    sim.exit("s", NORMAL)
    sim.send(StartChild("s", 1))
    sim.send(AddChild("", actor("new"), 2))
    assert work(sim.ready("a")) == [
        "no 1: its supervisor is stopping",
        "no 2: its supervisor is stopping",
        "ask t 1",
    ]


def test_an_added_child_can_be_significant() -> None:
    sim = two(ALL)
    sim.send(AddChild("", actor("u", "temporary", significant=True)))
    sim.settle()
    sim.exit("s", NORMAL)
    sim.exit("t", NORMAL)
    assert work(sim.exit("u", CRASH)) == ["ask a 1"]
    (decided,) = sim.decisions(Decision.AUTO_SHUTDOWN)
    assert (decided.detail["child"], decided.detail["reason"]) == ("u", "it ended: crash")
