"""The files of stores: whole under their hashes, and nothing that leads elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from theater.stores import UNFINISHED, Access, directory_of, hash_of
from theater.worker.contents import Contents
from theater.worker.handlers import ASK
from theater.worker.handlers.store import Store

ACTOR, MAX = "a", 1000
HELLO = b"hello"
HASH = hash_of(HELLO)
OK = {"ok": None}
REF = {"hash": HASH}
ABSENT = {"hash": "0" * 64}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "store" / UNFINISHED).mkdir(parents=True)
    return tmp_path / "store"


def contents(directory: Path, syncs: bool = False, actor: str = ACTOR) -> Contents:
    found = Contents(str(directory), actor, syncs)
    found.open()
    return found


@pytest.fixture
def store(directory: Path) -> Iterator[Store]:
    access = Access.of(ACTOR, {"shared": ["s"], "read_only": ["r"]})
    yield Store(access, contents(directory), MAX, lambda: "a:7:3")


def file(directory: Path, store: str = "s", hash: str = HASH) -> Path:
    return directory / directory_of(store) / hash


def put(directory: Path, store: str = "s", content: bytes = HELLO) -> Path:
    """As another actor has."""
    contents(directory, actor="b").keep(store, hash_of(content), content)
    return file(directory, store, hash_of(content))


@pytest.mark.parametrize(
    ("function", "arguments", "answer"),
    [
        ("new", [], {"ok": "a:7:3"}),
        ("store", ["s", HELLO], {"ok": REF}),
        ("store", ["a:7:3", HELLO], {"ok": REF}),
        ("store", ["s", b""], {"ok": {"hash": hash_of(b"")}}),
        ("store", ["s", b"x" * 1000], {"ok": {"hash": hash_of(b"x" * 1000)}}),
        ("store", ["s", b"x" * 1001], "too-large: 1001 bytes; a content has at most 1000"),
        ("store", ["r", HELLO], "refused: the manifest of a grants store"),
        ("store", ["nobody", HELLO], "refused: the manifest of a does not grant store"),
        ("store", ["b:7:3", HELLO], "refused: "),
        ("get", ["r", REF], {"ok": HELLO}),
        ("get", ["s", ABSENT], "no-content: store"),
        ("get", ["a:1:1", REF], "no-content: store"),
        ("get", ["s", {"hash": "../x"}], 'refused: "../x" is not the hash'),
        ("get", ["nobody", REF], "refused: "),
        ("exists", ["r", REF], {"ok": True}),
        ("exists", ["s", ABSENT], {"ok": False}),
        ("exists", ["a:1:1", REF], {"ok": False}),
        ("exists", ["s", {"hash": ""}], "refused: "),
        ("exists", ["nobody", REF], "refused: "),
        ("label", ["there", "l", REF], "refused: "),
        ("label", ["s", "l", ABSENT], "no-content: "),
        ("label", ["s", "", REF], "refused: a label cannot be empty"),
        ("label", ["s", "l", {"hash": "x"}], "refused: "),
        ("label", ["r", "l", REF], "refused: "),
        ("replace-at-label", ["s", "l", ABSENT], "no-content: "),
        ("replace-at-label", ["r", "l", REF], "refused: "),
        ("remove-label", ["s", "l"], OK),
        ("remove-label", ["s", "\n"], "refused: "),
        ("remove-label", ["r", "l"], "refused: "),
        ("remove-from-label", ["s", "l", ABSENT], OK),
        ("remove-from-label", ["s", "l", {"hash": "x"}], "refused: "),
        ("remove-from-label", ["r", "l", REF], "refused: "),
        ("store-at-label", ["s", "l", HELLO], {"ok": REF}),
        ("store-at-label", ["s", "x" * 256, HELLO], "too-large: a label of 256 bytes"),
        ("store-at-label", ["s", "l", b"x" * 1001], "too-large: "),
        ("store-at-label", ["r", "l", HELLO], "refused: "),
        ("replace-content-at-label", ["s", "l", HELLO], {"ok": REF}),
        ("replace-content-at-label", ["r", "l", HELLO], "refused: "),
        ("get-by-label", ["r", "l"], ASK),
        ("get-by-label", ["s", ""], "refused: "),
        ("get-by-label", ["nobody", "l"], "refused: "),
        *((each, ["r"], ASK) for each in ("list-labels", "list-all-content")),
        ("calculate-total-size", ["s"], ASK),
        *((each, ["nobody"], "refused: ") for each in ("list-labels", "list-all-content")),
        ("calculate-total-size", ["nobody"], "refused: "),
    ],
)
def test_every_function_answers_what_can_be_known_here(
    store: Store, directory: Path, function: str, arguments: list[Any], answer: Any
) -> None:
    put(directory, "r")
    found = store.call(function, arguments)
    if isinstance(answer, str):
        assert list(found) == ["err"] and found["err"].startswith(answer), found
    else:
        assert found == answer


@pytest.mark.parametrize("function", ["label", "replace-at-label"])
def test_what_is_there_can_be_labelled(store: Store, directory: Path, function: str) -> None:
    put(directory)
    assert store.call(function, ["s", "l", REF]) == OK


def test_what_there_is_not_raises(store: Store) -> None:
    with pytest.raises(LookupError):
        store.call("forget", ["s"])


@pytest.mark.parametrize("syncs", [False, True])
def test_a_content_is_a_private_file_by_its_hash(directory: Path, syncs: bool) -> None:
    contents(directory, syncs).keep("s", HASH, HELLO)
    path = file(directory)
    assert path.read_bytes() == HELLO
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert list((directory / UNFINISHED).iterdir()) == []
    written = path.stat().st_ino
    contents(directory, syncs).keep("s", HASH, HELLO)
    assert path.stat().st_ino == written, "what is there is not written again"


@pytest.mark.parametrize("damage", [b"", b"hellp", b"hello!", b"x" * 5000])
def test_what_is_not_what_its_name_says_is_told_and_mended(
    store: Store, directory: Path, damage: bytes
) -> None:
    put(directory).write_bytes(damage)
    answer = store.call("get", ["s", REF])
    assert answer["err"].startswith("too-large: " if len(damage) > MAX else "failed: the file of")
    assert store.call("store", ["s", HELLO]) == {"ok": REF}
    assert store.call("get", ["s", REF]) == {"ok": HELLO}


def test_no_link_is_followed(store: Store, directory: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(HELLO)
    path = put(directory)
    path.unlink()
    path.symlink_to(secret)
    assert store.call("get", ["s", REF])["err"].startswith("failed: ")
    assert store.call("exists", ["s", REF])["err"].startswith("failed: ")
    assert store.call("label", ["s", "l", REF])["err"].startswith("failed: ")
    assert store.call("store", ["s", HELLO]) == {"ok": REF}
    assert not path.is_symlink() and secret.read_bytes() == HELLO


def test_no_directory_is_a_link(store: Store, directory: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / HASH).write_bytes(HELLO)
    (directory / directory_of("s")).symlink_to(elsewhere)
    for function, arguments in (("get", [REF]), ("exists", [REF]), ("store", [b"more"])):
        assert store.call(function, ["s", *arguments])["err"].startswith("failed: ")
    assert os.listdir(elsewhere) == [HASH]
    for name in (directory, directory / UNFINISHED):
        name.rename(tmp_path / "away")
        name.symlink_to(tmp_path / "away")
        with pytest.raises(OSError):
            contents(directory)
        name.unlink()
        (tmp_path / "away").rename(name)


@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_what_is_no_file_is_no_content(store: Store, directory: Path, kind: str) -> None:
    path = put(directory)
    path.unlink()
    path.mkdir() if kind == "directory" else os.mkfifo(path)
    assert store.call("exists", ["s", REF]) == {"ok": False}
    assert store.call("label", ["s", "l", REF])["err"].startswith("no-content: ")
    assert store.call("get", ["s", REF])["err"].startswith("failed: ")


def test_what_a_dead_worker_began_is_written_over(directory: Path) -> None:
    left = directory / UNFINISHED / directory_of(ACTOR)
    left.write_bytes(b"half of a very long content")
    contents(directory).keep("s", HASH, HELLO)
    assert file(directory).read_bytes() == HELLO and not left.exists()


def test_a_disk_that_takes_nothing_is_an_error(
    store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        assert store.call("store", ["s", HELLO]) == {"err": "failed: No space left on device"}
    assert list((directory / UNFINISHED).iterdir()) == []
    assert store.call("exists", ["s", REF]) == {"ok": False}


def test_the_hash_of_what_is_in_another_store_gives_nothing(store: Store, directory: Path) -> None:
    put(directory, "nobody")
    assert store.call("exists", ["s", REF]) == {"ok": False}
    assert store.call("get", ["s", REF])["err"].startswith("no-content: ")


def test_all_is_on_the_disk_in_order_before_it_is_answered(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def names(descriptor: int) -> str:
        return os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))

    def sync(descriptor: int) -> None:
        done.append(f"sync {names(descriptor)}")

    real = os.rename

    def rename(source: str, target: str, **where: int) -> None:
        done.append(f"rename {target}")
        real(source, target, **where)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "rename", rename)
    found = contents(directory, syncs=True)
    lasting = [f"sync {directory_of('s')}", "sync store"]
    found.keep("s", HASH, HELLO)
    assert done == [f"sync {directory_of(ACTOR)}", f"rename {HASH}", *lasting]
    done.clear()
    found.keep("s", HASH, HELLO)  # whoever wrote it may have died before it synced
    assert done == [f"sync {HASH}", *lasting]
    done.clear()
    found.secure("s", HASH)
    assert done == [f"sync {HASH}", *lasting]
    done.clear()
    contents(directory).keep("s", hash_of(b"x"), b"x")
    assert done == [f"rename {hash_of(b'x')}"]
