"""What is to be built, what it is built from, and how that can fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import theater

WIT = Path(theater.__file__).parent / "wit"
Progress = Callable[[str], None]


class BuildFailed(Exception):
    """It cannot be built; the text says why and what to do."""


class ToolMissing(BuildFailed):
    """Nothing is wrong with the source: a tool, or what it has to fetch, is not there."""


@dataclass(frozen=True, slots=True)
class Job:
    """One component to be built. Paths are absolute; the rest is as in `spec.Build`."""

    source: str
    component: str
    actor: str = ""
    world: str = ""
    packages: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """A component that is there. `seconds`: 0 if it was up to date."""

    language: str
    tool: str  # "componentize-py 0.25.1"
    size: int  # bytes
    seconds: float
    files: tuple[str, ...] = ()  # what it is made from, absolute: whoever changes these, changes it


class Run(Protocol):
    """Run a tool to its end: its output. BuildFailed if it fails, with what it said."""

    def __call__(
        self,
        command: list[str],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        what: str = "",
        clean: Callable[[str], str] = str,
    ) -> str: ...


class Recipe(Protocol):
    """How a source becomes a component, with all that it is made from already read."""

    language: str
    base: Path  # the directory that names without a colon are below
    inputs: Mapping[str, bytes]  # name -> content; what decides, beside the tool, what comes out
    written: frozenset[str]  # of these, what the tool itself brings up to date
    tools: tuple[str, ...]  # where a tool lies that is the project's own

    def tool(self) -> str | None:
        """Its name and version; None if it is not there."""

    def missing(self) -> ToolMissing:
        """What to say where it is not there."""

    def make(self, stage: Path, output: Path, run: Run) -> None:
        """Write the component to `output`. `stage`: an empty directory, gone afterwards."""
