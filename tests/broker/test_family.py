"""What a parent is told of those it has spawned, and what of it outlives whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgpack

from tests.broker.family import BOSS, Family, born, family
from tests.broker.logged import order, supervisor
from tests.broker.pretend import PretendedWorker
from tests.broker.test_dead import letter
from tests.broker.whole import give
from theater.broker import dead
from theater.broker.children import WAITING_MAX
from theater.events import EventType


def kinds(handled: list[tuple[str, str]]) -> list[str]:
    return [kind for kind, _ in handled]


def bodies(made: Family, kind: str) -> list[Any]:
    """What messages of a kind say, in their order."""
    rows = made.query(
        "SELECT coalesce(m.body, b.bytes) FROM messages m LEFT JOIN blobs b ON b.hash = m.body_hash"
        f" WHERE m.kind = '{kind}' ORDER BY m.id"
    )
    return [msgpack.unpackb(body) if body else None for (body,) in rows]


def position(made: Family, child: str) -> tuple[int, int]:
    """What of a child's chain its parent was told, and how long that is."""
    ((found,),) = made.query("SELECT position FROM subscriptions")
    return found, made.actor(child).length


def test_each_end_is_told_in_its_own_words(tmp_path: Path) -> None:
    made = family(tmp_path)
    child = made.spawn("a")
    made.kill(child)
    made.expect(child)
    worker = give(made, child)
    worker.shutdown(b"result " * 400)
    worker.end(b"1")
    made.end(child)
    made.expect(child)
    made.end(child, by_others=True)
    made.expect(child)
    made.end(child)
    assert kinds(made.hear()) == ["child-error", "child-exit", "child-external-stop"]
    assert bodies(made, "child-error") == [["internal", b"killed by SIGKILL"]]
    assert bodies(made, "child-exit") == [[b"result " * 400]]
    assert made.problems() == []


def test_what_it_has_given_shutdown_outlives_whoever_did(tmp_path: Path) -> None:
    made = family(tmp_path)
    child = made.spawn("a")
    worker = give(made, child)
    worker.shutdown(b"first")
    worker.shutdown(b"last")
    worker.request(BOSS, b"?")
    made.step()
    made.kill(child)
    made.hear()
    _answer(made)
    worker = made.expect(child)
    worker.begin()
    worker.end(None)
    made.end(child)
    assert bodies(made, "child-exit") == [[b"last"]]
    assert made.problems() == []


def test_it_outlives_the_broker_too(tmp_path: Path) -> None:
    made = family(tmp_path)
    child = made.spawn("a")
    worker = give(made, child)
    worker.shutdown(b"first")
    worker.shutdown(b"last")
    worker.request(BOSS, b"?")
    made.step()
    made = made.again(*made.orders)
    made.expect(BOSS)
    made.hear()
    _answer(made)
    worker = made.expect(child)
    worker.begin()
    worker.end(None)
    made.end(child)
    assert bodies(made, "child-exit") == [[b"last"]]
    assert made.problems() == []


def _answer(made: Family) -> None:
    """The boss handles a request."""
    worker = made.workers[BOSS]
    worker.begin()
    worker.end(None, reply=b"")
    made.step()


def test_events_are_told_or_counted_and_none_is_lost(tmp_path: Path) -> None:
    made = family(tmp_path)
    child = made.spawn("a")
    made.ask("subscribe-to-child", child)
    for number in range(WAITING_MAX):
        made.work(child, b"%d" % number)
    assert len(made.hear()) == WAITING_MAX + 1
    assert bodies(made, "child-event")[-1] == ["skipped", b"%d" % WAITING_MAX]
    made.work(child)
    assert len(made.hear()) == 2
    assert position(made, child) == (made.actor(child).length,) * 2
    assert made.problems() == []


def test_a_parent_that_took_nothing_for_a_while_is_told_how_much_that_was(tmp_path: Path) -> None:
    made = family(tmp_path)
    child = made.spawn("a")
    made.ask("subscribe-to-child", child)
    made.phase(BOSS, "stopped")
    made.work(child)
    assert made.hear() == []
    made.phase(BOSS, "running")
    made.work(child)
    assert len(made.hear()) == 3
    assert bodies(made, "child-event")[0] == ["skipped", b"2"]
    assert made.problems() == []


def test_a_subscription_outlives_the_system(tmp_path: Path) -> None:
    made = family(tmp_path)
    child = made.spawn("a")
    made.ask("subscribe-to-child", child)
    made.work(child)
    made = made.again(*made.orders)
    made.expect(BOSS)
    made.expect(child)
    made.work(child)
    made.hear()
    assert position(made, child) == (made.actor(child).length,) * 2
    assert made.problems() == []


def test_the_last_that_is_told_of_a_child_is_that_it_was_removed(tmp_path: Path) -> None:
    made = family(tmp_path)
    child = made.spawn("a")
    made.ask("subscribe-to-child", child)
    made.end(child)
    made.remove(child)
    assert bodies(made, "child-event")[-1][0] == "removed"
    assert made.query("SELECT * FROM children") == made.query("SELECT * FROM subscriptions") == []
    made.hear()
    assert made.problems() == []


def test_what_is_told_and_has_failed_is_told_once_more(tmp_path: Path) -> None:
    made = family(tmp_path)
    child = made.spawn("a")
    made.ask("subscribe-to-child", child)
    made.kill(child)
    worker = made.workers[BOSS]
    failed = worker.inputs[0][2]
    worker.begin()
    made.fail(BOSS)
    made.expect(BOSS)
    assert dead.retry(made.turns, letter(made, 1), "me")[1] is None
    made.step()
    assert kinds(made.hear()) == ["child-error", failed]
    assert made.query("SELECT * FROM senders") == [], "no child has sent anything"
    assert made.problems() == []


def test_a_resumed_one_begins_with_its_state(tmp_path: Path) -> None:
    made = family(tmp_path)
    child = made.spawn("a", "resume", b"41")
    assert made.ask("get-child-state", child)["ok"] is not None
    made = made.again(*made.orders)
    made.expect(BOSS)
    worker = made.expect(child, anew="on_restart")
    assert worker.inputs[0][2] == "init"
    worker.begin()
    worker.end(b"1")
    made.step()
    assert made.problems() == []


def test_one_that_is_granted_less_now_is_kept_as_that(tmp_path: Path) -> None:
    """Its parent is, since a reload."""
    made = family(tmp_path)
    child = made.spawn("a")
    made.kill(child)
    made.adopt(born("a", (2, 1), fuel=7))
    assert made.chain(child)[-1].payload["limits"]["fuel"] == 7
    assert made.problems() == []


def test_those_of_an_actor_that_is_gone_are_gone(tmp_path: Path) -> None:
    made = family(tmp_path)
    child = made.spawn("a")
    made.ask("subscribe-to-child", child)
    made = made.again(order("other"))
    assert made.query("SELECT * FROM children") == made.query("SELECT * FROM subscriptions") == []
    assert made.problems() == []


def test_an_address_that_is_a_manifests_again_is_no_childs(tmp_path: Path) -> None:
    made = family(tmp_path)
    child = made.spawn("a")
    made = made.again(supervisor(BOSS), order(child))
    assert made.query("SELECT * FROM children") == []
    assert made.chain(child)[-1].payload.get("spawned") is None
    assert made.problems() == []


def test_a_worker_of_an_older_kind_is_told_nothing(tmp_path: Path) -> None:
    """Its component has no export for it."""
    made = Family(tmp_path, order(BOSS, takes=["send"], may_manage=True))
    made.start(BOSS)
    child = made.spawn("a")
    made.ask("subscribe-to-child", child)
    made.work(child)
    made.kill(child)
    worker: PretendedWorker = made.workers[BOSS]
    assert worker.inputs == [] and position(made, child)[0] < position(made, child)[1]
    assert made.problems() == []


def test_an_event_larger_than_a_message_is_skipped_and_counted(tmp_path: Path) -> None:
    """No turn of its parent's might hold it, and that is not the parent's fault."""
    made = family(tmp_path)
    child = made.spawn("a")
    made.ask("subscribe-to-child", child)
    made.turns.message_max = 400
    worker = give(made, child)
    assert worker.record is not None
    worker.record.add(EventType.LOG, "wasi:cli/stdout", "line", ["x" * 500])
    worker.end(b"1")
    made.step()
    made.hear()
    told = [type for type, _ in bodies(made, "child-event")]
    assert told == ["wasm-call", "skipped", "wasm-result"]
    assert position(made, child) == (made.actor(child).length,) * 2
    assert made.problems() == []


def test_no_event_enters_a_full_mailbox(tmp_path: Path) -> None:
    made = family(tmp_path, mailbox={"max_messages": 2, "max_bytes": 1 << 20, "on_full": "block"})
    child = made.spawn("a")
    made.ask("subscribe-to-child", child)
    for _ in range(3):
        made.work(child)
    assert made.actor(BOSS).mailbox.messages == 2
    made.hear()
    made.work(child)
    made.hear()
    assert ["skipped", b"4"] in bodies(made, "child-event")
    assert made.problems() == []
