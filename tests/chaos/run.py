"""One system under chaos, in one data directory, from its first `up` to the check of its log.

It goes in rounds: arm a plan, give everybody work, start the system again if root was killed, wait
for rest, then look whether everything is as it must be.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections import Counter, deque
from functools import partial
from pathlib import Path
from typing import Any

from tests.chaos import checker, rest
from tests.chaos.bank import ACTORS, Bank, write
from tests.chaos.customer import Customer, Down, Operation
from tests.chaos.plan import ALL, ANSWERED, HELPERS, ITSELF, Hits, Plan
from tests.real.conftest import assert_whole, gone, processes
from tests.replay.replayed import replayed
from tests.waiting import eventually
from theater import crashpoints
from theater.client import System
from theater.crashpoints import Shot
from theater.errors import EnvironmentProblem, NotRunning, Refused
from theater.supervisor.datadir import runtime_of

LATE_S = 0.1  # how long after rest a point may still be reached
FORGIVEN = 5  # deaths of a helper in WINDOW_S; one more ends the system, as it should
WINDOW_S = 15.0  # longer than root's: its clock stands still when it is kept from running


class Failed(AssertionError):
    """Something is not as it must be."""


class Run:
    def __init__(self, directory: Path, seed: str) -> None:
        self.directory = directory
        self.counts: Counter[str] = Counter()
        self._dice = random.Random(seed)
        self._crash = directory / "crash"
        self._crash.mkdir(parents=True)
        self._manifest = write(directory)
        self._bank = Bank(self._dice)
        self._customer = Customer(f"chaos-{seed}")
        self._pids: set[int] = set()  # every process that there ever was
        self._died_s: dict[str, deque[float]] = {helper: deque() for helper in HELPERS}
        self._may_end = False  # whether this round's plan ends the system
        self._down_after = 0  # answers, in this round; 0 or less: it is not taken down
        self._going_down = False
        self._up()

    @property
    def history(self) -> list[Operation]:
        """What the clients have said and heard."""
        return self._customer.history

    # The system

    def _up(self) -> None:
        self._system = eventually(self._start, "a start that no shot ends")
        for times in self._died_s.values():
            times.clear()
        runtime = runtime_of(self._system.data.directory)
        self._customer.connect(f"ipc://{runtime.clients}")

    def _start(self) -> System | None:
        """None: a shot that was still on its way has hit the new root, or its like still die."""
        try:
            return start(self._manifest, self._crash)
        except (EnvironmentProblem, Refused) as error:
            expected = "killed by SIGKILL" in str(error) or isinstance(error, Refused)
            if not (self._may_end and expected):
                raise
            self.counts["ups"] += 1
            return None

    def _is_up(self) -> bool:
        launch = self._system._launch
        return launch is not None and launch.process.poll() is None

    def _up_again(self) -> None:
        """Root is dead: nobody may have outlived it, and the next one goes on."""
        if not self._may_end:
            raise Failed(f"the system has ended:\n{self._internal_log()}")
        self.counts["ups"] += 1
        eventually(lambda: gone(self._pids), "everything to die with root")
        self._system.close()
        self._going_down = False
        self._up()

    def _internal_log(self) -> str:
        return Path(self._system.data.internal_log).read_text()[-2000:]

    def _incarnations(self) -> dict[str, int]:
        return {row["actor"]: row["incarnation"] for row in self._system.ps()}

    def _pid_of(self, victim: str, info: dict[str, Any]) -> tuple[int, ...]:
        pids = {row["actor"]: row["pid"] for row in info["actors"]}
        pids |= {**info["helpers"], "root": info["pid"], ITSELF: crashpoints.ITSELF}
        return tuple(pids.values())[:-1] if victim == ALL else (pids[victim],)

    # Rounds

    def may(self, plan: Plan) -> bool:
        """Whether root would forgive it: no helper may die too often."""
        now_s = time.monotonic()
        for helper, times in self._died_s.items():
            while times and times[0] < now_s - WINDOW_S:
                times.popleft()
            deaths = plan.deaths(helper)
            if deaths and len(times) + deaths > FORGIVEN:
                return False
        return True

    def count(self) -> Hits:
        """A round without any kill; how often it reaches each point."""
        hits = self._crash / crashpoints.HITS
        hits.touch()
        self.round(Plan(()))
        lines = hits.read_text().splitlines()
        hits.unlink()
        return Counter((line.partition(" ")[0], line.partition(" ")[2]) for line in lines)

    def round(self, plan: Plan) -> bool:
        """Whether everybody was killed whom the plan names."""
        self.counts["rounds"] += 1
        before = self._incarnations()
        self._pids |= processes(self._system)
        self._may_end = "root" in plan.dying()
        armed = self._arm(plan)
        self._work()
        self._rest()
        fired = self._disarm(armed, plan)
        self._rest()
        for helper, times in self._died_s.items():
            times.extend([time.monotonic()] * plan.deaths(helper))
        self._look(plan, before)
        self.counts["kills"] += fired
        return fired == len(plan.kills)

    def _heard(self) -> None:
        """A client has an answer."""
        self._down_after -= 1
        if self._down_after == 0 and self._system._launch is not None:
            self._going_down = True
            with contextlib.suppress(OSError):  # it may be dead
                self._system._launch.say("down")

    def _arm(self, plan: Plan) -> dict[tuple[str, str], list[Shot]]:
        info = self._system.info()
        armed: dict[tuple[str, str], list[Shot]] = {}
        self._down_after = 0
        for kill in plan.kills:
            if kill.point == ANSWERED:
                self._down_after = kill.times
                continue
            shot = Shot(kill.times, pids=self._pid_of(kill.victim, info))
            armed.setdefault((kill.point, kill.who), []).append(shot)
        for (point, who), shots in armed.items():
            crashpoints.arm(str(self._crash), point, *shots, who=who)
        return armed

    def _work(self) -> None:
        lanes = self._bank.round()
        while True:
            try:
                self._customer.work(lanes, self._is_up, self._heard)
            except Down:
                self._up_again()
            else:
                return

    def _disarm(self, armed: dict[tuple[str, str], list[Shot]], plan: Plan) -> int:
        """Wait a little for what has not gone off; how many have."""
        directory = str(self._crash)
        until_s = time.monotonic() + LATE_S
        while time.monotonic() < until_s:
            if not any(crashpoints.is_armed(directory, *place) for place in armed):
                break
            time.sleep(0.005)
        left = 0
        for place, shots in armed.items():
            not_fired = crashpoints.disarm(directory, *place)
            left += not_fired
            if not not_fired:
                victims = {pid for shot in shots for pid in shot.pids if pid}
                eventually(partial(gone, victims), f"{victims} to die")
        if self._down_after > 0:
            left += 1
        return len(plan.kills) - left

    def _rest(self) -> None:
        """Until nothing is on its way, and everybody runs who should."""
        if self._going_down:
            eventually(lambda: not self._is_up(), "the system to go down")

        def is_at_rest() -> bool:
            if not self._is_up():
                self._up_again()
            with contextlib.suppress(NotRunning):  # root may die this very moment
                self._pids |= processes(self._system)
                return rest.is_at_rest(self._system) and self._is_up()
            return False

        eventually(is_at_rest, "rest")

    def _look(self, plan: Plan, before: dict[str, int]) -> None:
        found = self._bank.wrong_states(checker.states(self._system.log, ACTORS))
        found += self._bank.wrong_answers()
        found += checker.judge(self._system.log, self._customer.history)
        dying = plan.dying()
        found += [
            f"{name} was not killed, and is incarnation {now} after {before[name]}"
            for name, now in self._incarnations().items()
            if name in ACTORS and now != before[name] and name not in dying
        ]
        if found:
            raise Failed("\n".join(found))

    def end(self) -> None:
        """Take it down: nothing may be left, and the log must be whole."""
        self._customer.disconnect()
        self._system.close()
        eventually(lambda: gone(self._pids), "all processes to be gone")
        data = self._system.data
        assert not os.path.exists(runtime_of(data.directory).directory), "sockets are left"
        assert not os.listdir(data.boxes), "black boxes are left"
        assert_whole(Path(data.directory))
        replayed(Path(data.directory))

    def give_up(self) -> None:
        """Something has failed: leave the data, and no process."""
        self._customer.disconnect()
        self._system.close()


def start(manifest: Path, crash: Path) -> System:
    """Start a system whose crash points are armed in the directory `crash`."""
    os.environ[crashpoints.VARIABLE] = str(crash)
    try:
        return System.start(manifest)
    finally:
        del os.environ[crashpoints.VARIABLE]
