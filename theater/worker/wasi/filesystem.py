"""wasi:filesystem: the directories that are granted, and what is below them.

Without a grant there are no directories, and so no descriptors. What is read is answered here and
recorded; what changes something is in `changes`. How paths are resolved is in `paths`.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from types import GeneratorType
from typing import Any

from theater.errors import ComponentError
from theater.preopens import Preopen
from theater.worker.wasi import paths
from theater.worker.wasi.changes import Changes
from theater.worker.wasi.descriptors import (
    Descriptor,
    Entries,
    check_offset,
    identity,
    record,
    type_of,
)
from theater.worker.wasi.errors import Refused, code_of, err
from theater.worker.wasi.io import READ_MAX
from theater.worker.wasi.resources import PREOPENS, Change, Functions, Interfaces, ResourceTable
from theater.worker.wasi.streams import FileInput, FileOutput, StreamError


class Filesystem:
    def __init__(self, resources: ResourceTable, granted: Sequence[Preopen]) -> None:
        self._resources = resources
        self._granted = granted
        self._preopens: list[tuple[int, str]] = []  # their numbers, and names

    def open(self) -> None:
        """Open what is granted. Raises ComponentError for a directory that is not there."""
        for each in self._granted:
            try:
                fd = os.open(each.host, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                raise ComponentError(
                    f"the directory {each.host}, granted as {each.guest}, cannot be opened:"
                    f" {error.strerror}"
                ) from None
            descriptor = Descriptor(fd, is_directory=True, may_change=each.write)
            rep = _number(each)
            while self._resources.get(rep) is not None:
                rep += 1
            self._resources.keep(rep, descriptor)
            self._preopens.append((rep, each.guest))

    def interfaces(self) -> Interfaces:
        methods = {**self._reading(), **Changes(self).methods()}
        return {
            "wasi:filesystem/preopens": {
                "get-directories": lambda: [list(each) for each in self._preopens]
            },
            "wasi:filesystem/types": {
                **{f"[method]descriptor.{name}": self._guarded(methods[name]) for name in methods},
                "[method]descriptor.is-same-object": self._is_same,
                "[method]directory-entry-stream.read-directory-entry": self._guarded(
                    self._next_entry
                ),
                "filesystem-error-code": self._error_code,
            },
        }

    def _reading(self) -> Functions:
        return {
            "read-via-stream": self._read_via_stream,
            "write-via-stream": self._write_via_stream,
            "append-via-stream": self._append_via_stream,
            "advise": self._advise,
            "get-flags": lambda rep: self.descriptor(rep).flags(),
            "get-type": self._type,
            "read": self._read,
            "read-directory": self._read_directory,
            "stat": lambda rep: record(os.fstat(self.descriptor(rep).fd)),
            "stat-at": lambda *args: record(self._status_at(*args)),
            "readlink-at": self._readlink,
            "metadata-hash": lambda rep: identity(os.fstat(self.descriptor(rep).fd)),
            "metadata-hash-at": lambda *args: identity(self._status_at(*args)),
        }

    # What is open

    def descriptor(self, rep: int) -> Descriptor:
        found = self._resources.get(rep)
        if not isinstance(found, Descriptor):
            raise Refused("io")  # an incarnation before had it open
        return found

    def require_room(self) -> None:
        if self._resources.is_full():
            raise Refused("insufficient-memory")

    def add(self, item: Any) -> int:
        return self._resources.add(item)

    def _guarded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """What it raises becomes an answer, also after it has yielded."""

        def call(*args: Any) -> Any:
            if not self._granted:
                return err("not-permitted")
            try:
                answer = function(*args)
            except (Refused, OSError) as error:
                return _refusal(error)
            return _carry_through(answer) if isinstance(answer, GeneratorType) else {"ok": answer}

        return call

    def _is_same(self, rep: int, other: int) -> bool:
        first, second = self._resources.get(rep), self._resources.get(other)
        if not isinstance(first, Descriptor) or not isinstance(second, Descriptor):
            return rep == other
        return os.path.sameopenfile(first.fd, second.fd)

    def _error_code(self, rep: int) -> str | None:
        error = self._resources.get(rep)
        return error.code if isinstance(error, StreamError) else None

    # Files

    def _read(self, rep: int, length: int, offset: int) -> list[Any]:
        file = self.descriptor(rep)
        file.require_file(read=True)
        check_offset(offset)
        data = os.pread(file.fd, min(length, READ_MAX), offset)
        return [data, length > 0 and not data]

    def _read_via_stream(self, rep: int, offset: int) -> int:
        file = self.descriptor(rep)
        file.require_file(read=True)
        check_offset(offset)
        self.require_room()
        return self.add(FileInput(os.dup(file.fd), offset))

    def _write_via_stream(self, rep: int, offset: int) -> int:
        file = self.descriptor(rep)
        file.require_file(write=True)
        check_offset(offset)
        self.require_room()
        return self.add(FileOutput(os.dup(file.fd), offset))

    def _append_via_stream(self, rep: int) -> int:
        file = self.descriptor(rep)
        file.require_file(write=True)
        self.require_room()
        # Opened once more: the end is where the kernel finds it at the moment of each write.
        fd = paths.open_again(file.fd, os.O_WRONLY | os.O_APPEND)
        return self.add(FileOutput(fd, None))

    def _advise(self, rep: int, *_advice: Any) -> None:
        self.descriptor(rep).require_file()

    def _type(self, rep: int) -> str:
        return type_of(os.fstat(self.descriptor(rep).fd).st_mode)

    # Directories

    def _read_directory(self, rep: int) -> int:
        directory = self.descriptor(rep)
        directory.require_directory()
        self.require_room()
        return self.add(Entries(directory.fd))

    def _next_entry(self, rep: int) -> dict[str, str] | None:
        entries = self._resources.get(rep)
        if not isinstance(entries, Entries):
            raise Refused("io")
        return entries.next()

    # Paths

    def _find(self, rep: int, path: str, follow: bool) -> int:
        directory = self.descriptor(rep)
        directory.require_directory()
        return paths.find(directory.fd, path, follow)

    def _status_at(self, rep: int, path_flags: list[str], path: str) -> os.stat_result:
        found = self._find(rep, path, "symlink-follow" in path_flags)
        try:
            return os.fstat(found)
        finally:
            os.close(found)

    def _readlink(self, rep: int, path: str) -> str:
        found = self._find(rep, path, follow=False)
        try:
            if not stat.S_ISLNK(os.fstat(found).st_mode):
                raise Refused("invalid")
            target = os.readlink("", dir_fd=found)
        finally:
            os.close(found)
        if target.startswith("/"):
            raise Refused("not-permitted")  # how it is outside is not told
        try:
            target.encode()
        except UnicodeEncodeError:
            raise Refused("illegal-byte-sequence") from None
        return target


def _number(preopen: Preopen) -> int:
    """The same for the same grant, whatever others there are: what an older incarnation recorded
    can mean nothing else, when a grant has been changed meanwhile."""
    facts = f"{preopen.host}\0{preopen.guest}\0{preopen.write}"
    digest = hashlib.sha256(facts.encode(errors="surrogateescape")).digest()
    return PREOPENS | int.from_bytes(digest[:4], "big") % PREOPENS


def _carry_through(change: Change[Any]) -> Change[dict[str, Any]]:
    try:
        answer = yield from change
    except (Refused, OSError) as error:
        return _refusal(error)
    return {"ok": answer}


def _refusal(error: Refused | OSError) -> dict[str, Any]:
    return err(error.code if isinstance(error, Refused) else code_of(error))
