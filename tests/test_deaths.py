"""What an actor died of, found in the log of the real policy, for each way to die."""

from __future__ import annotations

import pytest

from tests.stage import Stage, actor, supervisor
from theater.causes import Why, follows
from theater.deaths import Cause, Death, deaths, sentence
from theater.spec import SupervisorSpec
from theater.supervisor.policy import ExitKind


def flat() -> SupervisorSpec:
    return supervisor("", actor("a"), actor("b"))


def last(stage: Stage, name: str = "a") -> Death:
    return next(deaths(stage.log, name))


def die(stage: Stage, reason: str, turn: int | None = 7, again: bool = False) -> None:
    stage.turn("a")
    if turn is not None:
        more = {"again": True} if again else {}
        stage.log.write("a", "turn-failed", turn=turn, reason=reason, evidence=None, **more)
    stage.do(stage.died("a", ExitKind.CRASH, reason.partition(", delivered")[0]))


REASONS = [
    ("trap: unreachable", Cause.TRAP, "a trapped: unreachable"),
    ("fuel: used up its fuel of 5", Cause.FUEL, "a failed: used up its fuel of 5"),
    ("memory: over the limit", Cause.MEMORY, "a failed: over the limit"),
    ("err: trap: no", Cause.ERR, "a failed: it returned Err: trap: no"),
    ("exit: the guest called exit with status 3", Cause.EXIT, "called exit with status 3"),
    ("too-large: 9 bytes", Cause.TOO_LARGE, "a failed: 9 bytes"),
    ("diverged: event 1 was x", Cause.DIVERGED, "something else than its record says: event 1"),
    ("link: no such import", Cause.LINK, "a failed: no such import"),
    ("timeout: turn 7 took longer", Cause.TIMEOUT, "killed by Theater: turn 7 took longer"),
    ("timeout: turn 7 took longer, delivered 3 times", Cause.TIMEOUT, "turn 7 took longer"),
    ("killed by SIGKILL", Cause.SIGNAL, "SIGKILL, and Theater did not send it: somebody did, or"),
    ("killed by SIGSEGV", Cause.SIGNAL, "SIGSEGV, which is a fault in its process"),
    ("killed by SIGUSR1", Cause.SIGNAL, "SIGUSR1, and Theater did not send it"),
    ("exit status 1", Cause.STATUS, "which ended by itself: exit status 1"),
    ("the system ended", Cause.SYSTEM, "cut off when the whole system ended"),
    ("the component could not be started", Cause.OTHER, "a died: the component could not be"),
]


@pytest.mark.parametrize("reason, cause, said", REASONS)
def test_each_way_to_die_has_a_sentence(reason: str, cause: Cause, said: str) -> None:
    stage = Stage(flat())
    die(stage, reason)
    death = last(stage)
    assert (death.cause, death.turn, death.incarnation) == (cause, 7, 1)
    assert said in f"a {sentence(death)}"
    assert not sentence(death).endswith("times")


def test_whoever_stopped_as_asked_or_lives_has_not_died() -> None:
    stage = Stage(flat())
    stage.turn("a")
    assert list(deaths(stage.log, "a")) == []
    stage.do(stage.died("a", ExitKind.SHUTDOWN, "stopped"))
    stage.end("b")
    assert list(deaths(stage.log, "a")) == list(deaths(stage.log, "b")) == []


def test_the_last_death_is_found_also_behind_a_good_incarnation() -> None:
    stage = Stage(flat())
    die(stage, "trap: one", again=True)
    die(stage, "trap: two")
    stage.turn("a")
    stage.do(stage.died("a", ExitKind.SHUTDOWN, "stopped"))
    stage.turn("a")
    assert [(each.incarnation, each.reason, each.again) for each in deaths(stage.log, "a")] == [
        (2, "two", False),
        (1, "one", True),
    ]
    account = follows(stage.log, "a", 1)
    assert (account.why, account.incarnation) == (Why.DIED, 2)
    assert follows(stage.log, "a", 2).incarnation == 3


def test_an_answer_that_comes_to_the_dead_hides_no_death() -> None:
    stage = Stage(flat())
    stage.turn("a")
    exited = stage.died("a", ExitKind.CRASH, "killed by SIGKILL")
    stage.log.write("a", "host-answer")
    stage.do(exited)
    assert last(stage).cause is Cause.SIGNAL


def test_what_its_supervisor_killed_says_what_for() -> None:
    stage = Stage(flat())
    stage.turn("a")
    stage.log.write("a", "decided", decision="kill", incarnation=1, why="did not stop within 5 s")
    exited = stage.died("a", ExitKind.CRASH, "killed by SIGKILL")
    stage.log.write("a", "decided", decision="stopped", expected=False, reason=exited.reason)
    death = last(stage)
    assert (death.cause, death.turn) == (Cause.KILLED, None)
    assert sentence(death) == "was killed by its supervisor: did not stop within 5 s"


def test_one_that_is_killed_because_that_is_how_it_is_stopped_has_not_died() -> None:
    stage = Stage(flat())
    stage.died("a", ExitKind.CRASH, "killed by SIGKILL")
    stage.log.write("a", "decided", decision="stopped", expected=True, reason="killed by SIGKILL")
    assert list(deaths(stage.log, "a")) == []


def test_what_only_ended_with_the_system_has_not_died_unless_a_turn_failed_with_it() -> None:
    stage = Stage(flat())
    stage.died("a", ExitKind.CRASH, "the system ended")
    assert list(deaths(stage.log, "a")) == []


def test_a_start_that_failed_is_a_death_and_says_so() -> None:
    stage = Stage(flat())
    stage.broken.add("a")
    stage.crash("a")
    found = list(deaths(stage.log, "a"))
    assert {each.starting for each in found[:-1]} == {True}
    assert not found[-1].starting
    account = follows(stage.log, "a", found[0].incarnation)
    assert account.why is Why.GAVE_UP


def test_a_turn_that_was_set_aside_by_hand_is_nobodys_crash() -> None:
    stage = Stage(flat())
    stage.turn("a")
    stage.log.write("a", "exited", kind="shutdown", reason="stopped")
    stage.log.write("a", "turn-failed", turn=2, reason="began anew", evidence=None)
    death = last(stage)
    assert (death.cause, death.turn) == (Cause.BY_HAND, 2)
