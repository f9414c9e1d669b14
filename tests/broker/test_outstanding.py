"""Requests that are answered later: each has one answer, whatever happens to whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.broker.logged import order
from tests.broker.pretend import PretendedWorker, answers, commit, told
from tests.broker.whole import Whole, end_too_late, give, up
from theater.broker import outstanding
from theater.broker.step import BadStep

A1 = "a:2:1"  # what a asks first


def put_off(system: Whole, *askers: str) -> PretendedWorker:
    """Each of them asks b, which has received it and answers later."""
    b = system.workers["b"]
    for name in askers:
        give(system, name).request("b", b"?")
        system.step()
        b.begin()
        b.end(None, reply=None)
        system.step()
    return b


def statuses(system: Whole) -> list[tuple[int, str]]:
    """Of all requests to b."""
    sql = "SELECT id, status FROM messages WHERE to_name = 'b' AND kind = 'request'"
    return system.query(sql)


def finish(system: Whole, asker: str) -> None:
    """Its ask has been answered, and its turn ends."""
    system.workers[asker].answered()
    system.workers[asker].end(None)
    system.step()


def test_a_request_is_outstanding_until_it_is_answered(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    b = put_off(system, "a")
    assert outstanding.known(b.actor) == [A1]
    assert [row[1] for row in statuses(system)] == ["outstanding"]
    assert answers(system.turns) == [] and system.actor("a").current is not None
    give(system, "b").respond(A1, b"later")
    b.end(None)
    assert answers(system.turns) == [("a", 2, {"ok": b"later"})]
    system.step()
    assert outstanding.known(b.actor) == [] and [row[1] for row in statuses(system)] == ["done"]
    finish(system, "a")
    assert system.problems() == []


def test_a_cancelled_request_is_an_error_for_its_asker(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    b = put_off(system, "a")
    give(system, "b").cancel(A1)
    b.end(None)
    text = "cancelled: b has cancelled the request"
    assert answers(system.turns) == [("a", 2, {"err": text})]
    finish(system, "a")
    assert system.problems() == []


@pytest.mark.parametrize("function", ["respond", "cancel"])
@pytest.mark.parametrize("kind", ["actor", "client"])
def test_the_first_answer_counts_and_a_reply_after_it_is_dropped(
    tmp_path: Path, function: str, kind: str
) -> None:
    system = up(tmp_path, "a", "b")
    b = system.workers["b"]
    if kind == "actor":
        give(system, "a").request("b", b"?")
        system.step()
        id = A1
        b.begin()
    else:
        give(system, "b", kind="request")
        id = "client:1"
    if function == "respond":
        b.respond(id, b"first")
        b.respond(id, b"second")
    else:
        b.cancel(id)
    b.end(None, reply=b"third")
    system.step()
    value: dict[str, Any] = {"ok": b"first"}
    if function == "cancel":
        value = {"err": "cancelled: b has cancelled the request"}
    if kind == "actor":
        event = system.chain("a")[-1]
        assert (event.type, event.payload) == ("host-answer", [value])
        finish(system, "a")
    else:
        assert system.to_clients() == {"id-1": value}
    late = system.query("SELECT value FROM counters WHERE name = 'late_answers'")
    assert late == [(2 if function == "respond" else 1,)]
    assert outstanding.known(b.actor) == [] and system.problems() == []


def test_an_answer_leaves_with_its_step_while_the_turn_goes_on(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b", "c")
    b = give(system, "b", kind="request")
    b.respond("client:1", b"early")
    b.request("c", b"?")
    system.step()
    assert system.to_clients() == {"id-1": {"ok": b"early"}}
    assert outstanding.known(b.actor) == [] and system.problems() == []
    system.fail("b")  # the turn is set aside, and its client has its answer
    assert system.to_clients() == {}
    assert system.query("SELECT count(*) FROM dead_letters") == [(1,)]
    system.turns.time_out(1000.0)
    system.step()
    assert system.problems() == []


def test_when_the_asker_does_not_wait_any_more_the_worker_is_told(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b", "c")
    b = put_off(system, "a", "c")
    system.turns.time_out(5.0)
    assert [each[:2] for each in answers(system.turns)] == [("a", 2), ("c", 2)]
    assert told(system.turns, "b", "settled") == [("settled", A1), ("settled", "c:2:1")]
    system.step()
    assert outstanding.known(b.actor) == [] and system.problems() == []
    give(system, "b").respond(A1, b"too late")  # it has not heard of it yet
    b.end(None)
    system.step()
    assert system.query("SELECT value FROM counters WHERE name = 'late_answers'") == [(1,)]
    finish(system, "a")
    finish(system, "c")
    assert system.problems() == []


def test_one_whose_asker_is_gone_when_the_turn_ends_is_not_outstanding(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    give(system, "a").request("b", b"?")
    system.step()
    end_too_late(system, "b", reply=None)
    assert told(system.turns, "b", "settled") == [("settled", A1)]
    system.step()
    assert outstanding.known(system.actor("b")) == [] and system.problems() == []


def test_an_asker_whose_turn_is_set_aside_waits_no_more(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    b = put_off(system, "a")
    system.fail("a")
    assert outstanding.known(b.actor) == [] and system.problems() == []


def test_a_callee_that_is_removed_answers_nothing_more(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    put_off(system, "a")
    give(system, "b", kind="request")
    system.workers["b"].end(None, reply=None)
    system.step()
    system.kill("b")
    system.remove("b")
    text = "no-actor: b has been removed: deleted"
    assert system.chain("a")[-1].payload == [{"err": text}]
    assert list(system.to_clients().values()) == [{"err": text}]
    finish(system, "a")
    assert system.problems() == []


def test_it_stays_outstanding_when_the_callee_dies_and_when_all_die(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    b = put_off(system)
    give(system, "b", kind="request")
    b.end(None, reply=None)
    system.step()
    system.kill("b")
    assert outstanding.known(system.actor("b")) == ["client:1"]
    system = system.again(order("a"), order("b"))
    assert outstanding.known(system.actor("b")) == ["client:1"]
    b = system.start("b")
    give(system, "b").respond("client:1", b"at last")
    b.end(None)
    system.step()
    assert system.to_clients() == {"id-1": {"ok": b"at last"}}
    assert system.problems() == []


def test_those_of_a_callee_that_is_no_longer_there_are_answered(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    give(system, "b", kind="request")
    system.workers["b"].end(None, reply=None)
    system.step()
    system = system.again(order("a"))
    assert [row[1] for row in statuses(system)] == ["done"]
    (value,) = system.to_clients().values()
    assert value["err"].startswith("no-actor: ")
    assert system.problems() == []


def test_an_asker_whose_callee_is_no_longer_there_hears_of_it_at_once(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    put_off(system, "a")
    system = system.again(order("a"))
    heard = [event.payload for event in system.chain("a") if event.type == "host-answer"]
    assert heard == [[{"err": "no-actor: b has been removed"}]]
    assert system.actor("a").current is not None, "its turn goes on"
    assert system.problems() == []


def test_a_callee_whose_asker_is_no_longer_there_owes_nothing(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b")
    put_off(system, "a")
    system = system.again(order("b"))
    assert outstanding.known(system.actor("b")) == []
    assert [row[1] for row in statuses(system)] == ["done"] and system.problems() == []


# Clients


def test_a_client_that_does_not_wait_any_more_is_forgotten(tmp_path: Path) -> None:
    system = up(tmp_path, "b")
    b = give(system, "b", kind="request")
    b.end(None, reply=None)
    assert system.turns.put_off == [("id-1", "b")]
    system.step()
    outstanding.forget_client(system.turns, "id-1", "timeout: no answer from b within 1 s", 0.0)
    assert told(system.turns, "b", "settled") == [("settled", "client:1")]
    system.step()
    assert outstanding.known(b.actor) == [] and not system.turns.client_requests
    assert system.problems() == []


def test_a_client_that_is_gone_before_the_turn_ends_leaves_nothing_outstanding(
    tmp_path: Path,
) -> None:
    system = up(tmp_path, "b")
    b = give(system, "b", kind="request")
    outstanding.forget_client(system.turns, "id-1", "timeout: ...", 0.0)
    b.end(None, reply=None)
    system.step()
    assert system.to_clients() == {"id-1": {"err": outstanding.NOBODY}}
    assert outstanding.known(b.actor) == [] and not system.turns.gone_clients
    assert system.problems() == []


# What is not believed


def test_a_worker_may_not_answer_what_somebody_else_was_asked(tmp_path: Path) -> None:
    system = up(tmp_path, "a", "b", "c")
    put_off(system, "a")
    c = give(system, "c")
    c.respond(A1, b"mine")
    with pytest.raises(BadStep, match="no request to it"):
        c.end(None)
    give(system, "b").respond("client:99", b"nobody asked")
    system.workers["b"].end(None)  # it may have been one that is settled
    batch = commit(system.turns)
    assert batch.counters == {"late_answers": 1} and answers(system.turns) == []
