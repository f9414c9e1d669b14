"""A turn that has committed a step goes on in another process, and nothing is done twice."""

from __future__ import annotations

import os
import signal

from tests.components import python_actor
from tests.real.conftest import COMPONENTS, Theater, actor
from tests.waiting import eventually
from theater.client import System

LONG = "request_timeout = 600\n"
ASKS = "SELECT a.turn FROM asks a JOIN actors o ON o.id = a.actor WHERE a.status = 'open'"
# Everything a turn can do before and after an ask.
SCRIPT = (
    b"log one\nself\nsend c append 1,\nchain\nsend c append 2,\n"
    b"request b append x\nsend c append 3,\nappend done"
)


def hold(system: System, name: str) -> int:
    """Stop a worker, so that what it is asked stays open."""
    pid = int(system.actor(name)["pid"])
    os.kill(pid, signal.SIGSTOP)
    return pid


def is_open(system: System, name: str) -> bool:
    return bool(system.log.query(f"{ASKS} AND o.name = ?", name))


def kill(system: System, name: str) -> None:
    before = eventually(lambda: (row := system.actor(name))["pid"] and row, "its process")
    os.kill(before["pid"], signal.SIGKILL)
    system.wait_for(lambda: system.actor(name)["incarnation"] > before["incarnation"], "the next")


def sent_once(system: System) -> None:
    assert system.request("c", b"get") == b"1,2,3,"
    assert system.request("b", b"get") == b"x"
    assert system.log.query("SELECT count(*) FROM dead_letters") == [(0,)]


def test_the_asker_dies_and_its_turn_goes_on_with_the_answer(theater: Theater) -> None:
    system = theater.up(actor("a", extra=LONG), actor("b"), actor("c"))
    b = hold(system, "b")
    system.send("a", SCRIPT)
    eventually(lambda: is_open(system, "a"), "the ask")
    kill(system, "a")
    kill(system, "a")
    os.kill(b, signal.SIGCONT)
    assert system.request("a", b"get") == b"done"
    sent_once(system)
    types = [
        (row.event.type, row.event.incarnation)
        for row in system.log.events()
        if (row.event.actor, row.event.turn) == ("a", 2)
    ]
    assert types.count(("carried-on", 3)) == 1, "the second incarnation committed nothing"
    assert [type for type, _ in types].count("wasm-call") == 1
    theater.note(system)


def test_the_answer_that_came_while_nobody_waited_is_kept(theater: Theater) -> None:
    system = theater.up(actor("a", extra=LONG), actor("b"), actor("c"))
    b = hold(system, "b")
    system.send("a", SCRIPT)
    eventually(lambda: is_open(system, "a"), "the ask")
    system.stop("a")
    os.kill(b, signal.SIGCONT)
    eventually(lambda: not is_open(system, "a"), "the answer")
    system.restart("a")
    assert system.request("a", b"get") == b"done"
    sent_once(system)
    theater.note(system)


def test_open_turns_go_on_in_the_next_run_however_the_last_one_ended(theater: Theater) -> None:
    system = theater.up(actor("a", extra=LONG), actor("b"), actor("c"))
    hold(system, "b")
    system.send("a", SCRIPT)
    eventually(lambda: is_open(system, "a"), "the ask")
    os.kill(system.info()["pid"], signal.SIGKILL)
    again = theater.up()
    assert again.request("a", b"get") == b"done"
    sent_once(again)
    hold(again, "b")
    again.send("a", b"request b echo x\nappend !")
    eventually(lambda: is_open(again, "a"), "the ask")
    again.down(kill=True)
    again.close()
    third = theater.up()
    assert third.request("a", b"get") == b"done!"
    theater.note(third)


def test_all_three_die_at_once_and_the_request_is_made_once(theater: Theater) -> None:
    system = theater.up(actor("a", extra=LONG), actor("b"), actor("c"))
    hold(system, "b")
    system.send("a", SCRIPT)
    eventually(lambda: is_open(system, "a"), "the ask")
    for pid in (system.actor("a")["pid"], system.actor("b")["pid"]):
        os.kill(pid, signal.SIGKILL)
    os.kill(system.info()["helpers"]["broker"], signal.SIGKILL)
    eventually(lambda: system.request("a", b"get") == b"done", "the turn to end")
    sent_once(system)
    theater.note(system)


def test_a_turn_that_traps_after_its_ask_is_tried_once_more_and_set_aside(theater: Theater) -> None:
    system = theater.up(actor("a"), actor("b"), actor("c"))
    system.send("a", b"request b append x\nsend c append y\ntrap")
    (letter,) = eventually(lambda: system.dead_letters(), "the dead letter")
    report = system.dead_letter(letter.id)
    assert letter.reason == "trap: wasm `unreachable` instruction executed"
    assert (letter.turn, report.incarnation, report.steps) == (2, 2, 1)
    assert system.request("b", b"get") == b"x", "an ask is a commit point"
    assert system.request("c", b"get") == b"", "what came after it has not happened"
    system.wait_status("a", "running")
    assert system.request("a", b"get") == b""
    theater.note(system)


def test_a_program_in_python_goes_on_and_says_nothing_twice(theater: Theater) -> None:
    grants = '[[child.handler]]\ntype = "runtime"\n[[child.handler]]\ntype = "message-server"\n'
    python = f'[[child]]\nname = "a"\ncomponent = "{python_actor.component()}"\n{LONG}{grants}'
    system = theater.up(python, actor("b"))
    system.send("a", b"first")
    b = hold(system, "b")
    system.send("a", b"ask b")
    eventually(lambda: is_open(system, "a"), "the ask")
    kill(system, "a")
    eventually(lambda: system.actor("a")["status"] == "running", "it to run again")
    kill(system, "a")
    os.kill(b, signal.SIGCONT)
    token = system.request("b", b"get")
    eventually(lambda: system.log.state("a") == token, "the turn to end with the same number")
    assert len(token) == 8
    said = system.log.query("SELECT line FROM log_lines WHERE actor = 'a' AND turn = 3")
    assert said == [("half a line, yes True",)]
    assert system.log.query("SELECT count(*) FROM dead_letters") == [(0,)]
    theater.note(system)


def test_another_component_does_not_go_on_with_an_open_turn(theater: Theater) -> None:
    system = theater.up(actor("a", extra=LONG), actor("b"))
    hold(system, "b")
    system.send("a", b"request b echo x")
    eventually(lambda: is_open(system, "a"), "the ask")
    os.kill(system.info()["pid"], signal.SIGKILL)
    theater.write(actor("a", "counter.wat"), actor("b"))
    again = theater.up()
    (letter,) = again.dead_letters()
    assert letter.reason == "its component has been changed"
    assert again.log.query("SELECT status FROM asks") == [("abandoned",)]
    assert again.request("b", b"echo on") == b"on"


def test_a_guest_that_leaves_the_record_is_set_aside_as_diverged(theater: Theater) -> None:
    fickle = COMPONENTS / "fickle.wat"
    assert fickle.exists()
    system = theater.up(actor("a", "fickle.wat", extra=LONG), actor("b"))
    b = hold(system, "b")
    system.send("a", b"b")
    eventually(lambda: is_open(system, "a"), "the ask")
    kill(system, "a")
    (letter,) = eventually(lambda: system.dead_letters(), "the dead letter")
    assert letter.reason.startswith("diverged: event 1 of turn 2 was theater:simple/runtime.log(")
    os.kill(b, signal.SIGCONT)
    system.wait_status("a", "running")
    theater.note(system)
