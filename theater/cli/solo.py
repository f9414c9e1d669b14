"""Which one actor is to be run, and its manifest; of a bare component, one that is made up."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from theater import sources
from theater.cli.build import is_source, made_of, manifest_in
from theater.cli.place import Place, Usage, shown_path
from theater.errors import ManifestError, Problem
from theater.linkage import manifest_lines, name_of, needed
from theater.manifest_files import NAMES

Progress = Callable[[str], None]
# Who plays with one actor makes it crash, and wants to go on.
INTENSITY, PERIOD_S = 1000, 1
NAMED_MAX = 5


@dataclass(frozen=True, slots=True)
class Solo:
    manifest: str
    actor: str  # its address
    component: str
    granted: tuple[str, ...] | None = None  # what a component without a manifest was granted


def find(place: Place, path: Path | None, made_in: str, on_progress: Progress) -> Solo:
    """`made_in`: the directory for a manifest, if there is none."""
    if path is None and place.manifest is None and is_source(Path(".")):
        path = Path(".")  # a project without a manifest, here and not above
    if path is None:
        return _of_manifest(place.find_manifest())
    if is_source(path):
        name = name_of(os.path.abspath(path))
        return _of_component(name, made_of(str(path), on_progress).component, made_in, on_progress)
    if path.is_dir():
        return _of_manifest(_in_directory(path))
    if path.suffix == ".toml":
        return _of_manifest(str(path))
    return _of_component(name_of(str(path)), str(path), made_in, on_progress)


def _in_directory(directory: Path) -> str:
    if (found := manifest_in(directory)) is not None:
        return found
    names = ", ".join((*NAMES, *sources.PROJECTS))
    raise Usage(f"nothing in {directory} says what to run: no {names}")


def _of_manifest(file: str) -> Solo:
    from theater import manifest

    actors = list(manifest.load(file).root.actors())
    if len(actors) == 1:
        return Solo(file, actors[0].path, actors[0].component)
    if not actors:
        raise ManifestError(file, [Problem("", "no actor is in it that could be run")])
    names = ", ".join(each.path for each in actors[:NAMED_MAX])
    more = "" if len(actors) <= NAMED_MAX else ", ..."
    raise Usage(
        f"{shown_path(file)} has {len(actors)} actors ({names}{more}), and `theater run` runs one:"
        " `theater up` runs them all, `theater run COMPONENT` one component"
    )


def _of_component(name: str, component: str, made_in: str, on_progress: Progress) -> Solo:
    """It is granted what it imports, and never files."""
    from theater.supervisor.cache import prepare

    artifact = prepare(component, on_progress=on_progress)
    handlers = needed(artifact.imports)
    head = [
        'name = "run"',
        'durability = "process"',
        "[supervisor]",
        f"intensity = {INTENSITY}",
        f"period = {PERIOD_S}",
    ]
    child = manifest_lines(name, os.path.abspath(component), handlers, ['restart = "transient"'])
    path = os.path.join(made_in, "theater.toml")
    Path(path).write_text("\n".join([*head, *child, ""]))
    return Solo(path, name, component, tuple(handlers))
