"""Which files a Python module is made from: itself, what it imports beside it, what it reads there.

Found by reading, nothing is imported. A file that is not found here is not there while the
component is built, so a build cannot depend on what its stamp does not know.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from theater.project.job import BuildFailed

GUEST_PYTHON = (3, 14)  # of the interpreter that componentize-py 0.25 puts into a component
_NOT_SOURCES = frozenset({"build", "node_modules", "target", "venv"})  # beside the source
_BY_NAME = frozenset({"importlib", "__import__", "pkgutil"})


@dataclass(slots=True)
class Closure:
    """`files`: name below the source's directory -> content. `tree`: of the source itself, None
    where this Python is too old to read it."""

    files: dict[str, bytes] = field(default_factory=dict)
    tree: ast.Module | None = None
    imported: set[str] = field(default_factory=set)  # what is not beside the source
    modules: set[str] = field(default_factory=set)  # the same by whole names, `a.b` of `a`, too


def closure(source: Path) -> Closure:
    """Raises BuildFailed for a syntax error, with its place."""
    root = source.parent
    found = Closure()
    waiting = [source]
    everything = False
    while waiting:
        path = waiting.pop()
        name = str(path.relative_to(root))
        if name in found.files:
            continue
        content = found.files[name] = _read(path)
        tree = _parsed(content, name)
        if path == source:
            found.tree = tree
        if tree is None:
            everything = True
            continue
        for module in _imports(tree, path.relative_to(root).parent.parts):
            here = list(_files_of(root, module))
            waiting += here
            if not here:
                found.imported.add(module[0])
                found.modules.add(".".join(module))
        for beside in _named_files(tree, path.parent, root):
            found.files.setdefault(str(beside.relative_to(root)), _read(beside))
        everything = everything or not _BY_NAME.isdisjoint(_names(tree))
    if everything:  # what is imported by a name made up at run time may be any of them
        for path in _all_modules(root, _NOT_SOURCES):
            found.files.setdefault(str(path.relative_to(root)), _read(path))
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BuildFailed(f"{path}: cannot be read: {error.strerror}") from None


def _parsed(content: bytes, name: str) -> ast.Module | None:
    try:
        return ast.parse(content, name)
    except SyntaxError as error:
        if sys.version_info < GUEST_PYTHON:
            return (
                None  # only a newer Python can read it, or componentize-py will say what is wrong
            )
        raise BuildFailed(syntax_error(error, name)) from None
    except ValueError as error:  # a NUL
        raise BuildFailed(f"{name}: {error}") from None


def syntax_error(error: SyntaxError, name: str) -> str:
    line = (error.text or "").rstrip()
    shown = f"\n    {line.strip()}" if line else ""
    return f"{name}:{error.lineno or 0}: {error.msg}{shown}"


def _imports(tree: ast.Module, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The modules that are imported, at any depth of the code: ("shop", "stock")."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield tuple(alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = (*above, *(node.module.split(".") if node.module else ()))
            if module:
                yield module
            for alias in node.names:
                if alias.name != "*":
                    yield (*module, alias.name)


def _files_of(root: Path, module: tuple[str, ...]) -> Iterator[Path]:
    """Of a module and of the packages around it, as far as they are below `root`."""
    for length in range(1, len(module) + 1):
        base = root.joinpath(*module[:length])
        for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if path.is_file():
                yield path


def _named_files(tree: ast.Module, directory: Path, root: Path) -> Iterator[Path]:
    """Files beside a module that its code names in a string: it may read them while it is built."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value
            if not 0 < len(name) < 256 or not name.isprintable() or name.startswith("/"):
                continue
            path = directory / name
            if ".." not in path.parts and path.suffix != ".wasm" and path.is_file():
                yield path


def _names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.alias):
            yield node.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def _all_modules(root: Path, without: frozenset[str] = frozenset()) -> Iterator[Path]:
    for path in sorted(root.iterdir()):
        if path.name.startswith(".") or path.name in without:
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _all_modules(path)
        elif path.suffix == ".py":
            yield path
