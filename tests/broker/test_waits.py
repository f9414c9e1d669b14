"""Who waits for the end of one that it has spawned is told it once, whoever dies meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.broker.family import BOSS, Family, FamilyWorker, family
from tests.broker.logged import order
from tests.broker.whole import give
from theater.broker import waits
from theater.broker.book import ToRoot
from theater.broker.step import BadStep
from theater.calls import WAITS

CHILD = f"{BOSS}/a"
WITHIN_MS = 2500


def shuts_down(made: Family, data: bytes | None = b"result") -> None:
    """The child does; its process has not ended yet."""
    worker = give(made, CHILD)
    worker.shutdown(data)
    worker.end(b"1")
    made.step()


def ends(made: Family) -> None:
    shuts_down(made)
    made.end(CHILD)


def says(made: Family, phase: str, reason: str = "", is_over: bool = False) -> None:
    """Its supervisor, as the broker's loop hears it."""
    actor = made.actor(CHILD)
    made.phase(CHILD, phase)
    waits.settled(made.turns, actor, phase, reason, is_over, made.now_s)
    made.step()


def crashes_for_good(made: Family) -> None:
    made.kill(CHILD)
    says(made, "failed", "killed by SIGKILL")


def is_stopped(made: Family) -> None:
    made.end(CHILD, by_others=True)
    says(made, "stopped", is_over=True)


def is_stopped_while_down(made: Family) -> None:
    made.kill(CHILD)
    says(made, "restarting")
    says(made, "stopped", is_over=True)


def is_ended_by_a_stranger(made: Family) -> None:
    """Its process has been asked to end, by nobody of ours."""
    made.end(CHILD)
    says(made, "stopped", is_over=True)


def is_removed(made: Family) -> None:
    made.end(CHILD)
    made.remove(CHILD)


ENDS: dict[Callable[[Family], None], Any] = {
    ends: {"ok": b"result"},
    crashes_for_good: {"err": "failed: boss/a: killed by SIGKILL"},
    is_stopped: {"err": "stopped: boss/a was stopped"},
    is_stopped_while_down: {"err": "stopped: boss/a was stopped"},
    is_ended_by_a_stranger: {"err": "stopped: boss/a was stopped"},
    is_removed: {"err": "no-actor: boss/a has been removed: deleted"},
}


@pytest.mark.parametrize("happens", ENDS)
def test_each_end_is_an_answer(tmp_path: Path, happens: Callable[[Family], None]) -> None:
    made = family(tmp_path)
    asked = made.wait_for("a")
    happens(made)
    assert made.end_ask(*asked) == ENDS[happens]
    assert made.hear() == [], "what it was answered it is not told again"
    assert made.problems() == []


def crashes(made: Family) -> None:
    made.kill(CHILD)
    says(made, "restarting", "killed by SIGKILL")
    made.expect(CHILD)


def is_restarted(made: Family) -> None:
    """By an operator, or with its group."""
    made.end(CHILD)
    says(made, "stopped")
    made.expect(CHILD)


def begins_anew(made: Family) -> None:
    made.kill(CHILD)
    worker = made.expect(CHILD, anew="on_restart")
    worker.begin()
    worker.end(b"1")
    made.step()
    worker.take()


@pytest.mark.parametrize("happens", [crashes, is_restarted, begins_anew])
def test_what_comes_back_has_not_ended(tmp_path: Path, happens: Callable[[Family], None]) -> None:
    made = family(tmp_path)
    asked = made.wait_for("a")
    happens(made)
    assert made.answer_of(asked) is None and made.actor(BOSS).mailbox.messages == 1
    ends(made)
    assert made.end_ask(*asked) == {"ok": b"result"}
    assert made.problems() == []


@pytest.mark.parametrize("data", [None, b"", b"long " * 1000])
def test_a_result_of_any_size_is_the_answer(tmp_path: Path, data: bytes | None) -> None:
    made = family(tmp_path)
    asked = made.wait_for("a")
    shuts_down(made, data)
    made.end(CHILD)
    made.end_ask(*asked)
    assert made.problems() == []


def test_one_that_ends_in_its_init_has_ended(tmp_path: Path) -> None:
    """Whether root has said by then that it runs or not."""
    made = family(tmp_path)
    asked = made.bear("a", WAITS, "a.toml", None, None, None)
    worker = made.expect(CHILD)
    worker.begin()
    worker.shutdown(b"nothing to do")
    worker.end(None)
    made.step()
    made.end(CHILD)
    made.runs(asked, CHILD)
    assert made.end_ask(*asked) == {"ok": b"nothing to do"}
    assert made.problems() == []


def test_one_that_could_not_be_born_is_what_root_says(tmp_path: Path) -> None:
    made = family(tmp_path)
    worker = give(made, BOSS)
    assert isinstance(worker, FamilyWorker)
    asked = worker.about(WAITS, "a.toml", None, None, None)
    made.step()
    made.root_says(asked, {"err": "refused: a.toml: there is no such file"})
    assert made.end_ask(*asked)["err"].startswith("refused: ")
    assert made.problems() == []


# Time


def overdue(made: Family, after_s: float) -> None:
    made.now_s += after_s
    made.turns.at += after_s
    made.turns.time_out(made.now_s)
    made.step()


def test_it_waits_for_so_long_and_is_told_of_the_end_as_others_then(tmp_path: Path) -> None:
    made = family(tmp_path)
    asked = made.wait_for("a", WITHIN_MS)
    overdue(made, 2.4)
    assert made.answer_of(asked) is None
    overdue(made, 0.2)
    assert made.end_ask(*asked) == {"err": "timeout: boss/a has not ended within 2.5 s"}
    ends(made)
    assert made.hear() == [("child-exit", CHILD)]
    assert made.query("SELECT value FROM counters WHERE name = 'timeouts'") == [(1,)]
    assert made.problems() == []


def test_without_a_time_it_waits_for_ever(tmp_path: Path) -> None:
    made = family(tmp_path)
    asked = made.wait_for("a")
    overdue(made, 1e9)
    assert made.answer_of(asked) is None
    ends(made)
    assert made.end_ask(*asked) == {"ok": b"result"}
    assert made.problems() == []


def test_a_birth_that_takes_too_long_is_given_up_if_it_has_not_begun(tmp_path: Path) -> None:
    made = family(tmp_path)
    told: list[Any] = []
    made.listeners.append(lambda item: told.append(getattr(item, "message", None)))
    worker = give(made, BOSS)
    assert isinstance(worker, FamilyWorker)
    asked = worker.about(WAITS, "a.toml", None, None, 0)
    made.step()
    overdue(made, 0.0)
    text = "timeout: what was to be born has not ended within 0 s"
    assert made.end_ask(*asked) == {"err": text}
    assert ("child_dropped", BOSS, *asked) in told
    assert made.problems() == []


@pytest.mark.parametrize("replaced", [True, False])
def test_the_time_goes_on_with_another_broker(tmp_path: Path, replaced: bool) -> None:
    made = family(tmp_path)
    asked = made.wait_for("a", WITHIN_MS)
    made = _another(made, replaced)
    overdue(made, 2.4)
    assert made.answer_of(asked) is None
    overdue(made, 0.2)
    made.go_on()
    assert made.end_ask(*asked) == {"err": "timeout: boss/a has not ended within 2.5 s"}
    assert made.problems() == []


# Deaths


def _another(made: Family, replaced: bool, *orders: dict[str, Any]) -> Family:
    """The broker is another; or everything has died, and is there again."""
    if replaced:
        return made.replaced(*(orders or made.orders))
    made = made.again(*(orders or made.orders))
    for name in (BOSS, CHILD):
        if name in made.turns.actors:
            made.expect(name)
    return made


@pytest.mark.parametrize("replaced", [True, False])
@pytest.mark.parametrize("happens", ENDS)
def test_another_broker_knows_whom_it_waits_for(
    tmp_path: Path, happens: Callable[[Family], None], replaced: bool
) -> None:
    made = family(tmp_path)
    asked = made.wait_for("a")
    made = _another(made, replaced)
    current = made.actor(BOSS).current
    assert current is not None and current.ask is not None and current.ask.callee == CHILD
    happens(made)
    made.go_on()
    assert made.end_ask(*asked) == ENDS[happens]
    assert made.hear() == []
    assert made.problems() == []


def test_root_is_told_by_another_broker_who_is_there(tmp_path: Path) -> None:
    made = family(tmp_path)
    asked = made.wait_for("a")
    made = made.replaced(*made.orders)
    messages = [item.message for item in made.out if isinstance(item, ToRoot)]
    again = ("child", BOSS, *asked, WAITS, ["a.toml", None, None, None], None, True)
    assert again in messages


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_death_of_who_waits_is_nothing_to_the_wait(tmp_path: Path, when: str) -> None:
    """It goes on in the next incarnation, or finds the answer there."""
    made = family(tmp_path)
    asked = made.wait_for("a")
    made.kill(BOSS)
    if when == "before":
        ends(made)
        assert made.answer_of(asked) == {"ok": b"result"}
    made.expect(BOSS)
    if when == "after":
        ends(made)
    made.go_on()
    assert made.end_ask(*asked) == {"ok": b"result"}
    assert made.problems() == []


def test_nobody_waits_for_a_turn_that_is_set_aside(tmp_path: Path) -> None:
    made = family(tmp_path)
    asked = made.wait_for("a")
    for _ in range(3):
        made.kill(BOSS)
        made.expect(BOSS)
        if made.workers[BOSS].inputs:
            made.workers[BOSS].begin()
    assert made.answer_of(asked) is None
    assert made.query("SELECT status FROM asks") == [("abandoned",)]
    ends(made)
    assert made.hear() == [("child-exit", CHILD)]
    assert made.problems() == []


@pytest.mark.parametrize("replaced", [True, False])
@pytest.mark.parametrize("crashed", [True, False])
def test_one_that_is_gone_when_another_broker_comes_is_no_more_waited_for(
    tmp_path: Path, replaced: bool, crashed: bool
) -> None:
    made = family(tmp_path)
    asked = made.wait_for("a")
    made.kill(CHILD) if crashed else made.end(CHILD)
    orders = [each for each in made.orders if each["name"] == BOSS]
    made = _another(made, replaced, *orders)
    made.go_on()
    answer = "failed: boss/a: killed by SIGKILL" if crashed else "no-actor: boss/a has been removed"
    assert made.end_ask(*asked)["err"].startswith(answer)
    assert made.problems() == []


def test_a_shutdown_that_the_system_did_not_live_to_see_is_an_end(tmp_path: Path) -> None:
    made = family(tmp_path)
    asked = made.wait_for("a")
    shuts_down(made)
    made = _another(made, False)
    made.go_on()
    assert made.end_ask(*asked) == {"ok": b"result"}
    assert made.problems() == []


# Cycles


@pytest.mark.parametrize("function", ["spawn", WAITS])
@pytest.mark.parametrize("replaced", [True, False])
def test_who_asks_its_parent_that_waits_is_told_so_at_once(
    tmp_path: Path, function: str, replaced: bool
) -> None:
    made = family(tmp_path)
    more = (None, None) if function == WAITS else ()
    asked = made.bear("a", function, "a.toml", None, *more)
    if replaced:
        made = made.replaced(*made.orders)
    worker = made.expect(CHILD)
    worker.begin()  # its init
    worker.request(BOSS, b"?")
    made.step()
    cycle = {"err": f"cycle: {CHILD} → {BOSS} → {CHILD}"}
    assert made.last_answer(CHILD) == cycle
    worker.answered()
    worker.end(None)
    made.step()
    made.runs(asked, CHILD)
    assert made.problems() == []


def test_a_circle_through_others_is_one(tmp_path: Path) -> None:
    made = Family(tmp_path, order(BOSS, takes=["send"], may_manage=True), order("other"))
    made.start(BOSS)
    made.start("other")
    made.wait_for("a")
    give(made, CHILD).request("other", b"?")
    made.step()
    worker = made.workers["other"]
    worker.begin()
    worker.request(BOSS, b"?")
    made.step()
    assert made.last_answer("other") == {"err": "cycle: other → boss → boss/a → other"}


def test_a_circle_that_is_there_already_is_left_alone(tmp_path: Path) -> None:
    """Of a log of before a birth was followed: a child has asked who waits for its birth."""
    takes = ["send", "request"]
    made = Family(tmp_path, order(BOSS, takes=takes, may_manage=True), order("other"))
    made.start(BOSS)
    made.start("other")
    made.wait_for("a")
    current = made.actor(BOSS).current
    assert current is not None and current.ask is not None
    current.ask.callee = None
    give(made, CHILD).request(BOSS, b"?")
    current.ask.callee = CHILD
    made.step()
    give(made, "other").request(BOSS, b"?")
    made.step()
    asked = made.actor("other").current
    assert asked is not None and asked.ask is not None, "it waits, and nothing else happens"


def test_whoever_else_asks_it_waits(tmp_path: Path) -> None:
    made = Family(tmp_path, order(BOSS, takes=["send", "request"], may_manage=True), order("other"))
    made.start(BOSS)
    made.start("other")
    made.wait_for("a")
    give(made, "other").request(BOSS, b"?")
    made.step()
    current = made.actor("other").current
    assert current is not None and current.ask is not None


def test_its_birth_is_no_request_that_a_child_may_answer(tmp_path: Path) -> None:
    made = family(tmp_path)
    turn, index = made.wait_for("a")
    worker = give(made, CHILD)
    worker.respond(f"{BOSS}:{turn}:{index}", b"mine")
    with pytest.raises(BadStep, match="which is no request to it"):
        worker.end(None)
