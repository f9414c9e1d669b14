"""Loops of real packages: other messages come in between, and nothing that dies loses a round."""

from __future__ import annotations

import os
import signal
import struct

import pytest

from tests.real.conftest import Theater, actor, kill_everything, kill_worker
from tests.real.test_broker_dies import kill_broker
from tests.waiting import eventually
from theater.client import System
from theater.errors import NotDelivered
from theater.pack.codec import decode

HEAD = "[supervisor]\nintensity = 1000\n"
NEVER = 0  # the number of a round that never comes


def looper(name: str = "a", extra: str = "") -> str:
    return actor(name, "pack-loop.wat", extra=extra) + '\n[[child.handler]]\ntype = "loop"\n'


def at(number: int, last: int, letter: bytes = b".") -> bytes:
    """A loop state: see pack-loop.wat."""
    return struct.pack("<II", number, last) + letter


def start(system: System, last: int, letter: bytes = b".") -> None:
    assert system.request("a", b"s" + at(0, last, letter)) == b""


def state(system: System) -> tuple[int, bytes]:
    """How many rounds the actor has counted, and what it was sent."""
    encoded = system.log.state("a")
    value = b"\0\0\0\0" if encoded is None else decode(encoded)
    assert isinstance(value, bytes)
    return struct.unpack("<I", value[:4])[0], value[4:]


def count(system: System) -> int:
    return state(system)[0]


def reached(system: System, number: int) -> None:
    eventually(lambda: count(system) >= number, f"round {number}")


def rounds(system: System, *statuses: str) -> list[int]:
    """The numbers of the rounds with one of these statuses, the oldest first; of all, if none is
    named."""
    found = system.log.query(
        "SELECT m.body, m.status FROM messages m WHERE m.kind = 'loop' ORDER BY m.id"
    )
    return [
        struct.unpack("<I", body[:4])[0]
        for body, status in found
        if not statuses or status in statuses
    ]


def is_over(system: System) -> bool:
    return not rounds(system, "queued")


def test_a_loop_goes_on_until_it_answers_err_and_messages_come_in_between(theater: Theater) -> None:
    system = theater.up(looper())
    start(system, NEVER)
    before = struct.unpack("<I", system.request("a", b"g")[:4])[0]
    system.send_many("a", [b"x"] * 20)
    reached(system, before + 20)
    assert state(system)[1] == b"x" * 20
    assert system.request("a", b"x") == b""
    stopped = count(system)
    assert is_over(system) and rounds(system, "done") == list(range(stopped))
    start(system, 50)
    eventually(lambda: is_over(system), "the last round")
    assert count(system) == 50 and rounds(system, "done")[stopped:] == list(range(50))
    (result,) = system.log.query(
        "SELECT bytes FROM events WHERE function = 'loop' AND type = 'wasm-result'"
        " ORDER BY seq DESC LIMIT 1"
    )[0]
    assert b"\xa3err\xa4done" in result


@pytest.mark.parametrize("letter", [b"r", b"n", b"x"])
def test_a_loop_ends_that_is_stopped_or_says_nothing_of_a_next_round(
    theater: Theater, letter: bytes
) -> None:
    system = theater.up(looper())
    start(system, 3, letter)
    eventually(lambda: is_over(system), "the last round")
    assert rounds(system, "done") == [0, 1, 2] == rounds(system)
    assert system.actor("a")["incarnation"] == 1


def test_a_loop_that_is_started_anew_takes_the_place_of_the_one_there_was(
    theater: Theater,
) -> None:
    system = theater.up(looper())
    start(system, NEVER)
    reached(system, 5)
    start(system, 5, b"s")
    reached(system, 10)
    system.request("a", b"x")
    assert len(rounds(system, "cleared")) in (1, 2) and is_over(system)


def test_kills_in_the_midst_of_a_loop_lose_no_round_and_double_none(theater: Theater) -> None:
    system = theater.up(looper(), actor("b"), head=HEAD)
    start(system, 400, b"q")
    for number in range(8):
        reached(system, (number + 1) * 20)
        match number % 4:
            case 0 | 1:
                kill_worker(system, "a")
            case 2:
                kill_broker(system)
            case 3:
                kill_worker(system, "b")
    eventually(lambda: is_over(system), "the last round")
    assert count(system) == 400
    assert rounds(system, "done") == list(range(400)) == rounds(system)
    # Of each round b was asked once, whoever died meanwhile.
    assert system.log.state("b") == b"." * 400
    theater.note(system)


def test_a_loop_goes_on_when_the_system_does(theater: Theater) -> None:
    system = theater.up(looper(), head=HEAD)
    start(system, NEVER)
    reached(system, 10)
    kill_everything(system)
    system = theater.up()
    reached(system, count(system) + 10)
    system.stop("a")
    system.wait_status("a", "stopped")
    stopped = count(system)
    assert rounds(system, "queued") == [stopped]
    system.close()  # as `theater down` does
    system = theater.up()
    reached(system, stopped + 10)
    system.request("a", b"x")
    assert rounds(system, "done") == list(range(count(system)))
    assert rounds(system, "cleared") == [count(system)]


def test_a_round_that_is_set_aside_has_ended_the_loop_until_it_is_retried(
    theater: Theater,
) -> None:
    system = theater.up(looper(), head=HEAD)
    start(system, 3, b"f")
    (letter,) = eventually(lambda: system.dead_letters("a"), "the dead letter")
    assert (letter.kind, letter.sender) == ("loop", "a") and letter.size == 9
    system.wait_status("a", "running")
    assert is_over(system) and count(system) == 2
    # What it could not do it can now: it has been sent a message.
    system.send("a", b"!")
    system.retry_dead(letter.id)
    reached(system, 10)
    assert rounds(system, "dead") == [2] and rounds(system, "done")[:4] == [0, 1, 2, 3]

    # There is a loop now.
    start(system, 3, b"e")
    (second,) = eventually(lambda: system.dead_letters("a"), "the other one")
    start(system, NEVER)
    with pytest.raises(NotDelivered, match="refused: a has another loop"):
        system.retry_dead(second.id)
    system.request("a", b"x")


def test_a_panic_in_a_round_ends_with_its_fuel(theater: Theater) -> None:
    system = theater.up(looper(extra="[child.limits]\nfuel = 20_000_000\n"), head=HEAD)
    start(system, 2, b"!")
    (letter,) = eventually(lambda: system.dead_letters("a"), "the dead letter")
    assert "a Pack guest's panic is an endless loop" in letter.reason
    system.wait_status("a", "running")
    assert count(system) == 1


def test_a_loop_that_was_stopped_in_an_open_turn_is_not_there_in_the_next_run(
    theater: Theater,
) -> None:
    patient = "request_timeout = 600\n"
    system = theater.up(looper(extra=patient), actor("b"), head=HEAD)
    os.kill(system.actor("b")["pid"], signal.SIGSTOP)
    start(system, 2, b"k")
    open_asks = "SELECT 1 FROM asks WHERE status = 'open'"
    eventually(lambda: system.log.query(open_asks), "it to ask")
    kill_everything(system)
    system = theater.up()
    eventually(lambda: is_over(system), "the round to end")
    assert system.request("a", b"g") == struct.pack("<I", 2)
    assert rounds(system) == [0, 1] and system.log.state("b") == b"."


def test_an_actor_that_begins_anew_has_no_loop(theater: Theater) -> None:
    system = theater.up(looper(extra='on_restart = "init"\n'), head=HEAD)
    start(system, NEVER)
    reached(system, 5)
    kill_worker(system, "a")
    assert system.request("a", b"g") == struct.pack("<I", 0)
    assert is_over(system)


def test_a_loop_needs_a_grant(theater: Theater) -> None:
    theater.write(actor("a", "pack-loop.wat"))
    with pytest.raises(Exception, match="imports theater:simple/loop, which the manifest does not"):
        theater.up()
