"""Sign a tree head, if the log has grown since the newest one.

Whoever runs this needs nothing of the system but its data directory: the log is only read, what is
written are files of its own. It may die at any moment.
"""

from __future__ import annotations

import os
import sqlite3

from theater import heads, linux
from theater.errors import Damaged, EnvironmentProblem, NotRunning
from theater.heads import Head
from theater.notary import files
from theater.notary.tree import Log, Progress, Tree
from theater.paths import DataPaths


def newest_head(
    paths: DataPaths,
    now: float,
    progress: Progress = lambda _text: None,
    at_rest: bool = False,
) -> Head | None:
    """The head over all that is committed now, signed if it has not been. None: there is no event.

    `now`: Unix time. `at_rest`: no system can be running on it, or begin to. Raises Damaged if
    the log is not the one that was signed before, EnvironmentProblem if files cannot be read or
    written.
    """
    _require_log(paths)  # else a file of heads would be made for none
    try:
        with files.open_heads(paths) as file:
            _require_log(paths)  # it may have been put away meanwhile
            return _sign(paths, file, now, progress, at_rest)
    except OSError as error:
        where = error.filename or paths.heads
        raise EnvironmentProblem(f"cannot sign a tree head: {where}: {error.strerror}") from None


def _require_log(paths: DataPaths) -> None:
    if not os.path.exists(paths.log):
        raise NotRunning(f"there is no log at {paths.log}: nothing has run here yet")


def _sign(
    paths: DataPaths, file: files.HeadFile, now: float, progress: Progress, at_rest: bool
) -> Head | None:
    before = file.newest
    key = files.key(paths, before is not None)
    if before is not None and before.key != key.public.id:
        raise Damaged(
            f"the newest tree head is signed with key {before.key}, and {paths.heads_key} is"
            f" {key.public.id}; nothing is signed"
        )
    try:
        log = Log(paths.log, at_rest)
    except sqlite3.Error as error:
        raise EnvironmentProblem(f"cannot read the log: {error}") from None
    try:
        size = log.size()
        if before is not None and size < before.size:
            raise Damaged(
                f"the log has {size:,} events, and {before.size:,} of it were signed at"
                f" {before.time}: something was cut off; nothing is signed"
            )
        if size == 0 or (before is not None and size == before.size):
            return before
        known = None if before is None else (before.size, before.root)
        frontier = Tree(log, paths.heads_tree, progress).grow(size, known)
    finally:
        log.close()
    _sync(paths.log)
    head = heads.sign(key, size, frontier.root(), now)
    file.append(head)
    if before is None:
        linux.sync_directory(paths.directory)
    return head


def _sync(log: str) -> None:
    """A head must not say more than the disk will have after a power cut: with durability
    `process`, nobody may have synced what it is about.

    Not before the log is closed: closing a file that SQLite has open in the same process drops its
    locks.
    """
    for path in (f"{log}-wal", log):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
