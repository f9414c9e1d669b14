"""Judge what an actor asks to have spawned: it is granted nothing that the actor has not itself.

Its manifest is named by a template of the actor's grants, by a path below the directory of the
actor's own manifest, or comes out of a store. Whoever wrote the actor's manifest has written its
templates, or means them; the other two an actor may have written itself, so they can name nothing
outside of that directory, and nothing of them is built or imported.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from theater import manifest, preopens
from theater.errors import ManifestError, Problem
from theater.inheritance import inherited, refused
from theater.manifest_files import read_file
from theater.paths import DataPaths
from theater.quoting import escaped, quoted
from theater.spec import ActorSpec, Handler, SupervisorSpec, SystemSpec
from theater.stores import directory_of, hash_of, manifest_of
from theater.supervisor.originals import Held, hold
from theater.supervisor.prepare import PreparedFragment, Progress, prepare_children
from theater.supervisor.tree import SPAWNS

GIVEN = "wasm-bytes"  # what messages, which an actor may see, call what it has given


@dataclass(frozen=True, slots=True)
class Birth:
    """What an actor asks for.

    `name`: of the manifest; `kept`: the store that has it, and its hash, if it is in one; `code`:
    what it is to run in place of the component that the manifest names. With which state it begins
    is no part of it: see `born`.
    """

    parent: ActorSpec
    name: str
    kept: tuple[str, str] | None = None
    code: bytes | None = None


def prepare_birth(
    birth: Birth, system: SystemSpec, data_directory: str, on_progress: Progress
) -> PreparedFragment:
    """Raises ManifestError with every problem there is."""
    if birth.code is None:
        return _prepared(birth, None, system, data_directory, on_progress)
    # It is kept where all are that actors run, so that it is there when the child is started again;
    # what nobody runs is not, or whoever is refused often enough would fill the disk.
    held = hold(DataPaths(data_directory).components, birth.code)
    try:
        prepared = _prepared(birth, held.path, system, data_directory, on_progress)
        return _kept_as(held, prepared)
    except BaseException as error:
        held.drop()
        if not isinstance(error, ManifestError):
            raise
        problems = [
            replace(each, message=each.message.replace(held.path, GIVEN)) for each in error.problems
        ]
        raise ManifestError(error.file, problems) from None


def _kept_as(held: Held, prepared: PreparedFragment) -> PreparedFragment:
    """What was judged, with the component kept and called as it is from now on."""
    (child,) = prepared.children
    assert isinstance(child, ActorSpec), "what is given is run by one actor"
    artifact = prepared.artifacts[child.component]
    kept = held.kept_path
    assert os.path.basename(kept) == artifact.component_sha256, "what is compiled is what is kept"
    held.keep()
    artifacts = {kept: replace(artifact, component=kept)}
    return replace(prepared, children=(replace(child, component=kept),), artifacts=artifacts)


def _prepared(
    birth: Birth,
    component: str | None,
    system: SystemSpec,
    data_directory: str,
    on_progress: Progress,
) -> PreparedFragment:
    file, actor = _read(birth, system.state_max_bytes, data_directory, component)
    parent = birth.parent
    # As its directories really are; and as they are written, which is all that can be compared when
    # the actor starts again.
    exceeding = refused(actor, parent, _real) or refused(actor, parent)
    problems = [
        Problem(f"{actor.where}.handler[{index}]".lstrip("."), text) for index, text in exceeding
    ]
    if problems:
        raise ManifestError(file, problems)
    child = replace(inherited(actor, parent), path=f"{parent.path}/{actor.path}")
    added = SupervisorSpec(path=parent.path, children=(child,))
    return prepare_children(file, added, system, data_directory, on_progress)


def born(
    spec: ActorSpec, path: str, ask: tuple[int, int], state: bytes | None, resumed: bool
) -> ActorSpec:
    """What is spawned from this manifest at this address, for this ask.

    `state`: in place of the manifest's initial one; `resumed`: as if `init` had returned it.
    """
    if state is None and not resumed:
        state = spec.initial_state
    return replace(spec, path=path, spawned=ask, initial_state=state, resumed=resumed)


def _read(
    birth: Birth, state_max: int, data_directory: str, component: str | None
) -> tuple[str, ActorSpec]:
    name, directory = birth.name, birth.parent.directory
    if birth.kept is not None:
        content = _kept(birth, data_directory)
        actor = manifest.parse_offspring(content, name, directory, state_max, component)
        return name, actor
    shown = escaped(birth.name, 200)
    if manifest_of(birth.name) is not None:
        raise ManifestError(shown, [Problem("", "its store has no such label any more")])
    granted = birth.parent.handler(SPAWNS)
    templates = granted.settings.get("templates", {}) if granted is not None else {}
    if name in templates:
        path = templates[name]
        return name, manifest.load_offspring(path, name, None, state_max, component)
    if not name or os.path.isabs(name) or "\0" in name:
        names = ", ".join(map(quoted, templates)) or "none"
        text = (
            f"names no manifest: neither a template ({names}) nor a path relative to the"
            " directory of its own manifest"
        )
        raise ManifestError(shown, [Problem("", text)])
    path = os.path.join(directory, name)
    return name, manifest.load_offspring(path, name, directory, state_max, component)


def _kept(birth: Birth, data_directory: str) -> bytes:
    """What a store has, if it is what its name says."""
    assert birth.kept is not None
    store, hash = birth.kept
    path = f"{DataPaths(data_directory).store}/{directory_of(store)}/{hash}"
    try:
        content = read_file(path, manifest.MANIFEST_MAX_BYTES + 1)
    except OSError as error:
        problem = f"the content {hash[:12]} cannot be read: {error.strerror}"
        raise ManifestError(escaped(birth.name, 400), [Problem("", problem)]) from None
    if len(content) <= manifest.MANIFEST_MAX_BYTES and hash_of(content) != hash:
        problem = f"the content {hash[:12]} is not what its hash says"
        raise ManifestError(escaped(birth.name, 400), [Problem("", problem)])
    return content


def _real(handler: Handler) -> Handler:
    """With the real paths of its directories."""
    if handler.type != preopens.HANDLER:
        return handler
    return replace(handler, settings=preopens.settled(handler.settings, os.path.realpath))
