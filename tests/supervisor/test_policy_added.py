"""Children that are added and deleted while the system runs: start_child and delete_child."""

from __future__ import annotations

from tests.supervisor.policy_simulation import actor, flat, work
from theater.supervisor.policy import (
    AddChild,
    ExitKind,
    RestartChild,
)
from theater.supervisor.policy import Shutdown as ShutdownAll

CRASH, NORMAL = ExitKind.CRASH, ExitKind.NORMAL


def test_an_added_temporary_child_can_be_restarted_by_hand() -> None:
    sim = flat("a").begin()
    sim.send(AddChild("", actor("t", "temporary")))
    sim.settle()
    assert work(sim.send(RestartChild("t", 1))) == ["ask t 1"]
    assert work(sim.obey("t")) == ["spawn t 2"]
    assert work(sim.ready("t")) == ["ok 1: running"]
    sim.send(ShutdownAll())
    sim.settle()
