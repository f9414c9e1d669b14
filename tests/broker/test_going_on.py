"""Open turns and the log: they go on in the next run, unless their actor is another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgpack
import pytest

from tests.broker.logged import Logged, order
from tests.broker.pretend import PretendedWorker, connect
from tests.broker.test_burial import FAILURE, boxed, event
from theater.broker.burial import Death, bury
from theater.broker.release import Frames
from theater.calls import MESSAGES, RUNTIME
from theater.events import CHAIN_CODE, EventType, decode
from theater.journal import Journal


@pytest.fixture
def system(tmp_path: Path) -> Logged:
    """a has asked b, which has not answered."""
    system = Logged(tmp_path, order("a", initial_state=b"0"), order("b"))
    system.start("a")
    system.start("b")
    system.turns.deliver_from_client("a", b"go", "request", "id-1")
    system.step()
    worker = system.workers["a"]
    worker.begin()
    worker.send("b", b"x" * 5000)
    worker.request("b", b"?")
    system.step()
    return system


def rows(system: Logged, sql: str) -> list[Any]:
    found: list[Any] = system.db.execute(sql).fetchall()
    return found


def end(system: Logged, name: str, reply: bytes | None = None) -> None:
    worker = system.workers[name]
    worker.begin()
    worker.end(b"1", reply)
    system.step()


def test_it_goes_on_in_the_next_run_and_its_ask_is_answered_there(system: Logged) -> None:
    again = system.again(order("a"), order("b"))
    actor = again.turns.actors["a"]
    current = actor.current
    assert current is not None and current.ask is not None
    assert (current.turn, current.step, current.index, current.incarnation) == (2, 1, 3, 1)
    assert (current.ask.callee, current.ask.deadline_s) == ("b", 5.0)
    again.start("b")
    end(again, "b")
    end(again, "b", b"!")
    again.start("a")
    journal = frame(again, "a")[8]
    steps, events, contents, chains = journal
    assert (steps, contents, chains) == (1, [], [])
    assert [decode(data).type for data in events] == [
        *("wasm-call", "host-call", "host-call", "host-answer")
    ]
    assert Journal(map(decode, events)).next_index == 4
    end(again, "a", b"done")
    assert rows(again, "SELECT answer FROM messages WHERE client = 'id-1'")[0][0]
    assert rows(again, "SELECT status FROM turns WHERE turn = 2 AND actor = 2") == [("done",)]
    assert rows(again, "SELECT count(*) FROM dead_letters") == [(0,)]


def frame(system: Logged, name: str) -> tuple[Any, ...]:
    """The first input as it goes to a worker."""
    actor = system.turns.actors[name]
    frames = Frames(system.log, system.turns, 0.0)
    return frames._input(actor, actor.handed[0])


@pytest.mark.parametrize("change", [{"component": "beef"}, {"grants": {"more": {}}}])
def test_with_another_component_it_is_set_aside_and_the_asker_told(
    system: Logged, change: dict[str, Any]
) -> None:
    again = system.again(order("a", **change), order("b"))
    reasons = rows(again, "SELECT reason, turn FROM dead_letters")
    if "component" not in change:
        assert not reasons and again.turns.actors["a"].current is not None
        return
    assert reasons == [("its component has been changed", 2)]
    assert rows(again, "SELECT status FROM asks") == [("abandoned",)]
    (answer,) = rows(again, "SELECT answer FROM messages WHERE client = 'id-1'")[0]
    assert b"failed: a: its component has been changed" in answer
    again.start("b")
    end(again, "b")
    end(again, "b", b"late")
    assert rows(again, "SELECT value FROM counters WHERE name = 'late_answers'") == [(1,)]


def test_an_init_is_begun_anew_with_another_initial_state(tmp_path: Path) -> None:
    system = Logged(tmp_path, order("a", initial_state=b"0"), order("b"))
    worker = begun(system)
    worker.request("b", b"?")
    system.step()
    same = system.again(order("a", initial_state=b"0"), order("b"))
    assert same.turns.actors["a"].current is not None
    other = same.again(order("a", initial_state=b"1"), order("b"))
    actor = other.turns.actors["a"]
    assert actor.current is None and (actor.initialised, actor.next_turn) == (False, 2)
    assert rows(other, "SELECT status FROM turns") == [("failed",)]
    worker = begun(other)
    worker.end(b"1")
    other.step()
    assert rows(other, "SELECT status FROM turns ORDER BY turn") == [("failed",), ("done",)]


def begun(system: Logged) -> Any:
    actor = system.turns.actors["a"]
    connect(actor)
    system.turns.batch.incarnations.append((actor.id, actor.incarnation, None, 0.0))
    worker = system.workers["a"] = PretendedWorker(system.turns, actor)
    worker.take()
    worker.begin()
    return worker


def test_its_message_is_a_dead_letter_when_its_actor_goes(system: Logged) -> None:
    system.kill("a", wanted=True)
    system.remove("a")
    (found,) = rows(system, "SELECT reason, turn FROM dead_letters WHERE actor = 'a'")
    assert found == ("its actor has been removed: deleted", 2)
    assert rows(system, "SELECT status, steps FROM turns WHERE turn = 2") == [("failed", 1)]
    assert rows(system, "SELECT status FROM asks") == [("abandoned",)]


def test_and_when_the_next_manifest_has_it_no_more(system: Logged) -> None:
    again = system.again(order("b"))
    found = rows(
        again,
        "SELECT d.reason, m.turn FROM dead_letters d JOIN messages m ON m.id = d.message"
        " WHERE actor = 'a'",
    )
    assert found == [("no-actor: a has been removed: no longer in the manifest", 2)]
    assert rows(again, "SELECT status, steps FROM turns WHERE turn = 2") == [("failed", 1)]
    assert rows(again, "SELECT status FROM asks") == [("abandoned",)]


def test_a_message_that_traps_is_tried_once_more_even_if_each_instance_runs_init(
    system: Logged,
) -> None:
    system.turns.deliver_from_client("b", b"poison", "send", "id-2")
    system.step()
    end(system, "b")
    end(system, "b", b"!")
    for attempt in (1, 2):
        actor = system.turns.actors["b"]
        turn = actor.handed[0].turn
        actor.ended_turns += 1  # as after an init
        box = boxed(event(turn, 0, "wasm-error", FAILURE))
        bury(system.turns, actor, Death("exit 11", "crash", False), box, 0.0)
        system.step()
        assert len(rows(system, "SELECT id FROM dead_letters")) == attempt - 1
        system.start("b")


def test_a_death_that_nobody_saw_is_judged_once_however_often_the_next_run_is_killed(
    system: Logged,
) -> None:
    again = system.again(order("a"), order("b"))
    for _ in range(2):
        again = again.again(order("a"), order("b"))
    waiting = rows(again, "SELECT deliveries FROM turns WHERE turn = 2 AND status = 'open'")
    assert waiting == [(0,)], "it only waited for an answer, and had no part in it"
    assert [type for type, _ in again.told("a")].count("exited") == 1
    assert rows(again, "SELECT count(*) FROM incarnations WHERE ended_at IS NULL") == [(0,)]


HOSTILE = msgpack.ExtType(CHAIN_CODE, b"nowhere")


@pytest.mark.parametrize(
    "call",
    [
        (RUNTIME, "shutdown", [[None], 5]),
        (RUNTIME, "shutdown", [[None], "ok"]),
        (MESSAGES, "respond-to-request", [5, None]),
        (MESSAGES, "cancel-request", [["x"], ["ok"]]),
        (RUNTIME, "get-chain", [[], {"err": "no"}]),
        (RUNTIME, "log", [["x"], HOSTILE]),
    ],
)
def test_whatever_a_worker_had_committed_the_next_broker_can_read(
    tmp_path: Path, call: tuple[Any, ...]
) -> None:
    system = Logged(tmp_path, order("a"), order("b"))
    worker = system.start("a")
    system.turns.deliver_from_client("a", b"go", "request", "id-1")
    system.step()
    worker.begin().add(EventType.HOST_CALL, *call)
    worker.request("b", b"?")
    system.step()
    again = system.again(order("a"), order("b"))
    current = again.turns.actors["a"].current
    assert current is not None and not current.shutdown
    again.start("a")
    assert len(frame(again, "a")[8][1]) == 4


def test_one_that_shuts_down_at_the_end_of_a_turn_of_another_is_not_taken_for_a_crash(
    tmp_path: Path,
) -> None:
    system = Logged(tmp_path, order("a"), order("b"))
    worker = system.start("a")
    system.turns.deliver_from_client("a", b"go", "send", "id-1")
    system.step()
    worker.begin()
    worker.shutdown()
    worker.request("nobody", b"?")
    system.step()
    system.kill("a")
    worker = system.start("a")
    worker.begin()
    worker.end(b"1")
    system.write()
    living = [("a", worker.actor.incarnation, b"", None)]
    again = Logged(tmp_path, order("a"), order("b"), db=system.db, living=living)
    assert again.actor("a").shut_down and not again.actor("a").ignored


def test_the_time_of_a_request_goes_on_but_stands_still_while_the_system_is_down(
    tmp_path: Path,
) -> None:
    system = Logged(tmp_path, order("a"), order("b"))
    system.turns.at = 100.0
    system.start("a")
    system.start("b")
    system.turns.deliver_from_client("a", b"go", "send", "id-1")
    system.step()
    worker = system.workers["a"]
    worker.begin()
    worker.request("b", b"?")
    system.step()
    system.turns.at = 103.0
    system.kill("b", wanted=True)
    again = system.again(order("a", request_timeout_s=60.0), order("b"))
    current = again.turns.actors["a"].current
    assert current is not None and current.ask is not None
    assert current.ask.deadline_s == 2.0, "3 of 5 seconds are over, whatever was asked since"
    again.turns.at = 900.0
    again.db.execute("UPDATE incarnations SET started_at = 899.0 WHERE actor = 2")
    again.step()
    third = again.again(order("a"), order("b"))
    current = third.turns.actors["a"].current
    assert current is not None and current.ask is not None
    assert current.ask.deadline_s == 5.0, "it was not waited for in between"
