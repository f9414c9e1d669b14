"""Whatever dies at the moment of a tick: it comes once, and the timer goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.run import start
from tests.real.conftest import Theater, gone, processes
from tests.real.test_timers import clock, count, ticks
from tests.slices import sliced
from tests.waiting import eventually
from theater import crashpoints
from theater.client import System
from theater.crashpoints import Shot

BROKER = (
    "broker.ticked",
    "broker.before-commit",
    "broker.in-commit",
    "broker.after-commit",
    "broker.tick-handed",
    "broker.released",
)
WORKER = (
    "worker.input-taken",
    "worker.turn-begun",
    "worker.step-made",
    "worker.step-sent",
    "worker.step-acknowledged",
)
EVERYTHING = ("broker.ticked", "broker.after-commit", "broker.tick-handed", "worker.step-sent")


class Stage:
    def __init__(self, directory: Path) -> None:
        self.theater = Theater(directory, replays=True)
        self._crash = directory / "crash"
        self._crash.mkdir()
        head = "supervisor = { intensity = 1000, period = 1 }\n"
        self.theater.write(clock(), head=head)
        self.up()

    def up(self) -> System:
        self.system = start(self.theater.manifest, self._crash)
        self.theater.take(self.system)
        return self.system

    def set(self, name: str) -> None:
        """Three that go off once, one after the other, and one that goes on: so that there is a
        tick whenever it is."""
        self.system.request("a", f"i 40 {name}\nt 60 {name}1\nt 90 {name}2\nt 120 {name}3".encode())

    def arm(self, point: str, shot: Shot) -> None:
        crashpoints.arm(str(self._crash), point, shot)
        eventually(lambda: not crashpoints.is_armed(str(self._crash), point), f"{point} to come")

    def judge(self, name: str) -> None:
        """Each has come once, and in order; the last one comes on."""
        count(self.system, f"{name}3", 1)
        before = ticks(self.system).count(name)
        count(self.system, name, before + 2)
        self.system.request("a", f"c {name}".encode(), timeout_s=30)
        once = [each for each in ticks(self.system) if each in {f"{name}{n}" for n in "123"}]
        assert once == [f"{name}{number}" for number in "123"]
        assert self.system.log.query("SELECT * FROM timers") == []
        assert self.system.dead_letters() == []
        self.theater.note(self.system)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """One for each: a broker may not die often in a short time."""
    made = Stage(tmp_path)
    yield made
    made.theater.end()


@pytest.mark.parametrize(
    "point",
    sliced(
        [*BROKER, *WORKER],
        *("broker.ticked", "broker.in-commit", "broker.tick-handed", "broker.released"),
        *("worker.input-taken", "worker.turn-begun", "worker.step-sent"),
    ),
)
def test_who_reaches_the_point_dies(stage: Stage, point: str) -> None:
    name = point.replace(".", "-")
    stage.set(name)
    stage.arm(point, Shot())
    stage.judge(name)


@pytest.mark.parametrize("point", sliced(EVERYTHING, "broker.ticked", "broker.tick-handed"))
def test_everything_dies(stage: Stage, point: str) -> None:
    name = point.replace(".", "-all-")
    stage.set(name)
    system = stage.system
    everybody = processes(system)
    stage.arm(point, Shot(pids=(system.info()["pid"],)))
    eventually(lambda: gone(everybody), "everything to die with root")
    system.close()
    stage.up()
    stage.judge(name)
