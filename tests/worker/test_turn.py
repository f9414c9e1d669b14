"""The record of a turn has a limit, and everything counts that its next incarnation is given."""

from __future__ import annotations

from typing import Any

import pytest

from theater.events import EventType
from theater.worker.turn import TurnRecord, TurnTooLong

LIMIT, MESSAGE = 10_000, 2_000
REQUEST = ("theater:simple/message-server-host", "request")
CHAIN = ("theater:simple/runtime", "get-chain")
LABELS = ("theater:simple/store", "list-labels")


def record() -> TurnRecord:
    return TurnRecord("a", 1, 2, LIMIT, MESSAGE)


def asks(turn: TurnRecord, answer: Any, ask: tuple[str, str] = REQUEST) -> int:
    """How many such asks fit."""
    for number in range(1000):
        try:
            turn.add(EventType.HOST_CALL, *ask, [["b", b"?"]])
            turn.answered(*ask, answer)
        except TurnTooLong as error:
            assert "turn_bytes (10000 bytes)" in str(error)
            return number
    raise AssertionError("there is no limit")


@pytest.mark.parametrize(
    ("answer", "fit"), [({"ok": b""}, 60), ({"ok": b"x" * 1000}, 8), ({"ok": b"x" * 1500}, 7)]
)
def test_answers_count_by_what_they_are(answer: Any, fit: int) -> None:
    assert abs(asks(record(), answer) - fit) <= fit / 5


def test_a_part_of_the_chain_counts_as_what_is_read_again() -> None:
    chain = {"events": [{"data": b"x" * 100}] * 50}
    assert asks(record(), chain, CHAIN) == 2


def test_a_long_list_counts_as_long_as_it_is() -> None:
    assert asks(record(), {"ok": ["x" * 100] * 50}, LABELS) == 1


def test_what_is_carried_on_has_that_much_left() -> None:
    fresh, old = record(), record()
    old.go_on(1, 4, size=LIMIT // 2, contents_size=0, known=())
    rich = record()
    rich.go_on(1, 4, size=0, contents_size=(LIMIT + MESSAGE) // 2, known=())
    all_ = asks(fresh, {"ok": b"x" * 1500})
    assert asks(old, {"ok": b""}) < asks(record(), {"ok": b""})
    assert asks(rich, {"ok": b"x" * 1500}) <= all_ // 2 + 1


def test_an_answer_with_a_place_of_its_own_moves_no_index() -> None:
    turn = record()
    turn.go_on(1, 5, 100, 0, ())
    turn.answered(*REQUEST, {"ok": b"!"}, has_place=True)
    assert turn.index == 5
    turn.answered(*REQUEST, {"ok": b"!"})
    assert turn.index == 6
