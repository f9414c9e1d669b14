"""Problems of a manifest as they are found: each at its place, told in the order of the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from theater.capabilities.capability import Wrong
from theater.errors import Problem
from theater.quoting import quoted

Loc = tuple[str | int, ...]

PROBLEMS_MAX = 100  # more than anyone reads; a hostile file could make a million

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,80}")


class Enough(Exception):
    """No use in looking further, for the reason given."""


class Findings:
    """Problems as they are found, each at its place in the tables."""

    def __init__(self, tables: Mapping[str, Any]) -> None:
        self.tables = tables
        self._found: list[tuple[Loc, str]] = []

    def add(self, loc: Loc, message: str) -> None:
        if len(self._found) >= PROBLEMS_MAX:
            raise Enough(f"more than {PROBLEMS_MAX} problems; not all are shown")
        self._found.append((loc, message))

    def add_all(self, loc: Loc, wrong: Wrong) -> None:
        for below, message in wrong:
            self.add((*loc, *below), message)

    def problems(self) -> list[Problem]:
        """In the order of the file."""
        ordered = sorted(self._found, key=lambda found: self._position(found[0]))
        return [Problem(path_text(loc), message) for loc, message in ordered]

    def _position(self, loc: Loc) -> list[int]:
        position: list[int] = []
        here: Any = self.tables
        for part in loc:
            if isinstance(here, dict) and part in here:
                position.append(list(here).index(part))
            elif isinstance(here, list) and isinstance(part, int) and part < len(here):
                position.append(part)
            else:  # a missing key: after those that are there
                return [*position, len(here) if isinstance(here, dict | list) else 0]
            here = here[part]
        return position


def path_text(loc: Loc) -> str:
    """("child", 2, "restart") -> `child[2].restart`."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) else quoted(part)
            text += f".{key}" if text else key
    return text
