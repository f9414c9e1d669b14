"""What tables a log has: those that this theater reads, in each version of the schema."""

from __future__ import annotations

from collections.abc import Iterator

from theater.errors import EnvironmentProblem
from theater.facts import ROOT
from theater.fsck.file import LogFile, Unreadable
from theater.fsck.findings import Reports, shown

VERSION = 5  # of the schema in broker/schema.py; older ones can be read too

# Columns with their types, in order.
TABLES = {
    "actors": "id INTEGER, name TEXT, component TEXT, phase TEXT, reason TEXT,"
    " initialised INTEGER, created_at REAL, removed_at REAL, role TEXT",
    "incarnations": "actor INTEGER, incarnation INTEGER, pid INTEGER, started_at REAL,"
    " ready_at REAL, ended_at REAL, reason TEXT",
    "turns": "actor INTEGER, turn INTEGER, kind TEXT, message INTEGER, status TEXT,"
    " incarnation INTEGER, steps INTEGER, deliveries INTEGER, state BLOB, fuel INTEGER,"
    " reason TEXT, at REAL, kept INTEGER",
    "steps": "actor INTEGER, turn INTEGER, step INTEGER, incarnation INTEGER, last_event INTEGER",
    "events": "seq INTEGER, actor INTEGER, position INTEGER, incarnation INTEGER, turn INTEGER,"
    " idx INTEGER, type TEXT, function TEXT, line TEXT, bytes BLOB, hash BLOB, at REAL",
    "messages": "id INTEGER, kind TEXT, to_actor INTEGER, to_name TEXT, from_actor INTEGER,"
    " from_turn INTEGER, from_index INTEGER, client TEXT, size INTEGER, body BLOB,"
    " body_hash BLOB, status TEXT, turn INTEGER, answer BLOB, at REAL, channel TEXT",
    "asks": "actor INTEGER, turn INTEGER, idx INTEGER, kind TEXT, message INTEGER,"
    " timeout_s REAL, status TEXT",
    "channels": "id TEXT, opener INTEGER, callee INTEGER, message INTEGER, status TEXT,"
    " opened_at REAL, closed_by INTEGER, reason TEXT, untold INTEGER, closed_at REAL",
    "senders": "actor INTEGER, sender TEXT",
    "blobs": "hash BLOB, bytes BLOB",
    "last_states": "actor INTEGER, hash BLOB, bytes BLOB",
    "dead_letters": "id INTEGER, message INTEGER, actor TEXT, turn INTEGER, reason TEXT,"
    " state BLOB, evidence INTEGER, at REAL, status TEXT, again INTEGER, client TEXT,"
    " decided_at REAL",
    "evidence": "id INTEGER, actor INTEGER, incarnation INTEGER, turn INTEGER, events BLOB,"
    " hash BLOB, at REAL",
    "counters": "name TEXT, value INTEGER",
    "timers": "actor INTEGER, name TEXT, interval_ms INTEGER, due_at REAL, message INTEGER,"
    " turn INTEGER, idx INTEGER",
    "contents": "store TEXT, hash BLOB, size INTEGER, seq INTEGER",
    "labels": "store TEXT, label TEXT, hash BLOB, seq INTEGER",
    "children": "actor INTEGER, parent INTEGER, turn INTEGER, idx INTEGER, spec BLOB",
    "subscriptions": "parent INTEGER, child INTEGER, position INTEGER",
}
NEW = {  # tables that came later, with their version
    **dict.fromkeys(("channels", "last_states"), 4),
    **dict.fromkeys(("timers", "contents", "labels", "children", "subscriptions"), 5),
}
# What came later: (table, column) -> version. They are the last ones of their tables.
SINCE = {
    ("actors", "role"): 2,
    ("dead_letters", "status"): 3,
    ("dead_letters", "again"): 3,
    ("dead_letters", "client"): 3,
    ("dead_letters", "decided_at"): 3,
    ("messages", "channel"): 4,
    ("turns", "kept"): 4,
    **{
        (table, name): version
        for table, version in NEW.items()
        for name in TABLES[table].split()[::2]
    },
}
# The keys by which rows are found. Without them a read would take for ever.
KEYS = {
    "actors": ("id",),
    "incarnations": ("actor", "incarnation"),
    "turns": ("actor", "turn"),
    "steps": ("actor", "turn", "step"),
    "events": ("seq",),
    "messages": ("id",),
    "asks": ("actor", "turn", "idx"),
    "channels": ("id",),
    "senders": ("actor", "sender"),
    "last_states": ("actor",),
    "dead_letters": ("id",),
    "evidence": ("id",),
    "counters": ("name",),
    "timers": ("actor", "name"),
    "contents": ("store", "hash"),
    "labels": ("store", "label"),
    "children": ("actor",),
    "subscriptions": ("parent", "child"),
}
INDEXES = {  # and whether they hold only some rows
    "events": ("actor, position", False),
    "messages": ("to_actor, id", True),
    "evidence": ("actor, id", False),
    "blobs": ("hash", False),
}


def version_of(file: LogFile, reports: Reports) -> int:
    """The version of a log's schema. 0, told already: this is no log."""
    ((version,),) = file.rows("PRAGMA user_version")
    if version > VERSION:
        raise EnvironmentProblem(
            f"the log has schema version {version}; this theater reads {VERSION} and older."
            " Use the theater that wrote it"
        )
    if version < 1:
        there = file.rows("SELECT 1 FROM sqlite_schema LIMIT 1")
        found = f"has schema version {version}" if there else "is empty"
        reports.wrong(found, f"a log of version 1 to {VERSION}", file="chain.db")
        return 0
    return int(version)


def old_until(file: LogFile, version: int) -> float:
    """The events before this one are of version 1, which had no root supervisor."""
    if version == 1:
        return float("inf")
    root = file.one(
        "SELECT e.seq FROM actors a JOIN events e ON e.actor = a.id AND e.position = 0"
        " WHERE a.name = ?",
        (ROOT,),
    )
    return root[0] if root is not None and isinstance(root[0], int) else 0


def columns(table: str, version: int) -> list[tuple[str, str]]:
    """(name, type) of each, in order."""
    pairs = [tuple(column.split()) for column in TABLES[table].split(", ")]
    return [(name, type) for name, type in pairs if SINCE.get((table, name), 1) <= version]


def judge(file: LogFile, version: int, reports: Reports) -> None:
    """Whether all tables are there, and are tables."""
    # A view or a virtual table by the name of a table could do anything.
    sql = "SELECT name, rootpage FROM sqlite_schema WHERE type = 'table'"
    roots: dict[str, int] = dict(file.rows(sql))
    for table in TABLES:
        if not columns(table, version):
            continue  # of a later one
        if not roots.get(table):
            reports.wrong("is missing", "there", table=table)
            continue
        for found, expected in _differences(file, table, version):
            reports.wrong(found, expected, table=table)


def _differences(file: LogFile, table: str, version: int) -> Iterator[tuple[str, str]]:
    try:
        there = file.rows("SELECT name, type, pk, hidden FROM pragma_table_xinfo(?)", (table,))
        indexes = [
            (_names(file, index), bool(partial))
            for index, partial in file.rows(
                "SELECT name, partial FROM pragma_index_list(?)", (table,)
            )
        ]
    except Unreadable as error:
        yield f"cannot be read: {error}", "readable"
        return
    found = [(name, type) if not hidden else (name, "hidden") for name, type, _, hidden in there]
    if found != columns(table, version):
        yield f"has the columns {_listed(found)}", _listed(columns(table, version))
    keys = tuple(name for name, _, pk, _ in sorted(there, key=lambda row: row[2]) if pk)
    if keys != KEYS.get(table, ()):
        yield f"has the primary key {shown(keys)}", shown(KEYS.get(table, ()))
    if table in INDEXES and INDEXES[table] not in indexes:
        yield "has lost an index", f"one on {INDEXES[table][0]}"


def _names(file: LogFile, index: str) -> str:
    rows = file.rows("SELECT name FROM pragma_index_info(?)", (index,))
    return ", ".join(str(name) for (name,) in rows)


def _listed(columns: list[tuple[str, str]]) -> str:
    return ", ".join(" ".join(map(str, column)) for column in columns)
