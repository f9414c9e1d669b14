"""`theater up --watch`: what is saved takes the place of what runs, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import COMPONENTS, GRANTS, Home, Terminal
from theater.cli.watch import to_restart

ADDS = "(i32.add (local.get $digit) (i32.const 1))"


def child(name: str) -> str:
    return f'[[child]]\nname = "{name}"\ncomponent = "{name}.wat"\n{GRANTS}\n'


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
