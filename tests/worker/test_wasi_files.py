"""wasi:filesystem with granted directories: what can be read, what can be changed and how, and that
nothing else can."""

from __future__ import annotations

import errno
import os
import random
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from theater import wasi
from theater.errors import ComponentError
from theater.events import Event, EventType
from theater.journal import Journal
from theater.preopens import Preopen
from theater.worker.blackbox import BlackBox
from theater.worker.failure import Abort
from theater.worker.handlers import WORLD
from theater.worker.host import Recorder
from theater.worker.turn import TurnRecord
from theater.worker.wasi import Wasi, paths
from theater.worker.wasi.io import READ_MAX, WRITE_MAX
from theater.worker.wasi.resources import OPEN_MAX

SEEDS = 40
FOLLOW = ["symlink-follow"]
FILES = "filesystem/types#[method]descriptor."
OUT = "io/streams#[method]output-stream."
IN = "io/streams#[method]input-stream."
NOT_PERMITTED = {"err": "not-permitted"}
DONE: dict[str, Any] = {"ok": None}


class Guest:
    """Calls WASI as a guest does; counts its world calls."""

    def __init__(self, *granted: Preopen) -> None:
        self.lines: list[str] = []
        self.wasi = Wasi({}, (), self.lines.append, self.lines.append, granted)
        self.wasi.open()
        self.changes = 0
        names = self("filesystem/preopens#get-directories")
        self.directories: dict[str, int] = {name: rep for rep, name in names}

    def __call__(self, path: str, *args: Any) -> Any:
        interface, _, function = path.partition("#")
        answer = self.wasi.call(f"wasi:{interface}", function, list(args))
        if answer is WORLD:
            assert function in wasi.WORLD[f"wasi:{interface}"]
            assert wasi.is_change(f"wasi:{interface}", function, list(args))
            self.changes += 1
            (answer,) = self.wasi.perform()
        return answer

    def open(self, above: int, path: str, *flags: str, how: tuple[str, ...] = ()) -> int:
        answer = self(f"{FILES}open-at", above, FOLLOW, path, list(how), list(flags))
        assert "ok" in answer, answer
        return int(answer["ok"])

    def drop(self, rep: int) -> None:
        self.wasi.drop("wasi:filesystem/types", "descriptor", rep)

    def names(self, directory: int) -> list[tuple[str, str]]:
        stream = self(f"{FILES}read-directory", directory)["ok"]
        found = []
        while (entry := self._next(stream)) is not None:
            found.append((entry["name"], entry["type"]))
        self.drop(stream)
        return found

    def _next(self, stream: int) -> Any:
        method = "[method]directory-entry-stream.read-directory-entry"
        return self(f"filesystem/types#{method}", stream)["ok"]

    def close(self) -> None:
        self.wasi.forget()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    (data / "sub").mkdir(parents=True)
    (data / "file").write_bytes(b"0123456789")
    (data / "sub" / "leaf").write_bytes(b"leaf")
    (data / "link").symlink_to("sub/leaf")
    (data / "escape").symlink_to("../secret")
    (tmp_path / "secret").write_bytes(b"secret")
    return data


@pytest.fixture
def guest(data: Path) -> Iterator[Guest]:
    guest = Guest(Preopen(str(data), "/data", write=True))
    yield guest
    guest.close()


@pytest.fixture
def top(guest: Guest) -> int:
    return guest.directories["/data"]


@pytest.fixture
def reader(data: Path) -> Iterator[Guest]:
    guest = Guest(Preopen(str(data), "/data"))
    yield guest
    guest.close()


def snapshot(directory: Path) -> dict[str, tuple[Any, ...]]:
    """All that can be known of what is in a directory."""
    found = {}
    for path in [directory, *sorted(directory.rglob("*"))]:
        status = path.lstat()
        content: object = None
        if stat.S_ISLNK(status.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        found[str(path)] = (status.st_mode, status.st_mtime_ns, status.st_nlink, content)
    return found


# Grants


def test_a_directory_has_a_number_that_only_its_grant_decides(data: Path) -> None:
    first = Preopen(str(data), "/data", write=True)
    second = Preopen(str(data / "sub"), "/sub")
    both, other, alone = Guest(first, second), Guest(second, first), Guest(first)
    assert both.directories == other.directories
    assert alone.directories["/data"] == both.directories["/data"]
    changed = Guest(Preopen(str(data), "/data"), Preopen(str(data / "sub"), "/data2"))
    assert not set(changed.directories.values()) & set(both.directories.values())
    assert min(both.directories.values()) >= 1 << 29, "no other resource gets that far"
    assert list(both.directories) == ["/data", "/sub"]


def test_a_directory_that_has_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ComponentError, match=r"/gone, granted as /data, cannot be opened: No such"):
        Guest(Preopen(str(tmp_path / "gone"), "/data"))


def test_all_that_a_preopen_says_of_itself(guest: Guest, reader: Guest) -> None:
    for each, flags in ((guest, ["read", "mutate-directory"]), (reader, ["read"])):
        (rep,) = each.directories.values()
        assert each(f"{FILES}get-flags", rep) == {"ok": flags}
        assert each(f"{FILES}get-type", rep) == {"ok": "directory"}
        assert each(f"{FILES}stat", rep)["ok"]["type"] == "directory"
        each.drop(rep)
        assert each.names(rep), "it is always there"


def mutations(above: int, file: int) -> list[tuple[str, list[Any]]]:
    """Every call that could change something."""
    times = ["now", {"timestamp": {"seconds": 1, "nanoseconds": 0}}]
    return [
        ("open-at", [above, FOLLOW, "new", ["create"], ["read"]]),
        ("open-at", [above, FOLLOW, "new", ["create", "exclusive"], ["write"]]),
        ("open-at", [above, FOLLOW, "file", ["truncate"], ["read"]]),
        ("open-at", [above, FOLLOW, "file", [], ["read", "write"]]),
        ("open-at", [above, [], "link", ["create"], ["write"]]),
        ("write", [file, b"x", 0]),
        ("set-size", [file, 0]),
        ("set-times", [file, *times]),
        ("set-times", [above, *times]),
        ("set-times-at", [above, FOLLOW, "file", *times]),
        ("create-directory-at", [above, "new"]),
        ("remove-directory-at", [above, "sub"]),
        ("unlink-file-at", [above, "file"]),
        ("rename-at", [above, "file", above, "new"]),
        ("link-at", [above, [], "file", above, "new"]),
        ("symlink-at", [above, "file", "new"]),
        ("write-via-stream", [file, 0]),
        ("append-via-stream", [file]),
    ]


def test_what_is_granted_to_be_read_can_be_changed_by_no_call(reader: Guest, data: Path) -> None:
    (above,) = reader.directories.values()
    inner = reader.open(above, "sub", "read")
    file = reader.open(above, "file", "read")
    before = snapshot(data)
    called = set()
    for directory in (above, inner):
        for method, args in mutations(directory, file):
            called.add(method)
            answer = reader(FILES + method, *args)
            assert answer["err"] in ("not-permitted", "bad-descriptor"), (method, answer)
    assert called >= {each.rpartition(".")[2] for each in wasi.CHANGES} - {"sync", "sync-data"}
    for method in ("sync", "sync-data"):
        assert reader(FILES + method, file) == DONE
    assert reader.changes == 0, "nothing of it ends a step"
    assert snapshot(data) == before


def test_with_write_the_same_calls_change_something(guest: Guest, top: int, data: Path) -> None:
    for method, args in mutations(top, guest.open(top, "file", "read", "write")):
        before, changes = snapshot(data), guest.changes
        answer = guest(FILES + method, *args)
        if method.endswith("via-stream") or args[1:] == [FOLLOW, "file", [], ["read", "write"]]:
            assert guest.changes == changes, "opening alone changes nothing"
            continue
        assert guest.changes == changes + 1, method
        if "err" in answer:
            assert answer["err"] in ("exist", "not-empty", "no-entry", "loop"), (method, answer)
        elif method != "set-times-at":  # which sets what is so already
            assert snapshot(data) != before, method


# Files


def test_files_are_read_at_any_place_and_end(guest: Guest, top: int) -> None:
    file = guest.open(top, "file", "read")
    assert guest(f"{FILES}read", file, 4, 3) == {"ok": [b"3456", False]}
    assert guest(f"{FILES}read", file, 100, 8) == {"ok": [b"89", False]}
    assert guest(f"{FILES}read", file, 100, 10) == {"ok": [b"", True]}
    assert guest(f"{FILES}read", file, 0, 10) == {"ok": [b"", False]}
    assert guest(f"{FILES}read", file, 1, (1 << 64) - 1) == {"err": "invalid"}
    assert guest(f"{FILES}read", top, 1, 0) == {"err": "is-directory"}
    stream = guest(f"{FILES}read-via-stream", file, 2)["ok"]
    guest.drop(file)  # a stream goes on by itself
    assert guest(f"{IN}read", stream, 3) == {"ok": b"234"}
    assert guest(f"{IN}skip", stream, 2) == {"ok": 2}
    assert guest(f"{IN}blocking-read", stream, 100) == {"ok": b"789"}
    assert guest(f"{IN}read", stream, 0) == {"ok": b""}
    assert guest(f"{IN}read", stream, 1) == {"err": "closed"}
    assert guest(f"{IN}blocking-skip", stream, 1) == {"err": "closed"}
    assert guest("io/poll#poll", [guest(f"{IN}subscribe", stream)]) == [0]
    assert guest.changes == 0


def test_one_answer_has_a_bound(guest: Guest, top: int, data: Path) -> None:
    (data / "large").write_bytes(b"x" * (3 * READ_MAX))
    file = guest.open(top, "large", "read")
    data_, at_end = guest(f"{FILES}read", file, 1 << 60, 0)["ok"]
    assert (len(data_), at_end) == (READ_MAX, False)
    stream = guest(f"{FILES}read-via-stream", file, 0)["ok"]
    assert len(guest(f"{IN}read", stream, 1 << 60)["ok"]) == READ_MAX
    assert guest(f"{IN}skip", stream, 1 << 60)["ok"] == 2 * READ_MAX


def test_files_are_written_at_any_place_and_cut_and_appended_to(
    guest: Guest, top: int, data: Path
) -> None:
    file = guest.open(top, "file", "write")
    assert guest(f"{FILES}write", file, b"ab", 4) == {"ok": 2}
    assert (data / "file").read_bytes() == b"0123ab6789"
    assert guest(f"{FILES}set-size", file, 6) == DONE
    stream = guest(f"{FILES}append-via-stream", file)["ok"]
    assert guest(f"{OUT}check-write", stream) == {"ok": WRITE_MAX}
    assert guest(f"{OUT}write", stream, b"end") == DONE
    assert guest(f"{OUT}blocking-write-zeroes-and-flush", stream, 2) == DONE
    with open(data / "file", "ab") as other:
        other.write(b"+")
    assert guest(f"{OUT}blocking-write-and-flush", stream, b"!") == DONE
    assert guest(f"{OUT}blocking-flush", stream) == DONE
    assert (data / "file").read_bytes() == b"0123abend\0\0+!"
    begin = guest(f"{FILES}write-via-stream", file, 1)["ok"]
    assert guest(f"{OUT}write", begin, b"X") == guest(f"{OUT}write", begin, b"Y") == DONE
    source = guest.open(top, "sub/leaf", "read")
    source = guest(f"{FILES}read-via-stream", source, 0)["ok"]
    assert guest(f"{OUT}splice", begin, source, 3) == {"ok": 3}
    assert guest(f"{OUT}blocking-splice", begin, source, 9) == {"ok": 1}
    assert guest(f"{OUT}splice", begin, source, 9) == {"err": "closed"}
    assert (data / "file").read_bytes() == b"0XYleafnd\0\0+!"
    assert guest.changes == 10
    assert guest(f"{FILES}read", file, 1, 0) == {"err": "bad-descriptor"}
    assert guest(f"{FILES}write", file, b"x", (1 << 63) - 1) == {"err": "invalid"}
    assert guest(f"{FILES}set-size", file, 1 << 63) == {"err": "invalid"}


def test_what_fails_in_a_stream_has_a_text_and_a_code(guest: Guest, top: int) -> None:
    file = guest.open(top, "file", "write")
    stream = guest(f"{FILES}write-via-stream", file, (1 << 63) - 2)["ok"]
    error = guest(f"{OUT}write", stream, b"too far")["err"]["last-operation-failed"]
    number = {"file-too-large": errno.EFBIG, "invalid": errno.EINVAL}[
        guest("filesystem/types#filesystem-error-code", error)
    ]
    assert guest("io/error#[method]error.to-debug-string", error) == os.strerror(number)


def test_a_file_is_not_spliced_into_the_log(guest: Guest, top: int) -> None:
    """The record has what became a line as an argument; here it would have nothing."""
    stream = guest(f"{FILES}read-via-stream", guest.open(top, "file", "read"), 0)["ok"]
    answer = guest(f"{OUT}splice", guest("cli/stdout#get-stdout"), stream, 9)
    assert "last-operation-failed" in answer["err"]
    assert guest.changes == 0


OPENS = [
    ("file", [], [], ["read"], "ok"),
    ("link", [], [], ["read"], "loop"),
    ("link", FOLLOW, [], ["read"], "ok"),
    ("escape", FOLLOW, [], ["read"], "not-permitted"),
    ("escape", [], ["create"], ["write"], "loop"),
    ("escape", FOLLOW, ["create"], ["write"], "not-permitted"),
    ("../secret", FOLLOW, [], ["read"], "not-permitted"),
    ("/secret", FOLLOW, ["create"], ["write"], "not-permitted"),
    ("new", FOLLOW, [], ["read"], "no-entry"),
    ("new", FOLLOW, ["create"], ["write"], "ok"),
    ("new", FOLLOW, ["create", "exclusive"], [], "ok"),
    ("file", FOLLOW, ["create", "exclusive"], ["write"], "exist"),
    ("link", FOLLOW, ["create", "exclusive"], ["write"], "exist"),
    ("new/", FOLLOW, ["create"], ["write"], "is-directory"),
    ("gone/new", FOLLOW, ["create"], ["write"], "no-entry"),
    ("file/new", FOLLOW, ["create"], ["write"], "not-directory"),
    ("sub", FOLLOW, ["directory"], ["read"], "ok"),
    ("sub", FOLLOW, [], ["read"], "ok"),
    ("sub", FOLLOW, [], ["read", "write"], "is-directory"),
    ("sub", FOLLOW, ["create"], ["write"], "is-directory"),
    ("sub", FOLLOW, ["truncate"], ["read"], "is-directory"),
    ("sub", FOLLOW, ["directory", "create"], ["read"], "invalid"),
    ("file", FOLLOW, ["directory"], ["read"], "not-directory"),
    ("", FOLLOW, [], ["read"], "no-entry"),
    ("a\0b", FOLLOW, ["create"], ["read"], "invalid"),
    (".", FOLLOW, [], ["read"], "ok"),
    ("..", FOLLOW, [], ["read"], "not-permitted"),
]


@pytest.mark.parametrize("way", ["kernel", "walk"])
@pytest.mark.parametrize(("path", "path_flags", "how", "flags", "expected"), OPENS)
def test_opening(
    guest: Guest,
    top: int,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    path: str,
    path_flags: list[str],
    how: list[str],
    flags: list[str],
    expected: str,
) -> None:
    if way == "walk":
        monkeypatch.setattr(paths, "_kernel_resolves", lambda: False)
    answer = guest(f"{FILES}open-at", top, path_flags, path, how, flags)
    assert answer.get("err", "ok") == expected
    may_change = not {"create", "truncate"}.isdisjoint(how)
    assert guest.changes == (may_change and "directory" not in how)


def test_truncate_empties_and_create_leaves_alone(guest: Guest, top: int, data: Path) -> None:
    guest.open(top, "file", "write", how=("create",))
    assert (data / "file").read_bytes() == b"0123456789"
    guest.open(top, "file", "write", how=("create", "truncate"))
    assert (data / "file").read_bytes() == b""


def test_a_link_to_nothing_is_created_through(guest: Guest, top: int, data: Path) -> None:
    (data / "soon").symlink_to("sub/soon")
    guest.open(top, "soon", "write", how=("create",))
    assert (data / "sub" / "soon").is_file()


def test_what_is_no_file_is_not_opened_and_nobody_hangs(guest: Guest, top: int, data: Path) -> None:
    os.mkfifo(data / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(data, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
        names = ["fifo", "socket"]
        try:
            os.mknod(data / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
            names.append("null")
        except PermissionError:
            pass
        for name in names:
            for how in ([], ["create"], ["truncate"]):
                for flags in (["read"], ["write"], ["read", "write"]):
                    answer = guest(f"{FILES}open-at", top, FOLLOW, name, how, flags)
                    assert answer == NOT_PERMITTED, (name, how, flags)
        types = dict(guest.names(top))
        assert (types["fifo"], types["socket"]) == ("fifo", "socket")
        assert guest(f"{FILES}stat-at", top, [], "fifo")["ok"]["type"] == "fifo"
        assert guest(f"{FILES}unlink-file-at", top, "fifo") == DONE


# Names


def test_a_directory_is_read_in_order_and_what_has_no_text_is_left_out(
    guest: Guest, top: int, data: Path
) -> None:
    for name in ("zz", "B", "a", "ä", "with space", "x\ny"):
        (data / "sub" / name).touch()
    os.mkdir(os.fsencode(data / "sub") + b"/\xff")
    names = [name for name, _ in guest.names(guest.open(top, "sub", "read"))]
    assert names == sorted(["zz", "B", "a", "ä", "with space", "x\ny", "leaf"])
    assert guest.names(top) == [
        ("escape", "symbolic-link"),
        ("file", "regular-file"),
        ("link", "symbolic-link"),
        ("sub", "directory"),
    ]


def test_making_moving_and_removing(guest: Guest, top: int, data: Path) -> None:
    def call(method: str, *args: Any) -> Any:
        return guest(FILES + method, *args)

    assert call("create-directory-at", top, "new/") == DONE
    assert call("create-directory-at", top, "new") == {"err": "exist"}
    assert call("create-directory-at", top, ".") == {"err": "exist"}
    assert call("create-directory-at", top, "../new") == NOT_PERMITTED
    assert call("create-directory-at", top, "gone/new") == {"err": "no-entry"}
    assert call("rename-at", top, "file", top, "new/file") == DONE
    assert call("rename-at", top, "new/file", top, "../file") == NOT_PERMITTED
    assert call("rename-at", top, "../secret", top, "secret") == NOT_PERMITTED
    assert call("rename-at", top, "new", top, "new/below") == {"err": "invalid"}
    assert call("rename-at", top, ".", top, "x") == {"err": "busy"}
    assert call("rename-at", top, "new", top, "sub/..") == {"err": "busy"}
    assert call("rename-at", top, "new/..", top, "x") == {"err": "busy"}
    assert call("rename-at", top, "new/file", top, "x/") == {"err": "not-directory"}
    assert call("link-at", top, [], "new/file", top, "hard") == DONE
    assert call("link-at", top, FOLLOW, "link", top, "hard2") == {"err": "invalid"}
    assert call("link-at", top, [], "../secret", top, "hard2") == NOT_PERMITTED
    assert call("stat-at", top, [], "hard")["ok"]["link-count"] == 2
    assert call("remove-directory-at", top, "new") == {"err": "not-empty"}
    assert call("remove-directory-at", top, "hard") == {"err": "not-directory"}
    assert call("remove-directory-at", top, "..") == {"err": "invalid"}
    assert call("unlink-file-at", top, "new") == {"err": "is-directory"}
    assert call("unlink-file-at", top, "hard/") == {"err": "not-directory"}
    assert call("unlink-file-at", top, "..") == NOT_PERMITTED
    assert call("unlink-file-at", top, "new/file") == DONE
    assert call("remove-directory-at", top, "new/") == DONE
    assert call("unlink-file-at", top, "escape") == DONE, "the link, not what it points to"
    assert (data.parent / "secret").exists()
    assert [name for name, _ in guest.names(top)] == ["hard", "link", "sub"]


def test_links_a_guest_makes_stay_below_themselves(guest: Guest, top: int, data: Path) -> None:
    symlink = f"{FILES}symlink-at"
    assert guest(symlink, top, "sub/leaf", "mine") == DONE
    assert guest(symlink, top, "not/there", "sub/mine") == DONE
    for target in ("/etc/passwd", "..", "../secret", "sub/../../secret", "a/..", "a\0b"):
        assert guest(symlink, top, target, "new") == NOT_PERMITTED, target
    assert guest(symlink, top, "", "new") == {"err": "no-entry"}
    assert guest(symlink, top, "file", "../new") == NOT_PERMITTED
    assert guest(symlink, top, "file", "new/") == {"err": "no-entry"}
    # One that was there may have any target; moved, it would point elsewhere.
    (data / "sub" / "up").symlink_to("../file")
    for method, *flags in (("rename-at",), ("link-at", [])):
        assert guest(FILES + method, top, *flags, "sub/up", top, "up") == NOT_PERMITTED
        assert guest(FILES + method, top, *flags, "escape", top, "sub/escape") == NOT_PERMITTED
    assert guest(f"{FILES}rename-at", top, "sub/up", top, "sub/up2") == DONE
    assert guest(f"{FILES}rename-at", top, "mine", top, "sub/mine") == DONE


def test_links_are_read_but_for_what_they_tell_of_outside(
    guest: Guest, top: int, data: Path
) -> None:
    readlink = f"{FILES}readlink-at"
    assert guest(readlink, top, "link") == {"ok": "sub/leaf"}
    assert guest(readlink, top, "escape") == {"ok": "../secret"}
    assert guest(readlink, top, "file") == {"err": "invalid"}
    (data / "host").symlink_to("/home/somebody")
    assert guest(readlink, top, "host") == NOT_PERMITTED
    os.symlink(b"\xff", data / "bytes")
    assert guest(readlink, top, "bytes") == {"err": "illegal-byte-sequence"}
    assert guest(readlink, top, "escape/x") == NOT_PERMITTED


def test_status_and_identity(guest: Guest, top: int, data: Path) -> None:
    os.utime(data / "file", ns=(7, 1_000_000_005))
    status = guest(f"{FILES}stat-at", top, FOLLOW, "file")["ok"]
    assert (status["type"], status["size"], status["link-count"]) == ("regular-file", 10, 1)
    assert status["data-access-timestamp"] == {"seconds": 0, "nanoseconds": 7}
    assert status["data-modification-timestamp"] == {"seconds": 1, "nanoseconds": 5}
    os.utime(data / "file", (-5, -5))
    assert guest(f"{FILES}stat-at", top, [], "file")["ok"]["data-access-timestamp"] is None
    assert guest(f"{FILES}stat-at", top, [], "link")["ok"]["type"] == "symbolic-link"
    assert guest(f"{FILES}stat-at", top, FOLLOW, "link")["ok"]["size"] == 4
    assert guest(f"{FILES}stat-at", top, FOLLOW, "escape") == NOT_PERMITTED
    leaf, same = guest.open(top, "link", "read"), guest.open(top, "sub/../sub/leaf", "read")
    other = guest.open(top, "file", "read")

    def hash_of(rep: int) -> Any:
        return guest(f"{FILES}metadata-hash", rep)["ok"]

    assert hash_of(leaf) == hash_of(same) != hash_of(other)
    assert guest(f"{FILES}metadata-hash-at", top, FOLLOW, "link")["ok"] == hash_of(leaf)
    assert guest(f"{FILES}is-same-object", leaf, same) is True
    assert guest(f"{FILES}is-same-object", leaf, other) is False
    assert guest(f"{FILES}advise", leaf, 0, 10, "normal") == DONE
    assert guest(f"{FILES}get-flags", leaf) == {"ok": ["read"]}
    assert guest(f"{FILES}stat-at", leaf, [], "x") == {"err": "not-directory"}


def test_times_are_set_or_left(guest: Guest, top: int, data: Path) -> None:
    os.utime(data / "file", ns=(5, 6))
    at = {"timestamp": {"seconds": 3, "nanoseconds": 4}}
    assert guest(f"{FILES}set-times-at", top, FOLLOW, "file", "no-change", at) == DONE
    status = (data / "file").stat()
    assert (status.st_atime_ns, status.st_mtime_ns) == (5, 3_000_000_004)
    assert guest(f"{FILES}set-times-at", top, [], "link", at, at) == DONE
    assert (data / "link").lstat().st_mtime_ns == 3_000_000_004
    assert (data / "sub" / "leaf").stat().st_mtime > 4
    assert guest(f"{FILES}set-times-at", top, FOLLOW, "escape", at, at) == NOT_PERMITTED
    file = guest.open(top, "file", "read")
    assert guest(f"{FILES}set-times", file, "now", "now") == DONE
    assert (data / "file").stat().st_mtime > 1_700_000_000
    for wrong in ({"seconds": 1 << 40, "nanoseconds": 0}, {"seconds": 1, "nanoseconds": 10**9}):
        answer = guest(f"{FILES}set-times", file, {"timestamp": wrong}, "no-change")
        assert answer == {"err": "invalid"}


# Limits, and what is gone


def test_so_many_may_be_open_and_no_more(guest: Guest, top: int) -> None:
    reps = []
    while "ok" in (answer := guest(f"{FILES}open-at", top, [], "file", [], ["read"])):
        reps.append(answer["ok"])
    assert answer == {"err": "insufficient-memory"} and len(reps) == OPEN_MAX
    assert guest(f"{FILES}read-via-stream", reps[0], 0) == answer
    assert guest(f"{FILES}read-directory", top) == answer
    guest.drop(reps[0])
    guest.open(top, "file", "read")
    open_before = len(os.listdir("/proc/self/fd"))
    guest.wasi.forget()
    assert len(os.listdir("/proc/self/fd")) == open_before - OPEN_MAX


def test_descriptors_and_streams_of_an_older_incarnation_are_gone(guest: Guest, top: int) -> None:
    dead = 77
    for method, args in mutations(dead, dead):
        assert guest(FILES + method, *args) == {"err": "io"}, method
    for method in ("stat", "get-flags", "get-type", "read-directory", "sync", "metadata-hash"):
        assert guest(FILES + method, dead) == {"err": "io"}
    entry = "filesystem/types#[method]directory-entry-stream.read-directory-entry"
    assert guest(entry, dead) == {"err": "io"}
    assert guest(f"{FILES}rename-at", top, "file", dead, "new") == {"err": "io"}
    for method, *args in (("write", b"x"), ("write-zeroes", 3), ("check-write",), ("flush",)):
        assert "last-operation-failed" in guest(OUT + method, dead, *args)["err"]
    assert "last-operation-failed" in guest(f"{IN}read", dead, 1)["err"]
    assert guest.changes == 0


def test_what_a_recorded_answer_has_opened_keeps_its_number(guest: Guest, top: int) -> None:
    guest.wasi.reserve(wasi.TYPES, "[method]descriptor.open-at", {"ok": 50})
    assert guest.open(top, "file", "read") == 51
    guest.wasi.reserve(wasi.TYPES, "[method]descriptor.read-via-stream", {"ok": 60})
    guest.wasi.reserve(wasi.TYPES, "[method]descriptor.read-directory", {"ok": 70})
    guest.wasi.reserve(wasi.TYPES, "[method]descriptor.write", {"ok": 5000})
    guest.wasi.reserve(wasi.TYPES, "[method]descriptor.open-at", {"err": "io"})
    assert guest.open(top, "file", "read") == 71


def test_the_answer_of_an_interrupted_call_is_one_of_its_type(guest: Guest) -> None:
    assert guest.wasi.resume(wasi.TYPES, [5]) == [{"err": "io"}]
    (told,) = guest.wasi.resume(wasi.STREAMS, [5])
    error = told["err"]["last-operation-failed"]
    text = guest("io/error#[method]error.to-debug-string", error)
    assert text == "interrupted: outcome unknown"
    assert guest("filesystem/types#filesystem-error-code", error) == "io"


def test_nothing_is_changed_while_a_component_starts(guest: Guest, top: int, data: Path) -> None:
    """There is no turn yet to commit that it is to be done; to look is fine."""
    box = BlackBox(os.memfd_create("box"))
    recorder = Recorder([], guest.wasi, box, {each: dict(wasi.WORLD[each]) for each in wasi.WORLD})
    look = recorder.call(wasi.TYPES, wasi.OPEN, [top, [], "file", [], ["read"]])
    assert "ok" in look
    with pytest.raises(Abort, match="open-at changes something outside, and was called while"):
        recorder.call(wasi.TYPES, wasi.OPEN, [top, [], "new", ["create"], ["read"]])
    assert not (data / "new").exists()


def test_what_a_component_opens_when_it_starts_is_not_taken_for_what_its_record_has_open(
    guest: Guest, top: int, data: Path
) -> None:
    """The older instance did not find the file yet when it started, and opened it in its turn."""
    recorder = Recorder(
        [],
        guest.wasi,
        BlackBox(os.memfd_create("box")),
        {each: dict(wasi.WORLD[each]) for each in wasi.WORLD},
    )
    called: tuple[str, str, list[Any]] = ("i", "f", [None, []])
    look = [top, [], "file", [], ["read"]]
    make = [top, [], "file", ["create"], ["read", "write"]]
    started: list[int] = []

    def start() -> None:
        started.append(recorder.call(wasi.TYPES, wasi.OPEN, look)["ok"])

    start()
    recorded = started[0]  # the same number
    events = [
        Event("a", 1, 2, 0, EventType.WASM_CALL, *called),
        Event("a", 1, 2, 1, EventType.HOST_CALL, wasi.TYPES, wasi.OPEN, [make]),
        Event("a", 1, 2, 2, EventType.HOST_ANSWER, wasi.TYPES, wasi.OPEN, [{"ok": recorded}]),
    ]
    turn = TurnRecord("a", 2, 2, 1 << 20, 1 << 20)
    turn.go_on(1, 3, 100, 0, ())
    recorder.carry_on(turn, *called, Journal(events, wasi.WORLD), lambda value: value, start)
    assert recorder.call(wasi.TYPES, wasi.OPEN, make) == {"ok": recorded}
    size = "[method]descriptor.set-size"
    assert recorder.call(wasi.TYPES, size, [recorded, 1]) == {"err": "io"}
    assert recorder.call(wasi.TYPES, "[method]descriptor.read", [recorded, 9, 0]) == {"err": "io"}
    read = recorder.call(wasi.TYPES, "[method]descriptor.read", [started[-1], 9, 0])
    assert read["ok"][0] == b"012345678"


# Anything at all


def a_path(dice: random.Random) -> str:
    parts = dice.choices(["a", "b", "c", "..", ".", "out", "x"], [5, 5, 5, 5, 1, 2, 2], k=4)
    path = "/".join(parts[: dice.randint(1, 4)])
    return path + "/" if dice.random() < 0.1 else path


def any_call(dice: random.Random, above: list[int], files: list[int]) -> tuple[str, list[Any]]:
    one, two = dice.choice(above), dice.choice(above)
    path, other = a_path(dice), a_path(dice)
    follow = dice.choice([[], FOLLOW])
    how = [each for each in ("create", "exclusive", "truncate") if dice.random() < 0.4]
    flags = [each for each in ("read", "write") if dice.random() < 0.7]
    return dice.choice(
        [
            ("open-at", [one, follow, path, how, flags]),
            ("open-at", [one, follow, path, ["directory"], ["read"]]),
            ("write", [dice.choice(files), b"written", 0]),
            ("set-times-at", [one, follow, path, "now", "now"]),
            ("create-directory-at", [one, path]),
            ("remove-directory-at", [one, path]),
            ("unlink-file-at", [one, path]),
            ("rename-at", [one, path, two, other]),
            ("rename-at", [one, path, two, other]),
            ("link-at", [one, follow, path, two, other]),
            ("symlink-at", [one, other, path]),
            ("stat-at", [one, follow, path]),
        ]
    )


@pytest.mark.parametrize("way", ["kernel", "walk"])
def test_whatever_is_called_nothing_outside_changes_or_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "walk":
        monkeypatch.setattr(paths, "_kernel_resolves", lambda: False)
    done = 0
    for seed in range(SEEDS):
        dice = random.Random(seed)
        world = tmp_path / str(seed)
        granted, outside = world / "granted", world / "out"
        (granted / "a" / "b").mkdir(parents=True)
        (granted / "b").mkdir()
        (outside / "a").mkdir(parents=True)
        (outside / "x").write_bytes(b"outside")
        (granted / "out").symlink_to("../out")
        (granted / "a" / "out").symlink_to("../../out/a")
        (granted / "b" / "c").symlink_to(str(outside))
        (granted / "x").write_bytes(b"inside")
        before = snapshot(outside)
        guest = Guest(Preopen(str(granted), "/data", write=True))
        (top,) = guest.directories.values()
        above, files = [top], [guest.open(top, "x", "read", "write")]
        for _ in range(150):
            method, args = any_call(dice, above, files)
            answer = guest(FILES + method, *args)
            done += "ok" in answer
            if method == "open-at" and "ok" in answer:
                kind = guest(f"{FILES}get-type", answer["ok"])["ok"]
                (above if kind == "directory" else files).append(answer["ok"])
        guest.close()
        assert snapshot(outside) == before, f"seed {seed}"
        targets = {os.readlink(path) for path in granted.rglob("*") if path.is_symlink()}
        for target in targets - {"../out", "../../out/a", str(outside)}:
            assert ".." not in target and target[0] != "/", f"seed {seed}"
    assert done > 20 * SEEDS, "nearly nothing has worked"


def test_the_codes_of_the_kernel_are_those_of_wasi() -> None:
    from theater.worker.wasi.errors import APART, CODES, code_of

    assert code_of(OSError(errno.ENOENT, "")) == "no-entry"
    assert code_of(OSError(errno.EXDEV, "")) == "not-permitted"
    assert code_of(OSError(errno.EXDEV, ""), APART) == "cross-device"
    assert code_of(OSError(errno.EHOSTDOWN, "")) == "io"
    assert len(set(CODES.values())) > 30
