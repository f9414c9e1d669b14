"""pytest's fixtures: a running system in an author's test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import COMPONENTS, Home, actor
from tests.cli.conftest import cache as cache
from tests.cli.conftest import home as home
from theater.project.new import create


def write(directory: Path, text: str) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / "test_author.py"
    path.write_text(text)
    return path


def test_the_test_of_a_new_project_is_one_with_a_running_system(home: Home) -> None:
    create("hello", "wat", str(home.directory / "hello"))
    code, text = home.pytest(home.directory / "hello")
    assert code == 0 and "2 passed" in text, text
    assert not home.processes()
    assert not (home.directory / "hello" / ".theater").exists(), "its own data is left alone"


def test_all_that_a_test_can_ask_is_answered(home: Home) -> None:
    home.write(actor("a"), actor("b"))
    write(
        home.directory / "tests",
        """
import pytest
from theater.errors import NotDelivered

def test_all(theater_system):
    assert theater_system.request("a", "echo [1]").json() == [1]
    theater_system.send("a", b"set one\\nlog told \\x1b[31m")
    line = theater_system.wait_line("told", "a")
    assert line.startswith("told ")
    assert theater_system.lines("b") == ["started"]
    assert theater_system.state("a") == b"one"
    theater_system.send("a", "send b log from a")
    assert theater_system.wait_line("from a", "b") == "from a"
    before = theater_system.system.actor("a")["incarnation"]
    theater_system.kill("a")
    assert theater_system.request("a", "get") == b"one"
    assert theater_system.system.actor("a")["incarnation"] == before + 1
    with pytest.raises(NotDelivered, match="failed"):
        theater_system.request("a", "trap")
    (letter,) = theater_system.wait_for(lambda: theater_system.dead_letters("a"))
    assert letter.actor == "a"
    kinds = [row.event.type for row in theater_system.events("a")]
    assert "host-call" in kinds
""",
    )
    code, text = home.pytest(home.directory)
    assert code == 0, text
    assert not home.processes()


def test_a_failure_is_shown_with_what_was_logged_and_nothing_is_left(home: Home) -> None:
    home.write(actor("a"))
    write(
        home.directory / "tests",
        """
def test_it(theater_system):
    theater_system.request("a", "log evil \\x1b[31m")
    assert theater_system.request("a", "echo x") == b"y"
""",
    )
    code, text = home.pytest(home.directory)
    assert code == 1 and "a | evil \\x1b[31m" in text, text
    assert "\x1b[31m" not in text
    assert not home.processes()


def test_what_does_not_start_is_the_error(home: Home) -> None:
    write(
        home.directory / "tests",
        """
def test_it(theater_system):
    pass
""",
    )
    code, text = home.pytest(home.directory)
    assert code == 1 and "no theater.toml or manifest.toml here or above" in text, text
    home.write(actor("a", "none.wat"))
    code, text = home.pytest(home.directory)
    assert code == 1 and "none.wat" in text, text
    assert not home.processes()


def test_several_systems_run_in_one_test(home: Home) -> None:
    shutil.copy(COMPONENTS / "counter.wat", home.directory)
    write(
        home.directory / "tests",
        """
def test_it(theater_start):
    one = theater_start("one.toml")
    two = theater_start("one.toml")
    one.send("counter")
    one.send("counter")
    two.send("counter")
    assert (one.request("counter").json(), two.request("counter").json()) == (2, 1)
""",
    )
    (home.directory / "tests" / "one.toml").write_text(
        'name = "one"\n[[child]]\nname = "counter"\ncomponent = "../counter.wat"\n'
        'handler = [{ type = "message-server" }]\n'
    )
    code, text = home.pytest(home.directory)
    assert code == 0, text
    assert not home.processes()


@pytest.mark.parametrize("name", ["theater_system", "theater_start"])
def test_the_fixtures_say_what_they_are(home: Home, tmp_path: Path, name: str) -> None:
    _, text = home.pytest(tmp_path, "--fixtures")
    assert f"\n{name} -- " in text
