"""Keep each component that an actor runs, as it was given: the very bytes of its .wasm or .wat.

They are files in `components/` in the data directory, named by the SHA-256 that the chain of an
actor begins with, so that a run can be replayed when the file it came from has changed or gone.
One is there, whole and on the disk, before the log says that an actor runs it. It may be there
without that: what was to be started can be refused afterwards.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from theater import linux
from theater.errors import ComponentError, EnvironmentProblem
from theater.supervisor.cache import Artifact, open_component

_CHUNK = 1 << 20  # bytes
_UNFINISHED = ".tmp"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def keep(directory: str, artifacts: Iterable[Artifact]) -> None:
    """Have the components that these were compiled from in `directory`; what is there stays.

    Raises ComponentError if a file is no longer what was compiled, EnvironmentProblem if it cannot
    be written.
    """
    files = {artifact.component_sha256: artifact.component for artifact in artifacts}
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        for sha256, file in files.items():
            target = f"{directory}/{sha256}"
            if not _is_whole(target, sha256):
                _write(target, sha256, file)
        linux.sync_directory(directory)
    except OSError as error:
        raise _unwritable(directory, error) from None


def _unwritable(directory: str, error: OSError) -> EnvironmentProblem:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return EnvironmentProblem(
        f"cannot keep the components in {directory}: {error.strerror};"
        f" {'make room' if full else 'make it writable'}, or choose another data directory"
        " with --data DIR"
    )


@dataclass(frozen=True, slots=True)
class Held:
    """A component of which there is no other file, while it is judged: one that is kept already, or
    one of this process alone, which a kill leaves for the next `up` to remove."""

    path: str
    kept_path: str  # what it is to be called

    def keep(self) -> None:
        """Have it under that name, whole and on the disk. EnvironmentProblem: it cannot be."""
        try:
            if self.path != self.kept_path:
                with open(self.path, "rb") as file:
                    os.fsync(file.fileno())
                # Whoever has kept the same bytes meanwhile has the same file.
                os.rename(self.path, self.kept_path)
            linux.sync_directory(os.path.dirname(self.kept_path))
        except OSError as error:
            raise _unwritable(os.path.dirname(self.kept_path), error) from None

    def drop(self) -> None:
        """It is not to be kept. One that was before stays: others run it, or are judged with it."""
        if self.path != self.kept_path:
            with contextlib.suppress(OSError):
                os.unlink(self.path)


def hold(directory: str, content: bytes) -> Held:
    """These bytes in a file, to be judged. Then they are kept in `directory`, or dropped.

    Raises EnvironmentProblem if they cannot be written.
    """
    kept_path = f"{directory}/{hashlib.sha256(content).hexdigest()}"
    held = Held(f"{kept_path}.{os.getpid()}.held{_UNFINISHED}", kept_path)
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        if _is_whole(kept_path, os.path.basename(kept_path)):
            return Held(kept_path, kept_path)
        held.drop()  # one of a process of this number that was killed
        with open(os.open(held.path, _NEW, 0o400), "wb") as file:
            file.write(content)
    except OSError as error:
        held.drop()
        raise _unwritable(directory, error) from None
    return held


def _is_whole(path: str, sha256: str) -> bool:
    try:
        # Not blocking: opening a named pipe would wait for a writer.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        with open(os.open(path, flags), "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return False
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:  # not there, or one more kind of damage
        return False


def _write(target: str, sha256: str, file: str) -> None:
    with open_component(file) as source, _whole(target) as copy:
        if _copy(file, source, copy.fileno()) != sha256:
            raise ComponentError(f"{file}: the file has changed meanwhile; run again")


@contextlib.contextmanager
def _whole(target: str) -> Iterator[BinaryIO]:
    """A file that has this name when all of it is on the disk, and never else."""
    unfinished = f"{target}.{os.getpid()}{_UNFINISHED}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    try:
        with open(os.open(unfinished, flags, 0o400), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.rename(unfinished, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise


def _copy(file: str, source: int, target: int) -> str:
    """The SHA-256 (hex) of what was copied."""
    digest = hashlib.sha256()
    while chunk := _read(file, source):
        digest.update(chunk)
        while chunk:
            chunk = chunk[os.write(target, chunk) :]
    return digest.hexdigest()


def _read(file: str, source: int) -> bytes:
    try:
        return os.read(source, _CHUNK)
    except OSError as error:
        raise ComponentError(f"{file}: cannot be read: {error.strerror}") from None


def link_all(directory: str, other: str) -> None:
    """Have all that is kept in `directory` in `other` too, without taking room for it twice.

    Raises OSError. Can be done again when it was cut off.
    """
    names = _kept(directory)
    if not names:
        return
    os.makedirs(other, mode=0o700, exist_ok=True)
    for name in names:
        source, target = f"{directory}/{name}", f"{other}/{name}"
        try:
            os.link(source, target)
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno not in linux.NO_LINKS:
                raise
            _write(target, name, source)
    linux.sync_directory(other)


def keep_only(directory: str, needed: set[str]) -> None:
    """Remove what no log speaks of any more."""
    for name in _kept(directory):
        if name not in needed:
            with contextlib.suppress(OSError):
                os.unlink(f"{directory}/{name}")


def names(directory: str) -> set[str]:
    """The hashes of all that are kept."""
    return set(_kept(directory))


def remove_unfinished(directory: str) -> None:
    """What was left by processes that were killed. Only whoever holds the lock may do that."""
    with contextlib.suppress(OSError):
        for name in os.listdir(directory):
            if name.endswith(_UNFINISHED):
                os.unlink(f"{directory}/{name}")


def _kept(directory: str) -> list[str]:
    try:
        return sorted(each for each in os.listdir(directory) if not each.endswith(_UNFINISHED))
    except FileNotFoundError:
        return []
