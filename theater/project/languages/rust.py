"""Rust: cargo builds the project for wasm32-wasip2, which makes a component by itself."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from theater.project.job import BuildFailed, Job, Run, ToolMissing
from theater.project.tool import answer
from theater.sources import RUST

TARGET = "wasm32-wasip2"
RUSTUP = "https://rustup.rs"
_NOT_SOURCES = frozenset({"target", "build", "node_modules"})  # of a crate; src/build is one
_CACHE = "CACHEDIR.TAG"  # in what cargo has built, wherever that is
_SOURCES = frozenset({".rs", ".toml", ".lock", ".wit"})


class Rust:
    """A crate with `crate-type = ["cdylib"]` that exports what the WIT asks for."""

    language = RUST
    written = frozenset({"Cargo.lock"})
    tools: tuple[str, ...] = ()

    def __init__(self, job: Job) -> None:
        source = Path(job.source)
        self._crate = self.base = source.parent if source.name == "Cargo.toml" else source
        self.inputs: Mapping[str, bytes] = {
            str(path.relative_to(self._crate)): path.read_bytes()
            for path in _sources(self._crate, _NOT_SOURCES)
        }
        if "Cargo.toml" not in self.inputs:
            raise BuildFailed(f"{self._crate}: there is no Cargo.toml")

    def tool(self) -> str | None:
        found = cargo()
        return found if found is not None and has_target(self._crate) else None

    def missing(self) -> ToolMissing:
        if cargo() is None:
            return ToolMissing(
                f"cargo, which builds actors in Rust, is missing: install Rust ({RUSTUP}), then"
                f" run {install_target()}"
            )
        return ToolMissing(f"Rust's target {TARGET} is not installed: {install_target()}")

    def make(self, stage: Path, output: Path, run: Run) -> None:
        said = run(
            [
                *("cargo", "build", "--release", "--target", TARGET),
                *("--message-format", "json-render-diagnostics", "--color", "never"),
            ],
            cwd=self._crate,
            clean=cleaned,
        )
        built = list(artifacts(said, self._crate))
        if not built:
            raise BuildFailed(
                "cargo has built no .wasm file; say in Cargo.toml that it is to:\n"
                '    [lib]\n    crate-type = ["cdylib"]'
            )
        if len(built) > 1:
            names = ", ".join(os.path.basename(path) for path in built)
            raise BuildFailed(f"cargo has built more than one component: {names}")
        shutil.copyfile(built[0], output)


def cargo() -> str | None:
    """Name and version."""
    return answer(["cargo", "--version"])


def has_target(directory: Path | None = None) -> bool:
    """Whether the compiler that is used there has the standard library for the target."""
    place = answer(["rustc", "--print", "target-libdir", "--target", TARGET], directory)
    return place is not None and any(Path(place).glob("libcore-*"))


def install_target() -> str:
    if shutil.which("rustup") is None and shutil.which("cargo") is not None:
        return f"install Rust with rustup ({RUSTUP}), then run rustup target add {TARGET}"
    return f"rustup target add {TARGET}"


def _sources(directory: Path, without: frozenset[str] = frozenset()) -> Iterator[Path]:
    try:
        below = sorted(directory.iterdir())
    except OSError as error:
        raise BuildFailed(f"{directory}: cannot be read: {error.strerror}") from None
    for path in below:
        hidden = path.name.startswith(".") and path.name != ".cargo"
        if hidden or path.name in without:
            continue
        if path.is_dir() and not path.is_symlink():
            if not (path / _CACHE).exists():
                yield from _sources(path)
        elif path.suffix in _SOURCES and path.is_file():
            yield path


def artifacts(said: str, crate: Path) -> Iterator[str]:
    """The .wasm files that cargo says it has built of this very crate."""
    manifest = os.path.realpath(crate / "Cargo.toml")
    for line in said.splitlines():
        if not line.startswith("{"):
            continue
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if message.get("reason") != "compiler-artifact":
            continue
        if os.path.realpath(message.get("manifest_path", "")) == manifest:
            yield from (name for name in message["filenames"] if name.endswith(".wasm"))


def cleaned(said: str) -> str:
    """What the compiler says of the first errors, without cargo's messages to programs."""
    lines = [line for line in said.splitlines() if not line.startswith("{")]
    text = "\n".join(lines)
    found = re.search(r"^error", text, re.MULTILINE)
    return text[found.start() :] if found else text
