"""Timers: set, gone off, handled, cleared; what of them outlives whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.broker.pretend import PretendedWorker
from tests.broker.whole import Whole, give, up
from theater.broker.step import BadStep
from theater.calls import CALLS, CLEAR, SET_INTERVAL, SET_TIMEOUT, TIMER
from theater.events import EventType


def system(directory: Path, **changes: Any) -> tuple[Whole, PretendedWorker]:
    made = up(directory, "a", **changes)
    return made, made.workers["a"]


def setting(system: Whole, *calls: tuple[Any, ...]) -> None:
    """A turn that makes these calls: (method of the worker, arguments)."""
    worker = give(system, "a")
    for method, *arguments in calls:
        getattr(worker, method)(*arguments)
    worker.end(None, now_s=system.now_s)
    system.step()


def ticks(worker: PretendedWorker) -> list[str]:
    """The timers whose ticks the worker has."""
    return [each[6].decode() for each in worker.inputs if each[2] == "tick"]


def handle(system: Whole, *calls: tuple[Any, ...]) -> str:
    """The next input, which is a tick, is handled; whose it was."""
    worker = system.workers["a"]
    kind, body = worker.inputs[0][2], worker.inputs[0][6]
    assert kind == "tick"
    worker.begin()
    for method, *arguments in calls:
        getattr(worker, method)(*arguments)
    worker.end(None, now_s=system.now_s)
    system.step()
    return str(body.decode())


def rows(system: Whole) -> dict[str, list[Any]]:
    found = system.query("SELECT name, interval_ms, due_at, message FROM timers ORDER BY name")
    return {name: rest for name, *rest in found}


def statuses(system: Whole) -> list[str]:
    """Of the ticks there have been."""
    found = system.query("SELECT status FROM messages WHERE kind = 'tick' ORDER BY id")
    return [status for (status,) in found]


def test_a_timeout_goes_off_once_and_is_gone_when_it_is_handled(tmp_path: Path) -> None:
    made, worker = system(tmp_path)
    setting(made, ("set_timeout", "x", 500))
    assert made.turns.timers.next_s() == 0.5
    made.wait(0.4)
    assert ticks(worker) == []
    made.wait(0.2)
    assert ticks(worker) == ["x"] and made.turns.timers.next_s() is None
    assert rows(made)["x"][2] is not None
    assert handle(made) == "x"
    assert rows(made) == {} and statuses(made) == ["done"]
    made.wait(10)
    assert ticks(worker) == []
    assert made.problems() == []


def test_an_interval_keeps_its_rate_and_what_is_missed_becomes_one(tmp_path: Path) -> None:
    made, worker = system(tmp_path)
    setting(made, ("set_interval", "x", 1000))
    made.wait(1.25)
    assert ticks(worker) == ["x"]
    made.wait(5)  # it is at it
    assert ticks(worker) == ["x"]
    handle(made)
    assert ticks(worker) == [] and made.turns.timers.next_s() == pytest.approx(7.0)
    assert rows(made)["x"][1] == pytest.approx(7.0)
    made.wait(0.8)
    assert ticks(worker) == ["x"]
    handle(made)
    assert made.turns.timers.next_s() == pytest.approx(8.0)
    assert made.problems() == []


def test_the_same_name_replaces_whatever_it_was_and_its_tick_is_gone(tmp_path: Path) -> None:
    made, worker = system(tmp_path)
    setting(made, ("set_interval", "x", 1000))
    first = give(made, "a")
    made.wait(3)
    first.set_timeout("x", 5000)
    first.end(None, now_s=made.now_s)
    made.step()
    assert ticks(worker) == [] and statuses(made) == ["cleared"]
    assert rows(made)["x"] == [None, 8.0, None]
    made.wait(5)
    assert handle(made) == "x" and rows(made) == {}
    assert made.problems() == []


def test_a_timer_that_is_cleared_leaves_nothing_in_the_mailbox(tmp_path: Path) -> None:
    made, worker = system(tmp_path)
    setting(made, ("set_interval", "x", 10), ("set_timeout", "y", 10))
    actor = made.actor("a")
    first = give(made, "a")
    made.wait(1)
    assert actor.mailbox.messages == 3
    first.clear("x")
    first.clear("y")
    first.clear("unknown")
    first.end(None, now_s=made.now_s)
    made.step()
    assert actor.mailbox.messages == actor.mailbox.bytes == 0
    assert worker.inputs == [] and statuses(made) == ["cleared"] * 2 and rows(made) == {}
    made.wait(1)
    assert worker.inputs == []
    assert made.problems() == []


def test_a_tick_is_handed_only_as_the_first_of_what_a_worker_has(tmp_path: Path) -> None:
    made, worker = system(tmp_path)
    setting(made, ("set_interval", "x", 10))
    give(made, "a")
    made.wait(1)
    for number in range(3):
        made.turns.deliver_from_client("a", b"%d" % number, "send", f"id {number}")
    made.step()
    assert [each[2] for each in worker.inputs] == ["send"]
    worker.end(None, now_s=made.now_s)
    made.step()
    assert [each[2] for each in worker.inputs] == ["tick", "send", "send", "send"]
    assert [each[1] for each in worker.inputs] == [4, 5, 6, 7]


def test_one_that_is_cleared_beyond_the_window_is_not_found_again(tmp_path: Path) -> None:
    made, worker = system(tmp_path, mailbox={"max_messages": 5000})
    setting(made, ("set_timeout", "x", 10))
    first = give(made, "a")
    for number in range(1000):
        made.turns.deliver_from_client("a", b"-", "send", f"id {number}")
    made.wait(1)
    made.turns.deliver_from_client("a", b"last", "send", "last")
    actor = made.actor("a")
    assert actor.mailbox.messages == 1002 + 1
    first.clear("x")
    first.end(None, now_s=made.now_s)
    made.step()
    assert actor.mailbox.messages == 1001
    while worker.inputs:
        assert worker.inputs[0][2] == "send"
        worker.begin()
        worker.end(None)
        made.step()
    assert actor.mailbox.messages == actor.mailbox.bytes == 0
    assert made.problems() == []


def test_in_the_turn_of_its_own_tick_a_timer_can_be_cleared_and_set_anew(tmp_path: Path) -> None:
    made, worker = system(tmp_path)
    setting(made, ("set_interval", "x", 1000), ("set_timeout", "y", 1000))
    made.wait(1.5)
    assert handle(made, ("clear", "x")) == "x"
    assert handle(made, ("set_timeout", "y", 1000)) == "y"
    assert list(rows(made)) == ["y"] and statuses(made) == ["done"] * 2
    made.wait(2)
    assert handle(made) == "y"
    assert rows(made) == {} and worker.inputs == []
    assert made.problems() == []


def test_a_timer_that_is_set_anew_in_an_open_turn_of_its_tick_can_go_off_in_it(
    tmp_path: Path,
) -> None:
    made, worker = system(tmp_path)
    setting(made, ("set_interval", "x", 1000))
    made.wait(1)
    worker.begin()
    worker.set_interval("x", 20)
    worker.request("nobody", b"?", now_s=made.now_s)
    worker.answered()
    made.wait(1)
    assert statuses(made) == ["queued", "queued"]
    worker.end(None, now_s=made.now_s)
    made.step()
    assert ticks(worker) == ["x"] and statuses(made) == ["done", "queued"]
    handle(made, ("clear", "x"))
    assert made.problems() == []


def test_a_tick_whose_turn_is_set_aside_is_a_dead_letter_and_the_timer_goes_on(
    tmp_path: Path,
) -> None:
    made, _ = system(tmp_path)
    setting(made, ("set_interval", "x", 1000), ("set_timeout", "y", 1000))
    made.wait(1)
    for _ in "xy":
        made.workers["a"].begin()
        made.fail("a")
        made.expect("a")
    assert statuses(made) == ["dead"] * 2 and list(rows(made)) == ["x"]
    made.wait(1)
    assert handle(made) == "x"
    assert made.problems() == []


def test_a_retried_tick_is_nobodys(tmp_path: Path) -> None:
    from theater.broker import dead

    made, worker = system(tmp_path)
    setting(made, ("set_interval", "x", 1000))
    made.wait(1)
    worker.begin()
    made.fail("a")
    made.expect("a")
    row = made.log.dead_letter(1)
    assert row is not None
    again, error = dead.retry(made.turns, dead.letter_from(1, row), "me")
    assert error is None
    made.step()
    made.wait(1)
    assert handle(made) == "x" and rows(made)["x"][2] not in (None, again)
    assert handle(made, ("clear", "x")) == "x"
    assert made.problems() == []


def test_timers_of_an_actor_that_takes_nothing_stand_and_go_off_once_when_it_does(
    tmp_path: Path,
) -> None:
    made, _ = system(tmp_path)
    setting(made, ("set_interval", "x", 1000), ("set_timeout", "y", 500))
    made.kill("a", wanted=True)
    made.phase("a", "stopped")
    assert made.turns.timers.next_s() is None
    made.wait(7.5)
    assert statuses(made) == [] and made.query("SELECT * FROM dead_letters") == []
    made.expect("a")
    made.wait(0)
    assert handle(made) == "y" and handle(made) == "x"
    assert made.turns.timers.next_s() == pytest.approx(8.0)
    assert made.problems() == []


@pytest.mark.parametrize("down_s", [0.0, 0.3, 60.0])
def test_what_is_left_of_a_timeout_outlives_everything(tmp_path: Path, down_s: float) -> None:
    made, _ = system(tmp_path)
    order = made.orders
    setting(made, ("set_timeout", "x", 1000))
    made.wait(0.4)
    made.step()
    made = Whole(tmp_path, *order, db=made.db, at=0.4 + down_s)
    assert made.turns.timers.next_s() is None  # it does not run yet
    made.expect("a")
    left_s = max(0.0, 0.6 - down_s)
    if left_s:
        made.wait(left_s - 0.01)
        assert statuses(made) == []
    made.wait(0.02)
    assert handle(made) == "x"
    assert made.problems() == []


def test_an_interval_is_not_longer_than_itself_when_the_clock_was_set_back(tmp_path: Path) -> None:
    made, _ = system(tmp_path)
    made.turns.at = 1e9
    setting(made, ("set_interval", "x", 1000))
    made = Whole(tmp_path, *made.orders, db=made.db, at=5e8)
    made.expect("a")
    made.wait(1.01)
    assert handle(made) == "x"


def test_beginning_anew_clears_them_and_their_ticks(tmp_path: Path) -> None:
    made, _ = system(tmp_path)
    setting(made, ("set_interval", "x", 1000), ("set_timeout", "y", 60_000))
    made.wait(1)
    made.workers["a"].begin()
    made.kill("a")  # a failed delivery of the tick: its number stands in the chain
    worker = made.expect("a", "on_restart")
    assert [each[2] for each in worker.inputs] == ["init"]
    worker.begin()
    worker.end(None)
    made.wait(100)
    assert worker.inputs == [] and rows(made) == {} and statuses(made) == ["cleared"]
    assert made.problems() == []


@pytest.mark.parametrize("begun", ["not", "begun", "open"])
@pytest.mark.parametrize("how", ["while it is there", "with the next run"])
def test_removal_takes_them_along(tmp_path: Path, begun: str, how: str) -> None:
    made, worker = system(tmp_path)
    setting(made, ("set_interval", "x", 1000), ("set_timeout", "y", 1000))
    made.wait(1)
    if begun != "not":
        worker.begin()
    if begun == "open":
        worker.request("nobody", b"?", now_s=made.now_s)
        worker.answered()
    made.kill("a", wanted=begun == "open")
    if how == "while it is there":
        made.remove("a")
    else:
        made = made.again()
    assert rows(made) == {}
    assert statuses(made) == ["cleared" if begun == "not" else "dead", "cleared"]
    letters = made.query("SELECT count(*) FROM dead_letters WHERE actor = 'a'")
    assert letters == [(int(begun != "not"),)]
    assert made.problems() == []
    made = made.again(*made.orders) if made.orders else made
    made.wait(100)


def test_one_that_is_granted_no_more_stands(tmp_path: Path) -> None:
    made, _ = system(tmp_path)
    setting(made, ("set_interval", "x", 1000))
    made.kill("a", wanted=True)
    (order,) = made.orders
    made.adopt({**order, "max_timers": 0})
    made.expect("a")
    made.wait(10)
    assert statuses(made) == []
    made.kill("a", wanted=True)
    made.adopt(order)
    made.wait(0)
    assert statuses(made) == ["queued"]


def test_a_full_mailbox_takes_a_tick(tmp_path: Path) -> None:
    made, worker = system(tmp_path, mailbox={"max_messages": 1})
    setting(made, ("set_timeout", "x", 10))
    give(made, "a")
    made.wait(1)
    assert made.actor("a").mailbox.messages == 2 and statuses(made) == ["queued"]
    worker.end(None)
    made.step()
    assert handle(made) == "x"


@pytest.mark.parametrize(
    ("function", "arguments", "answer"),
    [
        (SET_INTERVAL, ["x", 9], {"ok": "x"}),
        (SET_INTERVAL, ["", 10], {"ok": ""}),
        (SET_INTERVAL, ["x" * 256, 10], {"ok": "x" * 256}),
        (SET_INTERVAL, ["x", 10], {"ok": "y"}),
        (SET_INTERVAL, ["x", 10], {"ok": None}),
        (SET_INTERVAL, ["x"], {"ok": "x"}),
        (SET_INTERVAL, [b"x", 10], {"ok": b"x"}),
        (SET_INTERVAL, ["x", 10.0], {"ok": "x"}),
        (SET_INTERVAL, ["x", True], {"ok": "x"}),
        (SET_TIMEOUT, ["x", -1], {"ok": "x"}),
        (SET_TIMEOUT, ["x", 1 << 53], {"ok": "x"}),
        (SET_TIMEOUT, "x1", {"ok": "x"}),
        (CLEAR, ["x"], {"ok": "x"}),
        (CLEAR, ["x", 1], {"ok": None}),
        (CLEAR, [None], {"ok": None}),
    ],
)
def test_a_worker_is_not_believed_that_says_ok_to_what_nobody_may(
    tmp_path: Path, function: str, arguments: Any, answer: Any
) -> None:
    made, worker = system(tmp_path)
    give(made, "a")
    worker.timer(function, arguments, answer)
    with pytest.raises(BadStep):
        worker.end(None)
    assert made.actor("a").timers == {}


@pytest.mark.parametrize(
    "changes", [{"max_timers": 0}, {"max_timers": 1}, {"takes": ["send", "request"]}]
)
def test_nor_one_that_sets_more_than_is_granted(tmp_path: Path, changes: dict[str, Any]) -> None:
    made, worker = system(tmp_path, **changes)
    give(made, "a")
    worker.set_timeout("x", 0)
    worker.set_interval("x", 10)
    worker.set_timeout("y", 0)
    with pytest.raises(BadStep, match="set"):
        worker.end(None)


def test_what_is_cleared_in_a_step_makes_room_in_it(tmp_path: Path) -> None:
    made, _ = system(tmp_path, max_timers=1)
    setting(made, ("set_timeout", "x", 0), ("clear", "x"), ("set_timeout", "y", 0))
    assert list(rows(made)) == ["y"]


def test_the_shortest_timeout_is_at_once(tmp_path: Path) -> None:
    made, _ = system(tmp_path)
    setting(made, ("set_timeout", "x", 0))
    made.wait(0)
    assert handle(made) == "x"


def test_a_tick_is_what_its_call_is_about(tmp_path: Path) -> None:
    made, worker = system(tmp_path)
    setting(made, ("set_timeout", "x", 0))
    made.wait(0)
    record = worker.begin()
    assert record.index == 1
    worker.end(None)
    made.step()
    (call,) = [event for event in made.chain("a") if event.function == CALLS["tick"][1]][:1]
    assert call.type == EventType.WASM_CALL and call.payload[1] == ["x"]
    assert TIMER in {event.interface for event in made.chain("a")}
