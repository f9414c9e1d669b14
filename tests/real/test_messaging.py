"""Answers that come later, and channels, whoever is killed in between."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

from tests.real.conftest import Theater, actor
from tests.real.test_broker_dies import kill_broker
from tests.waiting import eventually
from theater.client import System
from theater.errors import NotDelivered


class Asking:
    """A client that waits for an answer beside the test."""

    def __init__(self, system: System, name: str, body: bytes, timeout_s: float = 60.0) -> None:
        self.answers: list[bytes | str] = []

        def ask() -> None:
            with System(system.data.directory) as other:
                try:
                    self.answers.append(other.request(name, body, timeout_s=timeout_s))
                except NotDelivered as error:
                    self.answers.append(str(error))

        self._thread = threading.Thread(target=ask)
        self._thread.start()

    def answer(self) -> bytes | str:
        self._thread.join(60)
        return self.answers[0]


def kill(system: System, name: str) -> None:
    before = system.actor(name)
    os.kill(before["pid"], signal.SIGKILL)
    eventually(lambda: system.actor(name)["incarnation"] > before["incarnation"], "its next one")
    system.wait_status(name, "running")


def outstanding(system: System, name: str, count: int) -> list[bytes]:
    """The ids of its requests, once there are so many."""
    ids: list[bytes] = []

    def are_there() -> bool:
        nonlocal ids
        *ids, _ = system.request(name, b"outstanding").split()  # the last one is this one
        return len(ids) == count

    eventually(are_there, f"{count} outstanding requests of {name}")
    return ids


def closes(system: System, name: str) -> list[str]:
    """The channels of whose end an actor was told."""
    sql = (
        "SELECT e.line FROM events e JOIN actors a ON a.id = e.actor"
        " WHERE a.name = ? AND e.line LIKE 'closed %' ORDER BY e.seq"
    )
    return [line.removeprefix("closed ") for (line,) in system.log.query(sql, name)]


def test_an_answer_may_come_later_and_from_another_incarnation(theater: Theater) -> None:
    system = theater.up(actor("a"), actor("b"))
    first, second = (Asking(system, "b", b"defer") for _ in range(2))
    third = Asking(system, "a", b"request b defer")
    ids = outstanding(system, "b", 3)
    kill(system, "b")
    assert outstanding(system, "b", 3) == ids
    kill_broker(system)
    assert outstanding(system, "b", 3) == ids
    from_actor = next(id for id in ids if id.startswith(b"a:"))
    one, two = (id for id in ids if id.startswith(b"client:"))
    system.send("b", b"respond %s to a\nrespond %s to one\ncancel %s" % (from_actor, one, two))
    assert third.answer() == b"to a"
    cancelled = "cancelled: b has cancelled the request"
    assert {first.answer(), second.answer()} == {b"to one", cancelled}
    assert outstanding(system, "b", 0) == []
    answer = system.request("b", b"respond %s again" % one)
    assert answer == b"err: refused: no outstanding request %s" % one
    assert system.request("b", b"respond $ first\necho second") == b"first"
    theater.note(system)


def test_whoever_waits_no_more_leaves_nothing_outstanding(theater: Theater) -> None:
    system = theater.up(actor("a", extra="request_timeout = 0.3\n"), actor("b"))
    impatient = Asking(system, "b", b"defer", timeout_s=0.3)
    asker = Asking(system, "a", b"request b defer")
    assert asker.answer() == b"err: timeout: no answer from b within 0.3 s"
    assert impatient.answer() == "timeout: no answer from b within 0.3 s"
    assert outstanding(system, "b", 0) == []
    theater.note(system)


def test_a_channel_lives_through_every_death(theater: Theater) -> None:
    system = theater.up(actor("a"), actor("b"))
    assert system.request("a", b"open b set hello,") == b"a:2:1"
    said = b"hello,"

    def say(body: bytes) -> None:
        nonlocal said
        said += body
        assert system.request("a", b"say a:2:1 append %s" % body) == b""
        eventually(lambda: system.log.state("b") == said, "b to have heard of it")

    deaths: list[tuple[bytes, Callable[[], None]]] = [
        (b"b,", lambda: kill(system, "b")),
        (b"a,", lambda: kill(system, "a")),
        (b"broker,", lambda: kill_broker(system)),
    ]
    for name, die in deaths:
        die()
        say(name)
        assert system.request("b", b"say a:2:1 append back,") == b""
    theater.note(system)
    system.close()
    system = theater.up()
    say(b"all,")
    os.kill(system.actor("b")["pid"], signal.SIGKILL)
    assert system.request("a", b"say a:2:1 append last\nclose a:2:1\nsay a:2:1 more") == (
        b"err: refused: no open channel a:2:1"
    )
    eventually(lambda: closes(system, "b") == ["a:2:1"], "b to be told")
    assert system.log.state("b") == said + b"last"
    eventually(lambda: system.log.state("a") == b"back,back,back,", "a to have heard of it")
    assert system.request("b", b"close a:2:1") == b"err: refused: no open channel a:2:1"
    assert closes(system, "a") == []
    theater.note(system)


def test_why_a_channel_is_not_opened_or_ends(theater: Theater) -> None:
    system = theater.up(
        actor("a", extra="request_timeout = 0.5\n"), actor("b"), actor("deaf", "counter.wat")
    )
    for command, answer in (
        (b"open deaf hi", b"err: refused: deaf does not export handle-channel-open"),
        (b"open b refuse", b"err: refused: b did not accept the channel"),
        (b"open a echo", "err: cycle: a → a".encode()),
        (b"open nobody hi", b'err: no-actor: there is no actor "nobody"'),
        (b"open b err no", b"err: failed: b: err: no"),
    ):
        assert system.request("a", command) == answer
    system.wait_status("b", "running")
    os.kill(system.actor("b")["pid"], signal.SIGSTOP)
    assert system.request("a", b"open b append late") == (
        b"err: timeout: no answer from b within 0.5 s"
    )
    os.kill(system.actor("b")["pid"], signal.SIGCONT)
    eventually(lambda: closes(system, "b"), "b to be told that nobody waited")
    assert system.request("b", b"open a append x").startswith(b"b:")
    system.stop("b")
    system.delete_child("b")
    eventually(lambda: closes(system, "a"), "a to be told of its end")
    theater.note(system)


def test_when_both_close_at_once_nobody_is_told_twice(theater: Theater) -> None:
    system = theater.up(actor("a"), actor("b"))
    ids = [system.request("a", b"open b append x") for _ in range(10)]
    system.send("a", b"\n".join(b"close " + id for id in ids[:5]))
    system.send("b", b"\n".join(b"say %s append y\nclose %s" % (id, id) for id in reversed(ids)))
    system.send("a", b"\n".join(b"say %s append z\nclose %s" % (id, id) for id in ids[5:]))

    def told() -> list[str]:
        return closes(system, "a") + closes(system, "b")

    eventually(lambda: len(told()) >= 10, "a side of each to be told")
    assert sorted(told()) == sorted(map(bytes.decode, ids))
    theater.note(system)
