"""Work in proportion: twice as many children are twice the work, and not four times.

Counted are the actions and the calls of Python functions within `step`, never the time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from tests.supervisor.policy_simulation import actor, pool, supervisor
from theater.spec import ActorSpec, Backoff, Strategy, SupervisorSpec
from theater.supervisor import policy
from theater.supervisor.policy import (
    AddChild,
    AskStop,
    DeleteChild,
    Ended,
    Event,
    Exited,
    ExitKind,
    Kill,
    KillAll,
    Ready,
    Reload,
    Reply,
    Scale,
    Spawn,
    Start,
    StartInstance,
    StopChild,
    Tick,
    WakeAt,
)
from theater.supervisor.policy import Shutdown as ShutdownAll

ONE, ALL, REST, POOL = Strategy
CRASH = ExitKind.CRASH


class Crowd:
    """Good processes, and a count of the work; a Simulation would look at everything each time."""

    def __init__(self, spec: SupervisorSpec) -> None:
        self.state = policy.initial(spec, {})
        self.live: dict[str, int] = {}
        self.now_s = 0.0
        self.wake_s: float | None = None
        self.replies: list[Reply] = []
        self.ended = False
        self.calls = 0
        self.actions = 0
        self.send(Start())

    def send(self, event: Event) -> None:
        """And whatever good processes do then, until nothing is left to do."""
        todo = [event]
        while todo:
            for action in self.step(todo.pop(0)):
                match action:
                    case Spawn(path, number):
                        self.live[path] = number
                        todo.append(Ready(path, number))
                    case AskStop(path, number):
                        todo.append(Exited(path, number, ExitKind.SHUTDOWN, "asked"))
                    case Kill(path, number):
                        todo.append(Exited(path, number, CRASH, "killed"))
                    case Reply():
                        self.replies.append(action)
                    case WakeAt(time_s):
                        self.wake_s = time_s
                    case Ended():
                        self.ended = True

    def step(self, event: Event) -> list[policy.Action]:
        if isinstance(event, Exited):
            self.live.pop(event.child, None)

        def count(_frame: FrameType, what: str, _arg: object) -> None:
            self.calls += what == "call"

        sys.setprofile(count)
        _, actions = policy.step(self.state, event, self.now_s)
        sys.setprofile(None)
        self.actions += len(actions)
        return actions

    def all_die(self) -> None:
        """In start order, before anything is done about the first."""
        deaths = [Exited(path, number, CRASH, "boom") for path, number in self.live.items()]
        first: list[policy.Action] = []
        for death in deaths:
            first += self.step(death)
        for action in first:
            if isinstance(action, WakeAt):
                self.wake_s = action.time_s
        for action in first:
            if isinstance(action, Spawn):
                self.live[action.child] = action.incarnation
                self.send(Ready(action.child, action.incarnation))

    def wait(self) -> None:
        while self.wake_s is not None:
            self.now_s = self.wake_s
            self.send(Tick())


def many(count: int, first: int = 0) -> list[ActorSpec]:
    return [actor(f"a{number}") for number in range(first, first + count)]


def flat(count: int, strategy: Strategy = ONE, backoff: Backoff | None = None) -> SupervisorSpec:
    flags: dict[str, Any] = {"intensity": count, "backoff": backoff}
    if strategy is POOL:
        return pool(actor("w"), count, **flags)
    return supervisor("", *many(count), strategy=strategy, **flags)


def in_proportion(small: int, work: Callable[[int], Crowd]) -> None:
    one, two = work(small), work(2 * small)
    # Some of it is the same however many there are; a heap adds a logarithm.
    assert two.calls <= 2.05 * one.calls, f"{one.calls} calls, {two.calls} for twice as many"
    assert two.actions <= 2.05 * one.actions + 20


def reset(crowd: Crowd) -> Crowd:
    crowd.calls = crowd.actions = 0
    return crowd


@pytest.mark.parametrize("strategy", list(Strategy))
def test_coming_up_and_going_down(strategy: Strategy) -> None:
    def work(count: int) -> Crowd:
        crowd = Crowd(flat(count, strategy))
        assert len(crowd.live) == count
        crowd.send(ShutdownAll())
        assert crowd.ended
        return crowd

    in_proportion(200, work)


@pytest.mark.parametrize("strategy", list(Strategy))
def test_all_die_at_once(strategy: Strategy) -> None:
    def work(count: int) -> Crowd:
        crowd = reset(Crowd(flat(count, strategy)))
        crowd.all_die()
        assert set(crowd.live.values()) == {2}
        assert len(crowd.live) == count
        return crowd

    in_proportion(200, work)


@pytest.mark.parametrize("strategy", [ONE, ALL, POOL])
def test_all_die_at_once_and_wait(strategy: Strategy) -> None:
    def work(count: int) -> Crowd:
        crowd = reset(Crowd(flat(count, strategy, Backoff(1.0, jitter=1.0))))
        crowd.all_die()
        assert not crowd.live
        crowd.wait()
        assert len(crowd.live) == count
        return crowd

    in_proportion(200, work)


@pytest.mark.parametrize("restart", ["transient", "temporary"])
@pytest.mark.parametrize("strategy", [ONE, ALL, POOL])
def test_all_end_and_are_not_restarted(strategy: Strategy, restart: str) -> None:
    def work(count: int) -> Crowd:
        if strategy is POOL:
            spec = pool(actor("w", restart), count)
        else:
            children = [actor(f"a{number}", restart) for number in range(count)]
            spec = supervisor("", *children, strategy=strategy)
        crowd = reset(Crowd(spec))
        for path, number in list(crowd.live.items()):
            crowd.send(Exited(path, number, ExitKind.NORMAL, "done"))
        return crowd

    in_proportion(200, work)


def test_a_group_with_many_temporary_members() -> None:
    def work(count: int) -> Crowd:
        temporary = [actor(f"t{number}", "temporary") for number in range(count)]
        crowd = reset(Crowd(supervisor("", *many(count), *temporary, strategy=ALL)))
        crowd.send(Exited("a0", 1, CRASH, "boom"))
        assert len(crowd.live) == count
        return crowd

    in_proportion(200, work)


def test_killing_all() -> None:
    def work(count: int) -> Crowd:
        inner = [supervisor(f"p{number}", actor(f"p{number}/x")) for number in range(count)]
        crowd = reset(Crowd(supervisor("", *inner)))
        crowd.send(KillAll())
        assert crowd.ended
        return crowd

    in_proportion(200, work)


def test_scaling_up_and_down_and_up_again() -> None:
    def work(count: int) -> Crowd:
        crowd = Crowd(pool(actor("w"), 0))
        for instances in (count, 0, count):
            crowd.send(Scale("", instances, 1))
            assert len(crowd.live) == instances
        return crowd

    in_proportion(500, work)


def test_scaling_what_the_manifest_lists() -> None:
    def work(count: int) -> Crowd:
        crowd = reset(Crowd(pool(actor("w"), count)))
        for instances in (0, count):
            crowd.send(Scale("", instances, 1))
            assert len(crowd.live) == instances
        return crowd

    in_proportion(500, work)


def test_many_calls() -> None:
    def work(count: int) -> Crowd:
        crowd = Crowd(supervisor("", pool(actor("p/w"), 0)))
        paths = [spec.path for spec in many(count)]
        for path in paths:
            crowd.send(AddChild("", actor(path), 1))
            crowd.send(StartInstance("p", (), 1))
        for path in paths:
            crowd.send(StopChild(path, 1))
            crowd.send(DeleteChild(path, 1))
        assert all(reply.ok for reply in crowd.replies)
        return crowd

    in_proportion(200, work)


def test_reloading_many() -> None:
    def work(count: int) -> Crowd:
        crowd = Crowd(supervisor("", *many(count)))
        new = [actor(spec.path, args=("x",)) for spec in many(count, first=count // 2)]
        crowd.send(Reload(supervisor("", *reversed(new)), prune=True, call=1))
        assert [reply.text for reply in crowd.replies] == ["reloaded"]
        assert len(crowd.live) == count
        return crowd

    in_proportion(500, work)


def test_reloading_a_pool_with_many_instances() -> None:
    def work(count: int) -> Crowd:
        crowd = Crowd(pool(actor("w"), count))
        crowd.send(Scale("", 2 * count, 1))
        crowd.send(Reload(pool(actor("w", args=("x",)), count // 2), prune=True, call=1))
        assert all(reply.ok for reply in crowd.replies)
        assert len(crowd.live) == 2 * count - count // 2
        return crowd

    in_proportion(200, work)
