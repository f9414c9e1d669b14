"""Handlers that authors have written: have their classes read, and judge what is granted of them.

Their code is not imported here: `importer` is a process of its own, that ends when it has told.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from theater.capabilities import check_settings, is_built_in
from theater.capabilities.custom import handler_type, is_named
from theater.errors import Problem
from theater.manifest_files import installed_handlers
from theater.manifest_findings import path_text
from theater.paths import python_path
from theater.quoting import escaped
from theater.spec import ActorSpec, Custom, Function, SupervisorSpec

Progress = Callable[[str], None]
IMPORT_S = 60.0  # all of a manifest's modules together
TOLD_S = 0.5  # progress is told so often
TEXT_MAX = 2000  # characters of what is wrong with one


@dataclass(frozen=True, slots=True)
class Described:
    """A handler whose class has been read. `files`: of its modules."""

    custom: Custom
    files: tuple[str, ...]


def read(
    manifest: str, actors: Iterable[ActorSpec], problems: list[Problem], on_progress: Progress
) -> dict[str, Described]:
    """Those that a manifest grants, by type; what is wrong with them is told."""
    granted = [
        (f"{actor.where}.handler[{index}]".lstrip("."), handler)
        for actor in actors
        for index, handler in enumerate(actor.handlers)
        if not is_built_in(handler.type) and handler.custom is None
    ]
    if not granted:
        return {}
    places: dict[str, str] = {}
    for where, handler in granted:
        places.setdefault(handler.type, where)
    directory = os.path.dirname(os.path.abspath(manifest))
    found, wrong = describe([*places], directory, on_progress)
    for type, text in wrong.items():
        problems.append(Problem(f"{places[type]}.type", text))
    for where, handler in granted:
        if handler.type in found:
            type_ = handler_type(found[handler.type].custom)
            for loc, message in check_settings(handler.type, type_, handler.settings):
                problems.append(Problem(f"{where}.{path_text(loc)}", message))
    return found


def are_read(actor: ActorSpec, handlers: Mapping[str, Described]) -> bool:
    """Whether it is known what all that it is granted provides."""
    return all(
        is_built_in(each.type) or each.type in handlers or each.custom is not None
        for each in actor.handlers
    )


def describe(
    types: list[str], directory: str, on_progress: Progress
) -> tuple[dict[str, Described], dict[str, str]]:
    """(what each of them is, what is wrong with the others), by type."""
    installed = {} if all(map(is_named, types)) else installed_handlers()
    wishes = {type: type if is_named(type) else installed.get(type, "") for type in types}
    wrong = {
        type: f'no handler "{type}" is installed any more' for type in types if not wishes[type]
    }
    asked = [type for type in types if wishes[type]]
    told, end = _imported([wishes[type] for type in asked], directory, on_progress)
    found: dict[str, Described] = {}
    for index, type in enumerate(asked):
        facts = told.get(index)
        if facts is None:
            wrong[type] = f"{wishes[type]} cannot be imported: {end}"
        elif "wrong" in facts:
            wrong[type] = escaped_lines(facts["text"])
        else:
            found[type] = Described(_custom(facts["custom"]), tuple(facts["files"]))
    return found, wrong


def _custom(facts: dict[str, Any]) -> Custom:
    functions = {name: Function(**each) for name, each in facts["functions"].items()}
    return Custom(**{**facts, "functions": functions})


def escaped_lines(text: str) -> str:
    """What an author's code has said, harmless, its lines kept."""
    return "\n    ".join(escaped(line, TEXT_MAX) for line in text[:TEXT_MAX].splitlines())


def _imported(
    wishes: list[str], directory: str, on_progress: Progress
) -> tuple[dict[int, dict[str, Any]], str]:
    """(what the process has told, by index; how it ended before it had told all)."""
    if not wishes:
        return {}, ""
    with (
        tempfile.TemporaryFile() as wanted,
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryFile() as errors,
    ):
        wanted.write(json.dumps(wishes).encode())
        wanted.seek(0)
        process = subprocess.Popen(
            # -P: a directory named theater in the working directory is none of ours.
            [
                *(sys.executable, "-P", "-m", "theater.supervisor.importer"),
                *(str(os.getpid()), directory),
            ],
            stdin=wanted,
            stdout=answer,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": python_path(os.environ.get("PYTHONPATH"))},
            process_group=0,  # Ctrl-C is for the caller to see
        )
        try:
            end = _wait(process, f"importing {', '.join(wishes)}", on_progress)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        answer.seek(0)
        told: dict[int, dict[str, Any]] = {}
        for line in answer.read().splitlines():
            facts = json.loads(line)
            told[facts["found"] if "found" in facts else facts["wrong"]] = facts
        errors.seek(0)
        complaint = errors.read(1 << 16).decode(errors="replace").strip()
        last = complaint.splitlines()[-1] if complaint else ""
        return told, escaped(f"{end}: {last}" if last else end, TEXT_MAX)


def _wait(process: subprocess.Popen[bytes], what: str, on_progress: Progress) -> str:
    began_s = time.monotonic()
    while True:
        try:
            status = process.wait(TOLD_S)
        except subprocess.TimeoutExpired:
            took_s = time.monotonic() - began_s
            if took_s > IMPORT_S:
                return f"it took longer than {IMPORT_S:g} s"
            on_progress(f"{what} ... {took_s:.0f} s")
            continue
        how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        return f"the process that imports it has ended, {how}"


def warnings(root: SupervisorSpec, handlers: Mapping[str, Described]) -> list[Problem]:
    """Calls that may take as long as the turn that makes them, and so kill it."""
    found = []
    for actor in root.all_written():
        if not isinstance(actor, ActorSpec):
            continue
        for index, handler in enumerate(actor.handlers):
            if handler.type not in handlers:
                continue
            custom = handlers[handler.type].custom
            turn_s = actor.limits.turn_timeout_s
            late = [name for name, each in custom.functions.items() if each.timeout_s >= turn_s]
            if late:
                where = f"{actor.where}.handler[{index}]".lstrip(".")
                most_s = max(custom.functions[name].timeout_s for name in late)
                found.append(
                    Problem(
                        where,
                        f"{late[0]} may take {most_s:g} s, and after limits.turn_timeout,"
                        f" {turn_s:g} s, the actor is killed instead; make that longer, or"
                        " timeout_s shorter",
                    )
                )
    return found
