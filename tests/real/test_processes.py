"""Every kind of process is killed; nothing is left, and the next `up` goes on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest
import zmq

from tests.real.conftest import Theater, actor, gone, processes
from tests.waiting import eventually
from theater import wire
from theater.broker.burial import read_box
from theater.client import System
from theater.errors import NotRunning, Refused
from theater.events import decode
from theater.paths import box_name
from theater.supervisor.datadir import runtime_of


def test_a_dead_zygote_is_replaced_and_nobody_notices(theater: Theater) -> None:
    system = theater.up(actor("a"))
    first = system.info()["helpers"]["zygote"]
    os.kill(first, signal.SIGKILL)
    eventually(lambda: system.info()["helpers"]["zygote"] != first, "a new zygote")
    pid = system.actor("a")["pid"]
    assert not gone({pid})
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: system.actor("a")["pid"] not in (None, pid), "a new worker")
    assert system.request("a", b"echo on") == b"on"
    theater.note(system)


def test_what_the_broker_is_told_at_the_start_may_be_more_than_a_socket_takes(
    theater: Theater,
) -> None:
    (theater.directory / "state").write_bytes(b"s" * 1_000_000)
    system = theater.up(actor("a", "minimal.wat", False, 'initial_state = { file = "state" }\n'))
    assert system.actor("a")["status"] == "running"
    assert len(system.log.state("a") or b"") == 1_000_000


def test_when_root_is_killed_everything_dies_and_the_next_up_continues(theater: Theater) -> None:
    system = theater.up(actor("a"), actor("b"))
    system.send("a", b"set kept")
    assert system.request("a", b"get") == b"kept"
    pids = processes(system)
    os.kill(system.info()["pid"], signal.SIGKILL)
    eventually(lambda: gone(pids), "all of them to die")
    again = theater.up()
    assert again.request("a", b"get") == b"kept"
    assert again.log.query("SELECT count(*) FROM turns WHERE kind = 'init'") == [(2,)]


def test_up_starts_what_was_stopped_by_hand_too(theater: Theater) -> None:
    system = theater.up(actor("a"))
    system.send("a", b"set kept")
    system.stop("a")
    system.close()
    assert theater.up().request("a", b"get") == b"kept"


def test_messages_that_wait_outlive_the_system(theater: Theater) -> None:
    system = theater.up(actor("a"), actor("b"))
    os.kill(system.actor("b")["pid"], signal.SIGSTOP)
    system.send("a", b"series 20 b append ,")
    eventually(lambda: system.actor("b")["mailbox"] == 20, "the mailbox to fill")
    os.kill(system.info()["pid"], signal.SIGKILL)
    again = theater.up()
    expected = b"".join(b",%d" % number for number in range(1, 21))
    eventually(lambda: again.log.state("b") == expected, "all of them, once, in order")


def test_large_messages_that_wait_outlive_the_system(theater: Theater) -> None:
    system = theater.up(actor("a"))
    os.kill(system.actor("a")["pid"], signal.SIGSTOP)
    for letter in (b"x", b"y"):
        system.send("a", b"append " + letter * 5000)
    os.kill(system.info()["pid"], signal.SIGKILL)
    again = theater.up()
    expected = b"x" * 5000 + b"y" * 5000
    eventually(lambda: again.log.state("a") == expected, "both messages")


def test_messages_sent_while_the_system_goes_down_wait_for_the_next_up(theater: Theater) -> None:
    # b stops first (it starts last); what a still sends must not get lost.
    system = theater.up(actor("a"), actor("b"))
    system.send_many("a", [b"send b append x"] * 200)
    system.down()
    system.close()
    again = theater.up()
    eventually(lambda: again.log.state("b") == b"x" * 200, "all two hundred")
    assert again.log.query("SELECT count(*) FROM dead_letters") == [(0,)]


def test_two_systems_cannot_run_on_one_data_directory(theater: Theater) -> None:
    system = theater.up(actor("a"))
    with pytest.raises(Refused, match=r"running on .* already"):
        System.start(theater.manifest)
    assert system.request("a", b"echo on") == b"on"


def test_a_system_ends_when_its_starter_is_killed(theater: Theater) -> None:
    theater.write(actor("a"))
    code = (
        "import sys, json\nfrom theater.client import System\n"
        "s = System.start(sys.argv[1])\n"
        "i = s.info()\n"
        "print(json.dumps([i['pid'], *i['helpers'].values(), i['actors'][0]['pid']]), flush=True)\n"
        "sys.stdin.read()\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(theater.manifest)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None
    pids = {int(word) for word in starter.stdout.readline().strip("[]\n").split(",")}
    starter.kill()
    starter.wait()
    starter.stdout.close()
    assert starter.stdin is not None
    starter.stdin.close()
    eventually(lambda: gone(pids), "the system to end")


def test_two_hundred_actors_come_and_go_without_a_trace(theater: Theater) -> None:
    count = 180  # with root, broker, zygote and the test runners below two hundred
    descriptors = len(os.listdir("/proc/self/fd"))
    actors = [actor(f"a{number}", "minimal.wat", handlers=False) for number in range(count)]
    system = theater.up(*actors)
    root = psutil.Process(system.info()["pid"])
    rows = system.ps()
    assert len(rows) == count and {row["status"] for row in rows} == {"running"}
    before = root.num_fds()
    victims = [row["pid"] for row in rows[:3]]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    eventually(
        lambda: (
            all(row["status"] == "running" for row in system.ps())
            and not {row["pid"] for row in system.ps()} & set(victims)
        ),
        "the victims to be replaced",
    )
    assert root.num_fds() <= before
    theater.note(system)
    pids = processes(system)
    system.close()
    eventually(lambda: gone(pids), "all to be gone")
    assert len(os.listdir("/proc/self/fd")) <= descriptors
    assert not os.path.exists(runtime_of(str(theater.data)).directory)
    with pytest.raises(NotRunning):
        System(str(theater.data))


# Strangers on the sockets


def stranger(path: str) -> zmq.Socket[bytes]:
    socket_: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    socket_.setsockopt(zmq.LINGER, 0)
    socket_.connect(f"ipc://{path}")
    return socket_


GARBAGE = [
    b"",
    b"\xc1",
    b"\xff" * 100,
    wire.pack(["step", 1, 0, 0, [], []]),
    wire.pack(["step", "x"]),
    wire.pack(["hello", 1, 2, 3, 4]),
    wire.pack(["hello", "a", 1, b"wrong", None]),
    wire.pack(["hello", "nobody", 1, b"wrong", None]),
    wire.pack({"a": 1}),
    wire.pack([]),
    wire.pack([["hello"]]),
    wire.pack(["send", "id", "nobody", b"x"]),
    b"\xdd\xff\xff\xff\xff",
    b"\x91" * 2000,
]


def test_garbage_on_the_sockets_harms_nobody(theater: Theater) -> None:
    system = theater.up(actor("a"))
    runtime = runtime_of(system.data.directory)
    for path in (runtime.workers, runtime.clients):
        socket_ = stranger(path)
        for frame in GARBAGE:
            socket_.send(frame)
            socket_.send_multipart([frame, frame, b"more"])
        socket_.close()
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(runtime.control)
        control.sendall(b"nonsense\n")
        assert control.recv(100) == b""
    assert system.request("a", b"echo on") == b"on"
    assert system.actor("a")["incarnation"] == 1


def test_an_impostor_with_the_right_name_is_refused(theater: Theater) -> None:
    system = theater.up(actor("a"))
    runtime = runtime_of(system.data.directory)
    socket_ = stranger(runtime.workers)
    socket_.send(wire.pack(["step", 2, 0, 1, [], []]))
    assert socket_.poll(10_000) and wire.unpack(socket_.recv()) == [["who"]]
    socket_.send(wire.pack(["hello", "a", 1, b"guess", None]))
    assert socket_.poll(10_000)
    assert wire.unpack(socket_.recv())[0][0] == "refused"
    socket_.close()
    assert system.request("a", b"echo on") == b"on"


def test_a_client_that_sends_again_is_recognised(theater: Theater) -> None:
    system = theater.up(actor("a"))
    socket_ = stranger(runtime_of(system.data.directory).clients)
    for _ in range(3):
        socket_.send(wire.pack(["send", "my-id", "a", b"append x"]))
        assert socket_.poll(10_000) and wire.unpack(socket_.recv())[0] == "ok"
    for _ in range(3):
        socket_.send(wire.pack(["request", "my-request", "a", b"get", 5.0]))
        assert socket_.poll(10_000)
        assert wire.unpack(socket_.recv()) == ["answer", "my-request", {"ok": b"x"}]
    socket_.close()
    assert system.log.query("SELECT count(*) FROM messages") == [(2,)]


def test_a_broker_that_stood_still_kills_nobody_and_answers_late_hellos(theater: Theater) -> None:
    system = theater.up(actor("a"))
    broker = system.info()["helpers"]["broker"]
    system.send("a", b"spin 200000000")
    eventually(partial(box_has_turn, system, "a", 2), "the turn to begin")
    os.kill(broker, signal.SIGSTOP)
    try:
        # The worker ends its turn, waits in vain, and says HELLO again behind its step.
        eventually(partial(box_has_result, system, "a", 2), "the turn to end")
        waited = time.monotonic() + 3.0
        eventually(lambda: time.monotonic() > waited, "the worker's patience to end")
    finally:
        os.kill(broker, signal.SIGCONT)
    assert system.request("a", b"echo on", timeout_s=20) == b"on"
    assert system.actor("a")["incarnation"] == 1


def box_has_turn(system: System, name: str, turn: int, incarnation: int = 1) -> bool:
    box = Path(system.data.boxes) / box_name(name, incarnation)
    return box.exists() and turn in read_box(box.read_bytes()).turns


def box_has_result(system: System, name: str, turn: int) -> bool:
    box = Path(system.data.boxes) / box_name(name, 1)
    events = read_box(box.read_bytes()).events(turn, 0)
    return any(decode(data).type == "wasm-result" for data in events)


def test_an_actor_that_left_the_manifest_with_an_open_turn_may_come_back(theater: Theater) -> None:
    system = theater.up(actor("a", extra="request_timeout = 600\n"), actor("b"))
    system.send("a", b"request b defer")
    eventually(lambda: system.log.query("SELECT 1 FROM asks WHERE status = 'open'"), "the ask")
    os.kill(system.info()["pid"], signal.SIGKILL)
    theater.up(actor("b")).close()
    again = theater.up(actor("a"), actor("b"))
    assert again.request("a", b"echo on") == b"on"


def test_a_client_may_wait_long_and_a_hostile_line_harms_nobody(theater: Theater) -> None:
    system = theater.up(actor("a"))
    assert system.request("a", b"echo on", timeout_s=1_900_000) == b"on"
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(runtime_of(system.data.directory).control)
        control.sendall(b"[" * 200_000 + b"\n")
        assert control.recv(100) == b""
    assert system.actor("a")["status"] == "running"


def test_a_message_that_takes_the_whole_system_down_is_counted(theater: Theater) -> None:
    limits = "[child.limits]\nmax_deliveries = 2\nfuel = 10_000_000_000_000\nturn_timeout = 600\n"
    system = theater.up(actor("a", extra=limits))
    system.send("a", b"loop")
    for incarnation in (1, 2):
        eventually(partial(box_has_turn, system, "a", 2, incarnation), "the turn to begin")
        pids = processes(system)
        os.kill(system.info()["pid"], signal.SIGKILL)
        eventually(partial(gone, pids), "all of them to die")
        system = theater.up()
    assert system.request("a", b"echo on") == b"on"
    letters = system.log.query("SELECT reason FROM dead_letters")
    assert letters == [("the system ended, delivered 2 times",)]
    assert len(os.listdir(system.data.boxes)) == 1
