"""Handlers that authors have written: read once, and built against by whoever is granted them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from theater import manifest
from theater.spec import ActorSpec, SupervisorSpec
from theater.supervisor.authored import describe
from theater.supervisor.prepare import prepare_children, prepare_system

TESTS = Path(__file__).parents[1]
MANIFEST = """
name = "t"
[[child]]
name = "a"
build = "outside.wat"
handler = [{ type = "message-server" }, { type = "outside.py:Outside", path = "done" }]
"""


def quiet(_text: str) -> None: ...


def test_what_is_read_travels_with_the_specification(tmp_path: Path) -> None:
    shutil.copy(TESTS / "real" / "outside.py", tmp_path)
    shutil.copy(TESTS / "components" / "outside.wat", tmp_path)
    file = tmp_path / "theater.toml"
    file.write_text(MANIFEST)
    prepared = prepare_system(file, str(tmp_path / "d"), quiet)
    [actor] = prepared.compiled().root.actors()
    custom = actor.handlers[1].custom
    assert custom is not None and custom.interface == "test:outside/post"
    assert custom.wit.startswith("package test:outside;\n")
    assert prepared.handlers["outside.py:Outside"].files == (str(tmp_path / "outside.py"),)
    assert manifest.load(file).root.children[0] != actor, "of the manifest alone nothing is read"


def test_one_that_was_read_before_is_not_imported_again(tmp_path: Path) -> None:
    """A child of an actor has its parent's handlers."""
    shutil.copy(TESTS / "real" / "outside.py", tmp_path)
    shutil.copy(TESTS / "components" / "outside.wat", tmp_path)
    found, _ = describe(["outside.py:Outside"], str(tmp_path), quiet)
    (tmp_path / "outside.py").unlink()
    file = tmp_path / "theater.toml"
    file.write_text(MANIFEST)
    system = manifest.load(file)
    [actor] = system.root.actors()
    custom = found["outside.py:Outside"].custom
    handlers = tuple(
        replace(each, custom=custom) if each.type == "outside.py:Outside" else each
        for each in actor.handlers
    )
    added = SupervisorSpec(path="p", children=(replace(actor, handlers=handlers),))
    prepared = prepare_children(file, added, system, str(tmp_path / "d"), quiet)
    [child] = prepared.compiled()
    assert isinstance(child, ActorSpec) and child.handlers[1].custom == custom
