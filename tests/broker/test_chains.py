"""How much of a chain is shown: what was granted, in no more bytes than a message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgpack
import pytest

from tests.broker.family import family
from tests.broker.pretend import PretendedWorker, make_turns
from theater.broker.book import ChainPart
from theater.broker.chains import first_shown
from theater.calls import RUNTIME
from theater.events import EventType


def sizes(made: Any, child: str) -> list[int]:
    found = made.query(
        "SELECT length(e.bytes) FROM events e JOIN actors a ON a.id = e.actor"
        f" WHERE a.name = '{child}' ORDER BY position"
    )
    return [size for (size,) in found]


def test_as_many_of_the_newest_as_fit(tmp_path: Path) -> None:
    """Those that are not written yet too."""
    made = family(tmp_path)
    child = made.spawn("a")
    made.work(child)
    actor = made.actor(child)
    known = sizes(made, child)
    made.turns.lifecycle(actor, EventType.DECIDED, {"decision": "x" * 100})
    known.append(len(made.turns.batch.events[-1][9]))
    for most in (1, 2, len(known), 1000):
        for bytes_max in {
            0,
            *known,
            *(sum(known[-n:]) + more for n in (1, 2, 5) for more in (0, 1)),
        }:
            fits = [n for n in range(most + 1) if n <= len(known) and sum(known[-n:]) <= bytes_max]
            count = max((n for n in fits if n), default=0)
            expected = len(known) - count if count else None
            assert first_shown(made.turns, actor, most, bytes_max) == expected
    made.step()
    assert made.problems() == []


def test_a_child_is_shown_no_more_than_its_parent_can_hold(tmp_path: Path) -> None:
    made = family(tmp_path)
    child = made.spawn("a")
    for number in range(10):
        made.work(child, b"%d" % number)
    made.turns.message_max = sum(sizes(made, child)[-3:])
    answer = made.ask("get-child-events", child)
    _, first, last, _ = msgpack.unpackb(answer["ok"].data)
    assert last - first + 1 == 3
    made.turns.message_max = 10
    wrong = f"too-large: the last event of {child} has more bytes than a message"
    assert made.ask("get-child-events", child) == {"err": wrong}
    assert made.problems() == []


@pytest.mark.parametrize("arguments", [[], ["x" * 1000]])
def test_who_asks_with_more_than_that_is_shown_that_it_asks(arguments: list[Any]) -> None:
    """As no worker of ours does."""
    turns = make_turns("a")
    turns.message_max = 10
    turns.deliver_from_client("a", b"go", "send", "id-1")
    worker = PretendedWorker(turns, turns.actors["a"])
    worker.take()
    worker.begin()
    assert worker.record is not None
    worker.record.add(EventType.HOST_CALL, RUNTIME, "get-chain", [arguments])
    worker.commit()
    [part] = [each for each in turns.out if isinstance(each, ChainPart)]
    assert part.first == part.last
