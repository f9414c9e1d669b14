"""What a reload would change: the differences between the tree and a new manifest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.supervisor.policy_simulation import BRUTAL, Simulation, actor, pool, supervisor
from theater.spec import (
    ActorSpec,
    AutoShutdown,
    Backoff,
    ChildSpec,
    Limits,
    Restart,
    Strategy,
    SupervisorSpec,
)
from theater.supervisor.policy import (
    AddChild,
    DeleteChild,
    ExitKind,
    Reload,
    StartInstance,
    StopChild,
)
from theater.supervisor.reload import Change, Plan, plan


def differences(old: SupervisorSpec, new: SupervisorSpec) -> Plan:
    return plan(Simulation(old).begin().state, new)


def changes(old: SupervisorSpec, new: SupervisorSpec) -> list[Change]:
    found = differences(old, new)
    assert not found.refusals
    return found.changes


def test_the_same_manifest_changes_nothing() -> None:
    spec = supervisor("", actor("a"), supervisor("p", actor("p/x")), pool(actor("q/w"), 2))
    assert changes(spec, spec) == []
    moved = replace(
        spec, where="elsewhere", children=(actor("a", where="line 9"), *spec.children[1:])
    )
    assert changes(spec, moved) == [], "nor does it matter where it is written"


@pytest.mark.parametrize(
    ("key", "old", "new"),
    [
        ("strategy", Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL),
        ("intensity", 3, 7),
        ("period_s", 5.0, 60.0),
        ("auto_shutdown", AutoShutdown.NEVER, AutoShutdown.ANY_SIGNIFICANT),
        ("backoff", None, Backoff(1.0)),
    ],
)
def test_the_flags_of_a_supervisor_change_at_once(key: str, old: Any, new: Any) -> None:
    spec = supervisor("", supervisor("p", actor("p/x")))
    (below,) = spec.children
    changed = replace(spec, children=(replace(below, **{key: new}),))
    assert changes(spec, changed) == [Change("changed", "p", {key: (old, new)}, at_once=True)]


@pytest.mark.parametrize(
    ("changed", "at_once"),
    [
        (actor("a", "transient"), True),
        (actor("a", shutdown=BRUTAL), True),
        (actor("a", "transient", significant=True), True),
        (actor("a", args=("x",)), False),
        (actor("a", "transient", env={"A": "1"}), False),
        (replace(actor("a"), component="y.wasm"), False),
        (replace(actor("a"), component_sha256="00"), False),
        (replace(actor("a"), limits=Limits(fuel=1)), False),
        (actor("a", initial_state=b"0"), False),
    ],
)
def test_what_belongs_to_the_process_changes_with_its_next_start(
    changed: ActorSpec, at_once: bool
) -> None:
    (change,) = changes(supervisor("", actor("a")), supervisor("", changed))
    assert (change.kind, change.path, change.at_once) == ("changed", "a", at_once)


def test_what_comes_and_goes_is_told_in_the_order_of_the_new_manifest() -> None:
    old = supervisor("", actor("a"), supervisor("p", actor("p/x"), actor("p/y")), actor("b"))
    new = supervisor(
        "", actor("c"), supervisor("p", actor("p/y"), actor("p/z")), actor("a", "transient")
    )
    assert [(change.kind, change.path) for change in changes(old, new)] == [
        ("changed", ""),  # the order
        ("added", "c"),
        ("added", "p/z"),
        ("missing", "p/x"),
        ("changed", "a"),
        ("missing", "b"),
    ]


def test_another_order_is_a_change_of_the_supervisor() -> None:
    old = supervisor("", actor("a"), actor("b"), actor("gone"))
    new = supervisor("", actor("new"), actor("b"), actor("a"))
    found = changes(old, new)
    assert found[0] == Change("changed", "", {"order": (["a", "b", "gone"], ["new", "b", "a"])})
    assert changes(old, supervisor("", actor("new"), actor("a"), actor("b")))[0].kind == "added"


def test_what_was_added_by_hand_is_not_missing_and_what_was_deleted_is_added() -> None:
    spec = supervisor("", actor("a"), actor("b"))
    sim = Simulation(spec).begin()
    sim.send(AddChild("", actor("mine")))
    sim.settle()
    sim.send(StopChild("b"))
    sim.obey("b")
    sim.send(DeleteChild("b"))
    assert plan(sim.state, spec).changes == [Change("added", "b")]


def test_what_is_kept_although_it_is_missing_is_told_again_so_that_it_can_be_pruned() -> None:
    sim = Simulation(supervisor("", actor("a"), actor("b"))).begin()
    new = supervisor("", actor("a"))
    sim.send(Reload(new))
    assert plan(sim.state, new).changes == [Change("missing", "b")]
    assert plan(sim.state, sim.spec).changes == [Change("changed", "b", {"listed": (False, True)})]


def test_a_child_added_by_hand_that_is_in_the_manifest_now_is_a_change() -> None:
    sim = Simulation(supervisor("", actor("a"))).begin()
    sim.send(AddChild("", actor("mine")))
    sim.settle()
    new = supervisor("", actor("a"), actor("mine", "transient"))
    assert plan(sim.state, new).changes == [
        Change("changed", "mine", {"listed": (False, True)}),
        Change("changed", "mine", {"restart": (Restart.PERMANENT, Restart.TRANSIENT)}),
    ]


def test_an_ended_temporary_child_is_still_there() -> None:
    spec = supervisor("", actor("t", "temporary"), actor("a"))
    sim = Simulation(spec).begin()
    sim.exit("t", ExitKind.NORMAL)
    assert plan(sim.state, spec).changes == []


# Pools -------------------------------------------------------------------------------------


def test_the_template_of_a_pool_is_compared_and_not_each_instance() -> None:
    old, new = pool(actor("p/w"), 3), pool(actor("p/w", "transient", args=("x",)), 2)
    assert changes(supervisor("", old), supervisor("", new)) == [
        Change(
            "changed",
            "p",
            {"template.restart": ("permanent", "transient"), "template.args": ((), ("x",))},
            at_once=False,
        ),
        Change("missing", "p/w-3"),
    ]


def test_a_template_that_is_a_supervisor_is_compared_with_all_that_is_in_it() -> None:
    inner = supervisor("p/w/in", actor("p/w/in/x"))
    old = supervisor("p/w", actor("p/w/a"), inner, actor("p/w/gone"))
    inner = supervisor("p/w/in", actor("p/w/in/x", args=("1",)), intensity=9)
    new = supervisor("p/w", actor("p/w/new"), inner, actor("p/w/a"), period_s=1.0)
    found = changes(supervisor("", pool(old, 1)), supervisor("", pool(new, 1)))
    assert found == [
        Change(
            "changed",
            "p",
            {
                "template.period_s": (5.0, 1.0),
                "template.children": (["a", "in", "gone"], ["new", "in", "a"]),
                "template.in.intensity": (3, 9),
                "template.in.x.args": ((), ("1",)),
            },
            at_once=False,
        ),
        Change("added", "p/w-1/new"),
        Change("missing", "p/w-1/gone"),
    ]


def test_a_template_within_a_template_is_compared_too() -> None:
    old, new = pool(actor("p/q/w"), 1), pool(actor("p/q/w", args=("x",)), 1)
    (change,) = changes(supervisor("", pool(old, 1)), supervisor("", pool(new, 1)))
    assert change.fields == {"template.template.args": ((), ("x",))}


def test_another_name_of_the_template_is_a_change_even_without_an_instance() -> None:
    old, new = pool(actor("w"), 0), pool(actor("v"), 0)
    assert changes(old, new) == [Change("changed", "", {"template.name": ("w", "v")}, False)]


def test_instances_started_by_hand_are_nobodys_business() -> None:
    sim = Simulation(pool(actor("w"), 1)).begin()
    sim.send(StartInstance(""))
    sim.settle()
    assert plan(sim.state, sim.spec).changes == []
    assert plan(sim.state, pool(actor("w"), 3)).changes == [
        Change("changed", "w-2", {"listed": (False, True)}),
        Change("added", "w-3"),
    ]


# What cannot be ----------------------------------------------------------------------------


SUPERVISOR, ACTOR = supervisor("p/w", actor("p/w/x")), actor("p/w")


@pytest.mark.parametrize(
    ("old", "new", "refusal"),
    [
        (actor("a"), supervisor("a"), "a is an actor and would be a supervisor: delete it first"),
        (supervisor("a"), actor("a"), "a is a supervisor and would be an actor: delete it first"),
        (
            supervisor("p"),
            pool(actor("p/w"), 0),
            "p: a supervisor cannot become a pool, nor cease to be one: delete it first",
        ),
        (
            pool(actor("p/w"), 0),
            supervisor("p"),
            "p: a supervisor cannot become a pool, nor cease to be one: delete it first",
        ),
        (
            pool(ACTOR, 0),
            pool(SUPERVISOR, 0),
            "the template of p is an actor and would be a supervisor: delete its pool first",
        ),
        (
            pool(SUPERVISOR, 2),
            pool(ACTOR, 2),
            "the template of p is a supervisor and would be an actor: delete its pool first",
        ),
        (
            pool(SUPERVISOR, 2),
            pool(supervisor("p/w", supervisor("p/w/x")), 2),
            "x in the template of p is an actor and would be a supervisor: delete its pool first",
        ),
    ],
)
def test_some_things_cannot_become_others(old: ChildSpec, new: ChildSpec, refusal: str) -> None:
    found = differences(supervisor("", actor("b"), old), supervisor("", new))
    assert found.refusals == [refusal]


def test_all_refusals_are_told_at_once() -> None:
    old = supervisor("", actor("a"), supervisor("p", actor("p/x")), pool(actor("q/w"), 1))
    new = supervisor("", supervisor("a"), supervisor("p", supervisor("p/x")), supervisor("q"))
    assert [text.split(" ")[0] for text in differences(old, new).refusals] == ["a", "p/x", "q:"]


def test_a_child_added_by_hand_is_in_the_way_of_another_thing_of_its_name() -> None:
    sim = Simulation(pool(supervisor("w", actor("w/x")), 1)).begin()
    sim.send(AddChild("w-1", actor("w-1/y")))
    sim.settle()
    template = supervisor("w", actor("w/x"), supervisor("w/y"))
    assert plan(sim.state, pool(template, 1)).refusals == [
        "w-1/y is an actor and would be a supervisor: delete it first"
    ]
