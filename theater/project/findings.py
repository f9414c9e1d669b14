"""What `theater doctor` finds: one thing that is there, that is not, or that should be known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

RUN = "to run actors"


class State(StrEnum):
    OK = "ok"
    NOTE = "note"  # works, with a limit that should be known
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    area: str  # what it is needed for
    name: str
    state: State
    found: str
    todo: str = ""  # what to do about it


def ok(area: str, name: str, found: str) -> Finding:
    return Finding(area, name, State.OK, found)


def noted(area: str, name: str, found: str, todo: str) -> Finding:
    return Finding(area, name, State.NOTE, found, todo)


def missing(area: str, name: str, found: str, todo: str) -> Finding:
    return Finding(area, name, State.MISSING, found, todo)
