"""Loops: started, gone on with, stopped, set aside, retried; what of them outlives whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.broker.pretend import LIMIT, PretendedWorker
from tests.broker.whole import Whole, give, up
from theater.broker import dead
from theater.broker.step import BadStep
from theater.calls import CALLS, LOOP, START_LOOP, STOP_LOOP
from theater.events import EventType, content_hash, externalise, ref, state_ref

LONG = b"long " * 1000


def system(directory: Path, **changes: Any) -> tuple[Whole, PretendedWorker]:
    made = up(directory, "a", **changes)
    return made, made.workers["a"]


def looping(system: Whole, *calls: tuple[Any, ...]) -> None:
    """A turn that makes these calls: (method of the worker, arguments)."""
    worker = give(system, "a")
    for method, *arguments in calls:
        getattr(worker, method)(*arguments)
    worker.end(None, now_s=system.now_s)
    system.step()


def round(system: Whole, next: bytes | None, *calls: tuple[Any, ...]) -> bytes:
    """The next input, which is a round, is handled, and leaves this; what it was called with."""
    worker = system.workers["a"]
    kind, body = worker.inputs[0][2], worker.inputs[0][6]
    assert kind == "loop"
    worker.begin()
    for method, *arguments in calls:
        getattr(worker, method)(*arguments)
    worker.end(None, round=next, now_s=system.now_s)
    system.step()
    return bytes(body)


def rounds(system: Whole) -> list[tuple[bytes, str]]:
    """Those there have been: (loop state, status)."""
    found = system.query(
        "SELECT coalesce(m.body, b.bytes), m.status FROM messages m LEFT JOIN blobs b"
        " ON b.hash = m.body_hash WHERE m.kind = 'loop' ORDER BY m.id"
    )
    return [(bytes(state), status) for state, status in found]


def inputs(worker: PretendedWorker) -> list[str]:
    return [each[2] for each in worker.inputs]


def retry(system: Whole, letter: int) -> str | None:
    row = system.log.dead_letter(letter)
    assert row is not None
    _, error = dead.retry(system.turns, dead.letter_from(letter, row), f"retry {letter}")
    system.step()
    return error


def test_a_loop_goes_on_with_what_each_round_leaves_until_one_leaves_nothing(
    tmp_path: Path,
) -> None:
    made, worker = system(tmp_path)
    looping(made, ("start_loop", b"0"))
    assert round(made, b"1") == b"0" and round(made, LONG) == b"1"
    assert round(made, None) == LONG
    assert rounds(made) == [(b"0", "done"), (b"1", "done"), (LONG, "done")]
    assert made.actor("a").loop is None and worker.inputs == []
    made_by = made.query("SELECT from_turn, from_index FROM messages WHERE kind = 'loop'")
    assert made_by == [(2, 1), (3, 1), (4, 1)]
    assert made.problems() == []


def test_the_next_round_comes_after_all_that_waits(tmp_path: Path) -> None:
    made, worker = system(tmp_path)
    looping(made, ("start_loop", b"0"))
    for number in range(3):
        made.turns.deliver_from_client("a", b"x", "send", f"id {number}")
    made.step()
    assert inputs(worker) == ["loop", "send", "send", "send"]
    round(made, b"1")
    assert inputs(worker) == ["send"] * 3  # a round is handed as the first, or not yet
    for _ in range(3):
        assert "loop" not in inputs(worker)
        worker.begin()
        worker.end(None)
        made.step()
    assert inputs(worker) == ["loop"]
    assert round(made, None) == b"1"
    assert made.problems() == []


def test_a_loop_that_is_stopped_leaves_nothing_in_the_mailbox(tmp_path: Path) -> None:
    made, worker = system(tmp_path)
    give(made, "a")
    made.turns.deliver_from_client("a", b"stop", "send", "next")
    worker.start_loop(b"0")
    worker.start_loop(LONG)
    worker.end(None)
    made.step()
    assert rounds(made) == [(b"0", "cleared"), (LONG, "queued")]
    assert inputs(worker) == ["send"]
    worker.begin()
    worker.stop_loop()
    worker.stop_loop()
    worker.end(None)
    made.step()
    actor = made.actor("a")
    assert actor.mailbox.messages == actor.mailbox.bytes == 0 and worker.inputs == []
    assert [status for _, status in rounds(made)] == ["cleared"] * 2 and actor.loop is None
    assert made.problems() == []


def test_one_that_is_stopped_beyond_the_window_is_not_found_again(tmp_path: Path) -> None:
    made, worker = system(tmp_path, mailbox={"max_messages": 5000})
    first = give(made, "a")
    for number in range(1000):
        made.turns.deliver_from_client("a", b"-", "send", f"id {number}")
    first.start_loop(LONG)
    first.end(None)
    made.turns.deliver_from_client("a", b"last", "send", "last")
    made.step()
    actor = made.actor("a")
    assert actor.mailbox.messages == 1002
    worker.begin()
    worker.stop_loop()
    worker.end(None)
    made.step()
    assert actor.mailbox.messages == 1000
    while worker.inputs:
        assert worker.inputs[0][2] == "send"
        worker.begin()
        worker.end(None)
        made.step()
    assert actor.mailbox.messages == actor.mailbox.bytes == 0
    assert made.problems() == []


def test_in_its_own_round_a_loop_can_be_stopped_or_started_anew(tmp_path: Path) -> None:
    made, worker = system(tmp_path)
    looping(made, ("start_loop", b"0"))
    round(made, b"never", ("start_loop", b"1"))
    assert rounds(made) == [(b"0", "done"), (b"1", "queued")]
    round(made, b"never", ("start_loop", b"2"), ("stop_loop",))
    assert rounds(made)[1:] == [(b"1", "done"), (b"2", "cleared")] and worker.inputs == []
    looping(made, ("start_loop", b"3"))
    round(made, None, ("stop_loop",), ("start_loop", b"4"))
    assert round(made, None) == b"4"
    assert made.problems() == []


@pytest.mark.parametrize("calls", [[], ["stop_loop"], ["start_loop"], ["start_loop", "stop_loop"]])
@pytest.mark.parametrize("who", ["the worker", "the broker", "all"])
def test_what_an_open_round_has_said_of_its_loop_holds_whoever_dies(
    tmp_path: Path, calls: list[str], who: str
) -> None:
    made, worker = system(tmp_path)
    looping(made, ("start_loop", b"0"))
    worker.begin()
    for call in calls:
        getattr(worker, call)(*([b"1"] if call == "start_loop" else []))
    worker.request("nobody", b"?", now_s=made.now_s)
    made.step()
    match who:
        case "the worker":
            made.kill("a")
        case "the broker":
            box = made._box(worker)
            living = [("a", worker.actor.incarnation, b"", None, "")]
            made = Whole(tmp_path, *made.orders, db=made.db, living=living)
            made.workers["a"] = PretendedWorker(made.turns, made.actor("a"))
            made.kill("a", box)
        case "all":
            made = made.again(*made.orders)
    worker = made.expect("a")
    assert inputs(worker) == ["loop"]
    worker.begin()
    worker.waits = False
    worker.end(None, round=b"next")
    made.step()
    left = {"": b"next", "start_loop": b"1"}.get(calls[-1] if calls else "")
    assert [body for body, status in rounds(made) if status == "queued"] == [left] * (
        left is not None
    )
    if left is not None:
        assert round(made, None) == left
    assert made.problems() == []


def test_a_round_whose_turn_is_set_aside_is_a_dead_letter_and_the_loop_has_ended(
    tmp_path: Path,
) -> None:
    made, worker = system(tmp_path)
    looping(made, ("start_loop", b"0"))
    worker.begin()
    made.fail("a")
    worker = made.expect("a")
    assert rounds(made) == [(b"0", "dead")] and worker.inputs == []
    looping(made, ("start_loop", b"1"))
    assert retry(made, 1) == "refused: a has another loop; it can be retried when that has ended"
    assert round(made, None) == b"1"
    assert retry(made, 1) is None
    assert round(made, b"2") == b"0" and round(made, None) == b"2"
    assert made.actor("a").senders == set()
    assert made.problems() == []


def test_a_retried_round_is_the_loop_that_can_be_stopped(tmp_path: Path) -> None:
    made, worker = system(tmp_path)
    looping(made, ("start_loop", b"0"))
    worker.begin()
    made.fail("a")
    made.expect("a")
    give(made, "a").end(None)
    made.step()
    first = give(made, "a")
    assert retry(made, 1) is None
    first.stop_loop()
    first.end(None)
    made.step()
    assert rounds(made) == [(b"0", "dead"), (b"0", "cleared")]
    assert made.problems() == []
    assert retry(made, 1) == "refused: dead letter 1 has been retried already, as message 5"


def test_a_round_that_kills_too_often_is_set_aside(tmp_path: Path) -> None:
    made, worker = system(tmp_path)
    looping(made, ("start_loop", b"0"))
    for _ in range(3):
        assert inputs(worker) == ["loop"]
        worker.begin()
        made.kill("a")
        worker = made.expect("a")
    assert rounds(made) == [(b"0", "dead")] and made.actor("a").loop is None
    assert made.problems() == []


def test_a_stopped_actor_keeps_its_loop_for_the_next_start_and_the_next_run(
    tmp_path: Path,
) -> None:
    made, worker = system(tmp_path)
    looping(made, ("start_loop", b"0"))
    worker.begin()
    worker.shutdown()
    worker.end(None, round=b"1")
    made.step()
    made.kill("a", wanted=True)
    made.phase("a", "stopped")
    assert rounds(made) == [(b"0", "done"), (b"1", "queued")]
    made = made.again(*made.orders)
    assert made.actor("a").loop == (3, 1)
    made.expect("a")
    assert round(made, b"2") == b"1"
    made = made.replaced(*made.orders)
    assert round(made, None) == b"2"
    assert made.problems() == []


def test_beginning_anew_ends_it(tmp_path: Path) -> None:
    made, worker = system(tmp_path)
    looping(made, ("start_loop", LONG))
    worker.begin()
    made.kill("a")  # a failed delivery of the round: its number stands in the chain
    worker = made.expect("a", "on_restart")
    assert inputs(worker) == ["init"]
    worker.begin()
    worker.end(None)
    made.step()
    assert worker.inputs == [] and rounds(made) == [(LONG, "cleared")]
    assert made.problems() == []


def test_beginning_anew_in_an_open_round_sets_it_aside(tmp_path: Path) -> None:
    made, worker = system(tmp_path)
    looping(made, ("start_loop", b"0"))
    worker.begin()
    worker.start_loop(b"1")
    worker.request("nobody", b"?")
    made.kill("a")
    made.expect("a", "operator")
    assert rounds(made) == [(b"0", "dead"), (b"1", "cleared")]
    assert made.actor("a").loop is None
    assert made.problems() == []


@pytest.mark.parametrize("begun", ["not", "begun", "open"])
@pytest.mark.parametrize("how", ["while it is there", "with the next run"])
def test_removal_takes_it_along(tmp_path: Path, begun: str, how: str) -> None:
    made, worker = system(tmp_path)
    orders = made.orders
    looping(made, ("start_loop", b"0"))
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
    assert rounds(made) == [(b"0", "cleared" if begun == "not" else "dead")]
    letters = made.query("SELECT count(*) FROM dead_letters WHERE actor = 'a'")
    assert letters == [(int(begun != "not"),)]
    assert made.problems() == []
    made = made.again(*orders)
    assert made.actor("a").loop is None and made.start("a").inputs == []


def test_a_loop_that_is_granted_no_more_ends_with_a_dead_letter(tmp_path: Path) -> None:
    made, _ = system(tmp_path)
    (order,) = made.orders
    looping(made, ("start_loop", b"0"))
    made.kill("a", wanted=True)
    made.adopt({**order, "may_loop": False, "grants": {}})
    made.expect("a")
    round(made, b"1")
    assert rounds(made) == [(b"0", "done"), (b"1", "dead")]
    reasons = made.query("SELECT reason FROM dead_letters")
    assert reasons == [("refused: the manifest of a does not grant loop any more",)]
    assert retry(made, 1) == "refused: the manifest of a does not grant loop"
    made.kill("a", wanted=True)
    made.adopt({**order, "takes": ["send"]})
    assert retry(made, 1) == "refused: a does not export loop"
    made.adopt(order)
    made.expect("a")
    assert retry(made, 1) is None
    assert round(made, None) == b"1"
    assert made.problems() == []


def test_an_actor_that_is_recycled_goes_on(tmp_path: Path) -> None:
    made, worker = system(tmp_path, recycle_turns=3)
    looping(made, ("start_loop", b"0"))
    round(made, b"1")
    assert worker.inputs == []  # init, a message, a round: it is spent
    made.kill("a", wanted=True)
    made.expect("a")
    assert round(made, None) == b"1"
    assert made.problems() == []


def test_a_full_mailbox_takes_a_round(tmp_path: Path) -> None:
    made, _ = system(tmp_path, mailbox={"max_messages": 1, "on_full": "reject"})
    looping(made, ("start_loop", b"0"))
    for number in range(5):
        assert round(made, b"%d" % (number + 1)) == b"%d" % number
    assert made.actor("a").mailbox.messages == 1
    assert made.problems() == []


def test_a_round_makes_its_actor_no_sender_of_its_own(tmp_path: Path) -> None:
    made, worker = system(tmp_path)
    looping(made, ("start_loop", b"0"))
    assert worker.inputs[0][4] is None
    round(made, None)
    assert made.query("SELECT * FROM senders") == []


def test_its_events_say_what_it_was_called_with_and_what_it_leaves(tmp_path: Path) -> None:
    made, _ = system(tmp_path)
    looping(made, ("start_loop", b"0"))
    round(made, LONG)
    round(made, None)
    events = [event for event in made.chain("a") if event.interface == CALLS["loop"][0]]
    assert [(event.type, event.payload[:1]) for event in events if event.index] == [
        (EventType.WASM_RESULT, [{"ok": [None, [{"ok": ref(content_hash(LONG))}]]}]),
        (EventType.WASM_RESULT, [{"ok": [None, [{"err": "done"}]]}]),
    ]
    calls = [event.payload for event in events if event.type == EventType.WASM_CALL]
    assert calls == [[None, [b"0"]], [None, [ref(content_hash(LONG))]]]


# What a worker may not say

TOO_LONG = b"x" * (LIMIT + 1)


@pytest.mark.parametrize(
    ("function", "arguments", "answer"),
    [
        (START_LOOP, [], {"ok": None}),
        (START_LOOP, [b"0", b"1"], {"ok": None}),
        (START_LOOP, ["0"], {"ok": None}),
        (START_LOOP, [None], {"ok": None}),
        (START_LOOP, b"0", {"ok": None}),
        (START_LOOP, [b"0"], {"ok": b""}),
        (START_LOOP, [b"0"], {"ok": None, "err": "no"}),
        (START_LOOP, [TOO_LONG], {"ok": None}),
        (START_LOOP, [ref(content_hash(b"not sent"))], {"ok": None}),
        (STOP_LOOP, [b"0"], {"ok": None}),
        (STOP_LOOP, None, {"ok": None}),
        (STOP_LOOP, [], {"ok": True}),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_worker_is_not_believed_that_says_ok_to_what_nobody_may(
    tmp_path: Path, function: str, arguments: Any, answer: Any
) -> None:
    made, worker = system(tmp_path, turn_bytes=4 * LIMIT)
    before = give(made, "a")
    worker.loop(function, arguments, answer)
    with pytest.raises(BadStep):
        before.end(None)
    assert made.actor("a").loop is None and rounds(made) == []


@pytest.mark.parametrize("changes", [{"may_loop": False}, {"takes": ["send", "request"]}])
def test_nor_one_that_loops_without_a_grant_or_an_export(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    made, worker = system(tmp_path, **changes)
    give(made, "a")
    worker.start_loop(b"0")
    with pytest.raises(BadStep, match="loop"):
        worker.end(None)
    assert rounds(made) == []


def test_a_call_that_was_refused_does_nothing(tmp_path: Path) -> None:
    made, worker = system(tmp_path, may_loop=False)
    give(made, "a")
    worker.loop(START_LOOP, [b"0"], {"err": "refused: no"})
    worker.end(None)
    made.step()
    assert rounds(made) == [] and made.problems() == []


@pytest.mark.parametrize("interface", [LOOP])
@pytest.mark.parametrize("function", [START_LOOP, STOP_LOOP])
def test_no_loop_is_started_before_the_call(tmp_path: Path, interface: str, function: str) -> None:
    made, worker = system(tmp_path)
    made.turns.deliver_from_client("a", b"x", "send", "id")
    made.step()
    arguments = [b"0"] if function == START_LOOP else []
    payload = [arguments, {"ok": None}]
    worker.begin((EventType.HOST_CALL, interface, function, payload))
    with pytest.raises(BadStep, match="before the turn's call"):
        worker.end(None)


@pytest.mark.parametrize(
    "returned",
    [
        [],
        [[]],
        [[{"ok": b"1"}, {"ok": b"1"}]],
        [[{}]],
        [[{"ok": None}]],
        [[{"ok": "1"}]],
        [[{"ok": b"1", "err": "no"}]],
        [[{"err": None}]],
        [[{"err": b"no"}]],
        [[{"next": b"1"}]],
        [[b"1"]],
        [[None]],
        [[{"ok": TOO_LONG}]],
        [[{"ok": ref(content_hash(b"not sent"))}]],
        [[{"ok": b"1"}], None],
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_round_has_the_result_of_a_round(tmp_path: Path, returned: list[Any]) -> None:
    made, worker = system(tmp_path, turn_bytes=4 * LIMIT)
    looping(made, ("start_loop", b"0"))
    record = worker.begin()
    contents: list[bytes] = []
    payload = [{"ok": [state_ref(None), *externalise(returned, contents)]}, 7]
    record.add(EventType.WASM_RESULT, *CALLS["loop"], payload)
    record.contents += contents
    with pytest.raises(BadStep):
        worker.commit()
    assert rounds(made) == [(b"0", "queued")]
