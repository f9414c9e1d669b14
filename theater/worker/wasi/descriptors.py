"""Files and directories that a guest has open, and what can be told of them."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from theater.worker.wasi.errors import Refused
from theater.worker.wasi.resources import Held

NS = 1_000_000_000
OFFSET_MAX = (1 << 63) - 1
ENTRIES_MAX = 65_536  # of a directory that is read: they are held, to be told in their order

_TYPES = {
    stat.S_IFREG: "regular-file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symbolic-link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character-device",
    stat.S_IFBLK: "block-device",
}


@dataclass(slots=True)
class Descriptor(Held):
    """A regular file or a directory. Others are never opened: to open one may do something."""

    fd: int
    is_directory: bool
    may_change: bool  # granted with `write`
    read: bool = True
    write: bool = False

    def close(self) -> None:
        os.close(self.fd)

    def require_directory(self) -> None:
        if not self.is_directory:
            raise Refused("not-directory")

    def require_change(self) -> None:
        if not self.may_change:
            raise Refused("not-permitted")

    def require_file(self, read: bool = False, write: bool = False) -> None:
        if self.is_directory:
            raise Refused("is-directory")
        if (read and not self.read) or (write and not self.write):
            raise Refused("bad-descriptor")

    def flags(self) -> list[str]:
        if self.is_directory:
            return ["read", "mutate-directory"] if self.may_change else ["read"]
        return [name for name, is_so in (("read", self.read), ("write", self.write)) if is_so]


def check_offset(offset: int) -> None:
    if offset > OFFSET_MAX:
        raise Refused("invalid")


def type_of(mode: int) -> str:
    return _TYPES.get(stat.S_IFMT(mode), "unknown")


def record(status: os.stat_result) -> dict[str, Any]:
    """A `descriptor-stat`."""
    return {
        "type": type_of(status.st_mode),
        "link-count": status.st_nlink,
        "size": status.st_size,
        "data-access-timestamp": _datetime(status.st_atime_ns),
        "data-modification-timestamp": _datetime(status.st_mtime_ns),
        "status-change-timestamp": _datetime(status.st_ctime_ns),
    }


def _datetime(ns: int) -> dict[str, int] | None:
    if ns < 0:  # before 1970: WASI has no word for it
        return None
    seconds, nanoseconds = divmod(ns, NS)
    return {"seconds": seconds, "nanoseconds": nanoseconds}


def identity(status: os.stat_result) -> dict[str, int]:
    """A `metadata-hash-value`: equal for the same object."""
    digest = hashlib.sha256(f"{status.st_dev}:{status.st_ino}".encode()).digest()
    return {
        "lower": int.from_bytes(digest[:8], "little"),
        "upper": int.from_bytes(digest[8:16], "little"),
    }


class Entries(Held):
    """What a directory had in it when it was begun to be read, by name: the order of a file system
    is no order, and would be another one after a crash."""

    def __init__(self, directory: int) -> None:
        """Raises OSError, or Refused for one that has too many."""
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
        try:
            found: list[tuple[str, str]] = []
            with os.scandir(fd) as scan:
                for entry in scan:
                    if len(found) == ENTRIES_MAX:
                        raise Refused("overflow")
                    if _is_text(entry.name):  # another one no guest could name
                        found.append((entry.name, _type_of_entry(entry)))
        finally:
            os.close(fd)
        self._left: Iterator[tuple[str, str]] = iter(sorted(found))

    def next(self) -> dict[str, str] | None:
        for name, type in self._left:
            return {"type": type, "name": name}
        return None


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _type_of_entry(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "symbolic-link"
    if entry.is_file(follow_symlinks=False):
        return "regular-file"
    if entry.is_dir(follow_symlinks=False):
        return "directory"
    try:
        return type_of(entry.stat(follow_symlinks=False).st_mode)
    except OSError:  # it has gone meanwhile
        return "unknown"
