"""What actors have spawned and the last system left: read from the log before there is a broker."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass

from theater import addresses, spec_data
from theater.errors import ComponentError, Damaged, EnvironmentProblem, ProtocolError
from theater.events import decode
from theater.paths import DataPaths, component_path, reading_uri
from theater.quoting import quoted
from theater.spec import ActorSpec, SystemSpec
from theater.supervisor import originals
from theater.supervisor.cache import open_verified, prepare
from theater.supervisor.prepare import Progress
from theater.supervisor.stock import Stock
from theater.supervisor.tree import may_spawn

SINCE = 5  # the first version of the log with children
# Whose end is waited for has been told, once it was ready, that it runs.
_CHILDREN = (
    "SELECT a.name, c.spec, k.status = 'open' AND NOT (k.kind = 'spawn-and-wait' AND EXISTS"
    " (SELECT 1 FROM incarnations i WHERE i.actor = a.id AND i.ready_at IS NOT NULL))"
    " FROM children c JOIN actors a ON a.id = c.actor"
    " LEFT JOIN asks k ON k.actor = c.parent AND k.turn = c.turn AND k.idx = c.idx"
    " WHERE a.removed_at IS NULL"
)

# By the index of what chains say of their actors.
_FACTS = (
    "SELECT bytes FROM events WHERE type = 'created' OR type = 'component-changed'"
    " OR type = 'changed' OR type = 'returned'"
)
_NAMING = ("component", "from", "to")  # where in those a component's hash stands


@dataclass(frozen=True, slots=True)
class Kept:
    """Parents first. `unanswered`: those whose actors still wait to be told that they run."""

    there: tuple[ActorSpec, ...] = ()
    unanswered: tuple[ActorSpec, ...] = ()


def read(data: DataPaths, system: SystemSpec) -> Kept:
    """Those whose actors are there, and may spawn."""
    if not os.path.exists(data.log) or not os.path.getsize(data.log):
        return Kept()
    spawning = {actor.path for actor in system.root.actors() if may_spawn(actor)}
    there: list[ActorSpec] = []
    unanswered: list[ActorSpec] = []
    for name, spec, waits in sorted(_rows(data.log), key=lambda row: row[0].count("/")):
        actor = _actor(name, spec)
        if addresses.parent(name) not in spawning:
            continue
        if may_spawn(actor):
            spawning.add(name)
        (unanswered if waits else there).append(actor)
    return Kept(tuple(there), tuple(unanswered))


def _actor(name: str, spec: bytes) -> ActorSpec:
    try:
        actor = spec_data.unpack(spec)
    except ProtocolError as error:
        raise Damaged(f"what {name} was spawned as: {error}; `theater fsck` says more") from None
    if actor.path != name:
        text = f"what {name} was spawned as is of {quoted(actor.path)}; `theater fsck` says more"
        raise Damaged(text)
    return actor


def _open(log: str) -> sqlite3.Connection:
    uri = reading_uri(log)
    if not os.path.exists(f"{log}-wal"):
        # All of it is in one file, and we hold the lock. Else SQLite would make an index beside it,
        # and a disk that is full or read-only would be told as a log that cannot be read.
        uri += "&immutable=1"
    return sqlite3.connect(uri, uri=True, timeout=10)


def _rows(log: str) -> list[tuple[str, bytes, bool | None]]:
    try:
        with contextlib.closing(_open(log)) as db:
            ((version,),) = db.execute("PRAGMA user_version").fetchall()
            return db.execute(_CHILDREN).fetchall() if version >= SINCE else []
    except sqlite3.Error as error:
        raise EnvironmentProblem(f"cannot read {log}: {error}") from None


def remove_leftovers(data: DataPaths, needed: set[str]) -> None:
    """Of components those that were kept for births of which nothing has come. A log that speaks
    of one needs it: what its actor did can be done again.

    `needed`: the hashes of those that are to be started now.
    """
    left = originals.names(data.components) - needed
    if not left or not os.path.exists(data.log) or not os.path.getsize(data.log):
        return
    try:
        with contextlib.closing(_open(data.log)) as db:
            left -= _named(db)
    except (sqlite3.Error, ProtocolError):  # damaged: whatever it speaks of may be needed
        return
    originals.keep_only(data.components, originals.names(data.components) - left)


def _named(db: sqlite3.Connection) -> set[str]:
    """The hash of every component that the log says an actor has run. ProtocolError."""
    found = {each for (each,) in db.execute("SELECT DISTINCT component FROM actors")}
    for (data,) in db.execute(_FACTS):
        said = decode(data).payload
        if not isinstance(said, dict):
            raise ProtocolError("not what a chain says of its actor")
        found.update(each for key in _NAMING if isinstance(each := said.get(key), str))
    return found


def stock(
    kept: Kept, data: DataPaths, system: SystemSpec, into: Stock, on_progress: Progress
) -> None:
    """Have their components compiled, and opened, as they were kept."""
    memory, within_s = system.compile_memory_bytes, system.compile_timeout_s
    for actor in (*kept.there, *kept.unanswered):
        file = component_path(data.directory, actor.component_sha256)
        try:
            artifact = prepare(
                file, memory_bytes=memory, timeout_s=within_s, on_progress=on_progress
            )
            descriptor = open_verified(
                artifact, memory_bytes=memory, timeout_s=within_s, on_progress=on_progress
            )
        except ComponentError as error:
            text = f"{actor.path}, which was spawned by an actor, cannot be started again: {error}"
            raise EnvironmentProblem(text) from None
        into.take(artifact.component_sha256, artifact.exports, descriptor)
