"""A pause of the process itself makes nobody late."""

from __future__ import annotations

from theater.clock import SteadyClock


def test_it_counts_seconds_since_it_was_made() -> None:
    clock = SteadyClock(100.0)
    assert clock.now_s(103.5) == 3.5


def test_a_wait_that_ends_in_time_or_a_little_late_counts() -> None:
    clock = SteadyClock(0.0)
    assert clock.woke(10.0, 5.0, 12.0) == 0.0
    assert clock.woke(20.0, 5.0, 25.9) == 0.0
    assert clock.now_s(30.0) == 30.0


def test_nothing_of_a_wait_with_a_pause_in_it_counts() -> None:
    # Due at 15, paused from 10 to 100: whoever was waited for still has its 5 seconds.
    clock = SteadyClock(0.0)
    assert clock.woke(10.0, 5.0, 100.0) == 85.0
    assert clock.now_s(100.0) == 10.0
    assert clock.now_s(104.0) == 14.0
