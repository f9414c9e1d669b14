"""Who is restarted, how often, and what giving up means."""

from __future__ import annotations

import pytest

from tests.supervisor.policy_simulation import (
    Simulation,
    actor,
    flat,
    supervisor,
    work,
)
from theater.supervisor.policy import (
    Decision,
    Event,
    Exited,
    ExitKind,
    ForkLost,
    Phase,
    Ready,
    RestartChild,
    StartChild,
    StopChild,
    Unspawnable,
)
from theater.supervisor.rules import Window

CRASH, NORMAL, SHUTDOWN = ExitKind.CRASH, ExitKind.NORMAL, ExitKind.SHUTDOWN


# Who is restarted --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("restart", "kind", "restarted", "phase"),
    [
        ("permanent", NORMAL, True, Phase.STARTING),
        ("permanent", SHUTDOWN, True, Phase.STARTING),
        ("permanent", CRASH, True, Phase.STARTING),
        ("transient", NORMAL, False, Phase.STOPPED),
        ("transient", SHUTDOWN, False, Phase.STOPPED),
        ("transient", CRASH, True, Phase.STARTING),
        ("temporary", NORMAL, False, Phase.STOPPED),
        ("temporary", SHUTDOWN, False, Phase.STOPPED),
        ("temporary", CRASH, False, Phase.FAILED),
    ],
)
def test_restart_type_and_exit_decide(
    restart: str, kind: ExitKind, restarted: bool, phase: Phase
) -> None:
    # supervisor.erl do_restart (E8)
    sim = Simulation(supervisor("", actor("a"), actor("b", restart), actor("c"))).begin()
    assert work(sim.exit("b", kind, "over")) == (["spawn b 2"] if restarted else [])
    row = sim.row("b")
    assert (row.phase, row.reason, row.restarts) == (phase, "over", int(restarted))
    assert sim.supervisor_row("").left == (2 if restarted else 3)
    told = [(d.detail["exit"], d.detail["reason"]) for d in sim.decisions(Decision.NOT_RESTARTED)]
    assert told == ([] if restarted else [(kind, "over")])
    assert [sim.row(path).incarnation for path in "ac"] == [1, 1], "siblings are untouched"


def test_a_decision_names_its_cause_and_what_is_left() -> None:
    sim = Simulation(supervisor("p", actor("p/a"), intensity=5, period_s=10.0)).begin()
    sim.exit("p/a", CRASH, "trap: unreachable")
    (decided,) = sim.decisions(Decision.RESTART)
    assert decided.subject == "p/a"
    assert decided.detail == {
        "child": "p/a",
        "incarnation": 1,
        "exit": "crash",
        "reason": "trap: unreachable",
        "restart": "permanent",
        "strategy": "one_for_one",
        "intensity": 5,
        "period_s": 10.0,
        "stopped": [],
        "started": ["p/a"],
        "left": 4,
    }


def test_a_report_from_an_older_incarnation_is_ignored() -> None:
    sim = flat("a").begin()
    sim.exit("a")
    for event in (
        Ready("a", 1),
        Exited("a", 1, CRASH, "again"),
        Unspawnable("a", 1, "late"),
        ForkLost("a", 1),
        Exited("nobody", 1, CRASH, "who"),
    ):
        assert sim.send(event) == []
    assert sim.row("a").phase is Phase.STARTING


# Intensity ---------------------------------------------------------------------------------


def test_exactly_intensity_restarts_are_allowed_in_the_window() -> None:
    # E1: kills 1 to 3 restart, kill 4 ends the supervisor
    sim = flat("a", intensity=3).begin()
    for left in (2, 1, 0):
        assert work(sim.exit("a"))[0].startswith("spawn")
        assert sim.supervisor_row("").left == left
        sim.ready("a")
    assert work(sim.exit("a", CRASH, "boom")) == [
        "failed: gave up: a needed more than 3 restarts in 5 s, the last time because: boom"
    ]
    assert sim.row("a").phase is Phase.FAILED


def test_intensity_zero_gives_up_at_the_first_restart_that_is_needed() -> None:
    # E2
    sim = Simulation(supervisor("", actor("a"), actor("b", "transient"), intensity=0)).begin()
    assert work(sim.exit("b", NORMAL)) == []
    assert work(sim.exit("a")) == [
        "failed: gave up: a needed more than 0 restarts in 5 s,"
        " the last time because: it ended: crash"
    ]


@pytest.mark.parametrize(("gap_s", "allowed"), [(4.999, False), (5.0, False), (5.001, True)])
def test_an_earlier_restart_counts_up_to_and_including_the_period(
    gap_s: float, allowed: bool
) -> None:
    window = Window(intensity=1, period_s=5.0)
    assert window.take(1000.0)
    assert window.left(1000.0 + gap_s) == int(allowed)
    assert window.take(1000.0 + gap_s) is allowed


def test_the_window_slides_and_nothing_resets_it() -> None:
    window = Window(intensity=2, period_s=10.0)
    assert [window.take(t) for t in (0.0, 6.0, 9.0, 10.0)] == [True, True, False, False]
    assert [window.take(t) for t in (10.5, 15.0, 16.0, 16.5)] == [True, False, False, True]


def test_all_children_share_one_window() -> None:
    # X15: two crashes of a and one of b are three
    sim = flat("a", "b", intensity=3).begin()
    for path in "aba":
        sim.exit(path)
        sim.ready(path)
    assert sim.supervisor_row("").left == 0
    assert work(sim.exit("b")) == ["ask a 3"]


def test_what_the_operator_does_and_what_is_not_restarted_is_not_counted() -> None:
    # X15
    sim = Simulation(supervisor("", actor("a"), actor("b", "temporary"), intensity=1)).begin()
    for event in (StopChild("a"), StartChild("a"), RestartChild("a")):
        sim.send(event)
        sim.settle()
    sim.exit("b", CRASH)
    assert sim.supervisor_row("").left == 1
    assert sim.row("a").restarts == 0


def test_simultaneous_deaths_cost_one_restart_each() -> None:
    # E6, one_for_one
    sim = flat("a", "b", intensity=2).begin()
    assert work(sim.exit("b")) == ["spawn b 2"]
    assert work(sim.exit("a")) == [], "one thing at a time, in order of arrival"
    assert sim.row("a").phase is Phase.RESTARTING
    assert work(sim.ready("b")) == ["spawn a 2"]
    assert sim.supervisor_row("").left == 0


# A start that fails during a restart -------------------------------------------------------


def test_every_failed_attempt_counts_and_there_is_no_delay() -> None:
    # E3: with intensity 4 there are 4 attempts, then it gives up
    sim = flat("a", intensity=4).begin()
    assert work(sim.exit("a")) == ["spawn a 2"]
    assert work(sim.exit("a")) == ["spawn a 3"]
    assert work(sim.exit("a")) == ["spawn a 4"]
    assert work(sim.exit("a")) == ["spawn a 5"]
    assert work(sim.exit("a", CRASH, "no")) == [
        "failed: gave up: a needed more than 4 restarts in 5 s, the last time because: no"
    ]
    assert len(sim.decisions(Decision.RESTART)) == 1
    assert len(sim.decisions(Decision.RETRY)) == 3
    assert len(sim.decisions(Decision.START_FAILED)) == 4


def test_other_children_are_served_between_attempts() -> None:
    # OTP-9549, Y5
    sim = flat("a", "b", "c", intensity=9).begin()
    assert work(sim.exit("a")) == ["spawn a 2"]
    sim.exit("b")
    sim.send(StopChild("c", 1))
    assert work(sim.exit("a")) == ["spawn b 2"]
    assert sim.row("a").phase is Phase.RESTARTING
    assert work(sim.ready("b")) == ["ask c 1"]
    assert work(sim.obey("c")) == ["ok 1: stopped", "spawn a 3"]


@pytest.mark.parametrize(
    ("event", "answers"),
    [
        (StopChild("a", 1), ["ok 1: stopped, its restart was pending"]),
        (StartChild("a", 1), ["no 1: it is being restarted", "spawn a 3"]),
        (RestartChild("a", 1), ["spawn a 3"]),
    ],
)
def test_calls_on_a_child_between_two_attempts(event: Event, answers: list[str]) -> None:
    # 1.11, column `restarting`; X18: terminate_child cancels the attempts
    sim = flat("a", "b", intensity=9).begin()
    sim.exit("b")
    sim.exit("a")
    sim.send(event)
    assert work(sim.ready("b")) == ["spawn a 2"]
    assert work(sim.exit("a")) == answers
    sim.settle()
    stop = isinstance(event, StopChild)
    assert sim.row("a").phase is (Phase.STOPPED if stop else Phase.RUNNING)
    assert sim.last["a"] == (2 if stop else 3), "no attempt is left over"
    assert sim.replies[1].ok is not isinstance(event, StartChild)


def test_the_note_to_try_again_stands_before_calls_that_come_later() -> None:
    sim = flat("a", "b", intensity=9).begin()
    sim.exit("a")
    sim.send(StopChild("b"))
    assert work(sim.exit("a")) == ["ask b 1"]
    assert sim.row("a").phase is Phase.RESTARTING
    sim.send(StopChild("a", 1))
    assert work(sim.obey("b")) == ["spawn a 3"]
    assert work(sim.ready("a")) == ["ask a 3"]
    assert work(sim.obey("a")) == ["ok 1: stopped"]
