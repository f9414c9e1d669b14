"""Read the log: `chain.db`, read-only, in short transactions; also while the system is down."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgpack

from theater.errors import Damaged, EnvironmentProblem, NotRunning
from theater.events import Event, content_hash, decode
from theater.paths import reading_uri

PAGE = 1000  # rows a transaction
VERSION = 5  # of the schema in broker/schema.py; older ones can be read too


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One row of the log. `line` is the text of a log line, for the events that are one."""

    seq: int
    at: float  # Unix time of the commit
    position: int  # in the actor's chain
    hash: bytes
    data: bytes  # the event bytes
    line: str | None

    @property
    def event(self) -> Event:
        return decode(self.data)


class LogReader:
    def __init__(self, path: str) -> None:
        if not os.path.exists(path):
            raise NotRunning(f"there is no log at {path}: nothing has run here yet")
        self._db = sqlite3.connect(reading_uri(path), uri=True, timeout=10)
        self._db.isolation_level = None
        version = self.version()
        if version > VERSION:
            raise EnvironmentProblem(
                f"the log has schema version {version}; this theater reads {VERSION} and older."
                " Use the theater that wrote it"
            )

    def close(self) -> None:
        self._db.close()

    def _rows(self, sql: str, parameters: Any = ()) -> list[Any]:
        try:
            return self._db.execute(sql, parameters).fetchall()
        except sqlite3.DatabaseError as error:
            raise EnvironmentProblem(f"cannot read the log: {error}") from None

    def actors(self) -> list[str]:
        """Every actor's address the log knows, in the order they came."""
        return self._names("actor")

    def present_actors(self) -> list[str]:
        """Those that have not been removed."""
        return self._names("actor", " AND removed_at IS NULL")

    def supervisors(self) -> list[str]:
        """Every supervisor the log knows, the root supervisor `/` among them."""
        return self._names("supervisor")

    def _names(self, role: str, which: str = "") -> list[str]:
        column = "role" if self.version() >= 2 else "'actor'"  # older ones know actors only
        sql = f"SELECT name FROM actors WHERE {column} = ?{which} ORDER BY id"
        return [row[0] for row in self._rows(sql, (role,))]

    def version(self) -> int:
        """The schema's. It grows when the system is started by a newer theater."""
        return int(self._rows("PRAGMA user_version")[0][0])

    def last_seq(self) -> int:
        return int(self._rows("SELECT coalesce(max(seq), 0) FROM events")[0][0])

    def events(
        self,
        after: int = 0,
        actors: list[str] | None = None,
        lines_only: bool = False,
        or_type: str = "",
    ) -> Iterator[LoggedEvent]:
        """The events after `after`, in the order of commits, a page of them at a time.

        `lines_only`: log lines, and with them the events of one more type if it is given.
        """
        where = "e.seq > ?"
        names: list[Any] = []
        if actors:
            marks = ",".join("?" * len(actors))
            where += f" AND e.actor IN (SELECT id FROM actors WHERE name IN ({marks}))"
            names = list(actors)
        if lines_only:
            where += " AND (e.line IS NOT NULL OR e.type = ?)"
            names.append(or_type)
        yield from self._paged(where, after, names)

    def decisions(self, after: int = 0) -> Iterator[LoggedEvent]:
        """What supervisors decided after event `after`, found without reading the rest."""
        yield from self._paged("e.seq > ? AND e.type = 'decided'", after, [])

    def _paged(self, where: str, after: int, parameters: list[Any]) -> Iterator[LoggedEvent]:
        while True:
            rows = self._rows(
                "SELECT e.seq, e.at, e.position, e.hash, e.bytes, e.line FROM events e"
                f" WHERE {where} ORDER BY e.seq LIMIT {PAGE}",
                [after, *parameters],
            )
            for row in rows:
                yield LoggedEvent(*row)
            if len(rows) < PAGE:
                return
            after = rows[-1][0]

    def seq_of_last(self, count: int, actors: list[str] | None, lines_only: bool = False) -> int:
        """The seq before the last `count` events of these actors: where a tail begins."""
        where, names = "1", []
        if actors:
            marks = ",".join("?" * len(actors))
            where = f"actor IN (SELECT id FROM actors WHERE name IN ({marks}))"
            names = list(actors)
        if lines_only:
            where += " AND line IS NOT NULL"
        rows = self._rows(
            f"SELECT seq FROM events WHERE {where} ORDER BY seq DESC LIMIT 1 OFFSET ?",
            [*names, count],
        )
        return int(rows[0][0]) if rows else 0

    def evidence(self, hash: bytes) -> list[Event]:
        """What a black box held of a turn that did not commit, by the hash in `turn-failed`."""
        rows = self._rows("SELECT events FROM evidence WHERE hash = ?", (hash,))
        if not rows:
            return []
        return [decode(data) for data in msgpack.unpackb(rows[0][0])]

    def content(self, hash: bytes) -> bytes | None:
        """What a reference in an event stands for; None: a state whose bytes are not kept.

        Raises Damaged if what is there is something else.
        """
        rows = self._rows("SELECT bytes FROM blobs WHERE hash = ?", (hash,))
        if not rows and self.version() >= 4:
            rows = self._rows("SELECT bytes FROM last_states WHERE hash = ? LIMIT 1", (hash,))
        return _checked(rows[0][0], hash) if rows else None

    def state(self, actor: str) -> bytes | None:
        """The last committed state; None: the actor has none. Raises Damaged as `content` does."""
        loose = "(SELECT bytes FROM last_states l WHERE l.actor = t.actor AND l.hash = t.state)"
        rows = self._rows(
            f"SELECT coalesce(b.bytes, {loose if self.version() >= 4 else 'NULL'}), t.state"
            " FROM turns t JOIN actors a ON a.id = t.actor LEFT JOIN blobs b ON b.hash = t.state"
            " WHERE a.name = ? AND t.status IN ('done', 'failed') ORDER BY t.turn DESC LIMIT 1",
            (actor,),
        )
        return _checked(*rows[0]) if rows and rows[0][0] is not None else None

    def copy_to(self, path: str) -> None:
        """A copy of the whole log as it is at one instant, without what was in it before."""
        self._db.execute("VACUUM INTO ?", (path,))

    def query(self, sql: str, *parameters: Any) -> list[Any]:
        """Any SELECT; see `broker/schema.py` for the tables."""
        return self._rows(sql, parameters)


def _checked(content: Any, hash: bytes) -> bytes:
    """A column of the log says what it should be: believe nothing else."""
    if not isinstance(content, bytes) or content_hash(content) != hash:
        raise Damaged(f"the content {hash.hex()[:12]} is not what its hash says")
    return content
