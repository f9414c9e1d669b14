"""Bring `chain.db` to the schema of this theater: make it, or change an older one.

A copy of the older log is complete beside it, as `chain.db.v1`, before anything is changed, and
stays there. The change itself is one transaction: whenever it ends, the log is of one version.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from typing import Any, Protocol

from theater.broker import schema
from theater.errors import EnvironmentProblem


class Connection(Protocol):
    """What is needed of an SQLite connection in autocommit mode."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Any: ...
    def executemany(self, sql: str, rows: Any, /) -> Any: ...
    def close(self) -> None: ...


def migrate(db: Connection) -> None:
    """Make the log one of `schema.VERSION`; EnvironmentProblem if it cannot be."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == schema.VERSION:
        return
    if version == 0:
        _change(db, schema.TABLES + schema.VIEWS)
        return
    if version not in schema.MIGRATIONS:
        raise EnvironmentProblem(
            f"chain.db has schema version {version}; this theater reads {schema.VERSION} and"
            " older. Use the theater that wrote it, or another data directory"
        )
    _keep_copy(db, version)
    _change(db, "".join(schema.MIGRATIONS[older] for older in range(version, schema.VERSION)))


def _change(db: Connection, script: str) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        for statement in _statements(script):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {schema.VERSION}")
        db.execute("COMMIT")
    except BaseException:
        if getattr(db, "in_transaction", True):
            db.execute("ROLLBACK")
        raise


def _keep_copy(db: Connection, version: int) -> None:
    path = next(row[2] for row in db.execute("PRAGMA database_list").fetchall() if row[1] == "main")
    copy, part = f"{path}.v{version}", f"{path}.v{version}.part"
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)  # of a copying that was interrupted
        db.execute("VACUUM INTO ?", (part,))
        _sync(part)  # SQLite does not
        os.replace(part, copy)
        _sync(os.path.dirname(copy) or ".")
    except (OSError, sqlite3.Error) as error:
        raise EnvironmentProblem(
            f"chain.db is of an older theater and has to be changed, but a copy of it cannot be"
            f" kept at {copy}: {error}"
        ) from error


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _statements(script: str) -> Iterator[str]:
    """Cut a script into statements; ours hold no semicolon but at their ends and in comments."""
    lines = [line.split("--")[0].rstrip() for line in script.splitlines()]
    for statement in "\n".join(lines).split(";"):
        if statement.strip():
            yield statement.strip()
