"""Calls of what others export: answers, refusals, and what no worker may send."""

from __future__ import annotations

from typing import Any

import pytest

from tests.broker.pretend import EXPORT, PretendedWorker, answers, commit, make_turns
from tests.broker.test_burial import boxed
from theater.broker.actors import CALL
from theater.broker.burial import Death, bury
from theater.broker.rpc import NAMES_MAX
from theater.broker.step import BadStep
from theater.broker.turns import Turns
from theater.calls import rpc_body
from theater.events import EventType, decode


def begun(**changes: Any) -> tuple[Turns, PretendedWorker, PretendedWorker]:
    """a is at a turn, and b at nothing."""
    turns = make_turns("a", "b", **changes)
    a, b = (PretendedWorker(turns, turns.actors[name]) for name in ("a", "b"))
    turns.deliver_from_client("a", b"go", "send", "id")
    a.take()
    a.begin()
    return turns, a, b


def test_a_call_is_an_input_of_the_callee_and_answered_by_its_end() -> None:
    turns, a, b = begun()
    a.call("b", b"x")
    b.take()
    record = b.begin()
    called = decode(record.events[0])
    assert (called.type, called.interface, called.function) == (EventType.WASM_CALL, "t:s/a", "f")
    assert called.payload == [None, [b"x"]]
    assert answers(turns) == []
    b.end(b"state", reply=b"y")
    assert answers(turns) == [("a", 1, {"ok": b"y"})]
    assert turns.actors["b"].senders == {"a"} and turns.actors["a"].senders == set()


def test_a_package_that_could_not_take_it_has_ended_its_turn_and_says_so() -> None:
    turns, a, b = begun()
    a.call("b", b"x")
    b.take()
    b.begin()
    b.end(None)
    assert answers(turns) == [("a", 1, {"err": "refused: no"})]
    assert commit(turns).dead_letters == []


@pytest.mark.parametrize(
    ("to", "export", "changes", "error"),
    [
        ("nobody", EXPORT, {}, 'no-actor: there is no actor "nobody"'),
        ("b", "t:s/a.g", {}, 'refused: b does not export "t:s/a.g" for other actors'),
        (
            "b",
            EXPORT,
            {"functions": frozenset()},
            "refused: b is no package that exports functions for other actors",
        ),
        ("a", EXPORT, {}, "cycle: a → a"),
    ],
)
def test_what_cannot_be_called_is_told_at_once(
    to: str, export: str, changes: dict[str, Any], error: str
) -> None:
    turns, a, _ = begun(**changes)
    a.call(to, b"x", export=export)
    assert answers(turns) == [("a", 1, {"err": error})]


def test_one_that_is_stopped_is_not_called() -> None:
    turns, a, _ = begun()
    turns.actors["b"].phase = "stopped"
    a.call("b", b"x")
    assert answers(turns) == [("a", 1, {"err": "stopped: b is stopped"})]
    (letter,) = commit(turns).dead_letters
    assert letter[4] == "stopped: b is stopped"


@pytest.mark.parametrize(("timeout_ms", "seconds"), [(None, 5.0), (0, 0.0), (7_000, 7.0)])
def test_a_call_waits_as_long_as_it_says_or_as_requests_do(
    timeout_ms: int | None, seconds: float
) -> None:
    turns, a, b = begun()
    a.call("b", b"x", timeout_ms)
    turns.time_out(seconds - 0.001)
    assert answers(turns) == []
    turns.time_out(seconds)
    text = f"timeout: no answer from b within {seconds:g} s"
    assert answers(turns) == [("a", 1, {"err": text})]
    a.answered()
    b.take()
    b.begin()
    b.end(None, reply=b"late")
    assert len(answers(turns)) == 1


def test_a_callee_that_fails_is_told_of_as_of_requests() -> None:
    turns, a, b = begun(max_deliveries=1)
    a.call("b", b"x")
    b.take()
    box = boxed(*b.begin().events)
    bury(turns, turns.actors["b"], Death("killed by SIGSEGV", "crash", False), box, 0.0)
    ((asker, _, value),) = answers(turns)
    assert asker == "a" and value["err"].startswith("failed: b: killed by SIGSEGV")


@pytest.mark.parametrize(
    ("function", "to", "more", "answer"),
    [
        ("exports", "b", [], {"ok": ["t:s/a"]}),
        ("implements", "b", ["t:s/a"], {"ok": True}),
        ("implements", "b", ["t:s/b"], {"ok": False}),
        ("implements", "c", ["t:s/b"], {"err": 'no-actor: there is no actor "c"'}),
    ],
)
def test_what_another_exports_is_known_here(
    function: str, to: str, more: list[str], answer: dict[str, Any]
) -> None:
    turns, a, _ = begun()
    a.rpc(function, to, *more)
    assert answers(turns) == [("a", 1, answer)]


@pytest.mark.parametrize("more", [0, 1])
def test_more_names_than_an_answer_tells_are_not_told(more: int) -> None:
    name = "x" * (NAMES_MAX + more)
    turns, a, _ = begun(interfaces=(name,))
    a.rpc("exports", "b")
    told = {"err": "too-large: b exports 1 interfaces"} if more else {"ok": [name]}
    assert answers(turns) == [("a", 1, told)]


@pytest.mark.parametrize(
    ("function", "arguments", "changes", "words"),
    [
        ("call", ("b", EXPORT, b"x", None), {"may_call": False}, "manifest does not grant"),
        ("call", ("b", EXPORT, b"x", None), {"call_to": ("c",)}, "which its manifest does not"),
        ("exports", ("b",), {"call_to": ()}, "which its manifest does not grant"),
        ("call", ("b", EXPORT, b"x"), {}, "not the arguments"),
        ("call", ("b", EXPORT, "x", None), {}, "not the arguments"),
        ("call", ("b", EXPORT, b"x", -1), {}, "waits for no time"),
        ("call", ("b", EXPORT, b"x", True), {}, "waits for no time"),
        ("call", ("b", EXPORT, b"x", 1.5), {}, "waits for no time"),
        ("call", (5, EXPORT, b"x", None), {}, "not the arguments"),
        ("implements", ("b",), {}, "not the arguments"),
        ("exports", ("b", "c"), {}, "not the arguments"),
        ("delete", ("b",), {}, "is not an ask"),
        ("call", ("b", EXPORT, b"x" * (1 << 20), None), {}, "over the limit"),
    ],
)
def test_a_worker_that_asks_what_it_may_not_is_ended(
    function: str, arguments: tuple[Any, ...], changes: dict[str, Any], words: str
) -> None:
    turns, a, _ = begun(**changes)
    with pytest.raises(BadStep, match=words):
        a.rpc(function, *arguments)
    assert commit(turns).asks == []


@pytest.mark.parametrize(
    "returned",
    [
        [],
        [[]],
        [[None]],
        [[b"x"]],
        [[{}]],
        [[{"ok": "text"}]],
        [[{"ok": b"x", "err": "y"}]],
        [[{"err": b"x"}]],
        [[{"err": "x" * 8193}]],
        [[{"ok": b"x"}, {"ok": b"x"}]],
    ],
)
def test_a_worker_that_answers_a_call_with_what_is_none_is_ended(returned: list[Any]) -> None:
    _, a, b = begun()
    a.call("b", b"x")
    b.take()
    record = b.begin()
    record.result("t:s/a", "f", {"ok": [None, *returned]}, None, 7)
    with pytest.raises(BadStep):
        b.commit()


def test_a_worker_that_begins_another_function_is_ended() -> None:
    _, a, b = begun()
    a.call("b", b"x")
    b.take()
    record = b.begin()
    record.events.clear()
    record.index = 0
    record.add(EventType.WASM_CALL, "t:s/a", "g", [None, [b"x"]])
    record.result("t:s/a", "g", {"ok": [None, [{"ok": b""}]]}, None, 7)
    with pytest.raises(BadStep, match="does not begin with the input"):
        b.commit()


def test_a_message_says_what_it_calls() -> None:
    turns, a, _ = begun()
    a.call("b", b"x")
    (message,) = turns.actors["b"].mailbox.window
    assert (message.kind, message.body) == (CALL, rpc_body(EXPORT, b"x"))
    assert message.parameters() == [b"x"]
