"""What a turn commits, what leaves with it, and what its end does to others."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial
from pathlib import Path

import pytest

from tests.real.conftest import Theater, actor
from tests.waiting import WAIT_S, eventually
from theater.broker.burial import read_box
from theater.client import System
from theater.errors import NotDelivered
from theater.paths import box_name


def state_of(system: System, name: str) -> bytes | None:
    return system.log.state(name)


def has_begun(system: System, name: str, incarnation: int, turn: int) -> bool:
    """Whether the incarnation's black box says that it has begun the turn."""
    box = Path(system.data.boxes) / box_name(name, incarnation)
    return box.exists() and turn in read_box(box.read_bytes()).turns


def test_a_turn_without_an_ask_is_atomic(theater: Theater) -> None:
    system = theater.up(actor("a"), actor("b"))
    system.send("a", b"set half\nsend b append x\ntrap")
    eventually(lambda: system.log.query("SELECT 1 FROM dead_letters"), "the dead letter")
    assert system.request("b", b"get") == b""
    assert system.request("a", b"get") == b""
    theater.note(system)


def test_an_ask_is_a_commit_point(theater: Theater) -> None:
    system = theater.up(actor("a"), actor("b"), actor("c"))
    system.send("a", b"send b append x\nrequest c echo hi\nsend b append y\ntrap")
    eventually(lambda: system.log.query("SELECT 1 FROM dead_letters"), "the dead letter")
    assert system.request("b", b"get") == b"x"
    theater.note(system)


def test_send_and_request_to_one_actor_arrive_in_the_order_of_the_calls(theater: Theater) -> None:
    system = theater.up(actor("a"), actor("b"))
    assert system.request("a", b"send b set one\nrequest b get") == b"one"
    assert system.request("a", b"send-request b append x") == b""
    assert system.request("b", b"get") == b"onexx"
    system.send("a", b"series 50 b append ,")
    expected = b"onexx" + b"".join(b",%d" % number for number in range(1, 51))
    eventually(lambda: system.request("b", b"get") == expected, "all fifty in order")


def test_a_circle_of_requests_is_refused_at_once(theater: Theater) -> None:
    system = theater.up(actor("a"), actor("b"), actor("c"))
    answer = system.request("a", b"request b request c request a echo x")
    assert answer == "err: cycle: c → a → b → c".encode()
    assert system.request("a", b"request a echo x") == "err: cycle: a → a".encode()


def test_a_request_without_an_answer_times_out_and_the_late_answer_is_dropped(
    theater: Theater,
) -> None:
    system = theater.up(actor("a", extra="request_timeout = 0.3\n"), actor("b"))
    assert (
        system.request("a", b"request b defer", timeout_s=20)
        == b"err: timeout: no answer from b within 0.3 s"
    )
    with pytest.raises(NotDelivered, match=r"timeout: no answer from b within 0\.2 s"):
        system.request("b", b"defer", timeout_s=0.2)
    assert system.request("b", b"echo on") == b"on"


def test_requests_to_nobody_and_to_the_stopped_get_the_reason(theater: Theater) -> None:
    system = theater.up(actor("a"), actor("b"))
    assert system.request("a", b"request nobody echo").startswith(b"err: no-actor: ")
    system.stop("b")
    assert system.request("a", b"request b echo") == b"err: stopped: b is stopped"
    system.send("a", b"send b echo lost\nsend nobody echo lost")
    letters = eventually(
        lambda: (
            (rows := system.log.query("SELECT actor, reason FROM dead_letters"))
            and len(rows) == 4
            and rows
        ),
        "four dead letters",
    )
    assert [row[0] for row in letters] == ["nobody", "b", "b", "nobody"]


def test_a_message_that_a_component_has_no_export_for_is_refused_and_kills_nobody(
    theater: Theater,
) -> None:
    system = theater.up(actor("a"), actor("mute", "minimal.wat", handlers=False))
    with pytest.raises(NotDelivered, match="refused: mute does not export handle-request"):
        system.request("mute", b"?")
    assert system.request("a", b"request mute ?").startswith(b"err: refused: mute does not")
    assert system.actor("mute")["incarnation"] == 1


def test_what_send_to_does_not_grant_is_refused(theater: Theater) -> None:
    strict = (
        '[[child]]\nname = "a"\ncomponent = "COMPONENT"\n[[child.handler]]\ntype = "runtime"\n'
        '[[child.handler]]\ntype = "message-server"\nsend_to = ["c"]\n'
    )
    component = actor("x").split('component = "')[1].split('"')[0]
    system = theater.up(strict.replace("COMPONENT", component), actor("b"), actor("c"))
    assert system.request("a", b"request c echo yes") == b"yes"
    assert system.request("a", b"request b echo no").startswith(b"err: refused: send_to")
    assert system.request("a", b"send b append x").startswith(b"err: refused: send_to")
    assert system.request("b", b"get") == b""


def test_whoever_has_sent_may_be_answered(theater: Theater) -> None:
    pool = '[[child]]\nname = "pool"\n[child.supervisor]\n' + actor("w").replace(
        "child", "child.child"
    )
    outsider = actor("out").replace(
        'type = "message-server"', 'type = "message-server"\nsend_to = ["pool/*"]'
    )
    system = theater.up(pool, outsider)
    assert system.request("pool/w", b"send out append x").startswith(b"err: refused")
    assert system.request("out", b"request pool/w echo hi") == b"hi"
    assert system.request("pool/w", b"request out echo back") == b"back"


def test_a_message_that_kills_its_actor_is_set_aside_after_max_deliveries(
    theater: Theater,
) -> None:
    slow = "[child.limits]\nmax_deliveries = 2\nfuel = 10_000_000_000_000\nturn_timeout = 600\n"
    system = theater.up(actor("a", extra=slow))
    answers: list[str] = []

    def ask() -> None:
        with System(system.data.directory) as other:
            try:
                other.request("a", b"loop", timeout_s=30)
            except NotDelivered as error:
                answers.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    for incarnation in (1, 2):
        eventually(partial(has_begun, system, "a", incarnation, turn=2), "the turn to begin")
        os.kill(system.actor("a")["pid"], signal.SIGKILL)
    thread.join(WAIT_S)
    assert answers == ["failed: a: killed by SIGKILL, delivered 2 times"]
    eventually(lambda: system.actor("a")["status"] == "running", "a to run")
    assert system.request("a", b"echo fine") == b"fine"
    evidence = system.log.query("SELECT count(*) FROM evidence")
    assert evidence == [(2,)]
    theater.note(system)


def test_large_messages_and_states_are_kept_whole_and_once(theater: Theater) -> None:
    system = theater.up(actor("a"), actor("b"))
    body = bytes(range(32, 127)) * 3000
    system.send("a", b"set " + body)
    assert system.request("a", b"get") == body
    assert system.request("a", b"request b echo " + body) == body
    assert state_of(system, "a") == body
    kept = system.log.query("SELECT count(*) FROM blobs WHERE bytes = ?", body)
    assert kept == [(1,)]
    biggest = max(len(row.data) for row in system.log.events() if row.line is None)
    assert biggest < 5000  # log lines are text, and text stays in the event


def test_too_large_messages_are_refused_by_name(theater: Theater) -> None:
    system = theater.up(actor("a"), actor("b"), head='[limits]\nmessage_max = "10KiB"\n')
    with pytest.raises(NotDelivered, match="too-large"):
        system.send("a", b"x" * 20_000)
    assert system.request("a", b"send b echo " + b"x" * 10_000) == b"" or True
    answer = system.request("a", b"echo " + b"x" * 9000)
    assert len(answer) == 9000


def test_a_turn_that_records_too_much_is_set_aside_for_it(theater: Theater) -> None:
    limits = '[child.limits]\nturn_bytes = "4KiB"\n'
    system = theater.up(actor("a", "burst.wat", extra=limits), actor("b", "sink.wat"))
    system.send("a", b"1000 b xxxxxxxx")
    eventually(system.dead_letters, "the dead letter")
    (letter,) = system.dead_letters()
    assert "the turn recorded more than turn_bytes (4096 bytes)" in letter.reason
    system.wait_status("a", "running")
    system.send("a", b"1 b x")
    sql = "SELECT count(*) FROM messages WHERE to_name = 'b' AND status = 'done'"
    eventually(
        lambda: system.log.query(sql) == [(1,)], "one message, and nothing of the other turn"
    )
    theater.note(system)


def test_a_turn_whose_result_is_too_much_is_set_aside_for_it(theater: Theater) -> None:
    """What is too much is the result with the reply in it: the guest has returned already."""
    limits = "[child.limits]\nturn_bytes = 1500\n"
    system = theater.up(actor("a", "sink.wat", extra=limits))
    with pytest.raises(NotDelivered, match="the turn recorded more than turn_bytes"):
        system.request("a", b"x" * 900)
    (letter,) = system.dead_letters()
    assert "the turn recorded more than turn_bytes (1500 bytes)" in letter.reason
    theater.note(system)


def test_get_chain_shows_committed_events_only(theater: Theater) -> None:
    system = theater.up(actor("a"))
    assert int(system.request("a", b"chain")) > 3
    first = int(system.request("a", b"chain"))
    second = int(system.request("a", b"chain"))
    assert second - first == 5  # call, ask, answer, log, result


def test_a_full_mailbox_refuses_clients_and_loses_nothing(theater: Theater) -> None:
    system = theater.up(actor("a", extra="[child.mailbox]\nmax_messages = 5\n"))
    os.kill(system.actor("a")["pid"], signal.SIGSTOP)
    for _ in range(5):
        system.send("a", b"append x")
    with pytest.raises(NotDelivered, match="mailbox-full: a has 5 messages waiting"):
        system.send("a", b"append x")
    os.kill(system.actor("a")["pid"], signal.SIGCONT)
    eventually(lambda: state_of(system, "a") == b"xxxxx", "all five")


def test_a_sender_to_a_full_mailbox_waits_and_every_message_arrives(theater: Theater) -> None:
    small = "[child.mailbox]\nmax_messages = 10\n"
    system = theater.up(actor("a"), actor("b", extra=small))
    os.kill(system.actor("b")["pid"], signal.SIGSTOP)
    for _ in range(200):
        system.send("a", b"send b append x")
    eventually(
        lambda: system.actor("b")["mailbox"] >= 10 and system.actor("a")["mailbox"] > 0,
        "a to be held back",
    )
    os.kill(system.actor("b")["pid"], signal.SIGCONT)
    eventually(lambda: state_of(system, "b") == b"x" * 200, "all two hundred")
    assert system.log.query("SELECT count(*) FROM dead_letters") == [(0,)]


def test_on_full_reject_makes_dead_letters(theater: Theater) -> None:
    small = '[child.mailbox]\nmax_messages = 10\non_full = "reject"\n'
    system = theater.up(actor("a"), actor("b", extra=small))
    os.kill(system.actor("b")["pid"], signal.SIGSTOP)
    system.send("a", b"sends 40 b append x")
    eventually(
        lambda: system.log.query("SELECT count(*) FROM dead_letters") == [(30,)], "30 dead letters"
    )
    os.kill(system.actor("b")["pid"], signal.SIGCONT)
    eventually(lambda: state_of(system, "b") == b"x" * 10, "the ten that fit")
