"""A turn is run again from its record: each call is answered, the first that differs is named."""

from __future__ import annotations

import random
from typing import Any

import msgpack
import pytest

from theater.events import CHAIN_CODE, Event, EventType, content_hash, ref
from theater.journal import Diverged, Journal, contents_of, resolver

RUNTIME, MESSAGES, ENV = (
    "theater:simple/runtime",
    "theater:simple/message-server-host",
    "wasi:x/env",
)
CALL = ("theater:simple/message-server-client", "handle-send")
INPUT = [None, [b"go"]]


def record(*events: tuple[Any, ...]) -> list[Event]:
    """(type, interface, function, payload) each; numbered as a chain does."""
    return [Event("a", 1, 3, index, *each) for index, each in enumerate(events)]


def called(interface: str, function: str, arguments: list[Any], *answer: Any) -> tuple[Any, ...]:
    return EventType.HOST_CALL, interface, function, [arguments, *answer]


def answered(value: Any) -> tuple[Any, ...]:
    return EventType.HOST_ANSWER, MESSAGES, "request", [value]


BEGIN = (EventType.WASM_CALL, *CALL, INPUT)
LOG = called(RUNTIME, "log", ["x"], None)
ASK = called(MESSAGES, "request", ["b", b"?"])
MORE: tuple[Any, ...] = (EventType.CARRIED_ON, *CALL, [])


def test_calls_are_answered_in_order_and_then_no_more() -> None:
    journal = Journal(record(BEGIN, LOG, ASK, answered({"ok": b"!"})))
    assert journal.next_index == 4 and not journal.has_prelude()
    journal.begin(*CALL, INPUT)
    first = journal.answer(RUNTIME, "log", ["x"])
    assert first is not None and (first.index, first.answer, first.is_answered) == (1, None, True)
    second = journal.answer(MESSAGES, "request", ["b", b"?"])
    assert second is not None and second.answer == {"ok": b"!"}
    assert journal.is_finished()
    assert journal.answer(RUNTIME, "log", ["y"]) is None, "what is new is done"
    journal.end("over")


def test_the_answer_that_is_still_to_come_has_its_place() -> None:
    journal = Journal(record(BEGIN, LOG, ASK))
    assert journal.next_index == 4
    journal.begin(*CALL, INPUT)
    journal.answer(RUNTIME, "log", ["x"])
    asked = journal.answer(MESSAGES, "request", ["b", b"?"])
    assert asked is not None and (asked.index, asked.is_answered) == (2, False)


@pytest.mark.parametrize(
    ("interface", "function", "arguments", "found"),
    [
        (RUNTIME, "log", ["y"], 'log("y")'),
        (RUNTIME, "self", [], "self()"),
        (MESSAGES, "log", ["x"], "message-server-host.log"),
        (MESSAGES, "request", ["b", b"?"], "request"),
    ],
)
def test_the_first_call_that_differs_is_named(
    interface: str, function: str, arguments: list[Any], found: str
) -> None:
    journal = Journal(record(BEGIN, LOG, ASK))
    journal.begin(*CALL, INPUT)
    with pytest.raises(Diverged) as error:
        journal.answer(interface, function, arguments)
    assert str(error.value).startswith('event 1 of turn 3 was theater:simple/runtime.log("x"), and')
    assert found in str(error.value)


def test_another_input_and_an_early_end_differ() -> None:
    with pytest.raises(Diverged, match=r"event 0 of turn 3 was .*handle-send"):
        Journal(record(BEGIN, ASK)).begin(*CALL, [None, [b"other"]])
    journal = Journal(record(BEGIN, ASK))
    journal.begin(*CALL, INPUT)
    with pytest.raises(Diverged, match=r"event 1 of turn 3 was .*request.*, and now it returned"):
        journal.end("it returned")


def test_lines_are_no_calls_and_a_nan_equals_itself() -> None:
    line = (EventType.LOG, "wasi:cli/stdout", "line", ["hello"])
    nan = float("nan")
    journal = Journal(record(BEGIN, line, called(RUNTIME, "f", [nan, (1, 2)], nan), line, ASK))
    journal.begin(*CALL, INPUT)
    assert journal.answer(RUNTIME, "f", [nan, [1, 2]]) is not None
    assert journal.answer(MESSAGES, "request", ("b", b"?")) is not None  # type: ignore[arg-type]
    assert journal.is_finished()


def test_long_arguments_are_compared_by_their_hashes() -> None:
    long = b"x" * 5000
    journal = Journal(record(BEGIN, called(MESSAGES, "request", ["b", ref(content_hash(long))])))
    journal.begin(*CALL, INPUT)
    with pytest.raises(Diverged):
        journal.answer(MESSAGES, "request", ["b", b"y" * 5000])
    assert journal.answer(MESSAGES, "request", ["b", long]) is not None


def test_answers_are_given_back_whole() -> None:
    long = b"x" * 5000
    place = msgpack.packb(["a", 0, 2, b"h"])
    events = record(
        BEGIN,
        called(ENV, "get", [ref(content_hash(b"not an answer"))], [ref(content_hash(long)), 1]),
        called(RUNTIME, "get-chain", []),
        (EventType.HOST_ANSWER, RUNTIME, "get-chain", [msgpack.ExtType(CHAIN_CODE, place)]),
    )
    assert contents_of(events) == ([content_hash(long)], [place])
    resolve = resolver({content_hash(long): long}, {place: ["an event"]})
    assert resolve({"ok": [ref(content_hash(long)), None]}) == {"ok": [long, None]}
    assert resolve(msgpack.ExtType(CHAIN_CODE, place)) == {"events": ["an event"]}
    assert resolve({"ok": msgpack.ExtType(CHAIN_CODE, place)}) == {"ok": ["an event"]}


def test_a_fresh_instance_may_ask_wasi_for_what_an_older_one_knew() -> None:
    journal = Journal(record(BEGIN, LOG, ASK, answered({"ok": b"!"})))
    assert journal.answer(ENV, "get-environment", []) is None
    journal.begin(*CALL, INPUT)
    assert journal.answer(ENV, "random", [8]) is None
    assert journal.answer(RUNTIME, "log", ["x"]) is not None
    assert journal.answer(ENV, "random", [8]) is None
    assert journal.answer(MESSAGES, "request", ["b", b"?"]) is not None


def test_what_a_fresh_instance_has_asked_is_answered_to_the_next_one() -> None:
    events = record(
        BEGIN,
        LOG,
        ASK,
        answered({"ok": b"!"}),
        MORE,
        called(ENV, "random", [8], b"12345678"),
        called(RUNTIME, "log", ["later"], None),
        ASK,
    )
    journal = Journal(events)
    assert journal.has_prelude() and journal.next_index == 9
    random_ = journal.answer(ENV, "random", [8])
    assert random_ is not None and random_.answer == b"12345678"
    journal.begin(*CALL, INPUT)
    for call in ((RUNTIME, "log", ["x"]), (MESSAGES, "request", ["b", b"?"])):
        assert journal.answer(*call) is not None
    assert journal.answer(RUNTIME, "log", ["later"]) is not None
    asked = journal.answer(MESSAGES, "request", ["b", b"?"])
    assert asked is not None and not asked.is_answered


def test_the_answer_of_a_world_call_may_come_after_what_a_fresh_instance_had_to_ask() -> None:
    events = record(
        BEGIN,
        called("test:outside", "post", ["x"]),
        MORE,
        called(ENV, "random", [8], b"12345678"),
        (EventType.HOST_ANSWER, "test:outside", "post", ["done"]),
        called("test:outside", "post", ["y"]),
    )
    journal = Journal(events, {"test:outside": {"post"}})
    assert journal.next_index == len(events)
    journal.begin(*CALL, INPUT)
    assert journal.answer(ENV, "random", [8]) is not None
    first = journal.answer("test:outside", "post", ["x"])
    assert first is not None and first.answer == "done"
    second = journal.answer("test:outside", "post", ["y"])
    assert second is not None and not second.is_answered


def test_a_change_is_never_made_anew_while_there_is_a_record() -> None:
    """Also of WASI: whoever writes something else than was written would write it as well."""
    files, write = "wasi:filesystem/types", "[method]descriptor.write"
    world = {files: {write}}
    events = record(BEGIN, called(files, write, [9, b"a", 0]), called(ENV, "get", [], []))
    for arguments in ([9, b"b", 0], [10, b"a", 0]):
        journal = Journal(events[:2], world)
        journal.begin(*CALL, INPUT)
        assert journal.answer(files, "[method]descriptor.stat", [9]) is None, "it only looks"
        with pytest.raises(
            Diverged, match=r"event 1 of turn 3 was .*write\(9, .*now it is .*write"
        ):
            journal.answer(files, write, arguments)
    journal = Journal(events[:2], world)
    journal.begin(*CALL, INPUT)
    found = journal.answer(files, write, [9, b"a", 0])
    assert found is not None and not found.is_answered
    assert journal.answer(files, write, [9, b"b", 0]) is None, "the record is over"


def test_what_was_done_at_the_start_comes_before_the_call() -> None:
    journal = Journal(record(called(ENV, "random", [8], b"12345678"), BEGIN, ASK))
    assert journal.has_prelude()
    with pytest.raises(Diverged, match=r"event 0 of turn 3 was wasi:x/env\.random"):
        Journal(record(called(ENV, "random", [8], b"x"), BEGIN)).begin(*CALL, INPUT)
    assert journal.answer(ENV, "random", [8]) is not None
    journal.begin(*CALL, INPUT)


class Guest:
    """Makes the same calls whenever it is fresh; one of WASI's where it first needs it."""

    def __init__(self, seed: int, is_old: bool) -> None:
        self.dice = random.Random(seed)
        self.script = [self.dice.choice(["log", "env", "ask"]) for _ in range(12)] + ["ask"]
        self.needs = not is_old

    def calls(self) -> Any:
        for number, each in enumerate(self.script):
            if self.needs and number >= 2 and each != "ask":
                self.needs = False
                yield ENV, "get-environment", [number]
            match each:
                case "log":
                    yield RUNTIME, "log", [f"{number}"]
                case "env":
                    yield ENV, "random", [number % 3]
                case "ask":
                    yield MESSAGES, "request", ["b", b"%d" % number]


@pytest.mark.parametrize("seed", range(200))
def test_any_turn_is_carried_on_by_any_number_of_instances_with_the_same_answers(seed: int) -> None:
    """Each instance dies at a random ask; what the guest has been told never changes."""
    dice = random.Random(seed)
    events = [Event("a", 1, 3, 0, *BEGIN)]
    told: dict[int, Any] = {}  # what the instances since the second one have been told, by call
    for incarnation in range(1, 6):
        journal = Journal(events)
        fresh: list[tuple[Any, ...]] = []
        if incarnation > 1:
            fresh.append(MORE)
        journal.begin(*CALL, INPUT)
        dies_at = dice.randrange(1, 5)
        for number, call in enumerate(Guest(seed, is_old=incarnation == 1).calls()):
            interface, function, arguments = call
            found = journal.answer(*call)
            if found is None:
                answer = dice.random()
                if function == "request":
                    fresh += [called(interface, function, arguments), answered(answer)]
                else:
                    fresh.append(called(interface, function, arguments, answer))
            else:
                assert found.is_answered, f"seed {seed}"
                answer = found.answer
            if incarnation > 1:
                assert told.setdefault(number, answer) == answer, f"seed {seed}, call {number}"
            if function == "request" and found is None:
                dies_at -= 1
                if dies_at == 0:
                    break
        else:
            journal.end("over")
            return
        # Only whole steps are committed; each one ends with an ask, and so does this.
        start = len(events)
        events += [Event("a", incarnation, 3, start + n, *each) for n, each in enumerate(fresh)]
