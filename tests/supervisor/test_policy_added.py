"""Children that are added and deleted while the system runs: start_child and delete_child."""

from __future__ import annotations

import pytest

from tests.supervisor.policy_simulation import actor, flat, work
from theater.spec import AutoShutdown
from theater.supervisor.policy import (
    AddChild,
    ExitKind,
    RestartChild,
    StopChild,
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
