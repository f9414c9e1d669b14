"""A supervisor gives up: what becomes of what is under it, and what the one above does."""

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
from theater.spec import Shutdown, Strategy
from theater.supervisor.policy import Decision, ExitKind, Phase, StopChild

CRASH = ExitKind.CRASH
GROUPS = [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE]


def test_giving_up_stops_the_rest_in_reverse_and_the_supervisor_above_restarts_it() -> None:
    # 1.9: the parent sees an exit with reason shutdown
    inner = supervisor("p", actor("p/x"), actor("p/y"), actor("p/z"), intensity=0)
    sim = Simulation(supervisor("", actor("a"), inner, actor("b"))).begin()
    assert work(sim.exit("p/y", CRASH, "boom")) == ["ask p/z 1"]
    assert sim.supervisor_row("p").phase is Phase.STOPPING
    assert work(sim.obey("p/z")) == ["ask p/x 1"]
    assert sim.row("p/z").phase is Phase.RESTARTING, "it is going to be, so mail is collected"
    assert work(sim.obey("p/x")) == ["spawn p/x 2"]
    assert sim.supervisor_row("").left == 2
    restart = sim.decisions(Decision.RESTART)[-1]
    assert (restart.subject, restart.detail["exit"]) == ("p", "shutdown")
    assert "gave up" in restart.detail["reason"]
    sim.settle()
    assert [sim.row(p).incarnation for p in ("a", "p/x", "p/y", "p/z", "b")] == [1, 2, 2, 2, 1]
    assert [sim.row(p).restarts for p in ("a", "p/x", "p/y", "p/z", "b")] == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("above", [Strategy.ONE_FOR_ONE, *GROUPS])
@pytest.mark.parametrize("restart", ["transient", "temporary"])
def test_a_supervisor_that_gave_up_is_not_restarted_unless_permanent(
    restart: str, above: Strategy
) -> None:
    # E7, Y4: and siblings are untouched even under one_for_all
    inner = supervisor("p", actor("p/x"), actor("p/y"), intensity=0, restart=restart)
    sim = Simulation(supervisor("", actor("a"), inner, actor("b"), strategy=above)).begin()
    sim.exit("p/x")
    assert work(sim.obey("p/y")) == []
    assert {sim.row(p).phase for p in ("p/x", "p/y")} == {Phase.FAILED}
    assert sim.supervisor_row("p").phase is Phase.FAILED
    assert [sim.row(p).incarnation for p in "ab"] == [1, 1]
    assert sim.supervisor_row("").left == 3


@pytest.mark.parametrize("above", GROUPS)
def test_a_permanent_one_takes_its_group_with_it(above: Strategy) -> None:
    inner = supervisor("p", actor("p/x"), intensity=0)
    sim = Simulation(supervisor("", inner, actor("b"), strategy=above)).begin()
    assert work(sim.exit("p/x")) == ["ask b 1"]
    assert work(sim.obey("b")) == ["spawn p/x 2"]
    assert work(sim.ready("p/x")) == ["spawn b 2"]
    assert sim.supervisor_row("").left == 2


@pytest.mark.parametrize(
    ("upper", "lower", "starts"), [(3, 2, 12), (10, 10, 121), (0, 0, 1), (0, 5, 6), (5, 0, 6)]
)
@pytest.mark.parametrize("strategy", list(Strategy))
def test_depth_multiplies_the_number_of_starts(
    strategy: Strategy, upper: int, lower: int, starts: int
) -> None:
    # X3: (n + 1) * (m + 1), where PRINC says "product"
    if strategy is Strategy.SIMPLE_ONE_FOR_ONE:
        inner = pool(actor("p/x"), 1, intensity=lower)
    else:
        inner = supervisor("p", actor("p/x-1"), strategy=strategy, intensity=lower)
    sim = Simulation(supervisor("", inner, intensity=upper)).begin()
    while sim.ended is None:
        sim.exit("p/x-1")
        sim.settle()
    assert len(sim.spawned()) == starts
    assert sim.row("p/x-1").phase is Phase.FAILED
    assert f"p needed more than {upper} restarts" in sim.ended.reason


def test_three_levels_multiply_too() -> None:
    lowest = supervisor("p/q", actor("p/q/x"), intensity=1)
    sim = Simulation(supervisor("", supervisor("p", lowest, intensity=2), intensity=3)).begin()
    while sim.ended is None:
        sim.exit("p/q/x")
        sim.settle()
    assert len(sim.spawned()) == 2 * 3 * 4


@pytest.mark.parametrize("strategy", GROUPS)
def test_one_that_dies_again_and_again_takes_the_others_with_it_until_its_supervisor_gives_up(
    strategy: Strategy,
) -> None:
    sim = flat("a", "b", strategy=strategy, intensity=2).begin()
    for incarnation in (1, 2):
        assert work(sim.exit("a")) == [f"ask b {incarnation}"]
        sim.settle()
    assert work(sim.exit("a", CRASH, "boom")) == ["ask b 3"]
    (decided,) = sim.decisions(Decision.GAVE_UP)
    assert (decided.subject, decided.detail["child"], decided.detail["left"]) == ("", "a", 0)
    assert (decided.detail["stopped"], decided.detail["started"]) == (["b"], [])
    (reason,) = work(sim.obey("b"))
    assert reason.startswith("failed: gave up: a needed more than 2 restarts in 5 s")


def test_a_group_whose_stop_takes_longer_than_its_window_is_restarted_for_ever() -> None:
    # Y1, the known trap: theater check warns of it
    slow = actor("b", shutdown=Shutdown(timeout_s=2.1))
    sim = Simulation(
        supervisor("", actor("a"), slow, strategy=GROUPS[0], intensity=1, period_s=1.0)
    ).begin()
    for _ in range(20):
        sim.exit("a")
        assert work(sim.wait(2.1)) == [f"kill b {sim.last['b']}"]
        sim.settle()
    assert sim.ended is None


def test_a_pool_that_gives_up_stops_all_its_instances_at_once() -> None:
    sim = workers(3, intensity=0)
    assert work(sim.exit("w-2")) == ["ask w-3 1", "ask w-1 1"]
    sim.obey("w-3")
    assert work(sim.obey("w-1"))[0].startswith("failed: gave up: w-2 needed more than 0")


def test_a_start_that_fails_in_a_group_can_be_the_one_too_many() -> None:
    sim = flat("a", "b", "c", strategy=GROUPS[1], intensity=1).begin()
    sim.exit("b")
    sim.obey("c")
    assert work(sim.exit("b", CRASH, "no")) == ["ask a 1"]
    assert work(sim.obey("a")) == [
        "failed: gave up: b needed more than 1 restarts in 5 s, the last time because: no"
    ]
    assert {sim.row(path).phase for path in "bc"} == {Phase.FAILED}


def test_a_restarted_supervisor_has_its_initial_children_and_an_empty_window() -> None:
    inner = supervisor("p", actor("p/t", "temporary"), actor("p/s"), actor("p/x"), intensity=1)
    sim = Simulation(supervisor("", inner)).begin()
    sim.exit("p/t")
    sim.send(StopChild("p/s", 1))
    sim.obey("p/s")
    sim.exit("p/x")
    sim.ready("p/x")
    assert sim.supervisor_row("p").left == 0
    assert work(sim.exit("p/x")) == ["spawn p/t 2"]
    assert work(sim.ready("p/t")) == ["spawn p/s 2"]
    assert work(sim.ready("p/s")) == ["spawn p/x 3"]
    sim.ready("p/x")
    assert sim.supervisor_row("p").left == 1


def test_a_supervisor_that_does_not_come_up_again_is_tried_again_and_counted() -> None:
    inner = supervisor("p", actor("p/x"), actor("p/y"), intensity=0)
    sim = Simulation(supervisor("", inner, intensity=2)).begin()
    sim.exit("p/y")
    assert work(sim.obey("p/x")) == ["spawn p/x 2"]
    assert work(sim.exit("p/x")) == ["spawn p/x 3"]
    assert sim.row("p/y").phase is Phase.RESTARTING
    assert work(sim.exit("p/x", CRASH, "no")) == [
        "failed: gave up: p needed more than 2 restarts in 5 s,"
        " the last time because: p/x failed to start: no"
    ]
    assert {sim.row(p).phase for p in ("p/x", "p/y")} == {Phase.FAILED}


def test_deaths_that_wait_when_the_supervisor_gives_up_are_just_collected() -> None:
    sim = flat("a", "b", "c", intensity=1).begin()
    sim.exit("a")
    sim.exit("b")
    assert work(sim.ready("a")) == ["ask c 1"]
    assert work(sim.obey("c")) == ["ask a 2"], "b was dead already"
    assert work(sim.obey("a"))[0].startswith("failed: gave up: b ")
