"""What is found wrong in a log: where, what was found, what it should be. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from theater.quoting import escaped, quoted
from theater.values import text

NAME_MAX = 255  # characters shown of a name; an address has no more
VALUE_MAX = 80
TEXT_MAX = 500
PLAIN = ("actor", "table", "file")  # shown without saying what they are


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not hold. `where` is from the outside in: actor, position, seq."""

    where: dict[str, str | int]
    found: str
    expected: str

    def __str__(self) -> str:
        parts = [
            escaped(str(value), NAME_MAX) if name in PLAIN else f"{name} {value}"
            for name, value in self.where.items()
        ]
        return f"{', '.join(parts)}: {self.found}; should be {self.expected}"


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know that is not wrong."""

    text: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What has been looked at."""

    problems: int
    actors: int
    events: int
    contents: int
    last_seq: int  # everything up to this event
    went_on: bool  # the system has written more since


Tell = Callable[[Problem | Note], None]


class Reports:
    """Where problems go; counts them."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.count = 0

    def wrong(self, found: str, expected: str, **where: str | int) -> None:
        self.count += 1
        # What is repeated of the file has been made harmless; should it not have been, it is now.
        self._tell(Problem(where, escaped(found, TEXT_MAX), escaped(expected, TEXT_MAX)))

    def repeat(self, problems: Iterable[Problem]) -> None:
        """What has been found elsewhere, and made harmless there."""
        for problem in problems:
            self.count += 1
            self._tell(problem)

    def note(self, text: str) -> None:
        self._tell(Note(text))


def both_shown(found: Any, expected: Any) -> tuple[str, str]:
    """Two values that differ, so that it can be seen: hashes may begin with the same digits."""
    one, other = shown(found), shown(expected)
    if one == other and isinstance(found, bytes) and isinstance(expected, bytes):
        return found.hex(), expected.hex()
    return one, other


def shown(value: Any) -> str:
    """Any value of a row or a payload, in few words and harmless."""
    match value:
        case None:
            return "none"
        case bytes() if len(value) == 32:
            return value.hex()[:16]
        case str():
            return quoted(value, VALUE_MAX)
    line = text(value, limit=40)
    return line if len(line) <= VALUE_MAX else f"{line[: VALUE_MAX - 3]}..."
