"""Channels: opened by both, used by both, and each end told once to whoever did not make it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.broker.logged import order
from tests.broker.pretend import answers, told
from tests.broker.whole import Whole, end_too_late, give, up
from theater.broker import dead
from theater.broker.channels import close_channels
from theater.broker.step import BadStep

ID = "a:2:1"  # the first that a opens


def take(system: Whole, name: str, **end: Any) -> tuple[str, str, bytes]:
    """The next message of an actor has its turn: (kind, channel, body)."""
    worker = system.workers[name]
    _, _, kind, _, _, channel, body, *_ = worker.inputs[0]
    worker.begin()
    worker.end(None, **end)
    system.step()
    return kind, channel, body


def opened(system: Whole, first: bytes | None = None) -> None:
    """a has opened a channel to b; both turns have ended."""
    assert give(system, "a").open("b", b"hello") == ID
    system.step()
    assert take(system, "b", reply=first) == ("channel-open", ID, b"hello")
    a = system.workers["a"]
    a.answered()
    a.end(None)
    system.step()


def closing(system: Whole, name: str) -> None:
    worker = give(system, name)
    worker.close(ID)
    worker.end(None)
    system.step()


def rows(system: Whole) -> list[tuple[Any, ...]]:
    return system.query(
        "SELECT c.id, c.status, b.name, c.reason, u.name FROM channels c"
        " LEFT JOIN actors b ON b.id = c.closed_by LEFT JOIN actors u ON u.id = c.untold"
    )


OPEN = (ID, "open", None, None, None)
CLOSED_BY_A = (ID, "closed", "a", "a has closed it", None)


def test_a_channel_is_open_once_its_callee_has_accepted_it(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    give(system, "a").open("b", b"hello")
    system.step()
    b = system.workers["b"]
    b.begin()
    assert not system.actor("a").channels
    b.end(None, reply=b"welcome")
    assert answers(system.turns) == [("a", 2, {"ok": ID})]
    assert told(system.turns, "a", "channel", "answer")[0] == ("channel", ID, True)
    system.step()
    assert rows(system) == [OPEN]
    a = system.workers["a"]
    assert [each[2] for each in a.inputs] == ["send", "channel-message"], "after what opened it"
    a.answered()
    a.end(None)
    system.step()
    assert take(system, "a") == ("channel-message", ID, b"welcome")
    assert system.problems() == []


def test_one_that_is_not_accepted_is_an_error(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    give(system, "a").open("b")
    system.step()
    take(system, "b", accepted=False, reply=b"no")
    assert system.chain("a")[-1].payload == [{"err": "refused: b did not accept the channel"}]
    assert rows(system) == [] and not system.actor("b").channels
    system.workers["a"].answered()
    system.workers["a"].end(None)
    system.step()
    assert not system.workers["a"].inputs and system.problems() == []


@pytest.mark.parametrize(
    ("to", "error"),
    [
        ("nobody", 'no-actor: there is no actor "nobody"'),
        ("deaf", "refused: deaf does not export handle-channel-open"),
        ("a", "cycle: a → a"),
    ],
)
def test_why_one_cannot_be_opened(tmp_path: Path, to: str, error: str) -> None:
    system = Whole(tmp_path, order("a"), order("deaf", takes=["send"]))
    for name in ("a", "deaf"):
        system.start(name)
    give(system, "a").open(to)
    assert answers(system.turns) == [("a", 2, {"err": error})]
    system.workers["a"].answered()
    system.workers["a"].end(None)
    system.step()
    assert system.problems() == []


def test_a_circle_of_a_request_and_a_channel_is_refused(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    give(system, "a").open("b")
    system.step()
    b = system.workers["b"]
    b.begin()
    b.request("a", b"?")
    assert answers(system.turns) == [("b", 2, {"err": "cycle: b → a → b"})]


def test_a_callee_that_fails_is_an_error(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    give(system, "a").open("b")
    system.step()
    system.workers["b"].begin()
    system.fail("b")
    assert system.chain("a")[-1].payload == [{"err": "failed: b: trap: unreachable"}]
    system.workers["a"].answered()
    system.workers["a"].end(None)
    system.step()
    letter = system.query("SELECT status FROM messages WHERE kind = 'channel-open'")
    assert letter == [("dead",)] and system.problems() == []


def test_both_speak_and_what_was_said_before_the_end_comes_before_it(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    opened(system)
    a = give(system, "a")
    a.say(ID, b"one")
    a.say(ID, b"two")
    a.close(ID)
    a.end(None)
    system.step()
    assert rows(system) == [(*CLOSED_BY_A[:4], "b")]
    assert [take(system, "b") for _ in range(3)] == [
        ("channel-message", ID, b"one"),
        ("channel-message", ID, b"two"),
        ("channel-close", ID, b""),
    ]
    assert rows(system) == [CLOSED_BY_A]
    assert not system.actor("a").channels and not system.actor("b").channels
    assert system.problems() == []


def test_when_both_close_each_is_told_at_most_once(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    opened(system)
    b = give(system, "b")  # its turn begins while the channel is open
    closing(system, "a")
    b.say(ID, b"late")
    b.close(ID)
    b.end(None)
    system.step()
    letters = system.query("SELECT reason FROM dead_letters")
    assert letters == [("refused: channel a:2:1 is closed: a has closed it",)]
    assert rows(system) == [CLOSED_BY_A]
    assert take(system, "b") == ("channel-close", ID, b"")
    assert system.workers["a"].inputs == [] and system.workers["b"].inputs == []
    assert system.problems() == []


def test_an_opener_that_did_not_wait_leaves_a_closed_channel(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    give(system, "a").open("b", b"hello")
    system.step()
    end_too_late(system, "b", reply=b"welcome")
    assert told(system.turns, "b", "channel") == [("channel", ID, False)]
    system.step()
    assert rows(system) == [(ID, "closed", None, "a did not wait for it", "b")]
    assert take(system, "b") == ("channel-close", ID, b"")
    assert rows(system)[0][4] is None and not system.actor("a").channels
    system.workers["a"].answered()
    system.workers["a"].end(None)
    system.step()
    assert system.workers["a"].inputs == [] and system.problems() == []


def test_it_is_closed_when_the_turn_that_opened_it_is_set_aside(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    give(system, "a").open("b", b"hello")
    system.step()
    take(system, "b")
    system.workers["a"].answered()
    system.fail("a")
    assert rows(system)[0][1:3] == ("closed", None)
    assert take(system, "b") == ("channel-close", ID, b"")
    assert not system.actor("a").channels and not system.actor("b").channels
    assert system.problems() == []


@pytest.mark.parametrize("gone", ["a", "b"])
def test_the_other_side_is_told_when_one_is_removed(tmp_path: Path, gone: str) -> None:
    system = up(tmp_path, "a", "b")
    opened(system)
    left = "b" if gone == "a" else "a"
    system.kill(gone)
    system.remove(gone)
    assert rows(system) == [(ID, "closed", None, f"{gone} has been removed: deleted", left)]
    assert take(system, left) == ("channel-close", ID, b"")
    assert not system.actor(left).channels and system.problems() == []


def test_one_that_is_removed_before_it_was_told_is_told_no_more(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    opened(system)
    system.kill("b")
    closing(system, "a")
    system.remove("b")
    assert rows(system) == [CLOSED_BY_A] and system.problems() == []


@pytest.mark.parametrize("gone", ["a", "b", "ab"])
def test_those_that_are_gone_at_the_next_start_have_closed_their_channels(
    tmp_path: Path, gone: str
) -> None:
    system = up(tmp_path, "a", "b")
    opened(system)
    system = system.again(*(order(name) for name in "ab" if name not in gone))
    ((_, status, by, reason, untold),) = rows(system)
    left = {"a": "b", "b": "a"}.get(gone)
    assert (status, by, untold) == ("closed", None, left) and reason.endswith("has been removed")
    if left is not None:
        system.start(left)
        assert take(system, left) == ("channel-close", ID, b"")
    assert system.problems() == []


def test_it_lives_when_one_dies_and_when_all_die(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    opened(system)
    system.kill("b")
    system.start("b")
    system = system.again(order("a"), order("b"))
    a, _ = system.start("a"), system.start("b")
    assert rows(system) == [OPEN]
    a = give(system, "a")
    a.say(ID, b"still here")
    a.end(None)
    system.step()
    assert take(system, "b") == ("channel-message", ID, b"still here")
    closing(system, "b")
    system = system.again(order("a"), order("b"))
    assert list(system.actor("a").channels) == [ID] and not system.actor("b").channels
    system.start("a")
    assert take(system, "a") == ("channel-close", ID, b"")
    assert not system.actor("a").channels and system.problems() == []


def test_one_that_is_stopped_is_told_when_it_is_started_again(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    opened(system)
    system.kill("b", wanted=True)
    system.phase("b", "stopped")
    a = give(system, "a")
    a.say(ID, b"lost")
    a.close(ID)
    a.end(None)
    system.step()
    assert system.query("SELECT reason FROM dead_letters") == [("stopped: b is stopped",)]
    system.start("b")
    assert take(system, "b") == ("channel-close", ID, b"")
    assert system.problems() == []


def test_a_full_mailbox_takes_the_end_of_a_channel(tmp_path: Path) -> None:
    small = {"max_messages": 1, "on_full": "reject"}
    system = up(tmp_path, "a", "b", mailbox=small)
    opened(system)
    a = give(system, "a")
    for number in range(3):
        a.say(ID, b"%d" % number)
    a.close(ID)
    a.end(None)
    system.step()
    assert len(system.query("SELECT 1 FROM dead_letters")) == 2
    assert [take(system, "b")[0] for _ in range(2)] == ["channel-message", "channel-close"]
    assert system.problems() == []


def test_all_channels_of_one_that_begins_anew_are_closed(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b", "c")
    opened(system)
    c = give(system, "c")
    c.open("a", b"hello")
    system.step()
    take(system, "a")
    c.answered()
    c.end(None)
    system.kill("a")
    close_channels(system.turns, system.actor("a"), "a began anew")
    system.step()
    assert not system.actor("a").channels
    for name, id in (("b", ID), ("c", "c:2:1")):
        assert take(system, name) == ("channel-close", id, b"")
    assert system.problems() == []


def test_a_worker_may_only_name_channels_of_its_own(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b", "c")
    opened(system)
    for function, arguments in (
        ("send-on-channel", [ID, b"hi"]),
        ("close-channel", [ID]),
        ("send-on-channel", ["c:1:1", b"hi"]),
    ):
        if not system.actor("c").live:
            system.start("c")
        c = give(system, "c")
        c.held(function, *arguments)
        with pytest.raises(BadStep, match="used channel"):
            c.end(None)
        system.kill("c", wanted=True)
    a = give(system, "a")
    a.close(ID)
    a.say(ID, b"after")
    with pytest.raises(BadStep, match="used channel"):
        a.end(None)


def test_a_message_that_was_set_aside_is_retried_while_its_channel_is_open(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    opened(system)
    for _ in range(2):
        a = give(system, "a")
        a.say(ID, b"poison")
        a.end(None)
        system.step()
        system.workers["b"].begin()
        system.fail("b")
        system.start("b")

    def retry(number: int) -> str | None:
        row = system.log.dead_letter(number)
        assert row is not None
        letter = dead.letter_from(number, row)
        _, error = dead.retry(system.turns, letter, f"retry-{number}")
        system.step()
        return error

    assert retry(1) is None
    assert take(system, "b") == ("channel-message", ID, b"poison")
    closing(system, "b")
    assert retry(2) == "refused: channel a:2:1 is closed"
    assert system.problems() == []
