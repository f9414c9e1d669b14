"""What steps and answers do, by cases and by thousands of random histories."""

from __future__ import annotations

import random

import pytest

from tests.broker.pretend import PretendedWorker, answers, commit, connect, make_turns
from theater.broker.book import ToRoot, ToWorker
from theater.broker.burial import Death, bury
from theater.chain import GENESIS, link
from theater.events import decode
from theater.spec import MailboxBounds


def test_a_request_times_out_in_the_broker() -> None:
    turns = make_turns("a", "b", request_timeout_s=5.0)
    turns.deliver_from_client("a", b"go", "send", "id")
    worker = PretendedWorker(turns, turns.actors["a"])
    worker.take(now_s=100.0)
    worker.begin()
    worker.request("b", b"?", now_s=101.0)
    commit(turns)
    turns.time_out(105.9)
    assert answers(turns) == []
    turns.time_out(106.0)
    assert answers(turns) == [("a", 1, {"err": "timeout: no answer from b within 5 s"})]


def test_a_worker_owes_the_end_of_its_turn_and_waiting_in_an_ask_does_not_count() -> None:
    turns = make_turns("a", "b", turn_timeout_s=10.0, request_timeout_s=1000.0)
    actor = turns.actors["a"]
    turns.deliver_from_client("a", b"go", "send", "id")
    worker = PretendedWorker(turns, actor)
    worker.take(now_s=100.0)
    assert turns.deadlines.next_s() == 110.0
    worker.begin()
    worker.request("b", b"?", now_s=104.0)
    assert turns.deadlines.next_s() == 1104.0  # of the request
    turns.answer(actor, {"ok": b"!"}, 500.0)
    assert turns.deadlines.next_s() == 506.0
    worker.answered()
    worker.end(None, now_s=503.0)
    assert turns.deadlines.next_s() is None


def test_a_worker_that_is_late_is_told_of_once() -> None:
    turns = make_turns("a", "b", turn_timeout_s=10.0)
    turns.deliver_from_client("a", b"go", "send", "id")
    worker = PretendedWorker(turns, turns.actors["a"])
    worker.take(now_s=100.0)
    commit(turns)
    for now_s in (109.9, 110.0, 111.0):
        turns.time_out(now_s)
    late = [item.message for item in turns.out if isinstance(item, ToRoot)]
    assert late == [("late", "a", 1, "timeout: turn 1 took longer than turn_timeout (10 s)")]


def test_a_dead_worker_is_not_late() -> None:
    turns = make_turns("a", turn_timeout_s=10.0)
    turns.deliver_from_client("a", b"go", "send", "id")
    worker = PretendedWorker(turns, turns.actors["a"])
    worker.take(now_s=100.0)
    bury(turns, worker.actor, Death("killed", "crash", False), b"", 101.0)
    assert turns.deadlines.next_s() is None


def test_a_shutdown_acts_when_the_turn_ends() -> None:
    turns = make_turns("a", "b")
    turns.deliver_from_client("a", b"go", "send", "id")
    turns.deliver_from_client("a", b"later", "send", "id-2")
    worker = PretendedWorker(turns, turns.actors["a"])
    worker.take()
    worker.begin()
    worker.shutdown()
    worker.request("b", b"?")
    assert not worker.actor.shut_down
    turns.answer(worker.actor, {"ok": b""}, 0.0)
    worker.answered()
    worker.end(None)
    assert worker.actor.shut_down
    bury(turns, worker.actor, Death("exited", "normal", wanted=False), b"", 0.0)
    assert [message.body for message in worker.actor.mailbox.window] == [b"later"]


def test_a_circle_through_several_actors_is_named() -> None:
    turns = make_turns("a", "b", "c")
    workers = {name: PretendedWorker(turns, actor) for name, actor in turns.actors.items()}
    turns.deliver_from_client("a", b"go", "send", "id")
    for asker, callee in (("a", "b"), ("b", "c"), ("c", "a")):
        workers[asker].take()
        workers[asker].begin()
        workers[asker].request(callee, b"?")
    assert answers(turns) == [("c", 1, {"err": "cycle: c → a → b → c"})]


def test_a_full_mailbox_holds_its_senders_back_until_it_drains() -> None:
    turns = make_turns("a", "b", bounds=MailboxBounds(max_messages=2))
    a, b = (PretendedWorker(turns, turns.actors[name]) for name in ("a", "b"))
    turns.deliver_from_client("a", b"go", "send", "id")
    a.take()
    a.begin()
    a.send("b", b"1")
    a.send("b", b"2")
    a.end(None)
    turns.deliver_from_client("a", b"more", "send", "id-2")
    a.take()
    assert a.inputs == []
    _, error = turns.deliver_from_client("b", b"x", "send", "id-3")
    assert error == "mailbox-full: b has 2 messages waiting"
    assert turns.batch.counters == {"held_back": 1, "clients_refused": 1}
    b.take()
    b.begin()
    b.end(None)
    assert "a" in turns.touched
    a.take()
    assert [each[6] for each in a.inputs] == [b"more"]


@pytest.mark.parametrize("seed", range(300))
def test_any_history_consumes_each_message_once_and_keeps_order(seed: int) -> None:
    """Actors send, ask, end, die and come back at random; rows stand for the log."""
    chance = random.Random(seed)
    names = ["a", "b", "c"]
    turns = make_turns(*names, request_timeout_s=20.0, max_deliveries=1000)
    workers = {name: PretendedWorker(turns, actor) for name, actor in turns.actors.items()}
    heads = dict.fromkeys(range(1, 4), GENESIS)
    sent: dict[int, tuple[str, str]] = {}  # message -> (from, to)
    ends: dict[int, str] = {}  # message -> done or dead
    order: dict[tuple[str, str], list[int]] = {}
    now_s = 0.0

    def write() -> None:
        for row in turns.batch.messages:
            sent[row[0]] = (row[4], row[3])
        for status, _turn, id in turns.batch.consumed:
            assert id not in ends, f"seed {seed}: message {id} consumed twice"
            ends[id] = status
            order.setdefault(sent[id], []).append(id)
        for row in turns.batch.events:
            heads[row[1]] = link(heads[row[1]], row[9])
            assert heads[row[1]] == row[10], f"seed {seed}: a broken chain"
            assert decode(row[9]).turn == row[4]
        for item in turns.out:
            if isinstance(item, ToWorker) and item.message[0] == "answer":
                worker = workers[item.actor.name]
                if worker.record is not None and worker.record.turn == item.message[1]:
                    worker.answered()
        commit(turns)

    for number in range(250):
        now_s += chance.random()
        name = chance.choice(names)
        worker = workers[name]
        actor = worker.actor
        waiting = actor.current is not None and actor.current.ask is not None
        match chance.choice(
            ["client", "take", "begin", "send", "ask", "end", "end", "die", "tick"]
        ):
            case "client":
                kind = chance.choice(["send", "request"])
                turns.deliver_from_client(name, b"%d" % number, kind, f"id-{number}")
            case "take":
                worker.take(now_s)
            case "begin" if worker.inputs and worker.record is None:
                worker.begin()
            case "send" if worker.record is not None and not waiting:
                worker.send(chance.choice(names), b"%d" % number)
            case "ask" if worker.record is not None and not waiting:
                worker.request(chance.choice(names), b"%d" % number, now_s)
            case "end" if worker.record is not None and not waiting:
                reply = b"!" if worker.inputs[0][2] == "request" else None
                worker.end(chance.choice([None, b"s", b"t" * 2000]), reply, now_s)
            case "die":
                wanted = chance.random() < 0.5
                bury(turns, actor, Death("killed", "crash", wanted), b"", now_s)
                worker.inputs.clear()
                worker.record = None
                connect(actor)
            case "tick":
                turns.time_out(now_s)
        write()
    for pair, ids in order.items():
        assert ids == sorted(ids), f"seed {seed}: out of order between {pair}"
    for name in names:
        actor = turns.actors[name]
        queued = [id for id, (_, to) in sent.items() if to == name and id not in ends]
        assert actor.mailbox.messages == len(queued), f"seed {seed}: {name} lost a message"
