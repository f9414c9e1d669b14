"""Real systems for tests: real processes, real sockets, real components; nothing left behind."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.replay.replayed import replayed
from tests.waiting import eventually
from theater.client import System
from theater.fsck.check import check
from theater.fsck.findings import Note, Problem
from theater.supervisor.datadir import runtime_of

COMPONENTS = Path(__file__).parent.parent / "components"
# Where guests do most, and most happens to them.
REPLAYED = {
    "test_broker_dies",
    "test_calls",
    "test_carrying_on",
    "test_failures",
    "test_given_code",
    "test_loops",
    "test_messaging",
    "test_on_restart",
    "test_packages",
    "test_spawning",
    "test_stores",
    "test_timers",
    "test_turns",
    "test_waits",
    "test_world_calls",
}


def actor(name: str, component: str = "probe.wat", handlers: bool = True, extra: str = "") -> str:
    """The manifest of one actor. `extra`: more keys, then tables."""
    keys = f'[[child]]\nname = "{name}"\ncomponent = "{COMPONENTS / component}"\n'
    head, _, tables = extra.partition("[child")
    grants = (
        '[[child.handler]]\ntype = "runtime"\n[[child.handler]]\ntype = "message-server"\n'
        if handlers
        else ""
    )
    return keys + head + grants + ("[child" + tables if tables else "")


def gone(pids: set[int]) -> bool:
    return not any(map(_runs, pids))


def _runs(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


def processes(system: System) -> set[int]:
    """Every pid of a running system."""
    info = system.info()
    pids = {info["pid"], *info["helpers"].values()}
    pids |= {row["pid"] for row in info["actors"] if row["pid"]}
    return {pid for pid in pids if pid}


def kill_worker(system: System, name: str) -> None:
    """Kill it, and wait until the next one is there."""
    row = system.actor(name)
    os.kill(row["pid"], signal.SIGKILL)
    eventually(lambda: system.actor(name)["incarnation"] > row["incarnation"], "the next one")


def kill_everything(system: System) -> None:
    """Kill root, and wait until everything has died with it."""
    everybody = processes(system)
    os.kill(system.info()["pid"], signal.SIGKILL)
    eventually(lambda: gone(everybody), "everything to die with root")
    system.close()


class Theater:
    """Starts systems in one directory, and checks at the end that nothing is left of them.

    `replays`: and that what their actors did can be done again.
    """

    def __init__(self, directory: Path, replays: bool = False) -> None:
        self.replays = replays
        self.directory = directory
        self.manifest = directory / "manifest.toml"
        self.data = directory / ".theater"
        self._systems: list[System] = []
        self._pids: set[int] = set()

    def write(self, *actors: str, head: str = "") -> Path:
        text = f'name = "t"\ndurability = "process"\n{head}\n' + "\n".join(actors)
        self.manifest.write_text(text)
        return self.manifest

    def up(self, *actors: str, head: str = "") -> System:
        if actors:
            self.write(*actors, head=head)
        system = System.start(self.manifest)
        self.take(system)
        return system

    def take(self, system: System) -> None:
        """End and check this one too, which somebody else has started here."""
        self._systems.append(system)
        self._pids |= processes(system)

    def note(self, system: System) -> None:
        """Remember the processes that run now; they too have to be gone at the end."""
        self._pids |= processes(system)

    def end(self) -> None:
        for system in self._systems:
            system.close()
        eventually(lambda: gone(self._pids), "all processes to be gone")
        assert not os.path.exists(runtime_of(str(self.data)).directory), "sockets are left"
        if (self.data / "chain.db").exists():
            assert_whole(self.data)
            if self.replays:
                replayed(self.data)


def assert_whole(data: Path) -> None:
    """The log is what it has to be, whatever was done to the system."""
    found: list[Problem | Note] = []
    summary = check(str(data / "chain.db"), found.append)
    assert not found, "\n".join(map(str, found))
    assert not summary.went_on


@pytest.fixture
def theater(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Theater]:
    theater = Theater(tmp_path, replays=request.path.stem in REPLAYED)
    yield theater
    theater.end()
