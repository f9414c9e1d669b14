"""An actor begins anew: what is left of it, and that it is so whoever dies meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker.logged import order
from tests.broker.pretend import PretendedWorker
from tests.broker.test_members import begun, send, turn
from tests.broker.whole import Whole
from theater.events import content_hash

FIRST = b"as on the first day"


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Whole]:
    """`a` has gone on to another state than its first; `b` is only there."""
    system = Whole(tmp_path, order("a", initial_state=FIRST), order("b"))
    a = system.start("a")
    system.start("b")
    send(system, "a", b"go on")
    turn(a)
    system.step()
    assert system.actor("a").state == content_hash(b"state of a")
    yield system
    system.step()
    assert system.problems() == []


def init(worker: PretendedWorker, state: bytes) -> None:
    worker.begin()
    worker.end(state)
    worker.take()


def calls(system: Whole, name: str) -> list[tuple[int, str]]:
    """(turn, function) of what it was called with."""
    return [(e.turn, e.function) for e in system.chain(name) if e.type == "wasm-call"]


def anew(system: Whole, name: str) -> list[object]:
    return [payload for type, payload in system.told(name) if type == "reinitialised"]


def test_its_next_turn_is_init_with_the_initial_state_and_its_mailbox_stays(
    system: Whole,
) -> None:
    system.kill("a")
    send(system, "a", b"meanwhile")
    worker = system.expect("a", "on_restart")
    assert worker.inputs[0][2:7] == ("init", 0, None, "", FIRST)
    assert anew(system, "a") == [{"reason": "on_restart"}]
    assert system.query("SELECT initialised FROM actors WHERE name = 'a'") == [(0,)]
    init(worker, b"another beginning")
    system.step()
    assert system.actor("a").state == content_hash(b"another beginning")
    assert system.query("SELECT initialised FROM actors WHERE name = 'a'") == [(1,)]
    worker.begin()
    worker.end(b"and so on")
    system.step()
    assert calls(system, "a")[1:] == [(2, "handle-send"), (3, "init"), (4, "handle-send")]


def test_one_that_resumes_is_never_initialised_again(system: Whole) -> None:
    system.kill("a")
    assert system.expect("a").inputs == []
    assert system.actor("a").state == content_hash(b"state of a")


def test_where_init_comes_next_anyway_nothing_is_said(tmp_path: Path) -> None:
    system = Whole(tmp_path, order("a"))
    for _ in range(2):
        assert system.expect("a", "on_restart").inputs[0][1:3] == (1, "init")
        system.kill("a")
    assert anew(system, "a") == []


@pytest.mark.parametrize("whole_system", [False, True])
def test_if_it_dies_before_that_has_committed_the_next_does_it_also_if_it_would_resume(
    system: Whole, whole_system: bool
) -> None:
    system.kill("a")
    system.expect("a", "operator")
    if whole_system:
        system = system.again(order("a", initial_state=FIRST), order("b"))
    else:
        system.kill("a", begun(system, "a"))
    worker = system.expect("a")
    assert worker.inputs[0][1:3] == (3, "init")
    init(worker, b"another beginning")
    system.step()
    assert len(anew(system, "a")) == 1
    system.kill("a")
    assert system.expect("a").inputs == []


@pytest.mark.parametrize("again", [False, True])
def test_a_message_that_kills_is_counted_on_under_its_new_number(
    system: Whole, again: bool
) -> None:
    id, _ = send(system, "a", b"poison")
    for _ in range(2):
        system.workers["a"].take()
        system.kill("a", begun(system, "a"))
        if again:
            system = system.again(order("a", initial_state=FIRST), order("b"))
        init(system.expect("a", "on_restart"), b"anew")
        system.step()
    assert system.actor("a").handed[0].turn == 7
    system.kill("a", begun(system, "a"))
    reason = "killed by SIGKILL, delivered 3 times"
    assert system.query("SELECT message, turn, reason FROM dead_letters") == [(id, 7, reason)]
    assert system.query("SELECT turn, message, status, deliveries FROM turns WHERE turn > 2") == [
        (3, id, "renumbered", 1),
        (4, None, "done", 0),
        (5, id, "renumbered", 2),
        (6, None, "done", 0),
        (7, id, "failed", 3),
    ]


def test_an_open_turn_is_set_aside_and_whoever_asked_is_told(system: Whole) -> None:
    id, _ = send(system, "a", b"a question", "request")
    send(system, "a", b"meanwhile")
    system.workers["a"].take()
    system.workers["a"].begin()
    system.workers["a"].request("b", b"another question")
    system.step()
    system.kill("a")
    assert system.actor("a").current is not None
    worker = system.expect("a", "operator")
    reason = "interrupted: its actor began anew"
    assert system.to_clients() == {f"id-{id}": {"err": f"failed: a: {reason}"}}
    assert system.query("SELECT message, turn, reason FROM dead_letters") == [(id, 3, reason)]
    assert system.query("SELECT status FROM asks") == [("abandoned",)]
    assert worker.inputs[0][1:3] == (4, "init")
    init(worker, b"anew")
    assert [each[1] for each in worker.inputs] == [5], "what had waited"


def test_an_init_that_is_open_is_begun_once_more(tmp_path: Path) -> None:
    """With `on_restart = "init"` nothing of it is carried on."""
    system = Whole(tmp_path, order("a", initial_state=FIRST), order("b"))
    worker = system.expect("a", "on_restart")
    worker.begin()
    worker.request("b", b"a question")
    system.step()
    system.kill("a")
    assert system.expect("a", "on_restart").inputs[0][1:3] == (2, "init")
    assert anew(system, "a") == [{"reason": "on_restart"}]
    assert system.query("SELECT turn, status FROM turns") == [(1, "failed")]
    assert system.problems() == []


def test_what_it_owed_is_answered_with_an_error_and_its_channels_are_closed(
    system: Whole,
) -> None:
    send(system, "b", b"go")
    b = system.workers["b"]
    b.take()
    b.begin()
    b.request("a", b"a question")
    system.step()
    a = system.workers["a"]
    a.begin()
    a.end(b"put off", reply=None)
    system.step()
    send(system, "b", b"go on")
    assert system.actor("a").outstanding
    system.kill("a")
    system.expect("a", "operator")
    b.answered()
    b.end(None)
    system.step()
    (answer,) = [e.payload for e in system.chain("b") if e.type == "host-answer"]
    assert answer == [{"err": "interrupted: a began anew"}]
    assert not system.actor("a").outstanding
    b.take()
    b.begin()
    b.open("a", b"hello")
    system.step()
    a = system.workers["a"]
    init(a, b"anew")
    a.begin()
    a.end(b"accepted")
    system.step()
    b.answered()
    b.end(None)
    system.step()
    assert system.actor("a").channels
    system.kill("a")
    system.expect("a", "operator")
    assert not system.actor("a").channels
    assert [each[2] for each in b.inputs] == ["channel-close"]


def test_one_that_is_removed_then_leaves_no_turn_that_never_was(system: Whole) -> None:
    id, _ = send(system, "a", b"poison")
    system.workers["a"].take()
    system.kill("a", begun(system, "a"))
    system.expect("a", "on_restart")
    system.kill("a")
    system.remove("a")
    assert system.query("SELECT turn, status FROM turns WHERE turn > 2") == [(3, "renumbered")]
    assert system.query(f"SELECT status, turn FROM messages WHERE id = {id}") == [("dead", None)]


def test_the_initial_state_is_the_one_of_now(system: Whole) -> None:
    system.kill("a")
    system.adopt(order("a", initial_state=b"newer"))
    assert "changed" not in [type for type, _ in system.told("a")], "nobody needs it yet"
    worker = system.expect("a", "operator")
    assert worker.inputs[0][6] == b"newer"
    told = system.told("a")
    assert [type for type, _ in told[-3:]] == ["changed", "reinitialised", "started"]
    assert told[-3][1]["initial_state"] == content_hash(b"newer")
    assert system.log.blob(content_hash(b"newer")) == b"newer"


def test_a_broker_that_had_not_written_it_down_is_followed_by_one_that_does(
    system: Whole,
) -> None:
    """Root tells the next one of the incarnation, and that it begins anew."""
    system.kill("a")
    incarnation = system.actor("a").incarnation + 1
    living = [("a", incarnation, b"secret", None, "on_restart")]
    orders = (order("a", initial_state=FIRST), order("b"))
    for _ in range(2):  # and the next one knows that it is done
        system = Whole(system.directory, *orders, db=system.db, living=living)
        actor = system.actor("a")
        assert (actor.initialised, actor.incarnation, actor.live) == (False, incarnation, True)
        told = [type for type, _ in system.told("a")]
        assert told[-2:] == ["reinitialised", "started"]
    assert len(anew(system, "a")) == 1
