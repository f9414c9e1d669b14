"""World calls: the intent is committed, the worker acts, its next step begins with the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.broker.logged import order
from tests.broker.pretend import OUTSIDE, PretendedWorker, commit, connect, make_turns, settings
from tests.broker.whole import Whole
from theater import wasi
from theater.broker.burial import Death, bury
from theater.broker.register import end_world_call
from theater.broker.step import BadStep
from theater.broker.turns import Turns
from theater.calls import MESSAGES
from theater.events import EventType

DONE = (EventType.HOST_ANSWER, OUTSIDE, "post", [None])
STOPPED = Death("stopped", "shutdown", wanted=True)


def asked(function: str = "post", interface: str = OUTSIDE) -> tuple[Turns, PretendedWorker]:
    """A worker that has sent the step in which it says what it is about to do."""
    turns = make_turns("a", "b")
    turns.deliver_from_client("a", b"go", "send", "id-1")
    worker = PretendedWorker(turns, turns.actors["a"])
    worker.take(10.0)
    record = worker.begin()
    record.add(EventType.HOST_CALL, interface, function, [["x"]])
    worker.commit(14.0)
    return turns, worker


def tell(worker: PretendedWorker, interface: str = OUTSIDE, function: str = "post") -> None:
    assert worker.record is not None
    worker.record.add(EventType.HOST_ANSWER, interface, function, [{"ok": None}])


def test_the_intent_is_committed_and_the_turns_time_goes_on() -> None:
    turns, worker = asked()
    assert [row[3:] for row in turns.batch.asks] == [("post", None, None)]
    assert worker.actor.due_s == 40.0
    commit(turns)
    tell(worker)
    worker.end(b"done", now_s=20.0)
    assert [row[0] for row in turns.batch.ask_status] == ["answered"]
    assert worker.actor.current is None


def test_several_of_them_follow_each_other() -> None:
    turns, worker = asked()
    for _ in range(3):
        tell(worker)
        assert worker.record is not None
        worker.record.add(EventType.HOST_CALL, OUTSIDE, "post", [["y"]])
        worker.commit()
    tell(worker)
    worker.request("b", b"?")
    assert [row[0] for row in turns.batch.ask_status] == ["answered"] * 4
    assert len(turns.batch.asks) == 5


def test_another_incarnation_says_what_became_of_it() -> None:
    turns, worker = asked()
    bury(turns, worker.actor, STOPPED, b"", 15.0)
    connect(worker.actor)
    worker.inputs.clear()
    worker.take(20.0)
    assert worker.actor.due_s == 50.0, "it has something to do"
    worker.begin()
    tell(worker)
    worker.end(b"done")
    assert [row[0] for row in turns.batch.ask_status] == ["answered"]


def test_before_it_does_a_fresh_instance_may_ask_wasi_for_what_the_older_one_knew() -> None:
    turns, worker = asked()
    bury(turns, worker.actor, STOPPED, b"", 15.0)
    connect(worker.actor)
    worker.inputs.clear()
    worker.take(20.0)
    record = worker.begin()
    record.add(EventType.LOG, "wasi:cli/stdout", "line", ["I am new"])
    record.add(EventType.HOST_CALL, "wasi:cli/environment", "get-environment", [[], []])
    tell(worker)
    worker.end(b"done")
    assert turns.batch.ask_status[0][0] == "answered"


def step(*events: tuple[Any, ...]) -> None:
    turns, worker = asked()
    commit(turns)
    assert worker.record is not None
    for type, interface, function, payload in events:
        worker.record.add(type, interface, function, payload)
    worker.end(None)


@pytest.mark.parametrize(
    "events",
    [
        [],
        [(EventType.HOST_CALL, MESSAGES, "send", [["b", b""], {"ok": None}])],
        [(EventType.HOST_CALL, "wasi:cli/stdout", "get-stdout", [[], 2]), DONE],
        [(EventType.HOST_ANSWER, OUTSIDE, "put", [{"ok": None}])],
        [(EventType.HOST_ANSWER, MESSAGES, "request", [{"ok": b""}])],
        [(EventType.HOST_ANSWER, OUTSIDE, "post", {"ok": None})],
        [(EventType.HOST_ANSWER, OUTSIDE, "post", [1, 2])],
        [(EventType.HOST_ANSWER, OUTSIDE, "post", [None])] * 2,
    ],
)
def test_nothing_but_its_answer_may_come_next(events: list[tuple[Any, ...]]) -> None:
    with pytest.raises(BadStep):
        step(*events)


def test_only_what_is_granted_can_be_asked_of_the_world() -> None:
    for interface, function in ((OUTSIDE, "delete"), ("test:elsewhere/post", "post")):
        with pytest.raises(BadStep, match="not an ask"):
            asked(function, interface)


WRITE = (wasi.TYPES, "[method]descriptor.write", [9, b"x", 0])
OPEN = (wasi.TYPES, wasi.OPEN, [9, [], "x", ["create"], []])
LOOK = (wasi.TYPES, wasi.OPEN, [9, [], "x", [], ["read"]])
STREAM = (wasi.STREAMS, "[method]output-stream.write", [7, b"x"])
STDOUT = (wasi.STREAMS, "[method]output-stream.write", [wasi.STDOUT, b"x"])
SYNC = (wasi.TYPES, "[method]descriptor.sync", [9])
OK, ERR = {"ok": None}, {"err": "not-permitted"}


@pytest.mark.parametrize("moment", ["before the call", "in the turn", "carried on"])
@pytest.mark.parametrize(
    ("call", "answer", "may"),
    [
        (WRITE, OK, False),
        (OPEN, OK, False),
        (STREAM, OK, False),
        (WRITE, ERR, True),
        (LOOK, OK, True),
        (STDOUT, OK, True),
        (SYNC, OK, True),
    ],
)
def test_what_was_changed_without_being_asked_for_ends_the_worker(
    moment: str, call: tuple[str, str, list[Any]], answer: Any, may: bool
) -> None:
    interface, function, arguments = call
    event = (EventType.HOST_CALL, interface, function, [arguments, answer])
    if moment == "carried on":
        turns, worker = asked()
        bury(turns, worker.actor, STOPPED, b"", 15.0)
        connect(worker.actor)
        worker.inputs.clear()
    else:
        turns = make_turns("a", "b")
        turns.deliver_from_client("a", b"go", "send", "id-1")
        worker = PretendedWorker(turns, turns.actors["a"])
    world = {(each, name) for each in wasi.WORLD for name in wasi.WORLD[each]} | {(OUTSIDE, "post")}
    worker.actor.settings = settings(world=frozenset(world))
    worker.take(20.0)
    worker.begin(*([event] if moment == "before the call" else []))
    if moment != "before the call":
        assert worker.record is not None
        worker.record.add(*event)
    if moment == "carried on":
        tell(worker)
    if may:
        worker.end(None)
        assert worker.actor.current is None
    else:
        with pytest.raises(BadStep):
            worker.end(None)


def test_the_answer_of_a_request_is_not_the_workers_to_tell() -> None:
    turns = make_turns("a", "b")
    turns.deliver_from_client("a", b"go", "send", "id-1")
    worker = PretendedWorker(turns, turns.actors["a"])
    worker.take()
    worker.begin()
    worker.request("b", b"?")
    tell(worker, MESSAGES, "request")
    with pytest.raises(BadStep, match="without its answer"):
        worker.end(None)


def test_all_of_that_is_found_to_be_right(tmp_path: Path) -> None:
    grants = {"own": {"interface": OUTSIDE, "functions": {"post": ["func()", "error"]}}}
    system = Whole(tmp_path, order("a", world=[[OUTSIDE, "post"]], grants=grants))
    worker = system.start("a")
    system.turns.deliver_from_client("a", b"go", "send", "id-1")
    system.step()
    worker.begin().add(EventType.HOST_CALL, OUTSIDE, "post", [["x"]])
    worker.commit()
    system.step()
    system.kill("a")
    worker = system.start("a")
    worker.begin().add(EventType.LOG, "wasi:cli/stdout", "line", ["I am new"])
    tell(worker)
    worker.end(b"done")
    system.step()
    assert not system.problems()


def test_one_that_is_granted_no_more_ends_its_turn() -> None:
    turns, worker = asked()
    bury(turns, worker.actor, STOPPED, b"", 15.0)
    end_world_call(turns, worker.actor, 16.0)
    assert worker.actor.current is not None, "it is granted still"
    worker.actor.settings = settings(world=frozenset())
    end_world_call(turns, worker.actor, 16.0)
    assert worker.actor.current is None
    assert [row[4] for row in turns.batch.dead_letters] == [f"{OUTSIDE}.post is granted no more"]


@pytest.mark.parametrize("answer", [{"ok": None}, {"err": "refused"}, None])
def test_one_of_a_handler_has_no_answer_before_it_is_committed(answer: Any) -> None:
    turns = make_turns("a")
    turns.deliver_from_client("a", b"go", "send", "id-1")
    worker = PretendedWorker(turns, turns.actors["a"])
    worker.take()
    worker.begin().add(EventType.HOST_CALL, OUTSIDE, "post", [["x"], answer])
    with pytest.raises(BadStep, match="was done before it was committed"):
        worker.end(None)
