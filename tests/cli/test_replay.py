"""`theater replay` from outside: identical, different, step by step, with another component."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.cli.conftest import COMPONENTS, Home, actor
from theater.cli.tally import Tally, counted
from theater.client import System
from theater.replay.run import Options, Replayed
from theater.replay.slices import Began, Ended, Ending, Run


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Home]:
    """A counter that has counted, and a probe that has failed twice on a message."""
    home = Home(tmp_path_factory.mktemp("recorded"), cache)
    manifest = home.write(actor("count", "counter.wat"), actor("probe"))
    with System.start(manifest) as system:
        for _ in range(3):
            system.send("count", b"one")
        system.request("probe", b'log hello\nset {"a": 1}')
        system.request("probe", b'set {"a": 2}')
        system.send("probe", b"log last words\ntrap")
        system.wait_for(lambda: system.dead_letters(), "the dead letter")
        system.request("count", b"total")
        system.down()
    yield home
    home.end()


def changed(home: Home, component: str, old: str, new: str) -> str:
    """Another build of a test component."""
    path = Path(home.directory) / f"new-{component}"
    text = (COMPONENTS / component).read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return str(path)


def test_what_was_recorded_replays_also_when_the_system_is_down(recorded: Home) -> None:
    lines = recorded.out("replay").splitlines()
    assert lines[0] == "count  5 turns, 10 events: identical"
    assert re.fullmatch(r"probe  3 turns, \d+ events, 2 incarnations: identical", lines[1])
    assert lines[2].strip() == "2 runs failed as recorded"
    assert len(lines) == 3


def test_up_to_its_crash_with_the_backtrace(recorded: Home) -> None:
    lines = recorded.out("replay", "probe", "--from", "4", "--until", "4").splitlines()
    end = next(number for number, line in enumerate(lines) if "turn 4 ends with trap" in line)
    assert lines[end].strip() == "turn 4 ends with trap: wasm `unreachable` instruction executed"
    assert lines[end + 1].strip() == "Probe!command"


def test_step_by_step_a_turn_is_all_there_with_what_it_made_of_the_state(recorded: Home) -> None:
    out = recorded.out("replay", "probe", "--step")
    third = out[out.index("turn 3, incarnation 1: as recorded") :]
    third = third[: third.index("turn 4")]
    assert "handle-request(" in third and 'state "{\\"a\\": 1}"' in third
    assert third.splitlines()[-1] == "    a: 1 -> 2"
    assert "turn 4, incarnation 2: failed as recorded" in out


def test_another_build_that_does_otherwise_is_told_with_values(recorded: Home) -> None:
    adds = "(i32.add (local.get $digit) (i32.const 1))"
    new = changed(recorded, "counter.wat", adds, adds.replace("1)", "2)"))
    done = recorded.run("replay", "count", "--component", new)
    assert (done.returncode, done.stderr) == (7, b"")
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "count  2 turns, 5 events: turn 3, event 1 is not as it was recorded"
    assert (
        "what differs" in lines and lines[lines.index("what differs") + 1] == '  state: "2" -> "3"'
    )
    assert lines[lines.index("likely cause") + 1].startswith("  the component is another one: ")
    (found,) = (
        each
        for line in recorded.run(
            "replay", "count", "--component", new, "--json"
        ).stdout.splitlines()
        if (each := json.loads(line))["kind"] == "actor"
    )
    assert found["identical"] is False and found["fuel_compared"] is False
    assert (found["difference"]["turn"], found["difference"]["index"]) == (3, 1)
    assert found["difference"]["recorded"]["payload"]["result"]["ok"][0]["text"] == "2"


def test_other_log_lines_can_be_allowed_and_are_shown(recorded: Home) -> None:
    new = changed(recorded, "probe.wat", '"started\\00"', '"come up\\00"')
    done = recorded.run("replay", "probe", "--component", new)
    assert done.returncode == 7 and b"turn 1, event 1 is not" in done.stdout
    lines = recorded.out("replay", "probe", "--component", new, "--allow-logs").splitlines()
    assert lines[:2] == ["probe - started", "probe + come up"]
    assert re.fullmatch(r"probe  3 turns, .*: identical but for lines", lines[2])
    assert "fuel was not compared: the component is another one" in lines[-1]


def test_a_build_that_loops_is_ended_and_said(recorded: Home) -> None:
    begins = "(if (i32.eqz (local.get $some)) (then (local.set $state_len (i32.const 0))))"
    new = changed(recorded, "counter.wat", begins, f"{begins} (loop $x (br $x))")
    told = recorded.fails(1, "replay", "count", "--component", new, "--timeout", "0.3")
    assert "a turn took longer than it may; --timeout gives each more seconds" in told


def test_what_cannot_be_replayed_is_said(recorded: Home) -> None:
    assert 'no actor "prob"; did you mean "probe"?' in recorded.fails(1, "replay", "prob")
    assert "probe has no turn 99" in recorded.fails(1, "replay", "probe", "--from", "99")
    assert "name it" in recorded.fails(2, "replay", "--step")
    assert "after --until" in recorded.fails(2, "replay", "probe", "--from", "3", "--until", "2")
    assert "no such file" in recorded.fails(3, "replay", "count", "--component", "nowhere.wasm")
    kept = recorded.data / "components"
    kept.rename(kept.with_name("away"))
    try:
        assert "is not in" in recorded.fails(1, "replay", "count")
    finally:
        kept.with_name("away").rename(kept)


def test_where_nothing_has_run_there_is_nothing_to_replay(home: Home) -> None:
    home.write(actor("probe"))
    assert "nothing has run here yet" in home.fails(4, "replay")


def test_why_a_run_was_cut_short_is_why_its_own_process_ended() -> None:
    """And not why the last one did, which recorded nothing of the turn."""
    began, run = Began(1, "c", {}, {}), Run(2, 1, Ending.LEFT, [], [])
    items: list[Replayed | Ended] = [
        Replayed(began, run, 1, None, (), None, (), True, True),
        Ended(1, "killed by SIGKILL", "crash"),
        Ended(2, "stopped", "shutdown"),
    ]

    class Known:
        def turns(self, _actor: str) -> int:
            return 1

        def replay(self, _actor: str, _options: Options) -> Iterator[Replayed | Ended]:
            yield from items

    known, tally = cast(Any, Known()), Tally("a")
    assert len(list(counted(known, known, tally, Options()))) == 1
    assert tally.left_reason == "killed by SIGKILL"


def test_a_file_that_is_not_there_is_no_actor(recorded: Home) -> None:
    assert "there is no file nope.theater" in recorded.fails(6, "replay", "nope.theater")
