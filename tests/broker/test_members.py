"""Actors come, change, go and come back while others run; by cases and by random histories."""

from __future__ import annotations

import random
import sqlite3
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.broker.logged import Logged, order, supervisor
from tests.broker.pretend import PretendedWorker, answers
from tests.broker.test_migration import STATE, make_v1
from theater.broker.mailbox import WINDOW
from theater.events import content_hash, encode

SMALL = {"max_messages": 2}
FACTS: dict[str, Any] = {
    "component": "c0ffee",
    "engine": {"fuel": True},
    "grants": {"message-server": {}, "loop": {}},
    "limits": {"fuel": 1000},
    "initial_state": None,
}


def begun(system: Logged, name: str) -> bytes:
    """The black box of a worker that has begun the turn it was handed."""
    actor = system.actor(name)
    event = encode(name, actor.incarnation, actor.handed[0].turn, 0, "wasm-call", "i", "f", None)
    return struct.pack("<I", len(event)) + event


def send(system: Logged, name: str, body: bytes, kind: str = "send") -> tuple[int, str | None]:
    client = f"id-{system.turns.next_message}"
    return system.turns.deliver_from_client(name, body, kind, client)


def turn(worker: PretendedWorker, *sends: tuple[str, bytes]) -> None:
    worker.take()
    worker.begin()
    for to, body in sends:
        worker.send(to, body)
    worker.end(b"state of " + worker.actor.name.encode())


# Coming


def test_one_that_comes_while_others_run_is_like_one_that_was_there_at_the_start(
    tmp_path: Path,
) -> None:
    system = Logged(tmp_path, order("a"))
    a = system.start("a")
    assert send(system, "b", b"early")[1] == 'no-actor: there is no actor "b"'
    system.adopt(supervisor("pool"), order("pool/b", initial_state=b"s"), order("c"))
    assert system.told("pool/b") == [("created", {**FACTS, "initial_state": content_hash(b"s")})]
    assert system.log.blob(content_hash(b"s")) == b"s"
    b = system.start("pool/b")
    assert b.actor.incarnation == 1 and b.actor.initialised
    send(system, "a", b"go")
    turn(a, ("pool/b", b"hello"))
    system.step()
    assert [each[6] for each in b.inputs] == [b"hello"]
    assert b.actor.senders == {"a"}
    assert len({id for (id,) in system.query("SELECT id FROM actors")}) == 5
    assert system.again(order("a"), supervisor("pool"), order("pool/b"), order("c")).registered == {
        "/": 0,
        "a": 1,
        "pool": 0,
        "pool/b": 1,
        "c": 0,
    }


def test_the_last_incarnation_of_everyone_is_told_also_of_those_who_are_gone(
    tmp_path: Path,
) -> None:
    system = Logged(tmp_path, order("a"), order("b"), order("c"))
    for name in ("a", "a", "b"):
        system.start(name)
        system.kill(name)
    system.remove("b")
    again = system.again(order("a"), order("d"))
    assert again.registered == {"/": 0, "a": 2, "b": 1, "c": 0, "d": 0}
    again.adopt(order("b"))
    assert again.start("b").actor.incarnation == 2


# Changing


def test_what_an_actor_may_do_is_told_when_it_changes_and_only_then(tmp_path: Path) -> None:
    system = Logged(tmp_path, order("a"))
    system.adopt(order("a"), order("a", max_deliveries=9, mailbox=SMALL))
    assert system.told("a") == [("created", FACTS)]
    assert system.actor("a").settings.max_deliveries == 9
    wider = {"message-server": {"send_to": ["x"]}}
    system.adopt(order("a", grants=wider, send_to=["x"]))
    system.adopt(order("a", grants=wider, send_to=["x"]))
    assert system.told("a")[1:] == [("changed", {**FACTS, "grants": wider})]
    assert system.actor("a").settings.send_to == ("x",)
    again = system.again(order("a", grants=wider))
    assert len(again.told("a")) == 2
    after = again.again(order("a"))
    assert after.told("a")[2:] == [("changed", FACTS)]


def test_another_component_is_told_and_the_state_stays(tmp_path: Path) -> None:
    system = Logged(tmp_path, order("a"))
    worker = system.start("a")
    send(system, "a", b"go")
    turn(worker)
    system.kill("a")
    system.adopt(order("a", component="beef"), order("a", component="beef"))
    changed = {**FACTS, "from": "c0ffee", "to": "beef"}
    del changed["component"]
    assert [each for each in system.told("a") if "change" in each[0]] == [
        ("component-changed", changed)
    ]
    assert system.query("SELECT component FROM actors WHERE name = 'a'") == [("beef",)]
    assert system.actor("a").component == "beef"
    assert system.start("a").actor.state == content_hash(b"state of a")
    assert system.again(order("a", component="beef")).told("a") == system.told("a")


def test_the_initial_state_matters_until_init_is_done(tmp_path: Path) -> None:
    system = Logged(tmp_path, order("a", initial_state=b"1"))
    system.adopt(order("a", initial_state=b"2"))
    assert system.told("a")[1:] == [("changed", {**FACTS, "initial_state": content_hash(b"2")})]
    assert system.log.blob(content_hash(b"2")) == b"2"
    assert system.start("a").actor.initial_state == b"2"
    system.kill("a")
    system.adopt(order("a", initial_state=b"3"))
    assert "changed" not in [type for type, _ in system.told("a")[2:]]


def test_one_that_lives_is_not_changed_and_not_removed(tmp_path: Path) -> None:
    system = Logged(tmp_path, order("a"))
    system.start("a")
    with pytest.raises(AssertionError, match="incarnation 1 lives"):
        system.adopt(order("a"))
    with pytest.raises(AssertionError, match="removed while it lives"):
        system.remove("a")


def test_a_larger_mailbox_lets_those_go_on_who_wait_for_it(tmp_path: Path) -> None:
    system = Logged(tmp_path, order("a"), order("b", mailbox=SMALL))
    a = system.start("a")
    system.phase("b", "starting")
    send(system, "a", b"go")
    send(system, "a", b"more")
    a.take()
    a.inputs = a.inputs[:1]  # the second was handed out too; a new incarnation gets it again
    turn(a, ("b", b"1"), ("b", b"2"))
    system.step()
    assert a.actor.blocked_on == {"b"}
    system.adopt(order("b", mailbox={"max_messages": 3}))
    assert not a.actor.blocked_on and not system.actor("b").blocking
    assert send(system, "b", b"3")[1] is None
    assert send(system, "b", b"4")[1] == "mailbox-full: b has 3 messages waiting"


# Going


def test_what_waits_for_one_that_goes_becomes_dead_letters_all_of_it(tmp_path: Path) -> None:
    system = Logged(tmp_path, order("a"), order("b"))
    system.phase("b", "restarting")
    count = WINDOW + 50
    for number in range(count):
        send(system, "b", b"%d" % number)
    system.write()
    for number in range(20):  # not written yet
        send(system, "b", b"%d" % number)
    system.remove("b", "deleted")
    reason = "no-actor: b has been removed: deleted"
    assert system.told("b")[1:] == [("removed", {"reason": "deleted"})]
    assert system.query("SELECT status, count(*) FROM messages GROUP BY status") == [
        ("dead", count + 20)
    ]
    assert system.query("SELECT DISTINCT actor, reason FROM dead_letters") == [("b", reason)]
    assert system.query("SELECT count(DISTINCT message) FROM dead_letters") == [(count + 20,)]
    assert system.query("SELECT phase, removed_at IS NULL FROM actors WHERE name = 'b'") == [
        ("removed", 0)
    ]
    assert send(system, "b", b"late")[1] == 'no-actor: there is no actor "b"'
    assert not {"b"} & (system.turns.actors.keys() | system.turns.touched.keys())
    assert len(system.turns.by_id) == 1


def test_who_asked_one_that_goes_gets_an_error_actors_and_clients(tmp_path: Path) -> None:
    system = Logged(tmp_path, order("a"), order("b"))
    a = system.start("a")
    system.phase("b", "restarting")
    send(system, "a", b"go")
    a.take()
    a.begin()
    a.request("b", b"?")
    send(system, "b", b"?", "request")
    system.write()
    system.members.remove("b", "deleted", 7.0)
    error = {"err": "no-actor: b has been removed: deleted"}
    assert answers(system.turns) == [("a", 2, error)]
    system.step()
    assert system.to_clients() == {"id-3": error}
    assert system.query("SELECT status FROM asks") == [("answered",)]
    assert a.actor.due_s == 7.0 + 30.0
    a.answered()
    a.end(None)


def test_an_answer_for_one_that_has_gone_is_dropped_and_counted(tmp_path: Path) -> None:
    system = Logged(tmp_path, order("a"), order("b"))
    a, b = system.start("a"), system.start("b")
    send(system, "a", b"go")
    a.take()
    a.begin()
    a.request("b", b"?")
    b.take()
    b.begin()
    system.step()
    system.kill("a")
    system.remove("a")
    system.turns.time_out(1e9)
    b.end(None, b"!")
    system.step()
    assert system.query("SELECT status FROM asks") == [("abandoned",)]
    assert system.query("SELECT name, value FROM counters WHERE name = 'late_answers'") == [
        ("late_answers", 1)
    ]
    # Nor is it for the one that comes back, whatever that asks.
    system.adopt(order("a"))
    again = system.start("a")
    send(system, "a", b"go")
    again.take()
    assert again.inputs[0][1] == 3


def test_a_message_of_one_that_has_gone_is_still_delivered(tmp_path: Path) -> None:
    system = Logged(tmp_path, order("a"), order("b"))
    a = system.start("a")
    system.phase("b", "starting")
    send(system, "a", b"go")
    turn(a, ("b", b"farewell"))
    system.kill("a")
    system.remove("a")
    b = system.start("b")
    assert [(each[4], each[6]) for each in b.inputs] == [("a", b"farewell")]
    turn(b, ("a", b"thanks"))
    system.step()
    assert system.query("SELECT reason FROM dead_letters") == [('no-actor: there is no actor "a"',)]


def test_nobody_waits_for_the_mailbox_of_one_that_has_gone(tmp_path: Path) -> None:
    system = Logged(tmp_path, order("a"), order("b", mailbox=SMALL))
    a = system.start("a")
    system.phase("b", "restarting")
    for _ in range(2):
        send(system, "a", b"go")
        a.take()
    a.inputs = a.inputs[:1]
    turn(a, ("b", b"1"), ("b", b"2"))
    system.step()
    assert a.actor.blocked_on == {"b"}
    system.members.remove("b", "deleted", 0.0)
    assert not a.actor.blocked_on and "a" in system.turns.touched


def test_one_that_comes_back_goes_on_where_it_was(tmp_path: Path) -> None:
    system = Logged(tmp_path, order("a"), order("b"))
    a, b = system.start("a"), system.start("b")
    send(system, "b", b"go")
    turn(b, ("a", b"hello"))
    system.step()
    turn(a)
    system.kill("a")
    before = system.actor("a")
    system.remove("a")
    system.adopt(order("a", component="beef"))
    after = system.actor("a")
    assert after is not before and not after.live and after.phase == "stopped"
    assert (after.id, after.state, after.incarnation) == (before.id, before.state, 1)
    assert (after.next_turn, after.initialised, after.senders) == (3, True, {"b"})
    types = [type for type, _ in system.told("a")]
    assert types == ["created", "ready", "exited", "removed", "returned"]
    assert system.told("a")[-1][1] == {**FACTS, "component": "beef"}
    assert system.query("SELECT phase, component, removed_at FROM actors WHERE name = 'a'") == [
        ("stopped", "beef", None)
    ]
    worker = system.start("a")
    send(system, "a", b"more")
    worker.take()
    assert worker.inputs[0][1] == 3
    turn(worker)
    told = system.again(order("a", component="beef"), order("b")).told("a")
    assert told[-2][0] == "returned"
    assert told[-1] == ("exited", {"reason": "the system ended", "kind": "crash"})


def test_the_number_of_a_turn_that_had_failed_is_not_used_again(tmp_path: Path) -> None:
    system = Logged(tmp_path, order("a"))
    system.start("a")
    send(system, "a", b"kills")
    system.step()
    system.kill("a", begun(system, "a"))
    assert system.query("SELECT turn, status FROM turns") == [(1, "done"), (2, "waiting")]
    system.remove("a")
    assert system.query("SELECT turn, status, deliveries FROM turns WHERE turn = 2") == [
        (2, "failed", 1)
    ]
    system.adopt(order("a"))
    assert system.actor("a").next_turn == 3
    worker = system.start("a")
    send(system, "a", b"other")
    turn(worker)
    system.step()
    system.kill("a")
    assert system.again().query("SELECT turn, status FROM turns")[-1] == (3, "done")


def test_an_init_that_has_failed_stays_counted(tmp_path: Path) -> None:
    system = Logged(tmp_path, order("a"))
    system.turns.batch.incarnations.append((system.actor("a").id, 1, None, 0.0))
    actor = system.actor("a")
    actor.incarnation, actor.live, actor.route = 1, True, b"r"
    PretendedWorker(system.turns, actor).take()
    system.kill("a", begun(system, "a"))
    system.remove("a")
    system.adopt(order("a"))
    assert system.actor("a").init_deliveries == 1 and not system.actor("a").initialised


def test_coming_and_going_many_times_within_one_commit(tmp_path: Path) -> None:
    system = Logged(tmp_path, order("a"))
    system.phase("a", "restarting")
    send(system, "a", b"first")
    for _ in range(3):
        system.members.remove("a", "deleted", 0.0)
        system.members.adopt(order("a"), 0.0)
        system.phase("a", "restarting")
        send(system, "a", b"again")
    system.members.adopt(order("b"), 0.0)
    system.members.remove("b", "deleted", 0.0)
    system.step()
    types = [type for type, _ in system.told("a")]
    assert types == ["created", *["removed", "returned"] * 3]
    assert [type for type, _ in system.told("b")] == ["created", "removed"]
    assert system.query("SELECT name, phase, removed_at IS NULL FROM actors WHERE id > 1") == [
        ("a", "restarting", 1),
        ("b", "removed", 0),
    ]
    assert system.query("SELECT status, count(*) FROM messages GROUP BY status") == [
        ("dead", 3),
        ("queued", 1),
    ]
    assert system.actor("a").mailbox.messages == 1


# At start-up


def test_one_that_left_the_manifest_is_told_so_once_and_may_come_back(tmp_path: Path) -> None:
    system = Logged(tmp_path, order("a"), order("b"))
    system.start("a")
    system.kill("a")
    system.phase("a", "restarting")
    for _ in range(WINDOW + 5):
        send(system, "a", b"hi", "request")
    system.step()
    without = system.again(order("b")).again(order("b"))
    gone = ("removed", {"reason": "no longer in the manifest"})
    assert without.told("a")[-1] == gone
    reason = "no-actor: a has been removed: no longer in the manifest"
    assert without.query("SELECT DISTINCT reason FROM dead_letters") == [(reason,)]
    assert without.query("SELECT count(*) FROM messages WHERE answer IS NULL") == [(0,)]
    back = without.again(order("a"), order("b")).again(order("a"), order("b"))
    assert back.told("a")[-2:] == [gone, ("returned", FACTS)]
    assert back.actor("a").incarnation == 1 and back.actor("a").initialised


def test_an_address_may_become_a_supervisors_and_an_actors_again(tmp_path: Path) -> None:
    system = Logged(tmp_path, order("a"))
    system.start("a")
    system.phase("a", "restarting")
    system.kill("a")
    system.phase("a", "restarting")
    send(system, "a", b"hi")
    system.step()
    grown = system.again(supervisor("a", intensity=1), order("a/b"))
    assert grown.query("SELECT status FROM messages") == [("dead",)]
    assert grown.query("SELECT role, component, removed_at FROM actors WHERE name = 'a'") == [
        ("supervisor", "", None)
    ]
    assert grown.registered["a"] == 1
    back = grown.again(order("a"))
    assert back.told("a")[-4:] == [
        ("removed", {"reason": "its address is reused"}),
        ("returned", {"kind": "supervisor", "flags": {"intensity": 1}}),
        ("removed", {"reason": "its address is reused"}),
        ("returned", FACTS),
    ]
    assert back.actor("a").incarnation == 1 and back.actor("a").initialised
    assert back.told("a/b")[-1][0] == "removed"


def test_a_log_of_version_1_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "chain.db"
    make_v1(path)
    db = sqlite3.connect(path, isolation_level=None)
    facts: dict[str, Any] = {"engine": {}, "grants": {}}
    system = Logged(tmp_path, order("a", **facts), order("b"), db=db)
    told = ["created", "decided", "changed"]  # its limits were not said then
    assert [type for type, _ in system.told("a")] == told
    assert [type for type, _ in system.told("/")] == ["created"]
    worker = system.start("a")
    assert worker.actor.state == content_hash(STATE)
    assert [each[6] for each in worker.inputs] == [b"hi"]
    turn(worker)
    system.step()


# Any history

HAPPENINGS = (
    *("come", "go", "start", "die", "client", "burst", "begin", "send", "ask", "end", "end"),
    *("write", "write", "again", "tick"),
)


@pytest.mark.parametrize("seed", range(150))
def test_any_history_loses_no_message_and_breaks_no_chain(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    names = ["a", "b", "c", "pool/d"]

    def some_order(name: str) -> dict[str, Any]:
        return order(
            name,
            component=chance.choice(["c0ffee", "beef"]),
            mailbox={"max_messages": chance.choice([2, 300]), "on_full": "block"},
            grants={"message-server": chance.choice([{}, {"send_to": ["**"]}])},
        )

    system = Logged(tmp_path, *map(some_order, names[:2]))
    highest: dict[str, int] = {}
    for number in range(120):
        name = chance.choice(names)
        actor = system.turns.actors.get(name)
        worker = system.workers.get(name)
        waiting = actor is not None and actor.current is not None and bool(actor.current.ask)
        match chance.choice(
            [
                "come",
                "go",
                "start",
                "die",
                "client",
                "burst",
                "begin",
                "send",
                "ask",
                "end",
                "end",
                "write",
                "write",
                "again",
                "tick",
            ]
        ):
            case "come" if actor is None or not actor.live:
                system.members.adopt(some_order(name), 0.0)
            case "go" if actor is not None and not actor.live:
                system.members.remove(name, "deleted", 0.0)
                system.workers.pop(name, None)
            case "start" if actor is not None and not actor.live:
                system.start(name)
                assert actor.incarnation > highest.get(name, 0), f"seed {seed}: a number again"
                highest[name] = actor.incarnation
            case "die" if actor is not None and actor.live:
                box = begun(system, name) if actor.handed and chance.random() < 0.5 else b""
                system.kill(name, box, wanted=chance.random() < 0.3)
                if chance.random() < 0.5:
                    system.phase(name, "restarting")
            case "client":
                send(system, name, b"%d" % number, chance.choice(["send", "request"]))
            case "burst":
                for _ in range(chance.randrange(WINDOW)):
                    send(system, name, b"%d" % number)
            case "begin" if worker and worker.inputs and worker.record is None:
                worker.begin()
            case "send" if worker and worker.record and not waiting:
                worker.send(chance.choice(names), b"%d" % number)
            case "ask" if worker and worker.record and not waiting:
                worker.request(chance.choice(names), b"%d" % number)
            case "end" if worker and worker.record and not waiting:
                worker.end(b"%d" % number, b"!" if worker.inputs[0][2] == "request" else None)
            case "write":
                step(system)
            case "tick":
                system.turns.time_out(1e6 * number)
            case "again":
                step(system)
                system = system.again(*map(some_order, chance.sample(names, chance.randrange(5))))
        check(system, f"seed {seed}, step {number}")
    step(system)
    for name in ["/", *names]:
        system.chain(name)
    assert not system.query(
        "SELECT message FROM dead_letters GROUP BY message HAVING count(*) > 1"
    ), f"seed {seed}: twice a dead letter"
    consumed = system.query("SELECT count(*) FROM messages WHERE status = 'dead'")
    assert consumed == system.query("SELECT count(message) FROM dead_letters"), f"seed {seed}"


def step(system: Logged) -> None:
    system.write()
    for name, _, _ in answers(system.turns):
        worker = system.workers.get(name)
        if worker is not None and worker.record is not None:
            worker.answered()
    system.release()


def check(system: Logged, where: str) -> None:
    """Nothing in memory is about one that is not there."""
    turns = system.turns
    assert turns.by_id.keys() == {actor.id for actor in turns.actors.values()}, where
    assert turns.touched.keys() <= turns.actors.keys(), where
    for actor in turns.actors.values():
        for full in actor.blocked_on:
            assert actor.name in turns.actors[full].blocking, where
        for blocked in actor.blocking:
            assert actor.name in turns.actors[blocked].blocked_on, where
    if not turns.batch.is_empty():
        return
    present = system.query(
        "SELECT name, id FROM actors WHERE role = 'actor' AND removed_at IS NULL"
    )
    assert {name: actor.id for name, actor in turns.actors.items()} == dict(present), where
    queued = dict(
        system.query(
            "SELECT to_actor, count(*) FROM messages WHERE status = 'queued' GROUP BY to_actor"
        )
    )
    counts = {actor.id: actor.mailbox.messages for actor in turns.actors.values()}
    assert {id: count for id, count in counts.items() if count} == queued, where
