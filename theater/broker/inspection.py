"""Check a log that may be damaged before anything is written to it.

What SQLite itself has against the file, then the hash of every event and every content: after a
sync that failed the disk may hold an older state of any page. What follows from events is not
looked at here; that is `theater fsck`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from theater.broker.migration import Connection
from theater.broker.root import RootSocket
from theater.broker.trouble import DAMAGED, Fatal, clear, suspicion
from theater.chain import GENESIS, link
from theater.events import content_hash

_STRIDE = 100_000  # events between two words of progress


def inspect_if_suspect(db: Connection, log: str, root: RootSocket) -> None:
    """Check the log if something has failed before. Raises Fatal if it is damaged."""
    why = suspicion(log)
    if why is None:
        return

    def tell(text: str) -> None:
        root.send(("progress", text))
        root.flush()

    begun = f"checking the log after: {why}"
    tell(begun)
    damage = inspect(db, lambda count: tell(f"{begun} ... {count:,} events"))
    if damage is not None:
        raise Fatal(
            f"the log {log} is damaged: {damage}. Something had failed before ({why})."
            " `theater fsck` shows all that is wrong; restore a copy, or begin anew with"
            " `theater up --fresh`",
            DAMAGED,
        )
    tell("the log's chains are whole; `theater fsck` looks at all that follows from them")
    clear(log)


def inspect(db: Connection, progress: Callable[[int], None]) -> str | None:
    """The first thing that is wrong; None: the log is whole."""
    for (line,) in db.execute("PRAGMA integrity_check(1)"):
        if line != "ok":
            return f"SQLite finds: {line.splitlines()[-1]}"
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'events'").fetchone():
        return None  # nothing has been written yet
    chain, parent, expected = None, GENESIS, 0
    events: Any = db.execute(
        "SELECT actor, position, bytes, hash FROM events ORDER BY actor, position"
    )
    for count, (actor, position, data, hash) in enumerate(events, 1):
        if actor != chain:
            chain, parent, expected = actor, GENESIS, 0
        parent = link(parent, data)
        if position != expected or hash != parent:
            return f"the chain of actor number {actor} is broken at event {position}"
        expected += 1
        if count % _STRIDE == 0:
            progress(count)
    for hash, content in db.execute("SELECT hash, bytes FROM blobs"):
        if content_hash(content) != hash:
            return f"the content {hash.hex()} has another hash"
    return None
