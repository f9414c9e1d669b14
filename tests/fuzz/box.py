"""A black box with a fault: what was written before the fault is read, and nothing is invented."""

from __future__ import annotations

import random
import tempfile
from itertools import accumulate

from theater.broker.burial import read_box
from theater.events import EventType, encode
from theater.worker.blackbox import BlackBox

TYPES = (EventType.WASM_CALL, EventType.HOST_CALL, EventType.LOG, EventType.WASM_ERROR)


def box(dice: random.Random) -> None:
    """One case: a box as a worker writes it, damaged from some byte on."""
    events = [_event(dice, index) for index in range(dice.randint(1, 12))]
    with tempfile.TemporaryFile() as file:
        written = BlackBox(file.fileno())
        for event in events:
            written.record(event)
        file.seek(0)
        data = file.read()
    assert _found(data) == events
    at = dice.randrange(len(data))
    rubbish = dice.choice((b"", data[at + 1 :], dice.randbytes(dice.randint(1, 50))))
    damaged = data[:at] + rubbish
    ends = accumulate(4 + len(event) for event in events)
    whole = sum(end <= at for end in ends)
    found = _found(damaged)
    assert found[:whole] == events[:whole], "what was written before the fault is lost"
    assert all(event in damaged for event in found)


def _event(dice: random.Random, index: int) -> bytes:
    payload = dice.choice(([], ["x" * dice.randint(0, 400)], {"kind": "trap"}, {"kind": 7}, None))
    return encode("a", 1, 3, index, dice.choice(TYPES), "i", "f", payload)


def _found(data: bytes) -> list[bytes]:
    return [event for turn in read_box(data).turns.values() for _, event in turn]
