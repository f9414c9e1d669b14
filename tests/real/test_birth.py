"""How workers are born: whose children they are, what they hold, what may go wrong meanwhile."""

from __future__ import annotations

import ctypes
import json
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.real.conftest import Theater, actor, gone, processes
from tests.slices import sliced
from tests.waiting import WAIT_S, eventually
from theater import linux
from theater.client import System
from theater.supervisor import spawn
from theater.supervisor.zygote import FORK_TWICE

REPOSITORY = Path(__file__).parent.parent.parent


@pytest.fixture(params=["sibling", "orphan"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the two ways to be born."""
    monkeypatch.delenv(FORK_TWICE, raising=False)
    if request.param == "orphan":
        monkeypatch.setenv(FORK_TWICE, "1")
    return str(request.param)


class Nursery:
    """A zygote whose root is this process, and whose workers are those of newborn.py."""

    def __init__(self, errors: Path, prepare: Callable[[], None] | None) -> None:
        self.errors = errors
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "theater.supervisor.zygote"),
                *(str(theirs.fileno()), str(os.getpid()), "tests.real.newborn"),
            ],
            pass_fds=[theirs.fileno()],
            stderr=errors.open("wb"),
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            preexec_fn=prepare,
        )
        theirs.close()

    def order(self, what: str) -> tuple[int, int]:
        """Ask for a worker: the pipes to tell it something, and to hear its answer."""
        hear, tell = os.pipe()
        answer, say = os.pipe()
        spawn.ask_for_worker(self.socket, {"actor": what, "incarnation": 1}, hear, say)
        os.close(hear)
        os.close(say)
        return tell, answer

    def report(self) -> tuple[list[Any], int]:
        """The zygote's next report, and the pidfd with it."""
        assert select.select([self.socket], [], [], WAIT_S)[0], "the zygote says nothing"
        found = spawn.receive(self.socket)
        assert found is not None
        message, descriptors = found
        return message, descriptors[0] if descriptors else -1

    def born(self) -> tuple[int, int]:
        """pid and pidfd of the next worker."""
        message, pidfd = self.report()
        assert message[0] == "spawned", message
        return message[3], pidfd

    def close(self) -> None:
        self.socket.close()
        assert self.process.wait(WAIT_S) == 0


@pytest.fixture
def open_nursery(tmp_path: Path) -> Iterator[Callable[..., Nursery]]:
    """Opens them; this process is a subreaper meanwhile, as root is."""
    opened: list[Nursery] = []

    def open_one(prepare: Callable[[], None] | None = None) -> Nursery:
        opened.append(Nursery(tmp_path / "errors", prepare))
        return opened[-1]

    _be_subreaper(True)
    yield open_one
    for nursery in opened:
        nursery.close()
    _be_subreaper(False)


def _be_subreaper(yes: bool) -> None:
    assert ctypes.CDLL(None).prctl(36, int(yes), 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER


def reaped(pidfd: int) -> int:
    """Wait for the end of a child; its exit status, or minus its signal."""
    assert select.select([pidfd], [], [], WAIT_S)[0], "it does not end"
    status = linux.wait_exit(pidfd)
    os.close(pidfd)
    assert status is not None
    return status


def children(pid: int) -> set[int]:
    return {child.pid for child in psutil.Process(pid).children()}


def test_a_worker_is_roots_child_and_holds_nothing_but_its_own(
    way: str, open_nursery: Callable[..., Nursery]
) -> None:
    nursery = open_nursery()
    _, answer = nursery.order("show")
    pid, pidfd = nursery.born()
    facts = json.loads(os.read(answer, 1 << 16))
    assert facts["parent"] == os.getpid()
    assert facts["group"] == pid
    assert facts["descriptors"] == [0, 1, 2, *facts["its own"]]
    status = facts["status"]
    assert int(status["Pid"]) == pid
    assert status["NoNewPrivs"] == "1"
    # Of the real-time signals glibc keeps some to itself, and who started us may ignore them.
    classic = (1 << 31) - 1
    blocked, ignored = (int(status[name], 16) & classic for name in ("SigBlk", "SigIgn"))
    assert blocked == _mask(signal.SIGTERM, signal.SIGHUP)
    assert ignored == _mask(signal.SIGINT, signal.SIGPIPE)
    assert reaped(pidfd) == 0
    assert children(nursery.process.pid) == set()


def _mask(*numbers: int) -> int:
    return sum(1 << number - 1 for number in numbers)


def test_a_worker_can_do_all_that_an_ordinary_process_can(
    way: str, open_nursery: Callable[..., Nursery]
) -> None:
    nursery = open_nursery()
    _, answer = nursery.order("live")
    _, pidfd = nursery.born()
    assert os.read(answer, 16) == b"well", nursery.errors.read_text()
    assert reaped(pidfd) == 0


def test_a_stop_request_that_comes_before_it_can_be_heard_is_not_lost(
    way: str, open_nursery: Callable[..., Nursery]
) -> None:
    nursery = open_nursery()
    tell, _ = nursery.order("obey")
    _, pidfd = nursery.born()
    signal.pidfd_send_signal(pidfd, signal.SIGTERM)
    os.write(tell, b"!")
    assert reaped(pidfd) == 10


def test_where_the_kernel_refuses_a_sibling_the_zygote_forks_twice(
    open_nursery: Callable[..., Nursery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(FORK_TWICE, raising=False)
    nursery = open_nursery(_refuse_clone3)
    for _ in range(2):
        _, answer = nursery.order("show")
        _, pidfd = nursery.born()
        assert json.loads(os.read(answer, 1 << 16))["parent"] == os.getpid()
        assert reaped(pidfd) == 0
    assert nursery.errors.read_text().count("it takes two forks") == 1


def _refuse_clone3() -> None:
    """A seccomp filter, as container runtimes set it: ENOSYS for clone3, all else is allowed."""
    load, equal, answer = 0x20, 0x15, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000 | 38
    steps = ((load, 0, 0, 0), (equal, 0, 1, 435), (answer, 0, 0, refuse), (answer, 0, 0, allow))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(
        struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
    )
    linux.no_new_privileges()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(22, 2, ctypes.byref(program), 0, 0) != 0:  # PR_SET_SECCOMP, a filter
        raise OSError(ctypes.get_errno(), "no filter")


def test_workers_of_a_system_are_roots_children_and_die_with_it(theater: Theater, way: str) -> None:
    system = theater.up(*(actor(f"a{number}") for number in range(4)))
    info = system.info()
    workers = {row["pid"] for row in info["actors"]}
    assert children(info["pid"]) >= workers
    assert children(info["helpers"]["zygote"]) == set()
    held = [_sockets(pid) for pid in (*workers, info["helpers"]["zygote"])]
    assert all(held)
    assert len(set().union(*held)) == sum(map(len, held)), "two processes hold the same"
    os.kill(info["pid"], signal.SIGKILL)
    eventually(lambda: gone(workers), "all workers to die with root")
    theater.up()


def _sockets(pid: int) -> set[str]:
    """Sockets and pipes that a process has open, by their inodes."""
    links = {os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()}
    return {link for link in links if link.startswith(("socket:", "pipe:"))}


@pytest.mark.parametrize("seed", sliced(range(3), 0))
def test_no_stray_is_left_of_zygotes_killed_while_many_actors_start(
    theater: Theater, way: str, seed: int
) -> None:
    chance = random.Random(seed)
    names = [f"a{number}" for number in range(12)]
    head = "[supervisor]\nintensity = 10_000\n"
    system = theater.up(*(actor(name) for name in names), head=head)
    for _ in range(3):  # of 6 deaths in 10 s the system would die
        _kill_all_and_the_zygote(system, after_births=chance.randrange(len(names)))
        theater.note(system)
    root = system.info()["pid"]
    eventually(lambda: children(root) <= processes(system), "strays to be gone")


def _kill_all_and_the_zygote(system: System, after_births: int) -> None:
    info = system.info()
    old = {row["pid"] for row in info["actors"]}
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    before = old | set(info["helpers"].values())
    eventually(lambda: len(children(info["pid"]) - before) >= after_births, "some births")
    os.kill(info["helpers"]["zygote"], signal.SIGKILL)
    eventually(lambda: _all_new(system, old), "all to run again")


def _all_new(system: System, old: set[int]) -> bool:
    return all(
        row["status"] == "running" and row["pid"] and row["pid"] not in old for row in system.ps()
    )
