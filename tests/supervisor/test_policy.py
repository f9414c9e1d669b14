"""The step function itself: timers, determinism, work in proportion."""

from __future__ import annotations

from tests.supervisor.policy_simulation import (
    Simulation,
    actor,
    flat,
    supervisor,
    work,
)
from theater.spec import SupervisorSpec
from theater.supervisor.policy import (
    Ended,
    Event,
    Exited,
    ExitKind,
    KillAll,
    Phase,
    Ready,
    Start,
    Tick,
    WakeAt,
    initial,
    step,
)
from theater.supervisor.policy import Shutdown as ShutdownAll

CRASH = ExitKind.CRASH


def test_wake_at_follows_the_earliest_timer() -> None:
    state = initial(supervisor("", actor("a", start_s=3.0), actor("b")), {})

    def wakes(event: Event, now_s: float) -> list[float | None]:
        actions = step(state, event, now_s)[1]
        return [action.time_s for action in actions if isinstance(action, WakeAt)]

    assert wakes(Start(), 10.0) == [13.0]
    assert wakes(Tick(), 12.0) == [13.0], "an early tick is told the time again"
    assert wakes(Ready("a", 1), 12.5) == [42.5]
    assert wakes(Ready("b", 1), 13.0) == [None]
    assert wakes(Exited("a", 0, CRASH, "old"), 14.0) == []


def test_two_hundred_deaths_at_once_are_handled_in_linear_work() -> None:
    def actions_for(count: int) -> int:
        paths = [f"a{n}" for n in range(count)]
        sim = flat(*paths, intensity=count)
        sim.begin()
        before = len(sim.actions)
        for path in paths:
            sim.exit(path)
        sim.settle()
        assert all(sim.row(path).restarts == 1 for path in paths[:3])
        assert not sim.state.timers
        return len(sim.actions) - before

    assert actions_for(200) <= 2 * actions_for(100) + 10


def test_a_phase_says_since_when_and_why() -> None:
    sim = flat("a").begin()
    sim.wait(3.0)
    sim.exit("a", CRASH, "boom")
    assert (sim.row("a").since_s, sim.row("a").reason) == (sim.now_s, "boom")
    sim.wait(2.0)
    assert sim.row("a").since_s == sim.now_s - 2.0
    sim.ready("a")
    assert (sim.row("a").since_s, sim.row("a").reason) == (sim.now_s, "boom")


def test_the_same_history_gives_the_same_actions() -> None:
    def run() -> list[object]:
        sim = Simulation(deep(), {"a": 3}).begin()
        for path in ("p/x", "a", "p/y", "p/x"):
            if path in sim.live:
                sim.exit(path)
        sim.settle()
        sim.send(ShutdownAll())
        sim.settle()
        return list(sim.actions)

    assert run() == run()


def deep() -> SupervisorSpec:
    pool = supervisor("p", actor("p/x"), actor("p/y", "transient"), intensity=1)
    return supervisor("", actor("a"), pool, actor("b", "temporary"))


def test_hundred_levels_of_supervisors_come_up_and_go_down() -> None:
    path, spec = "p" + "/p" * 99, actor("x")
    tree: SupervisorSpec = supervisor(path, spec)
    while "/" in path:
        path = path.rsplit("/", 1)[0]
        tree = supervisor(path, tree)
    sim = Simulation(supervisor("", tree)).begin()
    assert sim.row("x").phase is Phase.RUNNING
    sim.send(ShutdownAll())
    assert work(sim.obey("x")) == ["ended: shut down"]


def test_after_the_end_nothing_is_ordered() -> None:
    sim = flat("a").begin()
    sim.send(KillAll())
    sim.exit("a")
    for event in (Tick(), ShutdownAll(), KillAll(), Start(), Ready("a", 1)):
        assert step(sim.state, event, sim.now_s)[1] == []


def test_ended_is_the_last_action() -> None:
    state = initial(flat("a").spec, {})
    step(state, Start(), 1.0)
    step(state, Ready("a", 1), 1.0)
    step(state, ShutdownAll(), 1.0)
    assert isinstance(step(state, Exited("a", 1, CRASH, "over"), 2.0)[1][-1], Ended)
