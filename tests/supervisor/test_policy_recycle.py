"""A planned restart: of one child, in its place, not counted, and nobody else notices."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.supervisor.policy_simulation import BRUTAL, Simulation, actor, supervisor, work
from tests.supervisor.test_policy_products import ORDERED, WITHOUT_PROCESS, bring, names, said
from theater.spec import AutoShutdown, Backoff, Restart, Strategy
from theater.supervisor.policy import (
    Decision,
    ExitKind,
    ForkLost,
    KillAll,
    Phase,
    Recycle,
    RestartChild,
    Shutdown,
    StopChild,
)

STATES = [*ORDERED, "running, supervisor busy", *WITHOUT_PROCESS]
# In these it is up when its supervisor gets to the note: then it is recycled. Else nothing is.
GET_UP = {
    "starting first",
    "starting after a death",
    "starting by hand",
    "running",
    "running, supervisor busy",
}


def tree(**more: Any) -> Simulation:
    spec = supervisor("", actor("a"), actor("x"), actor("b"), **more)
    return Simulation(spec).begin()


def recycle(sim: Simulation, path: str = "x", turns: int = 7) -> list[str]:
    return work(sim.send(Recycle(path, sim.last[path], turns)))


@pytest.mark.parametrize(
    ("strategy", "restart", "state"), list(itertools.product(Strategy, Restart, STATES)), ids=str
)
def test_every_strategy_restart_type_and_state(
    strategy: Strategy, restart: Restart, state: str
) -> None:
    found = bring(strategy, restart, state)
    if found is None:
        return
    sim, x = found
    last, left = dict(sim.last), sim.supervisor_row("").left
    restarts = {row.path: row.restarts for row in sim.rows()}
    order = list(sim.state.root.inner.children) if sim.state.root.inner else []
    ordered = said(["ask X N"], strategy) if state == "running" else []
    assert recycle(sim, x) == [word.replace("N", str(last[x])) for word in ordered]
    sim.settle()
    assert len(sim.decisions(Decision.RECYCLE)) == (state in GET_UP)
    if state not in GET_UP:
        return
    (decision,) = sim.decisions(Decision.RECYCLE)
    assert (decision.subject, decision.detail) == (x, {"incarnation": last[x], "turns": 7})
    assert sim.last[x] == last[x] + 1
    assert sim.row(x).phase is Phase.RUNNING
    assert sim.supervisor_row("").left == left
    assert sim.row(x).reason == "recycled after 7 turns"
    if state == "running":
        assert sim.last == {**last, x: last[x] + 1}, "somebody else was touched"
        assert {row.path: row.restarts for row in sim.rows()} == restarts
        assert sim.state.root.inner and list(sim.state.root.inner.children) == order


def test_what_is_said_twice_or_too_late_is_done_once() -> None:
    sim = tree()
    assert recycle(sim) == ["ask x 1"]
    assert recycle(sim) == []
    sim.settle()
    assert sim.last["x"] == 2
    assert work(sim.send(Recycle("x", 1, 7))) == []
    assert work(sim.send(Recycle("nobody", 1, 7))) == []
    sim.exit("x")
    assert work(sim.send(Recycle("x", 2, 7))) == []


def test_one_that_dies_before_its_supervisor_gets_to_it_is_restarted_and_counted() -> None:
    sim = tree(intensity=5)
    sim.send(StopChild("b"))
    assert recycle(sim) == []
    assert work(sim.exit("x")) == []
    assert work(sim.obey("b")) == ["spawn x 2"]
    assert sim.supervisor_row("").left == 4
    assert sim.decisions(Decision.RECYCLE) == []


@pytest.mark.parametrize("restart", Restart)
@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL])
def test_one_that_does_not_come_back_has_died(strategy: Strategy, restart: Restart) -> None:
    spec = supervisor(
        "", actor("a"), actor("x", restart), actor("b"), strategy=strategy, intensity=5
    )
    sim = Simulation(spec).begin()
    recycle(sim)
    assert work(sim.obey("x")) == ["spawn x 2"]
    sim.exit("x")
    if restart is Restart.TEMPORARY:
        assert sim.row("x").phase is Phase.FAILED
        assert sim.supervisor_row("").left == 5
    else:
        assert sim.supervisor_row("").left == 4
        sim.settle()
        assert sim.row("x").phase is Phase.RUNNING
        assert sim.last["b"] == (2 if strategy is Strategy.ONE_FOR_ALL else 1)


def test_one_that_does_not_come_back_at_all_lets_its_supervisor_give_up() -> None:
    sim = tree(intensity=2)
    recycle(sim)
    sim.obey("x")
    for _ in range(3):
        sim.exit("x")
    assert len(sim.decisions(Decision.GAVE_UP)) == 1


def test_a_deaf_one_is_killed_and_started() -> None:
    sim = tree()
    recycle(sim)
    assert work(sim.wait(6.0)) == ["kill x 1"]
    sim.settle()
    assert (sim.row("x").phase, sim.last["x"]) == (Phase.RUNNING, 2)
    brutal = Simulation(supervisor("", actor("x", shutdown=BRUTAL))).begin()
    assert recycle(brutal) == ["kill x 1"]
    brutal.settle()
    assert (brutal.row("x").phase, brutal.last["x"]) == (Phase.RUNNING, 2)


def test_nobody_waits_for_it_and_it_is_as_settled_as_before() -> None:
    sim = tree(intensity=100, period_s=1000.0, backoff=Backoff(1.0, 10.0, 100.0, settled_s=10.0))
    sim.exit("x")
    sim.wait(1.0)
    sim.settle()
    for _ in range(3):  # each incarnation is younger than 10 s; the child is not
        sim.wait(4.0)
        recycle(sim)
        assert "spawn" in work(sim.obey("x"))[0]
        sim.settle()
    sim.exit("x")
    assert sim.decisions(Decision.RESTART)[-1].detail["delay_s"] == 1.0


def test_a_significant_child_that_is_recycled_has_not_ended() -> None:
    inner = supervisor(
        "s",
        actor("s/x", "transient", significant=True),
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
    )
    sim = Simulation(supervisor("", inner)).begin()
    recycle(sim, "s/x")
    sim.settle()
    assert sim.decisions(Decision.AUTO_SHUTDOWN) == []
    assert sim.row("s/x").phase is Phase.RUNNING


@pytest.mark.parametrize("moment", ["stopping", "starting", "fork lost"])
@pytest.mark.parametrize("strategy", list(Strategy))
def test_whatever_is_asked_meanwhile_is_done(strategy: Strategy, moment: str) -> None:
    def begun() -> tuple[Simulation, str]:
        found = bring(strategy, Restart.PERMANENT, "running")
        assert found is not None
        sim, x = found
        recycle(sim, x)
        if moment != "stopping":
            sim.obey(x)
        if moment == "fork lost":
            sim.send(ForkLost(x, sim.last[x]))
        return sim, x

    sim, x = begun()
    sim.send(StopChild(x, 1))
    sim.settle()
    assert sim.replies[1].ok and x not in sim.live
    sim, x = begun()
    sim.send(RestartChild(x, 1))
    sim.settle()
    assert sim.replies[1].ok and sim.row(x).phase is Phase.RUNNING
    sim, x = begun()
    sim.exit(names(strategy)[0])
    sim.settle()
    sim.check_rest()
    assert sim.row(x).phase is Phase.RUNNING
    for end in (Shutdown(), KillAll()):
        sim, x = begun()
        sim.send(end)
        sim.settle()
        assert sim.ended is not None and not sim.ended.failed


def test_a_worker_that_ends_itself_meanwhile_comes_back_all_the_same() -> None:
    for kind in ExitKind:
        sim = tree()
        recycle(sim)
        sim.exit("x", kind)
        sim.settle()
        assert (sim.row("x").phase, sim.last["x"]) == (Phase.RUNNING, 2)
        assert sim.supervisor_row("").left == 3
