"""Actors that spawn others: what survives whose death, and that nothing is born twice."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal

import psutil
import pytest

from tests.real.conftest import COMPONENTS, Theater, actor
from tests.slices import sliced
from tests.waiting import eventually
from theater.client import System
from theater.client.reader import LogReader
from theater.crashpoints import VARIABLE, Shot, arm
from theater.errors import NotDelivered, TheaterError
from theater.spec import MIB

GRANT = '[[child.handler]]\ntype = "supervisor"\n'
PROBE = '[[handler]]\ntype = "runtime"\n[[handler]]\ntype = "message-server"\n'


@pytest.fixture
def home(theater: Theater) -> Theater:
    """A system whose actors may spawn from count.toml and probe.toml."""
    for name in ("counter", "probe", "boss"):
        shutil.copy(COMPONENTS / f"{name}.wat", theater.directory)
    write(theater, "count", "counter")
    write(theater, "probe", "probe", PROBE)
    return theater


def write(theater: Theater, name: str, component: str, more: str = "") -> None:
    text = f'name = "{name}"\npackage = "{component}.wat"\n{more}'
    (theater.directory / f"{name}.toml").write_text(text)


def boss(name: str = "boss", more: str = "", keys: str = "", handlers: bool = True) -> str:
    """`more`: settings of its grant, then tables; `keys`: of its own."""
    return f"{actor(name, 'boss.wat', handlers, keys)}{GRANT}{more}"


def told(system: System, to: str, command: str) -> str:
    return system.request(to, command.encode()).decode()


def rows(system: System) -> dict[str, dict[str, object]]:
    return {row["actor"]: row for row in system.info()["actors"]}


def pid(system: System, path: str) -> int:
    found = rows(system)[path]["pid"]
    assert isinstance(found, int)
    return found


def runs(system: System, *paths: str) -> None:
    def all_run() -> bool:
        found = rows(system)
        return all(path in found and found[path]["status"] == "running" for path in paths)

    eventually(all_run, f"{paths} to run")


def kill(system: System, path: str) -> None:
    before = rows(system)[path]["incarnation"]
    os.kill(pid(system, path), signal.SIGKILL)
    eventually(lambda: rows(system)[path]["incarnation"] != before, f"{path} to be restarted")
    runs(system, path)


# What can be spawned


def test_what_is_spawned_is_an_actor_like_others(home: Theater) -> None:
    system = home.up(boss())
    assert told(system, "boss", "s count.toml") == "boss/count"
    system.send("boss/count", b"x")
    assert told(system, "boss/count", "?") == "1"
    assert told(system, "boss", "g boss/count") == "1"
    assert told(system, "boss", "l") == "boss/count\n"
    [node] = [node for node in system.tree() if node["path"] == "boss/count"]
    assert (node["supervisor"], node["status"]) == ("boss", "running")


def test_names_are_numbered_and_never_used_again(home: Theater) -> None:
    system = home.up(boss())
    names = [told(system, "boss", "s count.toml") for _ in range(3)]
    assert names == ["boss/count", "boss/count-2", "boss/count-3"]
    system.stop("boss/count-2")
    system.delete_child("boss/count-2")
    assert told(system, "boss", "s count.toml") == "boss/count-4"


def test_a_state_is_handed_over_to_init_or_resumed_from(home: Theater) -> None:
    system = home.up(boss())
    assert told(system, "boss", "n count.toml") == "boss/count"
    assert told(system, "boss", "r count.toml") == "boss/count-2"
    for name in ("boss/count", "boss/count-2"):
        system.send(name, b"x")
        assert told(system, name, "?") == "42"
    kill(system, "boss/count-2")
    assert told(system, "boss/count-2", "?") == "42"
    system.close()
    system = home.up()
    assert told(system, "boss/count-2", "?") == "42"


def test_a_resumed_one_has_its_state_before_its_first_turn_too(home: Theater) -> None:
    system = home.up(boss())
    told(system, "boss", "r count.toml")
    kill(system, "boss/count")
    system.close()
    system = home.up()
    assert told(system, "boss/count", "?") == "41"


def test_an_actor_may_spawn_in_its_init(home: Theater) -> None:
    system = home.up(boss(keys='initial_state = "count.toml\\nprobe.toml\\ncount.toml"\n'))
    assert told(system, "boss", "l") == "boss/count\nboss/probe\nboss/count-2\n"
    runs(system, "boss/count", "boss/count-2", "boss/probe")


def test_templates_may_lie_anywhere(
    home: Theater, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copy(COMPONENTS / "counter.wat", elsewhere)
    (elsewhere / "w.toml").write_text('name = "worker"\npackage = "counter.wat"\n')
    system = home.up(boss(more=f'templates = {{ worker = "{elsewhere}/w.toml" }}\n'))
    assert told(system, "boss", "s worker") == "boss/worker"
    assert told(system, "boss", f"s {elsewhere}/w.toml").startswith("refused: ")


REFUSED = {
    "not-there.toml": r"refused: not-there\.toml: there is no such file",
    "../outside.toml": r"refused: \.\./outside\.toml: lies outside of the directory that the actor",
    "/etc/passwd": r"refused: /etc/passwd: names no manifest: neither a template \(none\) nor a",
    "link.toml": r"refused: link\.toml: lies outside of the directory that the actor",
    "bad.toml": r"refused: bad\.toml: .*",
    "many.toml": r"refused: many\.toml: has to be the manifest of one actor",
    "built.toml": r"(?s)refused: built\.toml: .*what an actor spawns is not built",
    "state.toml": r"(?s)refused: state\.toml: .*lies outside of the directory that an actor may",
    "timer.toml": r'(?s)refused: timer\.toml: .*"timer" is not granted to boss itself',
    "sends.toml": r'(?s)refused: sends\.toml: .*"message-server": send_to has \*\*, which boss is',
    "files.toml": r'(?s)refused: files\.toml: .*"wasi:filesystem" is not granted to boss itself',
    "traps.toml": r"failed: failed to start: .*unreachable.*",
    "lacks.toml": r"(?s)refused: lacks\.toml: .*imports theater:simple/runtime, which the manifest",
}


def test_what_cannot_be_spawned_is_told_to_who_asks(home: Theater) -> None:
    directory = home.directory
    (directory.parent / "outside.toml").write_text('name = "x"\npackage = "counter.wat"\n')
    os.symlink(directory.parent / "outside.toml", directory / "link.toml")
    (directory / "bad.toml").write_text("name = ")
    (directory / "many.toml").write_text(
        'name = "x"\n[[child]]\nname = "a"\ncomponent = "counter.wat"\n'
        '[[child]]\nname = "b"\ncomponent = "counter.wat"\n'
    )
    (directory / "built.toml").write_text('name = "x"\nbuild = "counter.wat"\n')
    (directory / "state.toml").write_text(
        'name = "x"\npackage = "counter.wat"\ninitial_state = { file = "/etc/passwd" }\n'
    )
    write(home, "timer", "counter", '[[handler]]\ntype = "timer"\n')
    write(home, "sends", "probe", PROBE + 'send_to = ["**"]\n')
    files = 'preopens = [{ host = ".", guest = "/data" }]\n'
    write(home, "files", "counter", f'[[handler]]\ntype = "wasi:filesystem"\n{files}')
    write(home, "traps", "probe", f'initial_state = "init-trap"\n{PROBE}')
    write(home, "lacks", "probe")
    system = home.up(boss())
    for name, expected in REFUSED.items():
        answer = told(system, "boss", f"s {name}")
        assert re.match(expected, answer), (name, answer)
    endless = told(system, "boss", f"s {'x' * 5000}")
    assert endless == "too-large: the name of a manifest of 5000 bytes; it has at most 4096"
    assert told(system, "boss", "l") == ""
    assert str(directory) not in told(system, "boss", "s not-there.toml")


def test_what_is_granted_to_the_parent_can_be_handed_on(home: Theater) -> None:
    (home.directory / "data" / "below").mkdir(parents=True)
    grants = (
        '[[child.handler]]\ntype = "wasi:filesystem"\n'
        'preopens = [{ host = "data", guest = "/data", write = true }]\n'
        '[[child.handler]]\ntype = "runtime"\nmax_events = 10\n'
        '[[child.handler]]\ntype = "message-server"\nsend_to = ["boss/*", "other"]\n'
    )
    write(
        home,
        "fits",
        "counter",
        '[[handler]]\ntype = "wasi:filesystem"\n'
        'preopens = [{ host = "data/below", guest = "/data" }]\n'
        '[[handler]]\ntype = "runtime"\nmax_events = 9\n'
        '[[handler]]\ntype = "message-server"\nsend_to = ["other"]\n',
    )
    write(home, "more", "counter", '[[handler]]\ntype = "runtime"\nmax_events = 11\n')
    system = home.up(boss(more=grants, handlers=False))
    assert told(system, "boss", "s fits.toml") == "boss/fits"
    assert "max_events is 11, of 10" in told(system, "boss", "s more.toml")


def test_no_limit_is_above_the_parents(home: Theater) -> None:
    system = home.up(boss(more='[child.limits]\nmemory = "16 MiB"\nfuel = 1000000\n'))
    told(system, "boss", "s count.toml")
    spec = system.child_spec("boss/count")
    assert spec["limits"]["memory_bytes"] == 16 * MIB and spec["limits"]["fuel"] == 1_000_000


def test_there_are_no_more_children_than_granted(home: Theater) -> None:
    system = home.up(boss(more="max_children = 2\n"))
    told(system, "boss", "s count.toml")
    told(system, "boss", "s count.toml")
    refused = "refused: boss has spawned 2 actors, and max_children is 2"
    assert told(system, "boss", "s count.toml") == refused
    system.stop("boss/count")
    system.delete_child("boss/count")
    assert told(system, "boss", "s count.toml") == "boss/count-3"


# What an actor is told


def test_ends_of_children_reach_their_parent(home: Theater) -> None:
    system = home.up(boss())
    told(system, "boss", "s probe.toml")
    told(system, "boss", "s probe.toml")
    kill(system, "boss/probe")
    system.send("boss/probe", b"shutdown the end")
    system.stop("boss/probe-2")
    lines = {"error boss/probe", "exit boss/probe the end", "stopped boss/probe-2"}
    eventually(lambda: set(told(system, "boss", "?").splitlines()) >= lines, f"{lines} to be told")
    # What it does itself it is not told of.
    told(system, "boss", "s count.toml")
    assert told(system, "boss", "x boss/count") == ""
    assert told(system, "boss", "R boss/count") == ""
    assert "boss/count" not in told(system, "boss", "?")
    # Nor of what has an answer, or of a restart.
    write(home, "traps", "probe", f'initial_state = "init-trap"\n{PROBE}')
    assert told(system, "boss", "s traps.toml").startswith("failed: ")
    system.restart("boss/count")
    assert "traps" not in told(system, "boss", "?") and "boss/count" not in told(
        system, "boss", "?"
    )


def test_events_of_a_child_come_until_they_are_not_wanted(home: Theater) -> None:
    system = home.up(boss())
    told(system, "boss", "s count.toml")
    assert told(system, "boss", "+ boss/count") == ""
    system.send("boss/count", b"x")
    seen = {"event boss/count wasm-call", "event boss/count wasm-result"}
    eventually(lambda: set(told(system, "boss", "?").splitlines()) >= seen, "events to be told")
    told(system, "boss", "- boss/count")
    before = told(system, "boss", "?")
    system.send("boss/count", b"x")
    eventually(lambda: told(system, "boss", "g boss/count") == "2", "it to be counted")
    assert told(system, "boss", "?") == before


def test_a_chatty_child_does_not_fill_its_parents_mailbox(home: Theater) -> None:
    system = home.up(boss())
    told(system, "boss", "s count.toml")
    told(system, "boss", "+ boss/count")
    before = count_of(system, "boss/count")
    os.kill(pid(system, "boss"), signal.SIGSTOP)
    for _ in range(200):
        system.send("boss/count", b"x")
    eventually(lambda: told(system, "boss/count", "?") == "200", "all to be counted")
    assert rows(system)["boss"]["mailbox"] <= 64  # type: ignore[operator]
    os.kill(pid(system, "boss"), signal.SIGCONT)

    def told_or_skipped() -> int:
        lines = [line.split(" ") for line in told(system, "boss", "?").splitlines()]
        return sum(int(line[3]) if line[2] == "skipped" else 1 for line in lines)

    # A turn of two events for each message, and one for the question.
    eventually(lambda: told_or_skipped() >= 402, "each to be told or counted")
    assert told_or_skipped() == count_of(system, "boss/count") - before


def count_of(system: System, child: str) -> int:
    """How many events its parent is shown."""
    return int.from_bytes(system.request("boss", f"e {child}".encode()), "little")


def test_only_its_own_children_are_an_actors_business(home: Theater) -> None:
    system = home.up(boss(), boss("other"))
    told(system, "other", "s count.toml")
    for command in "xRge+-":
        answer = told(system, "boss", f"{command} other/count")
        assert answer == 'no-actor: "other/count" is no child of boss', command
    assert told(system, "other", "l") == "other/count\n"


# Deaths


def test_ten_children_survive_their_crashes_and_their_parents(home: Theater) -> None:
    head = "[supervisor]\nintensity = 100\n"
    system = home.up(boss(more="intensity = 100\n"), head=head)
    names = [told(system, "boss", "s count.toml") for _ in range(10)]
    for number, name in enumerate(names):
        for _ in range(number):
            system.send(name, b"x")
    for name in names[::3]:
        kill(system, name)
    kill(system, "boss")
    os.kill(system.info()["helpers"]["broker"], signal.SIGKILL)
    assert told(system, "boss", "l").splitlines() == names
    assert [told(system, name, "?") for name in names] == list(map(str, range(10)))
    found = rows(system)
    untouched = [name for name in names if name not in names[::3]]
    assert {found[name]["incarnation"] for name in untouched} == {1}, "they lived through it all"
    system.close()
    system = home.up()
    assert told(system, "boss", "l").splitlines() == names
    assert [told(system, name, "?") for name in names] == list(map(str, range(10)))
    assert told(system, "boss", "s count.toml") == "boss/count-11"


def test_children_that_crash_too_often_are_their_parents_failure(home: Theater) -> None:
    system = home.up(boss(more="intensity = 0\n"))
    told(system, "boss", "s probe.toml")
    os.kill(pid(system, "boss/probe"), signal.SIGKILL)
    eventually(lambda: rows(system)["boss"]["incarnation"] == 2, "the parent to fail")
    assert "what it spawned gave up" in str(rows(system)["boss"]["reason"])
    runs(system, "boss", "boss/probe")


def test_children_end_with_a_parent_that_ends_for_good(home: Theater) -> None:
    system = home.up(boss(keys='restart = "temporary"\n'), actor("z", "counter.wat", False))
    told(system, "boss", "s count.toml")
    os.kill(pid(system, "boss"), signal.SIGKILL)
    eventually(lambda: "boss/count" not in rows(system), "the child to be gone")
    with pytest.raises(NotDelivered, match="no-actor"):
        told(system, "boss/count", "?")


def test_an_actor_that_begins_anew_begins_without_them(home: Theater) -> None:
    system = home.up(boss())
    told(system, "boss", "s count.toml")
    system.restart("boss", init=True)
    assert "boss/count" not in rows(system) and told(system, "boss", "l") == ""
    assert told(system, "boss", "s count.toml") == "boss/count-2"


def test_children_go_down_and_come_back_with_their_parent(home: Theater) -> None:
    system = home.up(boss())
    told(system, "boss", "s count.toml")
    system.send("boss/count", b"x")
    eventually(lambda: told(system, "boss", "g boss/count") == "1", "it to be counted")
    system.stop("boss")
    assert rows(system)["boss/count"]["status"] == "stopped"
    system.start_child("boss")
    runs(system, "boss/count")
    assert told(system, "boss/count", "?") == "1"
    assert told(system, "boss", "?") == "", "that is nothing to be told of"


def test_children_of_children(home: Theater) -> None:
    write(home, "boss2", "boss", '[[handler]]\ntype = "supervisor"\n')
    system = home.up(boss())
    assert told(system, "boss", "s boss2.toml") == "boss/boss2"
    assert told(system, "boss/boss2", "s count.toml") == "boss/boss2/count"
    system.send("boss/boss2/count", b"x")
    kill(system, "boss")
    kill(system, "boss/boss2")
    assert told(system, "boss/boss2/count", "?") == "1"
    system.close()
    system = home.up()
    assert told(system, "boss/boss2", "l") == "boss/boss2/count\n"
    told(system, "boss", "x boss/boss2")
    eventually(lambda: rows(system)["boss/boss2/count"]["status"] == "stopped", "all to stop")


# Kills in the middle of a birth

IN_BIRTH = [
    "root.birth-asked",
    "root.birth-judged",
    "root.birth-added",
    "root.birth-answered",
    "zygote.ordered",
    "zygote.forked",
    "zygote.reported",
    "root.spawned",
]


@pytest.mark.parametrize(
    "point", sliced(IN_BIRTH, "root.birth-judged", "root.birth-added", "zygote.forked")
)
def test_a_birth_in_which_all_dies_is_one_birth(
    home: Theater, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash = armed(home, monkeypatch)
    system = home.up(boss())
    arm(crash, point, Shot(pids=(system.info()["pid"],)))
    system.send("boss", b"s count.toml")
    eventually(lambda: is_down(system), "the system to die")
    system.close()
    system = home.up()
    eventually(lambda: told(system, "boss", "l") == "boss/count\n", "the child to be born")
    runs(system, "boss/count")
    assert births(home) == ["boss/count"]
    assert told(system, "boss", "s count.toml") == "boss/count-2"


def is_down(system: System) -> bool:
    try:
        system.info()
    except TheaterError:
        return True
    return False


# (point, at the how manieth time): the commit of the ask, of the child, of its init, of the answer.
IN_COMMITS = [
    *(("broker.in-commit", times) for times in (1, 2, 3, 4)),
    *(("broker.after-commit", times) for times in (1, 2, 3, 4)),
    ("broker.before-commit", 2),
    ("broker.answered", 1),
    ("broker.released", 2),
]


@pytest.mark.parametrize(
    ("point", "times"),
    sliced(
        IN_COMMITS,
        *(("broker.in-commit", 2), ("broker.in-commit", 4), ("broker.after-commit", 1)),
        *(("broker.before-commit", 2), ("broker.answered", 1), ("broker.released", 2)),
    ),
)
def test_a_birth_in_which_the_broker_dies_is_one_birth(
    home: Theater, point: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash = armed(home, monkeypatch)
    system = home.up(boss())
    arm(crash, point, Shot(times=times))
    answer = told(system, "boss", "s count.toml")
    assert answer == "boss/count" and births(home) == ["boss/count"]
    runs(system, "boss/count")
    assert told(system, "boss", "l") == "boss/count\n"


WORKERS = ["worker.loaded", "worker.turn-begun", "worker.step-sent", "worker.step-acknowledged"]


@pytest.mark.parametrize(
    ("who", "point"),
    sliced(
        itertools.product(("boss", "boss/count"), WORKERS),
        *(("boss", "worker.turn-begun"), ("boss", "worker.step-acknowledged")),
        *(("boss/count", "worker.loaded"), ("boss/count", "worker.step-sent")),
    ),
)
def test_a_birth_in_which_parent_or_child_dies_is_one_birth(
    home: Theater, point: str, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash = armed(home, monkeypatch)
    system = home.up(boss())
    arm(crash, point, Shot(), who=who)
    answer = told(system, "boss", "s count.toml")
    if answer == "boss/count":
        assert births(home) == ["boss/count"]
        runs(system, "boss/count")
        assert who == "boss" or point not in ("worker.loaded", "worker.turn-begun")
    else:  # a start that fails is answered, and what was to be born is forgotten
        assert answer.startswith("failed: failed to start: ")
        assert told(system, "boss", "l") == ""
        assert told(system, "boss", "s count.toml") == "boss/count-2"


def test_a_birth_that_the_zygote_does_not_survive_is_one_birth(
    home: Theater, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash = armed(home, monkeypatch)
    for point in ("zygote.ordered", "zygote.forked", "zygote.reported"):
        system = home.up(boss())
        arm(crash, point, Shot())
        name = told(system, "boss", "s count.toml")
        runs(system, name)
        system.close()
    assert len(births(home)) == 3


def test_nothing_is_born_for_an_actor_that_has_begun_anew_meanwhile(home: Theater) -> None:
    system = home.up(boss())
    # Who judges it stands still until the actor has begun anew.
    assert told(system, "boss", "s counter.wat").startswith("refused: ")
    [judge] = judges(system)
    os.kill(judge, signal.SIGSTOP)
    system.send("boss", b"s count.toml")
    eventually(lambda: turns_open(home), "the ask to be committed")
    system.restart("boss", init=True)
    os.kill(judge, signal.SIGCONT)
    assert told(system, "boss", "s probe.toml") == "boss/probe"
    assert told(system, "boss", "l") == "boss/probe\n" and births(home) == ["boss/probe"]


def judges(system: System) -> list[int]:
    root = psutil.Process(system.info()["pid"])
    return [each.pid for each in root.children() if "preparer" in " ".join(each.cmdline())]


def turns_open(home: Theater) -> bool:
    log = LogReader(str(home.data / "chain.db"))
    found = log.query("SELECT 1 FROM asks WHERE status = 'open' AND kind = 'spawn'")
    log.close()
    return bool(found)


def armed(home: Theater, monkeypatch: pytest.MonkeyPatch) -> str:
    crash = home.directory / "crash"
    crash.mkdir()
    monkeypatch.setenv(VARIABLE, str(crash))
    return str(crash)


def births(home: Theater) -> list[str]:
    log = LogReader(str(home.data / "chain.db"))
    found = log.query("SELECT name FROM actors WHERE name LIKE 'boss/%' ORDER BY id")
    log.close()
    return [name for (name,) in found]
