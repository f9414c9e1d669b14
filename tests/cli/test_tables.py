"""How listings look: at 80 columns, in a pipe, with and without colours."""

from __future__ import annotations

import datetime
import re
from io import StringIO
from typing import Any

import pytest

from theater.cli.record import event_json, event_text
from theater.cli.status import duration, listing, size, trouble
from theater.cli.terminal import Stream, table
from theater.client.reader import LoggedEvent
from theater.events import EventType, content_hash, encode, ref


class Screen(StringIO):
    def isatty(self) -> bool:
        return True


def row(**facts: Any) -> dict[str, Any]:
    return {
        "actor": "shop/prices",
        "pid": 12345,
        "incarnation": 2,
        "status": "running",
        "restarts": 1,
        "mailbox": 0,
        "uptime_s": 12.0,
        "memory_bytes": 5_300_000,
        "reason": "",
        **facts,
    }


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Stream:
    """A terminal of 80 columns that can show colours."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    return Stream(Screen())


def test_no_line_of_ps_is_wider_than_the_terminal(screen: Stream) -> None:
    rows = [row(reason="trap: " + "x" * 300), row(actor="visitors/ann", status="unresponsive")]
    lines = listing(rows, screen)
    bare = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert all(len(line) <= 80 for line in bare)
    assert bare[2].startswith("  last ended: trap: xxx")
    assert bare[2].endswith("...")


def test_in_a_pipe_a_reason_is_a_column_and_whole() -> None:
    reason = "trap: " + "x" * 300
    lines = listing([row(reason=reason), row(actor="b")], Stream(StringIO()))
    assert lines[0].split() == (
        ["ACTOR", "STATUS", "PID", "INC", "RESTARTS", "MAILBOX", "UPTIME", "MEMORY", "REASON"]
    )
    assert lines[1].endswith(reason)
    assert "\x1b" not in "".join(lines)


def test_an_actor_without_a_process_has_dashes() -> None:
    (_, line) = listing(
        [row(pid=None, uptime_s=None, memory_bytes=None, mailbox=None)], Stream(StringIO())
    )
    assert line.split() == ["shop/prices", "running", "-", "2", "1", "-", "-", "-"]


def test_a_reason_cannot_reach_the_terminal_raw(screen: Stream) -> None:
    text = "\n".join(listing([row(reason="\x1b]0;owned\x07")], screen))
    assert "\x1b]" not in text and "\\x1b]0;owned\\x07" in text


@pytest.mark.parametrize("variable, value", [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "")])
def test_no_colour_where_none_is_wanted(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(variable, value)
    assert Stream(Screen()).style("x", "31") == "x"


def test_a_pipe_has_neither_colour_nor_width() -> None:
    assert Stream(StringIO()).style("x", "31") == "x"
    assert Stream(StringIO()).width() is None


def test_columns_are_as_wide_as_they_have_to_be() -> None:
    assert table(("A", "NUMBER"), [("long", "1"), ("b", "10")], frozenset({1})) == [
        "A     NUMBER",
        "long       1",
        "b         10",
    ]


@pytest.mark.parametrize(
    "seconds, shown",
    [(None, "-"), (0.4, "0s"), (119, "119s"), (120, "2m"), (7200, "2h"), (172800, "2d")],
)
def test_a_duration_is_as_exact_as_anybody_wants_it(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    "count, shown",
    [(None, "-"), (900, "1 kB"), (5_300_000, "5.3 MB"), (2e9, "2.0 GB")],
)
def test_a_size_has_a_unit(count: float | None, shown: str) -> None:
    assert size(count) == shown


def logged(type: str, interface: str, function: str, payload: Any, turn: int = 3) -> LoggedEvent:
    data = encode("a", 1, turn, 0, type, interface, function, payload)
    return LoggedEvent(12, 0.0, 4, bytes(32), data, None)


STATE = b"s" * 2000
CONTENTS = {content_hash(STATE): STATE, content_hash(b"1"): b"1"}
MESSAGES = "theater:simple/message-server-client"


@pytest.mark.parametrize(
    "event, told",
    [
        (
            logged(
                EventType.WASM_CALL, MESSAGES, "handle-send", [ref(content_hash(b"1")), [b"hi"]]
            ),
            'wasm-call   handle-send("hi"), state "1"',
        ),
        (
            logged(EventType.WASM_CALL, MESSAGES, "handle-send", [ref(bytes(32)), [b"hi"]]),
            'wasm-call   handle-send("hi"), state sha256:000000000000 (not kept)',
        ),
        (
            logged(EventType.WASM_RESULT, MESSAGES, "handle-send", [{"ok": [ref(bytes(32))]}, 9]),
            "wasm-result handle-send -> ok, state sha256:000000000000 (not kept), fuel 9",
        ),
        (
            logged(EventType.HOST_CALL, "theater:simple/runtime", "log", [["hi"], None]),
            'host-call   log("hi")',
        ),
        (
            logged(EventType.HOST_CALL, "wasi:clocks/wall-clock", "now", [[], {"seconds": 1}]),
            "host-call   wall-clock.now() -> {seconds: 1}",
        ),
        (
            logged(EventType.HOST_ANSWER, "theater:simple/x", "request", [{"ok": b"3"}]),
            'host-answer request -> ok("3")',
        ),
        (
            logged(EventType.WASM_RESULT, MESSAGES, "handle-request", [{"ok": [None, [b"a"]]}, 9]),
            'wasm-result handle-request -> ok, answer "a", state none, fuel 9',
        ),
        (
            logged(EventType.LOG, "wasi:cli/stdout", "line", ["hi"]),
            'log         stdout "hi"',
        ),
        (
            logged(EventType.EXITED, "theater", "exited", {"reason": "x y", "kind": "crash"}, 0),
            "exited      reason x y, kind crash",
        ),
        (
            logged(EventType.DECIDED, "theater", "decided", {"decision": "kill", "n": 1}, 0),
            "decided     kill, n 1",
        ),
        (
            logged(EventType.WASM_CALL, MESSAGES, "handle-send", {"odd": b"\xff"}),
            "wasm-call   handle-send {odd: 0xff (1 bytes)}",
        ),
    ],
)
def test_an_event_in_one_line(event: LoggedEvent, told: str) -> None:
    line = event_text(event, CONTENTS.get, Stream(StringIO()))
    assert line.endswith(told)
    assert line.split()[0] == "12"


def test_long_values_are_shortened_on_a_terminal_only(screen: Stream) -> None:
    call = logged(EventType.WASM_CALL, MESSAGES, "handle-send", [ref(content_hash(STATE)), [b""]])
    assert "(2000 bytes)" in event_text(call, CONTENTS.get, screen)
    assert "s" * 2000 in event_text(call, CONTENTS.get, Stream(StringIO()))


def test_an_event_as_json_names_the_parts_of_its_payload() -> None:
    call = logged(
        EventType.WASM_CALL, MESSAGES, "handle-send", [ref(content_hash(b"1")), [b"\xff"]]
    )
    assert event_json(call, CONTENTS.get) == {
        "seq": 12,
        "time": "1970-01-01T00:00:00.000000Z",
        "actor": "a",
        "incarnation": 1,
        "turn": 3,
        "index": 0,
        "type": "wasm-call",
        "interface": MESSAGES,
        "function": "handle-send",
        "position": 4,
        "hash": "00" * 32,
        "payload": {
            "state": {"sha256": content_hash(b"1").hex(), "text": "1"},
            "parameters": [{"base64": "/w=="}],
        },
    }


def test_bytes_that_are_no_event_are_shown_as_that() -> None:
    broken = LoggedEvent(1, 0.0, 0, bytes(32), b"\x93\x01", None)
    assert "not an event" in event_text(broken, CONTENTS.get, Stream(StringIO()))
    assert event_json(broken, CONTENTS.get)["bytes"] == "9301"


def test_what_is_wrong_with_the_system_is_one_line_with_its_time() -> None:
    found = {"what": "the log cannot be written: the disk is full", "todo": "make room", "since": 0}
    line = trouble(found, 130.0)
    clock = datetime.datetime.fromtimestamp(0).strftime("%H:%M:%S")
    assert line == (
        f"! the log cannot be written: the disk is full; make room (since {clock}, for 2m)"
    )
    assert trouble({**found, "since": None}, 130.0).endswith("; make room")
