"""Everything that is judged before anything starts: the manifest, the components, the grants.

A component that is built from a source is built first, if it is not what the source makes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from theater import manifest
from theater.errors import ComponentError, EnvironmentProblem, ManifestError, Problem
from theater.grants import check_grants
from theater.manifest_warnings import warnings
from theater.spec import (
    ActorSpec,
    Build,
    ChildSpec,
    Custom,
    SupervisorSpec,
    SystemSpec,
    compiled,
    described,
)
from theater.supervisor import authored, building, territory
from theater.supervisor.authored import Described
from theater.supervisor.building import Built, NotBuilt
from theater.supervisor.cache import Artifact, open_verified, prepare
from theater.supervisor.originals import keep

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A system that may start. `artifacts`: by the path of the component's file."""

    spec: SystemSpec
    artifacts: dict[str, Artifact]
    warnings: tuple[Problem, ...] = ()  # nothing that is in the way
    built: tuple[Built, ...] = ()  # from sources, now or before
    handlers: dict[str, Described] = field(default_factory=dict)  # of authors, by type

    def compiled(self) -> SystemSpec:
        """The system, each actor with the hash of its component, and with its handlers read."""
        root = compiled(self.spec.root, _hashes(self.artifacts), _customs(self.handlers))
        assert isinstance(root, SupervisorSpec)
        return replace(self.spec, root=root)


@dataclass(frozen=True, slots=True)
class PreparedFragment:
    """More children that may start in the system `spec`, with the artifacts they need."""

    spec: SystemSpec
    children: tuple[ChildSpec, ...]
    artifacts: dict[str, Artifact]
    handlers: dict[str, Described] = field(default_factory=dict)

    def compiled(self) -> tuple[ChildSpec, ...]:
        """The children, each actor with the hash of its component, and with its handlers read."""
        hashes, customs = _hashes(self.artifacts), _customs(self.handlers)
        return tuple(compiled(child, hashes, customs) for child in self.children)


def _hashes(artifacts: dict[str, Artifact]) -> dict[str, str]:
    return {file: artifact.component_sha256 for file, artifact in artifacts.items()}


def _customs(handlers: dict[str, Described]) -> dict[str, Custom]:
    return {type: each.custom for type, each in handlers.items()}


def prepare_system(
    file: str | os.PathLike[str], data_directory: str, on_progress: Progress
) -> Prepared:
    """Read and check a manifest, compile its components, check them against its grants.

    `data_directory`: of the system that would run it. Raises ManifestError with every problem
    there is, also those of components.
    """
    return prepare_loaded(file, manifest.load(file), data_directory, on_progress)


def prepare_loaded(
    file: str | os.PathLike[str], spec: SystemSpec, data_directory: str, on_progress: Progress
) -> Prepared:
    """The rest of it, once the manifest has been read."""
    built, artifacts, handlers = _artifacts(file, spec.root, spec, data_directory, on_progress)
    made_from = {path: each.source for each in built for path in each.files}
    made_from |= {path: type for type, each in handlers.items() for path in each.files}
    warned = (
        *warnings(spec),
        *authored.warnings(spec.root, handlers),
        *territory.warnings(spec.root, os.fspath(file), made_from),
    )
    return Prepared(spec, artifacts, warned, built, handlers)


def prepare_fragment(
    file: str | os.PathLike[str],
    under: str,
    spec: SystemSpec,
    data_directory: str,
    on_progress: Progress,
) -> PreparedFragment:
    """The same with a file of children to be added to the supervisor at `under`, in `spec`."""
    children = manifest.load_fragment(file, under, spec.state_max_bytes)
    added = SupervisorSpec(path=under, children=children)
    return prepare_children(file, added, spec, data_directory, on_progress)


def prepare_children(
    file: str | os.PathLike[str],
    added: SupervisorSpec,
    spec: SystemSpec,
    data_directory: str,
    on_progress: Progress,
) -> PreparedFragment:
    """The rest of it: `added` has the children, and is where they are to be."""
    _, artifacts, handlers = _artifacts(file, added, spec, data_directory, on_progress)
    return PreparedFragment(spec, added.children, artifacts, handlers)


def _artifacts(
    file: str | os.PathLike[str],
    root: SupervisorSpec,
    spec: SystemSpec,
    data_directory: str,
    on_progress: Progress,
) -> tuple[tuple[Built, ...], dict[str, Artifact], dict[str, Described]]:
    artifacts: dict[str, Artifact] = {}
    problems = territory.check(root, data_directory)
    actors = [each for each in root.all_written() if isinstance(each, ActorSpec)]
    handlers = authored.read(os.fspath(file), actors, problems, on_progress)
    unread = {each.path for each in actors if not authored.are_read(each, handlers)}
    actors = [described(each, _customs(handlers)) for each in actors]
    actors = [_with_interfaces(each) for each in actors]
    ready = [each for each in actors if each.path not in unread]
    built, broken = _build(str(file), ready, problems, on_progress)
    broken |= {each.component for each in actors if each.build and each.path in unread}
    for actor in actors:
        if actor.component not in artifacts and actor.component not in broken:
            try:
                artifacts[actor.component] = prepare(
                    actor.component,
                    memory_bytes=spec.compile_memory_bytes,
                    timeout_s=spec.compile_timeout_s,
                    on_progress=on_progress,
                )
            except ComponentError as error:
                broken.add(actor.component)
                problems.append(Problem(actor.where, str(error)))
        artifact = artifacts.get(actor.component)
        if artifact is not None and actor.path not in unread:
            customs = _customs(handlers)
            problems.extend(check_grants(actor, artifact.imports, artifact.exports, customs))
    if problems:
        raise ManifestError(str(file), problems)
    return built, artifacts, handlers


def _with_interfaces(actor: ActorSpec) -> ActorSpec:
    """What it is built from knows the handlers that its author has written."""
    if actor.build is None:
        return actor
    wit = tuple(sorted(each.custom.wit for each in actor.handlers if each.custom is not None))
    return replace(actor, build=replace(actor.build, interfaces=wit))


def _build(
    file: str, actors: list[ActorSpec], problems: list[Problem], on_progress: Progress
) -> tuple[tuple[Built, ...], set[str]]:
    """What is there now, and which components are not; the problems are told.

    EnvironmentProblem, if all that stands in the way is a tool that is missing.
    """
    wishes: dict[str, Build] = {}
    wished: dict[str, str] = {}  # component -> who wished it first
    for actor in actors:
        if actor.build is None:
            continue
        if wishes.setdefault(actor.component, actor.build) != actor.build:
            first = wished[actor.component] or "this manifest"
            text = (
                f"{actor.component} is built otherwise for {first}; give one of them another"
                " component"
            )
            problems.append(Problem(f"{actor.where}.build".lstrip("."), text))
        wished.setdefault(actor.component, actor.where)
    found = building.build(wishes, on_progress)
    failed = {name: each for name, each in found.items() if isinstance(each, NotBuilt)}
    if failed and not problems and all(each.missing for each in failed.values()):
        texts = dict.fromkeys(each.text for each in failed.values())
        raise EnvironmentProblem("\n".join(texts))
    for component, each in failed.items():
        problems.append(Problem(f"{wished[component]}.build".lstrip("."), each.text))
    return tuple(each for each in found.values() if isinstance(each, Built)), {*failed}


def open_artifacts(
    prepared: Prepared | PreparedFragment, keep_in: str | None, on_progress: Progress
) -> dict[str, int]:
    """A verified descriptor of each artifact, by the path of the component's file.

    `keep_in`: the directory where the components themselves are kept; None: nothing will be
    started from them.
    """
    if keep_in is not None:
        keep(keep_in, prepared.artifacts.values())
    return {
        component: open_verified(
            artifact,
            memory_bytes=prepared.spec.compile_memory_bytes,
            timeout_s=prepared.spec.compile_timeout_s,
            on_progress=on_progress,
        )
        for component, artifact in prepared.artifacts.items()
    }
