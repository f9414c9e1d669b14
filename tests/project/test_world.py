"""The world that an actor is built for, where handlers of authors' own are granted to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from theater.custom import read, wit
from theater.handler import read as reads
from theater.project.job import WIT, BuildFailed, Job
from theater.project.languages import world
from theater.project.languages.javascript import JavaScript
from theater.project.languages.python import Python


def text(interface: str) -> str:
    class Made:
        @reads
        def get(self) -> bool:
            return True

    Made.interface = interface  # type: ignore[attr-defined]
    return wit(read(Made))


def test_without_any_it_is_theater_s_own(tmp_path: Path) -> None:
    assert world.world(tmp_path, "messaging-actor", ()) == (WIT, "messaging-actor")
    assert list(tmp_path.iterdir()) == []


def test_each_interface_is_imported_beside_what_theater_gives(tmp_path: Path) -> None:
    texts = (text("demo:llm/chat"), text("demo:llm/embed"), text("list:use/from"))
    place, name = world.world(tmp_path, "minimal-actor", texts)
    made = (place / "world.wit").read_text()
    assert f"world {name} {{\n    include theater:simple/minimal-actor;\n" in made
    assert "    import demo:llm/chat;\n    import demo:llm/embed;\n" in made
    assert "    import %list:%use/%from;\n" in made
    packages = {
        path.name: {each.name for each in path.iterdir()} for path in (place / "deps").iterdir()
    }
    assert packages == {
        "theater-simple": {path.name for path in WIT.iterdir()},
        "demo-llm": {"chat.wit", "embed.wit"},
        "list-use": {"from.wit"},
    }


def test_what_python_could_not_tell_apart_is_refused() -> None:
    world.check_modules([text("demo:llm/chat"), text("demo:llm/embed")])
    for texts in (
        [text("demo:llm/chat"), text("other:llm/chat")],
        [text("demo:llm/runtime")],
    ):
        with pytest.raises(BuildFailed, match="would be one module of Python's"):
            world.check_modules(texts)


def test_another_interface_is_another_component(tmp_path: Path) -> None:
    source = tmp_path / "a.py"
    source.write_text("from theater_actor import Actor\nclass A(Actor): ...\n")
    without = Python(Job(str(source), "")).inputs
    with_one = Python(Job(str(source), "", interfaces=(text("demo:llm/chat"),))).inputs
    assert {*with_one} - {*without} == {"wit:demo:llm/chat"}


def test_javascript_has_them_too_unless_its_project_brings_wit(tmp_path: Path) -> None:
    source = tmp_path / "a.js"
    source.write_text("export const actor = {};")
    job = Job(str(source), "", interfaces=(text("demo:llm/chat"),))
    assert "wit:demo:llm/chat" in JavaScript(job).inputs
    (tmp_path / "wit").mkdir()
    (tmp_path / "wit" / "own.wit").write_text("package a:b;")
    assert "wit:demo:llm/chat" not in JavaScript(job).inputs
