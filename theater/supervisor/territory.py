"""What belongs to Theater itself and can be granted to nobody: the log, the cache, the sockets.

Whoever may write there could make the log say anything, and have machine code of its own run;
whoever may read there could read what belongs to other actors.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

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
    for where, host in _granted(root):
        found = os.path.realpath(host)
        for what, directory in own.items():
            if _overlap(found, directory):
                problems.append(Problem(where, _message(host, found, what, directory)))
                break
    return problems


def _granted(root: SupervisorSpec) -> Iterator[tuple[str, str]]:
    """(place in the manifest, directory outside) of every grant."""
    for actor in root.all_written():
        if isinstance(actor, ActorSpec):
            for number, handler in enumerate(actor.handlers):
                if handler.type == preopens.HANDLER:
                    for index, each in enumerate(preopens.read(handler.settings)):
                        where = f"{actor.where}.handler[{number}].preopens[{index}].host"
                        yield where.lstrip("."), each.host


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
