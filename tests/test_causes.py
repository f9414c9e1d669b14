"""Why something was started again or does not run, found in the log of the real policy."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.stage import Stage, actor, supervisor
from theater.causes import Account, Why, accounts
from theater.facts import Fact
from theater.spec import AutoShutdown, Backoff, Strategy, SupervisorSpec
from theater.supervisor import policy

ALL = Strategy.ONE_FOR_ALL
REST = Strategy.REST_FOR_ONE


def told(stage: Stage, name: str, count: int, running: bool = True) -> list[Account]:
    """`running`: the system is not, whatever the policy thinks."""
    child = stage.state.children.get("" if name == "/" else name)
    return accounts(stage.log, name, count, running and child is not None and child.alive)


def last(stage: Stage, name: str, running: bool = True) -> Account:
    (account,) = told(stage, name, 1, running)
    return account


def word(fact: Fact) -> str:
    """`a died`, `/ restart b`: a fact in two or three words."""
    told = fact.decision or fact.type
    detail = fact.text("call") if told == "operator" else fact.text("child")
    shown = "" if detail in ("", fact.name) else f" {detail}"
    return f"{fact.name} {told}{shown}"


def words(account: Account) -> list[str]:
    return [word(fact) for fact in account.steps]


def flat() -> Stage:
    return Stage(supervisor("", actor("a"), actor("b"), actor("c")))


def group(strategy: Strategy) -> Stage:
    return Stage(supervisor("", actor("a"), actor("b"), actor("c"), strategy=strategy))


def nested(restart: str = "permanent", strategy: Strategy = Strategy.ONE_FOR_ONE) -> Stage:
    shop = supervisor("s", actor("s/a"), actor("s/b"), restart=restart, intensity=1)
    return Stage(supervisor("", actor("x"), shop, actor("y"), strategy=strategy))


def pool(instances: int = 2) -> Stage:
    template = actor("p/w")
    children = tuple(actor(f"p/w-{number + 1}") for number in range(instances))
    spec = SupervisorSpec(
        "p", strategy=Strategy.SIMPLE_ONE_FOR_ONE, template=template, children=children
    )
    return Stage(supervisor("", spec, actor("z")))


def crash_twice(stage: Stage) -> None:
    stage.crash("s/a")
    stage.crash("s/a")


# Why it was started ------------------------------------------------------------------------


def test_what_was_started_once_has_not_been_restarted() -> None:
    account = last(flat(), "a")
    assert (account.why, words(account), account.incarnation) == (Why.FIRST, ["a started"], 1)


def test_a_death_and_the_decision_lead_to_the_next_start() -> None:
    stage = flat()
    stage.turn("a")
    stage.crash("a")
    account = last(stage, "a")
    assert (account.why, account.incarnation) == (Why.DIED, 2)
    assert words(account) == ["a turn-failed", "a exited", "a restart", "a started"]
    assert account.decision is not None and account.decision.number("left") == 2
    assert last(stage, "b").why is Why.FIRST


@pytest.mark.parametrize(
    "strategy, why",
    [
        (ALL, {"a": Why.GROUP, "b": Why.DIED, "c": Why.GROUP}),
        (REST, {"a": Why.FIRST, "b": Why.DIED, "c": Why.GROUP}),
    ],
)
def test_a_group_restart_is_because_of_the_sibling_that_died(
    strategy: Strategy, why: dict[str, Why]
) -> None:
    stage = group(strategy)
    stage.crash("b")
    assert {name: last(stage, name).why for name in "abc"} == why
    assert words(last(stage, "c")) == (
        ["b turn-failed", "b exited", "b restart", "c exited", "c stopped", "c started"]
    )


def test_a_group_restart_is_found_also_for_one_that_had_been_stopped_before() -> None:
    stage = group(ALL)
    stage.do(policy.StopChild("c"))
    stage.crash("b")
    account = last(stage, "c")
    assert account.why is Why.GROUP
    assert words(account)[:3] == ["c exited", "c stopped", "b turn-failed"]
    assert words(account)[-2:] == ["b restart", "c started"]


def test_two_dead_siblings_share_the_cause_that_was_heard_of_first() -> None:
    stage = group(ALL)
    killed = [stage.died(name, policy.ExitKind.CRASH, "killed by SIGKILL") for name in "ca"]
    stage.do(*killed)
    assert last(stage, "c").why is Why.DIED
    assert last(stage, "a").why is Why.GROUP


def test_the_chain_goes_up_to_a_supervisor_that_gave_up_and_down_to_who_died() -> None:
    stage = nested()
    crash_twice(stage)
    account = last(stage, "s/b")
    assert account.why is Why.SUPERVISOR
    assert words(account) == [
        "s/a turn-failed",
        "s/a exited",
        "s gave-up s/a",
        "s/b exited",
        "s/b stopped",
        "s restart",
        "s/b started",
    ]
    mine = told(stage, "s/a", 3)
    assert [each.why for each in mine] == [Why.FIRST, Why.DIED, Why.SUPERVISOR]


def test_a_run_explains_nothing_of_the_next_one() -> None:
    # Killed with a restart decided and not made: the next start is the system's.
    stage = flat()
    stage.up(supervisor("", actor("x")))
    stage.log.write("x", "exited", reason="killed by SIGKILL", kind="crash")
    stage.log.write("x", "decided", decision="restart", child="x", started=["x"], stopped=[])
    stage.up(supervisor("", actor("x")))
    assert last(stage, "x").why is Why.UP


def test_a_supervisor_has_its_own_account() -> None:
    stage = nested()
    assert [each.why for each in told(stage, "s", 5)] == [Why.UP]
    crash_twice(stage)
    account = last(stage, "s")
    assert account.why is Why.DIED
    assert words(account) == ["s/a turn-failed", "s/a exited", "s gave-up s/a", "s restart"]
    assert [each.why for each in told(stage, "/", 5)] == [Why.UP]


def test_a_supervisor_restarted_in_a_group_takes_what_is_below_it_along() -> None:
    stage = nested(strategy=ALL)
    stage.crash("y")
    account = last(stage, "s/a")
    assert account.why is Why.SUPERVISOR
    assert words(account)[:3] == ["y turn-failed", "y exited", "y restart"]
    assert words(account)[-1] == "s/a started"
    assert last(stage, "s").why is Why.GROUP


def test_a_retry_tells_how_it_began_and_how_many_attempts_failed() -> None:
    stage = Stage(supervisor("", actor("a"), intensity=9, backoff=Backoff(1.0, factor=1.0)))
    stage.broken = {"a"}
    stage.crash("a")
    stage.tick(2.0)
    stage.tick(2.0)
    assert last(stage, "a").attempts == 2
    stage.broken = set()
    stage.tick(2.0)
    account = last(stage, "a")
    assert (account.why, account.attempts, account.incarnation) == (Why.RETRY, 2, 4)
    assert words(account) == [
        "a turn-failed",
        "a exited",
        "a restart",
        "a exited",
        "a start-failed",
        "a retry",
        "a started",
    ]


def test_a_supervisor_whose_child_does_not_start_again_is_tried_again() -> None:
    stage = nested()
    stage.broken = {"s/b"}
    stage.crash("s/a")
    stage.do(policy.RestartChild("s/b"))
    stage.crash("s/a")
    decisions = [word(fact) for fact in stage.log.facts if fact.decision]
    assert "s start-aborted" in decisions and "/ gave-up s" in decisions
    account = last(stage, "s/a")
    assert account.why is Why.GAVE_UP
    assert words(account)[-2:] == ["s start-failed", "/ gave-up s"]
    assert "s/b start-failed" in words(account)


@pytest.mark.parametrize(
    "path, affected, others",
    [("s/a", ["s/a"], ["s/b", "x"]), ("s", ["s", "s/a", "s/b"], ["x"])],
)
def test_what_an_operator_asked_for_is_the_operators(
    path: str, affected: list[str], others: list[str]
) -> None:
    stage = nested()
    stage.do(policy.RestartChild(path))
    for name in affected:
        account = last(stage, name)
        assert account.why is Why.OPERATOR
        assert words(account)[0] == f"{path} operator restart"
    assert {last(stage, name).why for name in others} == {Why.FIRST}


def test_an_instance_is_there_because_its_pool_was_scaled() -> None:
    stage = pool()
    stage.do(policy.Scale("p", 4))
    account = last(stage, "p/w-4")
    assert (account.why, words(account)) == (Why.OPERATOR, ["p operator scale", "p/w-4 started"])
    assert last(stage, "p/w-1").why is Why.FIRST
    assert last(stage, "z").why is Why.FIRST


def test_an_added_child_was_asked_for() -> None:
    stage = flat()
    stage.do(policy.AddChild("", actor("n")))
    assert words(last(stage, "n")) == ["n operator add", "n started"]


@pytest.mark.parametrize("orderly", [True, False])
def test_a_new_up_is_no_restart(orderly: bool) -> None:
    stage = flat()
    stage.crash("a")
    if orderly:
        stage.do(policy.Shutdown())
    stage.up(supervisor("", actor("a"), actor("b"), actor("c")))
    account = last(stage, "a")
    assert (account.why, account.incarnation) == (Why.UP, 3)
    assert words(account) == (["/ shutdown", "a started"] if orderly else ["a started"])


# Why it does not run -----------------------------------------------------------------------


def stop_a(stage: Stage) -> None:
    stage.do(policy.StopChild("a"))


@pytest.mark.parametrize(
    "restart, do, why, told",
    [
        (
            "transient",
            lambda stage: stage.end("a"),
            Why.NOT_RESTARTED,
            ["a exited", "a not-restarted"],
        ),
        (
            "temporary",
            lambda stage: stage.crash("a"),
            Why.NOT_RESTARTED,
            ["a turn-failed", "a exited", "a not-restarted"],
        ),
        ("permanent", stop_a, Why.STOPPED, ["a operator stop", "a exited", "a stopped"]),
        (
            "permanent",
            lambda stage: stage.do(policy.StopChild("a"), policy.DeleteChild("a")),
            Why.STOPPED,
            ["a operator delete", "a exited", "a stopped", "a removed"],
        ),
        (
            "permanent",
            lambda stage: stage.do(policy.Shutdown()),
            Why.DOWN,
            ["/ shutdown", "a exited", "a stopped"],
        ),
    ],
)
def test_what_does_not_run_has_a_reason(
    restart: str, do: Callable[[Stage], object], why: Why, told: list[str]
) -> None:
    stage = Stage(supervisor("", actor("a", restart), actor("b")))
    stage.turn("a")
    do(stage)
    account = last(stage, "a")
    assert account.why is why
    assert sorted(words(account)) == sorted(told)
    assert [fact.seq for fact in account.steps] == sorted(fact.seq for fact in account.steps)
    assert not account.runs


def test_a_temporary_sibling_of_a_group_is_not_started_again() -> None:
    stage = Stage(supervisor("", actor("a", "temporary"), actor("b"), strategy=ALL))
    stage.crash("b")
    account = last(stage, "a")
    assert account.why is Why.WITH_GROUP
    assert words(account)[:3] == ["b turn-failed", "b exited", "b restart"]


def test_below_a_transient_supervisor_that_gave_up_nothing_runs() -> None:
    stage = nested("transient")
    crash_twice(stage)
    for name in ("s/a", "s/b"):
        account = last(stage, name)
        assert account.why is Why.GAVE_UP
        assert words(account)[-1] == "s not-restarted"
        assert "s gave-up s/a" in words(account)
    account = last(stage, "s")
    assert account.why is Why.NOT_RESTARTED
    assert words(account) == ["s/a turn-failed", "s/a exited", "s gave-up s/a", "s not-restarted"]


def test_an_automatic_shutdown_is_because_of_the_significant_child() -> None:
    job = actor("s/job", "transient", significant=True)
    auto = AutoShutdown.ANY_SIGNIFICANT
    stage = Stage(
        supervisor("", supervisor("s", job, actor("s/b"), restart="transient", auto_shutdown=auto))
    )
    stage.end("s/job")
    account = last(stage, "s/b")
    assert account.why is Why.AUTO_SHUTDOWN
    assert words(account) == [
        "s/job exited",
        "s/job not-restarted",
        "s auto-shutdown s/job",
        "s/b exited",
        "s/b stopped",
        "s not-restarted",
    ]


def test_a_start_that_failed_by_hand_stays_failed() -> None:
    stage = flat()
    stop_a(stage)
    stage.broken = {"a"}
    stage.do(policy.StartChild("a"))
    account = last(stage, "a")
    assert account.why is Why.START_FAILED
    assert words(account) == ["a exited", "a start-failed"]
    assert account.incarnation == 2


def test_a_system_that_did_not_come_up_says_because_of_whom() -> None:
    stage = Stage(supervisor("", actor("x")))
    stage.broken = {"b"}
    stage.up(supervisor("", actor("a"), actor("b"), actor("c")))
    for name in ("a", "c"):
        account = last(stage, name, running=False)
        assert account.why is Why.START_ABORTED
        assert words(account)[:3] == ["b exited", "b start-failed", "/ start-aborted"]


def test_one_that_waits_for_its_backoff_is_being_restarted() -> None:
    stage = Stage(supervisor("", actor("a"), actor("b"), strategy=ALL, backoff=Backoff(10.0)))
    stage.crash("a")
    for name in ("a", "b"):
        account = last(stage, name)
        assert account.why is Why.RESTARTING
        assert words(account)[:3] == ["a turn-failed", "a exited", "a restart"]
    stage.tick(11.0)
    assert last(stage, "a").why is Why.DIED
    assert last(stage, "b").why is Why.GROUP


@pytest.mark.parametrize("kind, why", [("permanent", Why.GROUP), ("temporary", Why.WITH_GROUP)])
def test_one_started_by_hand_while_its_group_waits_goes_with_the_group(kind: str, why: Why) -> None:
    children = actor("a"), actor("b", kind)
    stage = Stage(supervisor("", *children, strategy=ALL, backoff=Backoff(10.0)))
    stage.crash("a")
    stage.do(policy.StartChild("b"))
    assert last(stage, "b").why is Why.OPERATOR
    stage.tick(11.0)
    account = last(stage, "b")
    assert account.why is why
    assert words(account)[:3] == ["a turn-failed", "a exited", "a restart"]


def test_when_the_system_was_killed_the_log_says_nothing_more() -> None:
    stage = nested()
    assert last(stage, "s/a", running=False).why is Why.LOST
    assert last(stage, "s", running=False).why is Why.LOST
    stage.do(policy.Shutdown())
    assert last(stage, "s/a", running=False).why is Why.DOWN


def test_an_instance_that_was_scaled_away_is_gone() -> None:
    stage = pool(3)
    stage.do(policy.Scale("p", 1))
    account = last(stage, "p/w-3")
    assert account.why is Why.STOPPED
    assert words(account)[0] == "p operator scale"
    assert words(account)[-1] == "p/w-3 removed"
    assert last(stage, "p/w-1").why is Why.FIRST


@pytest.mark.parametrize("orderly", [True, False])
def test_what_the_next_manifest_has_no_more_is_gone(orderly: bool) -> None:
    stage = nested()
    if orderly:
        stage.do(policy.Shutdown())
    for name in ("s/a", "s/b", "s"):
        stage.log.write(name, "removed", reason="no longer in the manifest")
    stage.up(supervisor("", actor("x"), actor("y")))
    stage.do(policy.Shutdown())
    for name in ("s", "s/a"):
        account = last(stage, name, running=False)
        assert account.why is Why.REMOVED
        assert "/ shutdown" not in words(account)[1:]
        assert f"{name} removed" in words(account) or name == "s"
    assert last(stage, "x", running=False).why is Why.DOWN


def test_what_has_come_back_is_there() -> None:
    stage = nested()
    for type in ("removed", "returned"):
        stage.log.write("s", type, reason="")
    assert [each.why for each in told(stage, "s", 5)] == [Why.UP]


def test_the_last_accounts_come_oldest_first() -> None:
    stage = flat()
    stage.crash("a")
    stage.tick(100.0)
    stage.do(policy.RestartChild("a"))
    stop_a(stage)
    found = told(stage, "a", 10)
    assert [each.why for each in found] == [Why.FIRST, Why.DIED, Why.OPERATOR, Why.STOPPED]
    assert told(stage, "a", 2) == found[-2:]


@pytest.mark.parametrize("seed", range(40))
def test_in_any_history_everything_that_runs_was_started_and_all_else_has_a_reason(
    seed: int,
) -> None:
    dice = random.Random(seed)
    kinds = ("permanent", "transient", "temporary")

    def group(path: str) -> SupervisorSpec:
        children = [actor(f"{path}/{name}", dice.choice(kinds)) for name in "abc"]
        strategy = dice.choice((Strategy.ONE_FOR_ONE, ALL, REST))
        backoff = dice.choice((None, Backoff(3.0)))
        kind = dice.choice(kinds)
        return supervisor(
            path, *children, restart=kind, strategy=strategy, intensity=2, backoff=backoff
        )

    spec = supervisor("", group("g"), actor("x"), group("h"), intensity=4, strategy=ALL)
    stage = Stage(spec)
    names = [f"{path}/{name}" for path in "gh" for name in "abc"] + ["x"]
    for _ in range(30):
        name, path = dice.choice(names), dice.choice([*names, "g", "h"])
        call = dice.choice((policy.StopChild, policy.StartChild, policy.RestartChild))
        stage.broken = {dice.choice(names)} if dice.random() < 0.2 else set()
        alive = {each for each in names if stage.state.children[each].alive}
        match dice.randrange(5):
            case 0 if name in alive:
                stage.crash(name)
            case 1 if name in alive:
                stage.end(name)
            case 2:
                stage.do(call(path))
            case 3 if name in alive:
                stage.turn(name)
            case _:
                stage.tick(dice.choice((0.5, 4.0, 20.0)))
        for each in (*names, "g", "h", "/"):
            child = stage.state.children["" if each == "/" else each]
            for account in told(stage, each, 3):
                assert account.name == each
                assert [f.seq for f in account.steps] == sorted({f.seq for f in account.steps})
            if each in names:
                account = last(stage, each)
                assert account.runs == child.alive
                assert account.why is not Why.LOST, f"seed {seed}: nobody knows about {each}"
                assert not child.alive or account.incarnation == child.incarnation
        if stage.state.ended:
            stage.up(spec)


def test_no_facts_whatever_break_the_search() -> None:
    stage = flat()
    for facts in ({}, {"decision": 3}, {"decision": "restart", "started": "a", "child": 1}):
        stage.log.write("a", "decided", **facts)
    stage.log.write("a", "decided", decision="retry", started=["a", 7], child=None)
    stage.log.write("/", "decided", decision="gave-up")
    stage.log.write("a", "exited")
    for name in ("a", "/", "nobody"):
        for runs in (True, False):
            accounts(stage.log, name, 9, runs)
