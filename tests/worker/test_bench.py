"""An author's code runs in a thread of its own, and may be late."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.waiting import eventually
from theater.worker.handlers.bench import ABANDONED_MAX, Bench, Crowded, Late

SOON_S = 0.01


class Made:
    def __init__(self) -> None:
        self.thread = threading.get_ident()


@pytest.fixture
def let_go() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def thread_of(made: Made) -> int:
    assert made.thread == threading.get_ident()
    return made.thread


def test_an_object_is_made_and_used_in_one_thread() -> None:
    bench = Bench("t", Made)
    bench.prepare()
    threads = {bench.call(thread_of, None) for _ in range(3)}
    assert len(threads) == 1 and threading.get_ident() not in threads


def fail(_made: object) -> None:
    raise KeyError("no")


def leave(_made: object) -> None:
    raise SystemExit(3)


def test_what_it_raises_is_raised_and_the_thread_goes_on() -> None:
    bench = Bench("t", Made)
    thread = bench.call(thread_of, 5)
    with pytest.raises(KeyError):
        bench.call(fail, 5)
    with pytest.raises(SystemExit):
        bench.call(leave, 5)
    assert bench.call(thread_of, 5) == thread


def test_an_object_that_cannot_be_made_is_tried_again_by_the_next_call() -> None:
    attempts = []

    def make() -> Made:
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError("not yet")
        return Made()

    bench = Bench("t", make)
    with pytest.raises(ValueError, match="not yet"):
        bench.prepare()
    bench.prepare()


def test_one_that_is_late_is_abandoned_with_its_object(let_go: threading.Event) -> None:
    bench = Bench("t", Made)
    first = bench.call(thread_of, None)
    with pytest.raises(Late):
        bench.call(lambda _made: let_go.wait(), SOON_S)
    assert bench.call(thread_of, None) != first
    let_go.set()
    eventually(lambda: first not in {each.ident for each in threading.enumerate()}, "its end")


def test_so_many_may_be_abandoned(let_go: threading.Event) -> None:
    bench = Bench("t", Made)

    def wait(_made: Any) -> None:
        let_go.wait()

    for _ in range(ABANDONED_MAX):
        with pytest.raises(Late):
            bench.call(wait, SOON_S)
    with pytest.raises(Crowded):
        bench.call(thread_of, None)
    let_go.set()
    eventually(lambda: not any(each.is_alive() for each in bench._abandoned), "their end")
    bench.call(thread_of, None)
