"""Supervisors have chains of what they are and what they decide, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.broker.logged import Logged, order, supervisor
from tests.broker.pretend import answers

FLAGS = {"strategy": "one_for_one", "intensity": 3}


def test_the_root_supervisor_has_a_chain_though_nobody_names_it(tmp_path: Path) -> None:
    system = Logged(tmp_path, order("a"))
    assert system.told("/") == [("created", {"kind": "supervisor", "flags": None})]
    assert system.query("SELECT name, role FROM actors") == [
        ("/", "supervisor"),
        ("a", "actor"),
    ]
    assert system.again(order("a")).told("/") == system.told("/")


@pytest.mark.parametrize("name", ["", "/"])
def test_the_root_supervisor_goes_by_its_path_or_its_name(tmp_path: Path, name: str) -> None:
    system = Logged(tmp_path, supervisor(name, **FLAGS))
    assert system.told("/") == [("created", {"kind": "supervisor", "flags": FLAGS})]
    assert system.query("SELECT count(*) FROM actors") == [(1,)]


def test_other_flags_are_told_and_the_same_are_not(tmp_path: Path) -> None:
    system = Logged(tmp_path, supervisor("", **FLAGS), supervisor("pool", **FLAGS))
    again = system.again(supervisor("", **FLAGS), supervisor("pool", intensity=9))
    changed = ("changed", {"kind": "supervisor", "flags": {"intensity": 9}})
    assert [type for type, _ in again.told("/")] == ["created"]
    assert again.told("pool")[1:] == [changed]
    again.adopt(supervisor("pool", intensity=9))
    assert again.told("pool")[1:] == [changed]
    again.adopt(supervisor("pool", **FLAGS))
    assert again.told("pool")[2:] == [("changed", {"kind": "supervisor", "flags": FLAGS})]
    # A later start that does not name the root supervisor's flags does not change them.
    assert [type for type, _ in again.again().told("/")] == ["created"]


def test_a_decision_stands_in_the_chain_of_whom_it_is_about(tmp_path: Path) -> None:
    system = Logged(tmp_path, supervisor("", **FLAGS), supervisor("pool"), order("pool/a"))
    payload = {"decision": "restart", "child": "pool/a", "incarnation": 3, "exit": "crash"}
    for subject in ("", "/", "pool", "pool/a"):
        system.turns.decided(subject, payload)
    system.step()
    for name, count in (("/", 2), ("pool", 1), ("pool/a", 1)):
        assert system.told(name)[1:] == [("decided", payload)] * count


def test_a_decision_about_one_whom_nobody_knows_is_kept_by_the_root(tmp_path: Path) -> None:
    system = Logged(tmp_path, order("a"))
    system.remove("a")
    for subject in ("a", "never"):
        system.turns.decided(subject, {"decision": "restart", "child": "x"})
    system.step()
    assert system.told("/")[1:] == [
        ("decided", {"subject": "a", "decision": "restart", "child": "x"}),
        ("decided", {"subject": "never", "decision": "restart", "child": "x"}),
    ]
    assert system.told("a")[-1][0] == "removed"


@pytest.mark.parametrize("name", ["/", "pool"])
def test_nobody_can_send_to_a_supervisor(tmp_path: Path, name: str) -> None:
    system = Logged(tmp_path, supervisor(""), supervisor("pool"), order("a", send_to=None))
    system.actor("a").senders.add(name)  # permitted: what is refused is refused for one reason
    error = f'no-actor: there is no actor "{name}"'
    assert system.turns.deliver_from_client(name, b"hi", "send", "id") == (0, error)
    worker = system.start("a")
    system.turns.deliver_from_client("a", b"go", "send", "id-2")
    worker.take()
    worker.begin()
    worker.send(name, b"hi")
    worker.request(name, b"?")
    assert answers(system.turns) == [("a", 2, {"err": error})]
    system.step()
    assert system.query("SELECT actor, reason FROM dead_letters") == [(name, error)] * 2
    assert system.query("SELECT DISTINCT to_actor FROM messages WHERE to_name != 'a'") == [(None,)]


def test_a_supervisor_goes_and_comes_back(tmp_path: Path) -> None:
    system = Logged(tmp_path, supervisor("pool", **FLAGS))
    system.remove("pool", "deleted")
    assert system.turns.chain("pool") is None
    assert system.query("SELECT phase FROM actors WHERE name = 'pool'") == [("removed",)]
    system.adopt(supervisor("pool", intensity=1))
    again = system.again()
    last = again.again(supervisor("pool", intensity=1))
    assert last.told("pool") == [
        ("created", {"kind": "supervisor", "flags": FLAGS}),
        ("removed", {"reason": "deleted"}),
        ("returned", {"kind": "supervisor", "flags": {"intensity": 1}}),
        ("removed", {"reason": "no longer in the manifest"}),
        ("returned", {"kind": "supervisor", "flags": {"intensity": 1}}),
    ]
    assert last.query("SELECT removed_at FROM actors WHERE name = 'pool'") == [(None,)]


def test_the_root_supervisor_stays(tmp_path: Path) -> None:
    system = Logged(tmp_path, order("a"))
    with pytest.raises(AssertionError, match="cannot be removed"):
        system.remove("/")
