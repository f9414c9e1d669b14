"""`theater dead`: how letters look, and what the commands do to a system that runs or is down."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import msgpack
import pytest

from tests.broker.test_migration import make
from tests.cli.conftest import Home, actor
from tests.cli.test_tables import Screen
from tests.waiting import eventually
from theater.cli import dead, page
from theater.cli.terminal import Stream
from theater.client.dead import Again, DeadLetter, Report, dead_letter, dead_letters
from theater.client.reader import LogReader
from theater.client.turn import Attempt
from theater.events import Event, EventType, encode

AT = 1_700_000_000.0
ESCAPE = "\x1b[31m"


def letter(**facts: Any) -> DeadLetter:
    return DeadLetter(
        **{
            "id": 3,
            "at": AT,
            "actor": "shop/prices",
            "status": "open",
            "reason": "trap: unreachable",
            "kind": "send",
            "sender": "shop/clerk",
            "sender_turn": 8,
            "size": 7,
            "turn": 9,
            "message": 12,
            "state": b"\xab" * 32,
            "decided_at": None,
            "again": None,
            **facts,
        }
    )


def event(index: int, type: str, function: str, payload: Any) -> Event:
    return Event("shop/prices", 2, 9, index, type, "theater:simple/runtime", function, payload)


FAILURE = {"kind": "trap", "message": "unreachable", "backtrace": ["a!f", "a!g", "a!g"]}
CALL = event(0, EventType.WASM_CALL, "handle-send", [None, [b"unicorn"]])
LOG = event(1, EventType.HOST_CALL, "log", [["about to"], None])
FAILED = event(2, EventType.WASM_ERROR, "failed", FAILURE)


def report(events: tuple[Event, ...] = (CALL, LOG, FAILED), **facts: Any) -> Report:
    attempt = Attempt(2, "trap: unreachable", events)
    attempts = (attempt,) if events else ()
    known = {"body": b"unicorn", "state": b"apple 3", "incarnation": 2, "steps": 0, **facts}
    return Report(known.pop("letter", letter()), committed=(), attempts=attempts, **known)


class NoLog:
    def content(self, hash: bytes) -> None:
        return None


def told(report: Report, stream: Stream | None = None) -> str:
    log: Any = NoLog()
    return "\n".join(dead.tell(report, log, stream or Stream(StringIO()), AT + 300))


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Stream:
    """A terminal of 80 columns without colours."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    return Stream(Screen())


# How it looks


def test_a_report_says_all_that_is_known_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "moment", lambda at: f"moment {at:.0f}")
    assert told(report()).splitlines() == [
        "dead letter 3, open",
        "  time    moment 1700000000, 5m ago",
        "  for     shop/prices",
        "  from    shop/clerk, in its turn 8",
        "  kind    send",
        "  turn    9, last run by incarnation 2; no steps of it committed",
        "  reason  trap: unreachable",
        "message (7 B)",
        "  unicorn",
        "state before the turn (7 B, sha256 abababababab)",
        "  apple 3",
        "what incarnation 2 did that did not commit, until it ended: trap: unreachable",
        '  9.0  wasm-call   handle-send("unicorn"), state none',
        '  9.1  host-call   log("about to")',
        "its wasm backtrace, innermost first",
        "  a!f",
        "  a!g  (2 times)",
        "what to do",
        "  theater dead retry 3  a new message for shop/prices, after all others",
        "  theater dead drop 3   let it be; it stays in the log",
    ]


FATES = [
    ({}, "theater dead retry 3  a new message for shop/prices, after all others"),
    ({"kind": "request"}, "after all others; nobody gets the answer"),
    ({"kind": "channel-open", "channel": "a:1:2"}, "after all others; nobody gets the answer"),
    ({"message": None, "kind": "init"}, "theater restart shop/prices: it was an init"),
    ({"status": "dropped", "decided_at": AT}, "nothing: it was dropped at "),
    ({"status": "retried", "again": Again(17, "queued", None, None)}, "that waits in the mailbox"),
    ({"status": "retried", "again": Again(17, "done", 12, None)}, "turn 12 has handled it"),
    ({"status": "retried", "again": Again(17, "dead", 12, 4)}, "that is dead letter 4 now"),
]


@pytest.mark.parametrize(("facts", "text"), FATES)
def test_what_to_do_depends_on_what_has_been_done(facts: dict[str, Any], text: str) -> None:
    advice = told(report(letter=letter(**facts))).partition("what to do\n")[2]
    assert text in advice
    assert ("dead retry" in advice) == ("status" not in facts and "message" not in facts)


def test_a_message_on_a_channel_says_on_which() -> None:
    said = told(report(letter=letter(kind="channel-message", channel="shop/clerk:8:2")))
    assert "  kind    channel-message shop/clerk:8:2\n" in said


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"a": "b"}', ['{"a": "b"}']),
        (b"one\ntwo\n", ["one", "two"]),
        (b"\x00\xff", [f"00000000  {'00 ff':<23}  {'':<23}  |..|"]),
        (b"", ["empty"]),
        (None, ["not in the log any more"]),
    ],
)
def test_a_message_is_shown_as_what_it_is(body: bytes | None, shown: list[str]) -> None:
    text = told(report(body=body)).partition("message (7 B)\n")[2].partition("\nstate")[0]
    assert text.splitlines() == [f"  {line}" for line in shown]


def test_nothing_that_a_worker_or_a_sender_wrote_reaches_the_terminal_as_it_is() -> None:
    failure = {"backtrace": [f"a!{ESCAPE}", 3, None], "message": ESCAPE, "kind": 1}
    hostile = (
        event(0, ESCAPE, ESCAPE, {ESCAPE: ESCAPE}),
        event(1, EventType.WASM_ERROR, "failed", [ESCAPE]),
        event(2, EventType.WASM_ERROR, "failed", failure),
    )
    text = told(report(hostile, body=ESCAPE.encode(), letter=letter(reason=ESCAPE)))
    assert "\x1b" not in text and "a!\\x1b[31m" in text
    for each in ({}, {"backtrace": ESCAPE}, {"backtrace": {"a": 1}}):
        told(report((event(0, EventType.WASM_ERROR, "failed", each),)))


def test_a_terminal_is_shown_the_beginning_and_the_end_and_where_the_rest_is(
    screen: Stream,
) -> None:
    many = tuple(event(number, EventType.LOG, "line", [str(number)]) for number in range(100))
    long = b"x" * 5000 + b"\nline" * 100
    text = told(report(many, body=long, state=long), screen)
    assert text.count("... --json has all of it") == 2
    assert "  ... 70 more: --json has them" in text
    assert all(f"9.{number} " in text for number in (0, 4, 75, 99))
    assert not any(f"9.{number} " in text for number in (5, 74))
    piped = told(report(many, body=long, state=long))
    assert "x" * 5000 in piped and piped.count("... --json has all of it") == 1
    assert all(f"9.{number} " in piped for number in range(100))


def test_no_line_of_a_list_is_wider_than_the_terminal(screen: Stream) -> None:
    letters = [letter(reason="trap: " + "x" * 300), letter(id=44, sender=None, size=70_000)]
    lines = dead.listing(letters, screen, with_status=True)
    assert all(len(line) <= 80 for line in lines)
    assert lines[2].startswith("  trap: xxx") and lines[2].endswith("...")
    assert re.match(r" 3  \S+ \S+  shop/prices  shop/clerk  send    7 B  open$", lines[1])
    assert "  client      send  70 kB" in lines[3]


def test_in_a_pipe_a_reason_is_a_column_and_whole() -> None:
    reason = "trap: " + "x" * 300
    again = Again(17, "dead", 12, 4)
    letters = [letter(reason=reason), letter(status="retried", again=again)]
    header, first, second = dead.listing(letters, Stream(StringIO()), with_status=True)
    assert header.split() == ["ID", "TIME", "ACTOR", "FROM", "KIND", "SIZE", "STATUS", "REASON"]
    assert first.endswith(f"  open                    {reason}")
    assert "  retried, dead again: 4  trap: unreachable" in second


def test_a_tick_is_from_a_timer() -> None:
    tick = letter(kind="tick", sender=None, sender_turn=None)
    _, line = dead.listing([tick], Stream(StringIO()), with_status=True)
    assert "  shop/prices  timer  tick  " in line
    assert "  from    its timer\n  kind    tick\n" in told(report(letter=tick))


def test_a_round_of_a_loop_is_from_the_turn_that_has_left_it() -> None:
    loop = letter(kind="loop", sender="shop/prices", sender_turn=7)
    lines = told(report(letter=loop))
    assert "  from    its own turn 7\n  kind    loop\n" in lines
    assert "a new message for shop/prices, after all others; its loop goes on from there" in lines


def test_what_is_told_of_a_child_is_no_message_from_it() -> None:
    body = msgpack.packb(["internal", b"killed by SIGKILL"])
    crash = letter(kind="child-error", sender="shop/prices/w", sender_turn=None)
    said = told(report(letter=crash, body=body))
    assert "  from    what became of its child shop/prices/w\n  kind    child-error\n" in said
    assert '  ["internal", "killed by SIGKILL"]\n' in said


def test_an_event_of_a_child_is_shown_as_one() -> None:
    log = encode("w", 1, 4, 2, EventType.HOST_CALL, "theater:simple/runtime", "log", [["hi"], None])
    seen = letter(kind="child-event", sender="w", sender_turn=None)
    said = told(report(letter=seen, body=msgpack.packb(["host-call", log])))
    assert '  4.2  host-call   log("hi")\n' in said
    for body in (["skipped", b"12"], ["host-call", b"\xc1"], 3):
        assert told(report(letter=seen, body=msgpack.packb(body)))


# A log of an older theater


@pytest.mark.parametrize("version", [1, 2])
def test_letters_of_an_older_log_are_read_and_open(tmp_path: Path, version: int) -> None:
    make(tmp_path / "chain.db", version)
    log = LogReader(str(tmp_path / "chain.db"))
    (found,) = dead_letters(log)
    assert (found.actor, found.status, found.sender, found.again) == ("nobody", "open", None, None)
    assert dead_letters(log, decided=True) == [found] == dead_letters(log, ["nobody"])
    assert dead_letters(log, ["a"]) == []
    assert dead_letter(log, 1).body == b"!"
    log.close()


# The commands


def rows(home: Home, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(home.out("dead", "list", "--json", *arguments))
    return found


def set_up(home: Home) -> None:
    """Four letters: two for shop/gate, one for a probe, one for nobody."""
    pool = '[[child]]\nname = "shop"\nsupervisor = { intensity = 100, period = 1 }\n'
    gate = actor("gate", "gate.wat").replace("[[child]]", "[[child.child]]")
    home.write(actor("probe"), pool, gate, head="[supervisor]\nintensity = 100\nperiod = 1\n")
    home.out("up", "-d")
    home.out("send", "shop/gate", "one,")
    home.fails(1, "request", "shop/gate", "two,")
    home.out("send", "probe", "send nobody hello\nlog sent")
    home.out("send", "probe", "log about to\ntrap")
    eventually(lambda: len(rows(home)) == 4, "four dead letters")
    eventually(lambda: "restarting" not in home.out("ps"), "all to run again")


def test_dead_letters_from_the_first_to_the_last(home: Home) -> None:
    set_up(home)
    one, two, nobody, probe = rows(home)
    assert [each["actor"] for each in (one, nobody, probe)] == ["shop/gate", "nobody", "probe"]
    assert one["reason"] == "trap: wasm `unreachable` instruction executed"
    assert (nobody["from"], nobody["turn"], nobody["status"]) == ("probe", None, "open")
    assert [each["id"] for each in rows(home, "shop")] == [one["id"], two["id"]]
    assert [each["id"] for each in rows(home, "nobody")] == [nobody["id"]]
    assert "the log knows no actor prob" in home.fails(1, "dead", "list", "prob").replace('"', "")
    text = home.out("dead", "show", str(probe["id"]))
    assert "what incarnation 1 did that did not commit" in text and "Probe!command" in text
    whole = json.loads(home.out("dead", "show", str(one["id"]), "--json"))
    assert whole["body"] == {"text": "one,"} and whole["state"] is None
    assert whole["attempts"][0]["failure"]["backtrace"][0] == "Gate!shut"
    # What cannot be retried is said, and the others are.
    home.out("send", "shop/gate", "open:")
    ids = [str(each["id"]) for each in (two, nobody, one)]
    done = home.run("dead", "retry", *ids)
    assert done.returncode == 1
    assert done.stdout.decode().splitlines() == [
        f"dead letter {two['id']}: message 7 for shop/gate; nobody gets its answer",
        f"dead letter {one['id']}: message 8 for shop/gate",
    ]
    refusal = f"theater: cannot retry dead letter {nobody['id']}: no-actor: there is no actor"
    assert refusal in done.stderr.decode()
    assert home.run("request", "shop/gate", ".").stdout == b"open:two,one,."
    already = f"refused: dead letter {one['id']} has been retried already, as message 8"
    assert already in home.fails(1, "dead", "retry", str(one["id"]))
    # A stopped actor, and all that is open for it.
    home.out("stop", "probe")
    assert "stopped: probe is stopped" in home.fails(1, "dead", "retry", "--all")
    assert home.out("dead", "drop", "--actor", "probe") == f"dead letter {probe['id']}: dropped\n"
    assert [each["id"] for each in rows(home)] == [nobody["id"]]
    assert home.out("dead", "drop", "--all") == f"dead letter {nobody['id']}: dropped\n"
    done = home.run("dead", "drop", "--all")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr == b"no dead letters are open\n"
    # With the system down all of it can still be read.
    home.out("down")
    assert home.out("dead", "list") == ""
    statuses = [each["status"] for each in rows(home, "--all")]
    assert statuses == ["retried", "retried", "dropped", "dropped"]
    assert "turn 6 has handled it" in home.out("dead", "show", str(one["id"]))
    assert "nothing: it was dropped at " in home.out("dead", "show", str(nobody["id"]))
    assert "no system is running" in home.fails(4, "dead", "retry", str(one["id"]))
    events = home.out("events", "--actor", "shop/gate")
    assert f"dead-letter retried, id {one['id']}, message 8" in events


def test_after_a_refusal_the_rest_for_that_actor_is_not_tried(home: Home) -> None:
    limits = "restart = 'transient'\n"
    home.write(
        actor("gate", "gate.wat", limits), head="[supervisor]\nintensity = 100\nperiod = 1\n"
    )
    home.out("up", "-d")
    for body in ("one,", "two,", "three,"):
        home.out("send", "gate", body)
    eventually(lambda: len(rows(home)) == 3, "three dead letters")
    home.out("stop", "gate")
    errors = home.fails(1, "dead", "retry", "--actor", "gate")
    assert errors.splitlines() == [
        "theater: cannot retry dead letter 1: stopped: gate is stopped",
        "theater: not tried after that: 2, 3",
    ]
    terminal = home.terminal("dead", "list", NO_COLOR="1")
    assert terminal.wait_end() == 0
    assert all(len(line) <= 80 for line in terminal.text.splitlines())


@pytest.mark.parametrize(
    "arguments",
    [
        ["retry"],
        ["drop"],
        ["retry", "1", "--all"],
        ["retry", "1", "--actor", "a"],
        ["retry", "0"],
        ["drop", "x"],
        ["show"],
        ["nonsense"],
    ],
)
def test_a_call_that_means_nothing_is_a_usage_error(home: Home, arguments: list[str]) -> None:
    home.write(actor("probe"))
    assert "Traceback" not in home.fails(2, "dead", *arguments)


def test_a_letter_that_is_not_there_is_an_error(home: Home) -> None:
    home.write(actor("probe"))
    assert "nothing has run here yet" in home.fails(4, "dead", "list")
    home.data.mkdir()
    make(home.data / "chain.db", 2)
    for id in ("2", str(1 << 70)):
        assert f"there is no dead letter {id}" in home.fails(1, "dead", "show", id)


def test_what_becomes_of_a_letter_is_told_to_whoever_looks_on(home: Home) -> None:
    home.write(actor("probe"))
    terminal = home.terminal("up", NO_COLOR="1")
    terminal.wait_for("1 actor is running")
    home.out("send", "probe", "trap")
    terminal.wait_for("its message is set aside as dead letter 1")
    terminal.wait_for("restarted")
    home.out("dead", "retry", "1")
    terminal.wait_for("* dead letter 1 retried: its message is back in the mailbox, as 2")
    terminal.wait_for("its message is set aside as dead letter 2")
    home.out("dead", "drop", "2")
    terminal.wait_for("* dead letter 2 dropped")
    home.out("down")
    assert terminal.wait_end() == 0
