"""A dead letter is retried once or dropped once, and the log says so."""

from __future__ import annotations

import itertools
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import zmq

from tests.broker.logged import Logged, order
from tests.broker.test_loop import System, ask, system  # noqa: F401
from tests.broker.test_members import begun, send, turn
from tests.waiting import eventually
from theater import wire
from theater.broker import dead
from theater.broker.dead import Letter
from theater.client.reader import LogReader

SMALL = {"max_messages": 2, "on_full": "reject"}


def letter(run: Logged, id: int) -> Letter:
    row = run.log.dead_letter(id)
    assert row is not None
    return dead.letter_from(id, row)


def retry(run: Logged, id: int, client: str = "call") -> tuple[int, str | None]:
    return dead.retry(run.turns, letter(run, id), client)


def drop(run: Logged, id: int, client: str = "call") -> str | None:
    return dead.drop(run.turns, letter(run, id), client)


def set_aside(run: Logged, name: str, body: bytes, kind: str = "send") -> int:
    """The number of the dead letter that a message to a running actor becomes."""
    actor = run.actor(name)
    send(run, name, body, kind)
    for _ in range(actor.settings.max_deliveries):
        run.step()
        worker = run.workers.get(name) or run.start(name)
        worker.take()
        run.kill(name, begun(run, name))
    run.start(name)
    ((number,),) = run.query("SELECT max(id) FROM dead_letters")
    return int(number)


def status(run: Logged) -> list[Any]:
    run.write()
    return run.query("SELECT id, status, again FROM dead_letters ORDER BY id")


# Retried


def test_what_is_retried_is_a_new_message_at_the_end_of_the_mailbox(tmp_path: Path) -> None:
    run = Logged(tmp_path, order("b"))
    b = run.start("b")
    set_aside(run, "b", b"bad")
    b = run.workers["b"]
    for body in (b"1", b"2"):
        send(run, "b", body)
    again, error = retry(run, 1)
    assert error is None
    send(run, "b", b"3")
    run.step()
    assert [each[6] for each in b.inputs] == [b"1", b"2", b"bad", b"3"]
    assert [each[1] for each in b.inputs] == [3, 4, 5, 6]  # turn 2 is the one that failed
    assert status(run) == [(1, "retried", again)]
    dead_one, new_one = run.query(f"SELECT status, turn FROM messages WHERE id IN (1, {again})")
    assert dead_one == ("dead", 2) and new_one == ("queued", None)
    event = ("dead-letter", {"id": 1, "decision": "retried", "message": again})
    assert event in run.told("b")


def test_it_is_from_whom_it_was_who_may_be_answered_from_then_on(tmp_path: Path) -> None:
    run = Logged(tmp_path, order("a"))
    a = run.start("a")
    send(run, "a", b"go")
    turn(a, ("b", b"hello"))
    run.step()
    assert run.query("SELECT reason FROM dead_letters") == [('no-actor: there is no actor "b"',)]
    run.adopt(order("b"))
    b = run.start("b")
    assert retry(run, 1)[1] is None
    run.step()
    assert b.inputs[0][2:7] == ("send", 3, "a", "", b"hello")
    assert run.actor("b").senders == {"a"}
    assert run.query("SELECT from_actor, from_turn, from_index FROM messages WHERE id = 3") == (
        run.query("SELECT from_actor, from_turn, from_index FROM messages WHERE id = 2")
    )
    # Nothing of that is only in memory.
    b = run.again(order("a"), order("b")).start("b")
    assert b.inputs[0][4:7:2] == ("a", b"hello") and b.actor.senders == {"a"}


@pytest.mark.parametrize("asker", ["actor", "client"])
def test_the_answer_to_a_retried_request_is_dropped_and_counted(tmp_path: Path, asker: str) -> None:
    run = Logged(tmp_path, order("a"), order("b", max_deliveries=1))
    a, b = run.start("a"), run.start("b")
    if asker == "client":
        set_aside(run, "b", b"?", "request")
    else:
        send(run, "a", b"go")
        a.take()
        a.begin()
        a.request("b", b"?")
        run.step()
        run.kill("b", begun(run, "b"))
        a.answered()
        a.request("b", b"another")  # it waits for something else now
    again, error = retry(run, 1)
    assert error is None
    b = run.workers.get("b") or run.start("b")
    run.step()
    if asker == "actor":
        b.begin()
        b.end(None, b"other answer")
    assert b.inputs[0][2:4] == ("request", again)
    b.begin()
    b.end(None, b"answer")
    run.step()
    assert run.query("SELECT value FROM counters WHERE name = 'late_answers'") == [(1,)]
    assert run.query(f"SELECT status, answer FROM messages WHERE id = {again}") == [("done", None)]
    assert run.to_clients() == {}


def test_what_is_set_aside_again_is_another_dead_letter(tmp_path: Path) -> None:
    run = Logged(tmp_path, order("b", max_deliveries=1))
    run.start("b")
    set_aside(run, "b", b"bad")
    again, _ = retry(run, 1)
    run.step()
    run.kill("b", begun(run, "b"))
    assert status(run) == [(1, "retried", again), (2, "open", None)]
    assert retry(run, 2)[1] is None


def test_a_long_message_is_retried_whole(tmp_path: Path) -> None:
    run = Logged(tmp_path, order("b", max_deliveries=1))
    run.start("b")
    set_aside(run, "b", b"x" * 5000)
    retry(run, 1)
    run.step()
    assert run.workers["b"].inputs[0][6] == b"x" * 5000
    turn(run.workers["b"])
    run.step()


# Refused


def stop(run: Logged) -> None:
    run.phase("b", "stopped")


def remove(run: Logged) -> None:
    run.kill("b", wanted=True)
    run.remove("b")


def fill(run: Logged) -> None:
    for body in (b"1", b"2"):
        assert send(run, "b", body)[1] is None


def change(run: Logged) -> None:
    run.kill("b", wanted=True)
    run.adopt(order("b", takes=["request"]))
    run.start("b")


def shrink(run: Logged) -> None:
    run.turns.message_max = 2


REFUSALS = [
    (stop, "stopped: b is stopped"),
    (remove, 'no-actor: there is no actor "b"'),
    (fill, "mailbox-full: b has 2 messages waiting"),
    (change, "refused: b does not export handle-send"),
    (shrink, "too-large: 3 bytes; a message has at most 2"),
]


@pytest.mark.parametrize(("first", "error"), REFUSALS)
def test_a_retry_that_cannot_be_delivered_changes_nothing(
    tmp_path: Path, first: Any, error: str
) -> None:
    run = Logged(tmp_path, order("b", max_deliveries=1, mailbox=SMALL))
    run.start("b")
    set_aside(run, "b", b"bad")
    first(run)
    run.write()
    before = list(run.db.iterdump())
    assert retry(run, 1) == (0, error)
    assert status(run) == [(1, "open", None)]
    assert list(run.db.iterdump()) == before
    assert drop(run, 1) is None  # that can always be done


@pytest.mark.parametrize(
    ("first", "second", "written"),
    list(itertools.product(("retry", "drop"), ("retry", "drop"), (False, True))),
)
def test_a_letter_is_decided_about_once(
    tmp_path: Path, first: str, second: str, written: bool
) -> None:
    run = Logged(tmp_path, order("b", max_deliveries=1))
    run.start("b")
    set_aside(run, "b", b"bad")
    again = None
    if first == "retry":
        again, _ = retry(run, 1, "one")
    else:
        assert drop(run, 1, "one") is None
    if written:
        run.write()
    error = retry(run, 1, "two")[1] if second == "retry" else drop(run, 1, "two")
    done = f"retried already, as message {again}" if first == "retry" else "dropped already"
    assert error == f"refused: dead letter 1 has been {done}"
    assert status(run) == [(1, "dropped" if again is None else "retried", again)]
    assert [type for type, _ in run.told("b")].count("dead-letter") == 1
    assert run.query("SELECT count(*) FROM messages") == [(1 if again is None else 2,)]


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        ("UPDATE dead_letters SET message = NULL", "it was an init"),
        ("DELETE FROM blobs", "its content is not in the log"),
    ],
)
def test_without_a_message_there_is_nothing_to_retry(
    tmp_path: Path, damage: str, error: str
) -> None:
    run = Logged(tmp_path, order("b", max_deliveries=1))
    run.start("b")
    set_aside(run, "b", b"x" * 5000)
    run.db.execute(damage)
    assert retry(run, 1) == (0, f"refused: dead letter 1 has no message: {error}")
    assert drop(run, 1) is None


# Dropped


@pytest.mark.parametrize("name", ["nobody", "b", "gone"])
def test_what_is_decided_is_in_the_chain_of_whom_it_was_for_or_the_root_supervisors(
    tmp_path: Path, name: str
) -> None:
    run = Logged(tmp_path, order("a"), order("b", max_deliveries=1), order("gone"))
    a = run.start("a")
    run.remove("gone")
    if name == "b":
        run.start("b")
        set_aside(run, "b", b"bad")
    else:
        send(run, "a", b"go")
        turn(a, (name, b"hello"))
        run.write()
    assert drop(run, 1) is None
    assert status(run) == [(1, "dropped", None)]
    payload = {"id": 1, "decision": "dropped"}
    where, also = ("b", {}) if name == "b" else ("/", {"subject": name})
    assert run.told(where)[-1] == ("dead-letter", {**payload, **also})


def test_the_view_shows_what_was_set_aside(tmp_path: Path) -> None:
    run = Logged(tmp_path, order("b", max_deliveries=1))
    run.start("b")
    set_aside(run, "b", b"bad")
    reason = "killed by SIGKILL, delivered 1 times"
    expected = (1, "b", "client", "send", 3, "open", None, 2, reason, "bad")
    columns = "id, actor, sender, kind, size, status, again, turn, reason, body"
    assert run.query(f"SELECT {columns} FROM dead") == [expected]


# By the client's endpoint


def make_letters(broker: System, count: int) -> zmq.Socket[bytes]:
    """Dead letters for b, which is there again and takes messages."""
    broker.tell(("register", [order("b")], [], {}), ("phase", "b", "restarting", ""))
    broker.settle()
    client = broker.connect("clients")
    for number in range(count):
        assert ask(client, "send", f"m{number}", "b", b"%d" % number)[0] == "ok"
    broker.tell(("remove", "b"), ("adopt", [order("b")]), ("phase", "b", "starting", ""))
    assert broker.settle() == {"b": 0}
    log = LogReader(str(broker.path))
    eventually(
        lambda: log.query("SELECT count(*) FROM dead_letters") == [(count,)], "the dead letters"
    )
    log.close()
    return client


def test_a_call_that_comes_twice_is_one_retry(system: System) -> None:  # noqa: F811
    client = make_letters(system, 3)
    for _ in range(3):  # before the commit, if they arrive together
        client.send(wire.pack(("retry", "r1", 1)))
    first = wire.unpack(client.recv())
    assert first == ["ok", "r1", 4]
    assert ask(client, "retry", "r1", 1) == first
    while client.poll(50):
        assert wire.unpack(client.recv()) == first
    assert ask(client, "drop", "d2", 2) == ask(client, "drop", "d2", 2) == ["ok", "d2", 2]
    assert system.settle() == {"b": 1}
    already = "refused: dead letter 1 has been retried already, as message 4"
    assert ask(client, "retry", "r2", 1) == ["error", "r2", already]
    reused = "refused: id r1 was for dead letter 1, which was retried"
    assert ask(client, "retry", "r1", 3) == ask(client, "drop", "r1", 1) == ["error", "r1", reused]
    with sqlite3.connect(system.path) as db:
        rows = db.execute("SELECT id, status, again, client FROM dead_letters").fetchall()
    assert rows == [(1, "retried", 4, "r1"), (2, "dropped", None, "d2"), (3, "open", None, None)]


@pytest.mark.parametrize("number", [0, -1, 1 << 63, True, "1", None, 1.0])
def test_what_is_no_number_of_a_letter_is_refused(system: System, number: Any) -> None:  # noqa: F811
    client = make_letters(system, 1)
    error = "refused: retry is not about the number of a dead letter"
    assert ask(client, "retry", "r", number) == ["error", None, error]
    assert ask(client, "drop", "d", 2) == ["error", "d", "refused: there is no dead letter 2"]
    assert ask(client, "drop", "d", 1) == ["ok", "d", 1]
