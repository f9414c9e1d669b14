"""simple_one_for_one: instances of one template."""

from __future__ import annotations

import pytest

from tests.supervisor.policy_simulation import (
    Simulation,
    actor,
    pool,
    supervisor,
    work,
    workers,
)
from theater.spec import Restart, Shutdown
from theater.supervisor.policy import (
    Decision,
    DeleteChild,
    Event,
    ExitKind,
    Phase,
    RestartChild,
    Scale,
    Start,
    StartChild,
    StartInstance,
    StopChild,
)
from theater.supervisor.policy import Shutdown as ShutdownAll
from theater.supervisor.view import ChildRow, Count, count_children, which_children

CRASH, NORMAL = ExitKind.CRASH, ExitKind.NORMAL


# Starting ----------------------------------------------------------------------------------


def test_the_first_instances_are_started_one_after_the_other() -> None:
    sim = Simulation(pool(actor("p/w"), 3))
    assert work(sim.send(Start())) == ["spawn p/w-1 1"]
    assert work(sim.ready("p/w-1")) == ["spawn p/w-2 1"]
    assert work(sim.ready("p/w-2")) == ["spawn p/w-3 1"]
    assert sim.supervisor_row("p").phase is Phase.STARTING
    sim.ready("p/w-3")
    assert sim.supervisor_row("p").phase is Phase.RUNNING


def test_a_pool_may_begin_with_no_instance() -> None:
    sim = workers(0)
    assert sim.supervisor_row("").phase is Phase.RUNNING
    assert work(sim.send(StartInstance("", (), 1))) == ["spawn w-1 1"]


def test_a_first_instance_that_fails_takes_the_pool_with_it_all_at_once() -> None:
    sim = Simulation(supervisor("", pool(actor("p/w"), 4)))
    sim.send(Start())
    for path in ("p/w-1", "p/w-2"):
        sim.ready(path)
    assert work(sim.exit("p/w-3", CRASH, "no")) == ["ask p/w-2 1", "ask p/w-1 1"]
    sim.obey("p/w-1")
    assert work(sim.obey("p/w-2")) == ["failed: p failed to start: p/w-3 failed to start: no"]


def test_a_first_instance_with_nothing_to_run_is_forgotten() -> None:
    sim = Simulation(pool(actor("w"), 2))
    sim.send(Start())
    assert work(sim.exit("w-1", NORMAL, "nothing", ignored=True)) == ["spawn w-2 1"]
    sim.ready("w-2")
    assert list(sim.state.children) == ["", "w-2"]


def test_one_more_has_its_own_arguments_behind_the_templates() -> None:
    sim = Simulation(pool(actor("w", args=("--fast",)), 1)).begin()
    sim.send(StartInstance("", ("x", "y"), 1))
    assert work(sim.ready("w-2")) == ["ok 1: w-2 is running"]
    (decided,) = sim.decisions(Decision.OPERATOR)
    assert decided.detail == {"call": "start-instance", "number": 2}
    assert sim.actor("w-2").args == ("--fast", "x", "y")
    sim.exit("w-2")
    assert sim.actor("w-2").args == ("--fast", "x", "y"), "they are kept for its restarts"


def test_the_actors_of_a_supervisor_get_the_arguments() -> None:
    template = supervisor("w", actor("w/x", args=("a",)), actor("w/y"))
    sim = Simulation(pool(template, 1)).begin()
    sim.send(StartInstance("", ("b",), 1))
    sim.settle()
    assert [sim.actor(path).args for path in ("w-2/x", "w-2/y")] == [("a", "b"), ("b",)]


@pytest.mark.parametrize(
    ("kind", "ignored", "answer"),
    [
        (CRASH, False, "no 1: w-2: failed to start: over"),
        (NORMAL, True, "ok 1: it has nothing to run"),
    ],
)
def test_one_more_that_does_not_come_up_is_forgotten(
    kind: ExitKind, ignored: bool, answer: str
) -> None:
    # X16; the restart type does not matter
    sim = workers(1, intensity=0)
    sim.send(StartInstance("", (), 1))
    assert work(sim.exit("w-2", kind, "over", ignored)) == [answer]
    assert list(sim.state.children) == ["", "w-1"]
    assert work(sim.send(StartInstance("", (), 2))) == ["spawn w-3 1"], "its number is used up"


# Numbers -----------------------------------------------------------------------------------


def test_a_number_is_never_used_again_also_of_an_earlier_run() -> None:
    sim = Simulation(pool(actor("p/w"), 2), {"p/w-7": 3, "p/w-x": 9, "q/w-11": 1}).begin()
    assert work(sim.send(StartInstance("p", (), 1))) == ["spawn p/w-8 1"]
    sim.ready("p/w-8")
    sim.send(StopChild("p/w-8"))
    sim.obey("p/w-8")
    assert work(sim.send(StartInstance("p", (), 2))) == ["spawn p/w-9 1"]


def test_the_number_of_a_supervisor_is_known_by_what_was_under_it() -> None:
    sim = Simulation(pool(supervisor("w", actor("w/x")), 1), {"w-5/x": 2}).begin()
    assert work(sim.send(StartInstance("", (), 1))) == ["spawn w-6/x 1"]


def test_a_pool_that_begins_anew_still_uses_no_number_twice() -> None:
    sim = Simulation(supervisor("", pool(actor("p/w"), 1))).begin()
    sim.send(StartInstance("p"))
    sim.settle()
    sim.send(RestartChild("p"))
    sim.settle()
    assert list(sim.live) == ["p/w-1"], "what was started by hand is gone"
    assert work(sim.send(StartInstance("p"))) == ["spawn p/w-3 1"]


def test_an_address_that_would_be_too_long_is_refused() -> None:
    sim = Simulation(pool(actor("w" * 253), 0), {"w" * 253 + "-9": 1}).begin()
    sim.send(StartInstance("", (), 1))
    assert not sim.replies[1].ok
    assert "256 bytes" in sim.replies[1].text


@pytest.mark.parametrize("call", [StartInstance("", (), 1), Scale("", 10, 1)])
def test_neither_is_an_address_below_it_too_long(call: Event) -> None:
    # 255 bytes as long as the number has one digit
    sim = Simulation(pool(supervisor("w", actor("w/" + "x" * 251)), 0), {"w-9/x": 1}).begin()
    sim.send(call)
    assert not sim.replies[1].ok
    assert "256 bytes" in sim.replies[1].text
    sim.send(Scale("", 9, 2))
    sim.settle()
    assert sim.replies[2].ok


def test_only_a_pool_has_instances() -> None:
    sim = Simulation(supervisor("", actor("a"))).begin()
    sim.send(StartInstance("", (), 1))
    sim.send(StartInstance("a", (), 2))
    sim.send(StartInstance("p", (), 3))
    codes = [sim.replies[number].code for number in (1, 2, 3)]
    assert codes == ["not_a_pool", "not_found", "not_found"]


# Deaths ------------------------------------------------------------------------------------


RESTARTED = {
    ("permanent", "normal"),
    ("permanent", "shutdown"),
    ("permanent", "crash"),
    ("transient", "crash"),
}


@pytest.mark.parametrize("restart", list(Restart))
@pytest.mark.parametrize("kind", list(ExitKind))
def test_an_instance_is_restarted_alone_or_forgotten(restart: Restart, kind: ExitKind) -> None:
    # X14
    sim = workers(3, restart)
    if (restart, kind) in RESTARTED:
        assert work(sim.exit("w-2", kind)) == ["spawn w-2 2"]
        sim.ready("w-2")
        assert list(sim.state.children) == ["", "w-1", "w-2", "w-3"]
        assert sim.supervisor_row("").left == 2
    else:
        assert work(sim.exit("w-2", kind)) == []
        assert list(sim.state.children) == ["", "w-1", "w-3"]
        assert sim.supervisor_row("").left == 3
    assert [sim.row(path).incarnation for path in ("w-1", "w-3")] == [1, 1]


def test_the_instances_share_one_window() -> None:
    sim = workers(2, intensity=2)
    sim.exit("w-1")
    sim.exit("w-2")
    sim.settle()
    assert work(sim.exit("w-1")) == ["ask w-2 2"]
    (reason,) = work(sim.obey("w-2"))
    assert reason.startswith("failed: gave up: w-1 needed more than 2 restarts")


def test_a_restart_that_fails_is_tried_again_and_counts() -> None:
    sim = workers(2, intensity=3)
    sim.exit("w-1")
    assert work(sim.exit("w-1")) == ["spawn w-1 3"]
    sim.exit("w-2")
    assert work(sim.exit("w-1")) == ["spawn w-2 2"], "others are served between two attempts"
    assert work(sim.ready("w-2")) == ["ask w-2 2"], "the fourth is one too many"


def test_nothing_to_run_at_a_restart_drops_the_instance() -> None:
    # 1.15: OTP 25 keeps a bogus entry here
    sim = workers(2)
    sim.exit("w-1")
    assert work(sim.exit("w-1", NORMAL, "nothing", ignored=True)) == []
    assert list(sim.state.children) == ["", "w-2"]


def test_an_instance_that_is_a_supervisor_gives_up_by_itself() -> None:
    template = supervisor("w", actor("w/x"), intensity=0)
    sim = Simulation(pool(template, 2)).begin()
    assert work(sim.exit("w-1/x")) == ["spawn w-1/x 2"]
    sim.settle()
    assert sim.supervisor_row("").left == 2
    assert sim.row("w-2/x").incarnation == 1


def test_a_transient_instance_that_is_a_supervisor_is_forgotten_when_it_gives_up() -> None:
    template = supervisor("w", actor("w/x"), restart="transient", intensity=0)
    sim = Simulation(pool(template, 2)).begin()
    assert work(sim.exit("w-1/x")) == []
    assert list(sim.state.children) == ["", "w-2", "w-2/x"]


# Calls -------------------------------------------------------------------------------------


def test_an_instance_cannot_be_restarted_or_deleted_by_name() -> None:
    # 1.12, whatever state it is in
    sim = workers(1)
    events: list[Event] = [StartChild("w-1", 0, strict=True), DeleteChild("w-1", 1, strict=True)]
    for number, event in enumerate(events):
        sim.send(event)
        assert sim.replies[number].code == "simple_one_for_one"
    assert work(sim.send(StartChild("w-1", 2))) == ["no 2: it is running already"], "not strict"


def test_an_instance_that_is_stopped_is_forgotten() -> None:
    sim = workers(2)
    assert work(sim.send(StopChild("w-1", 1))) == ["ask w-1 1"]
    assert work(sim.obey("w-1")) == ["ok 1: stopped"]
    assert list(sim.state.children) == ["", "w-2"]
    sim.send(StopChild("w-1", 2))
    assert sim.replies[2].code == "not_found"


def test_an_instance_that_is_tried_again_can_be_stopped_and_is_not_counted_any_more() -> None:
    # Not to be copied from OTP 25: there `active` is -1 afterwards.
    sim = workers(1, "permanent", intensity=9)
    sim.send(StartInstance("", (), 1))
    sim.exit("w-1")
    sim.send(StopChild("w-1", 2))
    sim.ready("w-2")
    sim.send(StartInstance("", (), 3))
    assert work(sim.exit("w-1")) == ["ok 2: stopped, its restart was pending", "spawn w-3 1"]
    sim.ready("w-3")
    assert count_children(sim.state, "") == Count(1, 2, 0, 2)


@pytest.mark.parametrize("restart", list(Restart))
def test_an_instance_can_be_restarted_by_hand(restart: Restart) -> None:
    sim = workers(2, restart)
    assert work(sim.send(RestartChild("w-1", 1))) == ["ask w-1 1"]
    assert work(sim.obey("w-1")) == ["spawn w-1 2"]
    assert work(sim.ready("w-1")) == ["ok 1: running"]
    sim.send(RestartChild("w-2", 2))
    sim.obey("w-2")
    assert work(sim.exit("w-2", CRASH, "no")) == ["no 2: w-2: failed to start: no"]
    assert list(sim.state.children) == ["", "w-1"]


def test_a_pool_is_counted_as_one_specification() -> None:
    sim = Simulation(supervisor("", pool(actor("p/w", "transient"), 3), actor("a"))).begin()
    sim.exit("p/w-2", CRASH)
    assert count_children(sim.state, "p") == Count(specs=1, active=3, supervisors=0, workers=3)
    assert which_children(sim.state, "p") == [
        ChildRow(f"p/w-{number}", "running", "worker", "transient") for number in (1, 2, 3)
    ]
    assert count_children(sim.state, "") == Count(specs=2, active=2, supervisors=1, workers=1)


# Stopping ----------------------------------------------------------------------------------


def test_all_instances_are_stopped_at_once_each_with_its_own_time() -> None:
    # E9b
    sim = Simulation(supervisor("", actor("a"), pool(actor("p/w"), 3))).begin()
    assert work(sim.send(ShutdownAll())) == ["ask p/w-3 1", "ask p/w-2 1", "ask p/w-1 1"]
    assert work(sim.obey("p/w-2")) == []
    assert work(sim.wait(5.0)) == ["kill p/w-3 1", "kill p/w-1 1"]
    sim.exit("p/w-1")
    assert work(sim.exit("p/w-3")) == ["ask a 1"], "and then its supervisor goes on"


def test_a_pool_that_is_coming_up_stops_what_it_has() -> None:
    sim = Simulation(supervisor("", pool(actor("p/w"), 3)))
    sim.send(Start())
    sim.ready("p/w-1")
    assert work(sim.send(StopChild("p", 1))) == ["ask p/w-2 1", "ask p/w-1 1"]
    sim.obey("p/w-1")
    assert work(sim.obey("p/w-2")) == ["ok 1: stopped"]
    assert {row.phase for row in sim.rows()} == {Phase.STOPPED}


def test_brutal_kill_of_a_pool_of_supervisors_kills_all_under_it() -> None:
    template = supervisor("p/w", actor("p/w/x"), actor("p/w/y"))
    inner = pool(template, 2, shutdown=Shutdown(timeout_s=0.0))
    sim = Simulation(supervisor("", inner)).begin()
    words = work(sim.send(StopChild("p", 1)))
    kills = [word for word in words if word.startswith("kill")]
    assert kills == [f"kill p/w-{number}/{name} 1" for number in (1, 2) for name in "xy"]


def test_a_pool_begins_anew_with_its_first_instances() -> None:
    sim = Simulation(supervisor("", pool(actor("p/w", "temporary"), 2))).begin()
    sim.exit("p/w-1", CRASH)
    sim.send(StartInstance("p"))
    sim.settle()
    sim.send(RestartChild("p", 1))
    sim.settle()
    assert list(sim.live) == ["p/w-1", "p/w-2"]
    (aborted,) = [d for d in sim.decisions(Decision.OPERATOR) if d.detail["call"] == "restart"]
    assert aborted.subject == "p"


def test_a_template_that_is_a_pool_makes_pools() -> None:
    template = pool(actor("p/q/w"), 1)
    sim = Simulation(supervisor("", pool(template, 2))).begin()
    assert list(sim.live) == ["p/q-1/w-1", "p/q-2/w-1"]
    assert work(sim.send(StartInstance("p/q-2", (), 1))) == ["spawn p/q-2/w-2 1"]
