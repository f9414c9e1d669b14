"""What explains a difference is found also in a large one, and a log's oddest values do no harm."""

from __future__ import annotations

import os
from typing import Any

import msgpack
import pytest

from theater.events import EventType, content_hash, decode, encode, ref
from theater.replay import output
from theater.replay.explain import CALLS_SEEN, CHANGES_SEEN, Explained, explain
from theater.replay.output import told_apart
from theater.replay.slices import Crossing

CLOCK = ("wasi:clocks/monotonic-clock", "now")


def crossing(index: int, type: str, interface: str, function: str, payload: Any) -> Crossing:
    data = encode("a", 1, 1, index, type, interface, function, payload)
    return Crossing(data, decode(data))


def result(index: int, state: bytes) -> Crossing:
    payload = [{"ok": [ref(content_hash(state))]}, 7]
    return crossing(index, EventType.WASM_RESULT, "theater:simple/actor", "handle-send", payload)


def explained(before: bytes, after: bytes, *calls: Crossing) -> Explained:
    known = {content_hash(state): state for state in (before, after)}
    recorded, found = result(len(calls), before), result(len(calls), after)
    return explain([*calls, recorded], recorded.data, found.data, [], known.get)


def test_two_states_that_have_nothing_in_common_are_told_in_one_line() -> None:
    size = 4 << 20
    found = explained(os.urandom(size), os.urandom(size))
    (line,) = found.changes
    assert line.startswith("state, bytes 0 to ") and "none that is in the record" in found.cause


def test_bytes_in_another_order_are_an_order() -> None:
    assert explained(b"\xff\x00\x01\x02", b"\x02\x01\x00\xff").cause.startswith("an order")
    assert not explained(b"\xff\x00\x01\x02", b"\x02\x01\x00\xfe").cause.startswith("an order")


@pytest.mark.parametrize("answer", [10**18, [10**18, {"text": "1e999"}], 1e308, float("inf")])
def test_numbers_that_no_clock_shows_are_close_to_none(answer: Any) -> None:
    """As of keys: longer than any float."""
    call = crossing(0, EventType.HOST_CALL, *CLOCK, [[], answer])
    before, after = (b'{"key": %d}' % (10**600 + more) for more in (0, 1))
    found = explained(before, after, call)
    assert len(found.changes) == 1 and found.changes[0].startswith("state.key: ")


def test_of_many_calls_and_many_changes_no_more_are_looked_at_than_tell_something() -> None:
    calls = [
        crossing(number, EventType.HOST_CALL, *CLOCK, [[], 10**15 + number])
        for number in range(2 * CALLS_SEEN)
    ]
    before = msgpack.packb({f"n{number}": number for number in range(2 * CHANGES_SEEN)})
    after = msgpack.packb({f"n{number}": number + 1 for number in range(2 * CHANGES_SEEN)})
    found = explained(before, after, *calls)
    assert found.changes[0] == "state.n0: 0 -> 1" and "a clock: " in found.cause


def test_lines_that_differ_are_put_in_order_where_they_are_few() -> None:
    assert told_apart(["a", "b", "c"], ["a", "x", "c", "d"]) == ["-b", "+x", "+d"]


def test_very_many_lines_are_told_apart_by_what_they_say() -> None:
    many = output.ALIGNED_MAX * 50
    assert told_apart(["same"] * many, ["same"] * many) == []
    assert told_apart(["same"] * many, ["same"] * (many + 2)) == ["+same", "+same"]
    before, after = ["x", *["same"] * many, "z"], ["y", *["same"] * many, "w"]
    assert told_apart(before, after) == ["-x", "-z", "+y", "+w"]
    turned = [str(number) for number in range(many)]
    assert len(told_apart(turned, turned[::-1])) == 2 * many


def test_to_poll_nothing_says_nothing() -> None:
    """It is a trap, with a print in it or without."""
    said = output.Output(lambda _stream, _line: None)
    assert said.said("wasi:io/poll", "poll", [[]]) is None
