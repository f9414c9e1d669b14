"""Packages from PyPI for an actor in Python: pip fetches them once, into the user's cache.

Only what is Python alone can run in a component, so pip is asked for wheels that fit everywhere.
What was fetched for a list of requirements stays the same: a version that is not written down is
the newest of the day on which the cache was filled.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from theater.project.job import Run, ToolMissing
from theater.project.languages.closure import GUEST_PYTHON
from theater.supervisor.cache import directory_path


def fetched(packages: tuple[str, ...], run: Run) -> Path:
    """The directory they are in. BuildFailed, ToolMissing."""
    version = ".".join(map(str, GUEST_PYTHON))
    key = hashlib.sha256(json.dumps([version, sorted(packages)]).encode()).hexdigest()[:24]
    base = directory_path() / "packages"
    place = base / key
    if place.is_dir():
        return place
    if importlib.util.find_spec("pip") is None:
        raise ToolMissing(
            f"pip, which fetches {', '.join(packages)}, is missing: {sys.executable} -m ensurepip"
        )
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=base))
    try:
        run(
            [
                *(sys.executable, "-m", "pip", "install", "--target", str(unfinished)),
                *("--only-binary", ":all:", "--platform", "any", "--implementation", "py"),
                *("--abi", "none", "--python-version", version, "--no-compile", "--no-input"),
                *("--disable-pip-version-check", "--no-warn-conflicts", *packages),
            ],
            cwd=base,
            what=f"fetching {', '.join(packages)} with pip",
            clean=_cleaned,
        )
        try:
            os.rename(unfinished, place)
        except OSError:  # another build was first
            if not place.is_dir():
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return place


def _cleaned(said: str) -> str:
    errors = [line for line in said.splitlines() if line.startswith("ERROR: ")]
    text = "\n".join(errors) or said
    if re.search(r"No matching distribution found for", text):
        text += (
            "\nThere is no such package; or no version of it that is Python alone, and what is"
            "\ncompiled for a processor does not run in a component; or PyPI cannot be reached."
        )
    return text
