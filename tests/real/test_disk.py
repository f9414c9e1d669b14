"""The disk is full, read-only, or fails: the system waits, or ends and says why."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mounted import Disk, mounted
from tests.real.conftest import Theater, actor, gone, processes
from tests.waiting import WAIT_S, eventually
from theater.client import System
from theater.errors import EnvironmentProblem, TheaterError

END_S = 20.0


@pytest.fixture
def disk(theater: Theater) -> Iterator[Disk]:
    with mounted(theater.data, "64m") as disk:
        yield disk
        theater.end()  # while there is a log to look at


def waits(system: System) -> Any:
    """What `ps` says the log waits for."""
    return next((each for each in system.info()["troubles"] if each["since"]), None)


class Sender:
    """Sends numbers to an actor that appends them, as fast as it can; knows which are safe."""

    def __init__(self, data: Path, to: str) -> None:
        self.sent = self.safe = 0
        self._stopped = False
        self._system = System(str(data))
        self._to = to
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(TheaterError):
            while not self._stopped:
                bodies = [b"append %d," % (self.sent + number) for number in range(20)]
                self.sent += len(bodies)
                self._system._endpoint.send_many(self._to, bodies, timeout_s=600.0)
                self.safe = self.sent

    def stop(self) -> None:
        self._stopped = True
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()
        self._system.close()


def numbers(count: int) -> bytes:
    return b"".join(b"%d," % number for number in range(count))


def until_it_waits(system: System, disk: Disk) -> Any:
    disk.fill()
    return eventually(lambda: waits(system), "the log to wait for room")


def test_a_full_disk_is_waited_for_and_nothing_is_lost_or_doubled(
    theater: Theater, disk: Disk
) -> None:
    limits = "[child.limits]\nturn_timeout = 1\n"
    system = theater.up(actor("a", extra=limits), actor("b", extra=limits))
    sender = Sender(theater.data, "a")
    eventually(lambda: sender.safe > 100, "it to be in full swing")
    told = until_it_waits(system, disk)
    full_s = time.monotonic()
    assert told["what"] == "the log cannot be written: the disk is full"
    assert f"make room in {theater.data}" in told["todo"]
    before, last = processes(system), system.log.last_seq()

    # Who dies meanwhile is buried when that can be written; and a broker that dies is replaced by
    # one that waits too.
    os.kill(system.actor("b")["pid"], signal.SIGKILL)
    eventually(lambda: len(processes(system)) == len(before) - 1, "b to be dead")
    eventually(lambda: time.monotonic() - full_s > 1.5, "the time of a turn to be over")
    assert system.log.last_seq() == last and system.actor("b")["incarnation"] == 1
    broker = system.info()["helpers"]["broker"]
    os.kill(broker, signal.SIGKILL)
    eventually(lambda: system.info()["helpers"]["broker"] not in (None, broker), "a new broker")
    eventually(lambda: waits(system), "it to wait too")

    disk.make_room()
    sender.stop()
    assert waits(system) is None
    system.wait_status("b", "running")
    eventually(lambda: system.log.state("a") == numbers(sender.safe), "all of it, in order, once")
    rows = {row["actor"]: (row["incarnation"], row["restarts"]) for row in system.ps()}
    assert rows == {"a": (1, 0), "b": (2, 1)}
    assert system.log.query("SELECT count(*) FROM dead_letters") == [(0,)]
    theater.note(system)


@pytest.mark.parametrize("kill", [False, True])
def test_a_system_whose_disk_is_full_goes_down_in_time(
    theater: Theater, disk: Disk, kill: bool
) -> None:
    once = "shutdown = 30\n[child.limits]\nmax_deliveries = 1\n"
    system = theater.up(actor("a", extra=once))
    everybody = processes(system)
    sender = Sender(theater.data, "a")
    eventually(lambda: sender.safe > 100, "it to be in full swing")
    until_it_waits(system, disk)
    assert system.down(kill=kill, timeout_s=END_S)
    eventually(lambda: gone(everybody), "all processes to be gone")
    system.close()
    internal_log = (theater.data / "internal.log").read_text()
    disk.make_room()

    system = theater.up()
    sender.stop()
    waiting = "SELECT 1 FROM messages WHERE status = 'queued'"
    eventually(lambda: not system.log.query(waiting), "all messages to be handled")
    state = system.log.state("a") or b""
    count = state.count(b",")
    assert count >= sender.safe and state == numbers(count), "each once and in order"
    assert not system.dead_letters(), f"nobody was to blame\n{internal_log}"


def test_a_system_does_not_start_on_a_disk_that_is_full_or_read_only(
    theater: Theater, disk: Disk
) -> None:
    theater.up(actor("a")).close()
    disk.fill()
    with pytest.raises(EnvironmentProblem, match="the disk is full; make room in") as full:
        theater.up()
    disk.make_room()
    disk.remount("ro")
    with pytest.raises(EnvironmentProblem, match="Read-only file system; make it writable") as only:
        theater.up()
    disk.remount("rw")
    for refused in (full, only):
        assert refused.value.exit_code == 6 and "\n" not in str(refused.value)


def _fail(system: System, theater: Theater) -> None:
    """Have the next growth of the WAL fail with an error that is no lack of room."""
    broker = system.info()["helpers"]["broker"]
    size = os.stat(theater.data / "chain.db-wal").st_size
    resource.prlimit(broker, resource.RLIMIT_FSIZE, (size, size))


def test_an_error_of_the_disk_ends_the_system_and_the_log_is_checked_before_it_is_used(
    theater: Theater,
) -> None:
    system = theater.up(actor("a"), actor("b"))
    system.send("a", b"set kept")
    everybody = processes(system)
    _fail(system, theater)
    sender = Sender(theater.data, "a")
    eventually(lambda: gone(everybody), "the system to end")
    sender.stop()
    launch = system._launch
    assert launch is not None
    *_, last = launch.events(END_S)
    assert last["event"] == "ended" and last["failed"]
    assert "cannot write the log" in last["reason"] and "disk I/O error" in last["reason"]
    assert "the broker died" in (theater.data / "internal.log").read_text()
    system.close()

    told: list[str] = []
    with System.start(theater.manifest, on_event=lambda event: told.append(str(event))) as again:
        assert (again.log.state("a") or b"").startswith(b"kept" + numbers(sender.safe))
    assert any("checking the log after: disk I/O error" in each for each in told)
    assert not (theater.data / "chain.db.suspect").exists()

    with sqlite3.connect(theater.data / "chain.db") as db:
        db.execute("UPDATE events SET bytes = x'00' WHERE seq = 20")
    db.close()
    (theater.data / "chain.db.suspect").write_text("disk I/O error\n")
    with pytest.raises(TheaterError, match=r"is damaged: the chain of .* is broken") as refused:
        System.start(theater.manifest)
    assert refused.value.exit_code == 7
    assert (theater.data / "chain.db.suspect").exists(), "the next one must not use it either"
    (theater.data / "chain.db").unlink()
