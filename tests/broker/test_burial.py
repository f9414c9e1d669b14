"""What becomes of a dead incarnation's turn: the table of burial.py, cell by cell."""

from __future__ import annotations

import itertools
import struct
from typing import Any

import pytest

from tests.broker.pretend import PretendedWorker, answers, commit, connect, make_turns
from theater.broker.book import ToClient, ToRoot
from theater.broker.burial import Death, bury, read_box
from theater.broker.turns import Turns
from theater.events import EventType, encode

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


@pytest.mark.parametrize(
    ("begun", "death", "failed", "stepped"),
    list(itertools.product([False, True], [LOST, STOPPED], [False, True], [False, True])),
)
def test_what_happens_to_the_turn(begun: bool, death: Death, failed: bool, stepped: bool) -> None:
    turns, worker = started()
    actor = worker.actor
    if stepped:
        worker.begin()
        worker.request("b", b"?")
        commit(turns)
    at = actor.current.index if actor.current else 0
    records = [event(1, at)] if begun else []
    if failed:
        records.append(event(1, at + len(records), EventType.WASM_ERROR, FAILURE))
    bury(turns, actor, death, boxed(*records), 0.0)

    set_aside = stepped or failed
    counted = begun and not failed and not stepped and not death.wanted
    dead = [row for row in turns.batch.consumed if row[0] == "dead"]
    assert bool(dead) == set_aside
    assert actor.next_turn == (2 if set_aside else 1)
    assert not actor.handed and not actor.live and actor.current is None
    left = [message.body for message in actor.mailbox.window]
    assert left == ([b"second"] if set_aside else [b"first", b"second"])
    assert actor.mailbox.messages == len(left) and actor.mailbox.handed == 0
    if not set_aside:
        assert actor.mailbox.window[0].deliveries == (1 if counted else 0)
    buried = [item.message for item in turns.out if isinstance(item, ToRoot)]
    assert len(buried) == 1 and buried[0][:3] == ("buried", "a", 1)
    if failed:
        assert buried[0][4] == "trap: unreachable" and buried[0][3] == "crash"


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
