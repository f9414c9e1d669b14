"""The Python actor of tests/components, built once and kept until its sources change."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from theater.project.languages import world
from theater.supervisor.cache import Artifact, prepare

HERE = Path(__file__).parent
WIT = HERE.parents[1] / "theater" / "wit"
SOURCE = HERE / "python"


def component() -> Path:
    """Its file. Building takes some seconds; test processes do it one at a time."""
    sources = [*sorted(SOURCE.glob("*.py")), *sorted(WIT.glob("*.wit")), *world.of_http(True)]
    key = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources))
    key.update("\0".join((version("componentize-py"), *world.MODULES)).encode())
    build = SOURCE / "build"
    path = build / f"{key.hexdigest()[:16]}.wasm"
    build.mkdir(exist_ok=True)
    with open(build / "lock", "w") as lock, tempfile.TemporaryDirectory() as stage:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for old in build.glob("*.wasm"):
                old.unlink()
            wit, world_name = world.world(Path(stage), "messaging-actor", (), http=True)
            unfinished = path.with_suffix(".unfinished")
            subprocess.run(
                [
                    str(Path(sys.executable).parent / "componentize-py"),
                    *("--wit-path", str(wit), "--world", world_name, *world.MODULES),
                    *("componentize", "--python-path", str(SOURCE), "app"),
                    *("--output", str(unfinished)),
                ],
                check=True,
                capture_output=True,
                timeout=300,
            )
            os.replace(unfinished, path)
    return path


@functools.cache
def artifact() -> Artifact:
    """The component, compiled."""
    return prepare(str(component()))
