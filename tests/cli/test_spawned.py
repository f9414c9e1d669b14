"""What commands show of actors that actors have spawned."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import COMPONENTS, Home, actor
from tests.waiting import eventually
from theater.client import System

GRANT = '\n[[child.handler]]\ntype = "supervisor"\n'
TABLES = '[[child.handler]]\ntype = "runtime"\n[[child.handler]]\ntype = "message-server"\n'


@pytest.fixture(scope="module")
def spawned(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Home]:
    """boss has spawned a counter and a probe, which was killed once, and a counter it stopped."""
    home = Home(tmp_path_factory.mktemp("spawned"), cache)
    for name in ("counter", "probe"):
        shutil.copy(COMPONENTS / f"{name}.wat", home.directory)
    (home.directory / "count.toml").write_text('name = "count"\npackage = "counter.wat"\n')
    handlers = TABLES.replace("child.", "")
    (home.directory / "probe.toml").write_text(f'name = "probe"\npackage = "probe.wat"\n{handlers}')
    boss = f'[[child]]\nname = "boss"\ncomponent = "{COMPONENTS / "boss.wat"}"\n{TABLES}{GRANT}'
    home.write(boss, actor("idle", "counter.wat"))
    try:
        home.out("up", "-d")
        home.ask("boss", "s count.toml", "s probe.toml", "s count.toml", "x boss/count-2")
        with System(str(home.data)) as system:
            os.kill(system.actor("boss/probe")["pid"], signal.SIGKILL)
            eventually(lambda: system.actor("boss/probe")["incarnation"] == 2, "its restart")
            system.wait_status("boss/probe", "running")
        yield home
        assert home.out("down") == ""
    finally:
        home.end()


def test_a_tree_has_them_under_who_has_spawned_them(spawned: Home) -> None:
    lines = spawned.out("tree", env={"PYTHONIOENCODING": "ascii"}).splitlines()
    starts = [
        "/ ",
        "|- boss ",
        "|  |- boss/count ",
        "|  |- boss/probe ",
        "|  `- boss/count-2 ",
        "`- idle ",
    ]
    assert all(line.startswith(start) for line, start in zip(lines, starts, strict=True)), lines
    assert "#1 permanent, one_for_one" in lines[1] and "one_for_one" not in lines[2]
    terminal = spawned.terminal("tree", NO_COLOR="1")
    assert terminal.wait_end() == 0
    assert "\x1b" not in terminal.raw
    assert all(len(line) <= 80 for line in terminal.text.splitlines()), terminal.text


def test_children_of_an_actor_are_on_its_books(spawned: Home) -> None:
    rows = json.loads(spawned.out("children", "boss", "--json"))
    assert [(row["path"], row["process"]) for row in rows] == [
        ("boss/count", "running"),
        ("boss/probe", "running"),
        ("boss/count-2", "undefined"),
    ]
    count = json.loads(spawned.out("children", "boss", "--count", "--json"))
    assert count == {"specs": 3, "active": 2, "supervisors": 0, "workers": 3}
    errors = spawned.fails(1, "children", "idle")
    expected = 'theater: there is no supervisor "idle", but an actor that may not spawn any\n'
    assert errors == expected
    assert 'did you mean "boss"?' in spawned.fails(1, "children", "bos")


def test_only_an_actor_adds_to_what_it_has_spawned(spawned: Home) -> None:
    fragment = spawned.directory / "more.toml"
    fragment.write_text(actor("x"))
    told = 'theater: there is no supervisor "boss", but an actor'
    why = ": what is below it, it alone spawns\n"
    assert spawned.fails(1, "add", "more.toml", "--to", "boss") == told + why
    assert spawned.fails(1, "scale", "boss", "3") == told + why
    assert (
        spawned.fails(1, "add", "more.toml", "--to", "idle") == told.replace("boss", "idle") + "\n"
    )


def test_who_has_spawned_it_is_told_with_the_turn(spawned: Home) -> None:
    text = spawned.out("why-restarted", "boss/count")
    assert "): boss spawned it\n" in text and "spawned by boss, in its turn 2\n" in text
    assert "boss asked for it (stop)" in spawned.out("why-restarted", "boss/count-2")
    assert "it was spawned by boss, in its turn 2\n" in spawned.out("why", "boss/count")
    assert "  spawned     by boss, in its turn 3\n" in spawned.out("why", "boss/probe")
    found = json.loads(spawned.out("why", "boss/probe", "--json"))
    assert found["spawned_by"] == {"actor": "boss", "turn": 3}
    assert json.loads(spawned.out("why", "idle", "--json"))["spawned_by"] is None
    assert "it was spawned" not in spawned.out("why", "idle")
    # The turn can be looked at: it is the one that asked.
    assert 'spawn("count.toml"' in spawned.out("why", "boss", "2")


def test_an_audit_tells_what_was_spawned(spawned: Home) -> None:
    text = spawned.out("audit", "boss")
    assert "count.toml: 2 spawned" in text and "at most 3 at once" in text
    assert "at most 1 restarts in its period" in text
    assert "# boss/count, which boss has spawned:" in spawned.out("audit", "--toml")
