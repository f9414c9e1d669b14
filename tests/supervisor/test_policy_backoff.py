"""Waiting before a restart. OTP has no such thing; everything else stays as it is there."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.supervisor.policy_simulation import (
    Simulation,
    actor,
    flat,
    pool,
    supervisor,
    work,
    workers,
)
from theater.spec import Backoff, Strategy
from theater.supervisor.policy import (
    AddChild,
    Decision,
    DeleteChild,
    ExitKind,
    KillAll,
    Phase,
    RestartChild,
    Scale,
    StartChild,
    StopChild,
    Tick,
)
from theater.supervisor.policy import Shutdown as ShutdownAll
from theater.supervisor.rules import delay_s

CRASH, NORMAL = ExitKind.CRASH, ExitKind.NORMAL
ALL, REST = Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE


def one(backoff: Backoff | None = None, **more: Any) -> Simulation:
    more = {"intensity": 100, **more}
    return flat("a", "b", backoff=backoff or Backoff(1.0), **more).begin()


# How long ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        (Backoff(1.0), [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]),
        (Backoff(0.1, factor=10.0, max_s=5.0), [0.1, 1.0, 5.0, 5.0]),
        (Backoff(3.0, factor=1.0), [3.0, 3.0, 3.0]),
        (Backoff(100.0, max_s=7.0), [7.0, 7.0]),
    ],
)
def test_the_delay_grows_by_its_factor_up_to_its_maximum(
    backoff: Backoff, delays: list[float]
) -> None:
    assert [delay_s(backoff, tries, 0.0) for tries in range(1, len(delays) + 1)] == (
        pytest.approx(delays)
    )


@pytest.mark.parametrize("factor", [1.0, 2.0, 1000.0])
@pytest.mark.parametrize("tries", [1, 2, 400, 2000, 10**6])
def test_however_often_it_is_tried_the_delay_is_a_number_within_its_bounds(
    factor: float, tries: int
) -> None:
    backoff = Backoff(0.001, factor, max_s=60.0, jitter=1.0)
    for dice in (-1.0, -0.5, 0.0, 0.5, 1.0):
        assert 0.0 <= delay_s(backoff, tries, dice) <= 60.0


def test_the_jitter_takes_away_or_adds_at_most_its_part() -> None:
    backoff = Backoff(10.0, jitter=0.2)
    assert delay_s(backoff, 1, -1.0) == pytest.approx(8.0)
    assert delay_s(backoff, 1, 1.0) == pytest.approx(12.0)
    assert delay_s(Backoff(10.0, jitter=0.2, max_s=11.0), 1, 1.0) == 11.0, "never above its maximum"
    assert delay_s(Backoff(10.0, max_s=5.0, jitter=0.2), 1, -1.0) == 4.0, "and below it"


def test_the_delays_are_those_that_were_announced() -> None:
    sim = one(Backoff(1.0, factor=3.0))
    for delay in (1.0, 3.0, 9.0):
        assert work(sim.exit("a")) == []
        assert sim.decisions(Decision.RESTART)[-1].detail["delay_s"] == delay
        assert sim.row("a").retry_s == sim.now_s + delay
        assert sim.row("a").phase is Phase.RESTARTING
        assert work(sim.wait(delay - 0.01)) == []
        assert work(sim.wait(0.01))[0].startswith("spawn a")
        sim.ready("a")
        assert sim.row("a").retry_s is None


def test_the_same_seed_gives_the_same_delays_and_another_one_others() -> None:
    def delays(seed: int) -> list[float]:
        spec = supervisor("", actor("a"), intensity=9, backoff=Backoff(1.0, jitter=0.5))
        sim = Simulation(spec, seed=seed).begin()
        for _ in range(5):
            sim.exit("a")
            sim.wait(60.0)
            sim.ready("a")
        return [decided.detail["delay_s"] for decided in sim.decisions(Decision.RESTART)]

    assert delays(7) == delays(7)
    assert delays(7) != delays(8)
    for tries, delay in enumerate(delays(7)):
        assert 0.5 * 2**tries <= delay <= 1.5 * 2**tries


# When it begins at its base again ----------------------------------------------------------


@pytest.mark.parametrize(("ran_s", "delay"), [(4.9, 2.0), (5.0, 1.0), (500.0, 1.0)])
def test_a_child_that_ran_long_enough_begins_at_the_base_again(ran_s: float, delay: float) -> None:
    sim = one(Backoff(1.0, settled_s=5.0))
    sim.exit("a")
    sim.wait(1.0)
    sim.wait(0.5)  # starting is not running
    sim.ready("a")
    sim.wait(ran_s)
    sim.exit("a")
    assert sim.decisions(Decision.RESTART)[-1].detail["delay_s"] == delay


def test_each_child_has_its_own_row_of_delays() -> None:
    sim = one()
    for path, delay in (("a", 1.0), ("a", 2.0), ("b", 1.0), ("a", 4.0)):
        sim.exit(path)
        assert sim.decisions(Decision.RESTART)[-1].detail["delay_s"] == delay
        sim.wait(delay)
        sim.ready(path)


def test_what_operators_do_does_not_settle_it() -> None:
    sim = one()
    sim.exit("a")
    sim.wait(1.0)
    sim.ready("a")
    sim.send(RestartChild("a"))
    sim.settle()
    sim.exit("a")
    assert sim.decisions(Decision.RESTART)[-1].detail["delay_s"] == 2.0


def test_attempts_that_fail_wait_too_and_longer_each_time() -> None:
    sim = one()
    sim.exit("a")
    for delay in (1.0, 2.0, 4.0):
        assert sim.row("a").retry_s == sim.now_s + delay
        sim.wait(delay)
        assert work(sim.exit("a")) == []
    assert [d.detail["delay_s"] for d in sim.decisions(Decision.RETRY)] == [2.0, 4.0, 8.0]


# How it counts -----------------------------------------------------------------------------


def test_a_restart_is_counted_when_it_is_decided_and_not_again_when_its_time_comes() -> None:
    sim = one(Backoff(4.0), intensity=2, period_s=5.0)
    sim.exit("a")
    assert sim.supervisor_row("").left == 1
    assert work(sim.wait(4.0)) == ["spawn a 2"]
    assert sim.supervisor_row("").left == 1
    sim.ready("a")
    sim.wait(1.01)
    assert sim.supervisor_row("").left == 2, "its age is that of the decision"


def test_a_supervisor_gives_up_without_waiting() -> None:
    sim = one(intensity=1)
    sim.exit("a")
    sim.wait(1.0)
    sim.ready("a")
    assert work(sim.exit("a")) == ["ask b 1"]


def test_a_supervisor_that_gives_up_leaves_nobody_waiting() -> None:
    sim = one(Backoff(10.0), intensity=1)
    sim.exit("a")
    assert work(sim.exit("b"))[0].startswith("failed: gave up: b")
    assert sim.wake_s is None
    assert sim.row("a").phase is Phase.FAILED


def test_what_is_not_restarted_does_not_wait() -> None:
    sim = Simulation(supervisor("", actor("t", "transient"), backoff=Backoff(1.0))).begin()
    sim.exit("t", NORMAL)
    assert sim.wake_s is None
    assert sim.row("t").phase is Phase.STOPPED


# While it waits ----------------------------------------------------------------------------


def test_the_others_are_served_meanwhile() -> None:
    sim = one()
    sim.exit("a")
    assert work(sim.send(StopChild("b", 1))) == ["ask b 1"]
    assert work(sim.obey("b")) == ["ok 1: stopped"]
    assert work(sim.send(AddChild("", actor("new"), 2))) == ["spawn new 1"]
    assert work(sim.wait(1.0)) == [], "its time has come, but the supervisor is busy"
    assert work(sim.ready("new")) == ["ok 2: running", "spawn a 2"]


def test_several_children_wait_each_for_its_own_time() -> None:
    sim = one()
    sim.exit("a")
    sim.wait(0.4)
    sim.exit("b")
    assert (sim.row("a").retry_s, sim.row("b").retry_s) == (1001.0, 1001.4)
    assert work(sim.wait(0.6)) == ["spawn a 2"]
    assert work(sim.wait(0.4)) == []
    assert work(sim.ready("a")) == ["spawn b 2"]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (StartChild("a", 1), "restarting"),
        (DeleteChild("a", 1), "restarting"),
        (AddChild("", actor("a"), 1), "already_present"),
    ],
)
def test_calls_find_it_restarting(call: StartChild | DeleteChild | AddChild, code: str) -> None:
    # 1.11
    sim = one()
    sim.exit("a")
    sim.send(call)
    assert sim.replies[1].code == code
    assert work(sim.wait(1.0)) == ["spawn a 2"]


def test_a_stop_ends_the_wait() -> None:
    sim = one()
    sim.exit("a")
    assert work(sim.send(StopChild("a", 1))) == ["ok 1: stopped, its restart was pending"]
    assert sim.wake_s is None
    assert work(sim.wait(100.0)) == []
    assert sim.row("a").phase is Phase.STOPPED


def test_a_restart_by_hand_does_not_wait() -> None:
    sim = one()
    sim.exit("a")
    assert work(sim.send(RestartChild("a", 1))) == ["spawn a 2"]
    assert work(sim.ready("a")) == ["ok 1: running"]
    assert work(sim.wait(100.0)) == []
    assert sim.last["a"] == 2, "its time is over, and nothing comes of it"


def test_early_ticks_do_not_start_it() -> None:
    sim = one()
    sim.exit("a")
    for _ in range(3):
        assert work(sim.send(Tick())) == []


def test_a_shutdown_does_not_wait_for_it() -> None:
    sim = one()
    sim.exit("a")
    assert work(sim.send(ShutdownAll())) == ["ask b 1"]
    assert work(sim.obey("b")) == ["ended: shut down"]
    assert (sim.row("a").phase, sim.wake_s) == (Phase.STOPPED, None)


def test_killing_everything_does_not_wait_for_it() -> None:
    sim = one()
    sim.exit("a")
    assert work(sim.send(KillAll())) == ["kill b 1"]
    assert work(sim.exit("b")) == ["ended: shut down"]


def test_a_supervisor_waits_like_an_actor() -> None:
    inner = supervisor("p", actor("p/x"), actor("p/y"), intensity=0)
    sim = Simulation(supervisor("", inner, backoff=Backoff(1.0))).begin()
    sim.exit("p/x")
    sim.obey("p/y")
    assert sim.supervisor_row("p").retry_s == 1001.0
    assert {sim.row(path).phase for path in ("p/x", "p/y")} == {Phase.RESTARTING}
    assert work(sim.wait(1.0)) == ["spawn p/x 2"]


def test_the_backoff_of_a_supervisor_is_for_its_children_only() -> None:
    inner = supervisor("p", actor("p/x"), intensity=9)
    sim = Simulation(supervisor("", inner, backoff=Backoff(1.0))).begin()
    assert work(sim.exit("p/x")) == ["spawn p/x 2"]


# Groups ------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [ALL, REST])
def test_a_group_is_stopped_at_once_and_started_after_the_delay(strategy: Strategy) -> None:
    sim = flat("a", "b", "c", strategy=strategy, backoff=Backoff(1.0)).begin()
    assert work(sim.exit("a")) == ["ask c 1"]
    assert work(sim.obey("c")) == ["ask b 1"]
    sim.wait(0.5)
    assert work(sim.obey("b")) == []
    assert {row.phase for row in sim.rows()} == {Phase.RESTARTING}
    assert sim.row("a").retry_s == sim.now_s + 1.0, "from when all of it is down"
    assert [sim.row(path).retry_s for path in "bc"] == [None, None]
    assert work(sim.wait(1.0)) == ["spawn a 2"]
    assert work(sim.ready("a")) == ["spawn b 2"]
    assert work(sim.ready("b")) == ["spawn c 2"]
    sim.ready("c")
    assert sim.supervisor_row("").left == 2


def test_a_sibling_that_was_started_meanwhile_is_stopped_again() -> None:
    sim = flat("a", "b", strategy=ALL, backoff=Backoff(1.0)).begin()
    sim.exit("a")
    sim.obey("b")
    assert work(sim.send(StartChild("b", 1))) == ["spawn b 2"]
    sim.ready("b")
    assert work(sim.wait(1.0)) == ["ask b 2"]
    assert work(sim.obey("b")) == ["spawn a 2"]


def test_a_sibling_that_dies_meanwhile_takes_the_group_to_itself() -> None:
    sim = flat("a", "b", strategy=ALL, backoff=Backoff(1.0)).begin()
    sim.exit("a")
    sim.obey("b")
    sim.send(StartChild("b"))
    sim.ready("b")
    sim.wait(0.5)
    sim.exit("b")
    assert (sim.row("a").retry_s, sim.row("b").retry_s) == (None, sim.now_s + 1.0)
    assert work(sim.wait(0.6)) == [], "a does not wait any more"
    assert work(sim.wait(0.4)) == ["spawn a 2"]
    assert work(sim.ready("a")) == ["spawn b 3"]


def test_one_that_waits_for_another_restart_is_not_started_with_the_next() -> None:
    sim = flat("a", "b", "c", strategy=REST, backoff=Backoff(2.0), intensity=9).begin()
    sim.exit("a")
    sim.settle()
    sim.send(StartChild("c"))
    sim.settle()
    sim.wait(1.0)
    sim.exit("c")
    assert sim.decisions(Decision.RESTART)[-1].detail["started"] == ["c"]
    assert work(sim.wait(1.0)) == ["spawn a 2"], "and takes b and c with it"
    sim.settle()
    assert sorted(sim.live) == ["a", "b", "c"]
    assert sim.wake_s is None


def test_a_sibling_that_was_deleted_meanwhile_is_not_started() -> None:
    sim = flat("a", "b", strategy=ALL, backoff=Backoff(1.0)).begin()
    sim.exit("a")
    sim.obey("b")
    assert work(sim.send(DeleteChild("b", 1))) == ["ok 1: deleted"]
    assert work(sim.wait(1.0)) == ["spawn a 2"]
    assert work(sim.ready("a")) == []


def test_a_stop_of_the_one_that_waits_leaves_its_group_down_and_says_so() -> None:
    sim = flat("a", "b", strategy=ALL, backoff=Backoff(1.0)).begin()
    sim.exit("a")
    sim.obey("b")
    sim.send(StopChild("a", 1))
    assert {row.phase for row in sim.rows()} == {Phase.STOPPED}
    assert sim.wake_s is None
    sim.check_rest()


def test_rest_for_one_waits_longer_and_longer_for_the_one_that_fails() -> None:
    sim = flat("a", "b", strategy=REST, backoff=Backoff(1.0), intensity=9).begin()
    sim.exit("a")
    sim.obey("b")
    sim.wait(1.0)
    sim.ready("a")
    sim.exit("b")
    assert sim.row("b").retry_s == sim.now_s + 1.0, "it is the first time for b"
    sim.wait(1.0)
    sim.exit("b")
    assert sim.row("b").retry_s == sim.now_s + 2.0


# Pools -------------------------------------------------------------------------------------


def test_instances_wait_each_for_itself_and_can_be_scaled_away() -> None:
    sim = workers(3, backoff=Backoff(1.0))
    sim.exit("w-1")
    sim.exit("w-3")
    assert work(sim.send(Scale("", 2, 1))) == ["ok 1: 2 instances"]
    assert [row.path for row in sim.rows()] == ["w-1", "w-2"]
    assert work(sim.wait(1.0)) == ["spawn w-1 2"]


def test_an_instance_that_waits_can_be_stopped() -> None:
    sim = Simulation(supervisor("", pool(actor("p/w"), 1, backoff=Backoff(1.0)))).begin()
    sim.exit("p/w-1")
    assert work(sim.send(StopChild("p/w-1", 1))) == ["ok 1: stopped, its restart was pending"]
    assert sim.rows() == []
    assert sim.wake_s is None


# All of it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", list(Strategy))
@pytest.mark.parametrize("seed", range(20))
def test_whatever_dies_while_others_wait_everything_is_up_in_the_end(
    strategy: Strategy, seed: int
) -> None:
    dice = random.Random(seed)
    flags: dict[str, Any] = {"intensity": 1000, "backoff": Backoff(0.5, jitter=0.3, max_s=4.0)}
    if strategy is Strategy.SIMPLE_ONE_FOR_ONE:
        sim = workers(4, **flags)
    else:
        sim = flat(*"abcd", strategy=strategy, **flags).begin()
    for _ in range(60):
        living = list(sim.live)
        if living and dice.random() < 0.3:
            sim.exit(dice.choice(living))
        elif living and dice.random() < 0.7:
            sim.react(dice.choice(living))
        else:
            sim.wait(dice.choice([0.1, 0.5, 1.0]))
    sim.settle()
    while sim.wake_s is not None:
        sim.wait(sim.wake_s - sim.now_s)
        sim.settle()
    assert len(sim.live) == 4
    sim.check_rest()
