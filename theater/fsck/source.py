"""A source of rows: what is asked for them, and of which types they have to be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from theater.fsck.findings import shown

R = TypeVar("R", bound=NamedTuple)

NONE = type(None)
NAMES = {int: "integer", float: "real", str: "text", bytes: "bytes", NONE: ""}
# One letter a column. A capital: or none. What is joined from elsewhere (*) is checked there.
TYPES: dict[str, tuple[frozenset[type], str]] = {
    "i": (frozenset({int}), "an integer"),
    "I": (frozenset({int, NONE}), "an integer or none"),
    "r": (frozenset({float}), "a real number"),
    "R": (frozenset({float, NONE}), "a real number or none"),
    "t": (frozenset({str}), "a text"),
    "T": (frozenset({str, NONE}), "a text or none"),
    "b": (frozenset({bytes}), "bytes"),
    "B": (frozenset({bytes, NONE}), "bytes or none"),
    "*": (frozenset(NAMES), ""),
}
COLUMNS = {"data": "bytes", "answered": "answer", "time": "at"}  # that have other names here


@dataclass(frozen=True, slots=True)
class Source(Generic[R]):
    """Rows of one table, by keys that are its first columns."""

    table: str
    select: str
    keys: tuple[str, ...]
    make: type[R]
    types: str
    owner: str = ""  # a condition with one parameter: whose rows

    def misfits(self, row: R) -> Iterator[tuple[str, str]]:
        """(found, expected) for each column that is not of its type."""
        for name, value, letter in zip(row._fields, row, self.types, strict=True):
            types, words = TYPES[letter]
            if type(value) not in types:
                what = f"{NAMES[type(value)]} {shown(value)}".strip()
                yield f"{COLUMNS.get(name, name)} is {what}", words


def as_of(source: Source[R], version: int) -> str:
    """The question as a log of an older version understands it."""
    role = "role" if version >= 2 else "'actor'"
    decision = "d.status, d.again, d.client, d.decided_at"
    if version < 3:
        decision = "'open', NULL, NULL, NULL"
    channel, kept = ("m.channel", "t.kept") if version >= 4 else ("NULL", "1")
    select = source.select.replace("{role}", role).replace("{decision}", decision)
    return select.replace("{channel}", channel).replace("{kept}", kept)
