"""Read a log that may be damaged or hostile: read-only, in short transactions, never for ever.

A page of rows is one transaction. Whatever SQLite says against a read is `Unreadable`, so is a
table whose rows do not come in the order of their keys, as in a file that leads in a circle.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from theater.errors import EnvironmentProblem, NotRunning
from theater.paths import reading_uri

Row = tuple[Any, ...]

FEW = 1000
PAGE_ROWS = 1000
PAGE_BYTES = 8 * 1024 * 1024  # of values; a page ends with the row that goes beyond
LOOK_STEPS = 100_000  # SQLite's own steps between two looks at the budget
PAGE_STEPS = 20_000_000  # a page of ours takes some 100,000
STEPS_PER_BYTE = 8  # of the file, for the integrity check: it takes less than one
SIZED = frozenset({bytes, str})
PIECE = 1024 * 1024  # of a content, read at a time
# What says nothing about the file. All other errors do.
OUTER = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_AUTH,
    }
)


class Unreadable(Exception):
    """This part of the file cannot be read; the text says why."""


class LogFile:
    def __init__(self, path: str) -> None:
        if not os.path.exists(path):
            raise NotRunning(f"there is no log at {path}: nothing has run here yet")
        if not os.path.isfile(path):
            raise EnvironmentProblem(f"{path} is not a file")
        self._left = 0
        with self._errors():
            self.bytes = os.stat(path).st_size
            self._db = sqlite3.connect(
                reading_uri(path), uri=True, timeout=10, isolation_level=None
            )
            # Text that is no UTF-8 is text that is wrong, not an error.
            self._db.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
            self._db.set_progress_handler(self._look, LOOK_STEPS)
            for pragma in ("query_only = 1", "trusted_schema = 0", "cell_size_check = 1"):
                self._db.execute(f"PRAGMA {pragma}")

    def close(self) -> None:
        self._db.close()

    def _look(self) -> bool:
        self._left -= LOOK_STEPS
        return self._left < 0

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
            if code in OUTER:
                raise EnvironmentProblem(f"cannot read the log: {error}") from None
            if code == sqlite3.SQLITE_INTERRUPT:
                raise Unreadable("it takes more steps than any log of this size") from None
            raise Unreadable(str(error)) from None
        except UnicodeDecodeError:  # in a name, or in what SQLite says of one
            raise Unreadable("a name in its schema is no UTF-8") from None
        except MemoryError:
            raise Unreadable("a value is larger than the memory") from None

    # Reading

    def rows(
        self,
        sql: str,
        parameters: Sequence[Any] = (),
        steps: int = PAGE_STEPS,
        limit: int = FEW,
    ) -> list[Row]:
        """The rows, which are few; of more than `limit` the first."""
        return self._page(sql, parameters, limit, steps)[0]

    def _page(
        self, sql: str, parameters: Sequence[Any], limit: int, steps: int = PAGE_STEPS
    ) -> tuple[list[Row], bool]:
        """The rows, and whether there are more."""
        self._left = steps
        found: list[Row] = []
        size = 0
        with self._errors(), contextlib.closing(self._db.execute(sql, parameters)) as cursor:
            for row in cursor:
                found.append(row)
                for value in row:
                    if type(value) in SIZED:
                        size += len(value)
                if size > PAGE_BYTES or len(found) == limit:
                    return found, True
        return found, False

    def one(self, sql: str, parameters: Sequence[Any] = (), steps: int = PAGE_STEPS) -> Row | None:
        rows = self.rows(sql, parameters, steps)
        return rows[0] if rows else None

    @contextlib.contextmanager
    def moment(self) -> Iterator[None]:
        """What is read within is of one moment. To be left soon."""
        with self._errors():
            self._db.execute("BEGIN")
        try:
            yield
        finally:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("COMMIT")

    @property
    def all_steps(self) -> int:
        """What a look at everything in the file may take."""
        return PAGE_STEPS + STEPS_PER_BYTE * self.bytes

    def pages(
        self,
        select: str,
        keys: Sequence[str],
        where: str = "",
        parameters: Sequence[Any] = (),
        steps: int = PAGE_STEPS,
    ) -> Iterator[Row]:
        """The rows in the order of their keys, which are the first columns of `select`."""
        names, marks = ", ".join(keys), ", ".join("?" * len(keys))
        after: Row | None = None
        while True:
            conditions = [where] if where else []
            if after is not None:
                conditions.append(f"({names}) > ({marks})")
            rows, more = self._page(
                f"{select} {'WHERE' if conditions else ''} {' AND '.join(conditions)}"
                f" ORDER BY {names} LIMIT {PAGE_ROWS}",
                [*parameters, *(after or ())],
                PAGE_ROWS,
                steps,
            )
            for row in rows:
                key = row[: len(keys)]
                if after is not None and not comes_after(key, after):
                    raise Unreadable(f"after row {after} comes {key}: they are out of order")
                after = key
                yield row
            if not more:
                return

    def content(self, table: str, column: str, rowid: int) -> Iterator[bytes]:
        """A value that may be large, in pieces."""
        with self._errors(), self._db.blobopen(table, column, rowid, readonly=True) as blob:
            while piece := blob.read(PIECE):
                yield piece

    def integrity(self) -> Iterator[str]:
        """What SQLite itself has against the file."""
        try:
            rows = self.rows("PRAGMA integrity_check", steps=self.all_steps)
        except Unreadable as error:
            yield str(error)
            return
        for row in rows:
            if row != ("ok",):
                # It can be several lines, "*** in database main ***" before them.
                yield from (line for line in str(row[0]).splitlines() if line[:3] != "***")


def comes_after(key: Row, other: Row) -> bool:
    """As SQLite has it: none, numbers, text, bytes."""
    try:
        return key > other
    except TypeError:  # they are of several types
        return list(map(_rank, key)) > list(map(_rank, other))


def _rank(value: Any) -> tuple[int, Any]:
    match value:
        case None:
            return 0, 0
        case str():
            return 2, value
        case bytes():
            return 3, value
    return 1, value


class Scratch:
    """What has to be remembered of a log of any size: on disk, and gone when it is closed."""

    def __init__(self, tables: str) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        for sql in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -32768"):
            self._db.execute(f"PRAGMA {sql}")
        self._db.executescript(tables)
        self._db.execute("BEGIN")

    def close(self) -> None:
        self._db.close()

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Change something; the number of rows that are."""
        try:
            return self._db.execute(sql, parameters).rowcount
        except sqlite3.Error as error:
            raise EnvironmentProblem(f"no room for what has to be remembered: {error}") from None

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Row]:
        yield from self._db.execute(sql, parameters)

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        return next(self.rows(sql, parameters), None)
