"""Real actors that spawn others: what all of them did, and what it was told, is done again."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.conftest import COMPONENTS, Theater, actor, assert_whole, gone, processes
from tests.replay.replayed import replayed
from tests.waiting import eventually
from theater import wire
from theater.client import System
from theater.errors import Damaged
from theater.replay.recording import Recording
from theater.replay.run import Options, Replayed, replay, state_at
from theater.runs.pack import record
from theater.runs.unpack import opened

BOSS = actor("boss", "boss.wat") + '[[child.handler]]\ntype = "supervisor"\n'
PROBE = '[[handler]]\ntype = "runtime"\n[[handler]]\ntype = "message-server"\n'
LONG = b"long" * 500


def ask(system: System, command: str) -> bytes:
    return system.request("boss", command.encode())


def tells(system: System, line: bytes) -> None:
    """The boss has been told this."""
    eventually(lambda: line in ask(system, "?").splitlines(), f"{line!r} to be told")


def write(theater: Theater) -> None:
    """The manifests that are spawned from, beside the boss's own."""
    for name, more in (("counter", 'initial_state = "7"\n'), ("probe", PROBE)):
        shutil.copy(COMPONENTS / f"{name}.wat", theater.directory)
        text = f'name = "{name}"\npackage = "{name}.wat"\n{more}'
        (theater.directory / f"{name}.toml").write_text(text)


def live(theater: Theater) -> None:
    """Two runs; the first one is killed with everything in it."""
    system = theater.up(BOSS)
    assert ask(system, "s probe.toml") == b"boss/probe"
    assert ask(system, "s counter.toml") == b"boss/counter"
    assert ask(system, "r counter.toml") == b"boss/counter-2"
    assert ask(system, "n counter.toml") == b"boss/counter-3"
    assert ask(system, "s nothing.toml").startswith(b"refused: ")
    assert ask(system, "+ boss/probe") == b""
    system.request("boss/probe", b"set " + LONG)
    tells(system, b"event boss/probe wasm-result")
    assert ask(system, "g boss/probe") == LONG
    assert ask(system, "g boss/counter-2") == b"41"
    assert ask(system, "e boss/probe") > b""
    assert ask(system, "e nobody").startswith(b"no-actor: ")
    os.kill(system.actor("boss/probe")["pid"], signal.SIGKILL)
    tells(system, b"error boss/probe")
    system.wait_status("boss/probe", "running")
    system.request("boss/probe", b"shutdown " + LONG)
    tells(system, b"exit boss/probe " + LONG)
    system.stop("boss/counter")
    tells(system, b"stopped boss/counter")
    system.send("boss/counter-2", b"x")
    assert ask(system, "x boss/counter-3") == b""
    everybody = processes(system)
    os.kill(system.info()["pid"], signal.SIGKILL)
    eventually(lambda: gone(everybody), "everything to die with root")
    system.close()

    system = theater.up()
    names = [b"boss/probe", b"boss/counter", b"boss/counter-2", b"boss/counter-3"]
    assert sorted(ask(system, "l").splitlines()) == sorted(names)
    assert system.request("boss/counter-2", b"?") == b"42"
    system.restart("boss/counter-2", init=True)
    assert system.request("boss/counter-2", b"?") == b"41"
    system.request("boss/probe", b"get")
    eventually(lambda: _is_up_to_date(system), "all events of the probe's to be told")
    assert ask(system, "- boss/probe") == b""
    theater.write(f"{BOSS}[child.limits]\nfuel = 100000\n")
    system.reload(str(theater.manifest))
    system.restart("boss")  # from now on what it has spawned has no more fuel either
    system.wait_status("boss/counter-3", "running")
    system.stop("boss/counter-3")
    system.delete_child("boss/counter-3")
    system.close()


def _is_up_to_date(system: System) -> bool:
    rows = system.log.query(
        "SELECT s.position, (SELECT max(position) + 1 FROM events e WHERE e.actor = s.child)"
        " FROM subscriptions s"
    )
    return len(rows) == 1 and rows[0][0] == rows[0][1]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data directory."""
    theater = Theater(tmp_path_factory.mktemp("lived"), replays=True)
    write(theater)
    live(theater)
    theater.end()  # which checks and replays it all
    yield theater.data


def test_a_recorded_run_has_the_children_and_what_they_ran(lived: Path, tmp_path: Path) -> None:
    packed = record(str(lived), str(tmp_path / "run.theater"))
    assert not packed.missing and packed.components == 3
    before = replayed(lived)
    with opened(str(tmp_path / "run.theater")) as directory:
        assert_whole(Path(directory))
        assert replayed(Path(directory)) == before


def test_one_that_was_resumed_is_replayed_from_any_turn(lived: Path) -> None:
    recording = Recording(str(lived))
    try:
        items = list(replay(recording, "boss/counter-2", Options(states=True)))
        runs = [item for item in items if isinstance(item, Replayed)]
        assert [run.state for run in runs][:2] == [b"42", b"42"]
        assert state_at(recording, "boss/counter-2", 1) == b"42"
        last = runs[-1].run.turn
        assert state_at(recording, "boss/counter-2", last) == b"41"
    finally:
        recording.close()


def test_what_a_parent_was_told_is_told_it_again(lived: Path) -> None:
    recording = Recording(str(lived))
    try:
        (turn,) = recording.log.query("SELECT turn FROM turns WHERE kind = 'child-exit' LIMIT 1")
        state = state_at(recording, "boss", turn[0])
        assert state is not None and b"exit boss/probe " + LONG in state
    finally:
        recording.close()


def test_a_childs_events_that_are_not_what_was_answered_are_damage(lived: Path) -> None:
    recording = Recording(str(lived))
    try:
        place = wire.pack(["boss/probe", 0, 2, bytes(32)])
        with pytest.raises(Damaged, match="0 to 2 of boss/probe are not what was answered"):
            recording.chain_part(place)
    finally:
        recording.close()
