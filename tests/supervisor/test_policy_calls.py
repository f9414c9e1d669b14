"""What operators ask for: OTP's answer for each state of the child."""

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
    Event,
    ExitKind,
    Phase,
    RestartChild,
    Start,
    StartChild,
    StopChild,
)
from theater.supervisor.policy import Shutdown as ShutdownAll

CRASH, NORMAL = ExitKind.CRASH, ExitKind.NORMAL


@pytest.mark.parametrize(
    ("event", "work_at_once", "answer"),
    [
        (StopChild("a", 1), ["ask a 1"], "ok 1: stopped"),
        (StartChild("a", 1), ["no 1: it is running already"], None),
        (RestartChild("a", 1), ["ask a 1"], "ok 1: running"),
    ],
)
def test_calls_on_a_running_child(
    event: Event, work_at_once: list[str], answer: str | None
) -> None:
    sim = flat("a", "b").begin()
    assert work(sim.send(event)) == work_at_once
    sim.settle()
    if answer:
        assert answer in work(sim.actions)
    assert sim.row("b").incarnation == 1


@pytest.mark.parametrize(
    ("event", "work_at_once"),
    [
        (StopChild("a", 1), ["ok 1: it was not running"]),
        (StartChild("a", 1), ["spawn a 2"]),
        (RestartChild("a", 1), ["spawn a 2"]),
    ],
)
def test_calls_on_a_stopped_child(event: Event, work_at_once: list[str]) -> None:
    sim = flat("a").begin()
    sim.send(StopChild("a"))
    sim.settle()
    assert work(sim.send(event)) == work_at_once
    if "spawn" in work_at_once[0]:
        assert work(sim.ready("a")) == ["ok 1: running"]


@pytest.mark.parametrize("event", [StopChild("x", 1), StartChild("x", 1), RestartChild("x", 1)])
def test_calls_on_a_child_that_is_not_there(event: Event) -> None:
    sim = flat("a").begin()
    assert work(sim.send(event)) == ['no 1: there is no "x"']


@pytest.mark.parametrize("event", [StopChild("", 1), StartChild("", 1), RestartChild("", 1)])
def test_the_root_supervisor_is_nobodys_child(event: Event) -> None:
    sim = flat("a").begin()
    assert work(sim.send(event)) == ["no 1: this is the whole system: take it down instead"]


@pytest.mark.parametrize(
    ("event", "answers"),
    [
        (StopChild("a", 1), ["ask a 1"]),
        (StartChild("a", 1), []),
        (RestartChild("a", 1), []),
    ],
)
def test_calls_on_a_child_that_is_starting(event: Event, answers: list[str]) -> None:
    # A stop does not wait for a start that may hang; the others do, as in OTP.
    sim = flat("a", "b")
    sim.send(Start())
    assert work(sim.send(event)) == answers
    sim.settle()
    assert sim.row("b").phase is Phase.RUNNING, "the start of the rest goes on"
    want = {"StopChild": (1, True), "StartChild": (1, False), "RestartChild": (2, True)}
    assert (sim.last["a"], sim.replies[1].ok) == want[type(event).__name__]


def test_a_stop_ends_the_start_that_somebody_else_asked_for() -> None:
    sim = flat("a").begin()
    sim.send(StopChild("a"))
    sim.settle()
    sim.send(StartChild("a", 1))
    assert work(sim.send(StopChild("a", 2))) == ["no 1: it was stopped while it started", "ask a 2"]
    assert work(sim.send(StopChild("a", 3))) == []
    assert work(sim.obey("a")) == ["ok 2: stopped", "ok 3: it was not running"]


def test_a_stop_during_a_restart_ends_the_attempts() -> None:
    sim = flat("a", intensity=9).begin()
    sim.exit("a")
    assert work(sim.send(StopChild("a", 1))) == ["ask a 2"]
    assert work(sim.exit("a", CRASH)) == ["ok 1: stopped"]
    assert sim.row("a").phase is Phase.STOPPED


def test_a_start_by_hand_that_fails_is_answered_and_not_tried_again() -> None:
    # 1.7, restart_child
    sim = flat("a", intensity=0).begin()
    sim.send(StopChild("a"))
    sim.settle()
    sim.send(StartChild("a", 1))
    assert work(sim.exit("a", CRASH, "no")) == ["no 1: failed to start: no"]
    assert sim.row("a").phase is Phase.FAILED
    assert work(sim.send(StartChild("a", 2))) == ["spawn a 3"]
    assert work(sim.exit("a", NORMAL, "nothing", ignored=True)) == ["ok 2: it has nothing to run"]


def test_a_temporary_child_that_ended_is_gone_and_can_be_started_anew_at_the_end() -> None:
    # 1.3: the specification is deleted; start_child appends
    sim = Simulation(supervisor("", actor("t", "temporary"), actor("a"))).begin()
    sim.exit("t", NORMAL)
    assert work(sim.send(StopChild("t", 1))) == ["no 1: it is temporary and has ended"]
    assert work(sim.send(StartChild("t", 2))) == ["spawn t 2"]
    assert work(sim.ready("t")) == ["ok 2: running"]
    assert work(sim.send(ShutdownAll())) == ["ask t 2"]
    assert work(sim.obey("t")) == ["ask a 1"]


def test_a_temporary_child_can_be_restarted_by_hand() -> None:
    sim = Simulation(supervisor("", actor("t", "temporary"))).begin()
    assert work(sim.send(RestartChild("t", 1))) == ["ask t 1"]
    assert work(sim.obey("t")) == ["spawn t 2"]
    assert sim.phases["t"] is Phase.STARTING
    assert work(sim.exit("t", CRASH, "no")) == ["no 1: failed to start: no"]
    assert work(sim.send(StopChild("t", 2))) == ["no 2: it is temporary and has ended"]


def test_a_restart_by_hand_keeps_the_mailbox_open() -> None:
    sim = flat("a").begin()
    sim.send(RestartChild("a"))
    sim.obey("a")
    assert Phase.STOPPED not in [
        action.phase
        for action in sim.actions
        if getattr(action, "child", "") == "a" and hasattr(action, "phase")
    ]


def test_a_call_finds_a_death_that_came_before_it_already_handled() -> None:
    sim = Simulation(supervisor("", actor("a"), actor("b", "transient"))).begin()
    sim.exit("a")
    sim.exit("b", NORMAL)
    sim.send(StartChild("b", 1))
    assert work(sim.ready("a")) == ["spawn b 2"]


def test_a_call_before_a_death_finds_the_child_running() -> None:
    # OTP's books: {error, running} until the exit message is read
    sim = flat("a", "b").begin()
    sim.exit("a")
    sim.send(StartChild("b", 1))
    sim.send(StopChild("b", 2))
    sim.exit("b")
    assert work(sim.ready("a")) == ["no 1: it is running already", "ok 2: stopped"]
    assert sim.row("b").phase is Phase.STOPPED
    assert sim.supervisor_row("").left == 2, "the death was collected by the stop"


def test_stopping_a_supervisor_stops_what_is_under_it_in_reverse_order() -> None:
    pool = supervisor("p", actor("p/x"), supervisor("p/q", actor("p/q/x"), actor("p/q/y")))
    sim = Simulation(supervisor("", pool, actor("b"))).begin()
    assert work(sim.send(StopChild("p", 1))) == ["ask p/q/y 1"]
    assert work(sim.send(StartChild("p/x", 2))) == ['no 2: supervisor "p" is stopping']
    assert work(sim.obey("p/q/y")) == ["ask p/q/x 1"]
    assert work(sim.obey("p/q/x")) == ["ask p/x 1"]
    assert work(sim.obey("p/x")) == ["ok 1: stopped"]
    assert work(sim.send(StartChild("p/x", 3))) == ['no 3: supervisor "p" is not running']
    assert sim.row("b").phase is Phase.RUNNING


def test_a_supervisor_can_be_started_again_with_its_initial_list() -> None:
    pool = supervisor("p", actor("p/t", "temporary"), actor("p/x"))
    sim = Simulation(supervisor("", pool)).begin()
    sim.exit("p/t")
    sim.send(StopChild("p", 1))
    sim.settle()
    assert work(sim.send(StartChild("p", 2))) == ["spawn p/t 2"]
    assert sim.row("p/x").phase is Phase.STARTING
    assert work(sim.ready("p/t")) == ["spawn p/x 2"]
    assert work(sim.ready("p/x")) == ["ok 2: running"]
    assert sim.row("p/x").restarts == 0


def test_a_supervisor_that_fails_to_start_by_hand_stays_down() -> None:
    pool = supervisor("p", actor("p/x"), actor("p/y"))
    sim = Simulation(supervisor("", pool)).begin()
    assert work(sim.send(RestartChild("p", 1))) == ["ask p/y 1"]
    sim.obey("p/y")
    assert work(sim.obey("p/x")) == ["spawn p/x 2"]
    assert work(sim.exit("p/x", CRASH, "no")) == ["no 1: failed to start: p/x failed to start: no"]
    assert sim.supervisor_row("p").phase is Phase.FAILED
    assert {sim.row(path).phase for path in ("p/x", "p/y")} <= {Phase.FAILED, Phase.STOPPED}


def test_a_supervisor_that_is_coming_up_can_be_stopped() -> None:
    pool = supervisor("p", actor("p/x"), actor("p/y"))
    sim = Simulation(supervisor("", pool, actor("b")))
    sim.send(Start())
    sim.ready("p/x")
    assert work(sim.send(StopChild("p", 1))) == ["ask p/y 1"]
    assert work(sim.obey("p/y")) == ["ask p/x 1"]
    assert work(sim.obey("p/x")) == ["ok 1: stopped", "spawn b 1"]


def test_a_stop_from_above_finds_a_supervisor_that_is_giving_up() -> None:
    pool = supervisor("p", actor("p/x"), actor("p/y"), intensity=0)
    sim = Simulation(supervisor("", pool)).begin()
    assert work(sim.exit("p/y")) == ["ask p/x 1"]
    assert work(sim.send(StopChild("p", 1))) == []
    assert work(sim.obey("p/x")) == ["ok 1: stopped"]
    assert {sim.row(path).phase for path in ("p/x", "p/y")} == {Phase.STOPPED}


def test_calls_after_the_end_are_answered() -> None:
    sim = flat("a")
    assert work(sim.send(StartChild("a", 1))) == ["no 1: the system is not running"]
    sim.begin()
    sim.send(ShutdownAll())
    assert work(sim.send(StopChild("a", 2))) == ["no 2: the system is stopping"]
    sim.settle()
    assert work(sim.send(StartChild("a", 3))) == ["no 3: the system is not running"]


def test_two_supervisors_do_not_wait_for_each_other() -> None:
    sim = Simulation(
        supervisor("", supervisor("p", actor("p/x")), supervisor("q", actor("q/x")))
    ).begin()
    assert work(sim.exit("p/x")) == ["spawn p/x 2"]
    assert work(sim.exit("q/x")) == ["spawn q/x 2"]


def test_the_queue_of_calls_is_bounded() -> None:
    sim = flat("a", "b").begin()
    sim.send(StopChild("a"))
    for call in range(1000):
        assert work(sim.send(StartChild("b", call))) == []
    assert work(sim.send(StartChild("b", 1000))) == [
        "no 1000: the system is busy: 1000 calls are waiting"
    ]
    assert len(sim.obey("a")) > 1000
    sim.send(StopChild("b", 2000))
    sim.settle()
    assert sim.replies[2000].ok
