"""The broker's loop with its real sockets and a real log; root and the workers are pretended."""

from __future__ import annotations

import os
import socket
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from tests.broker.logged import order, supervisor
from tests.waiting import eventually
from theater import wire
from theater.broker.log import Log
from theater.broker.loop import Broker
from theater.broker.root import RootSocket
from theater.client.reader import LogReader
from theater.spec import Durability

WAIT_S = 20.0
DEATHS = 200


class System:
    """A broker in a thread, and the test as its root."""

    def __init__(self, directory: Path, runtime: str) -> None:
        self.path = directory / "chain.db"
        self.runtime = runtime
        boxes = directory / "boxes"
        boxes.mkdir()
        self._root, theirs = socket.socketpair()
        self._root.settimeout(WAIT_S)
        for each in (self._root, theirs):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        setup = {
            "boxes": str(boxes),
            "message_max_bytes": 1 << 20,
            "state_max_bytes": 1 << 20,
            "workers_endpoint": f"ipc://{runtime}/workers",
            "clients_endpoint": f"ipc://{runtime}/clients",
        }
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self.db = db
        self._frames = wire.FrameReader()
        self._heard: list[Any] = []
        self._sockets: list[zmq.Socket[bytes]] = []
        self.broker = Broker(RootSocket(theirs), setup, Log(db, Durability.PROCESS))
        self._thread = threading.Thread(target=self.broker.run, daemon=True)
        self._thread.start()

    def tell(self, *messages: tuple[Any, ...]) -> None:
        self._root.sendall(b"".join(map(wire.frame, messages)))

    def hear(self) -> Any:
        """The next message for root."""
        while not self._heard:
            data = self._root.recv(1 << 16)
            assert data, "the broker has ended"
            self._heard += self._frames.feed(data)
        return self._heard.pop(0)

    def settle(self) -> dict[str, Any]:
        """Until everything that root has said is done; how many wait for each actor then."""
        self.tell(("stats", 99))
        while (message := self.hear())[0] != "stats":
            pass
        return {name: counts["messages"] for name, counts in message[2].items()}

    def connect(self, name: str) -> zmq.Socket[bytes]:
        peer: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        peer.setsockopt(zmq.LINGER, 0)
        peer.setsockopt(zmq.RCVTIMEO, int(WAIT_S * 1000))
        peer.connect(f"ipc://{self.runtime}/{name}")
        self._sockets.append(peer)
        return peer

    def end(self) -> None:
        for peer in self._sockets:
            peer.close()
        self.tell(("end",))
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive(), "the broker does not end"
        self.broker.close()


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with tempfile.TemporaryDirectory() as runtime:  # socket paths are short
        system = System(tmp_path, runtime)
        yield system
        system.end()


def ask(peer: zmq.Socket[bytes], *message: Any) -> Any:
    peer.send(wire.pack(message))
    return wire.unpack(peer.recv())


def hello(name: str, incarnation: int, secret: bytes = b"s") -> tuple[Any, ...]:
    return ("hello", name, incarnation, secret, None)


def test_a_root_that_says_all_before_it_listens_does_not_stop_the_broker(system: System) -> None:
    names = [f"a{number}" for number in range(DEATHS)]
    system.tell(("register", [order(name) for name in names], [], {}))
    for name in names:
        system.tell(
            ("expect", name, 1, b"s" * 2000), ("exited", name, 1, "crash", "x" * 500, False)
        )
    assert system.hear()[0] == "registered"
    buried = [system.hear() for _ in names]
    assert [message[1] for message in buried] == names


def test_actors_come_and_go_under_the_eyes_of_a_client(system: System) -> None:
    system.tell(("register", [order("a")], [], {}))
    client = system.connect("clients")
    assert ask(client, "send", "1", "b", b"x") == ["error", "1", 'no-actor: there is no actor "b"']
    system.tell(("adopt", [supervisor("pool"), order("b")]), ("phase", "b", "starting", ""))
    system.settle()
    assert ask(client, "send", "2", "b", b"x")[:2] == ["ok", "2"]
    client.send(wire.pack(("request", "3", "b", b"?", 1000.0)))
    eventually(lambda: system.settle()["b"] == 2, "the request to arrive")
    system.tell(("remove", "b", "deleted"))
    error = "no-actor: b has been removed: deleted"
    assert wire.unpack(client.recv()) == ["answer", "3", {"err": error}]
    assert ask(client, "send", "4", "b", b"x") == ["error", "4", 'no-actor: there is no actor "b"']
    assert ask(client, "request", "3", "b", b"?", 5.0) == ["answer", "3", {"err": error}]
    system.tell(("remove", "pool"), ("decided", "pool", {"decision": "gave-up"}))
    system.settle()
    assert ask(client, "send", "5", "a", b"x")[0] == "error"  # stopped; and all is written
    log = LogReader(str(system.path))
    assert log.actors() == ["a", "b"] and log.present_actors() == ["a"]
    assert log.supervisors() == ["/", "pool"]
    eventually(lambda: list(log.decisions()), "the decision")
    assert [row.event.actor for row in log.decisions()] == ["/"]
    assert [row.event.type for row in log.events(actors=["/"])] == ["created", "decided"]
    log.close()


def test_a_worker_is_judged_by_what_root_has_said_before_it_was_born(system: System) -> None:
    system.tell(("register", [order("a"), order("b")], [], {}))
    system.tell(("expect", "a", 1, b"s"), ("exited", "a", 1, "crash", "x", False))
    while system.hear()[0] != "buried":
        pass
    stray, worker = system.connect("workers"), system.connect("workers")
    assert ask(stray, *hello("a", 1))[0][0] == "refused"
    # One whose birth root is about to tell is not refused: it asks again, and is welcome then.
    worker.send(wire.pack(hello("a", 2)))
    assert ask(stray, *hello("nobody", 1))[0][0] == "refused"
    assert not worker.poll(100)
    system.tell(("expect", "a", 2, b"s"), ("spawned", "a", 2, os.getpid()))
    assert ask(worker, *hello("a", 2))[0][0] == "welcome"
    system.tell(("exited", "a", 2, "crash", "x", False), ("remove", "a", "deleted"))
    system.settle()
    late = system.connect("workers")
    assert ask(late, *hello("a", 2)) == [["refused", 'there is no actor "a"']]
    system.tell(("adopt", [order("a")]), ("expect", "a", 3, b"s"))
    worker = system.connect("workers")
    worker.send(wire.pack(hello("a", 3)))
    system.settle()
    system.tell(("spawned", "a", 3, os.getpid()))
    assert wire.unpack(worker.recv())[0][0] == "welcome"


def test_newcomers_in_the_middle_of_many_deaths_upset_no_order(system: System) -> None:
    names = [f"a{number}" for number in range(50)]
    system.tell(("register", [order(name) for name in names], [], {}))
    strangers = [system.connect("workers") for _ in names]
    for name, stranger in zip(names, strangers, strict=True):
        stranger.send(wire.pack(hello(name, 1, b"wrong")))
        system.tell(
            ("expect", name, 1, b"s"),
            ("exited", name, 1, "crash", "x", False),
            ("remove", name, "deleted"),
            ("adopt", [order(name)]),
            ("expect", name, 2, b"s"),
            ("exited", name, 2, "crash", "x", False),
        )
    heard = [system.hear() for _ in range(1 + 2 * len(names))]
    buried = [(name, number) for kind, name, number, *_ in heard[1:] if kind == "buried"]
    assert buried == [(name, number) for name in names for number in (1, 2)]


def fill(system: System) -> None:
    (pages,) = system.db.execute("PRAGMA page_count").fetchone()
    system.db.execute(f"PRAGMA max_page_count = {pages}")


def make_room(system: System) -> None:
    system.db.execute("PRAGMA max_page_count = 100000")


def test_a_log_without_room_is_waited_for_and_nothing_is_taken_from_anybody(
    system: System,
) -> None:
    system.tell(("register", [order("a")], [], {"a": "running"}))
    client = system.connect("clients")
    assert ask(client, "send", "1", "a", b"x")[:2] == ["ok", "1"]
    system.settle()
    fill(system)
    client.send(wire.pack(("send", "2", "a", bytes(100_000))))
    waits = system.hear()
    assert waits[:2] == ["waits", "the disk is full"]
    for number in range(3, 6):
        client.send(wire.pack(("send", str(number), "a", b"x")))
    system.tell(("phase", "a", "stopped", ""), ("stats", 7))
    assert system.hear() == ["stats", 7, {"a": {"messages": 2, "bytes": 100_001}}]
    assert not client.poll(200)

    make_room(system)
    assert system.hear() == ["goes_on"]
    assert wire.unpack(client.recv()) == ["ok", "2", 2]
    answers = [wire.unpack(client.recv()) for _ in range(3, 6)]
    assert [answer[1] for answer in answers] == ["3", "4", "5"]
    assert ask(client, "send", "2", "a", bytes(100_000)) == ["ok", "2", 2]
    system.settle()
    log = LogReader(str(system.path))
    kept = log.query("SELECT client FROM messages ORDER BY id")
    assert [row[0] for row in kept] == ["1", "2", *(each[1] for each in answers if each[0] == "ok")]
    log.close()


def test_a_worker_that_asked_again_and_again_is_told_once_where_it_stands(system: System) -> None:
    system.tell(("register", [order("a")], [], {"a": "running"}))
    system.tell(("expect", "a", 1, b"s"), ("spawned", "a", 1, os.getpid()))
    worker = system.connect("workers")
    assert ask(worker, *hello("a", 1))[0][0] == "welcome"
    system.settle()
    fill(system)
    system.tell(("decided", "", {"why": "x" * 100_000}))
    while system.hear()[0] != "waits":
        pass
    for _ in range(5):
        worker.send(wire.pack(hello("a", 1)))
    system.tell(("stats", 7))
    assert system.hear()[0] == "stats"
    assert not worker.poll(200)
    make_room(system)
    welcomes = 0
    while worker.poll(500):
        welcomes += sum(message[0] == "welcome" for message in wire.unpack(worker.recv()))
    assert welcomes == 1


def test_a_broker_without_work_waits_without_end(system: System) -> None:
    system.tell(("register", [order("a")], [], {}), ("phase", "a", "running", ""))
    system.tell(("adopt", [order("a")]), ("adopt", [order("b")]), ("remove", "b", ""))
    system.settle()
    eventually(lambda: system.broker._timeout_s() is None, "the broker to have nothing to do")
