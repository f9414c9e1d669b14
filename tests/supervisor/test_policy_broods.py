"""Actors that spawn: what is under them lives, goes and comes back with them.

A brood is the supervisor under an actor. The Simulation asserts what must hold in any history;
here is what broods add to that.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from tests.slices import sliced
from tests.supervisor.policy_seeds import run_block
from tests.supervisor.policy_simulation import Simulation, actor, supervisor, work
from tests.supervisor.test_policy_chaos import Chaos
from theater.spec import ActorSpec, ChildSpec, Handler, Limits, OnRestart, Restart, SupervisorSpec
from theater.supervisor import policy, view
from theater.supervisor.policy import (
    AddChild,
    Decision,
    DeleteChild,
    Event,
    ExitKind,
    Phase,
    Recycle,
    RestartChild,
    Shutdown,
    StartChild,
    StopChild,
)

CRASH, NORMAL = ExitKind.CRASH, ExitKind.NORMAL


def boss(path: str = "boss", restart: str = "permanent", **more: Any) -> ActorSpec:
    settings: dict[str, Any] = {
        key: more.pop(key) for key in ("intensity", "period", "max_children") if key in more
    }
    return actor(path, restart, handlers=(Handler("supervisor", settings),), **more)


def spawned(path: str, restart: str = "permanent", index: int = 1, **more: Any) -> ActorSpec:
    return actor(path, restart, spawned=(2, index), **more)


def with_boss(*children: ActorSpec, **more: Any) -> Simulation:
    """A boss that has spawned these, and everything runs."""
    sim = Simulation(supervisor("", boss(**more), actor("z"))).begin()
    for number, child in enumerate(children):
        sim.send(AddChild("boss", child, 100 + number))
        sim.settle()
    sim.actions.clear()
    return sim


def running(sim: Simulation) -> list[str]:
    return sorted(sim.live)


def test_what_an_actor_spawns_is_started_and_answered_when_it_is_ready() -> None:
    sim = with_boss()
    assert work(sim.send(AddChild("boss", spawned("boss/a"), 1))) == ["spawn boss/a 1"]
    assert not sim.replies
    sim.ready("boss/a")
    assert sim.replies[1].ok and sim.row("boss/a").supervisor == "boss"


def test_an_actor_may_spawn_before_it_is_ready() -> None:
    sim = Simulation(supervisor("", boss()))
    sim.send(policy.Start())
    sim.send(AddChild("boss", spawned("boss/a"), 1))
    sim.ready("boss/a")
    assert sim.replies[1].ok
    sim.ready("boss")
    assert running(sim) == ["boss", "boss/a"]


def test_what_is_spawned_counts_for_all_above_it() -> None:
    """Three levels, of which each may have as many as the one above it."""
    sim = with_boss(replace(boss("boss/a", max_children=3), spawned=(2, 1)), max_children=3)
    sim.send(AddChild("boss/a", replace(boss("boss/a/b", max_children=3), spawned=(2, 1)), 1))
    sim.settle()
    deepest = "boss/a/b"
    assert view.too_many(sim.state, deepest) is None
    full = "boss has spawned 3 actors, and max_children is 3"
    assert view.too_many(sim.state, deepest, [f"{deepest}/c"]) == full
    sim.send(AddChild(deepest, spawned(f"{deepest}/c"), 2))
    sim.settle()
    for path in ("boss", "boss/a", deepest):
        assert view.too_many(sim.state, path) == full
    sim.send(StopChild("boss/a", 3))
    sim.send(DeleteChild("boss/a", 4))
    sim.settle()
    assert view.too_many(sim.state, "boss") is None


def test_no_address_is_used_again() -> None:
    sim = with_boss(spawned("boss/a"), spawned("boss/a-2"))
    sim.send(StopChild("boss/a", 1))
    sim.send(DeleteChild("boss/a", 2))
    sim.settle()
    assert view.free_address(sim.state, "boss/a") == ("boss/a-3", 3)
    assert view.free_address(sim.state, "boss/a", 5) == ("boss/a-5", 5)
    assert view.free_address(sim.state, "boss/b") == ("boss/b", 1)


def test_one_that_cannot_be_started_is_forgotten() -> None:
    sim = with_boss()
    sim.send(AddChild("boss", spawned("boss/a"), 1))
    sim.exit("boss/a", reason="it trapped")
    assert not sim.replies[1].ok and "it trapped" in sim.replies[1].text
    assert "boss/a" not in sim.state.children


OVER: dict[str, tuple[str, bool]] = {  # how it ends: its phase, and whether it is over
    "crash": ("restarting", False),
    "normal": ("stopped", True),
    "shutdown": ("stopped", True),
    "stop": ("stopped", True),
    "restart": ("starting", False),
    "restart that fails": ("failed", True),
    "with its parent": ("stopped", False),
    "with all": ("stopped", False),
}


@pytest.mark.parametrize("how", OVER)
def test_what_has_ended_and_is_not_started_again_is_over(how: str) -> None:
    sim = with_boss(spawned("boss/a", "transient"))
    match how:
        case "crash" | "normal" | "shutdown":
            sim.exit("boss/a", ExitKind(how), "so")
        case "stop":
            sim.send(StopChild("boss/a", 1))
            sim.obey("boss/a")
        case "restart" | "restart that fails":
            sim.send(RestartChild("boss/a", 1))
            sim.obey("boss/a")
            if how != "restart":
                sim.exit("boss/a", reason="it did not start")
        case "with its parent":
            sim.send(StopChild("boss", 1))
            sim.settle()
        case "with all":
            sim.send(Shutdown())
            sim.obey("z")
            sim.obey("boss/a")
    phase, is_over = OVER[how]
    if how != "crash":
        assert sim.row("boss/a").phase == phase
    assert view.is_over(sim.state, "boss/a") is is_over
    assert [each[0] for each in view.ended_offspring(sim.state)] == ["boss/a"] * is_over
    assert not view.is_over(sim.state, "boss") and not view.is_over(sim.state, "nobody")


def test_they_live_through_a_crash_of_their_actor() -> None:
    sim = with_boss(spawned("boss/a"), spawned("boss/b"))
    sim.exit("boss")
    assert running(sim) == ["boss", "boss/a", "boss/b", "z"]
    sim.settle()
    assert [sim.live[path].incarnation for path in running(sim)] == [2, 1, 1, 1]


@pytest.mark.parametrize("event", [RestartChild("boss", 1), Recycle("boss", 1, 5)])
def test_they_live_through_a_planned_restart_of_their_actor(event: Event) -> None:
    sim = with_boss(spawned("boss/a"))
    assert work(sim.send(event)) == ["ask boss 1"]
    sim.settle()
    assert sim.live["boss"].incarnation == 2 and sim.live["boss/a"].incarnation == 1


def test_their_own_crashes_are_their_own() -> None:
    sim = with_boss(spawned("boss/a"), spawned("boss/b"))
    sim.exit("boss/a")
    sim.settle()
    assert [sim.live[each].incarnation for each in running(sim)] == [1, 2, 1, 1]
    [restart] = sim.decisions(Decision.RESTART)
    assert restart.subject == "boss/a"


def test_when_they_crash_too_often_their_actor_has_failed() -> None:
    sim = with_boss(spawned("boss/a"), spawned("boss/b"), intensity=1, period=5)
    sim.exit("boss/a")
    sim.settle()
    sim.exit("boss/a")
    [gave_up] = sim.decisions(Decision.GAVE_UP)
    assert gave_up.subject == "boss" and "boss/b" in gave_up.detail["stopped"]
    sim.obey("boss/b")
    assert sim.live["boss"].killed
    sim.settle()
    assert running(sim) == ["boss", "boss/a", "boss/b", "z"]
    assert sim.row("boss").reason.startswith("what it spawned gave up: boss/a needed more than 1")
    assert sim.row("boss").restarts == 1


def test_they_go_down_before_their_actor_and_come_back_with_it() -> None:
    sim = with_boss(spawned("boss/a"), spawned("boss/b"))
    assert work(sim.send(StopChild("boss", 1))) == ["ask boss/b 1"]
    assert work(sim.obey("boss/b")) == ["ask boss/a 1"]
    assert work(sim.obey("boss/a")) == ["ask boss 1"]
    sim.obey("boss")
    assert sim.replies[1].ok and running(sim) == ["z"]
    assert sim.row("boss/a").phase is Phase.STOPPED
    sim.send(StartChild("boss", 2))
    sim.settle()
    assert running(sim) == ["boss", "boss/a", "boss/b", "z"]


def test_the_whole_system_goes_down_in_order() -> None:
    sim = with_boss(spawned("boss/a"))
    sim.send(Shutdown())
    assert [path for path in sim.live if sim.live[path].asked] == ["z"]
    sim.obey("z")
    assert sim.live["boss/a"].asked and not sim.live["boss"].asked
    sim.settle()
    assert sim.ended is not None and not sim.live


@pytest.mark.parametrize("restart, kind", [("transient", NORMAL), ("temporary", CRASH)])
def test_they_end_with_an_actor_that_ends_for_good(restart: str, kind: ExitKind) -> None:
    sim = with_boss(spawned("boss/a"), spawned("boss/b"), restart=restart)
    sim.exit("boss", kind)
    assert sim.live["boss/b"].asked and not sim.live["boss/a"].asked
    assert not sim.decisions(Decision.NOT_RESTARTED), "it is decided when they are gone"
    sim.settle()
    assert running(sim) == ["z"] and not {"boss/a", "boss/b"} & sim.state.children.keys()
    assert len(sim.decisions(Decision.NOT_RESTARTED)) == 1


def test_they_are_gone_before_an_actor_begins_anew() -> None:
    sim = with_boss(spawned("boss/a"))
    sim.send(RestartChild("boss", 1, init=True))
    sim.obey("boss")
    assert work(sim.actions)[-1:] == ["ask boss/a 1"] and "boss" not in running(sim)[:1]
    sim.settle()
    assert running(sim) == ["boss", "z"] and "boss/a" not in sim.state.children
    assert sim.replies[1].ok


def test_an_actor_that_always_begins_anew_begins_without_them() -> None:
    sim = with_boss(spawned("boss/a"), on_restart=OnRestart.INIT)
    sim.exit("boss")
    sim.settle()
    assert running(sim) == ["boss", "z"] and "boss/a" not in sim.state.children


def test_what_an_earlier_run_has_spawned_comes_up_with_its_actor() -> None:
    spec = supervisor("", boss())
    sim = Simulation(spec)
    first, below = spawned("boss/a", handlers=(Handler("supervisor"),)), spawned("boss/a/x")
    sim.state = policy.initial(spec, {}, 0, [first, below])
    sim.listed.update(sim.state.children)
    sim.phases = {row.path: row.phase for row in policy.rows(sim.state)}
    sim.begin()
    assert running(sim) == ["boss", "boss/a", "boss/a/x"]


def test_one_that_does_not_come_up_with_its_actor_is_tried_again() -> None:
    sim = with_boss(spawned("boss/a"))
    sim.send(StopChild("boss", 1))
    sim.settle()
    sim.send(StartChild("boss", 2))
    sim.exit("boss/a", reason="trouble")
    assert sim.live["boss/a"].incarnation == 3 and "boss" in sim.live
    sim.settle()
    assert running(sim) == ["boss", "boss/a", "z"]


def test_nobody_else_adds_to_them() -> None:
    sim = with_boss()
    sim.send(AddChild("boss", actor("boss/a"), 1))
    assert not sim.replies[1].ok and sim.replies[1].code == "not_found"


def test_a_temporary_one_is_gone_when_it_has_ended() -> None:
    sim = with_boss(spawned("boss/a", "temporary"))
    sim.exit("boss/a")
    assert "boss/a" not in sim.state.children


def test_what_may_not_spawn_any_more_loses_them_at_its_next_start() -> None:
    sim = with_boss(spawned("boss/a"))
    sim.send(policy.Reload(supervisor("", actor("boss"), actor("z")), call=1))
    sim.settle()
    assert "boss/a" in sim.live
    sim.exit("boss")
    sim.settle()
    assert running(sim) == ["boss", "z"]


def granted(**settings: Any) -> ActorSpec:
    handlers = (Handler("supervisor"), Handler("message-server", settings))
    return actor("boss", handlers=handlers)


def messaging(path: str, index: int, **settings: Any) -> ActorSpec:
    return spawned(path, index=index, handlers=(Handler("message-server", settings),))


def test_what_is_granted_more_than_its_parent_is_now_is_gone_at_the_parents_next_start() -> None:
    sim = Simulation(supervisor("", granted(send_to=["a", "b"]))).begin()
    sim.send(AddChild("boss", messaging("boss/a", 1, send_to=["a"]), 1))
    sim.settle()
    sim.send(AddChild("boss", messaging("boss/b", 2, send_to=["b"]), 2))
    sim.settle()
    sim.send(policy.Reload(supervisor("", granted(send_to=["a"])), call=3))
    sim.settle()
    assert running(sim) == ["boss", "boss/a", "boss/b"], "it holds from the next start on"
    sim.exit("boss")
    sim.settle()
    assert running(sim) == ["boss", "boss/a"]
    [removed] = [each for each in sim.actions if isinstance(each, policy.Removed)]
    assert removed.reason.startswith("it was granted more than its parent is now: ")


def test_the_same_at_the_next_up_and_limits_shrink_with_the_parents() -> None:
    spec = supervisor("", replace(granted(), limits=Limits(fuel=5)))
    kept = [messaging("boss/a", 1), messaging("boss/b", 2, send_to=["b"])]
    sim = Simulation(spec)
    sim.state = policy.initial(spec, {}, 0, kept)
    sim.listed.update(sim.state.children)
    sim.phases = {row.path: row.phase for row in policy.rows(sim.state)}
    sim.begin()
    assert running(sim) == ["boss", "boss/a"]
    assert sim.actor("boss/a").limits.fuel == 5


class Broods(Chaos):
    """Trouble, in a tree where every actor may spawn, and does."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.manifest = let_spawn(self.manifest, self.dice)  # type: ignore[assignment]
        self.sim = Simulation(self.manifest, {"a": 5, "w-7": 2}, seed)
        self.children = 0

    def call(self) -> Event:
        dice, children = self.dice, self.sim.state.children
        actors = [path for path, child in children.items() if child.brood]
        roll = dice.random()
        if roll < 0.45 and actors:
            self.calls += 1
            self.children += 1
            parent = dice.choice(actors)
            spec = spawned(f"{parent}/s{self.children}", dice.choice(list(Restart)))
            if parent.count("/") < 3 and dice.random() < 0.5:
                spec = replace(spec, handlers=(Handler("supervisor", {"intensity": 2}),))
            return AddChild(parent, spec, self.calls)
        if roll < 0.55 and actors:
            self.calls += 1
            return RestartChild(dice.choice(actors), self.calls, init=True)
        event = super().call()
        if isinstance(event, policy.Reload):  # it would take the right to spawn away
            return DeleteChild("nobody", event.call)
        return event


def let_spawn(spec: ChildSpec, dice: random.Random) -> ChildSpec:
    if isinstance(spec, SupervisorSpec):
        children = tuple(let_spawn(child, dice) for child in spec.children)
        template = spec.template and let_spawn(spec.template, dice)
        return replace(spec, children=children, template=template)
    on_restart = OnRestart.INIT if dice.random() < 0.1 else OnRestart.RESUME
    settings = {"intensity": dice.choice([0, 1, 3]), "period": 2.0}
    return replace(spec, handlers=(Handler("supervisor", settings),), on_restart=on_restart)


def broods(seed: int) -> Simulation:
    history = Broods(seed)
    history.live()
    return history.sim


@pytest.mark.parametrize("block", sliced(range(20), *range(7)))
def test_any_history_of_actors_that_spawn_ends_with_no_process_left(block: int) -> None:
    run_block(block, broods)
