"""Rows dropped, inserted, swapped, cut off and rewritten; contents, and what cannot be read."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from tests.verify.conftest import RANGE, Copy, leaves_of, sign_all
from theater import merkle
from theater.chain import GENESIS, link
from theater.events import decode, encode
from theater.verify import pool
from theater.verify.scan import Odd, Scan

A = "(SELECT id FROM actors WHERE name = 'a')"


def test_the_log_of_a_real_run_holds(copy: Copy) -> None:
    leaves = leaves_of(copy.paths.log)
    for options in ({}, {"range_events": 1}, {"range_events": 1 << 15}, {"processes": 2}):
        found, summary = copy.verify(**options)
        assert found == []
        assert (summary.events, summary.size, summary.signed) == (len(leaves),) * 3
        assert summary.root == merkle.root(leaves).hex()
        assert (summary.heads, summary.went_on) == (6, False)
        assert summary.contents == copy.one("SELECT count(*) FROM blobs")


def test_nothing_of_a_real_run_is_odd(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the careful pass, which is slow, would be needed."""

    def never(_scan: Scan, _range: object) -> None:
        raise Odd

    copy.verify()
    monkeypatch.setattr(pool, "Careful", None)
    found, _ = copy.verify()
    assert found == []
    monkeypatch.undo()
    monkeypatch.setattr(Scan, "run", never)
    found, summary = copy.verify()
    assert found == [], "and the careful pass finds nothing either"
    assert summary.root and summary.heads == 6


# (statements, what has to be told); SIZE: of the log before, NEXT: one more
ROWS = {
    "an event is dropped": (
        [f"DELETE FROM events WHERE actor = {A} AND position = 6"],
        [
            r"^seq [0-9]+: it is missing; should be no gap$",
            r"^a, position 7, seq [0-9]+: it comes next, position 6 is missing; should be no gap$",
            r"^heads\.jsonl, line 3, size 124: the tree that was signed cannot be made",
        ],
    ),
    "some are": (
        ["DELETE FROM events WHERE seq BETWEEN 31 AND 36"],
        [r"^seq 31: it is missing, as are all up to (32|36); should be no gap$"],
    ),
    "the first is": (
        ["DELETE FROM events WHERE seq = 1"],
        [r"^seq 1: it is missing; should be no gap$"],
    ),
    "the last ones are": (
        ["DELETE FROM events WHERE seq > (SELECT max(seq) FROM events) - 4"],
        [r"^heads\.jsonl, line 6, size SIZE: the log has [0-9]+ events; should be SIZE, as were"],
    ),
    "the last result is": (
        [
            "DELETE FROM events WHERE seq >="
            " (SELECT max(seq) FROM events WHERE type = 'wasm-result')",
        ],
        [r"turn [0-9]+: a row with status \"done\", and its chain has no result of it; should"],
    ),
    "two are swapped": (
        [
            f"UPDATE events SET seq = -1 WHERE actor = {A} AND position = 6",
            f"UPDATE events SET seq = seq - 1 WHERE actor = {A} AND position = 7",
            f"UPDATE events SET seq = (SELECT seq + 1 FROM events WHERE actor = {A}"
            " AND position = 7) WHERE seq = -1",
        ],
        [
            r"^a, position 7, seq [0-9]+: it comes next, position 6 is missing; should be no gap$",
            r"^a, position 6, seq [0-9]+: it comes after position 7; should be in the order of",
        ],
    ),
    "two of different chains are swapped": (
        [
            "UPDATE events SET seq = -1 WHERE seq = 2",
            "UPDATE events SET seq = 2 WHERE seq = 3",
            "UPDATE events SET seq = 3 WHERE seq = -1",
        ],
        [r"^heads\.jsonl, line 2, size 7: the root is .*: events 2 to 7 are not what they were"],
    ),
    "one is inserted": (
        [
            "INSERT INTO events SELECT seq + 1000, actor, position + 1000, incarnation, turn, idx,"
            " type, function, line, bytes, hash, at FROM events WHERE seq = 80",
        ],
        [
            r"^seq NEXT: it is missing",  # alone where a range ends with it
            r"^seq [0-9]+: it is missing, as are all up to ",
            r"seq 1080: it comes next, position",
        ],
    ),
    "a content is added under a wrong hash": (
        ["INSERT INTO blobs VALUES (zeroblob(32), x'01')"],
        [r"^content 0{16}, row [0-9]+: its 1 bytes have hash [0-9a-f]{16}; should be 0{16}, under"],
    ),
    "a content is no bytes": (
        ["UPDATE blobs SET bytes = 'text' WHERE rowid = 3"],
        [r"^blobs, row 3: column bytes is text, under [0-9a-f]{16}; should be bytes under"],
    ),
    "a turn is added": (
        [
            "INSERT INTO turns SELECT actor, turn + 100, kind, message, status, incarnation, steps,"
            f" deliveries, state, fuel, reason, at, kept FROM turns WHERE actor = {A} AND turn = 2",
        ],
        [r"^a, turn 102: a row with status \"done\", and its chain has no result of it"],
    ),
    "one that waits is": (
        [
            "INSERT INTO turns SELECT actor, turn + 100, kind, message, 'waiting', incarnation, 0,"
            f" deliveries, state, NULL, reason, at, kept FROM turns WHERE actor = {A} AND turn = 2",
        ],
        [r"^a, turn 102: a row with status \"waiting\", and its chain has nothing of it"],
    ),
    "a step is": (
        [f"INSERT INTO steps VALUES ({A}, 500, 0, 1, 9999)"],
        [r"^a, turn 500, step 0: a row in steps that ends with event 9999; should be with one"],
    ),
    "one of nobody is": (
        ["INSERT INTO steps VALUES (77, 1, 0, 1, 5)"],
        [r"^steps: of an actor 77; should be of one there is$"],
    ),
    "an event is of nobody": (
        ["UPDATE events SET actor = 99 WHERE seq = 80"],
        [r"^seq 80: of an actor 99; should be of one there is$"],
    ),
    "evidence is added": (
        [
            "INSERT INTO evidence SELECT max(id) + 1, actor, incarnation, turn, events, hash, at"
            " FROM evidence",
        ],
        [r"^evidence [0-9]+: is chained in no turn-failed; should be in one$"],
    ),
    "a table is gone": (["DROP TABLE steps"], [r"^steps: is missing; should be there$"]),
    "a column is no bytes": (
        ["UPDATE events SET hash = 'abc' WHERE seq = 80"],
        [r"seq 80: hash is text \"abc\"; should be bytes$"],
    ),
    "a time is no number": (
        ["UPDATE events SET at = 'now' WHERE seq = 80"],
        [r"seq 80: at is text \"now\"; should be a real number$"],
    ),
}


@pytest.mark.parametrize("statements, patterns", ROWS.values(), ids=ROWS.keys())
def test_rows_are_named(copy: Copy, statements: list[str], patterns: list[str]) -> None:
    size = copy.size
    copy.sql(*statements)
    found, summary = copy.verify()
    assert summary.problems
    for pattern in patterns:
        pattern = pattern.replace("SIZE", str(size)).replace("NEXT", str(size + 1))
        assert any(re.search(pattern, line) for line in found), (pattern, found)


def test_a_position_that_is_another_is_told_once_in_any_range(copy: Copy) -> None:
    for seq in (74, 96, 97, 128, 129):
        ((position, actor),) = copy.rows("SELECT position, actor FROM events WHERE seq = ?", seq)
        copy.sql(f"UPDATE events SET position = 5000 WHERE seq = {seq}")
        found, _ = copy.verify()
        (name,) = copy.rows("SELECT name FROM actors WHERE id = ?", actor)[0]
        expected = f"{position}, as it follows on the one before it"
        wanted = f"{name}, position 5000, seq {seq}: column position is 5000; should be {expected}"
        assert found == [wanted]
        copy.sql(f"UPDATE events SET position = {position} WHERE seq = {seq}")


def test_a_chain_that_was_rewritten_consistently_is_found_by_a_head(copy: Copy) -> None:
    """All hashes, columns and turns hold; only what was signed is another."""

    def rewrite(db: sqlite3.Connection) -> None:
        rows = db.execute(
            f"SELECT seq, bytes FROM events WHERE actor = {A} ORDER BY position"
        ).fetchall()
        parent = GENESIS
        for seq, data in rows:
            event = decode(data)
            line = None
            if event.type == "host-call" and event.function == "log":
                event.payload[0][0] = line = "nothing has happened"
                data = encode(*(getattr(event, name) for name in event.__slots__))
            parent = link(parent, data)
            db.execute(
                "UPDATE events SET bytes = ?, hash = ?, line = coalesce(?, line) WHERE seq = ?",
                (data, parent, line, seq),
            )

    copy.edit(rewrite)
    seqs = [row[0] for row in copy.rows(f"SELECT seq FROM events WHERE actor = {A}")]
    changed = copy.one("SELECT min(seq) FROM events WHERE line = 'nothing has happened'")
    assert changed in seqs
    found, summary = copy.verify()
    first, others = found
    assert re.match(r"heads\.jsonl, line 3, size 124: the root is .*: events 8 to 124 are", first)
    assert others.startswith(
        f"heads.jsonl: 3 more heads, of 128 to {copy.size} events, not fitting"
    )
    assert (summary.heads, summary.signed) == (2, 7) and 7 < changed <= 124
    Path(copy.paths.heads).unlink()
    assert copy.verify()[0] == [], "without a head it is as good as any other"


def test_a_log_that_was_cut_off_is_found_only_by_a_head_that_was_kept(copy: Copy) -> None:
    kept = copy.directory / "kept.json"
    kept.write_text(copy.heads()[5] + "\n")
    size = copy.size
    copy.sql(
        "DELETE FROM events WHERE seq > 7",
        "DELETE FROM turns",
        "DELETE FROM steps",
        "DELETE FROM evidence",
        "DELETE FROM last_states",
    )
    Path(copy.paths.heads).write_text("".join(f"{line}\n" for line in copy.heads()[:2]))
    assert copy.verify()[0] == []
    found, _ = copy.verify(head_files=[str(kept)])
    assert len(found) == 1 and f"; should be {size}, as were signed" in found[0]


def test_heads_within_a_range_and_at_its_ends_are_all_held(copy: Copy) -> None:
    size = copy.size
    sizes = sorted({*range(1, size, 7), RANGE, RANGE + 1, 2 * RANGE - 1, 2 * RANGE, size})
    sign_all(copy.directory, sizes)
    for processes in (1, 2):
        found, summary = copy.verify(processes=processes)
        assert (found, summary.heads) == ([], len(sizes))
    copy.sql("UPDATE events SET at = at + 1 WHERE seq = 200")
    found, summary = copy.verify()
    assert summary.signed == max(each for each in sizes if each < 200)


def test_damage_is_told_the_same_by_several_processes(copy: Copy) -> None:
    copy.sql(
        "UPDATE events SET hash = zeroblob(32) WHERE seq IN (40, 200)",
        "UPDATE blobs SET bytes = x'00' WHERE rowid = 5",
        f"DELETE FROM steps WHERE actor = {A} AND turn = 7",
    )
    found, summary = copy.verify()
    assert summary.problems and copy.verify(processes=2) == (found, summary)


def test_a_page_of_the_file_that_is_nonsense_is_told(copy: Copy) -> None:
    page = copy.one("PRAGMA page_size")
    data = bytearray(Path(copy.paths.log).read_bytes())
    for number in range(3, len(data) // page, 4):
        data[number * page : number * page + 64] = bytes(range(64))
    Path(copy.paths.log).write_bytes(data)
    found, summary = copy.verify()
    assert summary.problems and any("cannot be read" in line for line in found)


@pytest.mark.parametrize("content", [b"", b"no database\n" * 500])
def test_what_is_no_log_is_told(copy: Copy, content: bytes) -> None:
    Path(copy.paths.log).write_bytes(content)
    found, summary = copy.verify()
    assert summary.problems == 1 and found[0].startswith("chain.db: ")
    Path(copy.paths.heads).write_text("nonsense\n")
    assert copy.verify()[0][1:] == found, "whatever else is wrong"
