"""A batch and the statements that write it are one list."""

from __future__ import annotations

import dataclasses

from theater.broker.batch import WRITES, Batch

# What is not written row by row.
OTHERWISE = {"moved", "last_states", "timers", "contents", "labels", "counters"}


def test_every_kind_of_row_is_written_once() -> None:
    kinds = {field.name for field in dataclasses.fields(Batch)} - OTHERWISE
    written = [name for name, _ in WRITES]
    assert sorted(written) == sorted(kinds)
