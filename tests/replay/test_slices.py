"""Chains cut into runs: every way in which a turn can be spread over processes."""

from __future__ import annotations

from typing import Any

import pytest

from theater.errors import ProtocolError
from theater.events import Event, EventType, decode, encode
from theater.replay.slices import Began, Crossing, Ended, Ending, Run, Slices
from theater.wire import pack

HASH = "ab" * 32
FACTS = {"component": HASH, "engine": {"fuel": True}, "grants": {}, "limits": {"fuel": 5}}


class Chain:
    """Writes a chain of `a` in short: what the broker would have written."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.evidence: dict[bytes, list[bytes]] = {}
        self._slices = Slices(self.evidence.get)
        self._position = 0

    def life(self, type: EventType, incarnation: int, **payload: Any) -> None:
        self._take(incarnation, 0, self._position, type, "theater", type, payload)

    def start(self, incarnation: int) -> None:
        self.life(EventType.STARTED, incarnation, component=HASH)

    def exit(self, incarnation: int, reason: str = "killed by SIGKILL") -> None:
        self.life(EventType.EXITED, incarnation, reason=reason, kind="crash")

    def turn(self, incarnation: int, turn: int, index: int, *types: EventType) -> None:
        for number, type in enumerate(types, index):
            self._take(incarnation, turn, number, type, "i", "f", PAYLOADS.get(type, []))

    def fail(self, incarnation: int, turn: int, index: int, *types: EventType, again: bool) -> None:
        events = [
            encode("a", incarnation, turn, number, type, "i", "f", PAYLOADS.get(type, []))
            for number, type in enumerate(types, index)
        ]
        hash = pack(events)[:32] if events else None
        if hash is not None:
            self.evidence[hash] = events
        more = {"again": True} if again else {}
        self.life(EventType.TURN_FAILED, incarnation, turn=turn, evidence=hash, **more)

    def end(self) -> list[str]:
        self.items += self._slices.end()
        return [shown(item) for item in self.items]

    def _take(self, *fields: Any) -> None:
        data = encode("a", *fields)
        self._position += 1
        self.items += self._slices.take(Crossing.read(data))


PAYLOADS: dict[EventType, Any] = {
    EventType.WASM_CALL: [None, ["x"]],
    EventType.HOST_CALL: [[]],
    EventType.HOST_ANSWER: [1],
    EventType.WASM_RESULT: [{"ok": [None]}, 3],
    EventType.WASM_ERROR: {"kind": "trap"},
}
CALL, ASK, ANSWER, RESULT, ERROR, ON = (
    EventType.WASM_CALL,
    EventType.HOST_CALL,
    EventType.HOST_ANSWER,
    EventType.WASM_RESULT,
    EventType.WASM_ERROR,
    EventType.CARRIED_ON,
)


def shown(item: Any) -> str:
    """`run 2 by 1: done, 0+3` is turn 2, with 3 events of its own and none before them."""
    match item:
        case Began():
            return f"began {item.incarnation}"
        case Ended():
            return f"ended {item.incarnation}"
        case Run():
            counts = f"{len(item.before)}+{len(item.own)}"
            return f"run {item.turn} by {item.incarnation}: {item.ending}, {counts}"
    raise AssertionError(item)


@pytest.fixture
def chain() -> Chain:
    chain = Chain()
    chain.life(EventType.CREATED, 0, **FACTS)
    chain.start(1)
    return chain


def test_turns_that_end_are_runs_of_their_incarnation(chain: Chain) -> None:
    chain.turn(1, 1, 0, CALL, RESULT)
    chain.life(EventType.READY, 1)
    chain.turn(1, 2, 0, ASK, CALL, ASK, ANSWER, RESULT)
    chain.exit(1)
    assert chain.end() == ["began 1", "run 1 by 1: done, 0+2", "run 2 by 1: done, 0+5", "ended 1"]
    began = chain.items[0]
    assert (began.component, began.engine, began.limits) == (
        HASH,
        {"fuel": True},
        {"fuel": 5},
    )


def test_a_turn_that_is_carried_on_is_a_run_of_each(chain: Chain) -> None:
    chain.turn(1, 1, 0, CALL, ASK)
    chain.exit(1)
    chain.turn(1, 1, 2, ANSWER)  # nobody ran
    chain.start(2)
    chain.turn(2, 1, 3, ON, ASK)
    chain.exit(2)
    chain.turn(2, 1, 5, ANSWER)
    chain.start(3)
    chain.turn(3, 1, 6, ON, RESULT)
    assert chain.end() == [
        "began 1",
        "run 1 by 1: left, 0+2",
        "ended 1",
        "began 2",
        "run 1 by 2: left, 3+2",
        "ended 2",
        "began 3",
        "run 1 by 3: done, 6+2",
        "ended 3",
    ]


def test_one_that_waited_without_recording_anything_has_no_run(chain: Chain) -> None:
    chain.turn(1, 1, 0, CALL, ASK)
    chain.exit(1)
    chain.start(2)
    chain.exit(2)
    chain.turn(2, 1, 2, ANSWER)
    chain.start(3)
    chain.turn(3, 1, 3, ON, RESULT)
    assert [line for line in chain.end() if "run" in line] == [
        "run 1 by 1: left, 0+2",
        "run 1 by 3: done, 3+2",
    ]


def test_evidence_ends_the_run_of_the_one_that_died(chain: Chain) -> None:
    chain.turn(1, 1, 0, CALL, ASK, ANSWER)
    chain.fail(1, 1, 3, ASK, ERROR, again=True)
    chain.exit(1)
    chain.start(2)
    chain.fail(2, 1, 3, ON, ASK, ERROR, again=False)
    chain.exit(2)
    chain.start(3)
    chain.turn(3, 2, 0, CALL, RESULT)
    assert chain.end() == [
        "began 1",
        "run 1 by 1: failed, 0+5",
        "ended 1",
        "began 2",
        "run 1 by 2: failed, 3+3",
        "ended 2",
        "began 3",
        "run 2 by 3: done, 0+2",
        "ended 3",
    ]


def test_a_lost_turn_without_a_committed_step_is_tried_from_its_start(chain: Chain) -> None:
    chain.fail(1, 1, 0, CALL, ASK, again=True)
    chain.exit(1)
    chain.start(2)
    chain.turn(2, 1, 0, CALL, RESULT)
    assert [line for line in chain.end() if "run" in line] == [
        "run 1 by 1: left, 0+2",
        "run 1 by 2: done, 0+2",
    ]


def test_what_is_set_aside_while_nobody_runs_is_no_run(chain: Chain) -> None:
    chain.turn(1, 1, 0, CALL, ASK)
    chain.exit(1)
    chain.fail(1, 1, 2, again=False)
    chain.start(2)
    chain.turn(2, 2, 0, CALL, RESULT)
    assert [line for line in chain.end() if "run" in line] == [
        "run 1 by 1: left, 0+2",
        "run 2 by 2: done, 0+2",
    ]


def test_a_failure_of_which_no_box_tells_leaves_what_was_committed(chain: Chain) -> None:
    chain.turn(1, 1, 0, CALL, ASK)
    chain.fail(1, 1, 2, again=True)
    chain.exit(1)
    assert chain.end() == ["began 1", "run 1 by 1: left, 0+2", "ended 1"]


def test_a_component_that_changed_is_another_one_from_its_start_on(chain: Chain) -> None:
    chain.exit(1)
    payload = {"from": HASH, "to": "be" * 32, "engine": {}, "grants": {}, "limits": {"fuel": 6}}
    chain.life(EventType.COMPONENT_CHANGED, 1, **payload)
    chain._take(2, 0, 9, EventType.STARTED, "theater", "started", {"component": "be" * 32})
    chain.end()
    last = [item for item in chain.items if isinstance(item, Began)][-1]
    assert (last.component, last.engine, last.limits) == ("be" * 32, {}, {"fuel": 6})


def test_the_call_and_the_state_of_a_run_are_in_whichever_part_has_them() -> None:
    call = Event("a", 1, 1, 0, CALL, "i", "f", [None, []])
    run = Run(1, 2, Ending.DONE, [Crossing(b"", call)], [])
    assert run.call() is call and run.state() is None


@pytest.mark.parametrize(
    "type, payload",
    [
        (CALL, None),
        (CALL, [None]),
        (CALL, ["state", []]),
        (ASK, []),
        (ASK, ["x"]),
        (ASK, [[], 1, 2]),
        (ANSWER, []),
        (RESULT, [{"ok": [None]}]),
        (RESULT, [{"ok": [None]}, "3"]),
        (ERROR, ["trap"]),
        (ON, None),
        (EventType.LOG, [b"line"]),
        (EventType.STARTED, {}),
        (EventType.STARTED, {"component": HASH[1:]}),
        (EventType.STARTED, {"component": "../../secret"}),
        (EventType.STARTED, {"component": HASH + "\n"}),
        (EventType.CREATED, {"limits": {"fuel": -1}}),
        (EventType.CREATED, {"limits": {"fuel": "all"}}),
        (EventType.CREATED, {"limits": {"fuel": 1 << 63}}),
        (EventType.CREATED, {"engine": [1]}),
        (EventType.READY, [1]),
        (EventType.EXITED, {"reason": 1}),
        (EventType.TURN_FAILED, {"evidence": None}),
        (EventType.TURN_FAILED, {"turn": 1, "evidence": "x"}),
    ],
)
def test_an_event_that_has_not_what_its_type_has_is_none(type: EventType, payload: Any) -> None:
    """Whoever makes up a chain can hash it too."""
    data = encode("a", 1, 1, 0, type, "i", "f", payload)
    assert decode(data).type == type
    with pytest.raises(ProtocolError, match="has not what such an event has"):
        Crossing.read(data)
