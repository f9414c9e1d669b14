"""The files of stores: each content whole under its hash, or not there.

`<data>/store/<directory of the store>/<hash>`, and what is being written in `unfinished/` beside
the directories. Everything is opened from descriptors that the worker takes before any code of its
guest runs, no link is followed, and names are made of digits alone.

A file comes to its name in four moves: written under another name, synced, renamed, the directories
synced. With durability `process` nothing is synced. A death between any two of them leaves a file
that nobody refers to: under a name that counts, it is what that says, and else the next content
that the actor keeps is written over it, or the next `up` removes it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from theater.crashpoints import reached
from theater.stores import UNFINISHED, directory_of, hash_of

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: opening a named pipe would wait for a writer.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class NotWhole(Exception):
    """What stands under the name of a content is not that content."""


class TooLarge(Exception):
    """A content is over the limit. The argument is its size."""


class Contents:
    """All stores of a data directory. Which of them its actor may use is asked elsewhere."""

    def __init__(self, directory: str, actor: str, syncs: bool) -> None:
        self._path = directory
        self._actor = actor
        self._syncs = syncs
        # One name for each actor, which has one worker at a time: so what a dead one has left is
        # used up by the next.
        self._unfinished = directory_of(actor)
        self._root = self._workshop = -1

    def open(self) -> None:
        """Raises OSError."""
        self._root = os.open(self._path, _DIRECTORY)
        self._workshop = os.open(UNFINISHED, _DIRECTORY, dir_fd=self._root)

    def has(self, store: str, hash: str) -> bool:
        """Whether there is a file for it. Raises OSError."""
        try:
            with self._file(store, hash):
                return True
        except (FileNotFoundError, NotWhole):
            return False

    def read(self, store: str, hash: str, max_bytes: int) -> bytes:
        """The content, which is what its name says. Raises FileNotFoundError, NotWhole, TooLarge,
        or another OSError."""
        with self._file(store, hash) as (file, _):
            size = os.fstat(file).st_size
            if size > max_bytes:
                raise TooLarge(size)
            with open(file, "rb", closefd=False) as reader:
                content = reader.read(size)
        if hash_of(content) != hash:
            raise NotWhole
        return content

    def secure(self, store: str, hash: str) -> None:
        """Have on the disk what is there, whoever has written it. Raises as `read` does."""
        with self._file(store, hash) as (file, directory):
            self._sync(file, directory, self._root)

    def keep(self, store: str, hash: str, content: bytes) -> None:
        """Have it in the store, and on the disk. Raises OSError."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory_of(store), 0o700, dir_fd=self._root)
        if self._is_whole(store, hash, len(content)):
            self.secure(store, hash)
        else:
            with self._directory(store) as directory:
                self._write(directory, hash, content)
                self._sync(directory, self._root)
        reached("worker.content-kept", self._actor)

    @contextlib.contextmanager
    def _directory(self, store: str) -> Iterator[int]:
        descriptor = os.open(directory_of(store), _DIRECTORY, dir_fd=self._root)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _file(self, store: str, hash: str) -> Iterator[tuple[int, int]]:
        """Descriptors of a file, and of the directory that it is in."""
        with self._directory(store) as directory:
            file = os.open(hash, _READ, dir_fd=directory)
            try:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise NotWhole
                yield file, directory
            finally:
                os.close(file)

    def _is_whole(self, store: str, hash: str, size: int) -> bool:
        try:
            self.read(store, hash, size)
        except (OSError, NotWhole, TooLarge):
            return False
        return True

    def _write(self, directory: int, hash: str, content: bytes) -> None:
        file = os.open(self._unfinished, _WRITE, 0o600, dir_fd=self._workshop)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(file, rest) :]
            reached("worker.content-written", self._actor)
            self._sync(file)
            reached("worker.content-synced", self._actor)
            os.rename(self._unfinished, hash, src_dir_fd=self._workshop, dst_dir_fd=directory)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(self._unfinished, dir_fd=self._workshop)
            raise
        finally:
            os.close(file)
        reached("worker.content-named", self._actor)

    def _sync(self, *descriptors: int) -> None:
        if self._syncs:
            for descriptor in descriptors:
                os.fsync(descriptor)
