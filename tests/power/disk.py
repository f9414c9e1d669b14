"""A disk in memory for SQLite that keeps only what was synced when the power goes.

It writes down every operation. `images` says what may be on it after a cut at any of them: of what
was written since a file's last sync any part may be there, in any order, a sector of it torn.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import apsw

SECTOR = 512
NOTHING_IS_TORN_BESIDE = apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE  # as SQLite has it of any disk
WRITE, TRUNCATE, SYNC, DELETE, ACKNOWLEDGE = range(5)

Operation = tuple[int, str, int, bytes]  # kind, file, offset or size or number, data
Image = dict[str, bytes]


class Disk(apsw.VFS):
    """An SQLite VFS; `name` is what a connection calls it."""

    def __init__(self, name: str, image: Image | None = None) -> None:
        self.name = name
        self.files = {file: bytearray(content) for file, content in (image or {}).items()}
        self.before = dict(image or {})
        self.operations: list[Operation] = []
        self.failing: set[str] = set()  # files whose next sync fails
        self.room: int | None = None  # bytes that can still be written
        super().__init__(name, "")

    def note(self, kind: int, file: str, number: int = 0, data: bytes = b"") -> None:
        self.operations.append((kind, file, number, data))

    def acknowledge(self, commit: int) -> None:
        """Somebody has been told that all up to this one is committed."""
        self.note(ACKNOWLEDGE, "", commit)

    # What SQLite asks for

    def xOpen(self, name: Any, flags: Any) -> Any:
        file = name if isinstance(name, str) else name.filename()
        if file not in self.files:
            self.files[file] = bytearray()
            self.note(WRITE, file)
        flags[1] = flags[0]
        return File(self, file)

    def xDelete(self, name: str, sync: bool) -> None:
        self.files.pop(name, None)
        self.note(DELETE, name)

    def xAccess(self, name: str, _flags: int) -> bool:
        return name in self.files

    def xFullPathname(self, name: str) -> str:
        return name


class File:
    def __init__(self, disk: Disk, name: str) -> None:
        self._disk = disk
        self._name = name
        self.excepthook = lambda *_: None  # SQLite is told by the exception itself

    @property
    def _content(self) -> bytearray:
        return self._disk.files[self._name]

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self._content[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        disk = self._disk
        if disk.room is not None:
            if disk.room < len(data):
                raise apsw.exception_for(apsw.SQLITE_FULL)
            disk.room -= len(data)
        _write(self._content, offset, bytes(data))
        disk.note(WRITE, self._name, offset, bytes(data))

    def xTruncate(self, size: int) -> None:
        _truncate(self._content, size)
        self._disk.note(TRUNCATE, self._name, size)

    def xSync(self, _flags: int) -> None:
        if self._name in self._disk.failing:
            self._disk.failing.discard(self._name)
            raise apsw.exception_for(apsw.SQLITE_IOERR_FSYNC)
        self._disk.note(SYNC, self._name)

    def xFileSize(self) -> int:
        return len(self._content)

    def xClose(self) -> None: ...
    def xLock(self, _level: int) -> None: ...
    def xUnlock(self, _level: int) -> None: ...

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, _op: int, _pointer: int) -> bool:
        return False

    def xSectorSize(self) -> int:
        return SECTOR

    def xDeviceCharacteristics(self) -> int:
        return int(NOTHING_IS_TORN_BESIDE)


def _write(content: bytearray, offset: int, data: bytes) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _truncate(content: bytearray, size: int) -> None:
    if size < len(content):
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))


# The cut


@dataclass(slots=True)
class _Platter:
    """What has been synced of a file, and what has been done to it since."""

    content: bytearray
    since: list[Operation] = field(default_factory=list)
    is_there: bool = False  # its name, too, has been synced

    def apply(self, operation: Operation) -> None:
        kind, _, number, data = operation
        if kind == WRITE:
            _write(self.content, number, data)
        else:
            _truncate(self.content, number)


def images(
    before: Image, operations: list[Operation], cuts: list[int], chance: random.Random
) -> Iterator[tuple[int, Image]]:
    """(the last commit acknowledged, what is on the disk) after a cut before each of `cuts`.

    `cuts`: numbers of operations, in order.
    """
    platters = {name: _Platter(bytearray(data), [], True) for name, data in before.items()}
    acknowledged = 0
    left = list(cuts)
    for number, operation in enumerate([*operations, (ACKNOWLEDGE, "", 0, b"")]):
        while left and left[0] == number:
            left.pop(0)
            yield acknowledged, _after(platters, chance)
        kind, name, commit, _ = operation
        if kind == ACKNOWLEDGE:
            acknowledged = commit
        elif kind == DELETE:
            platters.pop(name, None)
        elif kind == SYNC:
            platter = platters[name]
            for each in platter.since:
                platter.apply(each)
            platter.since, platter.is_there = [], True
        else:
            platters.setdefault(name, _Platter(bytearray())).since.append(operation)


def _after(platters: dict[str, _Platter], chance: random.Random) -> Image:
    image = {}
    for name, platter in platters.items():
        if not platter.is_there and chance.random() < 0.5:
            continue
        left = _Platter(bytearray(platter.content))
        for operation in _survivors(platter.since, chance):
            left.apply(operation)
        image[name] = bytes(left.content)
    return image


def _survivors(since: list[Operation], chance: random.Random) -> Iterator[Operation]:
    """All of it, nothing, the beginning, or any of it with torn sectors."""
    match chance.randrange(4):
        case 0:
            yield from since
        case 1:
            yield from since[: chance.randint(0, len(since))]
        case 2:
            share = chance.random()
            for operation in since:
                if operation[0] == TRUNCATE or not operation[3]:
                    if chance.random() < share:
                        yield operation
                else:
                    yield from _torn(operation, share, chance)


def _torn(operation: Operation, share: float, chance: random.Random) -> Iterator[Operation]:
    kind, name, offset, data = operation
    whole = chance.random() < 0.7
    if whole:
        if chance.random() < share:
            yield operation
        return
    begin = 0
    while begin < len(data):
        end = min(len(data), begin + SECTOR - (offset + begin) % SECTOR)
        if chance.random() < share:
            stop = end if chance.random() < 0.8 else chance.randint(begin, end)
            yield kind, name, offset + begin, data[begin:stop]
        begin = end


# A connection as the log wants one


class Connection:
    """SQLite of apsw on a disk of ours; its errors are those of the standard library's."""

    def __init__(self, disk: Disk, file: str = "/chain.db") -> None:
        self._db = apsw.Connection(file, vfs=disk.name)
        # The index of the WAL in memory: a VFS in Python has no memory to share.
        self.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()

    @property
    def in_transaction(self) -> bool:
        return self._db.in_transaction

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        try:
            return self._db.execute(sql, parameters)
        except apsw.Error as error:
            raise _translated(error) from None

    def executemany(self, sql: str, rows: Any, /) -> Any:
        try:
            return self._db.executemany(sql, rows)
        except apsw.Error as error:
            raise _translated(error) from None

    def close(self) -> None:
        self._db.close()


def _translated(error: apsw.Error) -> sqlite3.Error:
    translated = sqlite3.OperationalError(str(error))
    translated.sqlite_errorcode = getattr(error, "extendedresult", sqlite3.SQLITE_ERROR)
    translated.sqlite_errorname = type(error).__name__
    return translated
