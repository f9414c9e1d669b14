"""Calls by state of the child by strategy: OTP's word for each, and ours where OTP has none."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.supervisor.policy_simulation import Simulation, actor, pool, supervisor
from tests.supervisor.test_policy_products import ONE, POOL, bring, names, until_it_starts
from theater.spec import Restart, Strategy
from theater.supervisor.policy import (
    AddChild,
    Call,
    DeleteChild,
    ExitKind,
    Phase,
    RestartChild,
    Shutdown,
    StartChild,
    StartInstance,
    StopChild,
)
from theater.supervisor.view import spec_of, which_children

CALLS: dict[str, Callable[[str], Call]] = {
    "stop": lambda x: StopChild(x, 9),
    "terminate_child": lambda x: StopChild(x, 9, strict=True),
    "start": lambda x: StartChild(x, 9),
    "restart_child": lambda x: StartChild(x, 9, strict=True),
    "restart": lambda x: RestartChild(x, 9),
    "delete": lambda x: DeleteChild(x, 9),
    "delete_child": lambda x: DeleteChild(x, 9, strict=True),
    "start_child": lambda x: AddChild("", actor(x), 9),
}
BUSY = "running, supervisor busy"
# In this order. Section names of OTP's table: running, undefined, restarting, no such id.
RUNNING = "ok ok running running ok running running already_started"
UNDEFINED = "ok ok ok ok ok ok ok already_present"
RESTARTING = "ok ok restarting restarting ok restarting restarting already_present"
NOT_THERE = "not_found not_found not_found not_found not_found not_found not_found ok"
STARTING = "ok ok running running ok running running already_started"  # all but stops wait
ENDED_TEMPORARY = "not_found not_found ok not_found ok ok not_found ok"
ANSWERS = {
    "running": RUNNING,
    "starting first": STARTING,
    "starting by hand": STARTING,
    "starting after a death": STARTING,
    "tried again": RESTARTING,
    "waiting": RESTARTING,
    "stopping by hand": UNDEFINED,  # they wait until it is gone
    "stopped": UNDEFINED,
    "ended": UNDEFINED,
    "deleted": NOT_THERE,
}
# 1.12; a pool's instance that is not wanted any more is not there.
POOL_RUNNING = (
    "ok ok running simple_one_for_one ok simple_one_for_one simple_one_for_one simple_one_for_one"
)
POOL_RESTARTING = POOL_RUNNING.replace("running", "restarting")
POOL_NOT_THERE = NOT_THERE.replace("not_found ok", "not_found simple_one_for_one")
POOL_ANSWERS = {RUNNING: POOL_RUNNING, RESTARTING: POOL_RESTARTING}


def expected(strategy: Strategy, restart: Restart, state: str, call: str) -> str:
    answers = ANSWERS[state]
    gone = state in ("stopping by hand", "stopped", "ended")
    if strategy is POOL:
        answers = POOL_ANSWERS.get(answers, POOL_NOT_THERE)
    elif restart is Restart.TEMPORARY and gone:
        answers = ENDED_TEMPORARY
    return answers.split()[list(CALLS).index(call)]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("strategy", "restart", "state"), list(itertools.product(Strategy, Restart, ANSWERS)), ids=str
)
def test_every_call_in_every_state(
    strategy: Strategy, restart: Restart, state: str, call: str
) -> None:
    found = bring(strategy, restart, BUSY if state == "tried again" else state)
    if found is None:
        return  # see test_policy_products
    sim, x = found
    if state == "tried again":
        # The call has to stand in front of the note to try again.
        sim.exit(x)
        sim.send(CALLS[call](x))
        sim.obey(names(strategy)[2])
        if restart is Restart.TEMPORARY:
            return
        until_it_starts(sim, x)
        sim.exit(x)
    else:
        sim.send(CALLS[call](x))
    come_to_rest(sim)
    assert sim.replies[9].code == expected(strategy, restart, state, call)
    sim.check_rest()
    sim.send(Shutdown())
    sim.settle()
    assert sim.ended


def come_to_rest(sim: Simulation) -> None:
    sim.settle()
    while sim.wake_s is not None:
        sim.wait(sim.wake_s - sim.now_s)
        sim.settle()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("state", ["stopping", "down"])
def test_a_supervisor_that_is_not_there_is_noproc(call: str, state: str) -> None:
    inner = supervisor("p", actor("p/x"), actor("p/y"))
    sim = Simulation(supervisor("", inner)).begin()
    sim.send(StopChild("p"))
    if state == "down":
        sim.settle()
    sim.send(AddChild("p", actor("p/x"), 9) if call == "start_child" else CALLS[call]("p/x"))
    assert sim.replies[9].code == "noproc"
    sim.settle()


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_waits_when_its_supervisor_goes_down_is_noproc(call: str) -> None:
    inner = supervisor("p", actor("p/x"), actor("p/y"))
    sim = Simulation(supervisor("", inner)).begin()
    sim.send(StopChild("p/y"))
    sim.send(AddChild("p", actor("p/x"), 9) if call == "start_child" else CALLS[call]("p/x"))
    assert 9 not in sim.replies
    sim.send(StopChild("p"))
    assert sim.replies[9].code == "noproc"
    sim.settle()


@pytest.mark.parametrize("call", list(CALLS)[:-1])
def test_nobody_can_do_anything_to_a_name_that_is_not_there(call: str) -> None:
    sim = Simulation(supervisor("", actor("a"))).begin()
    sim.send(CALLS[call]("nobody"))
    assert sim.replies[9].code == "not_found"


@pytest.mark.parametrize("strategy", [each for each in Strategy if each is not POOL])
def test_no_call_but_a_group_restart_touches_a_sibling(strategy: Strategy) -> None:
    # 1.11: whatever the strategy
    sim = Simulation(supervisor("", actor("a"), actor("x"), actor("b"), strategy=strategy)).begin()
    for number, call in enumerate(("stop", "start", "restart", "stop", "delete", "start_child")):
        sim.send(CALLS[call]("x"))
        sim.settle()
        assert sim.replies.pop(9).ok, number
    assert [sim.row(path).incarnation for path in "ab"] == [1, 1]
    assert sim.supervisor_row("").left == 3, "nor is anything counted (X15)"


# which_children, get_childspec -------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "process"),
    [
        ("running", "running"),
        ("stopped", "undefined"),
        ("ended", "undefined"),
        ("tried again", "restarting"),
        ("waiting", "restarting"),
        ("deleted", None),
    ],
)
def test_what_is_on_the_books(state: str, process: str | None) -> None:
    found = bring(ONE, Restart.TRANSIENT, state)
    assert found is not None
    sim, x = found
    rows = which_children(sim.state, "")
    assert rows is not None
    assert {row.path: row.process for row in rows}.get(x) == process
    spec = spec_of(sim.state, x)
    assert (spec is None) == (process is None), "get_childspec: whatever it does"
    sim.settle()


def test_a_temporary_child_that_has_ended_is_not_on_the_books_though_it_is_shown() -> None:
    sim = Simulation(supervisor("", actor("t", "temporary"), actor("a"))).begin()
    sim.exit("t", ExitKind.NORMAL)
    rows = which_children(sim.state, "")
    assert rows is not None
    assert [row.path for row in rows] == ["a"]
    assert sim.row("t").phase is Phase.STOPPED


def test_there_are_no_books_of_an_actor_or_of_nobody() -> None:
    sim = Simulation(pool(actor("w"), 0)).begin()
    sim.send(StartInstance(""))
    assert which_children(sim.state, "w-1") is None
    assert which_children(sim.state, "nobody") is None
