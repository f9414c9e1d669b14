"""A log that a real system wrote, with everything in it that there can be; copies to damage."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.real.conftest import Theater, actor, gone, processes
from tests.waiting import eventually
from theater import wire
from theater.broker.burial import read_box
from theater.client import System
from theater.errors import NotDelivered
from theater.fsck.check import check
from theater.fsck.findings import Note, Problem, Summary
from theater.paths import box_name
from theater.stores import hash_of

HEAD = "[supervisor]\nintensity = 100\nperiod = 1\n"
ACTORS = (
    actor("a", extra="request_timeout = 0.2\n"),
    actor("b", extra='shutdown = "brutal_kill"\n'),
    actor("keeper", extra=f'initial_state = "{"kept " * 300}"\n'),
    actor("busy", extra='shutdown = "brutal_kill"\n'),
    actor("anew", extra='shutdown = "brutal_kill"\non_restart = "init"\n'),
    actor("asker", extra="request_timeout = 600\n[child.limits]\nmax_deliveries = 1\n"),
    actor("gate", "gate.wat"),
    '[[child]]\nname = "group"\nsupervisor = { strategy = "one_for_all" }\n'
    + actor("c", "counter.wat").replace("[child", "[child.child"),
    actor("pen", extra="request_timeout = 600\n"),
    actor("ink", extra='shutdown = "brutal_kill"\n'),
    actor("hasty", extra="request_timeout = 0.2\n"),
    actor("patient", extra="request_timeout = 600\n"),
    actor(
        "shelf",
        "shelf.wat",
        handlers=False,
        extra='[[child.handler]]\ntype = "store"\nshared = ["s"]\n',
    ),
)


def build(directory: Path) -> None:
    """A run with all kinds of turns, and of ends; killed at last with much that is open."""
    theater = Theater(directory)
    system = theater.up(*ACTORS, head=HEAD)
    more = directory / "more.toml"
    more.write_text(actor("more", extra='shutdown = "brutal_kill"\n'))
    _talk(system)
    _fail(system)
    _come_and_go(system, more)
    _answer_later(system)
    _speak(system)
    _keep(system)
    _be_busy(system, "busy")
    _be_busy(system, "anew")
    everybody = processes(system)
    os.kill(system.info()["pid"], signal.SIGKILL)
    eventually(lambda: gone(everybody), "everything to die with root")
    system.close()

    # Once more: what was begun has failed for the first time, and is begun again.
    system = theater.up(*ACTORS, head=HEAD)
    eventually(lambda: _begun(system, "busy", 2), "the message to be tried again")
    system.wait_status("anew", "running")
    os.kill(system.actor("gate")["pid"], signal.SIGSTOP)
    system.send("asker", b"log before\nrequest gate never")
    _ask(system, "three", b"defer")
    system.send("patient", b"request ink defer")
    eventually(lambda: len(system.request("ink", b"outstanding").split()) == 3, "both to wait")
    os.kill(system.actor("ink")["pid"], signal.SIGSTOP)
    (channel,) = system.log.query("SELECT id FROM channels WHERE status = 'open' LIMIT 1")
    system.request("pen", b"close " + channel[0].encode())
    open_asks = "SELECT 1 FROM asks WHERE status = 'open'"
    eventually(lambda: len(system.log.query(open_asks)) == 2, "the asks")
    everybody = processes(system)
    os.kill(system.info()["pid"], signal.SIGKILL)
    eventually(lambda: gone(everybody), "everything to die with root")
    system.close()


def _talk(system: System) -> None:
    system.send("a", b"set " + b"long " * 400)
    assert system.request("a", b"echo hi") == b"hi"
    assert len(system.request("a", b"big 3000")) == 3000
    assert system.request("a", b"request b echo on") == b"on"
    assert len(system.request("a", b"request b big 2000")) == 2000
    system.request("a", b"chain")
    assert system.request("a", b"request a echo x").startswith(b"err: cycle: ")
    assert system.request("a", b"request b defer").startswith(b"err: timeout: ")
    with suppress(NotDelivered):
        system.request("b", b"defer", timeout_s=0.1)
    system.request("a", b"log a line\nsend b append x\nsend b append y\nsend nobody lost")
    system.request("a", b"request nobody echo")
    system.request("keeper", b"append more")
    system.send_many("group/c", [b"+"] * 5)


def _fail(system: System) -> None:
    """Dead letters, retried and dropped; one turn set aside in an ask, and one carried on."""
    with suppress(NotDelivered):
        system.request("keeper", b"log evidence\nerr no tea")
    system.request("b", b"send gate one,")
    first = eventually(lambda: system.dead_letters("gate"), "a dead letter")[0]
    system.wait_status("gate", "running")
    system.retry_dead(first.id)
    second = eventually(lambda: system.dead_letters("gate"), "another one")[0]
    system.drop_dead(second.id)
    system.wait_status("gate", "running")
    os.kill(system.actor("b")["pid"], signal.SIGSTOP)
    _die_in_an_ask(system, "asker")
    _die_in_an_ask(system, "keeper")
    os.kill(system.actor("b")["pid"], signal.SIGCONT)
    system.wait_status("asker", "running")


def _die_in_an_ask(system: System, name: str) -> None:
    before = system.actor(name)
    system.send(name, b"request b echo late")
    asks = (
        "SELECT 1 FROM asks a JOIN actors o ON o.id = a.actor"
        " WHERE a.status = 'open' AND o.name = ?"
    )
    eventually(lambda: system.log.query(asks, name), "the ask")
    os.kill(before["pid"], signal.SIGKILL)
    system.wait_for(
        lambda: system.actor(name)["incarnation"] > before["incarnation"], "it to come back"
    )


def _ask(system: System, id: str, body: bytes) -> None:
    """A request to ink, for whose answer nobody looks."""
    system._endpoint._socket.send(wire.pack(("request", id, "ink", body, 600.0)))


def _answer_later(system: System) -> None:
    """By a call: in the turn that received the request, or in another one."""
    assert system.request("ink", b"respond $ at once\necho again") == b"at once"
    with suppress(NotDelivered):
        system.request("ink", b"cancel $\ndefer")
    _ask(system, "one", b"defer")
    _ask(system, "two", b"defer")
    one, two, _ = system.request("ink", b"outstanding").split()
    system.request("ink", b"respond %s %s\ncancel %s" % (one, b"long " * 400, two))


def _speak(system: System) -> None:
    """Two channels that stay open; others that were closed by either side, or by neither."""
    first, second, *_ = (system.request("pen", b"open ink echo append hi,") for _ in range(4))
    system.request("pen", b"say %s append x\nsay %s append %s" % (first, first, b"ink " * 400))
    system.request("pen", b"say %s err poison\nclose %s" % (first, first))
    eventually(lambda: system.dead_letters("ink"), "the dead letter")
    system.wait_status("ink", "running")
    assert system.request("ink", b"close " + second) == b""
    system.request("pen", b"open ink refuse")
    os.kill(system.actor("ink")["pid"], signal.SIGSTOP)
    assert system.request("hasty", b"open ink append late").startswith(b"err: timeout: ")
    os.kill(system.actor("ink")["pid"], signal.SIGCONT)
    told = "SELECT 1 FROM channels GROUP BY 1 HAVING count(closed_at) = 3 AND count(untold) = 0"
    eventually(lambda: system.log.query(told), "all ends to be told")


def _keep(system: System) -> None:
    """In two stores: contents, labels that came, changed and went, and what is asked of them."""
    x, long = hash_of(b"x"), hash_of(b"x" * 3000)
    for script in (
        f"new\nput x\nlabel l {x}\nput-at m y\nlabels\nunlabel l\nat l\nall",
        f"use s\nfill 3000\nput-at l x\nput-at gone x\nmove l {long}\ndrop gone {x}\nat l\nsize",
        f"put-at kept z\ndrop kept {x}\nlabels\nall\nsize\nget {long}",
    ):
        system.request("shelf", script.encode())


def _begun(system: System, name: str, incarnation: int) -> bool:
    box = Path(system.data.boxes) / box_name(name, incarnation)
    return box.exists() and bool(read_box(box.read_bytes()).turns)


def _be_busy(system: System, name: str) -> None:
    """It works on one message for ever, and two wait."""
    system.send(name, b"loop")
    system.send(name, b"echo a")
    system.send(name, b"echo b")
    incarnation = system.actor(name)["incarnation"]
    eventually(lambda: _begun(system, name, incarnation), "it to begin")


def _come_and_go(system: System, more: Path) -> None:
    """One is removed with messages waiting for it, and comes back."""
    system.add_child(more)
    system.request("a", b"echo again")
    _be_busy(system, "more")
    system.stop("more")
    system.delete_child("more")
    system.add_child(more)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log, in one file."""
    directory = tmp_path_factory.mktemp("built")
    build(directory)
    path = directory / ".theater" / "chain.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


class Damaged:
    """A copy of the log, and what is found in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None)
        db.execute("PRAGMA synchronous = OFF")
        return db

    def sql(self, *statements: str) -> None:
        with closing(self._connect()) as db:
            for statement in statements:
                changed = db.execute(statement).rowcount
                assert changed != 0, f"nothing to damage: {statement}"

    def one(self, sql: str, *parameters: Any) -> Any:
        """The first value of the first row."""
        with closing(self._connect()) as db:
            return db.execute(sql, parameters).fetchone()[0]

    def edit(self, change: Callable[[sqlite3.Connection], object]) -> None:
        with closing(self._connect()) as db:
            change(db)

    def check(self) -> tuple[list[str], Summary]:
        found: list[Problem | Note] = []
        summary = check(str(self.path), found.append)
        assert sum(isinstance(each, Problem) for each in found) == summary.problems
        return [str(each) if isinstance(each, Problem) else each.text for each in found], summary


@pytest.fixture
def damaged(built: Path, tmp_path: Path) -> Iterator[Damaged]:
    path = tmp_path / "chain.db"
    shutil.copyfile(built, path)
    shutil.copytree(built.parent / "store", tmp_path / "store")
    yield Damaged(path)
