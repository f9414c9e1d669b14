"""The Python actor of tests/components/python, built once and kept until its source changes."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from theater.supervisor.cache import Artifact, prepare

HERE = Path(__file__).parent / "python"
WIT = Path(__file__).parents[2] / "theater" / "wit"
BUILD = HERE / "build"


def component() -> Path:
    """The component's file. Building takes some seconds; test processes do it one at a time."""
    sources = [HERE / "app.py", *sorted(WIT.glob("*.wit"))]
    key = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources))
    key.update(version("componentize-py").encode())
    path = BUILD / f"{key.hexdigest()[:16]}.wasm"
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for old in BUILD.glob("*.wasm"):
                old.unlink()
            unfinished = path.with_suffix(".unfinished")
            subprocess.run(
                [
                    str(Path(sys.executable).parent / "componentize-py"),
                    *("--wit-path", str(WIT), "--world", "messaging-actor"),
                    *("componentize", "--python-path", str(HERE), "app"),
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
