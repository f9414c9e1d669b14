"""Beside each component that was built, what it was built from: so nothing is built twice.

`build/hello.wasm.stamp` holds a hash for each input and of the component. Times of files say
nothing here: what counts is content. A stamp is written after the component; one that is missing,
damaged, or about another component means that it is built again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

FORMAT = 1
OURS = ("sdk:", "wit:", "script:")  # inputs that come with Theater
STAMP_MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Stamp:
    tool: str
    inputs: dict[str, str]  # name -> SHA-256 of its content, hex
    component: str  # SHA-256 of the file
    format: int = FORMAT


def hashes(inputs: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in inputs.items()}


def path_of(component: str) -> Path:
    return Path(f"{component}.stamp")


def read(component: str) -> Stamp | None:
    try:
        with open(path_of(component), "rb") as file:
            content = json.loads(file.read(STAMP_MAX_BYTES))
        found = Stamp(**content)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return found if found.format == FORMAT else None


def write(component: str, stamp: Stamp) -> None:
    """Whole or not at all."""
    path = path_of(component)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    unfinished.write_text(json.dumps(asdict(stamp), indent=1) + "\n")
    os.replace(unfinished, path)


def is_fresh(component: str, inputs: Mapping[str, str], tool: str | None) -> bool:
    """Whether the component is what these inputs make.

    `tool` None: there is none. Where nothing can be built, what was built with another version of
    the tool, or of Theater, from the same sources will do.
    """
    found = read(component)
    if found is None:
        return False
    if tool is None:
        if _sources(found.inputs) != _sources(inputs):
            return False
    elif (found.inputs, found.tool) != (inputs, tool):
        return False
    try:
        with open(component, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == found.component
    except OSError:
        return False


def _sources(inputs: Mapping[str, str]) -> dict[str, str]:
    return {name: sha256 for name, sha256 in inputs.items() if not name.startswith(OURS)}
