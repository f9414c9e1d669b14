"""Manifests on disk: finding, reading, and the files they name."""

import os
from pathlib import Path

import pytest

from theater.errors import ManifestError
from theater.manifest import MANIFEST_MAX_BYTES, load, parse
from theater.manifest_files import find, os_problem

MANIFEST = """
name = "s"
[[child]]
name = "a"
component = "wasm/a.wat"
initial_state = { file = "state.bin" }
"""

not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


def write(directory: Path, text: str | bytes = MANIFEST) -> Path:
    """A manifest in `directory` with the files that MANIFEST names beside it."""
    (directory / "wasm").mkdir(parents=True)
    (directory / "wasm/a.wat").touch()
    (directory / "state.bin").write_bytes(b"\0\xff")
    path = directory / "theater.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def problems(path: Path | str) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        load(path)
    assert caught.value.file == str(path)
    assert caught.value.exit_code == 3
    return [str(problem) for problem in caught.value.problems]


def test_a_manifest_is_loaded_with_the_files_it_names(tmp_path: Path) -> None:
    [actor] = load(write(tmp_path / "with a space")).root.actors()
    assert actor.component == str(tmp_path / "with a space/wasm/a.wat")
    assert actor.initial_state == b"\0\xff"


def test_paths_in_a_manifest_do_not_depend_on_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "x")
    monkeypatch.chdir(tmp_path)
    [actor] = load("x/theater.toml").root.actors()
    assert actor.component == str(tmp_path / "x/wasm/a.wat")


def test_missing_files_are_told_together_with_other_problems(tmp_path: Path) -> None:
    path = write(tmp_path / "x", MANIFEST + 'restart = "always"\nshutdow = 3')
    (tmp_path / "x/wasm/a.wat").unlink()
    (tmp_path / "x/state.bin").unlink()
    assert problems(path) == [
        'child[0].component: "wasm/a.wat": there is no such file',
        'child[0].initial_state.file: "state.bin": there is no such file',
        'child[0].restart: found "always"; allowed: permanent, transient, temporary',
        'child[0].shutdow: unknown key; did you mean "shutdown"? allowed: args, build, child, '
        "component, env, handler, initial_state, limits, mailbox, name, on_restart, recycle_turns, "
        "request_timeout, restart, shutdown, significant, state_every, supervisor",
    ]


@pytest.mark.parametrize("name", ["wasm/a.wat", "state.bin"])
def test_a_directory_is_no_component_and_no_state(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "x")
    (tmp_path / "x" / name).unlink()
    (tmp_path / "x" / name).mkdir()
    [problem] = problems(path)
    assert problem.endswith(f'"{name}": is a directory, not a file')


@pytest.mark.parametrize("name", ["theater.toml", "wasm/a.wat", "state.bin"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "x")
    (tmp_path / "x" / name).unlink()
    os.mkfifo(tmp_path / "x" / name)
    [problem] = problems(path)
    assert problem.endswith("cannot be read: not a regular file")


@not_as_root
@pytest.mark.parametrize("name", ["theater.toml", "wasm/a.wat", "state.bin"])
def test_what_may_not_be_read_is_told(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "x")
    (tmp_path / "x" / name).chmod(0)
    [problem] = problems(path)
    assert problem.endswith("permission denied")


def test_a_permission_that_is_missing_is_told_in_words() -> None:
    assert os_problem(PermissionError(13, "x")) == "cannot be read: permission denied"


def test_a_state_file_may_not_be_larger_than_a_state(tmp_path: Path) -> None:
    path = write(tmp_path / "x", MANIFEST + "[limits]\nstate_max = 1")
    assert problems(path) == ["child[0].initial_state: has 2 bytes; limits.state_max is 1"]


def test_a_manifest_that_is_not_a_file_cannot_name_a_state_file() -> None:
    with pytest.raises(ManifestError, match=r"child\[0\].initial_state.file: "):
        parse(MANIFEST, "m.toml")


def test_a_manifest_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert problems(tmp_path / "m.toml") == ["there is no such file"]
    assert problems(tmp_path / "x/y/m.toml") == ["there is no such file"]
    assert problems(tmp_path) == ["is a directory, not a file"]
    path = write(tmp_path / "x")
    assert problems(path / "m.toml") == ["cannot be read: Not a directory"]


def test_a_path_with_control_characters_is_shown_escaped() -> None:
    with pytest.raises(ManifestError) as caught:
        load("/\x1b[31m\0x")
    assert str(caught.value) == r"/\x1b[31m\x00x: there is no such file"


def test_a_manifest_in_another_encoding_is_told_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "x", b'name = "s"\n# \xe4\n')
    assert problems(path) == ["line 2: not UTF-8 (byte 0xe4)"]


def test_a_manifest_of_a_megabyte_is_read_and_a_larger_one_is_not(tmp_path: Path) -> None:
    text = 'name = "s"\nchild = []\n#'
    path = write(tmp_path / "x", text + "x" * (MANIFEST_MAX_BYTES - len(text)))
    assert load(path).name == "s"
    path.write_bytes(path.read_bytes() + b"x")
    [problem] = problems(path)
    assert "larger than 1048576 bytes" in problem


def test_theater_toml_goes_before_manifest_toml(tmp_path: Path) -> None:
    (tmp_path / "manifest.toml").touch()
    assert find(tmp_path) == tmp_path / "manifest.toml"
    (tmp_path / "theater.toml").touch()
    assert find(tmp_path) == tmp_path / "theater.toml"


def test_the_nearest_directory_above_has_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = tmp_path / "a/b/c"
    below.mkdir(parents=True)
    (tmp_path / "theater.toml").touch()
    (tmp_path / "a/manifest.toml").touch()
    (tmp_path / "a/b/theater.toml").mkdir()  # a directory is no manifest
    assert find(below) == tmp_path / "a/manifest.toml"
    assert find(str(below)) == tmp_path / "a/manifest.toml"
    monkeypatch.chdir(below)
    assert find(".") == tmp_path / "a/manifest.toml"


def test_a_dangling_link_is_found_so_that_reading_it_can_say_so(tmp_path: Path) -> None:
    (tmp_path / "theater.toml").symlink_to("nowhere")
    assert find(tmp_path) == tmp_path / "theater.toml"
    assert problems(find(tmp_path)) == ["there is no such file"]


def test_a_working_directory_that_is_gone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ManifestError):
        find(".")
    with pytest.raises(ManifestError):
        load("m.toml")


def test_no_manifest_anywhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        find(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: no theater.toml or manifest.toml here or above; name the manifest with -f"
    )
