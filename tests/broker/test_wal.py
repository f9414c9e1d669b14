"""The WAL begins anew again and again, shrinks when it may, and whoever prevents it is named."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from theater.broker import log
from theater.broker.batch import Batch
from theater.broker.log import Log
from theater.events import content_hash
from theater.spec import Durability
from theater.supervisor import troubles
from theater.supervisor.troubles import Troubles

KIB = 1024


class Wal:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = Log(sqlite3.connect(path, isolation_level=None), Durability.PROCESS)
        self.written = 0

    def write(self, count: int) -> None:
        """So many commits of 10 KiB, as the loop makes them."""
        for _ in range(count):
            self.written += 1
            content = b"%010d" % self.written * KIB
            self.log.write(Batch(blobs=[(content_hash(content), content)]))
            if self.log.wants_checkpoint():
                self.log.checkpoint()

    @property
    def size(self) -> int:
        return os.stat(f"{self.path}-wal").st_size


@pytest.fixture
def wal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wal]:
    monkeypatch.setattr(log, "CHECKPOINT_PAGES", 200)
    monkeypatch.setattr(log, "WAL_KEPT_BYTES", 2000 * KIB)
    wal = Wal(tmp_path / "chain.db")
    yield wal
    wal.log.close()


def test_it_begins_anew_again_and_again(wal: Wal) -> None:
    for _ in range(10):
        wal.write(100)
        assert wal.size < 2 * 200 * 4 * KIB
    assert os.stat(wal.path).st_size > 9000 * KIB


def test_it_grows_while_a_reader_stays_and_shrinks_when_it_has_gone(wal: Wal) -> None:
    wal.write(1)
    reader = sqlite3.connect(f"file:{wal.path}?mode=ro", uri=True, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM blobs").fetchall()
    wal.write(300)
    assert wal.size > 3000 * KIB
    reader.execute("COMMIT")
    wal.write(100)
    assert wal.size < 2100 * KIB
    reader.close()


def test_readers_in_short_transactions_are_in_nobodys_way(wal: Wal) -> None:
    reader = sqlite3.connect(f"file:{wal.path}?mode=ro", uri=True, isolation_level=None)
    for number in range(300):
        assert reader.execute("SELECT count(*) FROM blobs").fetchone() == (number,)
        wal.write(1)
    assert wal.size < 2 * 200 * 4 * KIB
    reader.close()


def test_the_end_leaves_one_file(wal: Wal) -> None:
    wal.write(10)
    wal.log.empty_wal()
    wal.log.close()
    assert os.listdir(wal.path.parent) == ["chain.db"]


READER = """
import sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, isolation_level=None)
db.execute("BEGIN")
db.execute("SELECT count(*) FROM blobs").fetchall()
print("reads", flush=True)
sys.stdin.read()
"""


def test_a_wal_that_has_grown_is_told_with_who_is_to_blame(
    wal: Wal, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Troubles(str(wal.path))
    wal.write(1)
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(wal.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout is not None and reader.stdout.readline() == "reads\n"
    wal.write(150)
    assert found.told() == [], "it may be 256 MiB"
    monkeypatch.setattr(troubles, "WAL_MAX_BYTES", KIB * KIB)
    (told,) = found.told()
    name = f"process {reader.pid} ("
    assert told["what"].startswith(f"chain.db-wal has grown to 3 MiB: {name}")
    assert told["what"].endswith(") stays in a transaction on chain.db")
    assert told["todo"] == "end that, and it shrinks by itself" and told["since"] is None
    reader.communicate()
    (told,) = found.told()
    assert told["what"] == "chain.db-wal has grown to 3 MiB: a reader has stayed in a transaction"
    found.wait("the disk is full", "make room", 5.0)
    assert [each["since"] for each in found.told()] == [5.0, None]


def test_who_writes_is_known_by_its_lock(wal: Wal) -> None:
    from theater.broker.trouble import judge

    code = READER.replace("mode=ro", "mode=rw").replace("BEGIN", "BEGIN IMMEDIATE")
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(wal.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None and writer.stdout.readline() == "reads\n"
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    trouble = judge(error, str(wal.path))
    assert trouble.what.startswith(f"process {writer.pid} (") and "has locked it" in trouble.what
    writer.communicate()
