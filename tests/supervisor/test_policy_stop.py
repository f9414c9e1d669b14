"""Stopping one, stopping all, killing all."""

from __future__ import annotations

import pytest

from tests.supervisor.policy_simulation import (
    BRUTAL,
    INFINITY,
    Simulation,
    actor,
    flat,
    supervisor,
    work,
)
from theater.spec import Shutdown
from theater.supervisor.policy import (
    Decision,
    ExitKind,
    KillAll,
    Phase,
    RestartChild,
    Start,
    StopChild,
)
from theater.supervisor.policy import Shutdown as ShutdownAll

CRASH, NORMAL, SHUTDOWN = ExitKind.CRASH, ExitKind.NORMAL, ExitKind.SHUTDOWN


@pytest.mark.parametrize(
    ("shutdown", "at_once", "later", "reason"),
    [
        (Shutdown(timeout_s=2.0), ["ask a 1"], ["kill a 1"], "did not stop within 2 s"),
        (Shutdown(timeout_s=0.0), ["ask a 1", "kill a 1"], [], "shutdown is 0"),
        (BRUTAL, ["kill a 1"], [], "shutdown is brutal_kill"),
        (INFINITY, ["ask a 1"], [], "signal 9"),
    ],
)
def test_the_shutdown_value_says_how_a_child_is_stopped(
    shutdown: Shutdown, at_once: list[str], later: list[str], reason: str
) -> None:
    # 1.8
    sim = Simulation(supervisor("", actor("a", shutdown=shutdown))).begin()
    assert work(sim.send(StopChild("a", 1))) == at_once
    assert work(sim.wait(1.9)) == []
    assert work(sim.wait(1e6)) == later
    told = [decided.detail["why"] for decided in sim.decisions(Decision.KILL)]
    assert told == ([reason] if later else [])
    assert work(sim.exit("a", CRASH, "signal 9")) == ["ok 1: stopped"]
    assert (sim.row("a").phase, sim.row("a").reason) == (Phase.STOPPED, reason)


@pytest.mark.parametrize(
    ("restart", "shutdown", "kind", "expected"),
    [
        ("permanent", Shutdown(), SHUTDOWN, True),
        ("permanent", Shutdown(), NORMAL, False),
        ("permanent", Shutdown(), CRASH, False),
        ("transient", Shutdown(), SHUTDOWN, True),
        ("transient", Shutdown(), NORMAL, True),
        ("transient", Shutdown(), CRASH, False),
        ("permanent", BRUTAL, CRASH, True),
        ("permanent", BRUTAL, SHUTDOWN, True),
        ("permanent", BRUTAL, NORMAL, False),
        ("temporary", BRUTAL, NORMAL, True),
    ],
)
def test_a_stop_that_does_not_go_as_expected_is_reported_and_changes_nothing(
    restart: str, shutdown: Shutdown, kind: ExitKind, expected: bool
) -> None:
    # 1.8, shutdown_error; sup_stop_race
    sim = Simulation(supervisor("", actor("a", restart, shutdown=shutdown))).begin()
    sim.send(StopChild("a", 1))
    assert work(sim.exit("a", kind, "over")) == ["ok 1: stopped"]
    (decided,) = sim.decisions(Decision.STOPPED)
    assert decided.detail["expected"] is expected
    assert sim.supervisor_row("").left == 3


def test_shutdown_goes_in_reverse_order_one_after_the_other() -> None:
    # E9
    pool = supervisor("p", actor("p/x"), actor("p/y"))
    sim = Simulation(supervisor("", actor("a"), pool, actor("b"))).begin()
    assert work(sim.send(ShutdownAll())) == ["ask b 1"]
    assert work(sim.wait(5.0)) == ["kill b 1"]
    assert work(sim.exit("b")) == ["ask p/y 1"]
    assert work(sim.obey("p/y")) == ["ask p/x 1"]
    assert work(sim.obey("p/x")) == ["ask a 1"]
    assert work(sim.obey("a")) == ["ended: shut down"]


def test_a_supervisor_that_runs_out_of_its_shutdown_time_is_killed_with_all_under_it() -> None:
    inner = supervisor("p/q", actor("p/q/x"), actor("p/q/y"))
    pool = supervisor("p", actor("p/x"), inner, shutdown=Shutdown(timeout_s=1.0))
    sim = Simulation(supervisor("", actor("a"), pool)).begin()
    assert work(sim.send(ShutdownAll())) == ["ask p/q/y 1"]
    assert work(sim.wait(1.0)) == ["kill p/x 1", "kill p/q/x 1", "kill p/q/y 1"]
    sim.exit("p/q/x")
    sim.exit("p/x")
    assert work(sim.exit("p/q/y")) == ["ask a 1"]
    assert sim.row("p/x").reason == "did not stop within 1 s"
    expected = {d.subject: d.detail["expected"] for d in sim.decisions(Decision.STOPPED)}
    assert expected["p"] is False


def test_brutal_kill_of_a_supervisor_kills_all_under_it_at_once() -> None:
    pool = supervisor("p", actor("p/x"), actor("p/y"), shutdown=BRUTAL)
    sim = Simulation(supervisor("", pool)).begin()
    assert work(sim.send(StopChild("p", 1))) == ["kill p/x 1", "kill p/y 1"]
    assert work(sim.exit("p/x")) == []
    assert work(sim.exit("p/y")) == ["ok 1: stopped"]


def test_shutdown_does_not_wait_for_what_waits_in_the_inbox() -> None:
    sim = flat("a", "b", "c").begin()
    sim.exit("a")
    sim.exit("b")
    sim.send(StopChild("c", 1))
    assert work(sim.send(ShutdownAll())) == ["no 1: its supervisor is stopping", "ask c 1"]
    assert work(sim.obey("c")) == ["ask a 2"], "it was being started; b is dead"
    assert work(sim.obey("a")) == ["ended: shut down"]


def test_shutdown_during_the_first_start_stops_the_starting_child_first() -> None:
    sim = flat("a", "b", "c")
    sim.send(Start())
    sim.ready("a")
    assert work(sim.send(ShutdownAll())) == ["ask b 1"]
    assert work(sim.ready("b")) == [], "too late"
    assert work(sim.wait(5.0)) == ["kill b 1"]
    assert work(sim.exit("b")) == ["ask a 1"]
    assert work(sim.obey("a")) == ["ended: shut down"]
    assert sim.row("c").phase is Phase.STOPPED


def test_shutdown_while_a_child_is_being_stopped_waits_for_that_one_first() -> None:
    sim = flat("a", "b", "c").begin()
    assert work(sim.send(StopChild("a", 1))) == ["ask a 1"]
    assert work(sim.send(ShutdownAll())) == []
    assert work(sim.obey("a")) == ["ok 1: stopped", "ask c 1"]


def test_shutdown_before_start_ends_at_once() -> None:
    sim = flat("a")
    assert work(sim.send(ShutdownAll())) == ["ended: shut down before it was started"]
    assert work(sim.send(Start())) == []


def test_shutdown_of_a_system_that_is_giving_up_still_ends_as_failed() -> None:
    sim = flat("a", "b", intensity=0).begin()
    sim.exit("a")
    sim.send(ShutdownAll())
    assert work(sim.obey("b"))[0].startswith("failed: gave up")


def test_a_starting_child_with_shutdown_infinity_still_has_to_be_ready_in_time() -> None:
    sim = Simulation(supervisor("", actor("a", start_s=7.0, shutdown=INFINITY)))
    sim.send(Start())
    sim.send(ShutdownAll())
    assert work(sim.wait(6.9)) == []
    assert work(sim.wait(0.1)) == ["kill a 1"]
    assert work(sim.exit("a")) == ["ended: shut down"]


def test_one_that_gets_ready_after_it_was_asked_may_take_its_infinity() -> None:
    sim = Simulation(supervisor("", actor("a", start_s=7.0, shutdown=INFINITY)))
    sim.send(Start())
    sim.send(ShutdownAll())
    sim.ready("a")
    assert work(sim.wait(1e6)) == []
    assert work(sim.obey("a")) == ["ended: shut down"]


def test_kill_all_kills_what_lives_and_starts_nothing() -> None:
    pool = supervisor("p", actor("p/x"), actor("p/y"))
    sim = Simulation(supervisor("", actor("a"), pool, actor("b"))).begin()
    sim.exit("p/x")
    sim.send(RestartChild("a", 1))
    assert work(sim.send(ShutdownAll())) == ["no 1: its supervisor is stopping"]
    assert work(sim.send(KillAll())) == ["kill a 1", "kill p/x 2", "kill p/y 1", "kill b 1"]
    assert work(sim.send(KillAll())) == []
    sim.settle()
    assert sim.ended and not sim.ended.failed
