"""What must hold of what actors spawn and are told of it, broken in the one way that is noticed."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgpack
import pytest

from tests.broker.family import BOSS, family
from tests.broker.test_dead import letter
from tests.broker.whole import give
from tests.fsck.conftest import Damaged
from theater import spec_data
from theater.broker import dead
from theater.chain import GENESIS, link
from theater.events import content_hash, decode, encode, ref

EVENTS = "kind = 'child-event'"
FOLLOWED = "(SELECT id FROM actors WHERE name = 'boss/b')"


@pytest.fixture(scope="module")
def spawned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with all that children can be and do, and all that is told of them."""
    directory = tmp_path_factory.mktemp("spawned")
    made = family(directory)
    a = made.spawn("a")
    b = made.spawn("b", "resume", b"41")
    c = made.spawn("c")
    gone = made.spawn("gone")
    made.ask("subscribe-to-child", b)
    made.work(b, b"42")
    made.hear()
    give(made, b, b"long " * 400).end(b"43")
    made.step()
    made.hear()
    made.ask("unsubscribe-from-child", b)
    made.work(b, b"unseen")
    made.ask("subscribe-to-child", b)
    for number in range(40):
        made.work(b, b"%d" % number)
    made.hear()
    assert made.ask("list-children") == [a, b, c, gone]
    made.ask("get-child-state", b)
    made.ask("get-child-state", a)
    made.ask("get-child-events", b)
    made.ask("get-child-state", "other")
    made.kill(a)
    worker = made.workers[BOSS]
    worker.begin()
    made.fail(BOSS)
    made.expect(BOSS)
    assert dead.retry(made.turns, letter(made, 1), "me")[1] is None
    made.step()
    made.hear()
    worker = give(made, c)
    worker.shutdown(b"result " * 400)
    worker.end(b"1")
    made.end(c)
    made.end(gone, by_others=True)
    made.hear(b"told")
    made.remove(gone)
    made.expect(a)
    made.kill(a)  # of which it has not been told
    made.work(b, b"44")
    assert made.problems() == []
    made.db.close()
    return directory / "chain.db"


@pytest.fixture
def children(spawned: Path, tmp_path: Path) -> Iterator[Damaged]:
    path = tmp_path / "chain.db"
    shutil.copyfile(spawned, path)
    yield Damaged(path)


def test_a_log_with_children_is_whole(children: Damaged) -> None:
    found, _ = children.check()
    assert found == []
    with closing(sqlite3.connect(children.path)) as db:
        kinds: list[Any] = db.execute(
            "SELECT DISTINCT kind FROM messages WHERE kind LIKE 'child-%' ORDER BY kind"
        ).fetchall()
        assert [kind for (kind,) in kinds] == [
            *("child-error", "child-event", "child-exit", "child-external-stop"),
        ]
        assert db.execute("SELECT count(*) FROM children").fetchone() == (3,)


# (statement, what has to be told)
ROWS = {
    "missing": (
        f"DELETE FROM children WHERE actor = {FOLLOWED}",
        "^boss/b: it was spawned, and has no row; should be one in children$",
    ),
    "one more": (
        "INSERT INTO children SELECT (SELECT id FROM actors WHERE name = 'boss'), parent, turn,"
        " idx, spec FROM children LIMIT 1",
        "^boss: a row in children; should be none: its chain does not say that it was spawned$",
    ),
    "of one that was removed": (
        "INSERT INTO children SELECT (SELECT id FROM actors WHERE name = 'boss/gone'), parent,"
        " turn, idx, spec FROM children LIMIT 1",
        "^boss/gone: a row in children; should be none: it was removed$",
    ),
    "of nobody": (
        "INSERT INTO children SELECT 99, parent, turn, idx, spec FROM children LIMIT 1",
        "^children: of an actor 99; should be of one there is$",
    ),
    "its parent": (
        f"UPDATE children SET parent = 1 WHERE actor = {FOLLOWED}",
        '^boss/b: parent is "/" in children; should be "boss", above it$',
    ),
    "no parent": (
        f"UPDATE children SET parent = 99 WHERE actor = {FOLLOWED}",
        '^boss/b: parent is none in children; should be "boss", above it$',
    ),
    "its ask": (
        f"UPDATE children SET idx = 7 WHERE actor = {FOLLOWED}",
        "^boss/b: turn [0-9]+, index 7 in children; should be turn [0-9]+, index 1, as is chained$",
    ),
    "a spec that is none": (
        f"UPDATE children SET spec = x'c0' WHERE actor = {FOLLOWED}",
        "^boss/b: a spec that is none in children; should be the specification of an actor$",
    ),
    "a spec of another": (
        "UPDATE children SET spec = (SELECT spec FROM children WHERE actor ="
        f" (SELECT id FROM actors WHERE name = 'boss/a')) WHERE actor = {FOLLOWED}",
        '^boss/b: path "boss/a" in its spec in children; should be "boss/b", as is chained$',
    ),
    "a spec that is text": (
        f"UPDATE children SET spec = 'x' WHERE actor = {FOLLOWED}",
        '^boss/b: spec is text "x"; should be bytes$',
    ),
}

SUBSCRIPTIONS = {
    "missing": (
        "DELETE FROM subscriptions",
        "^boss/b: its parent has subscribed to it, and that has no row; should be one in",
    ),
    "one more": (
        "INSERT INTO subscriptions SELECT parent, actor, 1 FROM children"
        " WHERE actor = (SELECT id FROM actors WHERE name = 'boss/a')",
        "^boss/a: a row in subscriptions, and nobody has subscribed to it; should be a call",
    ),
    "of nobody": (
        "INSERT INTO subscriptions VALUES (99, 2, 1)",
        "^subscriptions: of an actor 99; should be of one there is$",
    ),
    "too far": (
        "UPDATE subscriptions SET position = 10000",
        "^boss/b: position is 10000 in subscriptions; should be [0-9]+, as its parent was told$",
    ),
    "not so far": (
        "UPDATE subscriptions SET position = position - 1",
        "^boss/b: position is [0-9]+ in subscriptions; should be [0-9]+, as its parent was told$",
    ),
    "a position that is none": (
        "UPDATE subscriptions SET position = 'x'",
        '^boss/b: position is text "x"; should be an integer$',
    ),
}

LAST = "(SELECT max(id) FROM messages WHERE kind = 'child-error')"
MESSAGES = {
    "an end that is none": (
        f"UPDATE messages SET at = 99.0 WHERE id = {LAST}",
        "^boss/a, message [0-9]+: a child-error, and no end made it; should be by one that was",
    ),
    "an end twice": (
        "INSERT INTO messages (id, kind, to_actor, to_name, from_actor, size, body, status, at)"
        " SELECT (SELECT max(id) + 1 FROM messages), kind, to_actor, to_name, from_actor, size,"
        f" body, status, at FROM messages WHERE id = {LAST}",
        "^boss/a, message [0-9]+: a child-error of the end at seq [0-9]+, of which its parent was",
    ),
    "another reason": (
        "UPDATE messages SET body = x'92a8696e7465726e616cc403626f6f', size = 15"
        f" WHERE id = {LAST}",
        "^boss/a, message [0-9]+: a child-error of the end at seq [0-9]+, with .*; should be what",
    ),
    "another kind": (
        f"UPDATE messages SET kind = 'child-exit' WHERE id = {LAST}",
        "^boss/a, message [0-9]+: a child-exit of the end at seq [0-9]+, with .*; should be what",
    ),
    "another result": (
        "UPDATE messages SET body = x'91c0', body_hash = NULL, size = 2 WHERE kind = 'child-exit'",
        "^boss/c, message [0-9]+: a child-exit of the end at seq [0-9]+, with .*; should be what",
    ),
    "a stop that says more": (
        "UPDATE messages SET body = x'00', size = 1 WHERE kind = 'child-external-stop'",
        "^boss/gone, message [0-9]+: a child-external-stop of the end at seq [0-9]+, with",
    ),
    "of another child": (
        f"UPDATE messages SET from_actor = {FOLLOWED} WHERE id = {LAST}",
        "^boss/b, message [0-9]+: a child-error, and no end made it; should be by one that was",
    ),
    "of one that is no child": (
        f"UPDATE messages SET from_actor = 1 WHERE id = {LAST}",
        '^message [0-9]+: a child-error of "/"; should be of one that it has spawned$',
    ),
    "by a call": (
        f"UPDATE messages SET from_turn = 1, from_index = 1 WHERE id = {LAST}",
        "^message [0-9]+: a child-error with from_turn, from_index or client; should be from_actor",
    ),
    "of a client": (
        f"UPDATE messages SET client = 'c' WHERE id = {LAST}",
        "^message [0-9]+: a child-error with from_turn, from_index or client; should be from_actor",
    ),
    "on a channel": (
        f"UPDATE messages SET channel = 'boss:1:1' WHERE id = {LAST}",
        '^message [0-9]+: a child-error of channel "boss:1:1"; should be one if it is on one$',
    ),
    "an event that is another": (
        f"UPDATE messages SET body = x'92a16101', size = 4 WHERE id ="
        f" (SELECT min(id) FROM messages WHERE {EVENTS})",
        "^boss/b, message [0-9]+: it tells of an event with hash .*; should be of position 3 of",
    ),
    "an event at another time": (
        f"UPDATE messages SET at = 99.0 WHERE id = (SELECT max(id) FROM messages WHERE {EVENTS})",
        "^boss/b, message [0-9]+: at is 99.0; should be 0.0, as of position [0-9]+ of its chain$",
    ),
    "more events left out": (
        f"UPDATE messages SET body = x'92a7736b6970706564c4023939' WHERE {EVENTS}"
        " AND CAST(body AS TEXT) LIKE '%skipped%'",
        "^boss/b, message [0-9]+: it tells of an event with hash .*; should be of position",
    ),
    "less than no events left out": (
        f"UPDATE messages SET body = x'92a7736b6970706564c4022d31' WHERE {EVENTS}"
        " AND CAST(body AS TEXT) LIKE '%skipped%'",
        "^boss/b, message [0-9]+: it says that -1 events were left out; should be so many as",
    ),
    "the last event": (
        f"DELETE FROM messages WHERE id = (SELECT max(id) FROM messages WHERE {EVENTS})",
        "^boss/b: position is [0-9]+ in subscriptions; should be [0-9]+, as its parent was told$",
    ),
    "its kind in turns": (
        "UPDATE turns SET kind = 'child-exit' WHERE kind = 'child-external-stop'",
        '^boss, turn [0-9]+: kind is "child-exit" in turns; should be "child-external-stop"$',
    ),
    "outstanding": (
        "UPDATE messages SET status = 'outstanding' WHERE kind = 'child-external-stop'",
        "^message [0-9]+: a child-external-stop is outstanding; should be a request",
    ),
    "cleared": (
        f"UPDATE messages SET status = 'cleared' WHERE id = {LAST}",
        "^message [0-9]+: a child-error is cleared, in turn none; should be a tick or a round, in",
    ),
}


@pytest.mark.parametrize("damage", ROWS)
def test_damage_to_children_is_told(children: Damaged, damage: str) -> None:
    judge(children, *ROWS[damage])


@pytest.mark.parametrize("damage", SUBSCRIPTIONS)
def test_damage_to_subscriptions_is_told(children: Damaged, damage: str) -> None:
    judge(children, *SUBSCRIPTIONS[damage])


@pytest.mark.parametrize("damage", MESSAGES)
def test_damage_to_what_is_told_is_told(children: Damaged, damage: str) -> None:
    judge(children, *MESSAGES[damage])


def judge(damaged: Damaged, statement: str, expected: str) -> None:
    damaged.sql(statement)
    found, _ = damaged.check()
    assert any(re.search(expected, line) for line in found), "\n".join(found)
    assert len(found) <= 4, "\n".join(found)


def test_what_a_child_is_to_be_started_as_is_what_it_is(children: Damaged) -> None:
    """Its row is all that the next system has of it."""

    def change(db: sqlite3.Connection) -> None:
        ((data,),) = db.execute(f"SELECT spec FROM children WHERE actor = {FOLLOWED}").fetchall()
        said = msgpack.unpackb(data)
        said["handlers"].append({"type": "wasi:filesystem", "settings": {}, "custom": None})
        said["initial_state"] = b"others"
        said["limits"]["fuel"] = 1 << 40
        said["resumed"] = False
        spec_data.unpack(msgpack.packb(said))
        db.execute(f"UPDATE children SET spec = ? WHERE actor = {FOLLOWED}", (msgpack.packb(said),))

    children.edit(change)
    found, _ = children.check()
    texts = " ".join(found)
    assert all(each in texts for each in ("grants", "initial state", "limit fuel", "resumed"))
    assert len(found) == 4


# Chains that are whole, and say what cannot be


def forge(name: str, wanted: Callable[[Any], bool], change: Callable[[Any], Any]) -> Any:
    """Another payload for the first event of an actor's that is wanted; its chain fits it."""

    def forged(db: sqlite3.Connection) -> None:
        rows = db.execute(
            "SELECT seq, bytes FROM events WHERE actor = (SELECT id FROM actors WHERE name = ?)"
            " ORDER BY position",
            (name,),
        ).fetchall()
        hash, is_done = GENESIS, False
        for seq, data in rows:
            event = decode(data)
            if not is_done and wanted(event):
                numbers = (event.actor, event.incarnation, event.turn, event.index)
                names = (event.type, event.interface, event.function)
                data, is_done = encode(*numbers, *names, change(event.payload)), True
            hash = link(hash, data)
            db.execute("UPDATE events SET bytes = ?, hash = ? WHERE seq = ?", (data, hash, seq))
        assert is_done

    return forged


def answer(function: str, nth: int = 0) -> Callable[[Any], bool]:
    seen: list[Any] = []

    def wanted(event: Any) -> bool:
        if (event.type, event.function) == ("host-answer", function):
            seen.append(event)
        return len(seen) == nth + 1

    return wanted


def ask(function: str) -> Callable[[Any], bool]:
    return lambda event: (event.type, event.function) == ("host-call", function)


def created(event: Any) -> bool:
    return bool(event.type == "created")


NO_STATE = content_hash(b"41")
FORGED = {
    "a list of something": (
        forge(BOSS, ask("list-children"), lambda _: [["boss"]]),
        "^boss, turn [0-9]+, position [0-9]+, seq [0-9]+: it asked with .*; should be nothing$",
    ),
    "a birth from nothing": (
        forge(BOSS, ask("spawn"), lambda _: [[None, None]]),
        "^boss, turn [0-9]+, position [0-9]+, seq [0-9]+: it asked with .*; should be a manifest,",
    ),
    "a birth with a number": (
        forge(BOSS, ask("resume"), lambda _: [["b.toml", 41]]),
        "^boss, turn [0-9]+, position [0-9]+, seq [0-9]+: it asked with .*; should be a manifest,",
    ),
    "a child without a name": (
        forge(BOSS, ask("get-child-state"), lambda _: [[]]),
        "^boss, turn [0-9]+, position [0-9]+, seq [0-9]+: it asked with .*; should be the name of",
    ),
    "a list without one": (
        forge(BOSS, answer("list-children"), lambda _: [["boss/a", "boss/b", "boss/c"]]),
        "^boss, turn [0-9]+, seq [0-9]+: it was told of 3 children; should be all 4, each once$",
    ),
    "a list with another": (
        forge(BOSS, answer("list-children"), lambda _: [["boss"]]),
        '^boss, turn [0-9]+, seq [0-9]+: it was told of "boss", which is no child of its; should',
    ),
    "no list": (
        forge(BOSS, answer("list-children"), lambda _: [1]),
        "^boss, turn [0-9]+, position [0-9]+, seq [0-9]+: an answer 1; should be a list of names$",
    ),
    "a birth of another": (
        forge(BOSS, answer("spawn"), lambda _: [{"ok": "boss/b"}]),
        '^boss, turn [0-9]+, seq [0-9]+: it was told that "boss/b" is born; should be what it',
    ),
    "a birth of none": (
        forge(BOSS, answer("spawn"), lambda _: [{"ok": None}]),
        "^boss, turn [0-9]+, position [0-9]+, seq [0-9]+: an answer .*; should be the name of what",
    ),
    "another state": (
        forge(BOSS, answer("get-child-state"), lambda _: [{"ok": ref(NO_STATE)}]),
        "^boss, turn [0-9]+, seq [0-9]+: it was shown [0-9a-f]+ as the state of .*; should be",
    ),
    "a state of one without": (
        forge(BOSS, answer("get-child-state", 1), lambda _: [{"ok": ref(NO_STATE)}]),
        '^boss, turn [0-9]+, seq [0-9]+: it was shown .* as the state of "boss/a"; should be none,',
    ),
    "a state of a stranger": (
        forge(BOSS, answer("get-child-state", 2), lambda _: [{"ok": None}]),
        '^boss, turn [0-9]+, seq [0-9]+: an answer about "other", which is no child of its; should',
    ),
    "a child that is said to be none": (
        forge(BOSS, answer("get-child-state"), lambda _: [{"err": "no-actor: boss/b"}]),
        '^boss, turn [0-9]+, seq [0-9]+: an answer that "boss/b" is no child of its; should be',
    ),
    "events of another": (
        forge(
            BOSS,
            answer("get-child-events"),
            lambda _: [{"ok": msgpack.ExtType(2, msgpack.packb(["boss/a", 0, 1, b"h"]))}],
        ),
        '^boss, turn [0-9]+, seq [0-9]+: a part of another chain, or of none; should be of "boss',
    ),
    "no place": (
        forge(BOSS, answer("get-child-events"), lambda _: [{"ok": msgpack.ExtType(2, b"\xc1")}]),
        '^boss, turn [0-9]+, seq [0-9]+: a part of another chain, or of none; should be of "boss',
    ),
    "spawned by nothing": (
        forge("boss/a", created, lambda facts: {**facts, "spawned": [1, 0]}),
        '^boss/a, seq [0-9]+: spawned by turn 1, index 0 of "boss", which has not asked for it',
    ),
    "spawned by the ask of another": (
        forge("boss/c", created, lambda facts: {**facts, "spawned": [2, 1]}),
        "^boss/c, seq [0-9]+: it was spawned by the ask that spawned actor [0-9]+; should be one",
    ),
    "spawned by no ask": (
        forge("boss/a", created, lambda facts: {**facts, "spawned": "x"}),
        '^boss/a, position 0, seq [0-9]+: spawned by "x"; should be a turn and an index, of an',
    ),
    "not spawned": (
        forge(
            "boss/c",
            created,
            lambda facts: {key: facts[key] for key in facts if key != "spawned"},
        ),
        "^boss/c: a row in children; should be none: its chain does not say that it was spawned$",
    ),
    "not resumed": (
        forge(
            "boss/b",
            created,
            lambda facts: {key: facts[key] for key in facts if key != "resumed"},
        ),
        "^boss/b, seq [0-9]+: spawned by turn .*, which called resume; should be resumed if that",
    ),
    "resumed as nothing": (
        forge("boss/b", created, lambda facts: {**facts, "resumed": 1}),
        "^boss/b, position 0, seq [0-9]+: resumed is 1; should be true or nothing, if it was",
    ),
}


@pytest.mark.parametrize("damage", FORGED)
def test_what_chains_say_of_children_has_to_be_so(children: Damaged, damage: str) -> None:
    change, expected = FORGED[damage]
    children.edit(change)
    found, _ = children.check()
    assert any(re.search(expected, line) for line in found), "\n".join(found)
