"""Pack a run, of a system that runs or is down, into one file."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from theater import __version__, linux
from theater.client.reader import LogReader
from theater.errors import Damaged, EnvironmentProblem, ProtocolError, Refused
from theater.events import EventType, decode
from theater.paths import DataPaths
from theater.runs.format import HEADER, HEADS_FILES, LOG, MANIFEST, Header, is_tight

_CHUNK = 1 << 20
_TIME = (1980, 1, 1, 0, 0, 0)  # of every entry: the header says when it was packed
_TAKEN = "{} is there already; choose another name, or delete it"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Packed:
    path: str
    size: int  # bytes
    actors: int
    events: int
    components: int
    missing: dict[str, list[str]]  # components that are not kept: hash -> the actors that ran them


def record(directory: str, target: str, on_progress: Progress = lambda _text: None) -> Packed:
    """Write the run in this data directory to the file `target`, which must not be there yet.

    The log is copied as it is at one instant. Raises NotRunning if there is no log.
    """
    paths = DataPaths(os.path.realpath(directory))
    log = LogReader(paths.log)
    try:
        log.last_seq()  # one that cannot be read is not a disk that takes nothing
        if os.path.lexists(target):
            raise Refused(_TAKEN.format(target))
        above = os.path.dirname(os.path.abspath(target))
        try:
            with tempfile.TemporaryDirectory(prefix=".theater-record-", dir=above) as work:
                return _pack(paths, log, target, work, on_progress)
        except (OSError, sqlite3.Error) as error:
            text = error.strerror if isinstance(error, OSError) else str(error)
            raise EnvironmentProblem(f"cannot record to {target}: {text}") from None
    finally:
        log.close()


def _pack(
    paths: DataPaths, log: LogReader, target: str, work: str, on_progress: Progress
) -> Packed:
    copy = f"{work}/{LOG}"
    on_progress("copying the log")
    log.copy_to(copy)
    copied = LogReader(copy)
    try:
        ran = components_of(copied)
        events, actors = copied.last_seq(), copied.actors()
    finally:
        copied.close()
    kept = {hash: f"{paths.components}/{hash}" for hash in ran}
    kept = {hash: path for hash, path in kept.items() if os.path.isfile(path)}
    header = Header(
        theater=__version__,
        recorded=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        log_sha256=sha256_of(copy),
        log_bytes=os.path.getsize(copy),
        components=tuple(sorted(kept)),
        missing=tuple(sorted(ran.keys() - kept.keys())),
        actors=tuple(actors),
    )
    files = dict(_files(paths, copy, kept))
    part = f"{work}/run"
    on_progress("packing")
    _write(part, header, files, zipfile.ZIP_DEFLATED)
    unpacked = sum(map(os.path.getsize, files.values()))
    if is_tight(unpacked, os.path.getsize(part)):
        _write(part, header, files, zipfile.ZIP_STORED)
    _publish(part, target)
    missing = {hash: ran[hash] for hash in header.missing}
    return Packed(target, os.path.getsize(target), len(actors), events, len(kept), missing)


def _publish(part: str, target: str) -> None:
    """Whole under its name, or not at all."""
    try:
        os.link(part, target)  # and not renamed: what is there meanwhile stays
    except FileExistsError:
        raise Refused(_TAKEN.format(target)) from None
    except OSError as error:
        if error.errno not in linux.NO_LINKS:
            raise
        os.rename(part, target)


def _files(paths: DataPaths, log: str, kept: dict[str, str]) -> Iterator[tuple[str, str]]:
    """(name in the zip, path). What is not there is left out."""
    yield LOG, log
    if os.path.isfile(paths.manifest):
        yield MANIFEST, paths.manifest
    for name in HEADS_FILES:
        path = f"{paths.directory}/{name}"
        if os.path.isfile(path):
            yield name, path
    for hash, path in sorted(kept.items()):
        yield f"components/{hash}", path


def _write(part: str, header: Header, files: dict[str, str], compression: int) -> None:
    with zipfile.ZipFile(part, "w", compression, compresslevel=6) as archive:
        archive.writestr(_entry(HEADER, compression), header.written())
        for name, path in files.items():
            digest = hashlib.sha256()
            with (
                open(path, "rb") as source,
                archive.open(_entry(name, compression), "w", force_zip64=True) as entry,
            ):
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    entry.write(chunk)
            expected = name.removeprefix("components/") if "/" in name else digest.hexdigest()
            if digest.hexdigest() != expected:
                raise Damaged(f"{path} is not what its name says: it has been changed")
    descriptor = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o600)  # as private as the data directory, until somebody shares it
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _entry(name: str, compression: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _TIME)
    info.compress_type = compression
    info.external_attr = 0o100600 << 16
    return info


def sha256_of(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def components_of(log: LogReader) -> dict[str, list[str]]:
    """Every component that the log says an actor has run: hash -> those actors."""
    found: dict[str, dict[str, None]] = {}
    for name, data in log.query(
        "SELECT a.name, e.bytes FROM events e JOIN actors a ON a.id = e.actor"
        " WHERE e.type = 'created' OR e.type = 'component-changed' OR e.type = 'changed'"
        " OR e.type = 'returned' ORDER BY e.seq"
    ):
        with contextlib.suppress(ProtocolError):
            event = decode(data)
            payload = event.payload if isinstance(event.payload, dict) else {}
            key = "to" if event.type == EventType.COMPONENT_CHANGED else "component"
            hash = payload.get(key)
            if isinstance(hash, str) and len(hash) == 64 and set(hash) <= set("0123456789abcdef"):
                found.setdefault(hash, {})[name] = None
    return {hash: list(actors) for hash, actors in found.items()}
