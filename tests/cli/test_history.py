"""The facts of a log are found in it without reading all of it, and they are all found."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from theater.broker import schema
from theater.client.history import History
from theater.client.reader import LogReader
from theater.events import Event, encode
from theater.facts import LAST, Fact

Row = tuple[int, str, Event]  # seq, actor, event


def make_log(path: Path, rows: list[Row]) -> LogReader:
    db = sqlite3.connect(path)
    db.executescript(schema.TABLES)
    db.execute(f"PRAGMA user_version = {schema.VERSION}")
    names = sorted({name for _, name, _ in rows})
    for id, name in enumerate(names, 1):
        role = "supervisor" if name == "/" else "actor"
        db.execute(
            "INSERT INTO actors (id, name, component, phase, created_at, role)"
            " VALUES (?,?,'','running',0,?)",
            (id, name, role),
        )
    positions = dict.fromkeys(names, 0)
    for seq, name, event in rows:
        actor, position = names.index(name) + 1, positions[name]
        positions[name] += 1
        data = encode(*(getattr(event, field) for field in Event.__slots__))
        db.execute(
            "INSERT INTO events (seq, actor, position, incarnation, turn, idx, type, function,"
            " bytes, hash, at) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (seq, actor, position, event.incarnation, event.turn, 0, event.type, "", data, b"", 0),
        )
        if event.type == "started":
            db.execute(
                "INSERT INTO incarnations (actor, incarnation, started_at) VALUES (?,?,0)",
                (actor, event.incarnation),
            )
    db.commit()
    db.close()
    return LogReader(str(path))


def random_rows(seed: int) -> list[Row]:
    dice = random.Random(seed)
    rows: list[Row] = []
    incarnations = {"a": 0, "b": 0, "/": 0}
    for seq in range(1, 400):
        name = dice.choice("aab/")
        kinds = ["wasm-call"] * dice.choice((0, 5, 50)) + ["started", "exited", "decided", "ready"]
        kind = "decided" if name == "/" else dice.choice(kinds)
        incarnations[name] += kind == "started"
        turn = 1 if kind == "wasm-call" else 0
        payload = {"decision": "restart", "n": seq}
        event = Event(name, incarnations[name], turn, 0, kind, "theater", kind, payload)
        rows.append((seq, name, event))
    return rows


@pytest.mark.parametrize("seed", range(10))
def test_what_is_found_is_what_a_reading_of_everything_finds(tmp_path: Path, seed: int) -> None:
    rows = random_rows(seed)
    log = make_log(tmp_path / "chain.db", rows)
    history = History(log)
    facts = [
        (event.turn, Fact(seq, 0.0, name, event.incarnation, event.type, event.payload))
        for seq, name, event in reversed(rows)
    ]
    for before in (LAST, 301, 200, 17, 1):
        past = [(turn, fact) for turn, fact in facts if fact.seq < before]
        found = list(history.decisions(before))
        assert found == [fact for _, fact in past if fact.type == "decided"]
        for name in "ab":
            own = [(turn, fact) for turn, fact in past if fact.name == name]
            starts = [fact for _, fact in own if fact.type == "started"]
            assert list(history.starts(name, before)) == starts
            tail = []
            for turn, fact in own:
                if turn:
                    break
                tail.append(fact)
            assert list(history.tail(name, before)) == tail
    assert history.is_supervisor("/") and not history.is_supervisor("a")
    assert list(history.tail("nobody", LAST)) == list(history.starts("nobody", LAST)) == []
    log.close()


def test_an_answer_that_comes_to_the_dead_hides_nothing(tmp_path: Path) -> None:
    kinds = ["started", "wasm-call", "host-call", "exited", "host-answer", "decided"]
    rows: list[Row] = []
    for seq, kind in enumerate(kinds, 1):
        turn = 0 if kind in ("started", "exited", "decided") else 1
        rows.append((seq, "a", Event("a", 1, turn, 0, kind, "theater", kind, {})))
    log = make_log(tmp_path / "chain.db", rows)
    assert [fact.type for fact in History(log).tail("a", LAST)] == ["decided", "exited"]
    log.close()
