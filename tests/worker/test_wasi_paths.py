"""What a path names below a directory, and that nothing else can be named: by the kernel's way of
resolving it and by ours, against a plain model."""

from __future__ import annotations

import errno
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from theater.worker.wasi import paths

SEEDS = 150
WAYS = ["kernel", "walk"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "walk":
        monkeypatch.setattr(paths, "_kernel_resolves", lambda: False)
    elif not paths._kernel_resolves():
        pytest.skip("this kernel has no openat2")
    return str(request.param)


@pytest.fixture
def granted(tmp_path: Path) -> Iterator[int]:
    """A descriptor of `in`, which has a bit of everything in it; beside it lies what is secret."""
    outside, inside = tmp_path / "out", tmp_path / "in"
    (outside / "deep").mkdir(parents=True)
    (outside / "secret").write_text("secret")
    (inside / "a" / "b").mkdir(parents=True)
    (inside / "file").write_text("file")
    (inside / "a" / "b" / "leaf").write_text("leaf")
    links = {
        "up": "..",
        "out": "../out",
        "absolute": str(outside),
        "root": "/",
        "proc": "/proc/self/root",
        "file-link": "file",
        "to-b": "a/b",
        "a/back": "../file",
        "a/b/far": "../../file",
        "a/b/too-far": "../../../out/secret",
        "through": "out/secret",
        "loop": "pool",
        "pool": "loop",
        "nowhere": "not-there",
        "slash": "file/",
        "dot": ".",
    }
    for name, target in links.items():
        (inside / name).symlink_to(target)
    os.mkfifo(inside / "fifo")
    fd = os.open(inside, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def look(fd: int, path: str, follow: bool = True) -> str:
    """What is found: the content of a file, the kind of another thing, or the error."""
    try:
        found = paths.find(fd, path, follow)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    try:
        target = os.readlink(f"/proc/self/fd/{found}")
        if os.path.isfile(f"/proc/self/fd/{found}") and not os.path.islink(target):
            return Path(target).read_text()
        return "link" if os.path.islink(target) else "directory" if os.path.isdir(target) else "?"
    finally:
        os.close(found)


ESCAPES = [
    *("..", "../", "../out/secret", "../in/file", "a/../../out", "a/b/../../..", "a/../.."),
    *("/", "/etc/passwd", "//etc", "/in/file", "up", "up/out/secret", "out", "out/secret"),
    *("absolute", "absolute/secret", "root", "root/etc/passwd", "proc", "proc/etc/passwd"),
    *("a/b/too-far", "through", "to-b/too-far", "to-b/../../../out", "dot/../..", "./../out"),
]
WITHIN = {
    "file": "file",
    "./file": "file",
    "a//b///leaf": "leaf",
    "a/../file": "file",
    "a/b/../../file": "file",
    "to-b/leaf": "leaf",
    "to-b/../b/leaf": "leaf",
    "file-link": "file",
    "a/back": "file",
    "a/b/far": "file",
    "to-b/far": "file",
    "dot/a/back": "file",
    ".": "directory",
    "a/..": "directory",
    "to-b": "directory",
    "a/b/": "directory",
    "fifo": "?",
    "loop": "ELOOP",
    "nowhere": "ENOENT",
    "not-there/..": "ENOENT",
    "file/": "ENOTDIR",
    "file/.": "ENOTDIR",
    "file/..": "ENOTDIR",
    "file/x": "ENOTDIR",
    "slash": "ENOTDIR",
    "": "ENOENT",
    "a\0b": "EINVAL",
    "x" * 300: "ENAMETOOLONG",
    "a/" * 3000: "ENAMETOOLONG",
    "\ud800": "EILSEQ",
}


@pytest.mark.parametrize("path", ESCAPES)
def test_no_path_leads_out(way: str, granted: int, path: str) -> None:
    assert look(granted, path) == "EXDEV"
    with pytest.raises(OSError) as caught:
        os.close(paths.create(granted, f"{path}/new", os.O_CREAT | os.O_WRONLY, 0o600, True))
    assert caught.value.errno in (errno.EXDEV, errno.ENOTDIR)


@pytest.mark.parametrize("path", WITHIN)
def test_what_stays_within_is_found_as_anywhere(way: str, granted: int, path: str) -> None:
    assert look(granted, path) == WITHIN[path]


def test_a_link_itself_can_be_named_wherever_it_points(way: str, granted: int) -> None:
    for path in ("out", "absolute", "root", "loop", "a/b/too-far", "to-b", "nowhere"):
        assert look(granted, path, follow=False) == "link"
    assert look(granted, "to-b/", follow=False) == "directory"
    assert look(granted, "out/", follow=False) == "EXDEV"


def test_magic_links_are_not_followed(way: str) -> None:
    """They lead to wherever a process is or what it has open, and are no text to be resolved."""
    proc = os.open("/proc/self", os.O_RDONLY | os.O_DIRECTORY)
    opened = os.open("/etc/hostname", os.O_RDONLY)
    try:
        for path in ("cwd", "root", "exe", f"fd/{opened}", "cwd/x", f"task/../fd/{opened}"):
            with pytest.raises(OSError) as caught:
                os.close(paths.find(proc, path, follow=True))
            assert caught.value.errno in (errno.EXDEV, errno.ELOOP)
    finally:
        os.close(proc)
        os.close(opened)


@pytest.mark.parametrize("path", ["out/new", "up/new", "absolute/new", "../new", "a/../../new"])
def test_nothing_is_made_outside(way: str, granted: int, path: str, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OSError):
        paths.create(granted, path, os.O_CREAT | os.O_WRONLY, 0o600, follow=True)
    with pytest.raises(OSError), paths.parent(granted, path):
        pass
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_to_what_is_not_there_makes_it_there_or_not_at_all(
    way: str, granted: int, tmp_path: Path
) -> None:
    (tmp_path / "in" / "out-new").symlink_to("../out/new")
    (tmp_path / "in" / "a" / "deep-new").symlink_to("b/new")
    flags = os.O_CREAT | os.O_WRONLY
    for path in ("out-new", "loop"):
        with pytest.raises(OSError):
            paths.create(granted, path, flags, 0o600, follow=True)
    for follow in (True, False):
        with pytest.raises(FileExistsError):
            paths.create(granted, "nowhere", flags | os.O_EXCL, 0o600, follow)
    with pytest.raises(OSError) as caught:
        paths.create(granted, "nowhere", flags, 0o600, follow=False)
    assert caught.value.errno == errno.ELOOP
    for path, there in (("nowhere", "not-there"), ("a/deep-new", "a/b/new")):
        os.close(paths.create(granted, path, flags, 0o600, follow=True))
        assert (tmp_path / "in" / there).is_file()
    assert sorted(os.listdir(tmp_path / "out")) == ["deep", "secret"]


@pytest.mark.parametrize("path", [".", "..", "a/..", "a/.", "/", "", "//"])
def test_a_name_that_is_none_has_no_parent(way: str, granted: int, path: str) -> None:
    with pytest.raises(OSError), paths.parent(granted, path):
        pass


def test_somebody_who_swaps_a_directory_for_a_link_gains_nothing(way: str, tmp_path: Path) -> None:
    """The classic race: between the look at a directory and the step into it, it becomes a link."""
    secret = tmp_path / "out"
    secret.mkdir()
    (secret / "x").write_text("secret")
    inside = tmp_path / "in"
    (inside / "d").mkdir(parents=True)
    (inside / "d" / "x").write_text("open")
    (inside / "link").symlink_to("../out")
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            os.rename(inside / "d", inside / "t")
            os.rename(inside / "link", inside / "d")
            os.rename(inside / "d", inside / "link")
            os.rename(inside / "t", inside / "d")

    thread = threading.Thread(target=swap)
    fd = os.open(inside, os.O_RDONLY | os.O_DIRECTORY)
    thread.start()
    try:
        seen: set[bytes | None] = set()
        tries, deadline_s = 0, time.monotonic() + 30.0
        while tries < 1500 or (b"open" not in seen and time.monotonic() < deadline_s):
            seen |= {_read(fd, path) for path in ("d/x", "d/../d/x")}
            tries += 1
    finally:
        over.set()
        thread.join()
        os.close(fd)
    assert b"secret" not in seen
    assert b"open" in seen


def _read(fd: int, path: str) -> bytes | None:
    try:
        found = paths.find(fd, path, follow=True)
    except OSError:
        return None
    try:
        opened = paths.open_again(found, os.O_RDONLY)
    finally:
        os.close(found)
    try:
        return os.read(opened, 100)
    finally:
        os.close(opened)


# A model: a tree as a dict, a link as a str, a file as its number.

Tree = dict[str, "Tree | str | int"]


class Failed(Exception):
    pass


def resolve(root: Tree, path: str, follow: bool) -> Tree | str | int:
    """Textbook path resolution, in a world where nothing is above `root`."""
    way: list[Tree] = [root]
    found: Tree | str | int = root
    todo = path.split("/")
    wants_directory = False
    links = 0
    while todo:
        name = todo.pop(0)
        if not isinstance(found, dict):
            raise Failed("ENOTDIR")
        if name in ("", "."):
            continue
        if name == "..":
            way.pop()
            if not way:
                raise Failed("EXDEV")
            found = way[-1]
            continue
        if name not in found:
            raise Failed("ENOENT")
        child = found[name]
        if isinstance(child, str) and (todo or follow or wants_directory):
            links += 1
            if links > 40:
                raise Failed("ELOOP")
            if child.startswith("/"):
                raise Failed("EXDEV")
            todo = child.split("/") + todo
            continue
        found = child
        if isinstance(found, dict):
            way.append(found)
    return found


NAMES = "abcd"


def a_tree(dice: random.Random, depth: int = 3) -> Tree:
    tree: Tree = {}
    for name in NAMES:
        kind = dice.random()
        if kind < 0.4 and depth:
            tree[name] = a_tree(dice, depth - 1)
        elif kind < 0.7:
            tree[name] = a_path(dice, 0.06)
        elif kind < 0.9:
            tree[name] = dice.getrandbits(60)
    return tree


def a_path(dice: random.Random, absolute: float = 0.03) -> str:
    parts = dice.choices([*NAMES, "..", ".", ""], [4, 4, 4, 4, 6, 1, 1], k=dice.randint(1, 6))
    path = "/".join(parts).lstrip("/") or "a"
    return "/" + path if dice.random() < absolute else path


def build(tree: Tree, where: Path, ids: dict[tuple[int, int], Tree | str | int]) -> None:
    where.mkdir()
    for name, node in tree.items():
        path = where / name
        if isinstance(node, dict):
            build(node, path, ids)
        elif isinstance(node, str):
            path.symlink_to(node)
        else:
            path.write_text(str(node))
        status = path.lstat()
        ids[status.st_dev, status.st_ino] = node


@pytest.mark.parametrize("way_name", WAYS)
def test_in_any_tree_any_path_leads_where_the_model_says(
    way_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way_name == "walk":
        monkeypatch.setattr(paths, "_kernel_resolves", lambda: False)
    for seed in range(SEEDS):
        dice = random.Random(seed)
        tree = a_tree(dice)
        ids: dict[tuple[int, int], Tree | str | int] = {}
        root = tmp_path / f"{seed}"
        build(tree, root, ids)
        status = root.stat()
        ids[status.st_dev, status.st_ino] = tree
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for _ in range(60):
                path, follow = a_path(dice), dice.random() < 0.7
                if path.startswith("/"):
                    expected: object = "EXDEV"
                else:
                    try:
                        expected = resolve(tree, path, follow)
                    except Failed as error:
                        expected = str(error)
                found = _identify(fd, path, follow, ids)
                same = found is expected or (isinstance(found, str) and found == expected)
                assert same, f"seed {seed}, {path!r}, follow={follow}: {found}, not {expected}"
        finally:
            os.close(fd)


def _identify(
    fd: int, path: str, follow: bool, ids: dict[tuple[int, int], Tree | str | int]
) -> object:
    try:
        found = paths.find(fd, path, follow)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    status = os.fstat(found)
    os.close(found)
    assert (status.st_dev, status.st_ino) in ids, f"{path!r} led out"
    return ids[status.st_dev, status.st_ino]
