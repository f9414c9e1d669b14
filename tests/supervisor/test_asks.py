"""What actors ask to have done with what they spawn is done once, whoever tells of it again."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.supervisor.policy_simulation import Simulation, actor, supervisor
from tests.supervisor.test_policy_broods import boss, spawned
from theater.calls import BORN, WAITS
from theater.spec import ActorSpec, Restart, SupervisorSpec
from theater.supervisor import asks, policy, view
from theater.supervisor.asks import (
    AT_ONCE,
    Answer,
    Asked,
    Asks,
    Do,
    Dropped,
    Forget,
    Gone,
    Judge,
    Judged,
    Key,
    Misjudged,
    Moved,
    Replaced,
    Replied,
    Settled,
    key_of,
)
from theater.supervisor.policy import AddChild, ExitKind, StartChild, StopChild

STEPS = 150
SEEDS = range(200)
MOST = 3  # children of a boss
BOSSES = ("a", "b", "c")
ROOT = supervisor("", *(boss(each, max_children=MOST, intensity=1000) for each in BOSSES))


class Tree(Simulation):
    """A tree that says what it does. `there`: what has been spawned before."""

    def __init__(self, last: dict[str, int], there: tuple[ActorSpec, ...] = ()) -> None:
        spec = replace(ROOT, intensity=10_000)
        super().__init__(spec, last)
        self.state = policy.initial(spec, self.last, 0, there)
        self.listed.clear()
        self.listed.update(self.state.children)
        self.phases = {row.path: row.phase for row in policy.rows(self.state)}
        self.heard: Callable[[list[policy.Action]], None] = lambda _: None

    def send(self, event: policy.Event) -> list[policy.Action]:
        actions = super().send(event)
        self.heard(actions)
        return actions


class World:
    """Root, and what is around it: who judges, a broker with its log, and processes."""

    def __init__(self, seed: int = 0) -> None:
        self.dice = random.Random(seed)
        self.turn = 1
        self.open: dict[Key, Asked] = {}  # in the log, and not answered there
        self.told: set[Key] = set()  # of those, that what was born runs: its end is waited for
        self.answers: dict[Key, dict[str, Any]] = {}
        self.ended: set[Key] = set()  # nobody waits for them any more
        self.born: dict[Key, str] = {}
        self.begin({}, (), ())

    def begin(
        self, last: dict[str, int], there: tuple[ActorSpec, ...], kept: tuple[ActorSpec, ...]
    ) -> None:
        self.asks: Asks = asks.initial(kept)
        self.judging: list[Judge] = []
        self.on_its_way: list[Answer] = []
        self.tree = Tree(last, there)
        self.tree.heard = self.hear_tree
        self.tree.begin()

    # Root

    def do(self, event: asks.Event) -> list[asks.Action]:
        actions = asks.step(self.asks, event, self.tree.state)
        for action in actions:
            match action:
                case Judge():
                    self.judging.append(action)
                    assert len(self.judging) <= AT_ONCE
                case Do(AddChild(parent, spec)):
                    assert isinstance(spec, ActorSpec)
                    key = key_of(spec)
                    assert self.born.setdefault(key, spec.path) == spec.path, "one for each ask"
                    assert parent == key[0] and key not in self.ended - self.told
                    self.tree.send(action.call)
                case Do():
                    self.tree.send(action.call)
                case Answer():
                    born = self.born.get(action.key)
                    is_there = born is not None and view.spec_of(self.tree.state, born) is not None
                    asked = self.open.get(action.key)
                    if is_there and asked is not None and asked.function in BORN:
                        assert action.value == {"ok": born}, "it is there, and nobody knows"
                    self.on_its_way.append(action)
                case Forget(path):
                    assert path not in self.tree.state.children
        return actions

    def hear_tree(self, actions: list[policy.Action]) -> None:
        for action in actions:
            if isinstance(action, policy.Reply) and action.call in self.asks.calls:
                self.do(Replied(action.call, action.ok, action.text))
            elif isinstance(action, policy.Removed):
                for key in [key for key in self.open if key[0] == action.child]:
                    self.end(key)
                self.do(Gone(action.child))
        self.do(Moved())

    # The broker

    def ask(self) -> None:
        """One actor asks for one thing at a time."""
        asking = {key[0] for key in self.open}
        free = [path for path in BOSSES if path not in asking]
        if not free:
            return
        path = self.dice.choice(free)
        children = [each.path for each in self.children() if each.path.startswith(f"{path}/")]
        function, arguments = self.dice.choice(["spawn", "resume", WAITS]), ["w.toml", None]
        if function == WAITS:
            arguments = ["w.toml", None, None, None]
        if children and self.dice.random() < 0.3:
            function = self.dice.choice(["stop-child", "restart-child"])
            arguments = [self.dice.choice(children)]
        self.turn += 1
        key = (path, self.turn, 1)
        self.open[key] = Asked(key, function, arguments)
        self.do(self.open[key])
        self.do(Moved())

    def hear(self) -> None:
        """It takes what has come, and says so."""
        coming, self.on_its_way = self.on_its_way, []
        for answer in coming:
            asked = self.open.get(answer.key)
            if asked is not None and asked.function == WAITS and "ok" in answer.value:
                self.told.add(answer.key)
            elif asked is not None:
                self.answers[answer.key] = answer.value
                del self.open[answer.key]
            self.do(Settled(answer.key))

    def end(self, key: Key) -> None:
        self.open.pop(key, None)
        self.ended.add(key)

    def drop(self) -> None:
        """A turn is set aside, or has waited for long enough."""
        if self.open:
            key = self.dice.choice(list(self.open))
            self.end(key)
            self.do(Dropped(key))

    def broker_dies(self) -> None:
        """What was on its way is lost, and those that are open are told again."""
        self.on_its_way.clear()
        self.do(Replaced())
        self.tell_again()

    def tell_again(self) -> None:
        there = {key_of(each) for each in self.children()} | set(self.asks.kept)
        for key, asked in list(self.open.items()):
            if key in self.born and key not in there:
                self.end(key)  # it is gone, and that is the answer
                self.do(Settled(key))
            else:
                self.do(replace(asked, is_there=key in there))
        self.do(Moved())

    # The others

    def judge(self) -> None:
        if self.judging:
            action = self.judging.pop(self.dice.randrange(len(self.judging)))
            if self.dice.random() < 0.2:
                self.do(Misjudged(action.key, "refused: it is none"))
            else:
                restart = self.dice.choice(list(Restart))
                self.do(Judged(action.key, actor(f"{action.key[0]}/w", restart.value)))

    def children(self) -> list[ActorSpec]:
        found = [spec for _, spec in view.specs(self.tree.state) if isinstance(spec, ActorSpec)]
        return [spec for spec in found if spec.spawned is not None]

    def react(self) -> None:
        todo = self.tree.busy()
        if todo:
            self.tree.react(self.dice.choice(todo).path)

    def crash(self) -> None:
        if self.tree.live:
            path = self.dice.choice(list(self.tree.live))
            kind = self.dice.choice([ExitKind.CRASH, ExitKind.NORMAL])
            if self.tree.live[path].asked or self.tree.live[path].killed:
                self.tree.react(path)
            else:
                self.tree.exit(path, kind)

    def operate(self) -> None:
        path = self.dice.choice(BOSSES)
        self.tree.send(self.dice.choice([StopChild, StartChild])(path))

    def all_die(self) -> None:
        """The log has what was born; what nobody was told of waits for its ask."""
        kept: list[ActorSpec] = []
        there: list[ActorSpec] = []
        for each in [*self.children(), *self.asks.kept.values()]:
            waits = key_of(each) in self.open and key_of(each) not in self.told
            (kept if waits else there).append(each)
        last = dict(self.tree.state.incarnations) | dict.fromkeys(self.born.values(), 1)
        self.begin(last, tuple(there), tuple(kept))
        self.tell_again()

    def live(self) -> None:
        happenings: list[tuple[int, Callable[[], None]]] = [
            (6, self.ask),
            (6, self.judge),
            (6, self.hear),
            (12, self.react),
            (2, self.crash),
            (2, self.operate),
            (1, self.drop),
            (1, self.broker_dies),
            (1, self.all_die),
        ]
        weights = [weight for weight, _ in happenings]
        for _ in range(STEPS):
            self.dice.choices(happenings, weights)[0][1]()
            self.check()
        self.finish()

    def check(self) -> None:
        for path in BOSSES:
            count = sum(each.path.startswith(f"{path}/") for each in self.children())
            assert count <= MOST, "no more than its grant says"

    def finish(self) -> None:
        """Everybody does what is wanted: each ask comes to its answer, and nothing is left."""
        for path in BOSSES:
            self.tree.send(StartChild(path))
        while self.tree.busy() or self.judging or self.on_its_way:
            self.react()
            self.judge()
            self.hear()
        assert set(self.open) <= self.told, "who waits for an end has been told of the birth"
        left = self.asks
        assert not (left.open or left.answers or left.calls or left.to_judge or left.waiting)
        assert not left.judging
        for key in self.asks.kept:
            assert key not in self.open


@pytest.mark.parametrize("seed", SEEDS)
def test_in_any_history_each_ask_is_done_once_and_nothing_is_left(seed: int) -> None:
    World(seed).live()


# One by one


def asked(world: World, function: str = "spawn", *arguments: Any) -> Key:
    world.turn += 1
    key = ("a", world.turn, 1)
    world.open[key] = Asked(key, function, list(arguments) or ["w.toml", None])
    world.do(world.open[key])
    world.do(Moved())
    return key


def judged(world: World, key: Key, name: str = "w") -> None:
    [action] = [each for each in world.judging if each.key == key]
    world.judging.remove(action)
    world.do(Judged(key, actor(f"{key[0]}/{name}")))


def settle(world: World) -> None:
    world.tree.settle()
    world.hear()


def test_a_birth_is_judged_added_and_answered() -> None:
    world = World()
    key = asked(world)
    assert [each.key for each in world.judging] == [key]
    judged(world, key)
    assert not world.on_its_way, "it has not started"
    settle(world)
    assert world.answers == {key: {"ok": "a/w"}}
    second = asked(world)
    judged(world, second)
    settle(world)
    assert world.answers[second] == {"ok": "a/w-2"}


def test_what_is_told_again_is_not_begun_again() -> None:
    world = World()
    key = asked(world)
    assert world.do(world.open[key]) == []
    judged(world, key)
    assert world.do(world.open[key]) == []
    world.tree.settle()
    [again] = world.do(world.open[key])
    assert again == Answer(key, {"ok": "a/w"})
    assert world.do(Replaced()) == [again]
    world.hear()
    assert not world.asks.answers and world.do(Replaced()) == []


@pytest.mark.parametrize("function", ["spawn", WAITS])
def test_of_one_that_runs_nothing_is_begun_for_who_waits_for_its_end(function: str) -> None:
    world = World()
    key = ("a", 5, 1)
    again = Asked(key, function, ["w.toml", None, None, None], is_there=True)
    found = world.do(again) + world.do(Moved())
    assert bool(found) == (function == "spawn")


def test_one_whose_ask_the_last_system_left_open_is_added_as_it_was() -> None:
    world = World()
    kept = replace(spawned("a/w-7"), spawned=(5, 1))
    world.begin({}, (), (kept,))
    key = ("a", 5, 1)
    for function in ("spawn", WAITS):
        world.begin({}, (), (kept,))
        world.open[key] = Asked(key, function, ["w.toml", None], is_there=True)
        world.do(world.open[key])
        assert world.do(Moved()) == [Do(AddChild("a", kept, asks.FIRST_CALL))]
        world.born.clear()


def test_it_waits_until_its_actor_is_started() -> None:
    world = World()
    world.tree.send(StopChild("a"))
    world.tree.settle()
    key = asked(world)
    assert not world.judging and key in world.asks.waiting
    world.tree.send(StartChild("a"))
    assert [each.key for each in world.judging] == [key]
    world.tree.send(StopChild("a"))
    world.tree.settle()
    judged(world, key)
    assert key in world.asks.waiting, "its actor has gone down meanwhile"
    world.tree.send(StartChild("a"))
    judged(world, key)
    settle(world)
    assert world.answers[key] == {"ok": "a/w"}


def test_no_more_are_judged_at_once_than_may_be() -> None:
    world = World()
    keys = [(path, 9, 1) for path in BOSSES]
    for key in keys:
        world.open[key] = Asked(key, "spawn", ["w.toml", None])
        world.do(world.open[key])
    world.do(Moved())
    assert [each.key for each in world.judging] == keys[:AT_ONCE]
    [first, _] = world.judging
    world.judging.remove(first)
    world.do(Misjudged(first.key, "refused: it is none"))
    assert [each.key for each in world.judging] == keys[1:]
    world.hear()
    assert world.answers == {keys[0]: {"err": "refused: it is none"}}


@pytest.mark.parametrize("when", ["waiting", "to judge", "judging", "begun"])
def test_for_a_turn_that_is_set_aside_nothing_is_begun(when: str) -> None:
    world = World()
    if when == "waiting":
        world.tree.send(StopChild("a"))
        world.tree.settle()
    if when == "to judge":
        for path in ("b", "c"):
            world.do(Asked((path, 9, 1), "spawn", ["w.toml", None]))
        world.do(Moved())
    key = asked(world)
    if when == "begun":
        judged(world, key)
    world.end(key)
    world.do(Dropped(key))
    if when == "judging":
        judged(world, key)
    world.tree.send(StartChild("a"))
    world.tree.settle()
    is_born = "a/w" in world.tree.state.children
    assert is_born == (when == "begun") and (key in world.asks.open) is False


def test_a_stop_is_done_even_if_its_turn_is_set_aside() -> None:
    world = World()
    key = asked(world)
    judged(world, key)
    settle(world)
    stop = asked(world, "stop-child", "a/w")
    assert world.do(Dropped(stop)) == []
    settle(world)
    assert world.answers[stop] == {"ok": None}
    restart = asked(world, "restart-child", "a/w")
    settle(world)
    assert world.answers[restart] == {"ok": None}


def test_there_are_no_more_than_granted_those_that_come_counted() -> None:
    world = World()
    for _ in range(MOST):
        judged(world, asked(world))
        settle(world)
    key = asked(world)
    world.hear()
    assert world.answers[key] == {
        "err": f"refused: a has spawned {MOST} actors, and max_children is {MOST}"
    }


def test_an_address_that_is_too_long_is_refused() -> None:
    world = World()
    key = asked(world)
    judged(world, key, "x" * 254)
    world.hear()
    assert world.answers[key]["err"].startswith("refused: ")


def test_one_that_does_not_start_is_answered_with_why() -> None:
    world = World()
    key = asked(world)
    judged(world, key)
    world.tree.exit("a/w", ExitKind.CRASH, "trap: x" * 1000)
    world.hear()
    error = world.answers[key]["err"]
    assert error.startswith("failed: failed to start: trap: ")
    assert len(error) == len("failed: ") + asks.TEXT_MAX


def test_nobody_waits_for_an_actor_that_is_gone() -> None:
    world = World()
    world.tree.send(StopChild("a"))
    world.tree.settle()
    key = asked(world)
    kept = replace(spawned("a/w-7"), spawned=(3, 1))
    world.asks.kept[key_of(kept)] = kept
    world.tree.send(policy.DeleteChild("a"))
    assert key not in world.asks.open and not world.asks.kept and key in world.ended


def test_functions_that_have_one_born_are_these() -> None:
    assert {"spawn", "resume", WAITS} == BORN and isinstance(ROOT, SupervisorSpec)
