"""What an error of SQLite's means for the log: to wait, or to end.

| SQLite says                      | and the disk | then                                        |
|----------------------------------|--------------|---------------------------------------------|
| full                             |              | wait: the disk is full                      |
| cannot write or extend or open   | has no room  | wait: the disk is full, or the quota used up |
| busy                             |              | wait: another program has locked it         |
| corrupt, not a database          |              | end: it is damaged                          |
| read-only, and everything else   |              | end: nobody knows what is on the disk       |

Whatever it ends with makes the log suspect: the next `up` checks it before it is used. After a
sync that failed, what was written before may be gone although it can be read.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import time
from dataclasses import dataclass

from theater import linux
from theater.errors import EnvironmentProblem, TheaterError
from theater.paths import suspect

DAMAGED = 7  # the exit code of a log that is damaged
NO_ROOM = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
}
# With these SQLite reports a write that failed for a quota, or a WAL index that cannot grow.
_UNCLEAR = frozenset(
    {
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_SHMOPEN,
        sqlite3.SQLITE_IOERR_SHMSIZE,
        sqlite3.SQLITE_IOERR_SHMMAP,
        sqlite3.SQLITE_CANTOPEN,
    }
)
_PROBE_BYTES = 256 * 1024
_WRITE_LOCK = 120  # the byte of the -shm file that the one who writes has locked


@dataclass(frozen=True, slots=True)
class Trouble:
    what: str
    todo: str
    passes: bool  # waiting may help
    code: int = TheaterError.exit_code


class Fatal(Exception):
    """The log cannot be written, or not be trusted; the system ends with this reason."""

    def __init__(self, reason: str, code: int = TheaterError.exit_code) -> None:
        self.code = code
        super().__init__(reason)


def judge(error: sqlite3.Error, log: str) -> Trouble:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    match code & 0xFF:
        case sqlite3.SQLITE_FULL:
            return _no_room(what_is_lacking(log) or NO_ROOM[errno.ENOSPC], log)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            by = ", ".join(linux.lock_holders(f"{log}-shm", _WRITE_LOCK, _WRITE_LOCK))
            who = f"{by} has" if by else "another program has"
            return Trouble(f"{who} locked it", "end what writes to it", True)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            todo = "`theater fsck` shows what is wrong; `theater up --fresh` begins anew"
            return Trouble(f"it is damaged ({error})", todo, False, DAMAGED)
        case sqlite3.SQLITE_READONLY:
            todo = "make it writable, and look at the disk: it may have failed"
            return Trouble("it is read-only", todo, False, EnvironmentProblem.exit_code)
    if code in _UNCLEAR and (lacking := what_is_lacking(log)):
        return _no_room(lacking, log)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return Trouble(f"{error} ({name})", "look at the disk, then `theater up` checks the log", False)


def _no_room(what: str, log: str) -> Trouble:
    todo = f"make room in {os.path.dirname(log) or '.'}"
    return Trouble(what, todo, True, EnvironmentProblem.exit_code)


def what_is_lacking(log: str) -> str:
    """Ask the disk for room beside the log; "" if it has some, or fails otherwise."""
    path = f"{log}.probe"
    left = _PROBE_BYTES
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            while left:
                left -= os.write(descriptor, bytes(left))
        finally:
            os.close(descriptor)
    except OSError as error:
        return NO_ROOM.get(error.errno or 0, "")
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
    return ""


def suspicion(log: str) -> str | None:
    """Why the log has to be checked before it is used; None: it has not."""
    try:
        with open(suspect(log), encoding="utf-8", errors="replace") as file:
            return file.readline(1000).strip() or "trouble"
    except FileNotFoundError:
        return None
    except OSError as error:
        return str(error)


def make_suspect(log: str, why: str) -> bool:
    """Have the next `up` check the log. False: the disk does not even take that."""
    when = time.strftime("%Y-%m-%d %H:%M:%S")
    try:
        with open(suspect(log), "w", encoding="utf-8") as file:
            file.write(f"{why}, {when}\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        return os.path.exists(suspect(log))
    return True


def clear(log: str) -> None:
    """It has been checked, and is whole."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(suspect(log))
