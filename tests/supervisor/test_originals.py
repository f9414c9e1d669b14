"""Components are kept whole, once, and under no name but their hash."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from tests.mounted import mounted
from theater.errors import ComponentError, EnvironmentProblem
from theater.supervisor import originals
from theater.supervisor.cache import Artifact

WAT = b"(component)"
SHA256 = hashlib.sha256(WAT).hexdigest()


def compiled(file: Path, content: bytes = WAT) -> Artifact:
    """What the cache says of a file that had this content when it was compiled."""
    return Artifact("", hashlib.sha256(content).hexdigest(), "", 0, {}, {}, str(file))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "a.wat"
    file.write_bytes(WAT)
    return file


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "data" / "components"


def test_what_is_kept_is_what_was_given_and_private(file: Path, kept: Path) -> None:
    originals.keep(str(kept), [compiled(file), compiled(file)])
    assert os.listdir(kept) == [SHA256]
    assert (kept / SHA256).read_bytes() == WAT
    assert kept.stat().st_mode & 0o777 == 0o700
    assert (kept / SHA256).stat().st_mode & 0o777 == 0o400


def test_what_is_there_is_not_written_again_and_its_file_not_needed(file: Path, kept: Path) -> None:
    originals.keep(str(kept), [compiled(file)])
    before = (kept / SHA256).stat()
    file.unlink()
    originals.keep(str(kept), [compiled(file)])
    after = (kept / SHA256).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize("damage", ["cut", "changed", "link", "fifo"])
def test_what_is_there_and_not_whole_is_written_again(file: Path, kept: Path, damage: str) -> None:
    originals.keep(str(kept), [compiled(file)])
    path = kept / SHA256
    path.chmod(0o600)
    match damage:
        case "cut":
            path.write_bytes(WAT[:5])
        case "changed":
            path.write_bytes(WAT.upper())
        case "link":
            path.unlink()
            path.symlink_to(file)
        case "fifo":
            path.unlink()
            os.mkfifo(path)
    originals.keep(str(kept), [compiled(file)])
    assert path.read_bytes() == WAT and not path.is_symlink()


@pytest.mark.parametrize("now", [b"(component (core module))", b"", None])
def test_a_file_that_is_no_longer_what_was_compiled_is_refused(
    file: Path, kept: Path, now: bytes | None
) -> None:
    file.unlink()
    if now is not None:
        file.write_bytes(now)
    with pytest.raises(ComponentError, match=r"a\.wat: .*(run again|no such file|is empty)"):
        originals.keep(str(kept), [compiled(file)])
    assert os.listdir(kept) == []


def test_a_disk_without_room_is_said_and_nothing_half_is_left(file: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "64k") as disk:
        file.write_bytes(content := bytes(1 << 20))
        with pytest.raises(EnvironmentProblem, match=r"cannot keep .*No space left.*make room"):
            originals.keep(str(disk.path / "components"), [compiled(file, content)])
        assert os.listdir(disk.path / "components") == []


def test_a_directory_that_cannot_be_made_is_said(file: Path, kept: Path) -> None:
    kept.parent.write_text("a file where a directory should be")
    with pytest.raises(EnvironmentProblem, match=r"cannot keep .*make it writable.*--data DIR"):
        originals.keep(str(kept), [compiled(file)])


def test_bytes_are_kept_as_files_are_and_once(kept: Path) -> None:
    held = originals.hold(str(kept), WAT)
    assert Path(held.path).read_bytes() == WAT and originals.names(str(kept)) == set()
    held.keep()
    assert held.kept_path == str(kept / SHA256) and os.listdir(kept) == [SHA256]
    assert (kept / SHA256).read_bytes() == WAT and (kept / SHA256).stat().st_mode & 0o777 == 0o400
    before = (kept / SHA256).stat().st_ino
    originals.hold(str(kept), WAT).keep()
    assert (kept / SHA256).stat().st_ino == before
    (kept / SHA256).chmod(0o600)
    (kept / SHA256).write_bytes(WAT[:5])
    originals.hold(str(kept), WAT).keep()
    assert (kept / SHA256).read_bytes() == WAT and os.listdir(kept) == [SHA256]


def test_bytes_that_are_dropped_leave_nothing_and_take_nothing_away(kept: Path) -> None:
    originals.hold(str(kept), WAT).drop()
    assert os.listdir(kept) == []
    originals.hold(str(kept), WAT).keep()
    originals.hold(str(kept), WAT).drop()
    assert os.listdir(kept) == [SHA256]


@pytest.mark.parametrize("first_is_kept", [True, False])
@pytest.mark.parametrize("second_is_kept", [True, False])
def test_two_processes_may_hold_the_same_bytes(
    kept: Path, monkeypatch: pytest.MonkeyPatch, first_is_kept: bool, second_is_kept: bool
) -> None:
    first = originals.hold(str(kept), WAT)
    monkeypatch.setattr(os, "getpid", lambda: 1)
    second = originals.hold(str(kept), WAT)
    assert first.path != second.path
    for held, is_kept in ((first, first_is_kept), (second, second_is_kept)):
        assert Path(held.path).read_bytes() == WAT
        held.keep() if is_kept else held.drop()
    assert os.listdir(kept) == ([SHA256] if first_is_kept or second_is_kept else [])


def test_bytes_that_a_killed_process_held_are_held_again_and_removed(kept: Path) -> None:
    left = originals.hold(str(kept), WAT)  # by a process of the same number
    assert Path(originals.hold(str(kept), WAT).path).read_bytes() == WAT
    originals.remove_unfinished(str(kept))
    assert os.listdir(kept) == []
    with pytest.raises(EnvironmentProblem, match="cannot keep"):
        left.keep()


def test_bytes_for_which_there_is_no_room_leave_nothing(tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "64k") as disk:
        with pytest.raises(EnvironmentProblem, match=r"cannot keep .*No space left.*make room"):
            originals.hold(str(disk.path / "components"), bytes(1 << 20))
        assert os.listdir(disk.path / "components") == []


def test_what_a_killed_process_left_is_removed_and_nothing_else(file: Path, kept: Path) -> None:
    originals.keep(str(kept), [compiled(file)])
    (kept / f"{SHA256}.99.tmp").write_bytes(WAT[:3])
    originals.remove_unfinished(str(kept))
    assert os.listdir(kept) == [SHA256]
    originals.remove_unfinished(str(kept / "not" / "there"))


def test_a_file_system_without_hard_links_gets_copies(
    file: Path, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: Any) -> None:
        raise OSError(errno.EPERM, "none here")

    originals.keep(str(kept), [compiled(file)])
    monkeypatch.setattr(os, "link", no_links)
    originals.link_all(str(kept), str(tmp_path / "other"))
    assert (tmp_path / "other" / SHA256).read_bytes() == WAT
