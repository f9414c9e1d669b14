"""Restart type by exit by state of the child: every cell, the impossible ones too."""

from __future__ import annotations

import itertools

import pytest

from tests.supervisor.policy_simulation import Simulation, actor, supervisor, work
from theater.spec import Restart
from theater.supervisor.policy import (
    Exited,
    ExitKind,
    KillAll,
    Phase,
    Shutdown,
    Start,
    StartChild,
    StopChild,
)

STATES = (
    "starting first",
    "starting after a death",
    "starting by hand",
    "running",
    "running, supervisor busy",
    "stopping by hand",
    "stopping while starting",
    "stopping with all",
    "killed with all",
    "gone",
)

# Which exits of a running child are answered with a restart; written out again on purpose.
RESTARTED = {
    ("permanent", "normal"),
    ("permanent", "shutdown"),
    ("permanent", "crash"),
    ("transient", "crash"),
}


def bring(restart: Restart, state: str) -> Simulation | None:
    """A tree (a, x) in which x is in this state; None: it cannot be."""
    sim = Simulation(supervisor("", actor("a"), actor("x", restart), intensity=5))
    sim.send(Start())
    sim.ready("a")
    if state == "starting first":
        return sim
    if state == "stopping while starting":
        sim.send(StopChild("x", 1))
        return sim
    sim.ready("x")
    match state:
        case "starting after a death":
            sim.exit("x", ExitKind.CRASH)
            if "x" not in sim.live:
                assert restart is Restart.TEMPORARY
                return None
        case "starting by hand":
            sim.send(StopChild("x"))
            sim.obey("x")
            sim.send(StartChild("x", 1))
        case "running, supervisor busy":
            sim.exit("a")
        case "stopping by hand":
            sim.send(StopChild("x", 1))
        case "stopping with all":
            sim.send(Shutdown())
        case "killed with all":
            sim.send(KillAll())
        case "gone":
            sim.send(StopChild("x"))
            sim.obey("x")
    return sim


@pytest.mark.parametrize(
    ("restart", "kind", "state"), list(itertools.product(Restart, ExitKind, STATES)), ids=str
)
def test_every_exit_in_every_state(restart: Restart, kind: ExitKind, state: str) -> None:
    sim = bring(restart, state)
    if sim is None:
        return
    last = sim.last["x"]
    left = sim.supervisor_row("").left
    again = f"spawn x {last + 1}"
    got = work(sim.send(Exited("x", last, kind, "over")))
    phase = sim.row("x").phase
    ended_well = Phase.FAILED if kind is ExitKind.CRASH else Phase.STOPPED
    counted = 0
    match state:
        case "starting first":
            assert got == ["ask a 1"]
            assert work(sim.obey("a")) == ["failed: x failed to start: over"]
            assert phase is Phase.FAILED
        case "starting after a death":
            assert got == [again]
            assert phase is Phase.STARTING
            counted = 1
        case "starting by hand":
            assert got == ["no 1: failed to start: over"]
            assert phase is Phase.FAILED
        case "running":
            restarted = (restart, kind) in RESTARTED
            assert got == ([again] if restarted else [])
            assert phase is (Phase.STARTING if restarted else ended_well)
            counted = int(restarted)
        case "running, supervisor busy":
            restarted = (restart, kind) in RESTARTED
            assert got == []
            assert phase is (Phase.RESTARTING if restarted else ended_well)
            assert work(sim.ready("a")) == ([again] if restarted else [])
            counted = int(restarted)
        case "stopping by hand":
            assert got == ["ok 1: stopped"]
            assert phase is Phase.STOPPED
        case "stopping while starting":
            assert got == ["ok 1: stopped"]
            assert phase is Phase.STOPPED
        case "stopping with all":
            assert got == ["ask a 1"]
            assert phase is Phase.STOPPED
        case "killed with all":
            assert got == []
            assert phase is Phase.STOPPED
            assert work(sim.exit("a")) == ["ended: shut down"]
        case "gone":
            assert got == []
            assert phase is Phase.STOPPED
    assert sim.supervisor_row("").left == left - counted
