"""A reload that cannot be, or comes at a bad moment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.supervisor.policy_simulation import (
    Simulation,
    actor,
    flat,
    supervisor,
    work,
)
from theater.spec import Backoff, Strategy, SupervisorSpec
from theater.supervisor.policy import (
    Decision,
    ExitKind,
    KillAll,
    Phase,
    Reload,
    Removed,
    RestartChild,
    Start,
    StartChild,
    StopChild,
)
from theater.supervisor.policy import Shutdown as ShutdownAll

CRASH, NORMAL = ExitKind.CRASH, ExitKind.NORMAL
ALL, REST = Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE


def letters(names: str, **flags: Any) -> SupervisorSpec:
    """Permanent actors under the root supervisor."""
    return replace(supervisor("", *map(actor, names)), **flags)


def removed(sim: Simulation) -> list[str]:
    return [action.child for action in sim.actions if isinstance(action, Removed)]


# At a bad moment ---------------------------------------------------------------------------


def test_a_refusal_changes_nothing_at_all() -> None:
    sim = flat("a", "b").begin()
    new = supervisor("", supervisor("a"), actor("b", "transient"), actor("c"), intensity=9)
    sim.send(Reload(new, prune=True, call=1))
    assert (sim.replies[1].ok, sim.replies[1].code) == (False, "refused")
    assert sim.replies[1].text == "a is an actor and would be a supervisor: delete it first"
    assert sim.supervisor_row("").intensity == 3
    assert sim.row("b").restart_type == "permanent"
    assert sorted(sim.state.children) == ["", "a", "b"]
    assert not sim.decisions(Decision.RELOADED)


def test_a_system_that_does_not_run_is_not_reloaded() -> None:
    sim = flat("a")
    sim.send(Reload(letters("ab"), call=1))
    sim.send(Start())
    sim.send(ShutdownAll())
    sim.send(Reload(letters("ab"), call=2))
    sim.settle()
    sim.send(Reload(letters("ab"), call=3))
    assert {sim.replies[number].code for number in (1, 2, 3)} == {"noproc"}
    assert list(sim.state.children) == ["", "a"]


def test_a_reload_during_the_first_start_is_answered_when_all_of_it_is_up() -> None:
    sim = flat("a", "b")
    sim.send(Start())
    assert work(sim.send(Reload(letters("xaby"), call=1))) == []
    assert work(sim.ready("a")) == ["spawn b 1"]
    assert work(sim.ready("b")) == ["spawn x 1"], "what has begun goes on as it was"
    assert work(sim.ready("x")) == ["spawn y 1"]
    assert work(sim.ready("y")) == ["ok 1: reloaded"]


def test_a_first_start_that_fails_answers_a_reload_too() -> None:
    sim = flat("a", "b")
    sim.send(Start())
    sim.ready("a")
    sim.send(Reload(letters("abx"), call=1))
    assert work(sim.exit("b", CRASH, "no")) == [
        "no 1: x: its supervisor is stopping",
        "ask a 1",
    ]


def test_what_waits_for_its_first_start_can_be_missing_already() -> None:
    inner = supervisor("p", actor("p/x"), actor("p/y"))
    sim = Simulation(supervisor("", actor("a"), inner))
    sim.send(Start())
    smaller = supervisor("p", actor("p/y"), actor("p/z"))
    assert work(sim.send(Reload(supervisor("", actor("a"), smaller), call=1))) == ["ok 1: reloaded"]
    assert removed(sim) == ["p/x"], "nothing of it would be kept"
    assert work(sim.ready("a")) == ["spawn p/y 1"]
    assert work(sim.ready("p/y")) == ["spawn p/z 1"]


def test_a_supervisor_that_is_down_begins_with_the_new_list() -> None:
    def root(*names: str) -> SupervisorSpec:
        return supervisor("", supervisor("p", *(actor(f"p/{name}") for name in names)))

    sim = Simulation(root("a", "b")).begin()
    sim.send(StopChild("p"))
    sim.settle()
    assert work(sim.send(Reload(root("c", "b"), call=1))) == ["ok 1: reloaded"]
    assert removed(sim) == [], "p/a is kept until then"
    assert work(sim.send(StartChild("p", 2))) == ["spawn p/c 1"]
    assert removed(sim) == ["p/a"]
    assert work(sim.ready("p/c")) == ["spawn p/b 2"]


def test_of_a_supervisor_that_is_down_the_missing_are_pruned_at_once() -> None:
    inner = supervisor("p", actor("p/a"), actor("p/b"))
    sim = Simulation(supervisor("", inner)).begin()
    sim.send(StopChild("p"))
    sim.settle()
    smaller = supervisor("", supervisor("p", actor("p/b")))
    assert work(sim.send(Reload(smaller, prune=True, call=1))) == ["ok 1: reloaded"]
    assert removed(sim) == ["p/a"]


def test_of_a_supervisor_that_is_stopping_what_still_runs_cannot_be_pruned() -> None:
    inner = supervisor("p", actor("p/a"), actor("p/b"), actor("p/c"))
    sim = Simulation(supervisor("", inner)).begin()
    sim.send(StopChild("p", 1))
    sim.obey("p/c")
    smaller = supervisor("", supervisor("p", actor("p/new")))
    assert work(sim.send(Reload(smaller, prune=True, call=2))) == [
        "no 2: p/b: its supervisor is stopping; p/a: its supervisor is stopping"
    ]
    assert removed(sim) == ["p/c"]
    sim.settle()
    assert work(sim.send(StartChild("p", 3))) == ["spawn p/new 1"]
    assert removed(sim) == ["p/c", "p/a", "p/b"]


def test_a_shutdown_answers_a_reload_that_is_not_done() -> None:
    sim = flat("a", "b").begin()
    assert work(sim.send(Reload(letters("axy"), prune=True, call=1))) == ["ask b 1"]
    assert work(sim.send(ShutdownAll())) == []
    assert work(sim.obey("b")) == [
        "no 1: b: its supervisor is stopping; x: its supervisor is stopping;"
        " y: its supervisor is stopping",
        "ask a 1",
    ]
    assert work(sim.obey("a")) == ["ended: shut down"]


def test_killing_everything_answers_a_reload_that_is_not_done() -> None:
    sim = flat("a").begin()
    sim.send(Reload(letters("ax"), call=1))
    assert work(sim.send(KillAll())) == [
        "no 1: x: its supervisor is stopping",
        "kill a 1",
        "kill x 1",
    ]


def test_several_reloads_one_after_the_other_are_all_answered() -> None:
    sim = flat("a").begin()
    sim.send(Reload(letters("ab"), call=1))
    sim.send(Reload(letters("ac"), call=2))
    sim.send(Reload(letters("abc"), prune=True, call=3))
    sim.settle()
    assert {number: reply.ok for number, reply in sim.replies.items()} == {
        1: True,
        2: True,
        3: True,
    }
    assert set(sim.live) == {"a", "b", "c"}


# While children are being restarted --------------------------------------------------------


def test_a_group_that_waits_is_started_as_it_would_have_been() -> None:
    # Else nobody would start those that were stopped for it.
    sim = flat("a", "b", "c", strategy=ALL, backoff=Backoff(10.0)).begin()
    sim.exit("b")
    sim.settle()
    assert not sim.live
    sim.send(Reload(letters("abc")))
    assert work(sim.wait(10.0)) == ["spawn a 2"]
    sim.settle()
    assert sorted(sim.live) == ["a", "b", "c"]
    assert work(sim.exit("b")) == ["spawn b 3"], "the next is one_for_one, and does not wait"


def test_one_that_is_moved_out_of_the_group_that_waits_is_started_with_it() -> None:
    sim = flat("a", "b", "c", strategy=REST, backoff=Backoff(10.0)).begin()
    sim.exit("b")
    sim.settle()
    sim.send(Reload(letters("acb", strategy=REST, backoff=Backoff(10.0))))
    assert work(sim.wait(10.0)) == ["spawn c 2"]
    assert work(sim.ready("c")) == ["spawn b 2"]


def test_one_that_became_temporary_is_not_brought_back_by_a_restart() -> None:
    sim = flat("a", "b", "c", strategy=ALL, backoff=Backoff(10.0)).begin()
    sim.exit("b")
    sim.obey("c")
    new = (actor("a"), actor("b", "temporary"), actor("c", "temporary"))
    sim.send(Reload(supervisor("", *new, strategy=ALL)))
    sim.settle()
    sim.wait(10.0)
    sim.settle()
    assert list(sim.live) == ["a"]
    assert {sim.row(path).phase for path in "bc"} == {Phase.STOPPED}
    sim.check_rest()


def test_one_that_became_temporary_while_it_was_stopped_has_ended_for_good() -> None:
    sim = flat("a", "b", strategy=ALL, backoff=Backoff(10.0)).begin()
    sim.exit("a")
    new = (actor("a"), actor("b", "temporary"))
    sim.send(Reload(supervisor("", *new, strategy=ALL, backoff=Backoff(10.0))))
    sim.obey("b")
    assert sim.row("b").phase is Phase.STOPPED
    sim.send(StopChild("b", 1))
    assert sim.replies[1].code == "not_found"


@pytest.mark.parametrize(("kind", "phase"), [(CRASH, Phase.FAILED), (NORMAL, Phase.STOPPED)])
def test_one_that_became_temporary_before_its_death_was_looked_at_has_ended_for_good(
    kind: ExitKind, phase: Phase
) -> None:
    sim = flat("a", "b").begin()
    sim.send(RestartChild("b"))
    sim.exit("a", kind)
    assert sim.row("a").phase is Phase.RESTARTING
    sim.send(Reload(supervisor("", actor("a", "temporary"), actor("b"))))
    sim.settle()
    assert sim.row("a").phase is phase
    sim.check_rest()


def test_one_that_was_temporary_comes_back_if_it_is_not_stopped_yet() -> None:
    sim = Simulation(
        supervisor("", actor("a"), actor("b", "temporary"), actor("c"), strategy=ALL)
    ).begin()
    assert work(sim.exit("a")) == ["ask c 1"]
    sim.send(Reload(letters("abc", strategy=ALL)))
    sim.settle()
    assert sorted(sim.live) == ["a", "b", "c"]


def test_a_restart_by_hand_brings_back_one_that_became_temporary_meanwhile() -> None:
    sim = flat("a", "b").begin()
    sim.send(RestartChild("a", 1))
    sim.send(Reload(supervisor("", actor("a", "temporary"), actor("b"))))
    assert work(sim.obey("a")) == ["spawn a 2"]
    assert work(sim.ready("a")) == ["ok 1: running"]


def test_what_could_not_be_pruned_is_named_once() -> None:
    sim = flat("a", "b").begin()
    sim.send(StopChild("a"))
    sim.send(Reload(letters("a"), prune=True, call=1))
    sim.send(ShutdownAll())
    assert sim.replies[1].text == "b: its supervisor is stopping"
    sim.settle()
