"""A large state leaves little in the log, and nothing that is needed is missing from it."""

from __future__ import annotations

import os
import signal

from tests.real.conftest import Theater, actor, gone, processes
from tests.waiting import eventually
from theater.client import System

SIZE = 70_000  # over the size up to which every turn's state is kept
PART, PARTS = 50, 5


def count(system: System) -> int:
    """The actor's state is a number, with zeros before it."""
    state = system.log.state("a")
    assert state is not None and len(state) == SIZE
    return int(state[-10:])


def test_a_large_state_takes_little_room_whatever_is_killed(theater: Theater) -> None:
    (theater.directory / "state").write_bytes(b"0" * SIZE)
    system = theater.up(actor("a", "counter.wat", extra='initial_state = { file = "state" }\n'))
    for part, victim in enumerate(("nobody", "a", "broker", "root", "a")):
        system.send_many("a", [b"+"] * PART)
        eventually(lambda: count(system) > PART * part, "some turns")  # noqa: B023
        if victim == "a":
            os.kill(system.actor("a")["pid"], signal.SIGKILL)
        elif victim == "broker":
            os.kill(system.info()["helpers"]["broker"], signal.SIGKILL)
        elif victim == "root":
            everybody = processes(system)
            os.kill(system.info()["pid"], signal.SIGKILL)
            eventually(lambda: gone(everybody), "everything to die with root")  # noqa: B023
            system.close()
            system = theater.up()
        eventually(lambda: count(system) == PART * (part + 1), "all turns")  # noqa: B023
        theater.note(system)
    ((turns, kept),) = system.log.query("SELECT count(hash), count(DISTINCT state) FROM states")
    assert turns == PART * PARTS + 1 and kept < 15
    system.down()
    size = os.stat(theater.data / "chain.db").st_size
    assert size < 20 * SIZE, f"the log has {size} bytes"
    last = theater.up()
    last.send("a", b"+")
    eventually(lambda: count(last) == PART * PARTS + 1, "the next turn")
    theater.note(last)
