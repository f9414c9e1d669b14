"""`theater up --watch`: what is saved takes the place of what runs, and nothing else is touched."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from tests.cli.conftest import COMPONENTS, GRANTS, Home, Terminal
from theater.cli.watch import to_restart
from theater.project import stamp
from theater.project.job import Job
from theater.project.languages.python import Python

ADDS = "(i32.add (local.get $digit) (i32.const 1))"


def child(name: str) -> str:
    return f'[[child]]\nname = "{name}"\ncomponent = "{name}.wat"\n{GRANTS}\n'


READS_A_FILE = """
from pathlib import Path
from theater_actor import Actor

GREETING = Path(__file__).with_name("greeting.txt").read_text()


class Greeter(Actor):
    pass
"""


@pytest.fixture
def watched(home: Home) -> Terminal:
    for name in ("count", "other"):
        (home.directory / f"{name}.wat").write_bytes((COMPONENTS / "counter.wat").read_bytes())
    home.write(child("count"), child("other"))
    terminal = home.terminal("up", "--watch")
    terminal.wait_for("watching 3 files")
    return terminal


def save(home: Home, name: str, old: str, new: str) -> None:
    path = Path(home.directory) / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_is_saved_runs_with_mailbox_and_state_and_others_stay(
    home: Home, watched: Terminal
) -> None:
    home.out("send", "count", "one")
    save(home, "count.wat", ADDS, ADDS.replace("1)", "2)"))
    watched.wait_for("count runs what is new, after ")
    home.out("send", "count", "one")
    assert home.out("request", "count", "total") == "3"
    rows = {row.split()[0]: row.split() for row in home.out("ps").splitlines()}
    assert [rows[name][3:5] for name in ("count", "other")] == [["2", "0"], ["1", "0"]]


def test_what_cannot_be_built_or_read_leaves_what_runs(home: Home, watched: Terminal) -> None:
    save(home, "count.wat", "(component", "(component (nonsense")
    watched.wait_for("nothing has been changed")
    assert "count.wat:" in watched.text and "nonsense" in watched.text.replace("\n", "")
    save(home, "theater.toml", 'name = "other"', 'name = "no such name"')
    watched.wait_for("theater.toml changed")
    assert home.out("request", "count", "total") == "0"
    save(home, "theater.toml", 'name = "no such name"', 'name = "other"')
    save(home, "count.wat", "(component (nonsense", "(component")
    home.write(child("count"), child("other"), child("count").replace('"count"', '"more"'))
    watched.wait_for("reloaded, after ")
    assert home.out("request", "more", "total") == "0"


def test_a_file_that_a_source_reads_is_watched_whatever_its_name(home: Home) -> None:
    """As if it had been built before: a stamp says that the component is what the source makes."""
    source, text = home.directory / "count.py", home.directory / "greeting.txt"
    source.write_text(READS_A_FILE)
    text.write_text("good day")
    component = home.directory / "count.wasm"
    component.write_bytes(wat2wasm((COMPONENTS / "counter.wat").read_text()))
    recipe = Python(Job(str(source), str(component)))
    tool = recipe.tool()
    if tool is None:
        pytest.skip("componentize-py is not there, which builds actors in Python")
    sha256 = hashlib.sha256(component.read_bytes()).hexdigest()
    stamp.write(str(component), stamp.Stamp(tool, stamp.hashes(recipe.inputs), sha256))
    home.write(child("count").replace('"count.wat"', '"count.wasm"\nbuild = "count.py"'))
    terminal = home.terminal("up", "--watch")
    terminal.wait_for("watching ")
    (home.directory / "other.txt").write_text("which nobody reads")
    text.write_text("good night")
    terminal.wait_for("greeting.txt changed")
    assert "other.txt" not in terminal.text


def test_a_watched_system_is_held(home: Home) -> None:
    home.write(child("count"))
    assert "leave --detach away" in home.fails(2, "up", "--watch", "-d")


def test_only_those_are_restarted_for_whom_it_holds_from_then_on() -> None:
    def node(path: str, status: str = "running", type: str = "actor") -> dict[str, str]:
        return {"path": path, "type": type, "status": status}

    def change(path: str, at_once: bool, kind: str = "changed") -> dict[str, object]:
        return {"path": path, "change": kind, "at_once": at_once}

    nodes = [node("a"), node("b", "stopped"), node("pool", type="supervisor"), node("pool/w-1")]
    plan = [
        change("a", True),
        change("b", False),
        change("pool", False),
        change("a", True, "added"),
    ]
    assert to_restart(plan, nodes) == ["pool/w-1"]
    assert to_restart([change("a", False)], nodes) == ["a"]


def test_a_handler_of_the_author_s_own_is_watched_too(home: Home) -> None:
    for file in (COMPONENTS / "outside.wat", COMPONENTS.parent / "real" / "outside.py"):
        (home.directory / file.name).write_bytes(file.read_bytes())
    home.write(
        '[[child]]\nname = "a"\ncomponent = "outside.wat"\n'
        'handler = [{ type = "message-server" }, { type = "outside.py:Outside", path = "done" }]\n'
    )
    terminal = home.terminal("up", "--watch")
    terminal.wait_for("watching 3 files")
    save(home, "outside.py", 'greeting: str = ""', 'greeting: str = "hello, "')
    terminal.wait_for("a runs what is new, after ")
    home.out("send", "a", "post one")
    assert "hello, post one" in home.out("state", "a")
