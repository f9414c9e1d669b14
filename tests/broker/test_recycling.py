"""An incarnation with a bound: what it is given, and when root is told, also by another broker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.broker.logged import order
from tests.broker.test_members import send
from tests.broker.whole import Whole
from theater.broker.book import Out, ToRoot

BOUND = 4


def said(out: list[Out]) -> list[tuple[Any, ...]]:
    """What root is told about incarnations that are spent."""
    return [item.message for item in out if isinstance(item, ToRoot) and "recycle" in item.message]


class Run(Whole):
    def turn(self, name: str = "a") -> list[tuple[Any, ...]]:
        worker = self.workers[name]
        worker.begin()
        worker.end(b"x")
        self.step()
        worker.take()
        return said(self.out)


def run(directory: Path, messages: int, bound: int = BOUND) -> Run:
    """Its init, which is a turn, is done."""
    system = Run(directory, order("a", recycle_turns=bound))
    system.start("a")
    for _ in range(messages):
        send(system, "a", b"x")
    system.step()
    system.workers["a"].take()
    return system


@pytest.mark.parametrize("bound", [2, 3, 4, 7, 100])
def test_it_is_given_as_many_inputs_as_it_has_turns_left_and_then_none(
    tmp_path: Path, bound: int
) -> None:
    system = run(tmp_path, messages=20, bound=bound)
    worker = system.workers["a"]
    for left in range(bound - 1, max(0, bound - 21), -1):
        assert len(worker.inputs) <= left
        assert system.turn() == ([("recycle", "a", 1, bound)] if left == 1 else [])
    assert worker.inputs == []
    send(system, "a", b"more")
    worker.take()
    assert len(worker.inputs) == (bound == 100)


def test_an_init_may_be_all_that_an_incarnation_does(tmp_path: Path) -> None:
    system = run(tmp_path, messages=3, bound=1)
    assert system.workers["a"].inputs == []
    for _ in range(3):
        system.kill("a", wanted=True)
        system.expect("a")
        assert len(system.workers["a"].inputs) == 1
        assert system.turn() == [("recycle", "a", system.actor("a").incarnation, 1)]
    assert system.problems() == []


def test_without_a_bound_nobody_is_told(tmp_path: Path) -> None:
    system = run(tmp_path, messages=20, bound=0)
    assert [system.turn() for _ in range(20)] == [[]] * 20


@pytest.mark.parametrize("done", range(1, BOUND + 1))
def test_another_broker_knows_how_much_is_left_and_says_it_again(tmp_path: Path, done: int) -> None:
    system = run(tmp_path, messages=20)
    for _ in range(done - 1):
        system.turn()
    system = system.replaced(order("a", recycle_turns=BOUND))
    assert said(system.out) == ([("recycle", "a", 1, BOUND)] if done == BOUND else [])
    assert len(system.workers["a"].inputs) == BOUND - done
    for left in range(BOUND - done, 0, -1):
        assert system.turn() == ([("recycle", "a", 1, BOUND)] if left == 1 else [])
    assert system.problems() == []


def test_one_that_ends_by_itself_in_its_last_turn_is_not_recycled(tmp_path: Path) -> None:
    system = run(tmp_path, messages=20, bound=2)
    worker = system.workers["a"]
    worker.begin()
    worker.shutdown()
    worker.end(b"x")
    system.step()
    assert said(system.out) == []


def test_one_that_dies_in_its_last_turn_begins_to_count_anew(tmp_path: Path) -> None:
    system = run(tmp_path, messages=20, bound=3)
    system.turn()
    system.workers["a"].begin()
    system.kill("a")
    system.expect("a")
    assert [system.turn() for _ in range(3)] == [[], [], [("recycle", "a", 2, 3)]]
