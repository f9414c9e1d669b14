"""Dead letters of real systems: read with everything down, retried once, whatever dies."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any

import pytest

from tests.real.conftest import Theater, actor
from tests.waiting import eventually
from theater import wire
from theater.client import LogReader, System
from theater.client.dead import dead_letter, dead_letters
from theater.errors import NotDelivered, TheaterError

GATE = actor("gate", "gate.wat", extra="restart = 'permanent'\n")
LIMITS = "intensity = 100\nperiod = 1\n"


def letters(system: System, count: int) -> list[int]:
    """The numbers of the open ones, when there are so many."""
    found = eventually(
        lambda: (rows := system.dead_letters()) and len(rows) == count and rows,
        f"{count} dead letters",
    )
    return [each.id for each in found]


def runs(system: System, name: str = "gate") -> None:
    system.wait_status(name, "running")


def decided(system: System) -> list[Any]:
    return [row.event.payload for row in system.log.events() if row.event.type == "dead-letter"]


def test_what_failed_is_shown_and_succeeds_when_the_actor_is_able(theater: Theater) -> None:
    system = theater.up(GATE, actor("probe"), head=f"[supervisor]\n{LIMITS}")
    system.send("probe", b"send gate one,")
    (id,) = letters(system, 1)
    report = system.dead_letter(id)
    letter = report.letter
    assert (letter.actor, letter.kind, letter.sender, letter.size) == ("gate", "send", "probe", 4)
    assert letter.reason == "trap: wasm `unreachable` instruction executed"
    assert (letter.turn, report.incarnation, report.steps) == (2, 2, 0)
    assert (report.body, report.state, report.committed) == (b"one,", None, ())
    _, attempt = report.attempts  # the first was not its instance's first turn
    assert [event.function for event in attempt.events] == ["handle-send", "failed"]
    assert attempt.failure is not None
    assert attempt.failure["backtrace"] == ["Gate!shut", "Gate!take", "Gate!handle-send"]
    # Still shut: it is set aside once more, as another one.
    first = system.retry_dead(id)
    (second,) = letters(system, 1)
    letter = system.dead_letter(id).letter
    assert letter.again is not None and letter.again.dead_letter == second
    assert letter.again.message == first
    runs(system)
    system.send("gate", b"open:")
    system.send("gate", b"two,")
    again = system.retry_dead(second)
    with pytest.raises(NotDelivered, match=f"refused: .* retried already, as message {again}"):
        system.retry_dead(second)
    assert system.request("gate", b".") == b"open:two,one,."
    last = system.dead_letter(second).letter.again
    assert last is not None and (last.status, last.dead_letter) == ("done", None)
    assert system.dead_letters() == [] and len(system.dead_letters(decided=True)) == 2
    assert decided(system) == [
        {"id": id, "decision": "retried", "message": first},
        {"id": second, "decision": "retried", "message": again},
    ]
    theater.note(system)


def test_retried_requests_are_handled_in_their_order_and_nobody_is_answered(
    theater: Theater,
) -> None:
    system = theater.up(GATE, actor("probe"), head=f"[supervisor]\n{LIMITS}")
    assert system.request("probe", b"request gate one,").startswith(b"err: failed: gate: trap")
    with pytest.raises(NotDelivered, match="failed: gate: trap"):
        system.request("gate", b"two,")
    ids = letters(system, 2)
    runs(system)
    system.send("gate", b"open:")
    for id in ids:
        system.retry_dead(id)
    assert system.request("gate", b".") == b"open:one,two,."
    query = "SELECT value FROM counters WHERE name = 'late_answers'"
    assert eventually(lambda: system.log.query(query), "the late answers") == [(2,)]
    assert system.request("probe", b"echo on") == b"on"
    theater.note(system)


def test_a_call_that_comes_again_is_one_retry_also_for_the_next_broker(theater: Theater) -> None:
    system = theater.up(GATE, head=f"[supervisor]\n{LIMITS}")
    system.send("gate", b"one,")
    (id,) = letters(system, 1)
    runs(system)
    system.send("gate", b"open:")
    endpoint = system._endpoint
    frame = wire.pack(("retry", "a-call", id))

    def call() -> list[Any]:
        reply = None
        while reply is None or reply[1] != "a-call":
            endpoint._socket.send(frame)
            reply = endpoint._receive(2.0)
        return reply

    first = call()
    assert first[0] == "ok"
    assert call() == first
    broker = system.info()["helpers"]["broker"]
    os.kill(broker, signal.SIGKILL)
    eventually(lambda: system.info()["helpers"]["broker"] not in (broker, None), "the next broker")
    assert call() == first
    assert system.request("gate", b".") == b"open:one,."
    assert len(decided(system)) == 1
    theater.note(system)


def test_who_is_stopped_or_gone_gets_nothing_until_it_is_there_again(theater: Theater) -> None:
    system = theater.up(GATE, actor("probe"), head=f"[supervisor]\n{LIMITS}")
    system.send("gate", b"one,")
    system.send("probe", b"send nobody hi")
    ids = letters(system, 2)
    gate, nobody = sorted(ids, key=lambda id: system.dead_letter(id).letter.actor)
    with pytest.raises(NotDelivered, match='no-actor: there is no actor "nobody"'):
        system.retry_dead(nobody)
    runs(system)
    system.stop("gate")
    with pytest.raises(NotDelivered, match="stopped: gate is stopped"):
        system.retry_dead(gate)
    system.delete_child("gate")
    removed = "SELECT 1 FROM actors WHERE name = 'gate' AND removed_at IS NOT NULL"
    eventually(lambda: system.log.query(removed), "the broker to hear of it")
    with pytest.raises(NotDelivered, match='no-actor: there is no actor "gate"'):
        system.retry_dead(gate)
    assert letters(system, 2) == ids
    system.drop_dead(nobody)
    with pytest.raises(NotDelivered, match=r"refused: .* dropped already"):
        system.retry_dead(nobody)
    with pytest.raises(NotDelivered, match="refused: there is no dead letter 99"):
        system.drop_dead(99)
    assert letters(system, 1) == [gate]
    system.reload()
    runs(system)
    system.send("gate", b"open:")
    system.retry_dead(gate)
    assert system.request("gate", b".") == b"open:one,."
    theater.note(system)


def test_all_of_it_is_read_while_the_system_is_down_and_retried_by_the_next(
    theater: Theater,
) -> None:
    system = theater.up(GATE, actor("probe"), head=f"[supervisor]\n{LIMITS}")
    system.send("probe", b"request gate one,\ntrap")
    ids = letters(system, 2)
    theater.note(system)
    before = [system.dead_letter(id) for id in ids]
    system.close()
    log = LogReader(str(theater.data / "chain.db"))
    assert [each.id for each in dead_letters(log)] == ids
    assert dead_letters(log, ["gate"]) == [before[0].letter]
    assert [dead_letter(log, id) for id in ids] == before
    with pytest.raises(TheaterError, match="there is no dead letter 77"):
        dead_letter(log, 77)
    log.close()
    probe = before[1]
    assert (probe.letter.actor, probe.steps) == ("probe", 1)
    functions = [(row.event.type, row.event.function) for row in probe.committed]
    assert functions == [
        ("wasm-call", "handle-send"),
        ("host-call", "request"),
        ("host-answer", "request"),
    ]
    assert [event.index for event in probe.attempts[0].events] == [3, 4]
    again = theater.up()
    again.send("gate", b"open:")
    again.retry_dead(ids[0])
    assert again.request("gate", b".") == b"open:one,."
    theater.note(again)


def test_a_retry_is_there_once_or_not_at_all_whenever_all_is_killed(theater: Theater) -> None:
    system = theater.up(GATE, head=f"[supervisor]\n{LIMITS}")
    system.send("gate", b"one,")
    (id,) = letters(system, 1)
    runs(system)
    system.send("gate", b"open:")
    endpoint = system._endpoint
    endpoint._socket.send(wire.pack(("retry", "a-call", id)))
    theater.note(system)
    os.kill(system.info()["pid"], signal.SIGKILL)
    with contextlib.suppress(Exception):
        system.close()
    again = theater.up()
    with contextlib.suppress(NotDelivered):
        again.retry_dead(id)
    assert again.request("gate", b".") == b"open:one,."
    theater.note(again)
