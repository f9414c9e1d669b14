"""wasi:filesystem, what changes a file or a directory: each a world call.

All that can be refused is refused before the call yields; after it, what was to be done is
committed, and is done. A symbolic link that a guest makes, or moves to another directory, has a
target that lies below the directory the link is in, wherever that is moved: nothing that follows
it from outside is led anywhere else.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from typing import Any, Protocol

from theater.worker.wasi import paths
from theater.worker.wasi.descriptors import NS, OFFSET_MAX, Descriptor, check_offset
from theater.worker.wasi.errors import APART, Refused, code_of
from theater.worker.wasi.opening import Wish, open_at
from theater.worker.wasi.resources import Change, Functions

NewTimestamp = str | dict[str, Any]


class Table(Protocol):
    """What is open."""

    def descriptor(self, rep: int) -> Descriptor: ...
    def require_room(self) -> None: ...
    def add(self, item: Any) -> int: ...


class Changes:
    def __init__(self, table: Table) -> None:
        self._table = table

    def methods(self) -> Functions:
        """Of a descriptor."""
        return {
            "open-at": self._open_at,
            "write": self._write,
            "set-size": self._set_size,
            "set-times": self._set_times,
            "set-times-at": self._set_times_at,
            "sync": self._sync,
            "sync-data": self._sync_data,
            "create-directory-at": self._create_directory,
            "remove-directory-at": self._remove_directory,
            "unlink-file-at": self._unlink_file,
            "rename-at": self._rename,
            "link-at": self._link,
            "symlink-at": self._symlink,
        }

    def _above(self, rep: int) -> Descriptor:
        """The directory, which may be changed, that a path begins at."""
        above = self._table.descriptor(rep)
        above.require_directory()
        above.require_change()
        return above

    # Files

    def _open_at(
        self, rep: int, path_flags: list[str], path: str, open_flags: list[str], flags: list[str]
    ) -> Change[int]:
        above = self._table.descriptor(rep)
        wish = Wish.of(path_flags, path, open_flags, flags)
        wish.check(above)
        self._table.require_room()
        if wish.changes():
            yield
        return self._table.add(open_at(above, wish))

    def _write(self, rep: int, data: bytes, offset: int) -> Change[int]:
        file = self._table.descriptor(rep)
        file.require_file(write=True)
        check_offset(offset + len(data))
        yield
        return os.pwrite(file.fd, data, offset)

    def _set_size(self, rep: int, size: int) -> Change[None]:
        file = self._table.descriptor(rep)
        file.require_file(write=True)
        check_offset(size)
        yield
        os.ftruncate(file.fd, size)

    def _sync(self, rep: int) -> Change[None]:
        descriptor = self._table.descriptor(rep)
        if descriptor.may_change:  # else there is nothing of its own to be synced
            yield
            os.fsync(descriptor.fd)

    def _sync_data(self, rep: int) -> Change[None]:
        descriptor = self._table.descriptor(rep)
        if descriptor.may_change:
            yield
            os.fdatasync(descriptor.fd)

    # Times

    def _set_times(self, rep: int, access: NewTimestamp, change: NewTimestamp) -> Change[None]:
        descriptor = self._table.descriptor(rep)
        descriptor.require_change()
        _check_times(access, change)
        yield
        os.utime(descriptor.fd, ns=_times(os.fstat(descriptor.fd), access, change))

    def _set_times_at(
        self,
        rep: int,
        path_flags: list[str],
        path: str,
        access: NewTimestamp,
        change: NewTimestamp,
    ) -> Change[None]:
        above = self._above(rep)
        _check_times(access, change)
        yield
        found = paths.find(above.fd, path, "symlink-follow" in path_flags)
        try:
            status = os.fstat(found)
            ns = _times(status, access, change)
            if not stat.S_ISLNK(status.st_mode):
                os.utime(f"/proc/self/fd/{found}", ns=ns)
                return
        finally:
            os.close(found)
        with paths.parent(above.fd, path) as (directory, name):
            os.utime(name, ns=ns, dir_fd=directory, follow_symlinks=False)

    # Names

    def _create_directory(self, rep: int, path: str) -> Change[None]:
        above = self._above(rep)
        yield
        with _named(above, path, "exist") as (directory, name):
            os.mkdir(name, dir_fd=directory)

    def _remove_directory(self, rep: int, path: str) -> Change[None]:
        above = self._above(rep)
        yield
        with paths.parent(above.fd, path) as (directory, name):
            os.rmdir(name, dir_fd=directory)

    def _unlink_file(self, rep: int, path: str) -> Change[None]:
        above = self._above(rep)
        yield
        with _named(above, path, "is-directory") as (directory, name):
            if path.endswith("/"):
                _require_directory(directory, name)
                raise Refused("is-directory")
            os.unlink(name, dir_fd=directory)

    def _rename(self, rep: int, old_path: str, new_rep: int, new_path: str) -> Change[None]:
        old, new = self._above(rep), self._above(new_rep)
        yield
        with _named(old, old_path, "busy") as source, _named(new, new_path, "busy") as target:
            if old_path.endswith("/") or new_path.endswith("/"):
                _require_directory(*source)
            _check_link(source, target)
            try:
                os.rename(source[1], target[1], src_dir_fd=source[0], dst_dir_fd=target[0])
            except OSError as error:
                raise Refused(code_of(error, APART)) from None

    def _link(
        self, rep: int, path_flags: list[str], old_path: str, new_rep: int, new_path: str
    ) -> Change[None]:
        old, new = self._above(rep), self._above(new_rep)
        if "symlink-follow" in path_flags:  # as everybody refuses it: what it names is a race
            raise Refused("invalid")
        yield
        with (
            _named(old, old_path, "not-permitted") as source,
            _named(new, new_path, "exist") as target,
        ):
            if old_path.endswith("/") or new_path.endswith("/"):
                raise Refused("not-directory")
            _check_link(source, target)
            try:
                os.link(
                    source[1],
                    target[1],
                    src_dir_fd=source[0],
                    dst_dir_fd=target[0],
                    follow_symlinks=False,
                )
            except OSError as error:
                raise Refused(code_of(error, APART)) from None

    def _symlink(self, rep: int, target: str, path: str) -> Change[None]:
        above = self._above(rep)
        if not target:
            raise Refused("no-entry")
        if not _stays_below(target):
            raise Refused("not-permitted")
        yield
        with _named(above, path, "exist") as (directory, name):
            if path.endswith("/"):
                raise Refused("no-entry")
            os.symlink(target, name, dir_fd=directory)


@contextlib.contextmanager
def _named(above: Descriptor, path: str, itself: str) -> Iterator[tuple[int, str]]:
    """As `paths.parent`; `itself` is the error for a path that ends in `.` or `..`."""
    if path.rstrip("/").rpartition("/")[2] in (".", ".."):
        os.close(paths.find(above.fd, path, follow=True))  # which may have an error of its own
        raise Refused(itself)
    with paths.parent(above.fd, path) as found:
        yield found


def _require_directory(directory: int, name: str) -> None:
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode):
        raise Refused("not-directory")


def _stays_below(target: str) -> bool:
    """Whether a link with this target points below the directory that it is in."""
    return "\0" not in target and not target.startswith("/") and ".." not in target.split("/")


def _check_link(source: tuple[int, str], target: tuple[int, str]) -> None:
    """A link that was there may have any target: elsewhere it would lead somewhere else."""
    status = os.stat(source[1], dir_fd=source[0], follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode) or os.path.sameopenfile(source[0], target[0]):
        return
    if not _stays_below(os.readlink(source[1], dir_fd=source[0])):
        raise Refused("not-permitted")


def _check_times(*timestamps: NewTimestamp) -> None:
    for each in timestamps:
        if isinstance(each, dict):
            given = each["timestamp"]
            if given["nanoseconds"] >= NS or given["seconds"] * NS > OFFSET_MAX:
                raise Refused("invalid")


def _times(status: os.stat_result, access: NewTimestamp, change: NewTimestamp) -> tuple[int, int]:
    return _ns(access, status.st_atime_ns), _ns(change, status.st_mtime_ns)


def _ns(timestamp: NewTimestamp, before_ns: int) -> int:
    if isinstance(timestamp, dict):
        given = timestamp["timestamp"]
        return int(given["seconds"]) * NS + int(given["nanoseconds"])
    return time.time_ns() if timestamp == "now" else before_ns
