"""`restart --init`: who begins with `init` then, until it has been done, and no longer."""

from __future__ import annotations

from tests.supervisor.policy_simulation import Simulation, actor, flat, supervisor
from theater.supervisor.policy import (
    Decision,
    ExitKind,
    ForkLost,
    RestartChild,
    Spawn,
    StartChild,
    StopChild,
)


def anew(sim: Simulation) -> list[str]:
    """Who has been forked since it was last looked, a + at those that begin anew."""
    found = [a for a in sim.actions if isinstance(a, Spawn)]
    sim.actions.clear()
    return [f"{spawn.child}{'+' * spawn.init}" for spawn in found]


def test_it_begins_anew_once() -> None:
    sim = flat("a", "b").begin()
    sim.actions.clear()
    sim.send(RestartChild("a", 1, init=True))
    assert [d.detail for d in sim.decisions(Decision.OPERATOR)] == [
        {"call": "restart", "init": True}
    ]
    sim.settle()
    assert anew(sim) == ["a+"]
    sim.exit("a")
    sim.send(RestartChild("b", 2))
    sim.settle()
    assert sorted(anew(sim)) == ["a", "b"]


def test_it_is_done_again_until_it_is_ready() -> None:
    sim = flat("a").begin()
    sim.actions.clear()
    sim.send(RestartChild("a", 1, init=True))
    sim.obey("a")
    sim.send(ForkLost("a", sim.last["a"]))
    sim.exit("a")
    assert not sim.replies[1].ok
    sim.send(StartChild("a"))
    sim.ready("a")
    assert anew(sim) == ["a+", "a+", "a+"]
    sim.send(StopChild("a"))
    sim.settle()
    sim.send(StartChild("a"))
    assert anew(sim) == ["a"]


def test_one_that_has_nothing_to_run_has_done_it() -> None:
    sim = flat("a").begin()
    sim.send(RestartChild("a", init=True))
    sim.obey("a")
    sim.exit("a", ExitKind.NORMAL, ignored=True)
    sim.actions.clear()
    sim.send(StartChild("a"))
    assert anew(sim) == ["a"]


def test_a_supervisor_takes_all_below_with_it() -> None:
    below = supervisor("s", actor("s/a"), supervisor("s/t", actor("s/t/b")))
    sim = Simulation(supervisor("", below, actor("c"))).begin()
    sim.actions.clear()
    sim.send(RestartChild("s", 1, init=True))
    sim.settle()
    assert anew(sim) == ["s/a+", "s/t/b+"]
