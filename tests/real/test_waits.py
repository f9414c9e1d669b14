"""Packages that spawn an actor and wait for its end, with real processes and real kills."""

from __future__ import annotations

import os
import shutil
import signal
from typing import Any

import pytest

from tests.real.conftest import COMPONENTS, Theater, actor
from tests.real.test_broker_dies import kill_broker
from tests.real.test_spawning import GRANT, PROBE, armed, births, is_down, kill, rows, runs, write
from tests.waiting import eventually
from theater.client import System
from theater.crashpoints import Shot, arm
from theater.pack.codec import decode, encode
from theater.pack.types import BYTES, STRING, U64
from theater.pack.values import U64 as Number
from theater.pack.values import List, Option, Result, Value

SPAWN, RESUME, WAIT, STOP, LIST, STATE, REQUEST = range(7)
NONE = Option(BYTES.wire, None)
CHILD = "boss/probe"


@pytest.fixture
def home(theater: Theater) -> Theater:
    for name in ("counter", "probe"):
        shutil.copy(COMPONENTS / f"{name}.wat", theater.directory)
    write(theater, "probe", "probe", f'restart = "transient"\n{PROBE}')
    return theater


def boss(more: str = "", keys: str = "") -> str:
    return f"{actor('boss', 'pack-boss.wat', extra=keys)}{GRANT}{more}"


def call(function: int, *given: Value) -> bytes:
    return b"%d" % function + encode(given if len(given) != 1 else given[0])


def wait(manifest: str = "probe.toml", ms: int | None = None, code: bytes | None = None) -> bytes:
    time = Option(U64.wire, None if ms is None else Number(ms))
    return call(WAIT, manifest, NONE, Option(BYTES.wire, code), time)


def script(home: Theater, name: str, commands: str) -> None:
    """A manifest of an actor called `probe` that does this in its `init`."""
    keys = f'restart = "transient"\ninitial_state = "init-{commands}"\n'
    write(home, "probe", "probe", keys + PROBE)
    os.rename(home.directory / "probe.toml", home.directory / f"{name}.toml")


def told(system: System, message: bytes) -> Any:
    """What a call was answered, a result as ("ok" or "err", its item)."""
    return plain(system.request("boss", message))


def plain(data: bytes) -> Any:
    match decode(data):
        case Result(is_err=is_err, item=Option(item=item) | item):
            return ("err" if is_err else "ok", item)
        case value:
            return value


def answered(system: System) -> Any:
    """The state that the answer of a send has become; None: none yet, or it is something else."""
    value = decode(system.log.state("boss") or encode(b""))
    if not isinstance(value, bytes) or not value:
        return None
    return plain(value)


def answer_with(system: System, words: str) -> Any:
    eventually(lambda: words in str(answered(system)), f"{words} to be told")
    return answered(system)


def waits(system: System, child: str = CHILD) -> bool:
    """Whether the boss waits for a child that runs."""
    asks = system.log.query("SELECT 1 FROM asks WHERE status = 'open' AND kind = 'spawn-and-wait'")
    return bool(asks) and rows(system).get(child, {}).get("status") == "running"


def begin(system: System, message: bytes, child: str = CHILD) -> None:
    system.send("boss", message)
    eventually(lambda: waits(system, child), "the child to run, and the boss to wait")


def is_told(system: System, answer: Any) -> None:
    eventually(lambda: answered(system) == answer, f"{answer} to be told")
    kinds = system.log.query("SELECT kind FROM messages WHERE kind LIKE 'child-%'")
    assert kinds == [], "what was answered is not told again"


def test_it_waits_and_has_the_result(home: Theater) -> None:
    system = home.up(boss())
    begin(system, wait())
    system.send(CHILD, b"shutdown the end")
    is_told(system, ("ok", b"the end"))
    assert rows(system)[CHILD]["status"] == "stopped"
    assert told(system, wait("nothing.toml"))[1].startswith("refused: nothing.toml: ")


def test_an_init_that_shuts_down_is_an_end(home: Theater) -> None:
    system = home.up(boss())
    script(home, "early", "shutdown early")
    script(home, "traps", "trap")
    assert told(system, wait("early.toml")) == ("ok", b"early")
    assert told(system, wait("traps.toml"))[1].startswith("failed: boss/probe-2: trap: ")
    assert isinstance(told(system, call(LIST)), tuple)


def test_one_that_is_temporary_is_forgotten_when_it_is_told(home: Theater) -> None:
    write(home, "probe", "probe", f'restart = "temporary"\n{PROBE}')
    system = home.up(boss())
    begin(system, wait())
    system.send(CHILD, b"shutdown " + b"long " * 1000)
    is_told(system, ("ok", b"long " * 1000))
    eventually(lambda: CHILD not in rows(system), "it to be forgotten")
    begin_of = "boss/probe-2"
    system.send("boss", wait())
    runs(system, begin_of)
    os.kill(int(str(rows(system)[begin_of]["pid"])), signal.SIGKILL)
    is_told(system, ("err", f"failed: {begin_of}: killed by SIGKILL"))


def test_a_crash_that_is_restarted_is_no_end(home: Theater) -> None:
    system = home.up(boss())
    begin(system, wait())
    kill(system, CHILD)
    system.restart(CHILD)
    runs(system, CHILD)
    assert waits(system)
    system.send(CHILD, b"shutdown late")
    is_told(system, ("ok", b"late"))


def test_one_that_others_stop_is_told_so(home: Theater) -> None:
    system = home.up(boss())
    begin(system, wait())
    system.stop(CHILD)
    is_told(system, ("err", f"stopped: {CHILD} was stopped"))


def test_one_whose_process_a_stranger_ends_is_told_of(home: Theater) -> None:
    system = home.up(boss())
    begin(system, wait())
    os.kill(int(str(rows(system)[CHILD]["pid"])), signal.SIGTERM)
    is_told(system, ("err", f"stopped: {CHILD} was stopped"))


def test_one_that_goes_down_with_its_parent_comes_back_with_it(home: Theater) -> None:
    system = home.up(boss())
    begin(system, wait())
    system.stop("boss")
    assert rows(system)[CHILD]["status"] == "stopped"
    system.start_child("boss")
    runs(system, CHILD)
    assert waits(system)
    system.send(CHILD, b"shutdown after all")
    is_told(system, ("ok", b"after all"))


def test_a_permanent_one_answers_and_is_started_again(home: Theater) -> None:
    write(home, "probe", "probe", PROBE)
    system = home.up(boss())
    begin(system, wait())
    system.send(CHILD, b"shutdown once")
    eventually(lambda: answered(system) == ("ok", b"once"), "it to be told")
    eventually(lambda: rows(system)[CHILD]["incarnation"] == 2, "it to be started again")
    system.send(CHILD, b"shutdown twice")
    eventually(lambda: system.log.query("SELECT 1 FROM messages WHERE kind = 'child-exit'"), "this")


# Deaths


def test_all_may_die_while_it_waits(home: Theater) -> None:
    system = home.up(boss())
    begin(system, wait())
    kill(system, "boss")
    assert waits(system)
    kill_broker(system)
    eventually(lambda: waits(system), "it to wait again")
    kill(system, "boss")
    kill(system, CHILD)
    home.note(system)
    system.send(CHILD, b"shutdown at last")
    is_told(system, ("ok", b"at last"))
    assert births(home) == [CHILD]


def test_the_wait_goes_on_in_the_next_system(home: Theater) -> None:
    system = home.up(boss())
    begin(system, wait())
    system.send(CHILD, b"set kept")
    system.close()
    system = home.up()
    eventually(lambda: waits(system), "it to wait again")
    os.kill(system.info()["pid"], signal.SIGKILL)
    system.close()
    system = home.up()
    eventually(lambda: waits(system), "it to wait again")
    assert system.request(CHILD, b"get") == b"kept"
    system.send(CHILD, b"shutdown tomorrow")
    is_told(system, ("ok", b"tomorrow"))
    assert births(home) == [CHILD]


@pytest.mark.parametrize(
    "point", ["broker.in-commit", "broker.after-commit", "broker.buried", "broker.released"]
)
def test_the_end_in_which_the_broker_dies_is_told_once(
    home: Theater, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash = armed(home, monkeypatch)
    system = home.up(boss())
    begin(system, wait())
    system.send(CHILD, b"log here")
    eventually(lambda: system.log.query("SELECT 1 FROM events WHERE line = 'here'"), "it to come")
    arm(crash, point, Shot(times=2 if point != "broker.buried" else 1))
    system.send(CHILD, b"shutdown the end")
    is_told(system, ("ok", b"the end"))
    home.note(system)


@pytest.mark.parametrize(
    ("point", "times"),
    [
        ("broker.buried", 1),
        *((f"broker.{each}-commit", n) for each in ("in", "after") for n in (1, 2)),
    ],
)
def test_a_crash_for_good_in_which_the_broker_dies_is_told_once(
    home: Theater, point: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the next broker hears nothing but that the child is not there any more."""
    write(home, "probe", "probe", f'restart = "temporary"\n{PROBE}')
    crash = armed(home, monkeypatch)
    system = home.up(boss())
    begin(system, wait())
    arm(crash, point, Shot(times=times))
    os.kill(int(str(rows(system)[CHILD]["pid"])), signal.SIGKILL)
    is_told(system, ("err", f"failed: {CHILD}: killed by SIGKILL"))
    home.note(system)


@pytest.mark.parametrize("point", ["root.buried", "broker.buried", "broker.after-commit"])
def test_the_end_in_which_all_dies_is_told_once(
    home: Theater, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash = armed(home, monkeypatch)
    system = home.up(boss())
    begin(system, wait())
    root = system.info()["pid"]
    # The first commit is of the message itself, and who sends it has to hear of that.
    arm(crash, point, Shot(times=2 if point == "broker.after-commit" else 1, pids=(root,)))
    system.send(CHILD, b"shutdown the end")
    eventually(lambda: is_down(system), "the system to die")
    system.close()
    system = home.up()
    is_told(system, ("ok", b"the end"))


# Time


def test_after_a_timeout_it_is_told_of_the_end_as_of_others(home: Theater) -> None:
    system = home.up(boss())
    for ms in (300, 2_000, 10_000):
        system.send("boss", wait(ms=ms))
        kind, text = answer_with(system, f" has not ended within {ms / 1000:g} s")
        assert kind == "err" and text.startswith("timeout: ")
        if "what was to be born" not in text:  # as the machine may be slow
            break
    child = text.split()[1]
    runs(system, child)
    system.send(child, b"shutdown too late")

    def is_told_of_it() -> bool:
        value = decode(system.log.state("boss") or encode(b""))
        seen = decode(value) if isinstance(value, bytes) and value else ()
        return isinstance(seen, tuple) and seen[1:2] == (child,)

    eventually(is_told_of_it, "the end to be told")


# Cycles


@pytest.mark.parametrize("function", ["spawn", "spawn-and-wait"])
def test_a_child_that_asks_who_waits_for_it_is_told_so_at_once(
    home: Theater, function: str
) -> None:
    system = home.up(boss())
    script(home, "asks", "request boss hello")
    cycle = f"cycle: {CHILD} → boss → {CHILD}"
    if function == "spawn":
        message = call(SPAWN, "asks.toml", NONE, NONE)
        assert told(system, message) == ("ok", CHILD)
    else:
        begin(system, wait("asks.toml"))
    lines = system.log.query("SELECT line FROM events WHERE line IS NOT NULL")
    assert (cycle,) in [(line.removeprefix("err: "),) for (line,) in lines]
    if function != "spawn":
        assert cycle.encode() in system.request(CHILD, b"request boss hello")
        system.send(CHILD, b"shutdown")
        eventually(lambda: answered(system) == ("ok", b""), "it to be told")


def test_bytes_that_are_no_component_are_an_error(home: Theater) -> None:
    system = home.up(boss())
    code = Option(BYTES.wire, b"\0asm")
    kind, text = told(system, call(SPAWN, "probe.toml", NONE, code))
    assert kind == "err" and text.startswith("refused: ")
    assert told(system, call(LIST))[1] == List(STRING.wire, ())
