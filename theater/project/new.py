"""A new project: a template's files, with the names in them replaced. What is there is never
touched."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from theater.addresses import check_segment
from theater.errors import TheaterError
from theater.project.build import recipe_for
from theater.project.job import WIT, Job
from theater.project.names import Names, names, suggestion
from theater.quoting import quoted

TEMPLATES = Path(__file__).with_name("templates")
# The name on the command line, which is the template's too, and what people call it.
LANGUAGES = {"python": "Python", "js": "JavaScript", "rust": "Rust", "wat": "WAT"}
DEFAULT = "python"
HANDLER = "handler"  # the template of an actor in Python with a handler of its author's own
_BRINGS_WIT = {"rust"}  # Theater's own is used for the others
_OF_NO_CONSEQUENCE = {".git"}  # in a directory that is empty otherwise


class NotNew(TheaterError):
    """There is something where the project is to be. Take another name, or another directory."""


@dataclass(frozen=True, slots=True)
class Project:
    directory: str
    language: str  # a key of LANGUAGES
    names: Names
    files: tuple[str, ...]  # relative


def wrong_with(name: str) -> str | None:
    """None if an actor can have this name, else why not, and a name that it can have."""
    wrong = check_segment(name)
    if wrong is None:
        return None
    like = suggestion(name)
    fits = like is not None and like != name and check_segment(like) is None
    return f"{wrong}; {quoted(like or '')} would be one" if fits else wrong


def create(name: str, language: str, directory: str, template: str = "") -> Project:
    """`name` has nothing wrong with it. NotNew, if there is something in `directory`. `template`:
    if it is another one than that of the language.

    If anything cannot be written, what was written before is removed again.
    """
    made = _made(directory)
    called = names(name)
    written: list[Path] = []
    root = Path(directory)
    try:
        for path, text in rendered(template or language, called):
            place = root / path
            for above in reversed(place.relative_to(root).parents):
                if not (root / above).exists():
                    (root / above).mkdir()
                    written.append(root / above)
            with open(place, "x") as file:
                written.append(place)
                file.write(text)
    except BaseException as error:
        _take_back([*made, *written])
        if isinstance(error, FileExistsError):
            raise NotNew(f"{error.filename} has appeared meanwhile; nothing was changed") from None
        if isinstance(error, OSError):
            raise NotNew(f"cannot write {error.filename}: {error.strerror}") from None
        raise
    files = tuple(str(path.relative_to(root)) for path in written if path.is_file())
    return Project(directory, language, called, files)


def missing_tool(project: Project) -> str | None:
    """What has to be installed before it can be built, and how, as far as its README does not say
    so: `npm install` is one of the next commands anyway."""
    if project.language == "wat" or (project.language == "js" and shutil.which("node")):
        return None
    names = project.names
    source = {"python": f"{names.module}.py", "js": f"{names.address}.js", "rust": "Cargo.toml"}
    path = os.path.abspath(os.path.join(project.directory, source[project.language]))
    recipe = recipe_for(LANGUAGES[project.language], Job(path, ""))
    return None if recipe.tool() is not None else str(recipe.missing())


def rendered(name: str, called: Names) -> Iterator[tuple[Path, str]]:
    """Each file of a template: where it is in the project, and its text."""
    template = TEMPLATES / name
    for path in sorted(template.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            relative = called.replaced(str(path.relative_to(template)))
            # In our own repository the name would mean something.
            yield (
                Path(".gitignore" if relative == "gitignore" else relative),
                called.replaced(path.read_text()),
            )
    if name in _BRINGS_WIT:
        for path in sorted(WIT.glob("*.wit")):
            yield Path("wit") / path.name, path.read_text()


def _made(directory: str) -> list[Path]:
    """The directories that had to be made for it, the outermost first. NotNew."""
    path = Path(os.path.abspath(directory))
    made: list[Path] = []
    try:
        if set(os.listdir(path)) - _OF_NO_CONSEQUENCE:
            raise NotNew(
                f"{directory} is there already and is not empty; take another name, or another"
                " directory with --dir"
            )
    except FileNotFoundError:
        missing = [each for each in (path, *path.parents) if not os.path.lexists(each)]
        try:
            for each in reversed(missing):
                each.mkdir()
                made.append(each)
            if not made:
                raise NotNew(f"{directory} is a link to nothing") from None
        except OSError as error:
            _take_back(made)
            raise NotNew(f"cannot make {directory}: {error.strerror}") from None
    except NotADirectoryError:
        raise NotNew(f"{directory} is there already, and is no directory") from None
    except OSError as error:
        raise NotNew(f"cannot read {directory}: {error.strerror}") from None
    return made


def _take_back(written: list[Path]) -> None:
    for path in reversed(written):
        with contextlib.suppress(OSError):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()
