"""What dies when, a test for each row of that table in docs/architecture.md: what is durable, and
what others see.

They share one system; each has a pair of actors of its own, `a` that sends and asks, and `b` that
is sent to and asked. World calls are in tests/real/test_world_calls.py.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.chaos.rest import is_at_rest
from tests.chaos.run import start
from tests.real.conftest import Theater, actor, gone, processes
from tests.waiting import eventually
from theater import crashpoints
from theater.crashpoints import Shot

PAIRS = (*range(1, 12), 14, 15)
NAMES = [f"{letter}{pair}" for pair in PAIRS for letter in "ab"]
PLAIN = "send B append 1\nappend x"  # one step
LONG = "append x\nsend B append 1\nrequest B append 2\nsend B append 3\nappend y"  # two steps


class Stage:
    """One system with a pair of actors for every test."""

    def __init__(self, directory: Path) -> None:
        self._theater = Theater(directory)
        self._crash = directory / "crash"
        self._crash.mkdir()
        head = "supervisor = { intensity = 1000, period = 1 }\n"
        head += "[defaults]\nrequest_timeout = 600\n"
        self._theater.write(*map(actor, NAMES), head=head)
        self.up()

    def up(self) -> None:
        self.system = start(self._theater.manifest, self._crash)
        self._theater.take(self.system)

    def end(self) -> None:
        self._theater.note(self.system)
        self._theater.end()

    def arm(self, point: str, *shots: Shot, who: str = "") -> None:
        crashpoints.arm(str(self._crash), point, *shots or (Shot(),), who=who)
        self._armed = point, who

    def pid(self, name: str) -> int:
        pid: int = self.system.actor(name)["pid"]
        return pid

    def incarnation(self, name: str) -> int:
        number: int = self.system.actor(name)["incarnation"]
        return number

    def helper(self, name: str) -> int:
        pid: int = self.system.info()["helpers"][name]
        return pid

    def begin(self, pair: int, script: str) -> None:
        """Let the pair's `a` run a script. `B` in it is its `b`."""
        self.system.send(f"a{pair}", script.replace("B", f"b{pair}").encode())

    def rest(self) -> None:
        """Until the armed point has fired and everything is over."""
        fired = lambda: not crashpoints.is_armed(str(self._crash), *self._armed)  # noqa: E731
        eventually(fired, f"{self._armed} to be reached")
        eventually(lambda: is_at_rest(self.system), "rest")

    def state(self, name: str) -> bytes:
        return self.system.log.state(name) or b""

    def turn(self, name: str) -> dict[str, Any]:
        """The last turn of an actor."""
        columns = "turn, status, incarnation, steps, deliveries"
        row = self.system.log.query(
            f"SELECT {columns} FROM turns WHERE actor = (SELECT id FROM actors WHERE name = ?)"
            " ORDER BY turn DESC LIMIT 1",
            name,
        )[0]
        return dict(zip(columns.split(", "), row, strict=True))

    def events(self, name: str) -> list[str]:
        """The types of the events in its last turn."""
        turn = self.turn(name)["turn"]
        events = self.system.log.events(actors=[name])
        return [row.event.type for row in events if row.event.turn == turn]

    def evidence(self, name: str) -> int:
        """How many turns of an actor are kept that came to nothing."""
        sql = "SELECT count(*) FROM evidence e JOIN actors a ON a.id = e.actor WHERE a.name = ?"
        count: int = self.system.log.query(sql, name)[0][0]
        return count

    def requests(self, name: str) -> list[str]:
        """The status of each request that an actor has made."""
        sql = "SELECT k.status FROM asks k JOIN actors a ON a.id = k.actor WHERE a.name = ?"
        return [status for (status,) in self.system.log.query(sql, name)]

    def dead_letters(self) -> int:
        return len(self.system.dead_letters())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("rows"))
    yield stage
    stage.end()


@pytest.fixture
def stage(shared: Stage) -> Iterator[Stage]:
    yield shared
    assert shared.dead_letters() == 0


def test_a_worker_with_an_input_that_has_not_begun(stage: Stage) -> None:
    stage.arm("worker.input-taken", who="a1")
    stage.begin(1, PLAIN)
    stage.rest()
    assert (stage.state("a1"), stage.state("b1")) == (b"x", b"1")
    assert stage.turn("a1")["deliveries"] == 0
    assert stage.evidence("a1") == 0
    assert (stage.incarnation("a1"), stage.incarnation("b1")) == (2, 1)


def test_a_worker_in_a_step_without_a_committed_one(stage: Stage) -> None:
    stage.arm("worker.step-made", who="a2")
    stage.begin(2, PLAIN)
    stage.rest()
    assert (stage.state("a2"), stage.state("b2")) == (b"x", b"1")
    assert stage.turn("a2")["deliveries"] == 1
    assert stage.evidence("a2") == 1
    assert stage.events("a2") == ["wasm-call", "host-call", "wasm-result"]


def test_a_step_that_is_on_its_way_when_its_worker_dies(stage: Stage) -> None:
    """Whether it came in time or not, it is one of the two: as if it had been sent, or not."""
    broker = stage.helper("broker")
    stage.arm("worker.turn-begun", Shot(1, signal.SIGSTOP, (broker,)), who="a3")
    stage.arm("worker.step-sent", who="a3")
    pid = stage.pid("a3")
    stage.begin(3, PLAIN)
    eventually(lambda: gone({pid}), "the worker to be reaped")
    os.kill(broker, signal.SIGCONT)
    stage.rest()
    assert (stage.state("a3"), stage.state("b3")) == (b"x", b"1")
    assert stage.turn("a3")["deliveries"] == stage.evidence("a3") <= 1


def test_a_worker_whose_step_is_committed_and_not_acknowledged(stage: Stage) -> None:
    # The first commit takes the message, the second the step.
    stage.arm("broker.after-commit", Shot(2, pids=(stage.pid("a4"),)))
    stage.begin(4, PLAIN)
    stage.rest()
    assert (stage.state("a4"), stage.state("b4")) == (b"x", b"1")
    turn = stage.turn("a4")
    assert (turn["incarnation"], turn["deliveries"]) == (1, 0)
    assert stage.incarnation("a4") == 2
    # In the middle of a turn it is carried on from there.
    stage.arm("broker.after-commit", Shot(2, pids=(stage.pid("a4"),)))
    stage.begin(4, LONG)
    stage.rest()
    assert (stage.state("a4"), stage.state("b4")) == (b"xxy", b"1123")
    assert stage.events("a4").count("wasm-call") == stage.events("a4").count("carried-on") == 1
    assert stage.requests("a4") == ["answered"]
    assert stage.incarnation("a4") == 3


@pytest.mark.parametrize(
    ("pair", "point"),
    [
        (5, "broker.before-commit"),
        (5, "broker.in-commit"),
        (6, "broker.after-commit"),
        (7, "broker.released"),
    ],
)
def test_the_broker_around_a_commit(stage: Stage, pair: int, point: str) -> None:
    before = stage.state(f"a{pair}"), stage.state(f"b{pair}")
    broker = stage.helper("broker")
    stage.arm(point, Shot(2))
    stage.begin(pair, LONG)
    stage.rest()
    after = stage.state(f"a{pair}"), stage.state(f"b{pair}")
    assert after == (before[0] + b"xy", before[1] + b"123")
    assert stage.turn(f"a{pair}")["deliveries"] == 0
    assert "carried-on" not in stage.events(f"a{pair}")
    assert (stage.incarnation(f"a{pair}"), stage.incarnation(f"b{pair}")) == (1, 1)
    assert stage.helper("broker") != broker


def test_an_asker_before_its_answer(stage: Stage) -> None:
    callee = stage.pid("b8")
    os.kill(callee, signal.SIGSTOP)  # else the answer could be there first
    stage.arm("broker.after-commit", Shot(2, pids=(stage.pid("a8"),)))
    stage.begin(8, LONG)
    eventually(lambda: stage.incarnation("a8") == 2, "the next incarnation")
    stage.system.wait_status("a8", "running")
    assert stage.requests("a8") == ["open"]
    os.kill(callee, signal.SIGCONT)
    stage.rest()
    assert (stage.state("a8"), stage.state("b8")) == (b"xy", b"123")
    assert stage.requests("a8") == ["answered"]
    assert stage.events("a8").count("carried-on") == 1


def test_a_callee_while_it_handles_a_request(stage: Stage) -> None:
    stage.arm("worker.step-made", Shot(2), who="b9")  # the first is of the message before
    stage.begin(9, LONG)
    stage.rest()
    assert (stage.state("a9"), stage.state("b9")) == (b"xy", b"123")
    assert stage.evidence("b9") == 1
    assert "carried-on" not in stage.events("a9")
    assert (stage.incarnation("a9"), stage.incarnation("b9")) == (1, 2)


def test_the_broker_with_a_committed_answer(stage: Stage) -> None:
    stage.arm("broker.answered", who="a10")
    stage.begin(10, LONG)
    stage.rest()
    assert (stage.state("a10"), stage.state("b10")) == (b"xy", b"123")
    assert stage.requests("a10") == ["answered"]
    assert stage.events("a10").count("host-answer") == 1
    assert (stage.incarnation("a10"), stage.incarnation("b10")) == (1, 1)


def test_an_asker_with_its_answer(stage: Stage) -> None:
    stage.arm("worker.answered", who="a11")
    stage.begin(11, LONG)
    stage.rest()
    assert (stage.state("a11"), stage.state("b11")) == (b"xy", b"123")
    assert stage.requests("a11") == ["answered"]
    assert stage.events("a11").count("carried-on") == 1
    assert (stage.incarnation("a11"), stage.incarnation("b11")) == (2, 1)


def test_the_zygote_between_fork_and_report(stage: Stage) -> None:
    zygote = stage.helper("zygote")
    stage.arm("zygote.forked")
    os.kill(stage.pid("a14"), signal.SIGKILL)
    stage.rest()
    stage.begin(14, LONG)
    stage.rest()
    assert (stage.state("a14"), stage.state("b14")) == (b"xy", b"123")
    assert stage.incarnation("a14") == 3
    assert stage.helper("zygote") != zygote
    info = stage.system.info()
    children = {child.pid for child in psutil.Process(info["pid"]).children()}
    assert children == processes(stage.system) - {info["pid"]}, "a stray is left"


def test_all_at_once(stage: Stage) -> None:
    everybody = processes(stage.system)
    stage.arm("broker.after-commit", Shot(2, pids=tuple(everybody)))
    stage.begin(15, LONG)
    eventually(lambda: gone(everybody), "everything to be dead")
    stage.system.close()
    stage.up()
    stage.rest()
    assert (stage.state("a15"), stage.state("b15")) == (b"xy", b"123")
    assert stage.requests("a15") == ["answered"]
    assert stage.events("a15").count("carried-on") == 1
