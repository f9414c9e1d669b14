"""What can be typed after `theater`: commands, options, and of what kind their values are.

    {"help": "...", "options": [[names, kinds, help], ...], "arguments": [[kinds, many], ...],
     "commands": {name: the same, ...}}

It is plain data, so that it can be kept: completion is asked for at each press of a key, and to
import and make all the parsers takes longer than a key may. A kind is what a shell or a system has
names for; an option with null for kinds takes no value.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

Grammar = dict[str, Any]

ACTOR, SUPERVISOR, POOL = "actor", "supervisor", "pool"
FILE, DIRECTORY, SHELL = "file", "directory", "shell"
# By what the help calls a value.
_KINDS = {
    "ACTOR": ACTOR,
    "SUPERVISOR": SUPERVISOR,
    "POOL": POOL,
    "DIR": DIRECTORY,
    "SHELL": SHELL,
    **dict.fromkeys(("FILE", "COMPONENT", "FRAGMENT", "MANIFEST", "PATH", "RUN.theater"), FILE),
}


def grammar(cache: str) -> Grammar:
    """The kept one, if it was made from these very commands; else it is made, and kept there."""
    made_from = _made_from()
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        with open(cache, encoding="utf-8") as file:
            kept = json.load(file)
        if kept["made_from"] == made_from:
            found: Grammar = kept["grammar"]
            return found
    made = make()
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(cache), mode=0o700, exist_ok=True)
        temporary = f"{cache}.{os.getpid()}.tmp"
        Path(temporary).write_text(json.dumps({"made_from": made_from, "grammar": made}))
        os.replace(temporary, cache)
    return made


def _made_from() -> list[list[Any]]:
    """Of each file that commands are written in, what changes when it does."""
    here = os.path.dirname(os.path.abspath(__file__))
    files = [f"{here}/app.py", f"{here}/frame.py", __file__]
    files += sorted(item.path for item in os.scandir(f"{here}/commands") if item.is_file())
    facts = [(file, os.stat(file)) for file in files]
    return [[file, found.st_mtime_ns, found.st_size] for file, found in facts]


def make() -> Grammar:
    import typer.main

    from theater.cli.app import application

    return _of(typer.main.get_command(application()))


def _of(command: Any) -> Grammar:
    options: list[list[Any]] = []
    arguments: list[list[Any]] = []
    for each in command.params:
        if each.param_type_name == "argument":
            arguments.append([_kinds(each.metavar), each.nargs != 1])
        elif not getattr(each, "hidden", False):
            names = [*each.opts, *each.secondary_opts]
            help = (getattr(each, "help", None) or "").split("\n")[0]
            options.append([names, None if each.is_flag else _kinds(each.metavar), help])
    options.append([["-h", "--help"], None, "Show this message and exit."])
    below = getattr(command, "commands", None) or {}
    return {
        "help": (command.help or "").strip().split("\n")[0],
        "options": options,
        "arguments": arguments,
        "commands": {name: _of(each) for name, each in below.items() if not each.hidden},
    }


def _kinds(metavar: str | None) -> list[str]:
    words = (metavar or "").replace("[", " ").replace("]", " ").split()
    return [_KINDS[word] for word in words if word in _KINDS]
