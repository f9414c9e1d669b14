"""`theater reload`: what has changed in the manifest, and making the system so."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from theater.cli.changes import changes
from theater.cli.place import Place, shown_path
from theater.cli.terminal import BOLD, DIM, Stream, Terminal
from theater.values import visible

VALUE_MAX = 40  # characters of a value on a terminal

Change = dict[str, Any]


def reload(
    terminal: Terminal,
    place: Place,
    named: bool,
    prune: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """`named`: the command says which manifest; else it is the one that the system has."""
    from theater.supervisor.prepare import prepare_system

    control = place.control()
    try:
        manifest = place.find_manifest() if named else str(control.ask("tree")["manifest"])
        file = shown_path(manifest)
        prepare_system(file, place.data_directory(), terminal.progress)
        facts = {"file": os.path.abspath(file), "prune": prune}
        found = control.submit("reload", dry_run=True, **facts)
        if not as_json:
            for line in plan(found["plan"], found["held"], prune, terminal.out):
                terminal.print(line)
            terminal.flush()
        text = "nothing has changed"
        if found["plan"] and dry_run:
            text = "nothing has been done"
        elif found["plan"]:
            terminal.progress("reloading ...", passing=True)
            found = control.submit("reload", planned=found["digest"], **facts)
            text = found["text"]
        if as_json:
            shown = {key: found[key] for key in ("plan", "held")}
            terminal.print(json.dumps({**shown, "done": not dry_run}, indent=2))
        else:
            terminal.note(text)
    finally:
        control.close()


def plan(found: list[Change], held: list[str], prune: bool, stream: Stream) -> list[str]:
    """One block for each change: whom it is about, and what is different."""
    limit = VALUE_MAX if stream.is_terminal else None
    names = [visible(change["path"] or "/") for change in found]
    width = max(map(len, names), default=0)
    lines = []
    for name, change in zip(names, found, strict=True):
        head = stream.style(name.ljust(width), BOLD)
        for text in _texts(change, prune, limit):
            lines.append(f"{head}  {text}")
            head = " " * width
    lines += [
        stream.style(f"{name} has changed: it holds from the next `theater up` on", DIM)
        for name in held
    ]
    return lines


def _texts(change: Change, prune: bool, limit: int | None) -> Iterator[str]:
    match change["change"]:
        case "added":
            yield "added"
        case "missing":
            kept = "stopped and deleted" if prune else "kept; --prune stops and deletes it"
            yield f"no longer in the manifest: {kept}"
        case _:
            later = "" if change["at_once"] else ", from its next start on"
            yield f"changed{later}:"
            yield from (f"  {text}" for text in changes(change["fields"], limit))
