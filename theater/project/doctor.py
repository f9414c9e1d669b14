"""What this machine has, and what it lacks: to run actors, and to build them in each language."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from theater.project import machine
from theater.project.findings import RUN, Finding, State, missing, noted, ok
from theater.project.languages import javascript, python, rust
from theater.project.tool import answer

COMPONENTIZE_PY = "componentize-py 0.25."
NODE_MIN = 20
_PYTHON, _JAVASCRIPT, _RUST, _WAT = (
    f"to build actors in {language}" for language in ("Python", "JavaScript", "Rust", "WAT")
)


def findings(directory: Path) -> Iterator[Finding]:
    """`directory`: where a project in JavaScript would be."""
    yield from machine.findings()
    yield from _of_python()
    yield from _of_javascript(directory)
    yield from _of_rust()
    yield ok(_WAT, "wat", "built in")


def can_run(found: list[Finding]) -> bool:
    return not any(each.area == RUN and each.state is State.MISSING for each in found)


def _of_python() -> Iterator[Finding]:
    found = python.componentize_py()
    if found is None:
        yield missing(_PYTHON, "componentize-py", "not installed", python.INSTALL)
    elif not found.startswith(COMPONENTIZE_PY):
        text = f"it may build otherwise than it should: {python.INSTALL}"
        yield noted(_PYTHON, "componentize-py", found, text)
    else:
        yield ok(_PYTHON, "componentize-py", found.partition(" ")[2])
    if importlib.util.find_spec("pip") is None:
        text = f"only packages from PyPI in actors need it: {sys.executable} -m ensurepip"
        yield noted(_PYTHON, "pip", "not installed", text)
    else:
        yield ok(_PYTHON, "pip", "installed")


def _of_javascript(directory: Path) -> Iterator[Finding]:
    node = answer(["node", "--version"])
    install = f"install Node.js {NODE_MIN} or newer (https://nodejs.org)"
    if node is None:
        yield missing(_JAVASCRIPT, "node", "not installed", install)
    elif int(re.split(r"\D+", node.lstrip("v"))[0] or 0) < NODE_MIN:
        yield missing(_JAVASCRIPT, "node", node, install)
    else:
        yield ok(_JAVASCRIPT, "node", node)
    npm = answer(["npm", "--version"])
    if npm is None:
        yield missing(_JAVASCRIPT, "npm", "not installed", "it comes with Node.js")
    else:
        yield ok(_JAVASCRIPT, "npm", npm)
    place = javascript.componentize_js(directory)
    if place is None:
        text = f"each project has its own; in its directory: {javascript.INSTALL}"
        yield noted(_JAVASCRIPT, "componentize-js", "not here", text)
    else:
        yield ok(_JAVASCRIPT, "componentize-js", f"{javascript.version(place)}, {place}")


def _of_rust() -> Iterator[Finding]:
    cargo = rust.cargo()
    if cargo is None:
        text = f"install Rust ({rust.RUSTUP})"
        yield missing(_RUST, "cargo", "not installed", text)
    else:
        yield ok(_RUST, "cargo", cargo.partition(" ")[2])
    if rust.has_target():
        yield ok(_RUST, rust.TARGET, "installed")
    else:
        yield missing(_RUST, rust.TARGET, "not installed", rust.install_target())
