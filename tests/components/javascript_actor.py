"""The JavaScript actor of tests/components/javascript, built with npm's componentize-js.

What npm brings, some hundred megabytes, and what is built of the source lie in the user's cache
directory and are kept until the version or the source changes.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from theater.supervisor.cache import Artifact, prepare

HERE = Path(__file__).parent / "javascript"
WIT = Path(__file__).parents[2] / "theater" / "wit"
PACKAGE, VERSION = "@bytecodealliance/componentize-js", "0.23.0"
INSTALL_S, BUILD_S, COMPILE_S = 300, 300, 600
BUILD = """
import { componentize } from "@bytecodealliance/componentize-js";
import { writeFile } from "node:fs/promises";
const [sourcePath, witPath, out] = process.argv.slice(2);
const worldName = "messaging-actor";
const { component } = await componentize({ sourcePath, witPath, worldName });
await writeFile(out, component);
"""


def tools() -> Path:
    """A directory with componentize-js in its node_modules; skips the test where npm is not there,
    or what it has to fetch."""
    place = _place()
    with open(place / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install(place)
    return place


def component() -> Path:
    """The component's file; skips the test where there are no `tools`."""
    place = _place()
    sources = [HERE / "app.js", *sorted(WIT.glob("*.wit"))]
    key = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources))
    key.update(BUILD.encode())
    built = place / f"{key.hexdigest()[:16]}.wasm"
    with open(place / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            _install(place)
            _build(place, built)
    return built


def _place() -> Path:
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm is not there, which builds the JavaScript actor")
    base = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(base if os.path.isabs(base) else Path.home() / ".cache") / "theater-tests"
    place = cache / f"componentize-js-{VERSION}"
    place.mkdir(parents=True, exist_ok=True)
    return place


def _install(place: Path) -> None:
    done = place / "installed"
    if done.exists():
        return
    npm = ["npm", "install", "--no-save", "--no-audit", "--no-fund", f"{PACKAGE}@{VERSION}"]
    try:
        (place / "package.json").write_text('{ "private": true }\n')
        ended = subprocess.run(npm, cwd=place, capture_output=True, text=True, timeout=INSTALL_S)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm has not fetched {PACKAGE} within {INSTALL_S} s")
    if ended.returncode != 0:
        said = (ended.stderr.strip().splitlines() or ["nothing said"])[0]
        pytest.skip(f"npm cannot fetch {PACKAGE}: {said}")
    done.touch()


def _build(place: Path, built: Path) -> None:
    for old in place.glob("*.wasm"):
        old.unlink()
    script = place / "build.mjs"
    script.write_text(BUILD)
    unfinished = built.with_suffix(".unfinished")
    command = ["node", str(script), str(HERE / "app.js"), str(WIT), str(unfinished)]
    subprocess.run(command, cwd=place, check=True, capture_output=True, timeout=BUILD_S)
    os.replace(unfinished, built)


@functools.cache
def artifact() -> Artifact:
    """The component, compiled."""
    return prepare(str(component()), timeout_s=COMPILE_S)
