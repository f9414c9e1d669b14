"""The tree in lines: its shape, what is said of whom, 80 columns, no colours where none belong."""

from __future__ import annotations

import re
from io import BytesIO, StringIO, TextIOWrapper
from typing import Any

import pytest

from theater.cli.drawing import draw
from theater.cli.terminal import Stream


class Screen(TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Stream:
    """A terminal of 80 columns that can show colours and boxes."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    return Stream(Screen(BytesIO(), encoding="utf-8"))


def pipe(encoding: str = "utf-8") -> Stream:
    return Stream(TextIOWrapper(BytesIO(), encoding=encoding))


def bare(lines: list[str]) -> list[str]:
    return [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]


def node(path: str, supervisor: str | None, **facts: Any) -> dict[str, Any]:
    return {
        "path": path,
        "type": "actor",
        "supervisor": supervisor,
        "status": "running",
        "age_s": 12.0,
        "reason": "",
        "restart_type": "permanent",
        "restarts": 0,
        "significant": False,
        "retry_in_s": None,
        "incarnation": 1,
        "pid": 4711,
        **facts,
    }


def above(path: str, supervisor: str | None, **facts: Any) -> dict[str, Any]:
    flags: dict[str, Any] = {
        "type": "supervisor",
        "strategy": "one_for_one",
        "intensity": 3,
        "period_s": 5.0,
        "restarts_left": 3,
        "auto_shutdown": "never",
    }
    return node(path, supervisor, **{**flags, **facts})


def market() -> list[dict[str, Any]]:
    return [
        above("", None, age_s=600.0),
        above("shop", "", age_s=600.0),
        node("shop/prices", "shop", incarnation=4),
        node("shop/clerk", "shop", restart_type="transient"),
        node("ledger", ""),
        above("visitors", ""),
        node("visitors/ann", "visitors"),
    ]


def test_a_tree_shows_who_is_under_whom_and_how_everything_is() -> None:
    assert draw(market(), pipe()) == [
        "/                   running 10m  one_for_one 0/3 in 5 s",
        "├─ shop             running 10m  one_for_one 0/3 in 5 s",
        "│  ├─ shop/prices   running 12s  #4 permanent",
        "│  └─ shop/clerk    running 12s  #1 transient",
        "├─ ledger           running 12s  #1 permanent",
        "└─ visitors         running 12s  one_for_one 0/3 in 5 s",
        "   └─ visitors/ann  running 12s  #1 permanent",
    ]


def test_what_is_no_utf_8_is_drawn_in_ascii() -> None:
    lines = draw(market(), pipe("ascii"))
    assert lines[2].startswith("|  |- shop/prices ")
    assert lines[3].startswith("|  `- shop/clerk ")
    assert lines[6].startswith("   `- visitors/ann ")
    "\n".join(lines).encode("ascii")


def test_a_supervisor_shows_its_window_and_what_is_not_usual() -> None:
    facts = {
        "strategy": "one_for_all",
        "restarts_left": 1,
        "auto_shutdown": "any_significant",
        "restart_type": "transient",
        "significant": True,
    }
    nodes = [above("", None), above("s", "", **facts), node("s/a", "s", significant=True)]
    lines = draw(nodes, pipe())
    assert lines[1].endswith("one_for_all 2/3 in 5 s, any_significant, transient, significant")
    assert lines[2].endswith("#1 permanent, significant")


SPAWNS = {"strategy": "one_for_one", "intensity": 3, "period_s": 5.0, "restarts_left": 2}


def test_what_an_actor_has_spawned_is_under_it() -> None:
    nodes = [
        above("", None),
        node("boss", "", **SPAWNS),
        node("boss/lead", "boss", restart_type="transient", **SPAWNS),
        node("boss/lead/hand", "boss/lead"),
        node("boss/hand", "boss"),
        node("idle", "", **SPAWNS),
    ]
    assert draw(nodes, pipe()) == [
        "/                        running 12s  one_for_one 0/3 in 5 s",
        "├─ boss                  running 12s  #1 permanent, one_for_one 1/3 in 5 s",
        "│  ├─ boss/lead          running 12s  #1 transient, one_for_one 1/3 in 5 s",
        "│  │  └─ boss/lead/hand  running 12s  #1 permanent",
        "│  └─ boss/hand          running 12s  #1 permanent",
        "└─ idle                  running 12s  #1 permanent, one_for_one 1/3 in 5 s",
    ]


def test_on_a_terminal_the_reason_of_a_spawner_keeps_the_branches_whole(screen: Stream) -> None:
    nodes = [above("", None), node("boss", "", reason=REASON, **SPAWNS), node("boss/a", "boss")]
    lines = bare(draw(nodes, screen))
    assert all(len(line) <= 80 for line in lines)
    assert lines[2].startswith("   │  last ended: trap: wasm")
    assert lines[3].startswith("   └─ boss/a ")


def test_a_window_never_shows_less_than_nothing_used() -> None:
    nodes = [above("", None, intensity=1, restarts_left=5)]
    assert "0/1" in draw(nodes, pipe())[0]


def test_one_that_waits_says_how_long_and_one_that_never_ran_has_no_number() -> None:
    nodes = [
        above("", None),
        node("a", "", status="restarting", retry_in_s=12.3),
        node("b", "", status="stopped", incarnation=0),
    ]
    lines = draw(nodes, pipe())
    assert lines[1] == "├─ a  restarting in 12s  #1 permanent"
    assert lines[2] == "└─ b  stopped 12s        permanent"


REASON = "trap: wasm `unreachable` instruction executed " + "x" * 100


def test_in_a_pipe_a_reason_stands_beside_and_whole() -> None:
    nodes = [above("", None), node("a", "", reason=REASON)]
    assert draw(nodes, pipe())[1].endswith(f"  {REASON}")


@pytest.mark.parametrize("path", ["a", "a" * 30, "a" * 60, "a" * 120])
def test_on_a_terminal_the_reason_is_cut_and_the_path_never(screen: Stream, path: str) -> None:
    nodes = [above("", None), node(path, "", reason=REASON), node("b", "", reason=REASON)]
    lines = bare(draw(nodes, screen))
    named = [line for line in lines if path in line]
    assert named and all(len(line) <= 80 or path in line for line in lines)
    (other,) = [line for line in lines if line.startswith("└─ b ")]
    assert len(other) <= 80 and "running 12s  #1 permanent" in other
    assert any("trap: wasm" in line and line.endswith("...") for line in lines)
    if len(path) < 60:
        assert all(len(line) <= 80 for line in lines)


def test_a_reason_below_keeps_the_branches_whole(screen: Stream) -> None:
    nodes = [
        above("", None),
        above("s" * 20, "", auto_shutdown="all_significant"),
        node("s" * 20 + "/a", "s" * 20, reason=REASON),
        node("b", ""),
    ]
    lines = bare(draw(nodes, screen))
    assert lines[3].startswith("│        last ended: trap: wasm")
    assert lines[4].startswith("└─ b ")


def test_colours_are_for_terminals_and_escapes_for_nobody(screen: Stream) -> None:
    nodes = [above("", None), node("a", "", status="failed", reason="\x1b]0;x\x07")]
    assert "\x1b[31mfailed 12s" in "\n".join(draw(nodes, screen))
    for stream in (screen, pipe()):
        text = "\n".join(draw(nodes, stream))
        assert "\x1b]" not in text and "\\x1b]0;x\\x07" in text
    assert "\x1b" not in "\n".join(draw(nodes, pipe()))


def test_a_stream_without_an_encoding_is_ascii() -> None:
    assert draw(market(), Stream(StringIO()))[1].startswith("|- shop")
