"""Put the log of a data directory away, with all that belongs to it, so that another can begin.

It goes to `archive/<UTC time>/` in the data directory, which is a data directory itself: it can be
read there, and `theater up` can go on from it. Whoever calls holds the lock of the data directory.

A directory `<UTC time>.part` says that this has been begun. If everything dies in between, the next
`up` ends it before it looks for a log: what belongs together is never in two places for long, and
nothing is written over.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import time
from collections.abc import Iterator

from theater import linux
from theater.errors import EnvironmentProblem
from theater.paths import HEADS, DataPaths
from theater.supervisor.originals import link_all

HEAD_S = 60.0  # the longest that a tree head is waited for

_PART = ".part"


def put_away(paths: DataPaths, now: float) -> str | None:
    """Move what is there to a new directory of the archive: its path. None: there is no log.

    `now`: Unix time.
    """
    if not os.path.lexists(paths.log):
        return None
    try:
        _make_whole(paths.log)
        os.makedirs(paths.archive, mode=0o700, exist_ok=True)
        part = _free_name(paths, now) + _PART
        os.mkdir(part, 0o700)
        linux.sync_directory(paths.archive)
        return _finish(paths, part)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot move the log of {paths.directory} to {paths.archive}: {error.strerror};"
            " nothing is lost, and nothing was started"
        ) from None


def finish_begun(paths: DataPaths) -> None:
    """End what was begun when everything died."""
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(os.listdir(paths.archive)):
            if name.endswith(_PART):
                _finish(paths, f"{paths.archive}/{name}")


def _make_whole(log: str) -> None:
    """Bring what is in the WAL into the file itself, and onto the disk."""
    with contextlib.suppress(sqlite3.Error):  # a log that is damaged is put away as it is
        db = sqlite3.connect(log, isolation_level=None)
        try:
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            db.close()


def _free_name(paths: DataPaths, now: float) -> str:
    wanted = name = f"{paths.archive}/{time.strftime('%Y-%m-%dT%H-%M-%SZ', time.gmtime(now))}"
    number = 1
    while os.path.lexists(name) or os.path.lexists(name + _PART):
        number += 1
        name = f"{wanted}-{number}"
    return name


def _finish(paths: DataPaths, part: str) -> str:
    with _no_head_made(paths):
        return _move(paths, part)


@contextlib.contextmanager
def _no_head_made(paths: DataPaths) -> Iterator[None]:
    """Whoever makes a tree head reads the log, and then writes beside it: not while that moves."""
    try:
        descriptor = os.open(paths.heads, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        if not linux.lock_within(descriptor, HEAD_S):
            raise OSError(errno.EBUSY, "another process has it locked", paths.heads)
        yield
    finally:
        os.close(descriptor)


def _move(paths: DataPaths, part: str) -> str:
    for source in _belongings(paths):
        target = f"{part}/{os.path.basename(source)}"
        if not os.path.lexists(target):
            os.rename(source, target)
    # Linked and not moved: what begins anew mostly runs the same components.
    link_all(paths.components, DataPaths(part).components)
    linux.sync_directory(part)
    linux.sync_directory(paths.directory)
    final = part.removesuffix(_PART)
    os.rename(part, final)
    linux.sync_directory(paths.archive)
    return final


def _belongings(paths: DataPaths) -> list[str]:
    """What is there of it. The log first: without it, nobody takes the rest for one."""
    name = os.path.basename(paths.log)
    beside = sorted(os.listdir(paths.directory))  # its WAL, copies of older versions
    wanted = [name, *(each for each in beside if each.startswith(f"{name}-"))]
    wanted += [each for each in beside if each.startswith((f"{name}.", HEADS))]
    found = [f"{paths.directory}/{each}" for each in wanted]
    found += [paths.store, paths.boxes, paths.internal_log]
    return [path for path in found if os.path.lexists(path)]
