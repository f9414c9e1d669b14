"""`recycle_turns`: an incarnation is bounded, and nobody notices, whatever is killed meanwhile."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.real.conftest import Theater, actor, gone
from tests.waiting import eventually
from theater import crashpoints
from theater.client import System
from theater.crashpoints import Shot, arm, is_armed

BOUND = 3
MANY = 120
EXTRA = f"recycle_turns = {BOUND}\n"
HEAD = "[supervisor]\nintensity = 100000\nperiod = 1\nbackoff = { base = 1, settled = 3600 }\n"
# All that a planned restart goes through. The broker may die five times in ten seconds.
BROKER = ("before-commit", "in-commit", "after-commit", "released", "buried")
WORKER = ("loaded", "input-taken", "turn-begun", "step-made", "step-sent", "step-acknowledged")
POINTS = (
    *(f"broker.{each}" for each in BROKER),
    *(f"worker.{each}" for each in WORKER),
    *(f"zygote.{each}" for each in ("ordered", "forked", "reported")),
)


def ended(system: System, name: str = "a") -> dict[int, int]:
    """Turns ended, by incarnation."""
    return dict(
        system.log.query(
            "SELECT t.incarnation, count(*) FROM turns t JOIN actors a ON a.id = t.actor"
            " WHERE a.name = ? AND t.status = 'done' GROUP BY t.incarnation",
            name,
        )
    )


def decided(system: System, word: str) -> int:
    rows = system.log.decisions()
    return sum(row.event.payload.get("decision") == word for row in rows)


def test_after_so_many_turns_another_process_goes_on(theater: Theater) -> None:
    system = theater.up(actor("a", extra=EXTRA + 'restart = "temporary"\n'), actor("b"), head=HEAD)
    system.send_many("a", [b"count"] * 20)
    eventually(lambda: system.request("a", b"get") == b"20", "all to be counted")
    eventually(lambda: system.actor("a")["status"] == "running", "a to run")
    turns = ended(system)
    assert set(turns.values()) <= {1, 2, BOUND} and max(turns) >= 7
    assert all(turns[number] == BOUND for number in turns if number != max(turns))
    assert decided(system, "recycle") == system.actor("a")["incarnation"] - 1
    assert system.actor("a")["restarts"] == decided(system, "restart") == 0
    assert system.actor("b")["incarnation"] == 1
    theater.note(system)


def test_whatever_dies_at_whatever_moment_nothing_is_lost_and_the_bound_holds(
    theater: Theater, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    dice = random.Random(seed)
    points = str(tmp_path / "points")
    os.mkdir(points)
    monkeypatch.setenv(crashpoints.VARIABLE, points)
    head = HEAD.replace("backoff = { base = 1, settled = 3600 }\n", "")
    system = theater.up(actor("a", extra=EXTRA), head=head)
    count = 0
    for point in dice.sample(POINTS, len(POINTS)):
        arm(points, point, Shot(dice.randint(1, 2 * BOUND)))
        for _ in range(60):
            count += 1
            assert system.request("a", b"count", timeout_s=30.0) == b"%d" % count, f"seed {seed}"
            if not is_armed(points, point):
                break
        else:
            assert point == "broker.buried" or not is_armed(points, point), (seed, point)
        theater.note(system)
    turns = ended(system)
    assert max(turns.values()) == BOUND, f"seed {seed}: {turns}"
    assert system.actor("a")["restarts"] == decided(system, "restart") > 0
    assert decided(system, "recycle") > len(POINTS)


@pytest.mark.parametrize("point", ["ordered", "spawned", "reaped", "buried"])
def test_when_everything_dies_with_root_the_next_run_goes_on(
    theater: Theater, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    points = str(tmp_path / "points")
    os.mkdir(points)
    monkeypatch.setenv(crashpoints.VARIABLE, points)
    system = theater.up(actor("a", extra=EXTRA))
    root = system.info()["pid"]
    system.send_many("a", [b"count"] * MANY)
    arm(points, f"root.{point}", Shot(2))
    eventually(lambda: gone({root}), "root to die")
    system.close()
    system = theater.up()
    eventually(lambda: system.request("a", b"get") == b"%d" % MANY, "all to be counted, and once")
    assert max(ended(system).values()) == BOUND
    theater.note(system)


def test_pools_and_a_turn_that_is_carried_on(theater: Theater) -> None:
    pool = (
        '[[child]]\nname = "p"\nsupervisor = { strategy = "simple_one_for_one", instances = 2 }\n'
    )
    worker = actor("w", extra=f"{EXTRA}request_timeout = 30\n").replace("[[child", "[[child.child")
    system = theater.up(actor("b"), pool, worker.replace("child.child.child", "child.child"))
    for number in range(1, 8):
        for name in ("p/w-1", "p/w-2"):
            assert system.request(name, b"count\nrequest b echo x\nget") == b"%d" % number
    rows = {row["actor"]: row for row in system.ps()}
    assert {"b", "p/w-1", "p/w-2"} == set(rows)
    assert rows["p/w-1"]["incarnation"] > 2 and rows["b"]["incarnation"] == 1
    for name in ("p/w-1", "p/w-2"):
        assert max(ended(system, name).values()) == BOUND
    theater.note(system)


def test_a_changed_bound_holds_from_the_next_start_on(theater: Theater) -> None:
    system = theater.up(actor("a", extra="recycle_turns = 1000\n"))
    theater.write(actor("a", extra="recycle_turns = 1\n"))
    system.reload()
    for number in range(1, 4):
        assert system.request("a", b"count") == b"%d" % number
    assert system.actor("a")["incarnation"] == 1
    system.restart("a")
    before = system.actor("a")["incarnation"]
    for number in range(4, 8):
        assert system.request("a", b"count") == b"%d" % number
    eventually(lambda: system.actor("a")["incarnation"] == before + 4, "a process for each turn")
    theater.note(system)
