"""Damage to a log, made from a seed: a bit of a column, or a whole row."""

from __future__ import annotations

import random
import sqlite3
import struct
from dataclasses import dataclass
from typing import Any

from tests.verify.conftest import Copy

# What can be derived from events, or is hashed: verify holds all of it to that. Not in it: which
# message a turn had, how often it was delivered and whether its state is kept; fsck judges those.
COLUMNS = {
    "events": "seq actor position incarnation turn idx type function line bytes hash at",
    "turns": "turn kind status incarnation steps state fuel reason at",
    "steps": "turn step incarnation last_event",
    "blobs": "hash bytes",
    "last_states": "hash bytes",
    "evidence": "actor incarnation turn events hash",
    "actors": "name",
}
KEYS = {
    "events": ("seq",),
    "turns": ("actor", "turn"),
    "steps": ("actor", "turn", "step"),
    "blobs": ("rowid",),
    "last_states": ("actor",),
    "evidence": ("id",),
    "actors": ("id",),
}


@dataclass(frozen=True, slots=True)
class Damage:
    table: str
    key: tuple[Any, ...]
    column: str  # "": the row is gone
    before: Any = None
    after: Any = None


def damage(copy: Copy, random_: random.Random) -> Damage | None:
    """Do it. None: the seed means nothing here, as where a number is another row's already."""
    table = random_.choice(list(COLUMNS))
    keys = KEYS[table]
    rows = copy.rows(f"SELECT {', '.join(keys)} FROM {table}")
    if not rows:
        return None
    key = random_.choice(rows)
    where = " AND ".join(f"{name} = ?" for name in keys)
    if table != "actors" and random_.random() < 0.1:
        copy.edit(lambda db: db.execute(f"DELETE FROM {table} WHERE {where}", key))
        return Damage(table, key, "")
    column = random_.choice(COLUMNS[table].split())
    before = copy.one(f"SELECT {column} FROM {table} WHERE {where}", *key)
    after = flipped(before, random_)
    if after is None or after != after:  # there is no bit to flip; or it is no number any more
        return None
    try:
        sql = f"UPDATE {table} SET {column} = ? WHERE {where}"
        copy.edit(lambda db: db.execute(sql, (after, *key)))
    except sqlite3.IntegrityError:
        return None
    return Damage(table, key, column, before, after)


def flipped(value: Any, random_: random.Random) -> Any:
    """The value with one bit changed; of an empty one, no longer empty."""
    match value:
        case int():
            return value ^ 1 << random_.randrange(8)
        case float():
            data = struct.pack(">d", value)
            return struct.unpack(">d", _flip(data, random_.randrange(12, 64)))[0]
        case str():
            if not value:
                return "x"
            place = random_.randrange(len(value))
            other = chr(ord(value[place]) ^ 1 << random_.randrange(5))
            return value[:place] + other + value[place + 1 :]
        case bytes():
            return _flip(value, random_.randrange(len(value) * 8)) if value else b"x"
    return None


def _flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 0x80 >> bit % 8
    return bytes(changed)
