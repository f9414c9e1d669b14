"""`theater inspect` of a handler that its author has written: its WIT, and how it is granted."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theater.capabilities import is_built_in
from theater.capabilities.custom import is_named, word_of
from theater.cli.terminal import BOLD, DIM, Terminal
from theater.errors import ManifestError, Problem
from theater.manifest_files import NAMES, installed_handlers
from theater.quoting import quoted
from theater.values import visible

if TYPE_CHECKING:
    from theater.supervisor.authored import Described

_EFFECTS = {
    "read": "changes nothing",
    "error": "changes something; interrupted, its outcome is unknown",
    "again": "changes something; interrupted, it is done again with the same key",
}


def is_handler(named: str) -> bool:
    """Whether this names a class and not a file."""
    if os.path.exists(named):
        return False
    return is_named(named) or ("." not in named and named in installed_handlers())


def inspect(terminal: Terminal, type: str, as_json: bool, as_wit: bool) -> None:
    """ManifestError, if it cannot be granted to anybody."""
    from theater.supervisor.authored import describe

    found, wrong = describe([type], os.getcwd(), terminal.progress)
    if type not in found:
        raise ManifestError(type, [Problem("", wrong[type])])
    if as_json:
        terminal.print(json.dumps(_facts(type, found[type]), indent=2))
        return
    if as_wit:
        terminal.print(visible(found[type].custom.wit.rstrip("\n"), keep="\n"))
        return
    for line in _told(terminal, type, found[type]):
        terminal.print(line)


def _facts(type: str, described: Described) -> dict[str, Any]:
    custom = described.custom
    return {
        "handler": type,
        "class": custom.found,
        "interface": custom.interface,
        "functions": {
            name: {"type": each.type, "effect": each.effect, "timeout_s": each.timeout_s}
            for name, each in custom.functions.items()
        },
        "settings": custom.settings,
        "sha256": custom.sha256,
        "files": list(described.files),
        "wit": custom.wit,
    }


def _told(terminal: Terminal, type: str, described: Described) -> Iterator[str]:
    style, custom = terminal.out.style, described.custom
    yield f"{visible(type)} provides {custom.interface}"
    yield ""
    for line in custom.wit.rstrip("\n").split("\n"):
        yield f"  {visible(line)}".rstrip()
    yield ""
    width = max(map(len, custom.functions))
    for name, each in custom.functions.items():
        yield f"{name.ljust(width)}  {_EFFECTS[each.effect]}; within {each.timeout_s:g} s"
    yield ""
    yield style("A manifest grants it with", BOLD)
    yield "  [[child.handler]]"
    yield f"  type = {quoted(type)}"
    for name, kind in custom.settings.items():
        note = f"# {word_of(kind)}{'; may be left out' if kind.endswith('?') else ''}"
        yield f"  {name} = ...  {style(note, DIM)}"


def providers(interfaces: set[str], terminal: Terminal) -> dict[str, str]:
    """Interface -> the handler that provides it: of those that are installed, or that the manifest
    in this directory names."""
    types = [*installed_handlers(), *_in_manifest()]
    if not interfaces or not types:
        return {}
    from theater.supervisor.authored import describe

    found, _ = describe(list(dict.fromkeys(types)), os.getcwd(), terminal.progress)
    return {
        each.custom.interface: type
        for type, each in found.items()
        if each.custom.interface in interfaces
    }


def _in_manifest() -> Iterator[str]:
    """Only what is needed of it is read: it may be unfinished."""
    for name in NAMES:
        try:
            tables = tomllib.loads(Path(name).read_text())
        except (OSError, ValueError, RecursionError):
            continue
        for table in _tables(tables):
            handlers = table.get("handler")
            for handler in handlers if isinstance(handlers, list) else ():
                type = handler.get("type") if isinstance(handler, dict) else None
                if isinstance(type, str) and is_named(type) and not is_built_in(type):
                    yield type
        return


def _tables(table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield table
    children = table.get("child")
    for child in children if isinstance(children, list) else ():
        if isinstance(child, dict):
            yield from _tables(child)
