"""`theater build`, and that `up`, `check`, `add` and `reload` build what is stale; the tool is one
that builds at once, waits or fails as it is told."""

from __future__ import annotations

import json
import re
import shutil
import signal

import pytest

from tests.cli.conftest import COMPONENTS, GRANTS, Home, actor
from tests.project.cargo import Cargo
from tests.waiting import eventually


@pytest.fixture
def cargo(home: Home) -> Cargo:
    cargo = Cargo(home.directory)
    home.env["PATH"] = cargo.environment["PATH"]
    return cargo


CRATE = f'[[child]]\nname = "crate"\nbuild = "crate"\n{GRANTS}\n'


def test_build_says_what_was_built_and_where_and_what_was_up_to_date(
    home: Home, cargo: Cargo
) -> None:
    shutil.copy(COMPONENTS / "counter.wat", home.directory)
    home.write(CRATE, f'[[child]]\nname = "wat"\nbuild = "counter.wat"\n{GRANTS}\n')
    first = home.out("build").splitlines()
    assert re.fullmatch(
        r"crate/build/crate\.wasm: \S+ kB, built from crate with cargo 1\.0\.0 in \d+\.\d s",
        first[0],
    )
    assert first[1:] == [
        "counter.wat: nothing to build, it is compiled as it is",
        "ok: 2 components are compiled",
    ]
    second = home.out("build", str(home.directory)).splitlines()
    assert second[0] == "crate/build/crate.wasm: up to date with crate"
    rows = json.loads(home.out("build", "theater.toml", "--json"))
    assert [(row["language"], row["built"]) for row in rows] == [("Rust", False), ("WAT", False)]
    assert cargo.builds == 1


def test_one_source_is_built_without_a_manifest(home: Home, cargo: Cargo) -> None:
    for arguments in (("build", "crate"), ("build", "crate/Cargo.toml")):
        assert home.out(*arguments).endswith(
            "ok: compiled; its manifest has to grant message-server, runtime\n"
        )
    assert home.out("build", cwd=cargo.crate).startswith("build/crate.wasm: up to date with .\n")
    assert cargo.builds == 1


def test_what_cannot_be_built_is_said_with_what_to_do(home: Home, cargo: Cargo) -> None:
    (home.directory / "empty").mkdir()
    home.write(actor("a"))
    for code, path, why in (
        (3, "empty", "nothing here says what to build: no theater.toml"),
        (3, "nix", "there is no such file or directory"),
        (3, "nix.py", "there is no such file or directory"),
        (3, "tools/version", "is neither a manifest (.toml) nor a source"),
    ):
        assert why in home.fails(code, "build", path)
    assert "no child in theater.toml has the key build" in home.out("build")


def test_a_failed_build_is_told_where_the_manifest_wants_it(home: Home, cargo: Cargo) -> None:
    home.write(CRATE)
    cargo.fail("error: expected one of `!` or `::`\n --> src/lib.rs:1:1\n")
    for command in (("check",), ("up", "-d")):
        assert home.fails(3, *command).endswith(
            "theater.toml: child[0].build: building crate with cargo 1.0.0 failed:\n"
            "error: expected one of `!` or `::`\n --> src/lib.rs:1:1\n"
        )
    (cargo.tools / "lib" / "libcore-1.rlib").unlink()
    for command in (("build", "crate"), ("up", "-d")):
        assert "rustup target add wasm32-wasip2" in home.fails(6, *command)


def test_what_is_built_must_be_granted_what_it_imports(home: Home, cargo: Cargo) -> None:
    home.write('[[child]]\nname = "crate"\nbuild = "crate"\n')
    assert "which the manifest does not grant" in home.fails(3, "build")


def test_two_children_may_share_a_source_but_not_a_component_of_two(
    home: Home, cargo: Cargo
) -> None:
    other = CRATE.replace('"crate"\nbuild', '"other"\nbuild')
    home.write(CRATE, other)
    assert home.out("build").count("built from crate") == 1
    home.write(CRATE, other.replace('"crate"', '{ source = "crate", world = "minimal-actor" }'))
    assert "is built otherwise for child[0]" in home.fails(3, "build")


def test_up_builds_and_reload_builds_what_has_changed(home: Home, cargo: Cargo) -> None:
    home.write(CRATE)
    started = home.run("up", "-d")
    assert started.returncode == 0 and b"building crate with cargo 1.0.0\n" in started.stderr
    assert home.out("request", "crate", "get") == ""
    before = json.loads(home.out("ps", "--json"))[0]
    cargo.source.write_text(";; another component\n")
    plan = home.out("reload")
    assert re.search(r"content of component [0-9a-f]+ -> [0-9a-f]+", plan)
    home.out("restart", "crate")
    assert json.loads(home.out("ps", "--json"))[0]["incarnation"] == before["incarnation"] + 1
    assert cargo.builds == 2

    cargo.source.write_text("broken")
    cargo.fail("error: broken\n")
    assert "error: broken" in home.fails(3, "reload")
    assert home.out("request", "crate", "get") == ""


def test_add_builds(home: Home, cargo: Cargo) -> None:
    home.write(actor("probe"))
    home.out("up", "-d")
    (home.directory / "more.toml").write_text(CRATE)
    assert home.out("add", "more.toml") == "crate: running\n"
    assert cargo.builds == 1


@pytest.mark.parametrize("command", ["build", "up"])
def test_ctrl_c_ends_a_build_and_leaves_nothing_half(
    home: Home, cargo: Cargo, command: str
) -> None:
    home.write(CRATE)
    cargo.wait()
    terminal = home.terminal(command)
    terminal.wait_for("building crate with cargo 1.0.0 ... ")
    eventually(lambda: cargo.waiting, "the tool")
    terminal.press("\x03")
    assert terminal.wait_end() == 130
    eventually(lambda: not home.processes(), "every process to be gone")
    assert cargo.left() == [".crate.wasm.lock"]


def test_a_build_ends_with_a_killed_command(home: Home, cargo: Cargo) -> None:
    home.write(CRATE)
    cargo.wait()
    process = home.popen("build")
    eventually(lambda: cargo.waiting, "the tool")
    process.send_signal(signal.SIGKILL)
    eventually(lambda: not home.processes(), "every process to be gone")
    assert cargo.left() == [".crate.wasm.lock"]
