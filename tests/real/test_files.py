"""Actors that read and write files: what is recorded, what a crash in a write means, what is not
granted."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.components import python_actor
from tests.real.conftest import Theater, actor, gone, processes
from tests.replay.replayed import replayed
from tests.slices import sliced
from tests.waiting import eventually
from theater import crashpoints
from theater.audit import Audit
from theater.client import System
from theater.crashpoints import VARIABLE, Shot
from theater.errors import NotDelivered

POINT = "worker.world-call"
DONE = "worker.world-done"
HEAD = "[supervisor]\nintensity = 100\nperiod = 1\n"
# Two world calls: the file is made, and written to.
WRITE = """
file = open('/data/x', 'wb', buffering=0)
try:
    file.write(b'abc')
    answer = 'written'
finally:
    file.close()
"""


def python(name: str, *grants: str) -> str:
    granted = ", ".join(grants)
    tables = f'[[child.handler]]\ntype = "wasi:filesystem"\npreopens = [{granted}]\n'
    return actor(name, str(python_actor.component())) + (tables if grants else "")


DATA = '{ host = "data", guest = "/data", write = true }'
READ = '{ host = "data", guest = "/data" }'


class Stage:
    def __init__(self, theater: Theater, crash: Path) -> None:
        self.theater = theater
        self._crash = crash
        self.data = theater.directory / "data"
        self.data.mkdir()
        crash.mkdir()

    def up(self, *actors: str) -> System:
        os.environ[VARIABLE] = str(self._crash)
        try:
            self.system = self.theater.up(*actors, head=HEAD)
        finally:
            del os.environ[VARIABLE]
        return self.system

    def run(self, code: str, name: str = "a") -> str:
        return self.system.request(name, b"run " + code.encode(), timeout_s=30).decode()

    def arm(self, point: str, times: int, *pids: int) -> None:
        crashpoints.arm(str(self._crash), point, Shot(times, pids=pids or (crashpoints.ITSELF,)))

    def fired(self, point: str) -> bool:
        return not crashpoints.is_armed(str(self._crash), point)

    def exits(self) -> str:
        """Why incarnations of it have ended."""
        events = [row.event for row in self.system.log.events(actors=["a"])]
        return str([each.payload for each in events if each.type == "exited"])

    def disarm(self, point: str) -> None:
        crashpoints.disarm(str(self._crash), point)

    def types(self) -> list[tuple[str, str]]:
        """(type, function) of what crossed in the last turn."""
        events = [row.event for row in self.system.log.events(actors=["a"]) if row.event.turn]
        last = events[-1].turn
        return [
            (each.type, each.function.rpartition(".")[2]) for each in events if each.turn == last
        ]


@pytest.fixture
def stage(theater: Theater, tmp_path: Path) -> Iterator[Stage]:
    """What happens on it has to replay, whatever has become of the files."""
    stage = Stage(theater, tmp_path / "crash")
    yield stage
    theater.note(stage.system)
    stage.system.close()
    shutil.rmtree(stage.data)
    replayed(theater.data)


def test_reading_is_local_and_writing_is_committed_before_it_is_done(stage: Stage) -> None:
    system = stage.up(python("a", DATA))
    (stage.data / "in").write_text("hello")
    assert stage.run("answer = open('/data/in').read()") == "hello"
    types = stage.types()
    assert ("host-call", "open-at") in types and ("host-answer", "open-at") not in types
    assert stage.run(WRITE) == "written"
    assert (stage.data / "x").read_bytes() == b"abc"
    types = stage.types()
    for function in ("open-at", "write"):
        at = types.index(("host-call", function))
        assert types[at + 1] == ("host-answer", function)
    assert system.log.query("SELECT kind, status FROM asks") == [
        ("[method]descriptor.open-at", "answered"),
        ("[method]output-stream.write", "answered"),
    ]
    granted = next(system.log.events(actors=["a"])).event.payload["grants"]["wasi:filesystem"]
    assert granted == {"preopens": [{"host": str(stage.data), "guest": "/data", "write": True}]}


def test_an_audit_tells_which_directories_were_read_and_which_changed(stage: Stage) -> None:
    hosts = {}
    for name in ("read", "changed", "spare"):
        hosts[name] = stage.theater.directory / name
        hosts[name].mkdir()
    (hosts["read"] / "in").write_text("hello")
    granted = [f'{{ host = "{name}", guest = "/{name}", write = true }}' for name in hosts]
    system = stage.up(python("a", *granted))
    stage.run("open('/changed/out', 'w').write(open('/read/in').read())")
    accounts = Audit((), lambda *_pair: False, system.log.evidence)
    for row in system.log.events():
        accounts.take(row.event, len(row.data))
    [account] = accounts.end()
    assert account.grants["wasi:filesystem"].least(None) == {
        "preopens": [
            {"host": str(hosts["read"]), "guest": "/read"},
            {"host": str(hosts["changed"]), "guest": "/changed", "write": True},
        ]
    }


def test_large_files_come_and_go_by_reference(stage: Stage) -> None:
    stage.up(python("a", DATA))
    content = bytes(range(256)) * 4000
    (stage.data / "in").write_bytes(content)
    copy = "open('/data/out', 'wb').write(open('/data/in', 'rb').read())"
    assert stage.run(f"answer = {copy}") == str(len(content))
    assert (stage.data / "out").read_bytes() == content
    assert stage.run("answer = os.listdir('/data')") == "['in', 'out']"


def test_what_is_not_granted_is_not_permitted(stage: Stage) -> None:
    stage.up(python("a", READ), python("b"))
    (stage.data / "in").write_text("hello")
    (stage.data / "link").symlink_to("/etc/passwd")
    assert stage.run("answer = open('/data/in').read()") == "hello"
    assert stage.run(WRITE) == "EPERM"
    for code in (
        "os.unlink('/data/in')",
        "os.mkdir('/data/x')",
        "os.rename('/data/in', '/data/x')",
    ):
        assert stage.run(code) == "EPERM"
    for path in ("/data/../secret", "/data/link"):
        assert stage.run(f"open('{path}')") == "EPERM"
    assert stage.run("open('/etc/passwd')") == "ENOENT", "the C library knows of no such directory"
    assert stage.run("open('/data/in')", "b") == "ENOENT"
    assert os.listdir(stage.data) == ["in", "link"] or os.listdir(stage.data) == ["link", "in"]
    assert stage.system.log.query("SELECT count(*) FROM asks") == [(0,)]


@pytest.mark.parametrize("point", [POINT, DONE])
def test_an_interrupted_write_is_an_error_and_not_made_twice(stage: Stage, point: str) -> None:
    """The worker dies before or after it; the fresh one tells the guest that nobody knows."""
    stage.up(python("a", DATA))
    stage.run("answer = os.listdir('/data')")  # what the next instance has to find out for itself
    stage.arm(point, 2)
    assert stage.run(WRITE) == "EIO"
    assert stage.fired(point)
    assert (stage.data / "x").read_bytes() == (b"abc" if point == DONE else b"")
    types = stage.types()
    assert types.count(("host-call", "write")) == 1, "it was asked for once"
    assert ("carried-on", "handle-request") in types
    assert stage.run(WRITE) == "written", "and life goes on"


@pytest.mark.parametrize("point", sliced([POINT, DONE], DONE))
def test_a_file_whose_making_was_interrupted_may_be_there(stage: Stage, point: str) -> None:
    stage.up(python("a", DATA))
    stage.arm(point, 1)
    assert stage.run(WRITE) == "EIO"
    assert (stage.data / "x").exists() == (point == DONE)


def test_what_was_opened_before_a_crash_is_gone_after_it(stage: Stage) -> None:
    """The write that was interrupted is told, and so is the next one, which was not."""
    stage.up(python("a", DATA))
    stage.arm(POINT, 2)
    code = """
file = open('/data/x', 'wb', buffering=0)
answer = []
for _ in range(3):
    try:
        file.write(b'abc')
    except OSError as error:
        answer.append(error.errno)
answer = len(answer), len(set(answer)), open('/data/x', 'wb', buffering=0).write(b'anew')
"""
    assert stage.run(code) == "(3, 1, 4)"
    assert (stage.data / "x").read_bytes() == b"anew"


@pytest.mark.parametrize("point", sliced([POINT, DONE], POINT))
def test_the_broker_dies_during_a_write_which_goes_on(stage: Stage, point: str) -> None:
    system = stage.up(python("a", DATA))
    stage.arm(point, 2, system.info()["helpers"]["broker"])
    assert stage.run(WRITE) == "written"
    assert stage.fired(point)
    assert (stage.data / "x").read_bytes() == b"abc"
    assert system.actor("a")["incarnation"] == 1


@pytest.mark.parametrize("point", [POINT, DONE])
def test_everything_dies_during_a_write_and_the_next_run_tells(stage: Stage, point: str) -> None:
    system = stage.up(python("a", DATA))
    everybody = processes(system)
    stage.arm(point, 2, system.info()["pid"], crashpoints.ITSELF)
    system.send("a", b"run " + WRITE.encode())
    eventually(lambda: gone(everybody), "everything to die with root")
    system.close()
    system = stage.up(python("a", DATA))
    eventually(lambda: system.log.state("a") == b"EIO", "the guest to be told")
    assert ("carried-on", "handle-send") in stage.types()
    assert (stage.data / "x").read_bytes() == (b"abc" if point == DONE else b"")


WORKER_POINTS = (POINT, DONE, "worker.step-sent", "worker.asked", "worker.step-acknowledged")
BROKER_POINTS = ("broker.before-commit", "broker.in-commit", "broker.after-commit")
APPEND = """
try:
    open('/data/log', 'ab', buffering=0).write(b'%d,')
    answer = 'written'
except OSError as error:
    answer = 'unknown'
"""


def test_whoever_dies_whenever_nothing_is_written_twice(stage: Stage) -> None:
    """And what the guest was told to be written is there."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    stage.up(python("a", DATA))
    told = []
    for number in range(30):
        # A broker's death costs the client, which asks again, two seconds.
        points = BROKER_POINTS if number in (10, 20) else WORKER_POINTS
        point = dice.choice(points)
        if dice.random() < 0.6:
            stage.arm(point, dice.randint(1, 3))
        told.append(stage.run(APPEND % number))
        stage.disarm(point)
    found = (stage.data / "log").read_text().split(",")[:-1]
    assert len(found) == len(set(found)), f"twice: {found}"
    written = [str(number) for number, answer in enumerate(told) if answer == "written"]
    assert set(written) <= set(found), f"lost: {found}, told {told}"
    assert found == sorted(found, key=int)
    assert len(written) > 5


def test_one_that_would_write_something_else_is_set_aside_and_does_not(stage: Stage) -> None:
    """A fresh instance lacks what the older one had in its memory, and takes another way."""
    stage.up(python("a", DATA))
    stage.run("import sys; sys.warm = True")
    stage.arm(DONE, 1)
    with pytest.raises(NotDelivered, match=r"failed: a: diverged: event .* was .*open-at"):
        stage.run("import sys; open('/data/' + ('warm' if hasattr(sys, 'warm') else 'cold'), 'w')")
    assert os.listdir(stage.data) == ["warm"]


def test_two_actors_share_a_directory(stage: Stage) -> None:
    system = stage.up(python("a", DATA), python("b", DATA), python("c", READ))
    code = b"run file = open('/data/log', 'ab', buffering=0)\nfor _ in range(20): file.write(b'%s')"
    for _ in range(2):
        for name in ("a", "b"):
            assert system.request(name, code % (name.encode() * 10), timeout_s=30) == b"None"
    content = stage.run("answer = open('/data/log').read()", "c")
    assert content.count("a") == content.count("b") == 400
    assert len(content) == 800


def test_a_directory_that_has_gone_keeps_the_actor_from_starting(stage: Stage) -> None:
    system = stage.up(python("a", DATA), actor("b"))
    shutil.rmtree(stage.data)
    before = system.actor("a")
    os.kill(before["pid"], signal.SIGKILL)
    why = "granted as /data, cannot be opened: No such file or directory"
    eventually(lambda: stage.exits().count(why) >= 2, "it to fail, more than once")
    stage.data.mkdir()
    assert stage.run("answer = os.listdir('/data')") == "[]"
