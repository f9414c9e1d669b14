"""The commands about supervisors, against one system that runs: in a pipe, on a terminal, as JSON,
and every way they are refused."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Home, actor
from tests.waiting import WAIT_S, eventually
from theater.client import System


def below(name: str, flags: str, *children: str) -> str:
    inner = "".join(child.replace("[[child", "[[child.child") for child in children)
    return f'[[child]]\nname = "{name}"\nsupervisor = {{ {flags} }}\n{inner}'


SHOP = below(
    "shop",
    'strategy = "one_for_all", intensity = 50',
    actor("prices"),
    actor("clerk", extra='restart = "transient"'),
)
POOL = below("pool", 'strategy = "simple_one_for_one"', actor("w", "counter.wat"))
SLOW = below("slow", "backoff = { base = 500, max = 600 }", actor("a"))
HEAD = "supervisor = { intensity = 50 }"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("market"), cache)
    home.write(SHOP, POOL, SLOW, head=HEAD)
    try:
        home.out("up", "-d")
        yield home
        home.out("down")
    finally:
        home.end()


@pytest.fixture(scope="module")
def system(market: Home) -> Iterator[System]:
    """The same, for what is not to be tested here: a command takes its time to start."""
    with System(str(market.data)) as system:
        yield system


def node(system: System, path: str) -> dict[str, Any]:
    return next(each for each in system.tree() if each["path"] == path)


def crash(system: System, path: str) -> None:
    number = node(system, path)["incarnation"]

    def letters() -> int:
        return sum(letter.actor == path for letter in system.dead_letters())

    before = letters()
    system.send(path, b"trap")

    def is_up() -> bool:
        """It may have been tried twice: until its message is set aside it may die once more."""
        found = node(system, path)
        again = found["status"] == "running" and found["incarnation"] > number
        return again and letters() > before

    eventually(is_up, f"{path} to be up again")


# tree --------------------------------------------------------------------------------------


def test_the_tree_is_the_same_in_a_pipe_as_on_a_terminal(market: Home) -> None:
    lines = market.out("tree").splitlines()
    assert [line.split()[:3][-2 if "─" in line else 0] for line in lines[:2]] == ["/", "shop"]
    assert re.fullmatch(r"├─ shop +running \d+s  +one_for_all \d+/50 in 5 s", lines[1])
    assert re.match(r"│  └─ shop/clerk +running \d+s  +#\d+ transient", lines[3])
    terminal = market.terminal("tree", NO_COLOR="1", PYTHONIOENCODING="utf-8")
    assert terminal.wait_end() == 0
    shown = terminal.raw.replace("\r\n", "\n").splitlines()
    assert "\x1b" not in terminal.raw and all(len(line) <= 80 for line in shown)
    assert [line.split("  ")[0] for line in shown] == [line.split("  ")[0] for line in lines]


def test_a_pipe_that_takes_no_utf_8_gets_ascii(market: Home) -> None:
    text = market.out("tree", env={"PYTHONIOENCODING": "ascii"})
    assert "|- shop " in text and "|  `- shop/clerk " in text


def test_the_tree_as_json_has_every_node_with_its_kind_of_facts(market: Home) -> None:
    nodes = json.loads(market.out("tree", "--json"))
    both = {"path", "type", "supervisor", "status", "age_s", "reason", "restart_type"}
    for each in nodes:
        actors, supervisors = {"incarnation", "pid"}, {"strategy", "intensity", "restarts_left"}
        assert both | (actors if each["type"] == "actor" else supervisors) <= set(each)
    assert nodes[0]["path"] == "" and nodes[0]["supervisor"] is None


def test_a_watched_tree_on_a_terminal_moves_in_place_and_leaves_it_clean(
    market: Home, system: System
) -> None:
    terminal = market.terminal("tree", "--watch", PYTHONIOENCODING="utf-8")
    terminal.wait_for("shop/clerk")
    system.stop("shop/clerk")
    terminal.wait_for("stopped")
    terminal.press("\x03")
    assert terminal.wait_end() == 130
    assert terminal.raw.startswith("\x1b[?1049h\x1b[?25l")
    assert terminal.raw.rstrip().endswith("\x1b[?25h\x1b[?1049l")
    assert "Traceback" not in terminal.raw
    system.start_child("shop/clerk")


def test_a_watched_tree_in_a_pipe_prints_only_what_changed(market: Home, system: System) -> None:
    watcher = market.popen("tree", "--watch", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert watcher.stdout is not None
    first = [watcher.stdout.readline() for _ in range(7)]
    assert b"slow/a" in first[-1]
    started_at_s = time.monotonic()
    eventually(lambda: time.monotonic() > started_at_s + 2.2, "ages to change")
    system.stop("shop/clerk")
    assert watcher.stdout.readline() == b"\n", "time alone is no news"
    second = [watcher.stdout.readline() for _ in range(7)]
    assert b"shop/clerk" in second[3] and b"stop" in second[3]
    watcher.send_signal(signal.SIGINT)
    _, errors = watcher.communicate(timeout=WAIT_S)
    assert (watcher.returncode, errors) == (130, b"")
    system.start_child("shop/clerk")


# why-restarted -----------------------------------------------------------------------------


def test_a_crash_is_explained_to_its_message_its_rule_and_what_is_left(
    market: Home, system: System
) -> None:
    crash(system, "shop/prices")
    first, *rest = market.out("why-restarted", "shop/clerk").splitlines()
    assert re.fullmatch(
        r"shop/clerk was restarted at [\d:]{8} \(incarnation \d+\):"
        r" shop/prices had died, and one_for_all takes this one along",
        first,
    )
    text = "\n".join(rest)
    assert "turn 2 failed: trap: " in text
    assert "its message (a send from a client) is set aside as dead letter " in text
    assert "shop is one_for_all: stop shop/clerk, then start shop/prices, shop/clerk" in text
    assert re.search(r"\d+ of 50 restarts in 5 s were left then, now \d+", text)
    assert re.search(r"shop/clerk +started: incarnation \d+, pid \d+$", text)


def test_several_times_are_told_oldest_first_and_as_json(market: Home, system: System) -> None:
    system.restart("shop/clerk")
    blocks = market.out("why-restarted", "shop/clerk", "-n", "2").split("\n\n")
    assert len(blocks) == 2
    assert "somebody asked for it (restart)" in blocks[1].splitlines()[0]
    told = json.loads(market.out("why-restarted", "shop/clerk", "-n", "2", "--json"))
    assert (told["name"], told["status"]) == ("shop/clerk", "running")
    assert told["accounts"][1]["why"] == "operator"
    assert [step["type"] for step in told["accounts"][1]["steps"]][-1] == "started"


def test_what_waits_or_was_stopped_is_explained_too(market: Home, system: System) -> None:
    system.send("slow/a", b"trap")
    eventually(lambda: node(system, "slow/a")["status"] == "restarting", "the wait")
    assert "restarting in 8m" in market.out("ps")
    assert "restarting in 8m" in market.out("tree")
    first, *rest = market.out("why-restarted", "slow/a").splitlines()
    assert first == "slow/a is restarting in 8m: it had died, and a backoff makes it wait"
    assert any(line.endswith("after 500 s of backoff") for line in rest)
    assert market.out("stop", "slow/a") == "slow/a: stopped, its restart was pending\n"
    first, *_ = market.out("why-restarted", "slow/a").splitlines()
    assert first == "slow/a does not run (stopped): somebody asked for it (stop)"
    system.start_child("slow/a")


def test_a_supervisor_and_the_root_can_be_asked_about(market: Home, system: System) -> None:
    first, _ = market.out("why-restarted", "/").splitlines()
    assert first.startswith("/ was started at") and first.endswith("by `theater up`")
    system.restart("slow")
    assert "slow was restarted at" in market.out("why-restarted", "slow/")
    assert "(restart slow)" in market.out("why-restarted", "slow/a").splitlines()[0]


def test_an_unknown_name_gets_the_nearest(market: Home) -> None:
    errors = market.fails(1, "why-restarted", "shop/clrek")
    assert 'no actor or supervisor "shop/clrek"; did you mean "shop/clerk"?' in errors


def test_the_story_of_supervisors_is_in_their_own_chains(market: Home) -> None:
    text = market.out("events", "--actor", "shop", "-n", "50")
    assert re.search(r" shop +- +created ", text)
    assert "restart, child shop/prices" in text


# children, add, delete ---------------------------------------------------------------------


def test_children_are_listed_in_start_order_or_counted(market: Home) -> None:
    assert market.out("children", "shop").splitlines() == [
        "CHILD        PROCESS  TYPE    RESTART",
        "shop/prices  running  worker  permanent",
        "shop/clerk   running  worker  transient",
    ]
    assert [line.split()[0] for line in market.out("children").splitlines()[1:]] == (
        ["shop", "pool", "slow"]
    )
    assert market.out("children", "/", "--count").split() == (
        ["SPECS", "ACTIVE", "SUPERVISORS", "WORKERS", "3", "3", "3", "0"]
    )
    count = json.loads(market.out("children", "pool", "--count", "--json"))
    assert count == {"specs": 1, "active": 0, "supervisors": 0, "workers": 0}
    rows = json.loads(market.out("children", "shop", "--json"))
    assert set(rows[0]) == {"path", "process", "type", "restart_type"}
    assert 'there is no supervisor "nope"' in market.fails(1, "children", "nope")
    close = market.fails(1, "children", "shpo")
    assert close == 'theater: there is no supervisor "shpo"; did you mean "shop"?\n'
    assert 'there is no supervisor "shop/clerk"' in market.fails(1, "children", "shop/clerk")


def test_children_are_added_stopped_and_deleted(market: Home, system: System) -> None:
    more = market.directory / "more.toml"
    more.write_text(actor("x") + actor("y", "counter.wat"))
    assert market.out("add", "more.toml") == "x: running\ny: running\n"
    more.write_text(actor("x"))
    assert market.out("add", "more.toml", "--to", "shop") == "shop/x: running\n"
    assert "running already" in market.fails(1, "add", "more.toml")
    assert "it is a pool" in market.fails(1, "add", "more.toml", "--to", "pool")
    assert 'there is no supervisor "nope"' in market.fails(1, "add", "more.toml", "--to", "nope")
    errors = market.fails(1, "delete", "x")
    assert errors == "theater: cannot delete x: it is running: stop it first\n"
    for path in ("x", "y", "shop/x"):
        system.stop(path)
    assert "x is there already: start it" in market.fails(1, "add", "more.toml")
    done = market.run("delete", "x", "nope", "y", "shop/x")
    assert (done.returncode, done.stdout) == (1, b"x: deleted\ny: deleted\nshop/x: deleted\n")
    assert 'cannot delete nope: there is no "nope"' in done.stderr.decode()
    close = market.fails(1, "stop", "shop/clark")
    assert close.endswith('there is no "shop/clark"; did you mean "shop/clerk"?\n')
    first, *_ = market.out("why-restarted", "x").splitlines()
    assert first == "x does not run: somebody asked for it (delete)"


def test_a_broken_fragment_is_refused_with_all_its_problems(market: Home) -> None:
    path = market.directory / "bad.toml"
    path.write_text(actor("a", "nowhere.wat") + actor("b", extra='restrat = "always"'))
    errors = market.fails(3, "add", "bad.toml")
    assert "bad.toml: child[0].component: " in errors
    assert 'bad.toml: child[1].restrat: unknown key; did you mean "restart"?' in errors
    assert "bad.toml: there is no such file" not in errors
    assert "nofile.toml: there is no such file" in market.fails(3, "add", "nofile.toml")
    path.write_text(actor("f", extra='initial_state = "init-trap"'))
    assert "failed to start: trap" in market.fails(1, "add", "bad.toml")


# pools -------------------------------------------------------------------------------------


def test_a_pool_is_scaled_and_gets_single_instances(market: Home) -> None:
    assert market.out("scale", "pool", "2") == "pool: 2 instances\n"
    assert market.out("start-instance", "pool", "--", "-v", "x") == "pool/w-3: running\n"
    assert "cannot delete pool/w-1: " in market.fails(1, "delete", "pool/w-1")
    assert market.out("scale", "pool", "1") == "pool: 1 instance\n"
    assert market.out("scale", "pool", "1") == "pool: 1 instance, as before\n"
    first, *rest = market.out("why-restarted", "pool/w-2").splitlines()
    assert first == "pool/w-2 does not run: somebody asked for it (scale pool)"
    assert "scaling from 3 to 1 instances asked for" in rest[0]
    assert market.out("scale", "pool", "0") == "pool: 0 instances\n"


def test_what_is_no_pool_cannot_be_scaled(market: Home) -> None:
    for command in (["scale", "shop", "2"], ["start-instance", "shop"]):
        assert "shop is no pool: its strategy is one_for_all" in market.fails(1, *command)
    assert 'there is no supervisor "nope"' in market.fails(1, "scale", "nope", "1")
    for wrong in (["scale", "pool", "-1"], ["scale", "pool", "x"], ["scale", "pool"]):
        assert "Usage: theater scale" in market.fails(2, *wrong)
    assert "from 0 to 10000" in market.fails(1, "scale", "pool", "1000000")


# reload ------------------------------------------------------------------------------------


def test_a_reload_shows_its_plan_does_it_and_says_when_there_is_nothing(
    market: Home, system: System
) -> None:
    done = market.run("reload")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"nothing has changed\n")
    clerk = node(system, "shop/clerk")
    text = (market.directory / "theater.toml").read_text()
    try:
        market.write(
            SHOP.replace('"transient"', '"permanent"\nargs = ["x"]'),
            SLOW,
            actor("new"),
            head='supervisor = { intensity = 60 }\n[limits]\nstate_max = "1MiB"\n',
        )
        plan = [
            "/           changed:",
            "              intensity 50 -> 60",
            "shop/clerk  changed, from its next start on:",
            "              restart transient -> permanent",
            '              args [] -> ["x"]',
            "new         added",
        ]
        pruned = "pool        no longer in the manifest: stopped and deleted"
        kept = "pool        no longer in the manifest: kept; --prune stops and deletes it"
        held = "state_max_bytes has changed: it holds from the next `theater up` on"
        done = market.run("reload", "--dry-run")
        assert sorted(done.stdout.decode().splitlines()) == sorted([*plan, kept, held])
        assert done.stderr == b"nothing has been done\n"
        told = json.loads(market.out("reload", "--dry-run", "--json"))
        assert [change["change"] for change in told["plan"]].count("changed") == 2
        assert (told["held"], told["done"]) == (["state_max_bytes"], False)
        done = market.run("reload", "--prune")
        assert sorted(done.stdout.decode().splitlines()) == sorted([*plan, pruned, held])
        assert (done.returncode, done.stderr) == (0, b"reloaded\n")
        paths = [each["path"] for each in system.tree()]
        assert "new" in paths and "pool" not in paths
        after = node(system, "shop/clerk")
        assert (after["pid"], after["restart_type"]) == (clerk["pid"], "permanent")
        assert "pool" in market.out("why-restarted", "pool")
    finally:
        (market.directory / "theater.toml").write_text(text)
        system.reload(prune=True)
    assert "pool" in market.out("children")


def test_a_manifest_that_is_broken_or_asks_for_too_much_changes_nothing(
    market: Home, system: System
) -> None:
    before = [each["path"] for each in system.tree()]
    path = market.directory / "theater.toml"
    text = path.read_text()
    try:
        market.write(actor("a", "nowhere.wat"), actor("b", extra='restrat = "always"'))
        for arguments in (["reload"], ["reload", "--dry-run"]):
            errors = market.fails(3, *arguments)
            assert "theater.toml: child[0].component: " in errors
            assert "theater.toml: child[1].restrat: " in errors
        market.write(actor("shop"), POOL, SLOW)
        errors = market.fails(1, "reload")
        assert "shop is a supervisor and would be an actor: delete it first" in errors
        market.write(SHOP, below("pool", "intensity = 1", actor("w")), SLOW)
        assert "a supervisor cannot become a pool" in market.fails(1, "reload", "--dry-run")
        assert "nofile.toml: there is no such file" in market.fails(3, "reload", "nofile.toml")
    finally:
        path.write_text(text)
    assert [each["path"] for each in system.tree()] == before


# No system ---------------------------------------------------------------------------------


def test_without_a_system_only_the_log_can_be_asked(home: Home) -> None:
    home.write(actor("a"))
    (home.directory / "more.toml").write_text(actor("b"))
    commands = [
        ["tree"],
        ["tree", "--watch"],
        ["children"],
        ["add", "more.toml"],
        ["delete", "a"],
        ["scale", "a", "1"],
        ["start-instance", "a"],
        ["reload"],
    ]
    for command in commands:
        assert "no system is running (data in .theater)" in home.fails(4, *command)
    assert "nothing has run here yet" in home.fails(4, "why-restarted", "a")
    home.out("up", "-d")
    watcher = home.popen("tree", "--watch", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert watcher.stdout is not None and watcher.stdout.readline().startswith(b"/")
    home.out("down")
    _, errors = watcher.communicate(timeout=WAIT_S)
    assert (watcher.returncode, errors) == (0, b"the system has stopped\n")
    done = home.run("why-restarted", "a")
    assert done.stdout.decode().splitlines()[0] == "a does not run: the system was taken down"
    assert done.stderr == b"no system is running: this is what the log says\n"
    home.out("up", "-d")
    assert "with the system, by `theater up`" in home.out("why-restarted", "a")
