"""`theater children`, `add`, `scale` and `start-instance`: what a supervisor has below it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from theater.cli.place import Place, ask, control_path
from theater.cli.terminal import BOLD, Terminal, table
from theater.values import visible

if TYPE_CHECKING:
    from theater.client.control import Control
    from theater.spec import SystemSpec

COLUMNS = ("CHILD", "PROCESS", "TYPE", "RESTART")
COUNTS = ("specs", "active", "supervisors", "workers")


def children(terminal: Terminal, place: Place, supervisor: str, count: bool, as_json: bool) -> None:
    """OTP's which_children, or count_children."""
    control = place.control()
    try:
        answer = ask(control, "children", supervisor, "supervisor")
    finally:
        control.close()
    if as_json:
        terminal.print(json.dumps(answer["count"] if count else answer["children"], indent=2))
        return
    if count:
        numbers = [str(answer["count"][name]) for name in COUNTS]
        header, *lines = table([name.upper() for name in COUNTS], [numbers], frozenset(range(4)))
    else:
        rows = [
            [visible(str(row[key])) for key in ("path", "process", "type", "restart_type")]
            for row in answer["children"]
        ]
        header, *lines = table(COLUMNS, rows)
    terminal.print(terminal.out.style(header, BOLD))
    for line in lines:
        terminal.print(line)


def add(terminal: Terminal, place: Place, fragment: Path, supervisor: str) -> None:
    """OTP's start_child. What is wrong with the file is found here, before root is asked."""
    from theater.supervisor.prepare import prepare_fragment

    control = place.control()
    try:
        under = control_path(supervisor)
        file = os.path.abspath(fragment)
        settings = _settings(control)
        prepare_fragment(str(fragment), under, settings, place.data_directory(), terminal.progress)
        terminal.progress("starting ...", passing=True)
        for path in control.submit("add", file=file, supervisor=under)["added"]:
            terminal.print(f"{visible(path)}: running")
    finally:
        control.close()


def _settings(control: Control) -> SystemSpec:
    """The running system's own, as far as its manifest can be read; else the usual ones."""
    from theater import manifest
    from theater.errors import ManifestError
    from theater.spec import SupervisorSpec, SystemSpec

    try:
        return manifest.load(control.ask("tree")["manifest"])
    except ManifestError:
        return SystemSpec("system", SupervisorSpec(""))


def scale(terminal: Terminal, place: Place, pool: str, instances: int) -> None:
    control = place.control()
    try:
        text = ask(control, "scale", pool, "pool", instances=instances)["text"]
        terminal.print(f"{visible(pool)}: {text}")
    finally:
        control.close()


def start_instance(terminal: Terminal, place: Place, pool: str, args: list[str]) -> None:
    """OTP's start_child of a pool."""
    control = place.control()
    try:
        text = ask(control, "start_instance", pool, "pool", args=args)["text"]
        terminal.print(f"{visible(text.removesuffix(' is running'))}: running")
    finally:
        control.close()
