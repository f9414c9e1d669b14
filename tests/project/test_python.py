"""Actors in Python, built by componentize-py: what is an actor, what is said of mistakes, and one
that runs; also with a package from PyPI."""

from __future__ import annotations

import ast
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.projects import project
from tests.real.conftest import Theater
from tests.slices import WHOLE
from theater import manifest
from theater.client import System
from theater.project.job import BuildFailed, Job
from theater.project.languages.closure import Closure
from theater.project.languages.python import Python, cleaned, entry
from theater.spec import Build
from theater.supervisor import building
from theater.supervisor.building import Built, NotBuilt

EXAMPLES = Path(__file__).parents[2] / "examples"
EXAMPLE = EXAMPLES / "markdown"
HEAD = "from theater_actor import Actor\n"
HELLO = """
from dataclasses import dataclass, field
from pathlib import Path

import words
from theater_actor import Actor, Message, log

GREETING = Path(__file__).with_name("greeting.txt").read_text()


@dataclass
class State:
    greeted: list[str] = field(default_factory=list)


class Hello(Actor):
    state: State

    def on_message(self, message: Message) -> None:
        self.state.greeted.append(message.text)
        log(GREETING + words.loud(message.text))

    def on_request(self, message: Message, request: str) -> list[str]:
        return self.state.greeted
"""
WORDS = "def loud(text):\n    return text.upper()\n"
MANIFEST = """
name = "hello"
durability = "process"
build = "my-hello.py"
[[handler]]
type = "runtime"
[[handler]]
type = "message-server"
"""


def actor_of(tmp_path: Path, text: str, actor: str = "") -> str | None:
    path = tmp_path / "app.py"
    path.write_text(text)
    return Python(Job(str(path), "", actor))._actor


@pytest.mark.parametrize(
    ("text", "actor"),
    [
        (HEAD + "class A(Actor): ...", "A"),
        ("import theater_actor\nclass A(theater_actor.Actor): ...", "A"),
        ("import theater_actor as t\nclass A(t.Actor): ...", "A"),
        ("from theater_actor import Actor as Base\nclass A(Base): ...", "A"),
        (HEAD + "class Base(Actor): ...\nclass A(Base): ...", "A"),
        (HEAD + "class Mixin: ...\nclass A(Mixin, Actor): ...", "A"),
        ("import wit_world\nclass Actor: ...", None),
        ("from wit_world.imports import runtime\nclass Actor(object): ...", None),
    ],
)
def test_the_actor_is_the_only_class_that_is_one(
    tmp_path: Path, text: str, actor: str | None
) -> None:
    assert actor_of(tmp_path, text) == actor


def test_which_of_several_classes_is_the_actor_has_to_be_said(tmp_path: Path) -> None:
    text = HEAD + "class Clerk(Actor): ...\nclass Visitor(Actor): ..."
    with pytest.raises(
        BuildFailed, match=r"app\.py has 2 actors, Clerk, Visitor; say .*actor = \"Clerk\""
    ):
        actor_of(tmp_path, text)
    assert actor_of(tmp_path, text, "Visitor") == "Visitor"
    with pytest.raises(BuildFailed, match='no class "Vistor"; did you mean "Visitor"'):
        actor_of(tmp_path, text, "Vistor")
    assert actor_of(tmp_path, "from other import There", "There") == "There"


def test_a_module_without_an_actor_is_told_how_one_is_written(tmp_path: Path) -> None:
    for text in ("x = 1", "class Actor: ...", "from other import Actor\nclass A(Actor): ..."):
        with pytest.raises(BuildFailed, match=r"no class in it is an actor; write\n.*import Actor"):
            actor_of(tmp_path, text)


def test_the_generated_module_may_build_a_file_of_any_name() -> None:
    text = entry("my-actor", "Hello")
    ast.parse(text)
    assert "import_module('my-actor').Hello" in text


def test_of_a_traceback_in_the_guest_only_the_actors_own_lines_are_left() -> None:
    said = """Traceback (most recent call last):
  File "<string>", line 1, in <module>
AssertionError: Traceback (most recent call last):
  File "/0/theater_entry.py", line 3, in <module>
    globals().update(exports(importlib.import_module('app').A))
                             ~~~~~~~~~~~~~~~~~~~~~~~^^^^^^^
  File "/python/importlib/__init__.py", line 88, in import_module
    return _bootstrap._gcd_import(name[level:], package, level)
  File "<frozen importlib._bootstrap>", line 1398, in _gcd_import
  File "/0/shop/app.py", line 12, in <module>
    import nix
ModuleNotFoundError: No module named 'nix'


Caused by:
    ModuleNotFoundError: No module named 'nix'

Stack backtrace:
   0: <anyhow::Error>::msg::<alloc::string::String>
"""
    assert cleaned(said, Closure()) == (
        "Traceback (most recent call last):\n"
        '  File "shop/app.py", line 12, in <module>\n'
        "    import nix\n"
        "ModuleNotFoundError: No module named 'nix'\n"
        "A package from PyPI is named in the manifest: "
        'build = { source = ..., packages = ["nix"] }'
    )
    assert cleaned("error: no such world", Closure()) == "error: no such world"


# The real thing


def built(source: Path) -> Built | NotBuilt:
    component = str(source.parent / "build" / f"{source.stem}.wasm")
    return building.build({component: Build(str(source))}, print)[component]


@pytest.fixture(scope="module")
def hello(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """An actor with a module and a file beside it, in a file whose name is no identifier."""
    directory = project("python", words_py=WORDS, greeting_txt="hello, ", theater_toml=MANIFEST)
    source = directory / "my-hello.py"
    if not source.exists() or source.read_text() != HELLO:
        source.write_text(HELLO)
    found = built(source)
    assert isinstance(found, Built), found
    theater = Theater(tmp_path_factory.mktemp("hello"))
    with System.start(directory / "theater.toml", str(theater.data)) as system:
        theater.take(system)
        yield system
        theater.note(system)
    theater.end()


def test_an_actor_in_python_runs_and_keeps_its_state(hello: System) -> None:
    hello.send("hello", b"world")
    assert hello.request("hello", b"whom?", timeout_s=30) == b'["world"]'
    assert hello.lines("hello") == ["hello, WORLD"]
    before = hello.actor("hello")
    os.kill(before["pid"], signal.SIGKILL)
    hello.wait_for(lambda: hello.actor("hello")["incarnation"] > before["incarnation"], "the next")
    hello.send("hello", b"again")
    assert hello.request("hello", b"whom?", timeout_s=30) == b'["world","again"]'


def test_what_has_not_changed_is_not_built_again(hello: System) -> None:
    found = built(project("python") / "my-hello.py")
    assert isinstance(found, Built) and found.seconds == 0
    assert found.tool.startswith("componentize-py 0.25")


@WHOLE  # a build that fails is made again each time
def test_a_package_that_is_not_there_is_told_with_its_place(tmp_path: Path) -> None:
    source = tmp_path / "app.py"
    source.write_text(HEAD + "import numpy\nclass A(Actor): ...\n")
    found = built(source)
    assert isinstance(found, NotBuilt)
    assert found.text.endswith(
        '  File "app.py", line 2, in <module>\n'
        "    import numpy\n"
        "ModuleNotFoundError: No module named 'numpy'\n"
        "A package from PyPI is named in the manifest: "
        'build = { source = ..., packages = ["numpy"] }'
    )


def test_a_module_with_the_classes_of_the_wit_is_built_as_it_is() -> None:
    root = manifest.load(EXAMPLES / "market" / "manifest.toml").root
    [clerk] = [each for each in root.actors() if each.path == "shop/clerk"]
    assert clerk.build is not None
    [found] = building.build({clerk.component: clerk.build}, print).values()
    assert isinstance(found, Built), found
    assert clerk.component == str(EXAMPLES / "market" / "clerk" / "build" / "app.wasm")


def test_the_example_with_a_package_from_pypi_makes_html(tmp_path: Path) -> None:
    [child] = manifest.load(EXAMPLE / "theater.toml").root.actors()
    assert child.build is not None and child.build.packages == ("mistune==3.1.3",)
    [found] = building.build({child.component: child.build}, print).values()
    if isinstance(found, NotBuilt) and found.text.startswith("fetching"):
        pytest.skip(f"pip cannot fetch the package: {found.text.splitlines()[-1]}")
    assert isinstance(found, Built), found
    with System.start(EXAMPLE / "theater.toml", str(tmp_path / "data")) as system:
        html = system.request("page", b"# Hello *there*", timeout_s=30)
        assert html.decode() == "<h1>Hello <em>there</em></h1>\n"
