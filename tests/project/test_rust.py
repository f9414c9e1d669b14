"""Actors in Rust: what is told to cargo and what it answers; one that is built, where Rust has the
target for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from theater.client import System
from theater.project.job import Job
from theater.project.languages.rust import TARGET, Rust, artifacts, cleaned, has_target
from theater.project.new import create


def crate(directory: Path, *names: str) -> set[str]:
    for name in ("Cargo.toml", *names):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return {*Rust(Job(str(directory), "")).inputs}


def test_what_cargo_reads_counts_and_what_it_makes_does_not(tmp_path: Path) -> None:
    found = crate(
        tmp_path,
        "src/lib.rs",
        "src/build/mod.rs",
        "src/target.rs",
        "build.rs",
        "Cargo.lock",
        ".cargo/config.toml",
        "wit/theater-simple.wit",
        "README.md",
        "target/debug/out/made.rs",
        "build/crate.wasm",
        ".git/x.toml",
        "member/target/CACHEDIR.TAG",
        "member/target/made.rs",
        "member/src/lib.rs",
    )
    assert found == {
        "Cargo.toml",
        "Cargo.lock",
        "build.rs",
        "src/lib.rs",
        "src/build/mod.rs",
        "src/target.rs",
        ".cargo/config.toml",
        "wit/theater-simple.wit",
        "member/src/lib.rs",
    }


def test_of_all_that_cargo_builds_the_component_is_that_of_the_crate_itself(tmp_path: Path) -> None:
    def message(crate: str, *names: str, reason: str = "compiler-artifact") -> str:
        manifest = str(tmp_path / crate / "Cargo.toml")
        return json.dumps({"reason": reason, "manifest_path": manifest, "filenames": names})

    said = [
        message("dependency", "/t/dependency.wasm"),
        message("mine", "/t/mine.d"),
        "a line of its own",
        "{no json",
        message("mine", "/t/mine.wasm", "/t/mine.wasm.map"),
        message("mine", "/t/other.wasm", reason="build-script-executed"),
        json.dumps({"reason": "build-finished", "success": True}),
    ]
    assert list(artifacts("\n".join(said), tmp_path / "mine")) == ["/t/mine.wasm"]


def test_of_what_cargo_says_errors_are_left() -> None:
    said = (
        '{"reason":"build-finished","success":false}\n'
        "   Compiling wit-bindgen v0.46.0\n   Compiling hello v0.1.0\n"
        "error[E0425]: cannot find value `x`\n --> src/lib.rs:2:28\n\n"
        "error: could not compile `hello` (lib) due to 1 previous error\n"
    )
    assert cleaned(said).startswith("error[E0425]: cannot find value `x`\n --> src/lib.rs")
    assert cleaned("no such command\n") == "no such command"


def test_a_new_project_in_rust_is_built_and_runs(tmp_path: Path) -> None:
    if not has_target():
        pytest.skip(f"Rust's target {TARGET} is not installed: rustup target add {TARGET}")
    directory = tmp_path / "hello"
    create("hello", "rust", str(directory))
    with System.start(directory / "theater.toml", str(tmp_path / "data")) as system:
        assert system.request("hello", b"Ada", timeout_s=30)
