"""The log in plain words: one test for what each event says to a person."""

from __future__ import annotations

from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import pytest

from theater.cli.page import Page, json_line
from theater.cli.story import DeadLetters, Line, Mark, Story
from theater.cli.terminal import Stream
from theater.events import Event, EventType


@dataclass
class Row:
    event: Event
    line: str | None = None
    seq: int = 7
    at: float = 0.0


@dataclass
class Facts:
    """What the log would know."""

    lost: list[Event] = field(default_factory=list)
    turn_kind: str = "send"
    dead_letter: int | None = None
    undeliverable: list[tuple[Any, ...]] = field(default_factory=list)

    def evidence(self, hash: bytes) -> list[Event]:
        return self.lost

    def query(self, sql: str, *parameters: Any) -> list[Any]:
        if "i.pid" in sql:
            return [(4711,)]
        if "SELECT kind" in sql:
            return [(self.turn_kind,)]
        if "FROM dead_letters d" in sql:
            return [row for row in self.undeliverable if row[0] > parameters[0]]
        return [] if self.dead_letter is None else [(self.dead_letter,)]


def event(type: str, payload: Any, function: str = "", turn: int = 0) -> Event:
    return Event("shop/a", 2, turn, 0, type, "theater", function or type, payload)


def tell(facts: Facts, *told: Event) -> list[tuple[str, str]]:
    story = Story(facts)
    return [(line.mark.value, line.text) for each in told for line in story.tell(Row(each))]


def test_a_log_line_is_what_the_actor_said() -> None:
    said = Row(event(EventType.HOST_CALL, [["hi\x1b"], None], "log", 3), line="hi\x1b")
    (line,) = Story(Facts()).tell(said)
    assert line == Line(7, 0.0, "shop/a", 2, 3, Mark.SAID, "hi\x1b")


def test_the_first_start_and_a_later_one_have_words_of_their_own() -> None:
    ready = event(EventType.READY, {})
    assert tell(Facts(), ready, ready) == [
        ("*", "started: incarnation 2, pid 4711"),
        ("*", "restarted: incarnation 2, pid 4711"),
    ]


def test_a_failed_turn_tells_what_was_lost_and_why_and_what_becomes_of_its_message() -> None:
    facts = Facts(
        lost=[
            event(EventType.HOST_CALL, [["about to"], None], "log", 5),
            event(EventType.HOST_CALL, [["x"], None], "send", 5),
            event(EventType.LOG, ["to stdout"], "line", 5),
        ],
        dead_letter=3,
    )
    failed = event(
        EventType.TURN_FAILED, {"turn": 5, "reason": "trap: unreachable", "evidence": bytes(32)}
    )
    exited = event(EventType.EXITED, {"reason": "trap: unreachable", "kind": "crash"})
    assert tell(facts, failed, exited) == [
        ("~", "about to"),
        ("~", "to stdout"),
        ("!", "turn 5 failed: trap: unreachable"),
        ("!", "its message is set aside as dead letter 3"),
    ]


def test_a_message_that_is_not_set_aside_comes_again() -> None:
    failed = event(EventType.TURN_FAILED, {"turn": 5, "reason": "killed", "evidence": None})
    assert tell(Facts(), failed)[-1] == ("!", "its message will be delivered again")


def test_a_failed_init_has_no_message() -> None:
    failed = event(EventType.TURN_FAILED, {"turn": 1, "reason": "trap", "evidence": None})
    assert tell(Facts(turn_kind="init"), failed) == [("!", "turn 1 failed: trap")]


@pytest.mark.parametrize(
    "payload, told",
    [
        ({"kind": "crash", "reason": "killed by SIGKILL"}, ("!", "died: killed by SIGKILL")),
        ({"kind": "shutdown", "reason": "stopped"}, ("*", "stopped")),
        ({"kind": "normal", "reason": "shutdown by itself"}, ("*", "ended: shutdown by itself")),
    ],
)
def test_an_exit_tells_its_reason(payload: dict[str, Any], told: tuple[str, str]) -> None:
    assert tell(Facts(), event(EventType.EXITED, payload)) == [told]


RESTART = {"decision": "restart", "child": "g/b", "left": 2, "intensity": 3, "period_s": 5.0}


@pytest.mark.parametrize(
    "payload, told",
    [
        (
            {"decision": "restart", "left": 2, "intensity": 3, "period_s": 5.0},
            "restarting (2 of 3 restarts in 5 s left)",
        ),
        (
            {"decision": "retry", "left": 0, "intensity": 3, "period_s": 0.5},
            "trying once more to start (0 of 3 restarts in 0.5 s left)",
        ),
        (
            {"decision": "not-restarted", "restart": "temporary", "exit": "crash"},
            "not restarted: it is temporary",
        ),
        (
            {"decision": "not-restarted", "restart": "transient", "exit": "normal"},
            "not restarted: it is transient and ended by itself",
        ),
        ({"decision": "start-failed", "reason": "trap"}, "failed to start: trap"),
        ({"decision": "ignored"}, "has nothing to run: its init asked to shut down"),
        (
            {"decision": "gave-up", "child": "shop/a", "intensity": 3, "period_s": 5},
            "gave up on shop/a: more than 3 restarts in 5 s",
        ),
        ({"decision": "start-aborted", "reason": "x failed"}, "start given up: x failed"),
        ({"decision": "kill", "why": "did not stop in 5 s"}, "killed: did not stop in 5 s"),
        ({"decision": "operator", "call": "restart"}, "restart asked for"),
        ({"decision": "operator", "call": "stop", "by": "boss"}, "stop asked for by boss"),
        ({"decision": "operator", "call": "add", "by": "boss"}, "spawned by boss"),
        (
            {**RESTART, "delay_s": 12.34},
            "restarting in 12 s (2 of 3 restarts in 5 s left)",
        ),
        (
            {**RESTART, "delay_s": 0.25, "stopped": ["g/c"], "started": ["g/a", "g/b", "g/c"]},
            "restarting in 0.25 s with g/a, g/c (2 of 3 restarts in 5 s left)",
        ),
        (
            {**RESTART, "stopped": ["g/t", "g/a"], "started": ["g/a", "g/b"]},
            "restarting with g/a without g/t (2 of 3 restarts in 5 s left)",
        ),
        (
            {**RESTART, "started": ["g/b", *(f"g/{number}" for number in range(9))]},
            "restarting with g/0, g/1, g/2, g/3, g/4 and 4 more (2 of 3 restarts in 5 s left)",
        ),
        (
            {
                "decision": "gave-up",
                "child": "g/b",
                "intensity": 3,
                "period_s": 5.0,
                "stopped": ["g/c", "g/a"],
            },
            "gave up on g/b: more than 3 restarts in 5 s; stopping g/c, g/a",
        ),
        (
            {
                "decision": "auto-shutdown",
                "child": "g/b",
                "auto_shutdown": "any_significant",
                "stopped": ["g/a"],
            },
            "going down: g/b has ended, auto_shutdown is any_significant; stopping g/a",
        ),
        (
            {
                "decision": "not-restarted",
                "restart": "transient",
                "exit": "shutdown",
                "reason": "stopped",
            },
            "not restarted: it is transient and has been told to stop",
        ),
        (
            {
                "decision": "not-restarted",
                "restart": "transient",
                "exit": "shutdown",
                "reason": "gave up: g/b needed more than 3 restarts",
            },
            "not restarted: it is transient and has given up",
        ),
        (
            {"decision": "not-restarted", "restart": "temporary", "exit": "shutdown"},
            "not restarted: it is temporary and has gone down",
        ),
        (
            {"decision": "operator", "call": "scale", "before": 2, "instances": 5},
            "scaling from 2 to 5 instances asked for",
        ),
        (
            {"decision": "operator", "call": "start-instance", "number": 7},
            "one more instance asked for, number 7",
        ),
        (
            {"decision": "reloaded", "changed": {"restart": ["permanent", "transient"]}},
            "reloaded: restart permanent -> transient",
        ),
        ({"decision": "shutdown", "kill": False}, "going down"),
        ({"decision": "shutdown", "kill": True}, "everything is killed"),
    ],
)
def test_a_decision_is_told_in_plain_words(payload: dict[str, Any], told: str) -> None:
    assert [text for _, text in tell(Facts(), event(EventType.DECIDED, payload))] == [told]


@pytest.mark.parametrize(
    "type, payload, told",
    [
        ("changed", {"grants": {}}, "what it may do or begins with has changed"),
        ("changed", {"flags": {}}, "its flags have changed"),
        ("returned", {"grants": {}}, "here again, with the state it had"),
        ("returned", {"flags": {}}, "here again"),
        ("reinitialised", {"reason": "operator"}, "begins anew with init, as somebody asked for"),
        (
            "reinitialised",
            {"reason": "on_restart"},
            "begins anew with init, as its on_restart says",
        ),
        ("removed", {"reason": "no longer in the manifest"}, "removed: no longer in the manifest"),
        ("removed", {"reason": "no-actor: it was deleted"}, "removed: it was deleted"),
    ],
)
def test_who_comes_changes_and_goes_is_told(type: str, payload: dict[str, Any], told: str) -> None:
    assert tell(Facts(), event(type, payload)) == [("*", told)]


def test_what_is_told_elsewhere_is_not_told_twice() -> None:
    for payload in ({"decision": "stopped", "exit": "shutdown"}, {"decision": "nonsense"}):
        assert tell(Facts(), event(EventType.DECIDED, payload)) == []


@pytest.mark.parametrize("type", list(EventType))
@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        {},
        3,
        {"decision": 5},
        {"decision": "restart", "period_s": "x", "started": 3, "stopped": [4], "delay_s": "x"},
        {"decision": "reloaded", "changed": [1]},
        {"decision": "reloaded", "changed": {"x": 1, "y": [1], "z": [None, [2]]}},
        {"decision": "operator", "call": ["scale"]},
        {"turn": "x"},
    ],
)
def test_no_payload_whatever_breaks_the_telling(type: str, payload: Any) -> None:
    tell(Facts(), event(type, payload))


def test_what_a_parent_was_to_be_told_and_was_not_is_no_message_of_its_childs() -> None:
    row = (4, 1.0, "boss/a", "boss", "no-actor: boss has been removed: deleted", None, "child-exit")
    (line,) = DeadLetters(Facts(undeliverable=[row]), after=3).news()
    assert line.actor == "boss/a"
    assert line.text.startswith("what boss was to be told of it is set aside as dead letter 4: no-")


def test_a_message_for_nobody_is_told_once() -> None:
    row = (4, 1.0, "shop/a", "nobody", "no-actor: there is no actor nobody", 9, "send")
    letters = DeadLetters(Facts(undeliverable=[row]), after=3)
    (line,) = letters.news()
    assert line.actor == "shop/a"
    assert line.text == (
        "its message to nobody is set aside as dead letter 4: no-actor: there is no actor nobody"
    )
    assert list(letters.news()) == []


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (
            {"id": 3, "decision": "retried", "message": 17},
            "dead letter 3 retried: its message is back in the mailbox, as 17",
        ),
        ({"id": 3, "decision": "dropped"}, "dead letter 3 dropped"),
        (
            {"id": 3, "decision": "dropped", "subject": "nobody"},
            "dead letter 3 for nobody dropped",
        ),
        ({}, "dead letter ? ?"),
    ],
)
def test_what_becomes_of_a_dead_letter_is_told(payload: Any, text: str) -> None:
    assert tell(Facts(), event(EventType.DEAD_LETTER, payload)) == [("*", text)]


def page() -> Page:
    return Page(Stream(StringIO()), ["a", "shop/a"])


def line(mark: Mark, text: str) -> Line:
    return Line(1, 0.0, "a", 1, 1, mark, text)


def test_the_page_aligns_marks_and_escapes() -> None:
    assert page().lines(line(Mark.SAID, "one\n\x1b[31mtwo")) == [
        "a      | one",
        "a      | \\x1b[31mtwo",
    ]
    assert page().lines(line(Mark.LOST, "gone")) == ["a      ~ gone  (not committed)"]
    assert page().lines(line(Mark.BAD, "died: a\nb | c")) == ["a      ! died: a\\nb | c"]


def test_no_line_of_an_actor_can_pass_for_another_actors() -> None:
    for text in page().lines(line(Mark.SAID, "x\nshop/a | I am the other\rshop/a | me too")):
        assert text.startswith("a      | ")


def test_json_carries_what_was_said_as_it_was() -> None:
    assert '"line": "\\u001b[31m\\u202e"' in json_line(line(Mark.SAID, "\x1b[31m\u202e"))
