"""`theater why` and `theater state`: every way to die told from the log of a real system."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import msgpack
import pytest

from tests.cli.conftest import Home, actor
from tests.waiting import eventually
from theater.cli import crash
from theater.cli.place import Place
from theater.cli.terminal import Stream
from theater.client import System
from theater.client.reader import LogReader
from theater.errors import Damaged

HEAD = "[supervisor]\nintensity = 100\nperiod = 1\n"
LIMITS = 'limits = { fuel = 50_000_000, memory = "8MiB" }\n'
LATE = "limits = { fuel = 1_000_000_000_000, turn_timeout = 0.3, max_deliveries = 1 }\n"
BAD_INIT = 'initial_state = "init-trap"\n'
HOSTILE = "err \x1b[31mred\u202e"


def found_in(home: Home, name: str, turn: int | None = None) -> tuple[dict[str, Any], str]:
    """What the command would print, for programs and for people, without a process for each."""
    log = LogReader(str(home.data / "chain.db"))
    try:
        found = crash.crash_of(log, Place(), name, turn)
        told = crash.tell(found, log, Stream(StringIO()), time.time())
        text = "" if found.turn is None and found.death is None else "\n".join([*told, ""])
        return crash.crash_json(found, log), text
    finally:
        log.close()


def why(home: Home, name: str, turn: int | None = None) -> dict[str, Any]:
    return found_in(home, name, turn)[0]


def text_of(home: Home, name: str, turn: int | None = None) -> str:
    return found_in(home, name, turn)[1]


def timeless(text: str) -> str:
    """How long ago something was is another second with every look."""
    return re.sub(r"\b\S+ ago\b", "AGO", text)


def failed(home: Home, name: str) -> dict[str, Any]:
    eventually(lambda: why(home, name)["failed"], f"{name} to fail")
    return why(home, name)


@pytest.fixture(scope="module")
def died(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Home]:
    """A system in which everybody but `fine` has died of something else, and which is down."""
    home = Home(tmp_path_factory.mktemp("died"), cache)
    limited = [actor(name, extra=LIMITS) for name in ("trap", "err", "fuel", "grow", "kill")]
    home.write(
        *limited,
        actor("late", extra=LATE),
        actor("fine"),
        actor("sparse", extra="state_every = 3\n"),
        head=HEAD,
    )
    try:
        home.out("up", "-d")
        home.ask("trap", 'set {"items": [{"price": 4}]}', "log about to\nsend fine echo x\ntrap")
        home.ask("fine", "request err " + HOSTILE)
        home.ask("fuel", "loop")
        home.ask("grow", "grow")
        home.ask("late", "append x\nrequest fine echo y\nloop")
        with System(str(home.data)) as system:
            os.kill(system.actor("kill")["pid"], signal.SIGKILL)
            for name in ("trap", "err", "fuel", "grow", "late", "kill"):
                eventually(functools.partial(system.last_death, name), f"{name} to die")
            home.ask("fine", b"set " + msgpack.packb({"a": [1, "two"]}), b"set \xff\x00\x01")
            for number in range(2):
                home.ask("sparse", "count")
                home.ask("fine", f'set {{"n": {number}, "same": "{"x" * 80}"}}')
            for row in system.ps():
                system.wait_status(row["actor"], "running")
            turn, death = system.turn("trap", 3), system.last_death("trap")
            assert turn is not None and death is not None and death.turn == turn.number
            assert system.turn("trap", 4) is None and system.last_death("fine") is None
        home.out("down")
        yield home
    finally:
        home.end()


def test_a_trap_is_told_with_all_it_had_and_what_to_do(died: Home) -> None:
    text = died.out("why", "trap")
    assert timeless(text) == timeless(text_of(died, "trap"))
    lines = text.splitlines()
    assert lines[0] == "trap trapped: wasm `unreachable` instruction executed"
    assert lines[3:] == [
        "  turn        3, a request from a client",
        "  message     is set aside as dead letter 1",
        "message (34 B of text)",
        "  log about to",
        "  send fine echo x",
        "  trap",
        "state before the turn (25 B of JSON, sha256 5b13943dd2bc)",
        '  {"items": [{"price": 4}]}',
        "incarnation 1 had failed at it too: trap: wasm `unreachable` instruction executed",
        "what incarnation 2 did that did not commit",
        *lines[13:14],
        '  3.1  host-call   log("about to")',
        '  3.2  host-call   send("fine", "echo x") -> ok',
        "its wasm backtrace, innermost first",
        "  Probe!command",
        "  Probe!script",
        "  Probe!handle-request",
        "what was done about it",
        *lines[21:23],
        "what to do",
        "  theater replay trap --from 3 --until 3  to run it once more, up to there",
        "  theater dead retry 1                    when it can be handled",
        "  theater why-restarted trap              what was decided, and by which rule",
    ]
    assert "3.0  wasm-call   handle-request(" in lines[13]
    assert lines[21].startswith("  trap was restarted ") and lines[21].endswith(": it had died")
    assert lines[22].startswith("  trap: restarting (")


CAUSES = {
    "err": ("err", "err failed: it returned Err: \x1b[31mred\u202e"),
    "fuel": ("fuel", "fuel failed: used up its fuel of 50,000,000"),
    "grow": ("trap", "close to the limit of 8 MiB"),
    "late": ("timeout", "late was killed by Theater: turn 2 took longer than turn_timeout (0.3 s)"),
    "kill": ("signal", "kill was killed by SIGKILL, and Theater did not send it: somebody did"),
}


@pytest.mark.parametrize("name", CAUSES)
def test_everything_that_kills_is_named(died: Home, name: str) -> None:
    found = why(died, name)
    cause, said = CAUSES[name]
    assert found["death"]["cause"] == cause
    assert said in found["headline"]
    assert found["afterwards"]["why"] == "died"
    assert not {"\x1b", "\u202e"} & set(text_of(died, name))


def test_what_had_committed_before_it_died_is_told_apart(died: Home) -> None:
    text = text_of(died, "late")
    committed = text.partition("what the turn had committed\n")[2].partition("what incarn")[0]
    assert [line.split()[1] for line in committed.splitlines()] == [
        "wasm-call",
        "host-call",
        "host-answer",
    ]


def test_a_death_between_turns_has_no_turn_to_replay(died: Home) -> None:
    found = why(died, "kill")
    assert (found["turn"], found["replay"]) == (None, None)
    assert "turn        none: it was at nothing" in text_of(died, "kill")


def test_whoever_has_not_failed_is_said_to_be_well_and_nobody_unknown_is(died: Home) -> None:
    assert died.out("why", "fine") == "fine has not failed, as far as the log goes back\n"
    found = json.loads(died.out("why", "--json", "fine"))
    assert found["failed"] is False and found == why(died, "fine")
    assert 'no actor "trp"; did you mean "trap"?' in died.fails(1, "why", "trp")
    assert "theater why-restarted / tells" in died.fails(1, "why", "/")
    assert "the log has no turn 99 of trap; it has turns 1 to 3" in died.fails(
        1, "why", "trap", "99"
    )
    died.fails(2, "why", "trap", "0")


def test_a_turn_that_went_well_is_told_with_what_it_changed(died: Home) -> None:
    text = text_of(died, "trap", 2)
    assert text.splitlines()[0] == "turn 2 of trap succeeded"
    assert text.splitlines()[-4:-2] == [
        "state after the turn (25 B of JSON, sha256 5b13943dd2bc)",
        '  {"items": [{"price": 4}]}',
    ]
    assert "the state is the same after the turn" in text_of(died, "fine", 2)
    turns = json.loads(died.out("state", "fine", "--json"))["turn"]
    assert "\n  n: 0 -> 1\n" in text_of(died, "fine", turns)


def test_the_way_a_place_is_named_is_in_the_command_to_replay(died: Home) -> None:
    data = str(died.data)
    command = f"theater --data {data} replay trap --from 3 --until 3"
    assert command in died.out("why", "trap", "--data", data)


def test_no_line_of_the_head_is_wider_than_the_terminal(died: Home) -> None:
    terminal = died.terminal("why", "kill", NO_COLOR="1")
    assert terminal.wait_end() == 0
    assert all(len(line) <= 80 for line in terminal.text.splitlines()), terminal.text


# The state


def test_a_state_is_shown_as_what_it_is(died: Home) -> None:
    assert died.out("state", "trap") == '{"items": [{"price": 4}]}\n'
    found = json.loads(died.out("state", "trap", "--json"))
    assert found["turn"] == 3 and found["state"]["value"] == {"items": [{"price": 4}]}
    assert died.run("state", "trap", "--raw").stdout == b'{"items": [{"price": 4}]}'
    assert died.out("state", "trap", "--at", "1") == ""
    long = died.out("state", "fine")
    assert long.splitlines()[:2] == ["{", '  "n": 1,'] and json.loads(long)["n"] == 1


def test_states_of_msgpack_and_of_bytes_are_told_apart(died: Home) -> None:
    last = json.loads(died.out("state", "fine", "--json"))["turn"]
    assert died.out("state", "fine", "--at", str(last - 3)) == '{a: [1, "two"]}\n'
    dump = died.out("state", "fine", "--at", str(last - 2))
    assert dump == f"00000000  {'ff 00 01':<23}  {'':<23}  |...|\n"


def test_a_state_that_is_not_kept_is_computed(died: Home) -> None:
    assert died.out("state", "sparse") == died.out("state", "sparse", "--at", "3") == "2\n"
    assert died.out("state", "sparse", "--at", "2") == "1\n"
    found = json.loads(died.out("state", "sparse", "--at", "2", "--json"))["state"]
    assert found["kept"] is False and found["text"] == "1"
    components = died.data / "components"
    components.rename(died.data / "away")
    try:
        errors = died.fails(7, "state", "sparse", "--at", "2")
    finally:
        (died.data / "away").rename(components)
    assert "see state_every in the manifest), those after turn 1 and turn 3 are; and it" in errors


def test_a_state_that_makes_no_sense_to_ask_for(died: Home) -> None:
    assert "the log has no turn 99 of trap" in died.fails(1, "state", "trap", "--at", "99")
    assert 'no actor "trp"' in died.fails(1, "state", "trp")
    died.fails(2, "state", "trap", "--raw", "--json")
    terminal = died.terminal("state", "trap", "--raw")
    assert terminal.wait_end() == 2


@pytest.mark.parametrize(
    "damage, said",
    [
        ("UPDATE evidence SET events = x'c1c1'", "the evidence of turn 3 is damaged"),
        ("UPDATE evidence SET events = x'9101'", "the evidence of turn 3 is damaged"),
        ("UPDATE events SET turn = 'x', incarnation = 'x'", "is not there, or damaged"),
    ],
)
def test_of_a_damaged_log_it_is_said_that_it_is(
    died: Home, tmp_path: Path, damage: str, said: str
) -> None:
    shutil.copy(died.data / "chain.db", tmp_path)
    db = sqlite3.connect(tmp_path / "chain.db")
    db.execute(damage)
    db.commit()
    db.close()
    log = LogReader(str(tmp_path / "chain.db"))
    with pytest.raises(Damaged, match=said):
        crash.crash_of(log, Place(), "trap", None)
    log.close()


@pytest.mark.parametrize("value", ["x'00'", "'text'"])
def test_a_content_that_is_not_what_its_hash_says_is_not_shown(
    died: Home, tmp_path: Path, value: str
) -> None:
    shutil.copy(died.data / "chain.db", tmp_path)
    shutil.copytree(died.data / "components", tmp_path / "components")
    db = sqlite3.connect(tmp_path / "chain.db")
    db.execute(f"UPDATE blobs SET bytes = {value}")
    db.commit()
    db.close()
    there = ("--data", str(tmp_path))
    for command in (("state", "trap", "--at", "2"), ("why", "trap"), ("replay", "trap")):
        done = died.run(*there, *command)
        assert done.returncode == 7, command
        assert "not what its hash says" in done.stderr.decode(), command
        assert b"Traceback" not in done.stderr, command
    events = died.out(*there, "events").splitlines()
    assert len(events) == len(died.out("events").splitlines()), "the others are listed"
    assert any("not what its hash says" in line for line in events)


def test_a_start_that_failed_is_told_also_when_nothing_ever_ran(home: Home) -> None:
    home.write(actor("bad", extra=BAD_INIT))
    home.run("up", "-d")
    found = why(home, "bad")
    assert found["headline"].endswith("executed (while it was starting)")
    assert found["afterwards"]["why"] == "start-aborted"
    assert found["turn"]["kind"] == "init" and found["replay"].endswith(
        "replay bad --from 1 --until 1"
    )
    assert "bad has no state yet" in home.fails(1, "state", "bad")
    assert "turn 1 of bad has not ended" in home.fails(1, "state", "bad", "--at", "1")


def test_what_was_cut_off_with_the_whole_system_is_said_and_then_told(home: Home) -> None:
    home.write(actor("a", extra=LATE.replace("0.3", "30")), head=HEAD)
    home.out("up", "-d")
    home.out("send", "a", "append x\nloop")
    eventually(lambda: '"mailbox": 1' in home.out("ps", "--json"), "the message to be there")
    box = home.data / "boxes"
    eventually(lambda: any(each.stat().st_size for each in box.iterdir()), "its turn to begin")
    for pid in home.processes():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not home.processes(), "all to be gone")
    done = home.run("why", "a")
    assert b"a has not failed" in done.stdout
    assert b"incarnation 1 was running when the system ended; what it was at," in done.stderr
    home.write(actor("a", extra=LATE), head=HEAD)
    home.out("up", "-d")
    failed(home, "a")
    found = why(home, "a", 2)
    assert found["turn"]["attempts"][0]["incarnation"] == 1
    assert home.run("why", "a").stderr == b""
