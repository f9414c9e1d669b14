"""Unpack a RUN.theater, which anybody may have made, into a data directory of its own.

Only names that `format` knows come out, as plain files under a fresh directory; sizes are bounded
by the file's own; the log and the components are what their hashes say. Of the log it is made sure
that it is a database with tables as ours and nothing in it that runs; what it says, whoever reads
it believes as little as of any log.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import sqlite3
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

from theater.client.reader import LogReader
from theater.errors import Damaged, EnvironmentProblem, TheaterError
from theater.masked import masked
from theater.paths import DataPaths, reading_uri
from theater.runs.format import (
    COMPONENT,
    ENTRIES_MAX,
    HEADER,
    LOG,
    MANIFEST,
    Header,
    is_tight,
    size_max,
)

_CHUNK = 1 << 20
_TABLES = ("actors", "incarnations", "turns", "steps", "events", "messages", "asks", "blobs",
           "dead_letters", "evidence")  # fmt: skip
# Of later versions only. Whoever reads one of these by its name must get a table.
_LATER_TABLES = ("channels", "last_states", "senders", "counters", "timers", "contents", "labels",
                 "children", "subscriptions")  # fmt: skip

# What zipfile raises of one that somebody made up.
_NO_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    EOFError,
    RuntimeError,
    ValueError,
)


@contextlib.contextmanager
def opened(path: str) -> Iterator[str]:
    """The directory that it is unpacked into; gone at the end.

    Raises Damaged for what is no run, or not as it was packed; EnvironmentProblem for the disk.
    """
    try:
        with masked():
            made = tempfile.TemporaryDirectory(prefix="theater-run-", ignore_cleanup_errors=True)
    except OSError as error:
        raise EnvironmentProblem(f"cannot unpack {path}: {error.strerror}") from None
    with made as directory:
        unpack(path, directory)
        yield directory


def unpack(path: str, directory: str) -> Header:
    """The same into a directory that is there, and empty."""
    try:
        with open(path, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Damaged(f"{path} is not a file")
            return _unpack(path, file, directory)
    except OSError as error:
        raise _trouble("unpack", path, error) from None


def _unpack(path: str, file: IO[bytes], directory: str) -> Header:
    size = os.fstat(file.fileno()).st_size
    try:
        with zipfile.ZipFile(file) as archive:
            entries = _checked(path, archive.infolist(), size)
            needed = sum(entry.file_size for entry in entries.values())
            free = shutil.disk_usage(directory).free
            if needed > free:
                raise EnvironmentProblem(
                    f"{path} needs {needed:,} bytes unpacked, and there are {free:,} free in"
                    f" {tempfile.gettempdir()}; make room, or set TMPDIR"
                )
            header = Header.read(_small(path, archive, entries[HEADER]), path)
            paths = DataPaths(directory)
            os.makedirs(paths.components, mode=0o700, exist_ok=True)
            for name, entry in entries.items():
                if name != HEADER:
                    _extract(path, archive, entry, _target(paths, name), _expected(name, header))
    except _NO_ZIP as error:
        raise Damaged(f"{path} is no recorded run, or is damaged: {_said(error)}") from None
    _check_log(path, paths.log, header)
    return header


def header_of(path: str) -> Header:
    """What a file says of itself; nothing is unpacked, and nothing of it is true yet.

    Raises as `opened` does.
    """
    try:
        with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
            size = os.fstat(file.fileno()).st_size
            entries = _checked(path, archive.infolist(), size)
            return Header.read(_small(path, archive, entries[HEADER]), path)
    except OSError as error:
        raise _trouble("read", path, error) from None
    except _NO_ZIP as error:
        raise Damaged(f"{path} is no recorded run, or is damaged: {_said(error)}") from None


def _trouble(doing: str, path: str, error: OSError) -> TheaterError:
    """The disk's, or the file's own: that names the places where zipfile is to look."""
    if error.errno == errno.EINVAL:
        return Damaged(f"{path} is no recorded run, or is damaged: it names a place before its own")
    return EnvironmentProblem(f"cannot {doing} {path}: {error.strerror}")


def _said(error: Exception) -> str:
    """In words of our own where zipfile's are about its own matters."""
    return "it is no zip file, or cut short" if "not a zip file" in str(error) else str(error)


def _checked(path: str, infos: list[zipfile.ZipInfo], size: int) -> dict[str, zipfile.ZipInfo]:
    """The entries by name; Damaged if one of them has no place in a run."""

    def refuse(text: str) -> Damaged:
        return Damaged(f"{path} is no recorded run: {text}")

    if len(infos) > ENTRIES_MAX:
        raise refuse(f"it has {len(infos)} entries")
    entries: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        limit = size_max(info.filename)
        if limit is None:
            raise refuse(f"it has an entry {ascii(info.filename)[:80]}")
        if info.filename in entries:
            raise refuse(f"{info.filename} is in it twice")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or info.flag_bits & 0x1:
            raise refuse(f"{info.filename} is not a plain file")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise refuse(f"{info.filename} is packed in an unknown way")
        if info.file_size > limit:
            raise refuse(f"{info.filename} would have {info.file_size:,} bytes")
        entries[info.filename] = info
    for name in (HEADER, LOG):
        if name not in entries:
            raise refuse(f"it has no {name}")
    # Entries that share their bytes would make a small file a large one.
    packed = sum(info.compress_size for info in infos)
    unpacked = sum(info.file_size for info in infos)
    if packed > size or is_tight(unpacked, size):
        raise refuse(f"{size:,} bytes would become {unpacked:,}")
    return entries


def _small(path: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as entry:
        data = entry.read(info.file_size + 1)
    if len(data) > info.file_size:
        raise Damaged(f"{path} is damaged: {info.filename} is longer than it says")
    return data


def _target(paths: DataPaths, name: str) -> str:
    return paths.manifest if name == MANIFEST else f"{paths.directory}/{name}"


def _expected(name: str, header: Header) -> str | None:
    """The SHA-256 that the entry has to have; None: any."""
    if name == LOG:
        return header.log_sha256
    found = COMPONENT.match(name)
    return None if found is None else found[1]


def _extract(
    path: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: str, expected: str | None
) -> None:
    digest, left = hashlib.sha256(), info.file_size
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with archive.open(info) as entry, open(os.open(target, flags, 0o600), "wb") as file:
        while chunk := entry.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise Damaged(f"{path} is damaged: {info.filename} is longer than it says")
            digest.update(chunk)
            file.write(chunk)
    if expected is not None and digest.hexdigest() != expected:
        raise Damaged(f"{path} is damaged: {info.filename} is not what its hash says")


def _check_log(path: str, log: str, header: Header) -> None:
    """A database with the tables of a log, all of them plain, and without anything that runs."""
    try:
        db = sqlite3.connect(reading_uri(log), uri=True)
        try:
            db.execute("PRAGMA trusted_schema = OFF")
            rows = db.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master").fetchall()
            computed = db.execute(
                "SELECT m.name FROM sqlite_master m, pragma_table_xinfo(m.name) x"
                " WHERE m.type = 'table' AND x.hidden <> 0"
            ).fetchall()
        finally:
            db.close()
    except sqlite3.Error as error:
        raise Damaged(f"{path} is damaged: its log cannot be read: {error}") from None
    tables = {name for type, name, _ in rows if type == "table"}
    strange = [
        name
        for type, name, sql in rows
        if type not in ("table", "index", "view")
        or (type == "view" and name.lower() in _LATER_TABLES)
        or "VIRTUAL" in sql.upper().split("(")[0]
    ]
    strange += [name for (name,) in computed]
    missing = [name for name in _TABLES if name not in tables]
    if strange or missing:
        what = f"has {strange[0]!a}" if strange else f"has no table {missing[0]}"
        raise Damaged(f"{path} is no recorded run: its log {what}")
    reader = LogReader(log)
    try:
        actors = tuple(reader.actors())
    except TheaterError as error:
        raise Damaged(f"{path} is damaged: {error}") from None
    finally:
        reader.close()
    if actors != header.actors:
        raise Damaged(f"{path} is no recorded run: its log has other actors than its {HEADER} says")
