"""Build one component from its source, if it is not what the source makes already.

What has been built is put in place whole, by a rename, and then stamped; what is unfinished lies in
a directory of its own beside it, which the next build removes if this one is killed. A lock beside
the component has two builds of the same thing wait for each other.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from theater import linux, sources
from theater.project import stamp
from theater.project.job import BuildFailed, Job, Made, Progress, Recipe
from theater.project.stamp import Stamp
from theater.project.tool import Tools


def build(job: Job, on_progress: Progress) -> Made:
    """Raises BuildFailed. Whatever it raises, the component that was there is still there."""
    language = language_of(job)
    recipe = recipe_for(language, job)
    tool = recipe.tool()
    if stamp.is_fresh(job.component, stamp.hashes(recipe.inputs), tool):
        return _made(job, recipe, tool or "", 0.0)
    if tool is None:
        raise recipe.missing()
    try:
        with _locked(job, on_progress) as alone:
            recipe = recipe_for(language, job)  # while we waited, things may have been saved
            inputs = stamp.hashes(recipe.inputs)
            if stamp.is_fresh(job.component, inputs, tool):
                return _made(job, recipe, tool, 0.0)
            started_s = time.monotonic()
            what = f"building {os.path.basename(job.source)} with {tool}"
            with _stage(job, alone) as stage:
                output, work = stage / "component.wasm", stage / "work"
                work.mkdir()
                recipe.make(work, output, Tools(what, on_progress))
                sha256 = _put(output, job.component)
            if recipe.written:
                after = stamp.hashes(recipe_for(language, job).inputs)
                inputs |= {name: after[name] for name in recipe.written if name in after}
            stamp.write(job.component, Stamp(tool, inputs, sha256))
            return _made(job, recipe, tool, time.monotonic() - started_s)
    except OSError as error:
        raise BuildFailed(
            f"cannot write {job.component}: {error.strerror or error}; make that possible, or name"
            " another place in the manifest: component = ..."
        ) from None


def _made(job: Job, recipe: Recipe, tool: str, seconds: float) -> Made:
    own = (os.path.normpath(recipe.base / name) for name in recipe.inputs if ":" not in name)
    files = (*own, *recipe.tools)
    return Made(recipe.language, tool, _size(job.component), seconds, files)


def recipe_for(language: str, job: Job) -> Recipe:
    """Each is imported when it is needed: a build that has nothing to do should be quick."""
    match language:
        case sources.PYTHON:
            from theater.project.languages.python import Python

            return Python(job)
        case sources.JAVASCRIPT:
            from theater.project.languages.javascript import JavaScript

            return JavaScript(job)
        case sources.RUST:
            from theater.project.languages.rust import Rust

            return Rust(job)
    raise AssertionError(f"nothing is built from {language}")


def language_of(job: Job) -> str:
    """Of a directory, by what project is in it. BuildFailed if it is none."""
    language = sources.language_of(job.source)
    if language is not None:
        return language
    if os.path.isdir(job.source):
        for name, found in sources.PROJECTS.items():
            if os.path.exists(os.path.join(job.source, name)):
                return found
        names = " nor ".join(sources.PROJECTS)
        raise BuildFailed(f"{job.source} is a directory with neither {names}")
    kinds = ", ".join([*sources.LANGUAGES, *sources.PROJECTS])
    raise BuildFailed(f"{job.source}: what this is built with is not known; known are {kinds}")


def _size(component: str) -> int:
    try:
        return os.stat(component).st_size
    except OSError as error:
        raise BuildFailed(f"{component}: cannot be read: {error.strerror}") from None


@contextlib.contextmanager
def _locked(job: Job, on_progress: Progress) -> Iterator[bool]:
    """Hold the component's lock, which frees itself when we die. False: there are no locks."""
    directory, name = os.path.split(job.component)
    os.makedirs(directory, exist_ok=True)
    lock = os.open(f"{directory}/.{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    what = f"waiting for another process that builds {os.path.basename(job.source)}"
    alone = False
    try:
        with contextlib.suppress(linux.NoLocks):  # then two may build, and both succeed
            alone = linux.lock_within(
                lock, math.inf, lambda s: on_progress(f"{what} ... {s:.0f} s")
            )
        yield alone
    finally:
        os.close(lock)


@contextlib.contextmanager
def _stage(job: Job, alone: bool) -> Iterator[Path]:
    """A directory for what is unfinished, on the same file system."""
    directory, name = os.path.split(job.component)
    prefix = f".{name}.unfinished-"
    for left in os.listdir(directory) if alone else ():
        if left.startswith(prefix):  # of a build that was killed
            shutil.rmtree(os.path.join(directory, left), ignore_errors=True)
    stage = tempfile.mkdtemp(prefix=prefix, dir=directory)
    try:
        yield Path(stage)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _put(output: Path, component: str) -> str:
    """Put it in place; its SHA-256."""
    if not output.is_file():
        raise BuildFailed("the tool has ended well, and has written no component")
    with open(output, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    os.chmod(output, 0o644)
    os.replace(output, component)
    return sha256
