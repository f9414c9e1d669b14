"""The Python API's side of supervisors: OTP's names, OTP's answers, plans and reasons."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real.conftest import Theater, actor
from tests.waiting import eventually
from theater.causes import Why
from theater.client import System
from theater.errors import ManifestError, Refused, TheaterError


def below(supervisor: str, flags: str, *children: str) -> str:
    inner = "".join(child.replace("[child", "[child.child") for child in children)
    return f'[[child]]\nname = "{supervisor}"\nsupervisor = {{ {flags} }}\n{inner}'


GROUP = below(
    "g", 'strategy = "one_for_all"', actor("a"), actor("t", extra='restart = "temporary"\n')
)
POOL = below("p", 'strategy = "simple_one_for_one", instances = 1', actor("w", "counter.wat"))
SLOW = below("slow", "backoff = { base = 500, max = 600 }", actor("s"))


def kill(system: System, path: str) -> None:
    os.kill(system.actor(path)["pid"], signal.SIGKILL)


def fragment(directory: Path, *children: str) -> Path:
    path = directory / "fragment.toml"
    path.write_text("".join(children))
    return path


def test_each_refusal_has_otps_word(theater: Theater, tmp_path: Path) -> None:
    system = theater.up(GROUP, POOL, SLOW, below("down", "intensity = 0", actor("d")))
    theater.note(system)

    def code(call: Callable[..., object], *arguments: object) -> str:
        with pytest.raises(Refused) as refused:
            call(*arguments)
        assert str(refused.value), "there is a sentence too"
        return refused.value.code

    kill(system, "slow/s")
    system.wait_status("slow/s", "restarting")
    kill(system, "g/t")
    system.wait_status("g/t", "failed")
    x = fragment(tmp_path, actor("x"))
    assert system.add_child(x) == ["x"]
    assert code(system.restart_child, "g/a") == "running"
    assert code(system.delete_child, "g/a") == "running"
    assert code(system.restart_child, "slow/s") == "restarting"
    assert code(system.delete_child, "slow/s") == "restarting"
    assert code(system.terminate_child, "nope") == "not_found"
    assert code(system.terminate_child, "g/t") == "not_found", "temporary, and has ended"
    assert code(system.restart_child, "g/t") == "not_found"
    assert code(system.child_spec, "nope") == "not_found"
    assert code(system.which_children, "g/a") == "not_found"
    assert code(system.count_children, "nope") == "not_found"
    assert code(system.add_child, x) == "already_started"
    assert system.terminate_child("x") == "stopped"
    assert system.terminate_child("x") == "it was not running", "OTP says ok to that"
    assert code(system.add_child, x) == "already_present"
    assert code(system.add_child, x, "p") == "simple_one_for_one"
    assert code(system.delete_child, "p/w-1") == "simple_one_for_one"
    assert code(system.scale, "g", 2) == code(system.start_instance, "g") == "not_a_pool"
    assert code(system.scale, "p", -1) == "bad_request"
    system.stop("down")
    assert code(system.restart_child, "down/d") == "noproc"
    temporary = 'restart = "temporary"\nsignificant = true\n'
    significant = fragment(tmp_path, actor("y", extra=temporary))
    assert code(system.add_child, significant) == "bad_combination"
    failing = fragment(tmp_path, actor("f", extra='initial_state = "init-trap"\n'))
    assert code(system.add_child, failing) == "failed"
    theater.write(actor("g"), POOL, SLOW)
    assert code(system.reload) == "refused"


def test_children_specifications_and_instances(theater: Theater, tmp_path: Path) -> None:
    system = theater.up(GROUP, POOL)
    assert system.which_children("g") == [
        {"path": "g/a", "process": "running", "type": "worker", "restart_type": "permanent"},
        {"path": "g/t", "process": "running", "type": "worker", "restart_type": "temporary"},
    ]
    assert system.count_children() == {"specs": 2, "active": 2, "supervisors": 2, "workers": 0}
    assert system.count_children("/") == system.count_children()
    spec = system.child_spec("g/a")
    assert (spec["type"], spec["restart"], spec["shutdown"]) == ("actor", "permanent", 5.0)
    assert spec["limits"]["max_deliveries"] == 3
    assert system.child_spec("/")["children"] == ["g", "p"]
    assert system.scale("p", 2) == "2 instances"
    assert system.start_instance("p", "one", "two") == "p/w-3"
    assert system.child_spec("p/w-3")["args"] == ["one", "two"]
    theater.note(system)
    more = fragment(tmp_path, actor("b"), actor("c"))
    assert system.add_child(more, "g") == ["g/b", "g/c"]
    theater.note(system)
    assert [node["path"] for node in system.tree() if node["supervisor"] == "g"] == (
        ["g/a", "g/t", "g/b", "g/c"]
    )
    assert system.terminate_child("g/b") == "stopped"
    assert system.restart_child("g/b") == "running"
    theater.note(system)
    system.terminate_child("g/b")
    assert system.delete_child("g/b") == "deleted"
    with pytest.raises(ManifestError) as broken:
        system.add_child(fragment(tmp_path, actor("d", "no-such.wat"), actor("e", extra="x = 1\n")))
    assert [problem.path for problem in broken.value.problems] == [
        "child[0].component",
        "child[1].x",
    ]


def test_a_reload_has_a_plan_and_an_end_a_reason(theater: Theater) -> None:
    system = theater.up(GROUP, actor("z"))
    theater.write(GROUP, actor("y"))
    assert [(c["change"], c["path"]) for c in system.reload(dry_run=True)] == (
        [("added", "y"), ("missing", "z")]
    )
    assert len(system.reload(theater.manifest, prune=True)) == 2
    theater.note(system)
    assert [node["path"] for node in system.tree()] == ["", "g", "g/a", "g/t", "y"]
    theater.manifest.write_text("name = 'broken")
    with pytest.raises(ManifestError):
        system.reload()

    def why(path: str) -> Why | None:
        account = system.why_restarted(path)
        assert account is None or [f.seq for f in account.steps] == sorted(
            f.seq for f in account.steps
        )
        return None if account is None else account.why

    assert (why("y"), why("z"), why("g"), why("g/a")) == (
        Why.OPERATOR,
        Why.STOPPED,
        Why.UP,
        Why.FIRST,
    )
    kill(system, "g/a")
    eventually(lambda: system.actor("g/a")["incarnation"] == 2, "the restart")
    system.wait_status("g/a", "running")
    theater.note(system)
    account = system.why_restarted("g/a")
    assert account is not None and (account.why, account.incarnation) == (Why.DIED, 2)
    assert [dataclasses.asdict(fact)["type"] for fact in account.steps] == (
        ["exited", "decided", "started"]
    )
    assert why("g/t") is Why.WITH_GROUP
    with pytest.raises(TheaterError, match="knows no actor"):
        system.why_restarted("nobody")
