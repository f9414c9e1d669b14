"""simple_one_for_one: instances of one template."""

from __future__ import annotations

from tests.supervisor.policy_simulation import Simulation, actor, pool, work
from theater.supervisor.policy import DeleteChild, Event, StartChild


def test_an_instance_cannot_be_restarted_or_deleted_by_name() -> None:
    # 1.12, whatever state it is in
    sim = Simulation(pool(actor("w"), 1)).begin()
    events: list[Event] = [StartChild("w-1", 0, strict=True), DeleteChild("w-1", 1, strict=True)]
    for number, event in enumerate(events):
        sim.send(event)
        assert sim.replies[number].code == "simple_one_for_one"
    assert work(sim.send(StartChild("w-1", 2))) == ["no 2: it is running already"], "not strict"
