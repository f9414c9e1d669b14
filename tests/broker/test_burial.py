"""What becomes of a dead incarnation's turn: the table of burial.py, cell by cell."""

from __future__ import annotations

import itertools
import struct
from typing import Any

import pytest

from tests.broker.pretend import PretendedWorker, answers, commit, connect, make_turns
from theater.broker.book import ToClient, ToRoot
from theater.broker.burial import Death, bury, read_box
from theater.broker.step import BadStep
from theater.broker.turns import Turns
from theater.events import EventType, decode, encode
from theater.worker.turn import TurnRecord

LOST = Death("killed by SIGKILL", "crash", wanted=False)
STOPPED = Death("stopped", "shutdown", wanted=True)
FAILURE = {"kind": "trap", "message": "unreachable", "backtrace": [], "fuel": 1}


def boxed(*events: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(event)) + event for event in events)


def event(turn: int, index: int, type: str = EventType.WASM_CALL, payload: Any = None) -> bytes:
    return encode("a", 1, turn, index, type, "i", "f", payload)


def started(max_deliveries: int = 3) -> tuple[Turns, PretendedWorker]:
    turns = make_turns("a", "b", max_deliveries=max_deliveries)
    turns.deliver_from_client("a", b"first", "request", "id-1")
    turns.deliver_from_client("a", b"second", "send", "id-2")
    worker = PretendedWorker(turns, turns.actors["a"])
    worker.take()
    commit(turns)
    return turns, worker


DIVERGED = {"kind": "diverged", "message": "event 1 was", "backtrace": [], "fuel": 0}
LEFT = [None, FAILURE, DIVERGED]  # what the box says of the guest
STEPS = ["none", "here", "before"]  # who has committed a step of the turn


@pytest.mark.parametrize(
    ("begun", "death", "failure", "steps", "later"),
    list(itertools.product([False, True], [LOST, STOPPED], LEFT, STEPS, [False, True])),
)
def test_what_happens_to_the_turn(
    begun: bool, death: Death, failure: dict[str, Any] | None, steps: str, later: bool
) -> None:
    turns, worker = started()
    actor = worker.actor
    if steps != "none":
        worker.begin()
        worker.request("b", b"?")
        commit(turns)
    if steps == "before":
        bury(turns, actor, STOPPED, b"", 0.0)
        connect(actor)
        worker.inputs.clear()
        worker.take()
        commit(turns)
    actor.ended_turns = int(later)
    at = actor.current.index if actor.current else 0
    records = [event(1, at)] if begun else []
    if failure is not None:
        records.append(event(1, at + len(records), EventType.WASM_ERROR, failure))
    bury(turns, actor, death, boxed(*records), 0.0)

    has_begun = begun or failure is not None or steps == "here"
    set_aside = failure is not None and (failure is DIVERGED or not later)
    counted = has_begun and failure is None and not death.wanted
    dead = [row for row in turns.batch.consumed if row[0] == "dead"]
    assert bool(dead) == set_aside
    assert actor.next_turn == (2 if set_aside else 1)
    assert not actor.handed and not actor.live
    assert (actor.current is not None) == (steps != "none" and not set_aside)
    left = [message.body for message in actor.mailbox.window]
    assert left == ([b"second"] if set_aside else [b"first", b"second"])
    assert actor.mailbox.messages == len(left) and actor.mailbox.handed == 0
    if not set_aside:
        assert actor.mailbox.window[0].deliveries == (1 if counted else 0)
    told = has_begun and (failure is not None or not death.wanted)
    facts = [decode(row[9]) for row in turns.batch.events]
    failed = [each.payload.get("again", False) for each in facts if each.type == "turn-failed"]
    assert failed == ([not set_aside] if told else [])
    rows = [row[4] for row in turns.batch.turns]
    again = "waiting" if steps == "none" else "open"
    assert rows == ([] if not told else ["failed"] if set_aside else [again])
    buried = [item.message for item in turns.out if isinstance(item, ToRoot)]
    assert len(buried) == 1 and buried[0][0] == "buried"
    if failure is FAILURE:
        assert buried[0][4] == "trap: unreachable" and buried[0][3] == "crash"


def test_an_open_turn_that_kills_is_set_aside_at_max_deliveries_and_its_ask_abandoned() -> None:
    turns, worker = started(max_deliveries=2)
    worker.begin()
    worker.request("b", b"?")
    bury(turns, worker.actor, LOST, b"", 0.0)
    assert not turns.batch.dead_letters and not turns.batch.ask_status
    connect(worker.actor)
    worker.inputs.clear()
    worker.take()
    commit(turns)
    bury(turns, worker.actor, LOST, boxed(event(1, 3, EventType.CARRIED_ON, [])), 0.0)
    assert [row[4] for row in turns.batch.dead_letters] == ["killed by SIGKILL, delivered 2 times"]
    assert [row[0] for row in turns.batch.ask_status] == ["abandoned"]
    assert worker.actor.current is None and worker.actor.next_turn == 2


def test_the_answer_comes_while_nobody_runs_the_asker_and_again_when_somebody_does() -> None:
    turns = make_turns("a", "b")
    turns.deliver_from_client("a", b"go", "request", "id-1")
    asker, callee = (PretendedWorker(turns, turns.actors[name]) for name in "ab")
    asker.take()
    asker.begin()
    asker.request("b", b"?")
    bury(turns, asker.actor, STOPPED, b"", 0.0)
    callee.take()
    callee.begin()
    callee.end(None, b"!")
    assert answers(turns) == [("a", 1, {"ok": b"!"})]
    assert asker.actor.due_s is None, "nobody owes anything"
    commit(turns)
    connect(asker.actor)
    asker.inputs.clear()
    asker.take(100.0)
    assert asker.actor.due_s == 130.0
    asker.begin()
    asker.end(b"new", b"done", 101.0)
    assert [item.value for item in turns.out if isinstance(item, ToClient)] == [{"ok": b"done"}]
    assert [row[0] for row in turns.batch.consumed] == ["done"]


def test_a_worker_that_waits_again_for_an_answer_is_not_late() -> None:
    turns, worker = started()
    worker.begin()
    worker.request("b", b"?")
    bury(turns, worker.actor, STOPPED, b"", 0.0)
    connect(worker.actor)
    worker.inputs.clear()
    worker.take(1.0)
    assert worker.actor.due_s is None
    worker.begin()
    turns.time_out(6.0)
    assert answers(turns) == [("a", 1, {"err": "timeout: no answer from b within 5 s"})]
    assert worker.actor.due_s == 36.0


def test_what_goes_on_must_say_so_first() -> None:
    turns, worker = started()
    worker.begin()
    worker.request("b", b"?")
    bury(turns, worker.actor, STOPPED, b"", 0.0)
    connect(worker.actor)
    worker.inputs.clear()
    worker.take()
    turns.answer(worker.actor, {"ok": b"!"}, 0.0)
    record = worker.record = TurnRecord("a", 2, 1, 1 << 20, 1 << 20)
    record.go_on(1, 3, 0, 0, ())
    with pytest.raises(BadStep, match="carried on"):
        worker.end(None, b"done")


def test_a_message_that_kills_is_set_aside_at_max_deliveries_and_the_asker_is_told() -> None:
    turns, worker = started(max_deliveries=2)
    for round in (1, 2):
        bury(turns, worker.actor, LOST, boxed(event(1, 0)), 0.0)
        assert bool(turns.batch.dead_letters) == (round == 2)
        if round == 1:
            commit(turns)
            connect(worker.actor)
            worker.take()
    values = [item.value for item in turns.out if isinstance(item, ToClient)]
    assert values == [{"err": "failed: a: killed by SIGKILL, delivered 2 times"}]


def test_the_next_incarnation_gets_the_same_numbers() -> None:
    turns, worker = started()
    first = [(each[1], each[3]) for each in worker.inputs]
    bury(turns, worker.actor, LOST, b"", 0.0)
    connect(worker.actor)
    worker.inputs.clear()
    worker.take()
    assert [(each[1], each[3]) for each in worker.inputs] == first


def test_an_asker_waiting_for_a_failed_callee_gets_the_reason() -> None:
    turns = make_turns("a", "b")
    turns.deliver_from_client("b", b"go", "send", "id-1")
    asker = PretendedWorker(turns, turns.actors["b"])
    asker.take()
    asker.begin()
    asker.request("a", b"?")
    callee = PretendedWorker(turns, turns.actors["a"])
    callee.take()
    commit(turns)
    record = boxed(event(1, 0), event(1, 1, EventType.WASM_ERROR, FAILURE))
    bury(turns, callee.actor, LOST, record, 0.0)
    assert answers(turns) == [("b", 1, {"err": "failed: a: trap: unreachable"})]


def test_an_init_that_fails_is_no_dead_letter_and_keeps_its_number() -> None:
    turns = make_turns("a")
    actor = turns.actors["a"]
    actor.initialised = False
    worker = PretendedWorker(turns, actor)
    worker.take()
    assert worker.inputs[0][:3] == ("input", 1, "init")
    bury(turns, actor, LOST, boxed(event(1, 0), event(1, 1, EventType.WASM_ERROR, FAILURE)), 0.0)
    assert not turns.batch.dead_letters
    connect(actor)
    worker.inputs.clear()
    worker.take()
    assert worker.inputs[0][:3] == ("input", 1, "init")


@pytest.mark.parametrize(
    "box",
    [
        b"",
        b"\x00",
        b"\xff\xff\xff\xff",
        struct.pack("<I", 10) + b"short",
        struct.pack("<I", 3) + b"\xc1\xc1\xc1",
        struct.pack("<I", 0) * 100,
        bytes(range(256)) * 50,
    ],
)
def test_a_black_box_is_hostile_input_and_ends_at_the_first_bad_record(box: bytes) -> None:
    good = boxed(event(1, 0), event(1, 1))
    found = read_box(good + box)
    assert found.events(1, 0) == [event(1, 0), event(1, 1)]
    assert found.events(1, 1) == [event(1, 1)]
    assert read_box(box).turns == {}
