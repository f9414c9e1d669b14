"""What changes something outside is done when that it is to be done is committed, and at most once
or with the same key, whenever the worker dies."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real.conftest import COMPONENTS, Theater
from tests.waiting import eventually
from theater.client import System

HERE = Path(__file__).parent
Up = Callable[[], System]


@pytest.fixture
def up(theater: Theater, tmp_path: Path) -> Up:
    """Starts a system with an actor `a` whose calls outside add lines to the file `done`."""
    shutil.copy(HERE / "outside.py", tmp_path)
    manifest = (
        f'[[child]]\nname = "a"\ncomponent = "{COMPONENTS / "outside.wat"}"\n'
        f'[[child.handler]]\ntype = "message-server"\n'
        f'[[child.handler]]\ntype = "outside.py:Outside"\npath = "{tmp_path / "done"}"\n'
    )
    return lambda: theater.up(manifest)


def state(system: System, expected: bytes) -> None:
    eventually(lambda: system.log.state("a") == expected, f"the state {expected!r}")


def done(directory: Path) -> list[str]:
    path = directory / "done"
    return path.read_text().splitlines() if path.exists() else []


def test_it_is_committed_before_and_its_answer_after(up: Up, tmp_path: Path) -> None:
    system = up()
    system.send("a", b"post one")
    state(system, b"post one (1)")
    assert done(tmp_path) == ["post one a:2:1"]
    types = [row.event.type for row in system.log.events() if row.event.turn == 2]
    assert types == ["wasm-call", "host-call", "host-answer", "wasm-result"]
    assert system.log.query("SELECT kind, status FROM asks") == [("post", "answered")]
    system.send("a", b"put two")
    state(system, b"put two (2)")


@pytest.mark.parametrize("when", ["before", "after"])
def test_one_that_may_not_be_repeated_has_an_unknown_outcome(
    up: Up, tmp_path: Path, when: str
) -> None:
    system = up()
    (tmp_path / f"die-{when}").touch()
    system.send("a", b"post one")
    state(system, b"interrupted: outcome unknown")
    assert len(done(tmp_path)) == (1 if when == "after" else 0)
    system.send("a", b"post two")
    state(system, b"post two (1)")


@pytest.mark.parametrize("when", ["before", "after"])
def test_one_that_may_be_is_done_again_under_the_same_key(
    up: Up, tmp_path: Path, when: str
) -> None:
    system = up()
    (tmp_path / f"die-{when}").touch()
    system.send("a", b"put one")
    state(system, b"put one (1)")
    assert done(tmp_path) == ["put one a:2:1"] * (2 if when == "after" else 1)


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_only_reads_is_called_again_like_the_rest_of_its_step(
    up: Up, tmp_path: Path, when: str
) -> None:
    system = up()
    (tmp_path / f"die-{when}").touch()
    system.send("a", b"look one")
    state(system, b"look one (1)")
    assert done(tmp_path) == ["look one -"] * (2 if when == "after" else 1)
    assert system.log.query("SELECT count(*) FROM asks") == [(0,)]
