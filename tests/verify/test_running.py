"""A log is verified while its system writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.conftest import Theater, actor
from tests.waiting import eventually
from theater.fsck.findings import Note, Problem
from theater.paths import DataPaths
from theater.verify.verify import Summary, verify


@pytest.fixture
def theater(tmp_path: Path) -> Iterator[Theater]:
    theater = Theater(tmp_path)
    yield theater
    theater.end()


def test_a_system_that_writes_is_verified_as_it_was_at_the_moment(theater: Theater) -> None:
    system = theater.up(actor("a"), actor("b"), head="head_every = 0.05\n")
    paths = DataPaths(str(theater.data))
    sizes = []

    def look() -> Summary:
        found: list[Problem | Note] = []
        summary = verify(paths, found.append, processes=1, range_events=64)
        assert found == []
        return summary

    for number in range(8):
        for each in range(10):
            system.send("a", b"log %d\nsend b append x\nset %d.%d" % (number, number, each))
            system.send("b", b"request a echo y")
        assert system.request("a", b"echo z", timeout_s=30) == b"z"  # so there is more each time
        sizes.append(look().size)
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]
    eventually(lambda: (now := look()).signed == now.size, "all to be signed")
    system.close()
    summary = look()
    assert (summary.signed, summary.went_on) == (summary.size, False)
