"""`theater new`: a project to begin with, and what to do next."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from theater.cli.place import Usage
from theater.cli.terminal import BOLD, DIM, Terminal
from theater.project.new import (
    DEFAULT,
    HANDLER,
    LANGUAGES,
    Project,
    create,
    missing_tool,
    wrong_with,
)
from theater.values import visible

_ACTOR, _TEST = "the actor", "its test"
_HANDLER = "what it touches outside"
_IS = {
    "src/lib.rs": _ACTOR,
    "theater.toml": "what runs, and what it may touch",
    "README.md": "how to go on",
}
_ORDER = (_ACTOR, _HANDLER, _TEST, *list(_IS.values())[1:], "")
_ASKED = 3  # times; then it is nobody who answers


def new(
    terminal: Terminal,
    name: str,
    language: str | None,
    directory: Path | None,
    handler: bool,
) -> None:
    wrong = wrong_with(name)
    if wrong is not None:
        raise Usage(wrong)
    if handler and language not in (None, DEFAULT):
        raise Usage("a handler is written in Python, and so is the actor of this project")
    where = str(directory) if directory is not None else name
    if language is None and handler:
        language = DEFAULT
    if language is None:
        language = _asked(terminal) if _is_somebody_there(terminal) else DEFAULT
    project = create(name, language, where, HANDLER if handler else "")
    _tell(terminal, project)
    missing = missing_tool(project)
    if missing is not None:
        terminal.note(missing)


def _is_somebody_there(terminal: Terminal) -> bool:
    return sys.stdin.isatty() and terminal.out.is_terminal and terminal.err.is_terminal


def _asked(terminal: Terminal) -> str:
    choices = ", ".join(LANGUAGES)
    for _ in range(_ASKED):
        terminal.flush()
        try:
            said = input(f"language ({choices}) [{DEFAULT}]: ").strip().lower()
        except EOFError:
            terminal.print("")
            break
        known = {**{each: each for each in LANGUAGES}, "javascript": "js", "": DEFAULT}
        if said in known:
            return known[said]
    return DEFAULT


def _tell(terminal: Terminal, project: Project) -> None:
    style = terminal.out.style
    where = os.path.normpath(project.directory)
    terminal.print(f"{visible(where)}: an actor in {LANGUAGES[project.language]}")
    width = max(map(len, project.files))
    notes = {file: _note(file, project) for file in project.files}
    for file in sorted(notes, key=lambda file: (_ORDER.index(notes[file]), file)):
        told = f"  {file.ljust(width)}  {style(notes[file], DIM)}" if notes[file] else f"  {file}"
        terminal.print(told)
    terminal.print("")
    terminal.print("next:")
    commands = ["theater build", "theater run"]
    if project.language == "js":
        commands.insert(0, "npm install")
    if where != ".":
        commands.insert(0, f"cd {shlex.quote(where)}")
    for command in commands:
        terminal.print(f"  {style(visible(command), BOLD)}")


def _note(file: str, project: Project) -> str:
    names = project.names
    if file in (f"{names.module}.py", f"{names.address}.js", f"{names.address}.wat"):
        return _ACTOR
    if file == f"{names.module}_handler.py":
        return _HANDLER
    if file in (f"test_{names.module}.py", f"test/{names.address}.test.js"):
        return _TEST
    return _IS.get(file, "")
