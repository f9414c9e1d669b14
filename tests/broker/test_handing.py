"""How many inputs a worker is handed at once."""

from __future__ import annotations

from tests.broker.pretend import PretendedWorker, commit, make_turns
from theater.broker import handing
from theater.broker.handing import CREDIT, CREDIT_BYTES, CREDIT_EVENTS
from theater.broker.mailbox import WINDOW, WINDOW_BYTES
from theater.broker.turns import Turns
from theater.spec import MailboxBounds


def make_busy(messages: int) -> tuple[Turns, PretendedWorker]:
    turns = make_turns("a", "b", bounds=MailboxBounds(max_messages=1_000_000))
    for number in range(messages):
        turns.deliver_from_client("a", b"x", "send", str(number))
    return turns, PretendedWorker(turns, turns.actors["a"])


def turn(worker: PretendedWorker, sends: int) -> None:
    worker.begin()
    for _ in range(sends):
        worker.send("b", b"x")
    worker.end(None)
    commit(worker.turns)
    worker.take()


def test_an_actor_of_small_steps_is_soon_handed_as_many_as_anybody() -> None:
    _, worker = make_busy(messages=2 * CREDIT)
    worker.take()
    assert 1 < len(worker.inputs) < CREDIT  # nobody knows yet how large its steps are
    for _ in range(30):
        turn(worker, sends=0)
    assert len(worker.inputs) == CREDIT


def test_an_actor_of_large_steps_is_handed_less_but_never_nothing() -> None:
    _, worker = make_busy(messages=2 * CREDIT)
    worker.take()
    while len(worker.inputs) > 1:
        turn(worker, sends=2 * CREDIT_EVENTS)
    for _ in range(3):
        turn(worker, sends=2 * CREDIT_EVENTS)
        assert len(worker.inputs) == 1
    for _ in range(30):
        turn(worker, sends=CREDIT_EVENTS // 10)
    assert 6 <= len(worker.inputs) <= 10
    for _ in range(30):
        turn(worker, sends=0)
    assert len(worker.inputs) == CREDIT


def test_who_sends_to_a_small_mailbox_is_handed_no_more_than_it_holds() -> None:
    turns, worker = make_busy(messages=2 * CREDIT)
    small = turns.actors["b"].mailbox
    small.bounds = MailboxBounds(max_messages=7)
    worker.take()
    for _ in range(2 * CREDIT):
        if worker.inputs:
            turn(worker, sends=1)
    assert small.is_full() and not small.refuses()
    assert 7 <= small.messages <= 7 + CREDIT_EVENTS // 64


def test_a_worker_that_outlived_a_broker_may_hold_what_anybody_may() -> None:
    _, worker = make_busy(messages=2 * CREDIT)
    handing.learn(worker.actor, 10_000)
    worker.actor.revived = True
    worker.take()
    assert len(worker.inputs) == CREDIT


def test_a_window_holds_all_that_a_worker_may_hold() -> None:
    # Of a new broker's windows the workers are handed again what they hold.
    assert WINDOW >= CREDIT and WINDOW_BYTES >= CREDIT_BYTES
