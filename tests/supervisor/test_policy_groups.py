"""one_for_all and rest_for_one: who is stopped, who is started, and in which order."""

from __future__ import annotations

from tests.supervisor.policy_simulation import Simulation, actor, supervisor, work
from theater.spec import Strategy
from theater.supervisor.policy import ExitKind, Phase

CRASH, NORMAL = ExitKind.CRASH, ExitKind.NORMAL
ALL, REST = Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE


def test_a_temporary_sibling_is_stopped_for_good() -> None:
    # E4, temporary_bystander
    inner = supervisor("p", actor("p/x"), restart="temporary")
    sim = Simulation(
        supervisor("", actor("a"), actor("t", "temporary"), inner, strategy=ALL)
    ).begin()
    sim.exit("a")
    assert work(sim.obey("p/x")) == ["ask t 1"]
    assert sim.row("p/x").phase is Phase.STOPPED, "nobody is going to start it again"
    assert work(sim.obey("t")) == ["spawn a 2"]
    sim.ready("a")
    assert sim.row("t").phase is Phase.STOPPED
    assert sim.supervisor_row("p").phase is Phase.STOPPED
