"""Building as it is: what is stale is built, once and whole, and what is killed leaves nothing."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.project.cargo import Cargo
from tests.real.conftest import gone
from tests.waiting import WAIT_S, eventually
from theater.project.stamp import path_of
from theater.spec import Build
from theater.supervisor import building
from theater.supervisor.building import Built, NotBuilt

WHOLE = [".crate.wasm.lock", "crate.wasm", "crate.wasm.stamp"]


@pytest.fixture
def cargo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cargo:
    cargo = Cargo(tmp_path)
    monkeypatch.setenv("PATH", cargo.environment["PATH"])
    return cargo


def wish(cargo: Cargo) -> dict[str, Build]:
    return {str(cargo.component): Build(str(cargo.crate))}


def built(cargo: Cargo, heard: list[str] | None = None) -> Built:
    said = [] if heard is None else heard
    [(_, found)] = building.build(wish(cargo), said.append).items()
    assert isinstance(found, Built), found
    return found


def refused(cargo: Cargo) -> NotBuilt:
    [(_, found)] = building.build(wish(cargo), lambda _: None).items()
    assert isinstance(found, NotBuilt), found
    return found


def test_what_has_not_changed_is_not_built_again(cargo: Cargo) -> None:
    heard: list[str] = []
    first = built(cargo, heard)
    assert first.seconds > 0 and first.language == "Rust" and first.tool == "cargo 1.0.0"
    assert first.size == cargo.component.stat().st_size
    assert heard[0] == "building crate with cargo 1.0.0"
    assert set(first.files) >= {str(cargo.source), str(cargo.crate / "Cargo.toml")}
    os.utime(cargo.source)
    assert built(cargo).seconds == 0
    assert cargo.builds == 1
    assert cargo.left() == WHOLE


@pytest.mark.parametrize("change", ["source", "new file", "tool", "component", "gone", "stamp"])
def test_a_change_of_anything_that_matters_builds_again(cargo: Cargo, change: str) -> None:
    built(cargo)
    match change:
        case "source":
            cargo.source.write_text(";; another\n")
        case "new file":
            (cargo.crate / "src" / "more.rs").touch()
        case "tool":
            (cargo.tools / "version").write_text("1.0.1")
        case "component":
            cargo.component.write_bytes(b"something else")
        case "gone":
            cargo.component.unlink()
        case "stamp":
            path_of(str(cargo.component)).write_text("{}")
    assert built(cargo).seconds > 0
    assert built(cargo).seconds == 0
    assert cargo.builds == 2


def test_what_lies_beside_the_sources_does_not_matter(cargo: Cargo) -> None:
    built(cargo)
    (cargo.crate / "README.md").write_text("read me")
    (cargo.crate / "target" / "more.rs").write_text("generated")
    (cargo.crate / ".theater").mkdir()
    (cargo.crate / ".theater" / "x.toml").touch()
    assert built(cargo).seconds == 0


def test_a_build_that_fails_leaves_the_component_that_was_there(cargo: Cargo) -> None:
    built(cargo)
    before = cargo.component.read_bytes()
    cargo.source.write_text("broken")
    cargo.fail("error[E0425]: cannot find value `x`\n --> src/lib.rs:1:1\n")
    found = refused(cargo)
    assert found.text == (
        "building crate with cargo 1.0.0 failed:\n"
        "error[E0425]: cannot find value `x`\n --> src/lib.rs:1:1"
    )
    assert not found.missing
    assert cargo.component.read_bytes() == before
    assert cargo.left() == WHOLE
    cargo.work()
    assert built(cargo).seconds > 0


def test_what_a_tool_says_is_cut_to_its_first_and_its_last_lines(cargo: Cargo) -> None:
    cargo.fail("error: \n" + "\n".join(f"line {number}" for number in range(1000)))
    lines = refused(cargo).text.splitlines()
    assert lines[1:3] == ["error:", "line 0"] and lines[-1] == "line 999"
    assert lines[17] == "... 969 lines more ..."
    assert len(lines) < 40


def test_a_missing_tool_is_named_with_what_installs_it(
    cargo: Cargo, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cargo.tools / "lib" / "libcore-1.rlib").unlink()
    found = refused(cargo)
    assert found.missing
    assert "target wasm32-wasip2 is not installed" in found.text
    assert "rustup target add wasm32-wasip2" in found.text
    monkeypatch.setenv("PATH", "/nowhere")
    assert "cargo, which builds actors in Rust, is missing" in refused(cargo).text


def test_what_is_built_runs_where_no_tool_is(cargo: Cargo, monkeypatch: pytest.MonkeyPatch) -> None:
    built(cargo)
    monkeypatch.setenv("PATH", "/nowhere")
    assert built(cargo).seconds == 0
    cargo.source.write_text("changed")
    assert refused(cargo).missing


def test_a_crate_that_is_no_component_is_told(cargo: Cargo) -> None:
    script = (cargo.tools / "cargo").read_text().replace('crate.wasm"]', 'libcrate.rlib"]')
    (cargo.tools / "cargo").write_text(script)
    assert 'crate-type = ["cdylib"]' in refused(cargo).text


def test_a_directory_without_a_project_is_told(tmp_path: Path) -> None:
    component = str(tmp_path / "build" / "x.wasm")
    [found] = building.build({component: Build(str(tmp_path))}, lambda _: None).values()
    assert isinstance(found, NotBuilt)
    assert found.text.endswith("is a directory with neither package.json nor Cargo.toml")


def test_where_nothing_can_be_written_is_told(cargo: Cargo) -> None:
    cargo.component.parent.touch()
    assert f"cannot write {cargo.component}: " in (text := refused(cargo).text)
    assert "component = ..." in text
    assert cargo.builds == 0


def test_two_builds_of_the_same_thing_wait_for_each_other(cargo: Cargo) -> None:
    cargo.wait()
    results: list[Built] = []
    heard: list[str] = []
    first = threading.Thread(target=lambda: results.append(built(cargo)))
    first.start()
    eventually(lambda: cargo.waiting, "the first build")
    second = threading.Thread(target=lambda: results.append(built(cargo, heard)))
    second.start()
    eventually(lambda: any(text.startswith("waiting for") for text in heard), "the second to wait")
    (cargo.tools / "wait").unlink()
    with open(cargo.tools / "never", "w"):
        pass
    first.join(WAIT_S)
    second.join(WAIT_S)
    assert sorted(each.seconds > 0 for each in results) == [False, True]
    assert cargo.builds == 1


def test_an_interrupt_ends_the_tool_and_leaves_nothing_half(cargo: Cargo) -> None:
    cargo.wait()

    def interrupt(_text: str) -> None:
        if cargo.waiting:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        building.build(wish(cargo), interrupt)
    pid = cargo.waiting
    assert pid is not None
    eventually(lambda: gone({pid}), "the end of the tool")
    assert cargo.left() == WHOLE[:1]
    cargo.work()
    assert built(cargo).seconds > 0


@pytest.mark.parametrize("whom", ["caller", "builder"])
def test_a_killed_build_ends_with_its_tool_and_does_not_hinder_the_next(
    cargo: Cargo, whom: str
) -> None:
    cargo.wait()
    script = (
        "import sys\nfrom theater.spec import Build\nfrom theater.supervisor import building\n"
        "building.build({sys.argv[1]: Build(sys.argv[2])}, lambda _: None)\n"
    )
    arguments = [sys.executable, "-c", script, str(cargo.component), str(cargo.crate)]
    caller = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    pid = eventually(lambda: cargo.waiting, "the build")
    builder = _parent(pid)
    assert _parent(builder) == caller.pid
    os.kill(caller.pid if whom == "caller" else builder, signal.SIGKILL)
    caller.wait(WAIT_S)
    eventually(lambda: gone({builder, pid}), "the end of all")
    assert not cargo.component.exists()
    cargo.work()
    assert built(cargo).seconds > 0
    assert cargo.left() == WHOLE


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_builder_that_dies_is_no_component_and_is_told(
    cargo: Cargo, monkeypatch: pytest.MonkeyPatch
) -> None:
    cargo.wait()

    def kill(_text: str) -> None:
        if cargo.waiting:
            with contextlib.suppress(ProcessLookupError):
                os.kill(_parent(cargo.waiting), signal.SIGKILL)

    with pytest.raises(Exception, match="ended before its time"):
        building.build(wish(cargo), kill)


def test_the_stamp_says_what_the_component_is_made_of(cargo: Cargo) -> None:
    built(cargo)
    stamp = json.loads(path_of(str(cargo.component)).read_text())
    assert stamp["tool"] == "cargo 1.0.0"
    assert stamp["inputs"].keys() == {"Cargo.toml", "Cargo.lock", "src/lib.rs"}
