"""JavaScript: the componentize-js that the project itself has installed, through its library call.

`hello.js`, or a project: the file that its package.json has for `main`. The WIT is in the project's
own directory `wit`; else it is Theater's, and that of the handlers which the manifest grants.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from theater.project.job import WIT, BuildFailed, Job, Run, ToolMissing
from theater.project.languages import world
from theater.project.languages.parts import used_by_javascript
from theater.sources import JAVASCRIPT, WORLD

PACKAGE = "@bytecodealliance/componentize-js"
INSTALL = f"npm install --save-dev {PACKAGE}"
SCRIPT = Path(__file__).with_name("componentize.mjs")
_IMPORT = re.compile(
    rb"""(?:\bfrom\s*|\bimport\s*\(?\s*)(?:"(\.{1,2}/[^"\n]+)"|'(\.{1,2}/[^'\n]+)')"""
)


class JavaScript:
    """A module that exports `actor` and `messageServerClient`, and `timerClient` if it likes."""

    language = JAVASCRIPT
    written: frozenset[str] = frozenset()

    def __init__(self, job: Job) -> None:
        self._world = job.world or WORLD
        self._main = _main(Path(job.source))
        self.base = self._main.parent
        self._project = _project(self.base)
        place = componentize_js(self._project)
        self.tools: tuple[str, ...] = () if place is None else (str(place),)
        self._wit = _wit(self._project)
        self._interfaces = job.interfaces if self._wit == WIT else ()
        files = dict(_closure(self._main))
        makes_world = self._wit == WIT and not job.world
        self._more = used_by_javascript(files.values()) if makes_world else ()
        wit = {path: path.read_bytes() for path in sorted(self._wit.rglob("*.wit"))}
        theirs = self._wit != WIT
        if theirs:
            files |= wit
        self.inputs: Mapping[str, bytes] = {
            **{os.path.relpath(path, self.base): content for path, content in files.items()},
            **({} if theirs else {f"wit:{path.name}": content for path, content in wit.items()}),
            **{
                f"wit:{name}": text.encode()
                for name, text in zip(world.names(self._interfaces), self._interfaces, strict=True)
            },
            "script:": SCRIPT.read_bytes(),
            "options:": "\n".join([self._world, *self._more]).encode(),
        }

    def tool(self) -> str | None:
        if shutil.which("node") is None:
            return None
        place = componentize_js(self._project)
        return None if place is None else f"componentize-js {version(place)}"

    def missing(self) -> ToolMissing:
        if shutil.which("node") is None:
            return ToolMissing(
                "node, which builds actors in JavaScript, is missing: install Node.js 20 or newer"
                " (https://nodejs.org), then run npm install"
            )
        if _depends(self._project):
            return ToolMissing(f"{PACKAGE} is not installed; run npm install in {self._project}")
        return ToolMissing(f"{PACKAGE} is not installed; in {self._project} run {INSTALL}")

    def make(self, stage: Path, output: Path, run: Run) -> None:
        # A script without a file: then what it imports is looked for from the working directory.
        script = SCRIPT.read_text()
        wit, world_name = self._wit, self._world
        if self._interfaces or self._more:
            wit, world_name = world.world(stage, self._world, self._interfaces, self._more)
        run(
            [
                *("node", "--input-type=module", "--eval", script, "--"),
                *(str(self._main), str(wit), world_name, str(output), str(stage)),
            ],
            cwd=self._project,
            clean=self._cleaned,
        )

    def _cleaned(self, said: str) -> str:
        """With the source's own name, as it is seen from where it lies."""
        said = said.replace(f"{self._main.parent}/", "").replace('"source.js"', self._main.name)
        return re.sub(r" \(wizer \(.*?\)\)", "", said)


def componentize_js(project: Path) -> Path | None:
    """Where it is installed for a project: there, or in a directory above."""
    for directory in (project, *project.parents):
        place = directory / "node_modules" / PACKAGE
        if (place / "package.json").is_file():
            return place
    return None


def version(place: Path) -> str:
    return str(_package(place / "package.json").get("version", "of an unknown version"))


def _main(source: Path) -> Path:
    """The module that a source means."""
    if source.suffix in (".js", ".mjs"):
        return source
    manifest = source if source.name == "package.json" else source / "package.json"
    package = _package(manifest)
    said = package.get("main")
    names = [said] if isinstance(said, str) else ["index.js", "actor.js", "index.mjs"]
    for name in names:
        path = Path(os.path.normpath(manifest.parent / name))
        if path.is_file():
            return path
    raise BuildFailed(
        f"{manifest}: there is no {' nor '.join(names)}; say in it which file is built:"
        ' "main": "hello.js"'
    )


def _package(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise BuildFailed(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise BuildFailed(f"{path}: is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise BuildFailed(f"{path}: is not a JSON object")
    return content


def _project(directory: Path) -> Path:
    """Where the nearest package.json is, else where the source is."""
    for each in (directory, *directory.parents):
        if (each / "package.json").is_file():
            return each
    return directory


def _depends(project: Path) -> bool:
    path = project / "package.json"
    if not path.is_file():
        return False
    package = _package(path)
    tables = [package.get(key) for key in ("dependencies", "devDependencies")]
    return any(PACKAGE in table for table in tables if isinstance(table, dict))


def _wit(project: Path) -> Path:
    own = project / "wit"
    return own if any(own.glob("*.wit")) else WIT


def _closure(main: Path) -> Iterator[tuple[Path, bytes]]:
    """The module and what it imports by a relative path."""
    seen: set[Path] = set()
    waiting = [main]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        try:
            content = path.read_bytes()
        except OSError as error:
            if path == main:
                raise BuildFailed(f"{path}: cannot be read: {error.strerror}") from None
            continue  # the tool says what it misses
        yield path, content
        for match in _IMPORT.finditer(content):
            name = (match[1] or match[2]).decode(errors="replace")
            waiting.append(Path(os.path.normpath(path.parent / name)))
