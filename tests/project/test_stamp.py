"""When a component is what its source makes: a table of what has changed and what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from theater.project.stamp import Stamp, hashes, is_fresh, path_of, read, write

INPUTS = hashes({"hello.py": b"x", "sdk:actor.py": b"y", "wit:a.wit": b"z", "options:": b""})
CONTENT = hashes({"": b"component"})[""]


@pytest.fixture
def component(tmp_path: Path) -> str:
    path = tmp_path / "hello.wasm"
    path.write_bytes(b"component")
    write(str(path), Stamp("tool 1", INPUTS, CONTENT))
    return str(path)


@pytest.mark.parametrize(
    ("changed", "tool", "fresh"),
    [
        (None, "tool 1", True),
        (None, "tool 2", False),
        (None, None, True),
        ("hello.py", "tool 1", False),
        ("hello.py", None, False),
        ("options:", None, False),
        ("new.py", "tool 1", False),
        ("new.py", None, False),
        ("sdk:actor.py", "tool 1", False),
        ("sdk:actor.py", None, True),  # a machine that only runs actors, after an update
        ("wit:a.wit", "tool 1", False),
        ("wit:a.wit", None, True),
    ],
)
def test_what_has_changed_decides(
    component: str, changed: str | None, tool: str | None, fresh: bool
) -> None:
    now = INPUTS if changed is None else {**INPUTS, changed: "another"}
    assert is_fresh(component, now, tool) == fresh


def test_an_input_that_is_gone_is_a_change(component: str) -> None:
    without = {name: sha256 for name, sha256 in INPUTS.items() if name != "hello.py"}
    assert not is_fresh(component, without, "tool 1")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"null",
        b'{"tool":"","inputs":{},"component":"","format":99}',
        b"\0",
    ],
)
def test_a_stamp_that_says_nothing_is_none(component: str, text: bytes) -> None:
    path_of(component).write_bytes(text)
    assert read(component) is None
    assert not is_fresh(component, INPUTS, None)


def test_a_component_that_is_not_the_stamped_one_is_not_fresh(component: str) -> None:
    Path(component).write_bytes(b"component!")
    assert not is_fresh(component, INPUTS, None)
    Path(component).unlink()
    assert not is_fresh(component, INPUTS, None)
