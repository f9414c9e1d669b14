"""What belongs to Theater itself and can be granted to nobody: the log, the cache, the sockets.

Whoever may write there could make the log say anything, and have machine code of its own run;
whoever may read there could read what belongs to other actors.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from theater import preopens
from theater.errors import Problem
from theater.paths import runtime_base
from theater.quoting import quoted
from theater.spec import ActorSpec, SupervisorSpec
from theater.supervisor.cache import directory_path

PATH_SHOWN_MAX = 1000  # characters


def check(root: SupervisorSpec, data_directory: str) -> list[Problem]:
    """The grants that overlap with it. `data_directory`: of the system that is to run them."""
    sockets = runtime_base(os.environ.get("XDG_RUNTIME_DIR"), os.getuid())
    own = {
        "the data directory": os.path.realpath(data_directory),
        "the compile cache": os.path.realpath(directory_path()),
        "the directory of the sockets": os.path.realpath(sockets),
    }
    problems = []
    for where, granted in _granted(root):
        found = os.path.realpath(granted.host)
        for what, directory in own.items():
            if _overlap(found, directory):
                problems.append(Problem(where, _message(granted.host, found, what, directory)))
                break
    return problems


def warnings(
    root: SupervisorSpec, manifest: str, made_from: Mapping[str, str] | None = None
) -> list[Problem]:
    """Grants to write where the next `up` reads what it is to run: nobody else is in the way.

    `made_from`: file -> the source that a component is built from, as a tool reads it: and what a
    tool is told to run while it builds, as a crate's build.rs, runs outside of any sandbox.
    """
    files = {os.path.realpath(manifest): "the manifest"}
    for actor in root.all_written():
        if isinstance(actor, ActorSpec):
            files.setdefault(os.path.realpath(actor.component), f"the component of {actor.path}")
    for path, source in (made_from or {}).items():
        what = f"what {os.path.basename(source)} is built from"
        files.setdefault(os.path.realpath(path), what)
    problems = []
    for where, granted in _granted(root):
        found = os.path.realpath(granted.host)
        inside = [what for file, what in files.items() if granted.write and _overlap(found, file)]
        if inside:
            shown = quoted(granted.host, PATH_SHOWN_MAX)
            problems.append(Problem(where, f"{shown}: with write, and {inside[0]} lies in it"))
    return problems


def _granted(root: SupervisorSpec) -> Iterator[tuple[str, preopens.Preopen]]:
    """(place in the manifest, what it grants there)."""
    for actor in root.all_written():
        if isinstance(actor, ActorSpec):
            for number, handler in enumerate(actor.handlers):
                if handler.type == preopens.HANDLER:
                    for index, each in enumerate(preopens.read(handler.settings)):
                        where = f"{actor.where}.handler[{number}].preopens[{index}].host"
                        yield where.lstrip("."), each


def _overlap(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return longer == shorter or longer.startswith(shorter.rstrip("/") + "/")


def _message(host: str, found: str, what: str, directory: str) -> str:
    shown = quoted(directory, PATH_SHOWN_MAX)
    if len(found) <= len(directory):
        relation = f"{what} of Theater, {shown}, lies in it"
    else:
        relation = f"lies in {what} of Theater, {shown}"
    return f"{quoted(host, PATH_SHOWN_MAX)}: {relation}; grant a directory beside it"
