"""What waits, what is handed on, when a mailbox is full."""

from __future__ import annotations

import random
from dataclasses import replace

import msgpack
import pytest

from theater.broker.actors import CALL
from theater.broker.handing import CREDIT
from theater.broker.mailbox import WINDOW, Mailbox, Message
from theater.spec import MailboxBounds, OnFull


def message(id: int, body: bytes = b"x") -> Message:
    return Message(id, "send", "a", 1, 0, None, body)


def test_what_is_remembered_of_a_message_is_no_difference() -> None:
    call = message(1, msgpack.packb(["my:calc/calc.add", b"value" * 500]))
    call.kind = CALL
    asked = replace(call)
    assert asked.called() == asked.called() == ("my:calc/calc", "add")
    assert asked.body_value() != asked.body
    assert asked == call and (call.export, call.body_hash) == (None, None)


def test_messages_come_out_in_the_order_they_went_in() -> None:
    box = Mailbox(MailboxBounds())
    for id in range(1, 6):
        box.put(message(id))
    out = [box.hand() for _ in range(6)]
    assert [each.id if each else None for each in out] == [1, 2, 3, 4, 5, None]


def test_what_a_dead_worker_held_stands_at_the_front_again() -> None:
    box = Mailbox(MailboxBounds())
    for id in range(1, 5):
        box.put(message(id))
    held = [box.hand(), box.hand()]
    box.take_back([each for each in held if each])
    handed = [box.hand() for _ in range(4)]
    assert [each.id for each in handed if each] == [1, 2, 3, 4]


def test_a_consumed_message_cannot_be_consumed_again() -> None:
    box = Mailbox(MailboxBounds())
    box.put(message(1))
    taken = box.hand()
    assert taken
    box.consumed(taken)
    with pytest.raises(AssertionError, match="twice"):
        box.consumed(taken)


@pytest.mark.parametrize(
    ("on_full", "count", "full", "refuses"),
    [
        (OnFull.BLOCK, 9, False, False),
        (OnFull.BLOCK, 10, True, False),
        (OnFull.BLOCK, 99, True, False),
        (OnFull.BLOCK, 100, True, True),
        (OnFull.REJECT, 9, False, False),
        (OnFull.REJECT, 10, True, True),
    ],
)
def test_full_and_refusing(on_full: OnFull, count: int, full: bool, refuses: bool) -> None:
    box = Mailbox(MailboxBounds(max_messages=10, on_full=on_full))
    for id in range(1, count + 1):
        box.put(message(id))
    assert (box.is_full(), box.refuses()) == (full, refuses)


def test_a_mailbox_is_full_by_bytes_too() -> None:
    box = Mailbox(MailboxBounds(max_bytes=100))
    box.put(message(1, b"x" * 99))
    assert not box.is_full()
    box.put(message(2, b"x"))
    assert box.is_full()


@pytest.mark.parametrize("seed", range(200))
def test_any_history_hands_every_message_out_once_and_in_order(seed: int) -> None:
    """Rows in a list stand for the log; the window is refilled from it as the loop does."""
    chance = random.Random(seed)
    box = Mailbox(MailboxBounds())
    rows: list[Message] = []
    held: list[Message] = []
    done: list[int] = []
    next_id = 1
    for _ in range(600):
        match chance.choice(["put", "put", "burst", "hand", "consume", "die"]):
            case "put":
                rows.append(message(next_id))
                box.put(rows[-1])
                next_id += 1
            case "burst":
                for _ in range(chance.randrange(WINDOW // 2)):
                    rows.append(message(next_id))
                    box.put(rows[-1])
                    next_id += 1
            case "hand":
                if box.wants_refill():
                    box.refill([row for row in rows if row.id > box.last_loaded][:WINDOW])
                taken = box.hand()
                if taken:
                    held.append(taken)
            case "consume" if held:
                first = held.pop(0)
                box.consumed(first)
                rows.remove(first)
                done.append(first.id)
            case "die":
                box.take_back(held)
                held.clear()
        assert box.messages == len(rows), f"seed {seed}"
        assert len(box.window) <= WINDOW + CREDIT + len(held), f"seed {seed}"
    assert done == list(range(1, len(done) + 1)), f"seed {seed}"
