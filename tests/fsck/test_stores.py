"""The files of stores beside the log, and a log that says what no worker may say of stores."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.broker.logged import order
from tests.broker.test_stores import call, ref
from tests.broker.whole import Whole, give
from tests.fsck.conftest import Damaged
from theater.events import EventType
from theater.stores import Access, directory_of, hash_of

X = hash_of(b"x")


def file(damaged: Damaged, content: bytes = b"x") -> Path:
    return damaged.path.parent / "store" / directory_of("s") / hash_of(content)


def test_a_file_that_is_missing_is_told(damaged: Damaged) -> None:
    file(damaged).unlink()
    expected = (
        f'store "s", content {X[:16]}: its file is not there; should be there, and what its name'
    )
    assert damaged.check()[0] == [f"{expected} says"]


def test_a_file_that_is_something_else_is_told(damaged: Damaged) -> None:
    file(damaged).write_bytes(b"y")
    found = f"its file has hash {hash_of(b'y')[:16]}; should be that of its name"
    assert damaged.check()[0] == [f'store "s", content {X[:16]}: {found}']


def test_a_link_is_no_file(damaged: Damaged) -> None:
    file(damaged).rename(elsewhere := damaged.path.parent / "elsewhere")
    file(damaged).symlink_to(elsewhere)
    (found,) = damaged.check()[0]
    assert "its file Too many levels of symbolic links" in found


def test_a_file_that_nothing_refers_to_is_nobodys_concern(damaged: Damaged) -> None:
    file(damaged, b"a turn that never committed").write_bytes(b"a turn that never committed")
    assert damaged.check()[0] == []


def test_a_log_without_its_files_is_whole_and_says_so(damaged: Damaged) -> None:
    shutil.rmtree(damaged.path.parent / "store")
    found, summary = damaged.check()
    assert found == ["the files of stores are not here: 5 contents not looked at"]
    assert summary.problems == 0


# What a broker that believed everything would have written.


@pytest.mark.parametrize(
    ("function", "arguments", "answer", "expected"),
    [
        ("store", ["nobody", b"x"], {"ok": ref(b"x")}, "does not grant store"),
        ("store", ["s", b"x"], {"ok": ref(b"y")}, "the answer of store is not the hash"),
        ("get", ["s", ref(b"x")], {"ok": b"y"}, "a content that is not the one of this hash"),
        ("label", ["r", "l", ref(b"x")], {"ok": None}, "read-only"),
        ("label", ["s", "", ref(b"x")], {"ok": None}, "a label cannot be empty"),
        ("new", [], {"ok": "a:9:9"}, "not called after the call that made it"),
        ("label", ["s", "l"], {"ok": None}, "a call with payload"),
    ],
)
def test_what_no_worker_may_have_said_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    arguments: list[object],
    answer: object,
    expected: str,
) -> None:
    monkeypatch.setattr("theater.broker.stores.check", lambda *_: [])
    grants = {"store": {"shared": ["s"], "read_only": ["r"]}}
    system = Whole(tmp_path, order("a", grants=grants))
    system.start("a")
    worker = give(system, "a")
    call(worker, function, arguments, answer)
    worker.end(None)
    system.step()
    (found,) = system.problems()
    assert found.startswith("a, turn 2, position ") and expected in found, found


@pytest.mark.parametrize(
    ("function", "arguments", "value"),
    [
        ("get-by-label", ["s", "l"], {"ok": ref(b"y")}),
        ("get-by-label", ["s", "l"], {"ok": None}),
        ("list-labels", ["s"], {"ok": ["l", "m"]}),
        ("list-labels", ["s"], {"err": "failed: no"}),
        ("list-all-content", ["s"], {"ok": []}),
        ("calculate-total-size", ["s"], {"ok": 2}),
    ],
)
def test_an_answer_that_was_not_so_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    arguments: list[object],
    value: dict[str, object],
) -> None:
    system = Whole(tmp_path, order("a", grants={"store": {"shared": ["s"]}}))
    system.start("a")
    worker = give(system, "a")
    call(worker, "store-at-label", ["s", "l", b"x"], {"ok": ref(b"x")})
    monkeypatch.setattr("theater.broker.stores.answer", lambda *_: value)
    call(worker, function, arguments)
    worker.commit()
    assert worker.record is not None
    worker.record.answered("theater:simple/store", function, value)
    worker.end(None)
    system.step()
    (found,) = [each for each in system.problems() if "files of stores" not in each]
    assert f'an answer of {function} of store "s"; should be what was so when it was asked' in found


def test_every_answer_that_was_so_is_whole(tmp_path: Path) -> None:
    system = Whole(tmp_path, order("a", grants={"store": {}}))
    system.start("a")
    assert system.actor("a").settings.stores == Access.of("a", {})
    worker = give(system, "a")
    assert worker.record is not None
    worker.record.add(EventType.HOST_CALL, "theater:simple/store", "new", [[], {"ok": "a:2:1"}])
    worker.end(None)
    system.step()
    assert system.problems() == []
