"""Whatever a file is, the check ends, in bounded memory, and says so in its own words."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from operator import methodcaller
from pathlib import Path

import pytest

from tests.fsck.conftest import Damaged
from tests.slices import sliced
from theater.chain import GENESIS, link
from theater.errors import EnvironmentProblem, NotRunning, TheaterError
from theater.events import content_hash, decode, encode
from theater.fsck.check import check
from theater.fsck.shape import VERSION

FLIPS = 200
BLOCK = 25  # seeds a test
LONGEST_S = 20.0  # it takes less than a second


def test_no_file_is_no_system(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="nothing has run here yet"):
        check(str(tmp_path / "chain.db"), print)


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="is not a file"):
        check(str(tmp_path), print)


def test_a_log_of_a_newer_theater_is_refused(damaged: Damaged) -> None:
    damaged.sql("PRAGMA user_version = 99")
    with pytest.raises(EnvironmentProblem, match="the log has schema version 99"):
        damaged.check()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"S", "chain.db: is empty; should be a log of version 1 to"),
        (b"", "chain.db: is empty; should be a log of version 1 to"),
        (b"not a database at all, but long enough to be one" * 100, "file is not a database"),
        (b"SQLite format 3\0" + b"\xff" * 5000, "file is not a database"),
        (b"SQLite format 3\0", "file is not a database"),
    ],
)
def test_what_is_no_database_is_told(damaged: Damaged, content: bytes, expected: str) -> None:
    damaged.path.write_bytes(content)
    found, summary = damaged.check()
    assert expected in "\n".join(found)
    assert summary.problems == len(found) and summary.events == 0


def test_a_database_of_somebody_else_is_told(damaged: Damaged) -> None:
    os.unlink(damaged.path)
    damaged.edit(lambda db: db.executescript("CREATE TABLE stamps (country TEXT)"))
    assert damaged.check()[0] == [
        f"chain.db: has schema version 0; should be a log of version 1 to {VERSION}"
    ]


@pytest.mark.parametrize("kept", [100, 4096, 20_000, 60_000])
def test_a_log_cut_short_is_told(damaged: Damaged, kept: int) -> None:
    os.truncate(damaged.path, kept)
    found, _ = damaged.check()
    assert found and any("SQLite finds" in line or "cannot be read" in line for line in found)


def test_what_sqlite_finds_comes_first(damaged: Damaged) -> None:
    root = damaged.one("SELECT rootpage FROM sqlite_schema WHERE name = 'mailbox'")
    size = damaged.one("PRAGMA page_size")
    with open(damaged.path, "r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * 8)
    assert damaged.check()[0][0].startswith("chain.db: SQLite finds: ")


@contextmanager
def schema(damaged: Damaged) -> Iterator[sqlite3.Connection]:
    """To write into the schema as no program should."""
    with closing(sqlite3.connect(damaged.path, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = 1")
        yield db


@pytest.mark.parametrize(
    "view",
    [
        "CREATE VIEW asks AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        " SELECT i AS actor FROM n",
        "CREATE VIEW asks AS SELECT * FROM asks",
        "CREATE VIRTUAL TABLE asks USING fts5(actor)",
    ],
)
def test_what_only_has_the_name_of_a_table_is_not_read(damaged: Damaged, view: str) -> None:
    damaged.sql("ALTER TABLE asks RENAME TO old")
    with closing(sqlite3.connect(damaged.path, isolation_level=None)) as db:
        db.execute(view)
    assert damaged.check()[0] == ["asks: is missing; should be there"]


def test_a_column_that_computes_for_ever_is_not_read(damaged: Damaged) -> None:
    damaged.sql(
        "DROP TABLE senders",
        "CREATE TABLE senders (actor INTEGER, sender TEXT AS (hex(zeroblob(100000000))),"
        " PRIMARY KEY (actor))",
    )
    found, _ = damaged.check()
    assert any(line.startswith("senders: has the columns ") for line in found)


def test_a_schema_that_is_no_sql_is_told(damaged: Damaged) -> None:
    with schema(damaged) as db:
        db.execute("UPDATE sqlite_schema SET sql = 'CREATE TABLE (((' WHERE name = 'asks'")
    found, _ = damaged.check()
    assert any("malformed database schema" in line for line in found)


def test_two_tables_on_the_same_pages_are_told(damaged: Damaged) -> None:
    with schema(damaged) as db:
        db.execute(
            "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema"
            " WHERE name = 'events') WHERE name = 'messages'"
        )
    assert damaged.check()[1].problems


def test_a_table_that_leads_in_a_circle_is_left(damaged: Damaged) -> None:
    """A page of the inner tree that has the root below it, over and over."""
    root = damaged.one("SELECT rootpage FROM sqlite_schema WHERE name = 'events'")
    size = damaged.one("PRAGMA page_size")
    with open(damaged.path, "r+b") as file:
        start = (root - 1) * size
        file.seek(start)
        page = bytearray(file.read(size))
        assert page[0] == 5, "the table has inner pages"
        for cell in range(int.from_bytes(page[3:5])):
            at = int.from_bytes(page[12 + 2 * cell : 14 + 2 * cell])
            page[at : at + 4] = root.to_bytes(4)
        page[8:12] = root.to_bytes(4)
        file.seek(start)
        file.write(page)
    assert damaged.check()[1].problems


BOMBS = {
    "deep": b"\x99\x01" + b"\x91" * 100_000,
    "deep in a payload": encode("a", 1, 1, 0, "log", "i", "f", None)[:-1] + b"\x91" * 900 + b"\xc0",
    "wide": b"\x99\x01\xdd\xff\xff\xff\xff",
    "wide and deep": b"\xdd\x00\x0f\xff\xff" * 200_000,
    "many": b"\x99\x01\xdd\x00\x10\x00\x00" + b"\x90" * 1_048_576,
    "a long text": b"\x99\x01\xdb\xff\xff\xff\xff",
    "a map": b"\x99\x01\xdf\xff\xff\xff\xff",
    "an extension": b"\x99\x01\xc9\xff\xff\xff\xff\x01",
    "a time": b"\xc7\x0c\xff" + b"\xff" * 12,
    "not UTF-8": b"\x99\x01\xa1\xff\x01\x01\x01\xa1a\xa1b\xa1c\xc0",
    "nothing": b"",
    "a large number": encode("a", (1 << 64) - 1, 1, 0, "log", "i", "f", None),
    "negative numbers": encode("a", -1, -1, -1, "log", "i", "f", None),
    "control characters": encode("\x1b[31m\n\u202e", 1, 1, 0, "\x07", "i", "f", None),
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("hashed", [False, True])
def test_a_bomb_for_an_event_is_told_in_one_line(damaged: Damaged, bomb: str, hashed: bool) -> None:
    data = BOMBS[bomb]

    def put(db: sqlite3.Connection) -> None:
        """At the end of a chain, with its right hash or not."""
        (head,) = db.execute(
            "SELECT hash FROM events WHERE actor = 4 AND position ="
            " (SELECT max(position) - 1 FROM events WHERE actor = 4)"
        ).fetchone()
        db.execute(
            "UPDATE events SET bytes = ?, hash = ? WHERE actor = 4 AND position ="
            " (SELECT max(position) FROM events WHERE actor = 4)",
            (data, link(head, data) if hashed else bytes(32)),
        )

    damaged.edit(put)
    found, _ = damaged.check()
    assert found
    assert all(line.isprintable() and len(line) < 1000 for line in found), found


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_for_evidence_or_an_answer_is_told(damaged: Damaged, bomb: str) -> None:
    data = BOMBS[bomb]

    def put(db: sqlite3.Connection) -> None:
        db.execute(
            "UPDATE evidence SET events = ?, hash = ? WHERE id = 2", (data, content_hash(data))
        )
        db.execute("UPDATE messages SET answer = ? WHERE id = 2", (data,))

    damaged.edit(put)
    found, _ = damaged.check()
    assert any("its events are " in line or "evidence 2" in line for line in found)
    assert any("the answer of message 2 is" in line for line in found)
    assert all(line.isprintable() and len(line) < 1000 for line in found), found


def test_a_payload_too_deep_to_look_for_contents_is_told(damaged: Damaged) -> None:
    def put(db: sqlite3.Connection) -> None:
        head = GENESIS
        rows = db.execute("SELECT seq, bytes FROM events WHERE actor = 4 ORDER BY position")
        for position, (seq, data) in enumerate(rows.fetchall()):
            if position == 2:
                event = decode(data)
                plain = encode("keeper", 1, 1, event.index, event.type, "i", event.function, None)
                data = plain[:-1] + b"\x91" * 1000 + b"\xc7\x20\x01" + bytes(32)
            head = link(head, data)
            db.execute("UPDATE events SET bytes = ?, hash = ? WHERE seq = ?", (data, head, seq))

    damaged.edit(put)
    told = "\n".join(damaged.check()[0])
    assert "nested too deeply to be read" in told or "position 2, seq" in told


VALUES = ("NULL", "'text'", "1.5", "x'00ff'", "-1", "9223372036854775807")


@pytest.mark.parametrize("time", sliced(range(2), 0))
def test_any_value_in_any_column_is_told_or_borne(damaged: Damaged, time: int) -> None:
    """One column after the other, in the first row that takes it; which value is chance."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")  # shown if the check itself fails
    dice = random.Random(seed)
    with closing(sqlite3.connect(damaged.path)) as db:
        columns = db.execute(
            "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c"
            " WHERE t.type = 'table'"
        ).fetchall()
    pristine = damaged.path.read_bytes()
    for table, column in columns:
        value = dice.choice(VALUES)
        damaged.path.write_bytes(pristine)
        where = "" if table == "counters" else f" WHERE {column} NOT NULL"

        def put(
            db: sqlite3.Connection,
            table: str = table,
            column: str = column,
            where: str = where,
            value: str = value,
        ) -> None:
            db.execute("PRAGMA ignore_check_constraints = 1")
            chosen = f"SELECT min({column}) FROM {table}{where}"
            # Not where it cannot be: no NULL in a key, no text for a rowid.
            with suppress(sqlite3.IntegrityError):
                db.execute(
                    f"UPDATE OR IGNORE {table} SET {column} = {value} WHERE {column} = ({chosen})"
                )

        damaged.edit(put)
        found, _ = damaged.check()
        assert all(line.isprintable() for line in found), (table, column, value, found)


@pytest.mark.parametrize("block", sliced(range(FLIPS // BLOCK), *range(FLIPS // BLOCK // 2)))
def test_flipped_bits_and_cuts_end_in_a_verdict(damaged: Damaged, block: int) -> None:
    pristine = damaged.path.read_bytes()
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        dice = random.Random(seed)
        data = bytearray(pristine)
        if dice.random() < 0.1:
            del data[dice.randrange(len(data)) :]
        for _ in range(dice.choice((1, 1, 2, 10, 100, 1000))):
            if data:
                # The first page and the heads of pages are where most depends on a bit.
                at = dice.choice(
                    (
                        dice.randrange(len(data)),
                        dice.randrange(min(len(data), 4096)),
                        dice.randrange(len(data)) // 4096 * 4096 + dice.randrange(16),
                    )
                )
                data[min(at, len(data) - 1)] ^= 1 << dice.randrange(8)
        damaged.path.write_bytes(data)
        begun_s = time.monotonic()
        try:
            found, _ = damaged.check()
        except TheaterError as error:
            found = [str(error)]
        except BaseException:
            print(f"seed {seed}")
            raise
        assert time.monotonic() - begun_s < LONGEST_S, f"seed {seed}"
        assert all(line.isprintable() for line in found), f"seed {seed}: {found}"


def test_bits_flipped_in_events_are_all_noticed(damaged: Damaged) -> None:
    """Wherever in the bytes or the hash of an event."""
    pristine = damaged.path.read_bytes()
    dice = random.Random(1)
    for _ in range(20):
        damaged.path.write_bytes(pristine)
        seq = dice.randint(1, damaged.one("SELECT max(seq) FROM events"))
        column = dice.choice(("bytes", "hash"))
        data = bytearray(damaged.one(f"SELECT {column} FROM events WHERE seq = ?", seq))
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        damaged.edit(
            methodcaller(
                "execute", f"UPDATE events SET {column} = ? WHERE seq = ?", (bytes(data), seq)
            )
        )
        found, _ = damaged.check()
        assert any(f"seq {seq}: hash " in line for line in found), (seq, column, found)


LARGE = """
import sys
from tests.memory import peak_mib
from theater.fsck.check import check
from theater.fsck.shape import VERSION
before = peak_mib()
found = []
summary = check(sys.argv[1], found.append)
print(summary.events, summary.contents, len(found), peak_mib() - before)
"""


def test_memory_does_not_grow_with_the_log(damaged: Damaged) -> None:
    """Very many decisions and large contents more: some MB, whatever there is."""
    events, contents = 50_000, 24

    def grow(db: sqlite3.Connection) -> None:
        db.execute("BEGIN")
        seq, position, head = db.execute(
            "SELECT (SELECT max(seq) FROM events), position, hash FROM events WHERE actor = 1"
            " ORDER BY position DESC LIMIT 1"
        ).fetchone()
        for number in range(1, events + 1):
            at = position + number
            data = encode("/", 0, 0, at, "decided", "theater", "decided", {"decision": "n" * 100})
            head = link(head, data)
            db.execute(
                "INSERT INTO events VALUES (?,1,?,0,0,?,'decided','decided',NULL,?,?,0.0)",
                (seq + number, at, at, data, head),
            )
        for number in range(contents):
            content = number.to_bytes(1) * (8 * 1024 * 1024)
            db.execute("INSERT INTO blobs VALUES (?,?)", (content_hash(content), content))
        db.execute("COMMIT")

    damaged.edit(grow)
    here = Path(__file__).parent.parent.parent
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(damaged.path)], cwd=here, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    seen, stored, notes, grown_mb = map(int, done.stdout.split())
    assert seen > events and stored > contents and notes == 1
    assert grown_mb < 64
