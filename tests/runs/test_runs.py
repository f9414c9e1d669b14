"""A run goes into one file and comes out again as it was; a file that somebody made up does not."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.broker.logged import order
from tests.broker.whole import Whole
from theater.client.reader import LogReader
from theater.errors import Damaged, EnvironmentProblem, NotRunning, Refused, TheaterError
from theater.paths import DataPaths
from theater.runs import format
from theater.runs.format import ENTRIES_MAX, HEADER, LOG, PLAIN_BYTES, RATIO_MAX, Header
from theater.runs.pack import components_of, record
from theater.runs.unpack import header_of, opened, unpack

COMPONENT = b"(component)"
SHA256 = hashlib.sha256(COMPONENT).hexdigest()
OTHER = "ab" * 32
ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    " SELECT i AS actor, randomblob(32) AS hash, x'00' AS bytes FROM n"
)


@pytest.fixture
def data(tmp_path: Path) -> DataPaths:
    """A data directory with a log of two actors; the component of one of them is kept."""
    directory = tmp_path / "data"
    directory.mkdir()
    system = Whole(directory, order("a", component=SHA256), order("b", component=OTHER))
    system.start("a")
    system.turns.deliver_from_client("a", b"x" * 5000, "send", "1")
    worker = system.workers["a"]
    worker.take()
    worker.begin()
    worker.end(b"y" * 5000)
    system.step()
    system.db.execute("PRAGMA journal_mode = WAL")
    system.db.close()
    paths = DataPaths(str(directory))
    os.mkdir(paths.components)
    Path(paths.components, SHA256).write_bytes(COMPONENT)
    Path(paths.manifest).write_text('name = "s"\n')
    Path(paths.heads).write_text("{}\n")
    Path(paths.heads_key).write_bytes(b"secret")
    Path(paths.heads_public_key).write_bytes(b"public")
    return paths


def test_what_comes_out_is_what_went_in_and_no_secret(data: DataPaths, tmp_path: Path) -> None:
    target = str(tmp_path / "run.theater")
    packed = record(data.directory, target)
    assert (packed.actors, packed.components) == (2, 1)
    assert packed.missing == {OTHER: ["b"]}
    assert header_of(target).actors == ("a", "b")
    with opened(target) as directory:
        paths = DataPaths(directory)
        assert sorted(os.listdir(directory)) == [
            "chain.db",
            "chain.db.manifest.toml",
            "components",
            "heads.jsonl",
            "heads.pub",
        ]
        assert Path(paths.components, SHA256).read_bytes() == COMPONENT
        assert Path(paths.manifest).read_text() == 'name = "s"\n'
        before, after = LogReader(data.log), LogReader(paths.log)
        for sql in ("SELECT * FROM events", "SELECT * FROM turns", "SELECT hash, bytes FROM blobs"):
            assert before.query(sql) == after.query(sql)
        assert before.version() == after.version()
        before.close()
        after.close()
        assert stat.S_IMODE(os.stat(paths.log).st_mode) == 0o600
    assert not os.path.exists(directory)
    assert b"secret" not in Path(target).read_bytes()
    assert stat.S_IMODE(os.stat(target).st_mode) == 0o600
    assert sorted(os.listdir(tmp_path)) == ["data", "run.theater"]


def test_a_run_comes_out_in_a_directory_of_any_name(data: DataPaths, tmp_path: Path) -> None:
    target = str(tmp_path / "run.theater")
    record(data.directory, target)
    for name in ("50%25", "what?", "#1"):
        (tmp_path / name).mkdir()
        assert unpack(target, str(tmp_path / name)).actors == ("a", "b")


def test_a_log_that_is_written_to_is_copied_as_it_is_at_one_instant(
    data: DataPaths, tmp_path: Path
) -> None:
    writer = sqlite3.connect(data.log, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM turns")
    packed = record(data.directory, str(tmp_path / "run.theater"))
    writer.execute("ROLLBACK")
    writer.close()
    assert packed.events > 0
    with opened(packed.path) as directory:
        log = LogReader(DataPaths(directory).log)
        assert log.query("SELECT count(*) FROM turns")[0][0] == 2
        log.close()


def test_a_log_that_cannot_be_read_is_said_to_be_what_is_wrong(
    data: DataPaths, tmp_path: Path
) -> None:
    log = Path(data.log)
    log.write_bytes(log.read_bytes().replace(b"CREATE TABLE turns", b"CREATE TABLE tur\xffs"))
    with pytest.raises(EnvironmentProblem, match="cannot read the log"):
        record(data.directory, str(tmp_path / "run.theater"))


def test_nothing_is_written_over_and_nothing_is_left_behind(
    data: DataPaths, tmp_path: Path
) -> None:
    target = tmp_path / "run.theater"
    target.write_text("mine")
    with pytest.raises(Refused, match="is there already"):
        record(data.directory, str(target))
    assert target.read_text() == "mine"
    Path(data.components, SHA256).write_bytes(b"changed")
    with pytest.raises(Damaged, match="not what its name says"):
        record(data.directory, str(tmp_path / "other.theater"))
    with pytest.raises(NotRunning):
        record(str(tmp_path / "nowhere"), str(tmp_path / "other.theater"))
    with pytest.raises(TheaterError, match="cannot record to"):
        record(data.directory, str(tmp_path / "no" / "run.theater"))
    assert sorted(os.listdir(tmp_path)) == ["data", "run.theater"]


def test_what_would_be_packed_too_tightly_is_not_compressed(
    data: DataPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(format, "PLAIN_BYTES", 1000)
    monkeypatch.setattr(format, "RATIO_MAX", 2)
    target = str(tmp_path / "run.theater")
    record(data.directory, target)
    with zipfile.ZipFile(target) as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    with opened(target):
        pass


def test_components_are_those_of_every_time(tmp_path: Path) -> None:
    system = Whole(tmp_path, order("a", component="11" * 32), order("b", component="22" * 32))
    system.adopt(order("a", component="33" * 32), order("c", component="11" * 32))
    system.db.close()
    log = LogReader(str(tmp_path / "chain.db"))
    assert components_of(log) == {
        "11" * 32: ["a", "c"],
        "22" * 32: ["b"],
        "33" * 32: ["a"],
    }
    log.close()


# Hostile files


class Forged:
    """The entries of a good run, to be changed."""

    def __init__(self, good: str) -> None:
        with zipfile.ZipFile(good) as archive:
            self.entries: list[tuple[zipfile.ZipInfo, bytes]] = [
                (info, archive.read(info)) for info in archive.infolist()
            ]

    def info(self, name: str) -> zipfile.ZipInfo:
        return next(info for info, _ in self.entries if info.filename == name)

    def content(self, name: str) -> bytes:
        return next(data for info, data in self.entries if info.filename == name)

    def put(self, name: str, data: bytes, **facts: Any) -> None:
        self.entries = [each for each in self.entries if each[0].filename != name]
        self.add(name, data, **facts)

    def add(self, name: str, data: bytes, **facts: Any) -> None:
        info = zipfile.ZipInfo(name)
        for key, value in facts.items():
            setattr(info, key, value)
        self.entries.append((info, data))

    def log(self, change: Callable[[sqlite3.Connection], Any], directory: Path) -> None:
        """Change the log, and the header with it."""
        path = directory / "forged.db"
        path.write_bytes(self.content(LOG))
        db = sqlite3.connect(path, isolation_level=None)
        change(db)
        db.close()
        self.put(LOG, path.read_bytes())
        header = json.loads(self.content(HEADER))
        header["log"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        self.put(HEADER, json.dumps(header).encode())

    def written(self, path: Path) -> str:
        with zipfile.ZipFile(path, "w") as archive:
            for info, data in self.entries:
                archive.writestr(info, data)
        return str(path)


def header(**facts: Any) -> Callable[[Forged, Path], None]:
    def forge(forged: Forged, _directory: Path) -> None:
        known = json.loads(forged.content(HEADER))
        forged.put(HEADER, json.dumps({**known, **facts}).encode())

    return forge


def drop(name: str) -> Callable[[Forged, Path], None]:
    def forge(forged: Forged, _directory: Path) -> None:
        forged.entries = [each for each in forged.entries if each[0].filename != name]

    return forge


def add(name: str, data: bytes = b"x", **facts: Any) -> Callable[[Forged, Path], None]:
    return lambda forged, _directory: forged.add(name, data, **facts)


def put(name: str, data: bytes, **facts: Any) -> Callable[[Forged, Path], None]:
    return lambda forged, _directory: forged.put(name, data, **facts)


def sql(*statements: str) -> Callable[[Forged, Path], None]:
    def forge(forged: Forged, directory: Path) -> None:
        forged.log(lambda db: [db.execute(each) for each in statements], directory)

    return forge


def many(forged: Forged, _directory: Path) -> None:
    for number in range(ENTRIES_MAX):
        forged.add(f"components/{number:064x}", b"")


LINK = {"external_attr": (stat.S_IFLNK | 0o777) << 16}
FORGERIES: dict[str, tuple[Callable[[Forged, Path], None], str]] = {
    "a name above": (add("../escaped"), "an entry '../escaped'"),
    "an absolute name": (add("/tmp/escaped"), "an entry '/tmp/escaped'"),
    "a component above": (add(f"components/../{SHA256}"), "it has an entry"),
    "another name": (add("heads.key"), "an entry 'heads.key'"),
    "a name with escapes": (add("\x1b[31m\u202e"), "an entry '\\x1b[31m\\u202e'"),
    "a directory": (add("components/"), "it has an entry"),
    "a compiled component": (add(f"components/{OTHER}.cwasm"), "it has an entry"),
    "the log twice": (add(LOG), "chain.db is in it twice"),
    "a link": (put(f"components/{SHA256}", b"/etc/passwd", **LINK), "is not a plain file"),
    "a fifo": (put(LOG, b"", external_attr=stat.S_IFIFO << 16), "is not a plain file"),
    "no log": (drop(LOG), "it has no chain.db"),
    "no header": (drop(HEADER), "it has no run.json"),
    "a log that is none": (sql("DROP TABLE turns"), "its log has no table turns"),
    "a view for a table": (
        sql("DROP TABLE turns", "CREATE VIEW turns AS SELECT 1"),
        "its log has no table turns",
    ),
    "a view that never ends for a table of later logs": (
        sql("DROP VIEW states", "DROP TABLE last_states", f"CREATE VIEW Last_States AS {ENDLESS}"),
        "its log has 'Last_States'",
    ),
    "a trigger": (
        sql("CREATE TRIGGER t AFTER INSERT ON turns BEGIN SELECT 1; END"),
        "its log has 't'",
    ),
    "a virtual table": (sql("CREATE VIRTUAL TABLE v USING fts5(x)"), "its log has 'v"),
    "another log": (put(LOG, b"not a database"), "chain.db is not what its hash says"),
    "another component": (put(f"components/{SHA256}", b"evil"), "is not what its hash says"),
    "a header that is none": (put(HEADER, b"[" * 100_000), "its run.json is none"),
    "a header of numbers": (header(log={"sha256": 7, "bytes": "x"}), "its run.json is none"),
    "a header with a path": (header(components=["../x"]), "its run.json is none"),
    "other actors": (header(actors=["a"]), "has other actors than its run.json says"),
    "a header with numbers for actors": (header(actors=[1]), "its run.json is none"),
    "an actor with escapes": (header(actors=["a", "\x1b[31m"]), "an actor in it: "),
    "a column that is computed": (
        sql("DROP TABLE evidence",
            "CREATE TABLE evidence (id INTEGER, events BLOB AS (zeroblob(1000000000)))"),
        "its log has 'evidence'",
    ),
    "too many entries": (many, "entries"),
    "a bomb": (
        put(f"components/{SHA256}", bytes(PLAIN_BYTES + RATIO_MAX * (1 << 20)),
            compress_type=zipfile.ZIP_DEFLATED),
        "bytes would become",
    ),
    "another way to pack": (
        put(HEADER, b"{}", compress_type=zipfile.ZIP_LZMA),
        "packed in an unknown way",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("how", FORGERIES)
def test_a_forged_file_is_refused_and_leaves_nothing(
    data: DataPaths, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    good = str(tmp_path / "good.theater")
    record(data.directory, good)
    forge, said = FORGERIES[how]
    forged = Forged(good)
    forge(forged, tmp_path)
    bad = forged.written(tmp_path / "bad.theater")
    with pytest.raises(Damaged) as refused, opened(bad):
        pass
    assert said in str(refused.value)
    assert not os.listdir(scratch) and not (tmp_path / "escaped").exists()


@pytest.mark.parametrize(
    "forge, said",
    [
        (header(format=99), "has format 99; this theater reads 1. Use the theater that wrote it"),
        (sql("PRAGMA user_version = 99"), "the log has schema version 99; this theater reads"),
    ],
)
def test_a_run_of_a_later_theater_is_not_damaged(
    data: DataPaths, tmp_path: Path, forge: Callable[[Forged, Path], None], said: str
) -> None:
    good = str(tmp_path / "good.theater")
    record(data.directory, good)
    forged = Forged(good)
    forge(forged, tmp_path)
    later = forged.written(tmp_path / "later.theater")
    with pytest.raises(EnvironmentProblem) as refused, opened(later):
        pass
    assert said in str(refused.value)


def test_entries_that_share_their_bytes_are_refused(data: DataPaths, tmp_path: Path) -> None:
    good = str(tmp_path / "good.theater")
    record(data.directory, good)
    whole = bytearray(Path(good).read_bytes())
    with zipfile.ZipFile(good) as archive:
        log = archive.getinfo(LOG)
    # The central directory says that the component, too, has as many bytes as the file.
    at = whole.rindex(f"components/{SHA256}".encode()) - 46
    whole[at + 20 : at + 24] = (len(whole)).to_bytes(4, "little")
    bad = tmp_path / "bad.theater"
    bad.write_bytes(whole)
    assert log.compress_size
    with pytest.raises(Damaged), opened(str(bad)):
        pass


def test_any_flipped_bit_is_found_or_does_no_harm(data: DataPaths, tmp_path: Path) -> None:
    good = tmp_path / "good.theater"
    record(data.directory, str(good))
    whole = good.read_bytes()
    bad = tmp_path / "bad.theater"
    for number in range(0, len(whole) * 8, max(1, len(whole) * 8 // 300)):
        changed = bytearray(whole)
        changed[number // 8] ^= 1 << number % 8
        bad.write_bytes(changed)
        directory = tmp_path / "out"
        directory.mkdir()
        try:
            found = unpack(str(bad), str(directory))
        except Damaged:
            pass
        else:
            log = (directory / LOG).read_bytes()
            assert hashlib.sha256(log).hexdigest() == found.log_sha256
        for path in sorted(directory.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        directory.rmdir()


def test_a_file_that_points_before_its_beginning_is_damaged(
    data: DataPaths, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.theater"
    record(data.directory, str(bad))
    changed = bytearray(bad.read_bytes())
    end = changed.rindex(b"PK\x05\x06")  # 16 bytes on: where the list of entries begins
    where = int.from_bytes(changed[end + 16 : end + 20], "little")
    for field, value in ((end + 16, where + 1000), (where + 42, 0)):
        changed[field : field + 4] = value.to_bytes(4, "little")
    bad.write_bytes(changed)
    for look in (header_of, lambda path: opened(path).__enter__()):
        with pytest.raises(Damaged, match="it names a place before its own"):
            look(str(bad))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"x" * 1000, b"PK\x05\x06" + bytes(18)])
def test_what_is_no_zip_is_damaged(tmp_path: Path, content: bytes) -> None:
    bad = tmp_path / "bad.theater"
    bad.write_bytes(content)
    with pytest.raises(Damaged), opened(str(bad)):
        pass
    with pytest.raises(Damaged):
        header_of(str(bad))
    with pytest.raises(Damaged, match="is not a file"), opened("/dev/null"):
        pass
    with pytest.raises(TheaterError, match="No such file"), opened(str(tmp_path / "none")):
        pass


def test_a_header_is_read_as_it_was_written() -> None:
    one = Header("1.0", "2026-01-01T00:00:00+00:00", OTHER, 5, (SHA256,), (OTHER,), ("a",))
    assert Header.read(one.written(), "x") == one
