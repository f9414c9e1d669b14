"""Have the components built that are to be built from sources, before they are compiled.

What builds is `theater.project`, in a process of its own: it runs tools that others wrote, for as
long as they take. It is ended when we are interrupted, and ends when we die.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from theater import sources
from theater.errors import EnvironmentProblem
from theater.paths import python_path
from theater.spec import Build

Progress = Callable[[str], None]
_END_S = 5.0  # to kill the tool that runs, and to remove what is unfinished


@dataclass(frozen=True, slots=True)
class Built:
    """A component that is what its source makes. `seconds`: 0 if it was so already."""

    source: str
    component: str
    language: str
    tool: str  # "componentize-py 0.25.1"
    size: int  # bytes
    seconds: float
    files: tuple[str, ...] = ()  # what it is made from, absolute


@dataclass(frozen=True, slots=True)
class NotBuilt:
    """The text says why, and what to do. `missing`: a tool is; nothing is wrong with the source."""

    text: str
    missing: bool


def build(wishes: dict[str, Build], on_progress: Progress) -> dict[str, Built | NotBuilt]:
    """Build what is stale. `wishes`, and what comes of each, by the path of the component's file.

    Calls `on_progress` about twice a second while something is built; what it raises ends that.
    """
    found: dict[str, Built | NotBuilt] = {}
    order = []
    for component, wish in wishes.items():
        if sources.language_of(wish.source) == sources.WAT:  # it is the component itself
            found[component] = _as_it_is(component)
        else:
            order.append(component)
    if not order:
        return found
    jobs = [{**asdict(wishes[component]), "component": component} for component in order]
    with tempfile.TemporaryFile() as wanted, tempfile.TemporaryFile() as errors:
        wanted.write(json.dumps(jobs).encode())
        wanted.seek(0)
        process = subprocess.Popen(
            # -P: a directory named theater in the working directory is none of ours.
            [sys.executable, "-P", "-m", "theater.project", str(os.getpid())],
            stdin=wanted,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": python_path(os.environ.get("PYTHONPATH"))},
            process_group=0,  # Ctrl-C is for the caller to see, which then ends the build
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                said: dict[str, Any] = json.loads(line)
                if "progress" in said:
                    on_progress(said["progress"])
                elif "made" in said:
                    component = order[said.pop("made")]
                    said["files"] = tuple(said["files"])
                    found[component] = Built(wishes[component].source, component, **said)
                else:
                    found[order[said["failed"]]] = NotBuilt(said["text"], said["missing"])
            process.wait()
        finally:
            _end(process)
        if len(found) < len(wishes):
            errors.seek(0)
            complaint = errors.read(1 << 16).decode(errors="replace").strip()
            last = complaint.splitlines()[-1] if complaint else f"status {process.returncode}"
            raise EnvironmentProblem(f"what builds components has ended before its time: {last}")
    return {component: found[component] for component in wishes}


def _as_it_is(component: str) -> Built | NotBuilt:
    try:
        size = os.stat(component).st_size
    except OSError as error:
        return NotBuilt(f"{component}: cannot be read: {error.strerror}", missing=False)
    return Built(component, component, sources.WAT, "", size, 0.0)


def _end(process: subprocess.Popen[bytes]) -> None:
    """With the tool that it runs, which it kills itself when it is told to end."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()
