"""What a worker knows of timers, and what it answers its guest."""

from __future__ import annotations

from typing import Any

import pytest

from theater.worker.handlers.timer import Timers

OK = {"ok": None}


def timers(most: int = 2, takes_ticks: bool = True) -> Timers:
    return Timers({"max_timers": most}, lambda: takes_ticks, lambda: 1_234_567_890)


def set_timeout(handler: Timers, name: str) -> Any:
    return handler.call("set-timeout", [name, 1])


def names(handler: Timers) -> set[str]:
    """What there is beside others that it refuses."""
    return set(handler._timers)


def test_so_many_are_set_and_no_more_until_one_is_cleared() -> None:
    handler = timers()
    assert [set_timeout(handler, name) for name in "xy"] == [{"ok": "x"}, {"ok": "y"}]
    error = set_timeout(handler, "z")
    assert error == {"err": "refused: there are 2 timers, and max_timers is 2"}
    assert handler.call("set-interval", ["x", 10]) == {"ok": "x"}
    assert handler.call("clear-interval", ["y"]) == OK
    assert handler.call("clear-interval", ["never there"]) == OK
    assert set_timeout(handler, "z") == {"ok": "z"}


def test_without_an_export_for_ticks_none_is_set_and_the_clock_goes() -> None:
    handler = timers(takes_ticks=False)
    expected = "refused: the component does not export theater:simple/timer-client"
    assert set_timeout(handler, "x") == {"err": expected}
    assert handler.call("now", []) == 1234


def test_a_timeout_is_over_with_the_turn_of_its_tick_and_an_interval_is_not() -> None:
    handler = timers()
    handler.stand([["once", True], ["often", False]])
    handler.begin("once")
    assert "err" in set_timeout(handler, "another"), "it is there while its turn lasts"
    handler.end()
    handler.begin("often")
    handler.end()
    assert names(handler) == {"often"}


@pytest.mark.parametrize("function", ["set-timeout", "set-interval"])
def test_one_that_its_own_turn_has_set_anew_stays(function: str) -> None:
    handler = timers()
    handler.stand([["once", True]])
    handler.begin("once")
    handler.call(function, ["once", 10])
    handler.end()
    assert names(handler) == {"once"}


def test_what_an_incarnation_before_has_done_in_the_turn_the_broker_has_told() -> None:
    handler = timers()
    handler.stand([["once", True]])  # as it was set anew
    handler.begin("once")
    handler.replayed("now", [], 5)
    handler.replayed("set-timeout", ["once", 10], {"ok": "once"})
    handler.replayed("set-timeout", ["twice", 10], {"err": "refused: ..."})
    handler.end()
    assert names(handler) == {"once"}
    handler.begin(None)
    handler.end()
    assert names(handler) == {"once"}


def test_a_function_that_there_is_not_is_none() -> None:
    with pytest.raises(LookupError):
        timers().call("set-alarm", [])
