"""Open a file or a directory for a guest, and nothing else: no device, named pipe or socket."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass

from theater.worker.wasi import paths
from theater.worker.wasi.descriptors import Descriptor
from theater.worker.wasi.errors import Refused


@dataclass(frozen=True, slots=True)
class Wish:
    """What `open-at` is asked for."""

    path: str
    follow: bool
    create: bool
    exclusive: bool
    truncate: bool
    directory: bool
    read: bool
    write: bool
    sync: int  # O_DSYNC, O_SYNC or neither

    @classmethod
    def of(cls, path_flags: list[str], path: str, open_flags: list[str], flags: list[str]) -> Wish:
        sync = os.O_DSYNC if "data-integrity-sync" in flags else 0
        return cls(
            path=path,
            follow="symlink-follow" in path_flags,
            create="create" in open_flags,
            exclusive="exclusive" in open_flags,
            truncate="truncate" in open_flags,
            directory="directory" in open_flags,
            read="read" in flags,
            write="write" in flags,
            sync=os.O_SYNC if "file-integrity-sync" in flags else sync,
        )

    def changes(self) -> bool:
        """Whether there may be something else outside when it has been opened."""
        return self.create or self.truncate

    def check(self, above: Descriptor) -> None:
        above.require_directory()
        if self.changes() or self.write:
            above.require_change()
        if self.directory and (self.changes() or self.exclusive):
            raise Refused("invalid")

    def access(self) -> int:
        mode = os.O_RDONLY
        if self.write:
            mode = os.O_RDWR if self.read else os.O_WRONLY
        return mode | self.sync | (os.O_TRUNC if self.truncate else 0)


def open_at(above: Descriptor, wish: Wish) -> Descriptor:
    """Raises OSError or Refused."""
    if not wish.create:
        return _open_there(above, wish)
    if not wish.exclusive:
        try:
            return _open_there(above, wish)
        except FileNotFoundError:
            pass
    flags = wish.access() | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY
    try:
        fd = paths.create(above.fd, wish.path, flags | os.O_EXCL, 0o666, wish.follow)
    except FileExistsError:
        if wish.exclusive:
            raise
        # A link to what is not there yet; or somebody was faster.
        fd = paths.create(above.fd, wish.path, flags, 0o666, wish.follow)
    try:
        return _descriptor(fd, os.fstat(fd), above, wish)
    except BaseException:
        os.close(fd)
        raise


def _open_there(above: Descriptor, wish: Wish) -> Descriptor:
    """Look at what it is before it is opened: to open a device, or a pipe, does something."""
    found = paths.find(above.fd, wish.path, wish.follow)
    try:
        status = os.fstat(found)
        _check_kind(status, wish)
        extra = os.O_DIRECTORY if stat.S_ISDIR(status.st_mode) else 0
        fd = paths.open_again(found, wish.access() | extra)
    finally:
        os.close(found)
    return _descriptor(fd, status, above, wish)


def _check_kind(status: os.stat_result, wish: Wish) -> None:
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if stat.S_ISDIR(mode):
        if wish.write or wish.changes():
            raise Refused("is-directory")
    elif not stat.S_ISREG(mode):
        raise Refused("not-permitted")
    elif wish.directory:
        raise Refused("not-directory")


def _descriptor(fd: int, status: os.stat_result, above: Descriptor, wish: Wish) -> Descriptor:
    _check_kind(status, wish)
    return Descriptor(
        fd,
        is_directory=stat.S_ISDIR(status.st_mode),
        may_change=above.may_change,
        read=wish.read,
        write=wish.write,
    )
