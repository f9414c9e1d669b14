"""Restart type by exit by strategy by state of the child: every cell, the impossible ones too."""

from __future__ import annotations

import itertools

import pytest

from tests.supervisor.policy_simulation import Simulation, actor, pool, supervisor, work
from theater.spec import Backoff, Restart, Strategy
from theater.supervisor.policy import (
    AddChild,
    DeleteChild,
    Exited,
    ExitKind,
    KillAll,
    Phase,
    Shutdown,
    Start,
    StartChild,
    StartInstance,
    StopChild,
)

ONE, ALL, REST, POOL = Strategy
CRASH, NORMAL = ExitKind.CRASH, ExitKind.NORMAL

# Which exits of a running child are answered with a restart; written out again on purpose.
RESTARTED = {
    ("permanent", "normal"),
    ("permanent", "shutdown"),
    ("permanent", "crash"),
    ("transient", "crash"),
}

# What is ordered at once when x of (a, x, b) ends in this state, with A, X and B for them. Of the
# states "running" this holds if it is restarted; else nothing is ordered. None: it cannot be.
ORDERED: dict[str, dict[Strategy, list[str] | None]] = {
    "starting first": {s: ["ask A 1"] for s in Strategy},
    "starting after a death": {
        ONE: ["spawn X 3"],
        ALL: ["ask A 2"],
        REST: ["spawn X 3"],
        POOL: ["spawn X 3"],
    },
    "starting by hand": {
        **{s: ["no 1: failed to start: over"] for s in Strategy},
        POOL: ["no 1: w-4: failed to start: over"],
    },
    "running": {ONE: ["spawn X 2"], ALL: ["ask B 1"], REST: ["ask B 1"], POOL: ["spawn X 2"]},
    "stopping by hand": {s: ["ok 1: stopped"] for s in Strategy},
    "stopping while starting": {s: ["ok 1: stopped", "spawn B 1"] for s in Strategy},
    "stopping with its group": {ONE: None, ALL: ["ask A 1"], REST: ["spawn A 2"], POOL: None},
    "stopping with all": {ONE: ["ask A 1"], ALL: ["ask A 1"], REST: ["ask A 1"], POOL: []},
    "killed with all": {s: [] for s in Strategy},
}
# With the supervisor busy stopping b: what is ordered when b is gone.
AFTER_B = {ONE: ["spawn X 2"], ALL: ["ask A 1"], REST: ["spawn X 2"], POOL: ["spawn X 2"]}
WITHOUT_PROCESS = ("tried again", "waiting", "stopped", "ended", "deleted")

Cell = tuple[Strategy, Restart, str]


def names(strategy: Strategy) -> tuple[str, str, str]:
    return ("w-1", "w-2", "w-3") if strategy is POOL else ("a", "x", "b")


def bring(strategy: Strategy, restart: Restart, state: str) -> tuple[Simulation, str] | None:
    """A tree (a, x, b) in which x is in this state, and the path of x; None: it cannot be."""
    a, x, b = names(strategy)
    backoff = Backoff(10.0) if state == "waiting" else None
    if strategy is POOL:
        spec = pool(actor("w", restart), 3, intensity=5, backoff=backoff)
    else:
        children = actor(a), actor(x, restart), actor(b)
        spec = supervisor("", *children, strategy=strategy, intensity=5, backoff=backoff)
    sim = Simulation(spec)
    sim.send(Start())
    sim.ready(a)
    if state == "starting first":
        return sim, x
    if state == "stopping while starting":
        sim.send(StopChild(x, 1))
        return sim, x
    sim.settle()
    never_restarted = restart is Restart.TEMPORARY
    match state:
        case "starting after a death" | "tried again" | "waiting" if never_restarted:
            return None
        case "starting after a death":
            sim.exit(x)
            until_it_starts(sim, x)
        case "tried again":
            sim.exit(x)
            sim.send(StartInstance("") if strategy is POOL else AddChild("", actor("new")))
            until_it_starts(sim, x)
            sim.exit(x)  # and now the call is served before the next attempt
        case "waiting":
            sim.exit(x)
            sim.settle()
        case "starting by hand" if strategy is POOL:
            sim.send(StartInstance("", (), 1))
            return sim, "w-4"
        case "starting by hand":
            sim.send(StopChild(x))
            sim.obey(x)
            sim.send(StartChild(x, 1))
        case "running, supervisor busy":
            sim.send(StopChild(b))
        case "stopping by hand":
            sim.send(StopChild(x, 1))
        case "stopping with its group" if strategy is ALL:
            sim.exit(b)
        case "stopping with its group" if strategy is REST:
            sim.exit(a)
            sim.obey(b)
        case "stopping with its group":
            return None
        case "stopping with all":
            sim.send(Shutdown())
            sim.obey(b)
        case "killed with all":
            sim.send(KillAll())
        case "stopped" | "deleted":
            sim.send(StopChild(x))
            sim.obey(x)
            if state == "deleted":
                sim.send(DeleteChild(x))
        case "ended":
            sim.exit(x, NORMAL)
            if restart is Restart.PERMANENT:
                return None
    return sim, x


def until_it_starts(sim: Simulation, x: str) -> None:
    """Those of its group that stand before it are stopped and started."""
    while x not in sim.live or sim.live[x].ready:
        sim.react(sim.busy()[0].path)


def said(words: list[str], strategy: Strategy) -> list[str]:
    a, x, b = names(strategy)
    return [word.replace("A", a).replace("X", x).replace("B", b) for word in words]


@pytest.mark.parametrize("kind", list(ExitKind))
@pytest.mark.parametrize(
    ("strategy", "restart", "state"), list(itertools.product(Strategy, Restart, ORDERED)), ids=str
)
def test_every_exit_in_every_state_with_a_process(
    strategy: Strategy, restart: Restart, state: str, kind: ExitKind
) -> None:
    found, ordered = bring(strategy, restart, state), ORDERED[state][strategy]
    if found is None or ordered is None:
        assert found is None
        assert restart is Restart.TEMPORARY or ordered is None
        return
    sim, x = found
    if state == "running" and (restart, kind) not in RESTARTED:
        ordered = []
    left = sim.supervisor_row("").left
    got = work(sim.send(Exited(x, sim.last[x], kind, "over")))
    assert got == said(ordered, strategy)
    counted = state == "starting after a death" or (state == "running" and bool(ordered))
    assert sim.supervisor_row("").left == left - counted
    check_phase(sim, x, state, kind, restart)


def check_phase(sim: Simulation, x: str, state: str, kind: ExitKind, restart: Restart) -> None:
    node = sim.state.root.inner
    assert node is not None
    ended_well = Phase.FAILED if kind is CRASH else Phase.STOPPED
    shown = {row.path: row.phase for row in sim.rows()}
    again = {Phase.STARTING, Phase.RESTARTING}
    match state:
        case "starting first":
            assert shown[x] is Phase.FAILED
        case "starting after a death":
            assert shown[x] in again
        case "running" if (restart, kind) in RESTARTED:
            assert shown[x] in again
        case "stopping with its group" if restart is not Restart.TEMPORARY:
            assert shown[x] in again
        case "stopping with all" | "killed with all":
            assert shown[x] is Phase.STOPPED, "and a pool keeps it until it begins anew"
        case _ if node.pool:
            assert x not in shown, "a pool forgets what is not restarted"
        case "running":
            assert shown[x] is ended_well
        case "starting by hand":
            assert shown[x] is Phase.FAILED
        case _:
            assert shown[x] is Phase.STOPPED


@pytest.mark.parametrize("kind", list(ExitKind))
@pytest.mark.parametrize(
    ("strategy", "restart"), list(itertools.product(Strategy, Restart)), ids=str
)
def test_every_exit_while_the_supervisor_is_busy(
    strategy: Strategy, restart: Restart, kind: ExitKind
) -> None:
    found = bring(strategy, restart, "running, supervisor busy")
    assert found is not None
    sim, x = found
    restarted = (restart, kind) in RESTARTED
    assert work(sim.exit(x, kind)) == []
    ended_well = Phase.FAILED if kind is CRASH else Phase.STOPPED
    assert sim.row(x).phase is (Phase.RESTARTING if restarted else ended_well), "shown at once"
    assert sim.supervisor_row("").left == 5
    b = names(strategy)[2]
    assert work(sim.obey(b)) == (said(AFTER_B[strategy], strategy) if restarted else [])
    assert sim.supervisor_row("").left == (4 if restarted else 5)


@pytest.mark.parametrize("kind", list(ExitKind))
@pytest.mark.parametrize(
    ("strategy", "restart", "state"),
    list(itertools.product(Strategy, Restart, WITHOUT_PROCESS)),
    ids=str,
)
def test_no_exit_of_one_that_has_no_process_changes_anything(
    strategy: Strategy, restart: Restart, state: str, kind: ExitKind
) -> None:
    found = bring(strategy, restart, state)
    if found is None:
        assert restart is (Restart.PERMANENT if state == "ended" else Restart.TEMPORARY)
        return
    sim, x = found
    before = sim.rows(), sim.supervisor_row(""), sim.wake_s
    assert x not in sim.live
    assert sim.send(Exited(x, sim.last[x], kind, "over")) == []
    assert (sim.rows(), sim.supervisor_row(""), sim.wake_s) == before
    sim.settle()
