"""Python: componentize-py makes a component of a module, its bindings and an interpreter.

It is given a directory with a copy of what the stamp knows, and nothing else: no virtual
environment that happens to be active, no module that happens to lie about.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import theater
from theater import installed
from theater.project.job import WIT, BuildFailed, Job, Run, ToolMissing
from theater.project.languages import world
from theater.project.languages.closure import GUEST_PYTHON, Closure, closure, syntax_error
from theater.project.languages.parts import SDK, used
from theater.project.tool import answer
from theater.quoting import did_you_mean
from theater.sources import PYTHON, WORLD

THEATER = Path(theater.__file__).parent
INSTALL = "pip install 'theater[python]'"
_ENTRY = "theater_entry"


class Python:
    """An actor's class, or a module that exports what the WIT asks for by itself."""

    language = PYTHON
    written: frozenset[str] = frozenset()
    tools: tuple[str, ...] = ()

    def __init__(self, job: Job) -> None:
        self._job = job
        self._source = Path(job.source)
        self.base = self._source.parent
        self._closure = closure(self._source)
        self._speaks_http = f"{SDK}.http" in self._closure.modules
        world.check_modules(job.interfaces, self._speaks_http)
        self._actor = _actor_class(self._closure, self._source.name, job.actor)
        # A module with the WIT's own classes says by its world which they are.
        is_class = self._actor is not None and not job.world
        parts = used(self._closure.files.items()) if is_class else []
        self._more = tuple(line for part in parts for line in part.wit)
        options = [job.world or WORLD, *self._more, self._actor or "", *sorted(job.packages)]
        self.inputs: Mapping[str, bytes] = {
            **self._closure.files,
            **{f"wit:{path.name}": path.read_bytes() for path in sorted(WIT.glob("*.wit"))},
            **{
                f"wit:{name}": text.encode()
                for name, text in zip(world.names(job.interfaces), job.interfaces, strict=True)
            },
            **{f"wit:{path.name}": path.read_bytes() for path in world.of_http(self._speaks_http)},
            **{f"sdk:{path.name}": path.read_bytes() for path in _sdk_files()},
            "options:": "\n".join(options).encode(),
        }

    def tool(self) -> str | None:
        return componentize_py()

    def missing(self) -> ToolMissing:
        return ToolMissing(f"componentize-py, which builds actors in Python, is missing: {INSTALL}")

    def make(self, stage: Path, output: Path, run: Run) -> None:
        from theater.project.languages.packages import fetched  # only where there are any

        base = self._job.world or WORLD
        wit, world_name = world.world(
            stage, base, self._job.interfaces, self._more, self._speaks_http
        )
        packages = fetched(self._job.packages, run) if self._job.packages else None
        source, sdk = stage / "source", stage / "sdk"
        for name, content in self._closure.files.items():
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        shutil.copytree(_sdk(), sdk / SDK, ignore=shutil.ignore_patterns("__pycache__"))
        module = self._source.stem
        if self._actor is not None:
            (source / f"{_ENTRY}.py").write_text(entry(module, self._actor))
            module = _ENTRY
        environment = stage / "environment"  # a virtual environment with nothing in it
        (environment / "lib" / "site-packages").mkdir(parents=True)
        command = [
            *_command(),
            *("--wit-path", str(wit), "--world", world_name),
            *(world.MODULES if self._speaks_http else ()),
            *("componentize", "--python-path", str(source), "--python-path", str(sdk)),
            *(("--python-path", str(packages)) if packages else ()),
            *(module, "--output", str(output)),
        ]
        run(
            command,
            cwd=stage,
            env={"VIRTUAL_ENV": str(environment), "RUST_BACKTRACE": "0"},
            clean=lambda said: cleaned(said, self._closure),
        )


def entry(module: str, actor: str) -> str:
    """The module that componentize-py is told to build. A file's name need not be an identifier."""
    return (
        f"import importlib\nfrom {SDK}.component import exports\n"
        f"globals().update(exports(importlib.import_module({module!r}).{actor}))\n"
    )


def componentize_py() -> str | None:
    """Name and version."""
    if importlib.util.find_spec("componentize_py") is not None:
        version = installed.version("componentize_py") or "of an unknown version"
        return f"componentize-py {version}"
    found = shutil.which("componentize-py")
    return None if found is None else answer([found, "--version"])


def _command() -> list[str]:
    if importlib.util.find_spec("componentize_py") is not None:
        call = "from componentize_py import script; import sys; sys.exit(script())"
        return [sys.executable, "-P", "-c", call]
    return [shutil.which("componentize-py") or "componentize-py"]


def _sdk() -> Path:
    """The package that actors are written with: in the sources, or installed beside theater."""
    for place in (THEATER / "sdk" / SDK, THEATER.parent / SDK):
        if place.is_dir():
            return place
    raise BuildFailed(f"{SDK} is not where Theater is installed; install Theater again")


def _sdk_files() -> list[Path]:
    return sorted(_sdk().glob("*.py"))


def _actor_class(found: Closure, name: str, wanted: str) -> str | None:
    """The class that is the actor; None: the module has the WIT's own classes. BuildFailed."""
    if found.tree is None:
        return wanted or _actor_by_its_looks(found.files[name], name)
    names = {node.name for node in found.tree.body if isinstance(node, ast.ClassDef)}
    if wanted:
        imported = {
            alias.asname or alias.name
            for node in found.tree.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        if wanted not in names | imported:
            hint = did_you_mean(wanted, sorted(names))
            raise BuildFailed(
                f'{name} has no class "{wanted}"{hint} it has {", ".join(sorted(names)) or "none"}'
            )
        return wanted
    actors = _actors(found.tree)
    if len(actors) == 1:
        return actors[0]
    if actors:
        raise BuildFailed(
            f"{name} has {len(actors)} actors, {', '.join(actors)}; say which one is meant: "
            f'build = {{ source = "{name}", actor = "{actors[0]}" }}'
        )
    if "Actor" in names and "wit_world" in found.imported:
        return None
    raise BuildFailed(
        f"{name}: no class in it is an actor; write\n"
        f"    from {SDK} import Actor\n    class Hello(Actor): ..."
    )


def _actors(tree: ast.Module) -> list[str]:
    """The classes that are an Actor of the SDK's, directly or not, and have no class below them."""
    known = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == SDK:
            known |= {alias.asname or alias.name for alias in node.names if alias.name == "Actor"}
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == SDK:
                    known.add(f"{alias.asname or SDK}.Actor")
    actors: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            bases = {ast.unparse(base) for base in node.bases}
            if not known.isdisjoint(bases):
                actors = [name for name in actors if name not in bases]
                known.add(node.name)
                actors.append(node.name)
    return actors


def _actor_by_its_looks(content: bytes, name: str) -> str:
    """Where this Python is too old to read the source."""
    text = content.decode(errors="replace")
    found = re.findall(r"^class (\w+)\([^)]*\bActor\b[^)]*\)", text, re.MULTILINE)
    if len(found) == 1:
        return str(found[0])
    guest = ".".join(map(str, GUEST_PYTHON))
    why = ""
    try:
        ast.parse(content, name)
    except SyntaxError as error:
        why = syntax_error(error, name)
    raise BuildFailed(
        f"{why}\nIf that is right, and only Python {guest} can read it, say which class is the"
        f' actor: build = {{ source = "{name}", actor = "Hello" }}'
    )


def cleaned(said: str, found: Closure) -> str:
    """Of what componentize-py says, the traceback in the guest, with the source's own paths."""
    said = said.split("\nStack backtrace:")[0].split("\n\nCaused by:")[0]
    at = said.rfind("AssertionError: Traceback (most recent call last):")
    if at >= 0:
        said = said[at + len("AssertionError: ") :]
    elif "AssertionError: " in said:
        said = said[said.rfind("AssertionError: ") + len("AssertionError: ") :]
    kept: list[str] = []
    skipping = False
    for line in said.splitlines():
        if line.startswith('  File "'):
            ours = f"/{_ENTRY}.py" in line or "/importlib/" in line or "<frozen importlib" in line
            skipping = ours
        elif not line.startswith("    "):
            skipping = False
        if not skipping:
            kept.append(re.sub(r'^(  File ")/\d+/', r"\1", line))
    text = "\n".join(kept).strip()
    if missing := re.search(r"ModuleNotFoundError: No module named '([\w.]+)'", text):
        package = missing[1].split(".")[0]
        text += (
            f"\nA package from PyPI is named in the manifest:"
            f' build = {{ source = ..., packages = ["{package}"] }}'
            if package not in found.files
            else ""
        )
    return text
