"""What a component is built from, told by the name of its source. Pure.

hello.py                  Python                 -> build/hello.wasm beside it
hello.js, hello.mjs       JavaScript             -> build/hello.wasm beside it
package.json, Cargo.toml  JavaScript, Rust       -> build/<its directory>.wasm beside it
shop                      a directory with one of these two
hello.wat                 the component itself
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from theater.quoting import described, did_you_mean, quoted
from theater.spec import Build

PYTHON, JAVASCRIPT, RUST, WAT = "Python", "JavaScript", "Rust", "WAT"
WORLD = "messaging-actor"  # what a component is built for if nothing else is said
LANGUAGES = {".py": PYTHON, ".js": JAVASCRIPT, ".mjs": JAVASCRIPT, ".wat": WAT}
PROJECTS = {"package.json": JAVASCRIPT, "Cargo.toml": RUST}

_KEYS = ("source", "actor", "world", "packages")
_SOURCES = "must be a .py, .js or .wat file, or a project: package.json, Cargo.toml, its directory"
# The same as a JSON schema. What is a project's file is told by its whole name.
_SOURCE_SCHEMA = {
    "type": "string",
    "minLength": 1,
    "pattern": r"^[^\x00]*$",
    "not": {"pattern": "://"},
    "anyOf": [
        {"pattern": r"(^|/)(package\.json|Cargo\.toml)$"},
        {"not": {"pattern": r"[^/.]\.(rs|ts|wasm|toml|json)$"}},
    ],
}
_WORD_SCHEMA = {"type": "string", "minLength": 1, "pattern": r"^[^\x00]*$"}
SCHEMA = {
    "anyOf": [
        _SOURCE_SCHEMA,
        {
            "type": "object",
            "required": ["source"],
            "additionalProperties": False,
            "properties": {
                "source": {
                    "description": "The source, relative to the manifest: a .py, .js, .mjs or"
                    " .wat file; a project's package.json or Cargo.toml, or its directory.",
                    **_SOURCE_SCHEMA,
                },
                "actor": {
                    "description": "Python: the class, where there are several.",
                    **_WORD_SCHEMA,
                },
                "world": {
                    "description": "The world of the WIT that it is built for.",
                    "default": WORLD,
                    **_WORD_SCHEMA,
                },
                "packages": {
                    "description": "Python: what it needs from PyPI, as pip is told them.",
                    "type": "array",
                    "items": {"type": "string", "minLength": 1, "not": {"pattern": "://"}},
                },
            },
            "if": {"properties": {"source": {"not": {"pattern": r"\.py$"}}}},
            "then": {"properties": {"actor": False, "packages": False}},
        },
    ]
}
_INSTEAD = {
    ".rs": "; name its Cargo.toml",
    ".ts": "; have it compiled to JavaScript, and name that",
    ".wasm": ": nothing is to be built; write component instead of build",
    ".toml": "",
    ".json": "",
}


def language_of(source: str) -> str | None:
    """By the name alone; None: what is in the directory decides."""
    name = os.path.basename(source)
    return PROJECTS.get(name) or LANGUAGES.get(os.path.splitext(name)[1])


def component_of(source: str) -> str:
    """Where the component of a source is built, if nothing else is said. `source`: absolute."""
    directory, name = os.path.split(source.rstrip("/") or "/")
    stem, suffix = os.path.splitext(name)
    if suffix == ".wat":
        return source
    if suffix in LANGUAGES:
        return os.path.join(directory, "build", f"{stem}.wasm")
    project = directory if name in PROJECTS else os.path.join(directory, name)
    stem = os.path.basename(os.path.realpath(project)) or "actor"
    return os.path.join(project, "build", f"{stem}.wasm")


def read(value: object) -> Build:
    """The value of `build` in a manifest, the source as it is written. Raises ValueError."""
    if isinstance(value, str):
        return Build(_source(value))
    if not isinstance(value, dict):
        raise ValueError(f'found {described(value)}; {_SOURCES}; or {{ source = "..." }}')
    for key in value:
        if key not in _KEYS:
            hint = did_you_mean(key, _KEYS)
            raise ValueError(f"found the key {quoted(key)}{hint} allowed: {', '.join(_KEYS)}")
    if "source" not in value:
        raise ValueError('source is missing, as in build = { source = "hello.py" }')
    build = Build(
        _source(_text(value, "source")),
        actor=_text(value, "actor") if "actor" in value else "",
        world=_text(value, "world") if "world" in value else "",
        packages=_packages(value["packages"]) if "packages" in value else (),
    )
    if language_of(build.source) != PYTHON:
        for key in ("actor", "packages"):
            if key in value:
                raise ValueError(f"{key} is about a source in Python, which ends in .py")
    return build


def _text(value: Mapping[str, object], key: str) -> str:
    found = value[key]
    if not isinstance(found, str) or not found or "\0" in found:
        raise ValueError(f"{key}: found {described(found)}; must be a string that is not empty")
    return found


def _source(path: str) -> str:
    if not path or "\0" in path or "://" in path:
        raise ValueError(f"found {quoted(path)}; {_SOURCES}")
    if language_of(path) is None and (suffix := os.path.splitext(path)[1]) in _INSTEAD:
        raise ValueError(f"found {quoted(path)}{_INSTEAD[suffix] or f'; {_SOURCES}'}")
    return path


def _packages(value: object) -> tuple[str, ...]:
    """Requirements as pip takes them; nothing that it would take for an option."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(
            f'packages: found {described(value)}; must be an array, as in ["mistune==3.1.3"]'
        )
    for each in value:
        if not each[:1].isalnum() or not each.isprintable() or "://" in each:
            raise ValueError(
                f"packages: found {quoted(each)}; must be the name of a package on PyPI, with or"
                ' without a version, as in "mistune==3.1.3"'
            )
    return tuple(value)
