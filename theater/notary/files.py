"""The files of tree heads in a data directory: the key, and what it has signed."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from theater import heads, keys, linux
from theater.errors import Damaged, EnvironmentProblem
from theater.heads import Head, NoHead
from theater.keys import PrivateKey
from theater.paths import DataPaths

LOCK_S = 60.0  # the longest that another one who makes a head is waited for


class HeadFile:
    """`heads.jsonl`, locked: nobody else appends to it, or moves it away, meanwhile."""

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self._name = name
        self.newest: Head | None = None
        self.torn = 0  # bytes after the last whole line
        self._read()

    def _read(self) -> None:
        size = os.fstat(self._descriptor).st_size
        # The last line and what may be torn after it: two lines at most, as only this appends.
        start = max(0, size - 2 * heads.LINE_MAX - 2)
        tail = os.pread(self._descriptor, size - start, start)
        end = tail.rfind(b"\n") + 1
        self.torn = len(tail) - end
        lines = tail[:end].splitlines()
        if not lines:
            return
        try:
            self.newest = heads.parse(lines[-1])
        except NoHead as error:
            raise Damaged(
                f"the last line of {self._name} is no tree head: {error};"
                " `theater verify` tells what else is damaged"
            ) from None

    def append(self, head: Head) -> None:
        """It is on the disk when this returns."""
        end = os.fstat(self._descriptor).st_size - self.torn
        if self.torn:
            os.ftruncate(self._descriptor, end)
            self.torn = 0
        data = f"{head.line()}\n".encode()
        written = os.pwrite(self._descriptor, data, end)
        if written < len(data):
            self.torn = written
            # A short write is how a full disk begins.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._name)
        os.fsync(self._descriptor)
        self.newest = head


@contextlib.contextmanager
def open_heads(paths: DataPaths) -> Iterator[HeadFile]:
    """The file of heads, made if it is not there, and locked. OSError, EnvironmentProblem."""
    descriptor = _locked(paths.heads)
    try:
        yield HeadFile(descriptor, paths.heads)
    finally:
        os.close(descriptor)


def _locked(path: str) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not linux.lock_within(descriptor, LOCK_S):
                raise EnvironmentProblem(f"another process has had {path} locked for {LOCK_S:g} s")
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # it was moved away with its log while we waited


def key(paths: DataPaths, heads_exist: bool) -> PrivateKey:
    """What heads are signed with; made if there is none and nothing has been signed.

    To be called with the file of heads locked. OSError, KeyProblem, Damaged.
    """
    pem = _content(paths.heads_key)
    if pem is None:
        if heads_exist:
            raise Damaged(
                f"{paths.heads_key} is gone, which the tree heads were signed with; put it back,"
                f" or move {paths.heads} and all that is named like it away, to begin anew"
            )
        made = keys.generate()
        _write(paths.heads_key, made.pem, 0o600)
    else:
        made = keys.read_private(pem, paths.heads_key)
    public = _content(paths.heads_public_key)
    if public is None:
        _write(paths.heads_public_key, made.public.pem, 0o644)
    elif keys.read_public(public, paths.heads_public_key).id != made.public.id:
        raise Damaged(f"{paths.heads_public_key} is not the public key of {paths.heads_key}")
    return made


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(keys.KEY_MAX)
    except FileNotFoundError:
        return None


def _write(path: str, content: bytes, mode: int) -> None:
    """A file that is there whole or not at all, also after a power cut."""
    temporary = f"{path}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    os.rename(temporary, path)
    linux.sync_directory(os.path.dirname(path))
