"""Whose time comes next."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from theater.broker.deadlines import Deadlines


@dataclass(eq=False)
class Timed:
    deadline_s: float | None = None
    alarm_s: float | None = None


def test_a_deadline_that_moved_comes_when_it_is_due_and_not_before() -> None:
    deadlines: Deadlines[Timed] = Deadlines()
    timed = Timed(10.0)
    deadlines.watch(timed)
    timed.deadline_s = 20.0
    deadlines.watch(timed)
    assert deadlines.next_s() == 20.0
    assert deadlines.take(19.0) == [] and deadlines.take(20.0) == [timed]
    assert deadlines.next_s() is None


def test_one_that_came_nearer_comes_once() -> None:
    deadlines: Deadlines[Timed] = Deadlines()
    timed = Timed(20.0)
    deadlines.watch(timed)
    timed.deadline_s = 10.0
    deadlines.watch(timed)
    assert deadlines.take(30.0) == [timed]
    assert deadlines.take(30.0) == [] and deadlines.next_s() is None


def test_one_that_has_none_any_more_wakes_nobody() -> None:
    deadlines: Deadlines[Timed] = Deadlines()
    timed = Timed(10.0)
    deadlines.watch(timed)
    timed.deadline_s = None
    assert deadlines.next_s() is None and deadlines.take(99.0) == []


def test_a_deadline_that_moves_with_every_turn_leaves_nothing_behind() -> None:
    deadlines: Deadlines[Timed] = Deadlines()
    several = [Timed(), Timed()]
    for turn in range(10_000):
        for timed in several:
            timed.deadline_s = turn + 30.0
            deadlines.watch(timed)
        deadlines.next_s()
    assert len(deadlines._heap) == 2


@pytest.mark.parametrize("seed", range(200))
def test_any_history_finds_what_searching_all_of_them_finds(seed: int) -> None:
    chance = random.Random(seed)
    deadlines: Deadlines[Timed] = Deadlines()
    several = [Timed() for _ in range(8)]
    now_s = 0.0
    for _ in range(300):
        timed = chance.choice(several)
        timed.deadline_s = chance.choice([None, now_s + chance.randrange(20)])
        deadlines.watch(timed)
        times = [each.deadline_s for each in several if each.deadline_s is not None]
        assert deadlines.next_s() == min(times, default=None), f"seed {seed}"
        if chance.random() < 0.3:
            now_s += chance.randrange(10)
            due = [each for each in several if each.deadline_s is not None]
            due = [each for each in due if each.deadline_s is not None and each.deadline_s <= now_s]
            taken = deadlines.take(now_s)
            assert {id(each) for each in taken} == {id(each) for each in due}, f"seed {seed}"
            for each in taken:
                each.deadline_s = None
