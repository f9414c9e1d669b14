"""Find what a path names below a directory, and nothing that is not below it.

A path comes from the guest, the directory is one that it was granted. `..`, absolute paths and
symbolic links that lead out of it, at whatever step, are `EXDEV`, which WASI calls not-permitted;
those that stay beneath it work. The kernel does it in one call, `openat2` with RESOLVE_BENEATH, so
that nobody who moves things meanwhile can lead it astray. Where it may not be called (a sandbox
that filters it), a walk does, one component after the other, none of them followed by the kernel.

What is done to a name (unlink, rename, ...) is done with a descriptor of the directory it is in
and the name alone, and the calls for that follow no link.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import stat
from collections.abc import Iterator

from theater import linux

PATH_MAX = 4096  # bytes, as for the kernel
LINKS_MAX = 40  # in one path, as for the kernel
RACES_MAX = 64  # EAGAIN: somebody moved a directory while `..` was resolved

_BENEATH = linux.RESOLVE_BENEATH | linux.RESOLVE_NO_MAGICLINKS


def find(directory: int, path: str, follow: bool) -> int:
    """A descriptor that names what is there (O_PATH), to be closed by the caller. Raises OSError.

    `follow`: if it is a symbolic link, what it points to; else the link itself.
    """
    _check(path)
    flags = os.O_PATH | (0 if follow else os.O_NOFOLLOW)
    if _kernel_resolves():
        return _openat2(directory, path, flags, 0)
    return _walk(directory, path, follow)


def create(directory: int, path: str, flags: int, mode: int, follow: bool) -> int:
    """Open a file that is made if it is not there. `flags`: with O_CREAT. Raises OSError."""
    _check(path)
    if path.endswith("/"):
        raise _error(errno.EISDIR, path)
    if _kernel_resolves():
        flags |= 0 if follow else os.O_NOFOLLOW
        return _openat2(directory, path, flags | os.O_CLOEXEC, mode)
    links = LINKS_MAX
    while True:
        with parent(directory, path) as (above, name):
            # Not followed: where a link at the end points to is found by us.
            try:
                return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=above)
            except OSError as error:
                if error.errno != errno.ELOOP or not follow or flags & os.O_EXCL:
                    raise
            target = os.readlink(name, dir_fd=above)
        links -= 1
        if links < 0:
            raise _error(errno.ELOOP, path)
        path = _beside(path, target)


@contextlib.contextmanager
def parent(directory: int, path: str) -> Iterator[tuple[int, str]]:
    """(descriptor, name): the directory that the last component of a path is in, and that.

    It has a name: it is not `.`, `..` or nothing, which are EINVAL. Raises OSError.
    """
    _check(path)
    above, slash, name = path.rstrip("/").rpartition("/")
    if name in ("", ".", ".."):
        raise _error(errno.EINVAL, path)
    if not slash:
        yield directory, name
        return
    descriptor = find(directory, above + "/", follow=True)
    try:
        yield descriptor, name
    finally:
        os.close(descriptor)


def open_again(descriptor: int, flags: int) -> int:
    """What an O_PATH descriptor names, opened to be used. Raises OSError."""
    return os.open(f"/proc/self/fd/{descriptor}", flags | os.O_CLOEXEC)


def _check(path: str) -> None:
    if "\0" in path:
        raise _error(errno.EINVAL, path)
    if not path:
        raise _error(errno.ENOENT, path)
    if path.startswith("/"):
        raise _error(errno.EXDEV, path)
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        raise _error(errno.EILSEQ, path) from None
    if size >= PATH_MAX:
        raise _error(errno.ENAMETOOLONG, path)


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)


def _beside(path: str, target: str) -> str:
    """A link's target as a path from where the link's own path began."""
    if target.startswith("/"):
        raise _error(errno.EXDEV, path)
    above, slash, _ = path.rstrip("/").rpartition("/")
    return above + slash + target


# The kernel's way


@functools.cache
def _kernel_resolves() -> bool:
    """Whether openat2 is there and may be called."""
    try:
        root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.close(linux.openat2(root, ".", os.O_PATH | os.O_CLOEXEC, 0, _BENEATH))
        finally:
            os.close(root)
    except OSError:
        return False
    return True


def _openat2(directory: int, path: str, flags: int, mode: int) -> int:
    for _ in range(RACES_MAX):
        try:
            return linux.openat2(directory, path, flags | os.O_CLOEXEC, mode, _BENEATH)
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
    raise _error(errno.EBUSY, path)


# Our way


def _walk(directory: int, path: str, follow: bool) -> int:
    """As `find`. The way back, for `..`, is that by which it came: what is moved meanwhile is not
    asked where it is now."""
    way: list[int] = []
    todo = _components(path)
    links = LINKS_MAX
    try:
        while todo:
            name = todo.pop()
            here = way[-1] if way else directory
            if name == ".":
                _require_directory(here, path)
                continue
            if name == "..":
                if not way:
                    raise _error(errno.EXDEV, path)
                _require_directory(here, path)
                os.close(way.pop())
                continue
            flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
            found = os.open(name, flags, dir_fd=here)
            if not stat.S_ISLNK(os.fstat(found).st_mode) or not (todo or follow):
                way.append(found)
                continue
            try:
                target = os.readlink("", dir_fd=found)
            finally:
                os.close(found)
            links -= 1
            if links < 0:
                raise _error(errno.ELOOP, path)
            if target.startswith("/"):
                raise _error(errno.EXDEV, path)
            todo += _components(target)
        if way:
            return way.pop()
        return os.open(".", os.O_PATH | os.O_CLOEXEC, dir_fd=directory)
    finally:
        for descriptor in way:
            os.close(descriptor)


def _components(path: str) -> list[str]:
    """Last one first. A slash at the end asks for a directory, as a dot does."""
    parts = [part for part in path.split("/") if part]
    if path.endswith("/"):
        parts.append(".")
    return parts[::-1]


def _require_directory(descriptor: int, path: str) -> None:
    if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
        raise _error(errno.ENOTDIR, path)
