"""`theater build`: a component of each source, judged and compiled, so that `up` starts at once."""

from __future__ import annotations

import json
import os
from pathlib import Path

from theater import sources
from theater.cli.place import Place, shown_path
from theater.cli.status import size
from theater.cli.terminal import Terminal
from theater.errors import ComponentError, EnvironmentProblem, ManifestError, Problem
from theater.manifest_files import NAMES
from theater.spec import Build
from theater.supervisor.building import Built, NotBuilt, Progress
from theater.values import visible


def build(terminal: Terminal, place: Place, path: Path | None, as_json: bool) -> None:
    """What the path is decides: a directory with a manifest, a manifest, or one source."""
    path = place.manifest if path is None else path
    if path is None and is_source(Path(".")):
        path = Path(".")  # a project without a manifest, here and not above
    if path is not None and is_source(path):
        made, last = _one(terminal, str(path))
        shown = [made]
    else:
        shown, last = _all_of(terminal, _manifest(place, path))
    if as_json:
        terminal.print(json.dumps([_row(each) for each in shown], indent=2))
        return
    for each in shown:
        terminal.print(visible(_line(each)))
    terminal.print(visible(last))


def is_source(path: Path) -> bool:
    """Whether one component is built from it, without a manifest."""
    if sources.language_of(str(path)) is not None:
        return True
    if not path.is_dir() or manifest_in(path) is not None:
        return False
    return any((path / name).exists() for name in sources.PROJECTS)


def manifest_in(directory: Path) -> str | None:
    """The manifest of this very directory."""
    return next((str(directory / name) for name in NAMES if (directory / name).exists()), None)


def _manifest(place: Place, path: Path | None) -> str:
    if path is None:
        return place.find_manifest()
    if not path.exists():
        raise ManifestError(str(path), [Problem("", "there is no such file or directory")])
    if path.is_dir():
        if (found := manifest_in(path)) is not None:
            return found
        names = ", ".join((*NAMES, *sources.PROJECTS))
        raise ManifestError(
            str(path), [Problem("", f"nothing here says what to build: no {names}")]
        )
    if path.suffix == ".toml":
        return str(path)
    kinds = ", ".join(sources.LANGUAGES)
    text = f"is neither a manifest (.toml) nor a source that can be built ({kinds})"
    raise ManifestError(str(path), [Problem("", text)])


def _all_of(terminal: Terminal, file: str) -> tuple[list[Built], str]:
    from theater.supervisor.prepare import prepare_system

    data = os.path.join(os.path.dirname(os.path.abspath(file)), ".theater")
    prepared = prepare_system(file, data, terminal.progress)
    for warning in prepared.warnings:
        terminal.note(f"{file}: warning: {warning}")
    number = len(prepared.artifacts)
    last = f"ok: {number} component{'s are' if number != 1 else ' is'} compiled"
    if not prepared.built:
        last += f"; nothing is built from source: no child in {file} has the key build"
    return list(prepared.built), last


def _one(terminal: Terminal, source: str) -> tuple[Built, str]:
    """Without a manifest: it has to be an actor, and what it needs is said."""
    from theater import linkage
    from theater.supervisor.cache import prepare

    made = made_of(source, terminal.progress)
    component = made.component
    artifact = prepare(component, on_progress=terminal.progress)
    if wrong := linkage.problems(artifact.imports, artifact.exports):
        raise ComponentError("\n".join(f"{shown_path(component)}: {each}" for each in wrong))
    needed = linkage.needed(artifact.imports)
    if not needed:
        return made, "ok: compiled; its manifest need not grant anything"
    return made, f"ok: compiled; its manifest has to grant {', '.join(needed)}"


def made_of(source: str, on_progress: Progress) -> Built:
    """The component of a source, built if it is stale. ComponentError, or EnvironmentProblem if
    a tool is missing."""
    from theater.supervisor import building

    if not os.path.exists(source):
        raise ComponentError(f"{source}: there is no such file or directory")
    absolute = os.path.abspath(source)
    component = sources.component_of(absolute)
    made = building.build({component: Build(absolute)}, on_progress)[component]
    if isinstance(made, NotBuilt):
        raise (EnvironmentProblem if made.missing else ComponentError)(made.text)
    return made


def _line(built: Built) -> str:
    component, source = shown_path(built.component), shown_path(built.source)
    if built.language == sources.WAT:
        return f"{component}: nothing to build, it is compiled as it is"
    if not built.seconds:
        return f"{component}: up to date with {source}"
    how = f"built from {source} with {built.tool} in {built.seconds:.1f} s"
    return f"{component}: {size(built.size)}, {how}"


def _row(built: Built) -> dict[str, object]:
    return {
        "component": built.component,
        "source": built.source,
        "language": built.language,
        "tool": built.tool,
        "built": bool(built.seconds),
        "seconds": round(built.seconds, 3),
        "bytes": built.size,
    }
