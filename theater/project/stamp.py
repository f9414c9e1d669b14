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
    """Whether the component is what these inputs make. `tool` None: there is none now, and where
    nothing can be built, what another version of it has built will do."""
    found = read(component)
    if found is None or found.inputs != inputs or tool not in (None, found.tool):
        return False
    try:
        with open(component, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == found.component
    except OSError:
        return False
