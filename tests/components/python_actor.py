"""The Python actors of tests/components, built once and kept until their sources change."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from theater.supervisor.cache import Artifact, prepare

HERE = Path(__file__).parent
WIT = HERE.parents[1] / "theater" / "wit"
HTTP = HERE / "python_http"


def component() -> Path:
    """The one that does what its language runtime needs WASI for."""
    return _built(HERE / "python", [], "messaging-actor")


def http_component() -> Path:
    """The one that speaks HTTP, as componentize-py's examples do."""
    # Two interfaces are called types. componentize-py's poll_loop means this one.
    names = ["theater:simple/types=theater_types", "wasi:http/types@0.2.12=types"]
    return _built(HTTP, [HTTP / "wit"], "test:http/http-actor", names)


def _built(source: Path, wit: list[Path], world: str, names: Sequence[str] = ()) -> Path:
    """The component's file. Building takes some seconds; test processes do it one at a time."""
    sources = [source / "app.py", *sorted(WIT.glob("*.wit"))]
    sources += [path for each in wit for path in sorted(each.rglob("*.wit"))]
    options = [version("componentize-py"), world, *names]
    key = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources))
    key.update("\0".join(options).encode())
    build = source / "build"
    path = build / f"{key.hexdigest()[:16]}.wasm"
    build.mkdir(exist_ok=True)
    with open(build / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for old in build.glob("*.wasm"):
                old.unlink()
            unfinished = path.with_suffix(".unfinished")
            subprocess.run(
                [
                    str(Path(sys.executable).parent / "componentize-py"),
                    *(part for each in (WIT, *wit) for part in ("--wit-path", str(each))),
                    *("--world", world),
                    *(part for each in names for part in ("--import-interface-name", each)),
                    *("componentize", "--python-path", str(source), "app"),
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
