"""A step is believed in nothing that can be compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack
import pytest
import zmq

from tests.broker.pretend import OUTSIDE, PretendedWorker, commit, make_turns
from theater import wire
from theater.broker.book import ToRoot
from theater.broker.step import BadStep
from theater.broker.turns import Turns
from theater.broker.workers import Workers
from theater.calls import ACTOR, CLIENT, MESSAGES, RUNTIME
from theater.errors import ProtocolError
from theater.events import EventType, content_hash, encode, ref

CALL = (EventType.WASM_CALL, CLIENT, "handle-send", [None, [b"hi"]])
RESULT = (EventType.WASM_RESULT, CLIENT, "handle-send", [{"ok": [None]}, 7])


def with_input() -> tuple[Turns, PretendedWorker]:
    turns = make_turns("a", "b", send_to=("b",))
    turns.deliver_from_client("a", b"hi", "send", "id-1")
    worker = PretendedWorker(turns, turns.actors["a"])
    worker.take()
    commit(turns)
    return turns, worker


def events(*parts: tuple[Any, ...], actor: str = "a", incarnation: int = 1, turn: int = 1) -> Any:
    return [encode(actor, incarnation, turn, index, *part) for index, part in enumerate(parts)]


def host(function: str, arguments: Any, *answer: Any, interface: str = MESSAGES) -> tuple[Any, ...]:
    return (EventType.HOST_CALL, interface, function, [arguments, *answer])


def spelt(reference: bytes) -> dict[str, Any]:
    """A step with a reference, so spelt, to a content that is not there."""
    parts = events(CALL, host("log", ["x"], ref(b"h" * 32), interface=RUNTIME), RESULT)
    return {"events": [part.replace(b"\xc7\x20\x01" + b"h" * 32, reference) for part in parts]}


def deep(levels: int) -> dict[str, Any]:
    """A step with lists in lists."""
    parts = events(CALL, host("log", ["x"], b"deep", interface=RUNTIME), RESULT)
    return {"events": [part.replace(b"\xc4\x04deep", b"\x91" * levels + b"\xc0") for part in parts]}


BAD: dict[str, Callable[[], dict[str, Any]]] = {
    "no event": lambda: {"events": []},
    "garbage for an event": lambda: {"events": [b"\xc1"]},
    "values deeper than a reader can go": lambda: deep(1000),
    "values a little too deep": lambda: deep(200),
    "a format that is a list of lists": lambda: {
        "events": [b"\x99" + b"\x91" * 1000 + b"\xc0" * 9 for _ in range(2)]
    },
    "an event that is not bytes": lambda: {"events": [7]},
    "a later step": lambda: {"step": 1},
    "a later turn": lambda: {"turn": 2, "events": events(CALL, RESULT, turn=2)},
    "another input": lambda: {"input_id": 99},
    "another actor's event": lambda: {"events": events(CALL, RESULT, actor="b")},
    "an older incarnation's event": lambda: {"events": events(CALL, RESULT, incarnation=0)},
    "an event index missing": lambda: {"events": events(CALL, RESULT)[1:]},
    "a reference spelt at length": lambda: spelt(b"\xc8\x00\x20\x01" + b"h" * 32),
    "and more so": lambda: spelt(b"\xc9\x00\x00\x00\x20\x01" + b"h" * 32),
    "a reference that is no hash": lambda: spelt(b"\xd8\x01" + b"h" * 16),
    "no call at the beginning": lambda: {"events": events(RESULT)},
    "no end": lambda: {"events": events(CALL)},
    "a request that it has answered itself": lambda: {
        "events": events(CALL, host("request", ["b", b"x"], {"ok": b"y"}), RESULT)
    },
    "a chain that it has made up": lambda: {
        "events": events(CALL, host("get-chain", [], {"events": []}, interface=RUNTIME), RESULT)
    },
    "another body": lambda: {
        "events": events((EventType.WASM_CALL, CLIENT, "handle-send", [None, [b"ho"]]), RESULT)
    },
    "another state": lambda: {
        "events": events(
            (EventType.WASM_CALL, CLIENT, "handle-send", [ref(b"s" * 32), [b"hi"]]), RESULT
        )
    },
    "another function": lambda: {
        "events": events((EventType.WASM_CALL, ACTOR, "init", [None, ["a"]]), RESULT)
    },
    "a send that is not granted": lambda: {
        "events": events(CALL, host("send", ["c", b"x"], {"ok": None}), RESULT)
    },
    "a send to no name": lambda: {
        "events": events(CALL, host("send", [7, b"x"], {"ok": None}), RESULT)
    },
    "a send of no bytes": lambda: {
        "events": events(CALL, host("send", ["b", 7], {"ok": None}), RESULT)
    },
    "a send of content that is not there": lambda: {
        "events": events(CALL, host("send", ["b", ref(b"h" * 32)], {"ok": None}), RESULT)
    },
    "a request that is not granted": lambda: {"events": events(CALL, host("request", ["c", b"x"]))},
    "an ask that is none": lambda: {"events": events(CALL, host("send", ["b", b"x"]))},
    "an ask in the middle": lambda: {"events": events(CALL, host("request", ["b", b""]), RESULT)},
    "an answer of its own": lambda: {
        "events": events(CALL, (EventType.HOST_ANSWER, MESSAGES, "request", [1]), RESULT)
    },
    "a line that is a call": lambda: {
        "events": events(CALL, (EventType.LOG, RUNTIME, "log", [["x"], None]), RESULT)
    },
    "a lifecycle event": lambda: {
        "events": events(CALL, (EventType.STARTED, "theater", "started", {}), RESULT)
    },
    "an Err as a result": lambda: {
        "events": events(CALL, (EventType.WASM_RESULT, CLIENT, "handle-send", [{"err": "no"}, 7]))
    },
    "the result of what was not called": lambda: {
        "events": events(CALL, (EventType.WASM_RESULT, ACTOR, "init", [{"ok": [None]}, 7]))
    },
    "a state that is not there": lambda: {
        "events": events(
            CALL, (EventType.WASM_RESULT, CLIENT, "handle-send", [{"ok": [ref(b"h" * 32)]}, 7])
        )
    },
    "a state by a reference of another spelling": lambda: {
        "events": events(
            CALL,
            (
                EventType.WASM_RESULT,
                CLIENT,
                "handle-send",
                [{"ok": [msgpack.ExtType(1, b"h" * 16)]}, 7],
            ),
        )
    },
    "fuel that no database holds": lambda: {
        "events": events(
            CALL, (EventType.WASM_RESULT, CLIENT, "handle-send", [{"ok": [None]}, 1 << 63])
        )
    },
    "negative fuel": lambda: {
        "events": events(CALL, (EventType.WASM_RESULT, CLIENT, "handle-send", [{"ok": [None]}, -1]))
    },
    "a state that is no reference": lambda: {
        "events": events(CALL, (EventType.WASM_RESULT, CLIENT, "handle-send", [{"ok": [b"s"]}, 7]))
    },
    "a held call before the turn's call": lambda: {
        "events": events(host("shutdown", [None], {"ok": None}, interface=RUNTIME), CALL, RESULT)
    },
    "a handler that is not granted": lambda: {
        "events": events(CALL, host("peek", [], {"ok": 7}, interface="example:other/api"), RESULT)
    },
    "a function that its handler does not have": lambda: {
        "events": events(CALL, host("poke", [], {"ok": 7}, interface=OUTSIDE), RESULT)
    },
    "a content that is not bytes": lambda: {"blobs": ["text"]},
    "a channel that it does not have": lambda: {
        "events": events(CALL, host("send-on-channel", ["a:1:1", b"x"], {"ok": None}), RESULT)
    },
    "the end of a channel that it does not have": lambda: {
        "events": events(CALL, host("close-channel", ["a:1:1"], {"ok": None}), RESULT)
    },
    "a channel to somebody who is not granted": lambda: {
        "events": events(CALL, host("open-channel", ["c", b"x"]))
    },
    "a channel to nobody": lambda: {"events": events(CALL, host("open-channel", [7, b"x"]))},
    "an answer to no request": lambda: {
        "events": events(CALL, host("respond-to-request", [7, b"x"], {"ok": None}), RESULT)
    },
    "an answer that is not there": lambda: {
        "events": events(CALL, host("respond-to-request", ["b:1:1"], {"ok": None}), RESULT)
    },
    "an answer of no bytes": lambda: {
        "events": events(CALL, host("respond-to-request", ["b:1:1", 7], {"ok": None}), RESULT)
    },
    "a cancellation with something more": lambda: {
        "events": events(CALL, host("cancel-request", ["b:1:1", b"x"], {"ok": None}), RESULT)
    },
}


@pytest.mark.parametrize("case", BAD)
def test_a_step_that_does_not_fit_is_refused_and_changes_nothing(case: str) -> None:
    turns, worker = with_input()
    facts: dict[str, Any] = {
        "turn": 1,
        "step": 0,
        "input_id": 1,
        "events": events(CALL, RESULT),
        "blobs": [],
        **BAD[case](),
    }
    before = (worker.actor.head, worker.actor.length, worker.actor.state, turns.next_seq)
    with pytest.raises(ProtocolError):
        turns.step(
            worker.actor,
            facts["turn"],
            facts["step"],
            facts["input_id"],
            facts["events"],
            facts["blobs"],
            0.0,
        )
    assert turns.batch.is_empty() and not turns.out
    assert before == (worker.actor.head, worker.actor.length, worker.actor.state, turns.next_seq)


OPENED: dict[str, Any] = {
    "nothing": [],
    "a reply": [None],
    "no record": [[True, None]],
    "neither accepted nor refused": [{"message": None}],
    "accepted and no more": [{"accepted": True}],
    "accepted a little": [{"accepted": 1, "message": None}],
    "a message that is text": [{"accepted": True, "message": "hi"}],
    "a content that is not there": [{"accepted": True, "message": ref(b"h" * 32)}],
    "two": [{"accepted": True, "message": None}, {"accepted": True, "message": None}],
}


@pytest.mark.parametrize("case", [*OPENED, None])
def test_what_the_turn_returns_that_opens_a_channel(case: str | None) -> None:
    turns = make_turns("a", "b")
    opener = turns.actors["b"]
    turns.deliver(opener, 1, 1, "a", b"hi", "channel-open", channel="b:1:1")
    worker = PretendedWorker(turns, turns.actors["a"])
    worker.take()
    commit(turns)
    answer = [{"accepted": True, "message": None}] if case is None else OPENED[case]
    name = "handle-channel-open"
    call = (EventType.WASM_CALL, CLIENT, name, [None, ["b:1:1", b"hi"]])
    result = (EventType.WASM_RESULT, CLIENT, name, [{"ok": [None, answer]}, 7])
    if case is None:
        turns.step(worker.actor, 1, 0, 1, events(call, result), [], 0.0)
        assert turns.batch.channels
        return
    with pytest.raises(BadStep):
        turns.step(worker.actor, 1, 0, 1, events(call, result), [], 0.0)
    assert turns.batch.is_empty() and not turns.out


def test_the_same_step_without_the_fault_is_taken() -> None:
    turns, worker = with_input()
    turns.step(worker.actor, 1, 0, 1, events(CALL, RESULT), [], 0.0)
    assert len(turns.batch.events) == 2


def test_a_step_that_comes_again_is_acknowledged_and_not_applied() -> None:
    turns, worker = with_input()
    turns.step(worker.actor, 1, 0, 1, events(CALL, RESULT), [], 0.0)
    commit(turns)
    turns.step(worker.actor, 1, 0, 1, events(CALL, RESULT), [], 0.0)
    assert turns.batch.is_empty()
    assert list(turns.acked.values()) == [worker.actor] and worker.actor.committed == (1, 0)


def test_what_a_guest_does_while_it_starts_may_come_before_the_call() -> None:
    turns, worker = with_input()
    random = host("get-random-u64", [], 7, interface="wasi:random/random")
    turns.step(worker.actor, 1, 0, 1, events(random, CALL, RESULT), [], 0.0)
    assert len(turns.batch.events) == 3


def test_what_a_handler_that_only_reads_has_answered_is_taken() -> None:
    turns, worker = with_input()
    peek = host("peek", [], {"ok": 7}, interface=OUTSIDE)
    turns.step(worker.actor, 1, 0, 1, events(CALL, peek, RESULT), [], 0.0)
    assert len(turns.batch.events) == 3


def test_a_content_is_stored_under_the_hash_the_broker_makes() -> None:
    turns, worker = with_input()
    state = b"s" * 5000
    result = (EventType.WASM_RESULT, CLIENT, "handle-send", [{"ok": [ref(content_hash(state))]}, 7])
    turns.step(worker.actor, 1, 0, 1, events(CALL, result), [state], 0.0)
    assert turns.batch.blobs == [(content_hash(state), state)]
    with pytest.raises(BadStep):
        turns.step(worker.actor, 2, 0, 2, events(CALL, result, turn=2), [], 0.0)


def test_a_result_is_no_larger_than_a_message() -> None:
    """As whoever has spawned it is sent it."""
    turns, worker = with_input()
    turns.message_max = 3
    call = host("shutdown", [b"four"], {"ok": None}, interface=RUNTIME)
    with pytest.raises(BadStep, match="a message of 4 bytes is over the limit of 3"):
        turns.step(worker.actor, 1, 0, 1, events(CALL, call, RESULT), [], 0.0)
    assert not turns.batch.events


def test_values_may_be_as_deep_as_readers_go() -> None:
    turns, worker = with_input()
    turns.step(worker.actor, 1, 0, 1, deep(150)["events"], [], 0.0)
    assert turns.batch.steps


def test_what_it_said_is_not_repeated_at_any_length() -> None:
    turns, worker = with_input()
    sent = host("send", ["b" * 100_000, b"x"], {"ok": None})
    step = wire.pack(("step", 1, 0, 1, events(CALL, sent, RESULT), []))
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        Workers(router, turns).from_worker(worker.actor, step, 0.0)
    [violation] = [each.message for each in turns.out if isinstance(each, ToRoot)]
    assert violation[:3] == ("violation", "a", 1) and len(violation[3]) < 2100
    assert worker.actor.fenced
