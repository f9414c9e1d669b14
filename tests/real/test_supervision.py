"""The supervisor's rules on real processes: real signals, real deaths, real orders of start."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.real.conftest import Theater, actor
from tests.waiting import WAIT_S, eventually
from theater.client import System
from theater.errors import NotDelivered, NotRunning, Refused
from theater.events import decode


def below(supervisor: str, flags: str, *children: str, extra: str = "") -> str:
    """The manifest of a supervisor with children."""
    inner = "".join(child.replace("[child", "[child.child") for child in children)
    return f'[[child]]\nname = "{supervisor}"\nsupervisor = {{ {flags} }}\n{extra}\n{inner}'


def pids(system: System, *paths: str) -> list[int | None]:
    rows = {row["actor"]: row["pid"] for row in system.ps()}
    return [rows.get(path) for path in paths]


def kill(system: System, *paths: str) -> None:
    """Kill them so that root hears of all of it at once."""
    root = system.info()["pid"]
    victims = pids(system, *paths)
    os.kill(root, signal.SIGSTOP)
    for pid in victims:
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    os.kill(root, signal.SIGCONT)


def incarnations(system: System, *paths: str) -> list[int]:
    rows = {row["actor"]: row for row in system.ps()}
    return [rows[path]["incarnation"] for path in paths]


def all_running(system: System, expected: dict[str, int]) -> None:
    """Wait until these run, in these incarnations."""

    def reached() -> bool:
        rows = {row["actor"]: row for row in system.ps()}
        return all(
            rows[path]["status"] == "running" and rows[path]["incarnation"] == number
            for path, number in expected.items()
        )

    eventually(reached, f"{expected}")


def decisions(system: System, *words: str) -> list[dict[str, Any]]:
    rows = system.log.query("SELECT bytes FROM events WHERE type = 'decided' ORDER BY seq")
    payloads = [decode(row[0]).payload for row in rows]
    return [payload for payload in payloads if payload["decision"] in words]


def ready_order(system: System, after: int) -> list[str]:
    rows = system.log.query(
        "SELECT a.name FROM events e JOIN actors a ON a.id = e.actor"
        " WHERE e.type = 'ready' AND e.seq > ? ORDER BY e.seq",
        after,
    )
    return [row[0] for row in rows]


@pytest.mark.parametrize(
    ("strategy", "restarted"),
    [("one_for_one", "b"), ("one_for_all", "abc"), ("rest_for_one", "bc")],
)
def test_a_death_takes_its_group_with_it_in_order(
    theater: Theater, strategy: str, restarted: str
) -> None:
    flags = f'strategy = "{strategy}"'
    system = theater.up(below("g", flags, actor("a"), actor("b"), actor("c")), actor("z"))
    after = system.log.last_seq()
    kill(system, "g/b")
    expected = {f"g/{name}": 2 if name in restarted else 1 for name in "abc"}
    all_running(system, {**expected, "z": 1})
    assert ready_order(system, after) == [f"g/{name}" for name in restarted]
    (decision,) = decisions(system, "restart")
    assert decision["child"] == "g/b" and decision["left"] == 2
    assert decision["stopped"] == [f"g/{name}" for name in reversed(restarted) if name != "b"]
    assert decision["started"] == [f"g/{name}" for name in restarted]
    theater.note(system)


@pytest.mark.parametrize(
    ("strategy", "restarts"), [("one_for_one", 2), ("one_for_all", 1), ("rest_for_one", None)]
)
def test_deaths_at_the_same_moment(theater: Theater, strategy: str, restarts: int | None) -> None:
    # rest_for_one: one or two, by whose death is heard of first.
    flags = f'strategy = "{strategy}", intensity = 5'
    system = theater.up(below("g", flags, actor("a"), actor("b"), actor("c")))
    kill(system, "g/a", "g/c")
    eventually(lambda: incarnations(system, "g/a", "g/c") >= [2, 2], "both restarts")
    eventually(lambda: all(r["status"] == "running" for r in system.ps()), "all to run")
    count = len(decisions(system, "restart"))
    assert count == restarts if restarts else count in (1, 2)
    theater.note(system)


def test_a_group_restart_revives_what_was_stopped_and_forgets_what_is_temporary(
    theater: Theater,
) -> None:
    system = theater.up(
        below(
            "g",
            'strategy = "one_for_all"',
            actor("a"),
            actor("b"),
            actor("t", extra='restart = "temporary"\n'),
        )
    )
    system.stop("g/a")
    assert system.actor("g/a")["status"] == "stopped"
    kill(system, "g/b")
    all_running(system, {"g/a": 2, "g/b": 2})
    assert system.actor("g/t")["status"] in ("stopped", "restarting")
    assert system.actor("g/t")["pid"] is None
    theater.note(system)


def test_giving_up_goes_upwards_and_a_transient_supervisor_stays_down(theater: Theater) -> None:
    system = theater.up(
        below("p", "intensity = 0", actor("x"), actor("y")),
        below("t", "intensity = 0", actor("x"), extra='restart = "transient"'),
    )
    kill(system, "p/x")
    all_running(system, {"p/x": 2, "p/y": 2})
    kill(system, "t/x")
    system.wait_status("t/x", "failed")
    eventually(
        lambda: [d["child"] for d in decisions(system, "gave-up")] == ["p/x", "t/x"],
        "both decisions to be committed",
    )
    tree = {node["path"]: node for node in system._control.ask("tree")["nodes"]}
    assert (tree["p"]["status"], tree["p"]["restarts"]) == ("running", 1)
    assert tree["t"]["status"] == "failed"
    assert tree[""]["restarts_left"] == 2
    theater.note(system)


def test_a_significant_child_that_ends_ends_the_system_in_good_order(theater: Theater) -> None:
    job = actor("job", extra='restart = "transient"\nsignificant = true\n')
    system = theater.up(actor("a"), job, head='supervisor = { auto_shutdown = "any_significant" }')
    launch = system._launch
    assert launch is not None
    system.send("job", b"shutdown done")
    last = list(launch.events(WAIT_S))[-1]
    assert (last["event"], last["failed"]) == ("ended", False)
    assert last["reason"] == "auto_shutdown is any_significant, and job has ended"


def test_a_pool_grows_shrinks_restarts_its_instances_one_by_one_and_keeps_their_states(
    theater: Theater,
) -> None:
    pool = below("p", 'strategy = "simple_one_for_one", instances = 2', actor("w"))
    system = theater.up(pool, actor("z"))
    ask = system._control.ask
    assert ask("scale", pool="p", instances=4)["text"] == "4 instances"
    assert [row["actor"] for row in system.ps()] == ["p/w-1", "p/w-2", "p/w-3", "p/w-4", "z"]
    for number in (1, 3):
        system.request(f"p/w-{number}", b"set %d" % number)
    kill(system, "p/w-3")
    all_running(system, {"p/w-1": 1, "p/w-2": 1, "p/w-3": 2, "p/w-4": 1})
    assert system.request("p/w-3", b"get") == b"3"
    theater.note(system)
    ask("scale", pool="p", instances=1)
    assert [row["actor"] for row in system.ps()] == ["p/w-1", "z"]
    with pytest.raises(NotDelivered, match="no-actor"):
        system.request("p/w-3", b"get")
    ask("scale", pool="p", instances=3)
    assert system.request("p/w-3", b"get") == b"3", "an instance that comes back has its state"
    text = ask("start_instance", pool="p", args=["x"])["text"]
    assert text == "p/w-5 is running", "a new instance has a number of its own"
    count = ask("children", supervisor="p")["count"]
    assert count == {"specs": 1, "active": 4, "supervisors": 0, "workers": 4}
    theater.note(system)


def test_a_backoff_waits_and_a_stop_ends_the_wait(theater: Theater) -> None:
    flags = "backoff = { base = 0.05, factor = 1000, max = 600 }, intensity = 9"
    system = theater.up(below("g", flags, actor("a")), actor("z"))
    kill(system, "g/a")
    all_running(system, {"g/a": 2})
    kill(system, "g/a")
    row = system.wait_status("g/a", "restarting")
    assert 0 < row["retry_in_s"] <= 50
    system.send("g/a", b"set later")  # it collects
    assert system.request("z", b"echo on") == b"on"
    assert system.stop("g/a") == "stopped, its restart was pending"
    assert system.actor("g/a")["status"] == "stopped"
    system.start_child("g/a")
    assert incarnations(system, "g/a") == [3]
    assert [d.get("delay_s") for d in decisions(system, "restart")] == [0.05, 50.0]
    theater.note(system)


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_children_are_added_and_deleted_with_otps_answers(theater: Theater, tmp_path: Path) -> None:
    system = theater.up(actor("a"), below("g", 'strategy = "one_for_all"', actor("b")))
    more = write(tmp_path / "more.toml", actor("x", extra='initial_state = "kept"\n'))
    ask = system._control.ask

    def code(operation: str, **facts: Any) -> str:
        try:
            return str(ask(operation, **facts)["code"])
        except Refused as error:
            return error.code

    assert ask("add", supervisor="g", file=more)["added"] == ["g/x"]
    assert system.request("g/x", b"get") == b"kept"
    assert code("add", supervisor="g", file=more) == "already_started"
    assert code("delete", actor="g/x") == "running"
    assert code("start", actor="g/x") == "running"
    kill(system, "g/b")
    all_running(system, {"g/b": 2, "g/x": 2})
    os.kill(pids(system, "g/x")[0] or 0, signal.SIGSTOP)
    system.send("g/x", b"set lost")
    system.stop("g/x")
    assert code("add", supervisor="g", file=more) == "already_present"
    assert code("delete", actor="g/x") == "ok"
    assert code("stop", actor="g/x") == code("start", actor="g/x") == "not_found"
    letters = "SELECT reason FROM dead_letters WHERE actor = 'g/x'"
    eventually(
        lambda: system.log.query(letters) == [("no-actor: g/x has been removed: it was deleted",)],
        "its dead letter",
    )
    with pytest.raises(NotDelivered, match="no-actor"):
        system.request("g/x", b"get")
    assert code("add", supervisor="g", file=more) == "ok"
    assert incarnations(system, "g/x") == [3], "it goes on where it was"
    assert code("add", supervisor="a", file=more) == "not_found"
    broken = write(tmp_path / "broken.toml", actor("y", "no-such.wat"))
    assert code("add", supervisor="", file=broken) == "bad_manifest"
    fails = write(tmp_path / "fails.toml", actor("f", extra='initial_state = "init-trap"\n'))
    assert code("add", supervisor="", file=fails) == "failed"
    assert "f" not in [row["actor"] for row in system.ps()]
    theater.note(system)


def test_a_reload_changes_in_place_starts_what_is_new_and_prunes_when_told(
    theater: Theater,
) -> None:
    system = theater.up(actor("a"), actor("b"), actor("c"))
    before = pids(system, "a", "b")
    granted = actor("a", extra='restart = "transient"\n')
    theater.write(
        granted.replace('"message-server"', '"message-server"\nsend_to = ["b"]'),
        actor("d"),
        actor("b"),
        head="supervisor = { intensity = 7 }",
    )
    ask = system._control.ask
    found = ask("reload", dry_run=True)
    assert [(c["change"], c["path"], c["at_once"]) for c in found["plan"]] == [
        ("changed", "", True),
        ("changed", "a", False),
        ("added", "d", True),
        ("missing", "c", True),
    ]
    with pytest.raises(Refused, match="has changed since; nothing has been done") as not_that:
        ask("reload", planned="the digest of another plan")
    assert not_that.value.code == "changed"
    assert [row["actor"] for row in system.ps()] == ["a", "b", "c"]
    assert ask("reload", planned=found["digest"])["text"] == "reloaded"
    assert [row["actor"] for row in system.ps()] == ["a", "d", "b", "c"]
    assert pids(system, "a", "b") == before
    assert system.actor("a")["restart_type"] == "transient"
    assert system.actor("d")["status"] == "running"
    assert ask("reload", prune=True)["text"] == "reloaded"
    assert [row["actor"] for row in system.ps()] == ["a", "d", "b"]
    assert ask("reload")["text"] == "nothing has changed"
    tree = ask("tree")["nodes"]
    assert tree[0]["intensity"] == 7
    system.restart("a")
    changed = system.log.query(
        "SELECT e.type FROM events e JOIN actors a ON a.id = e.actor WHERE a.name = 'a'"
        " AND e.type = 'changed'"
    )
    assert changed == [("changed",)], "its chain says with what it runs"
    theater.manifest.write_text("name = 'broken")
    with pytest.raises(Refused) as refused:
        ask("reload")
    assert refused.value.code == "bad_manifest"
    theater.note(system)


def test_a_pause_of_root_kills_nobody(theater: Theater) -> None:
    slow = actor("slow", extra="[child.limits]\nstart_timeout = 1\n")
    system = theater.up(slow)
    system.stop("slow")
    info = system.info()
    os.kill(info["helpers"]["zygote"], signal.SIGSTOP)  # so that the fork takes as long as we like
    start = threading.Thread(target=lambda: System(str(theater.data)).start_child("slow"))
    start.start()
    system.wait_status("slow", "starting")
    os.kill(info["pid"], signal.SIGSTOP)
    os.kill(info["helpers"]["zygote"], signal.SIGCONT)
    paused_at_s = time.monotonic()
    # Longer than start_timeout and than what the clock takes for a late wake-up.
    eventually(lambda: time.monotonic() > paused_at_s + 2.5, "the pause to be a long one")
    os.kill(info["pid"], signal.SIGCONT)
    start.join(WAIT_S)
    row = system.wait_status("slow", "running")
    assert row["incarnation"] == 2 and not decisions(system, "kill")
    theater.note(system)


def test_a_hundred_deaths_at_once_are_all_seen_to(theater: Theater) -> None:
    names = [f"a{number}" for number in range(100)]
    system = theater.up(
        *(actor(name, "counter.wat") for name in names), head="supervisor = { intensity = 1000 }"
    )
    theater.note(system)
    kill(system, *names)
    all_running(system, dict.fromkeys(names, 2))
    assert len(decisions(system, "restart")) == 100
    theater.note(system)
    system.down()
    with pytest.raises(NotRunning):
        system.ps()
