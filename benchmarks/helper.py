"""The processes of the benchmark's own: `python -m benchmarks.helper ROLE [ENDPOINT]`.

Orders come as JSON lines on stdin, answers leave as JSON lines on stdout; the end of stdin is
the end. All times are in seconds.

fork     as the zygote: has imported and made what a worker needs, opened nothing
router   a ROUTER that passes each message on to the other of its two DEALERs, in Python
sender   the DEALER that sends or asks
receiver the DEALER that takes or answers
package  calls a package of Pack's
client   of the system whose clients' ENDPOINT this is: floods an actor, or sends at a pace
"""

from __future__ import annotations

import gc
import json
import os
import struct
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import zmq

from theater import linux, wire
from theater.pack.codec import encode
from theater.worker.core import PublicCore, QuickCore
from theater.worker.instance import Instance
from theater.worker.loop import warm
from theater.worker.package import Package

Order = dict[str, Any]
_STAMPS = struct.Struct("3d")
MEMORY_BYTES = 16 << 20
FUEL = 10**9


class NoHost:
    """Answers a component that asks for nothing."""

    def call(self, interface: str, function: str, args: list[Any]) -> Any:
        return None

    def drop(self, interface: str, resource: str, rep: int) -> None: ...


# fork


class Forker:
    """Forks what the zygote would fork, as warm as that. Nothing is opened before a fork."""

    def __init__(self) -> None:
        self._engine = warm()
        gc.collect()
        gc.freeze()

    def start(self, artifact: str, count: int) -> list[list[float]]:
        """Fork, map + link + instantiate, first call, one after the other.

        Of each start: the whole as the parent sees it, then its three parts.
        """
        return [self._start_one(artifact) for _ in range(count)]

    def _start_one(self, artifact: str) -> list[float]:
        read, write = os.pipe()
        before_s = time.monotonic()
        pid = os.fork()
        if pid == 0:
            self._be_started(artifact, write)
        forked, instance, called = _STAMPS.unpack(os.read(read, _STAMPS.size))
        after_s = time.monotonic()
        os.waitpid(pid, 0)
        os.close(read)
        os.close(write)
        return [after_s - before_s, forked - before_s, instance - forked, called - instance]

    def hold(self, artifact: str, count: int) -> list[int]:
        """Private bytes of `count` forked children that live at once and wait.

        `artifact` empty: a bare fork. Else each has an instance of it and has called its init.
        """
        release, hold = os.pipe()
        pids = []
        for _ in range(count):
            ready, write = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(hold)
                self._be_held(artifact, write, release)
            os.close(write)
            os.read(ready, 1)
            os.close(ready)
            pids.append(pid)
        sizes = [private_bytes(pid) for pid in pids]
        os.close(hold)
        os.close(release)
        for pid in pids:
            os.waitpid(pid, 0)
        return sizes

    def _be_started(self, artifact: str, write: int) -> NoReturn:
        try:
            forked = time.monotonic()
            instance = self._instance(artifact)
            instantiated = time.monotonic()
            instance.call("theater:simple/actor", "init", [None, ["a"]], FUEL)
            called = time.monotonic()
            os.write(write, _STAMPS.pack(forked, instantiated, called))
        finally:
            os._exit(0)

    def _be_held(self, artifact: str, write: int, release: int) -> NoReturn:
        try:
            instance = None
            if artifact:
                instance = self._instance(artifact)
                instance.call("theater:simple/actor", "init", [None, ["a"]], FUEL)
            os.write(write, b"!")
            os.read(release, 1)  # at end of file once the parent lets go
        finally:
            os._exit(0)

    def _instance(self, artifact: str) -> Instance:
        return Instance(artifact, NoHost(), memory_bytes=MEMORY_BYTES, engine=self._engine)


def call_package(artifact: str, quick: bool, size: int, count: int, samples: int) -> list[float]:
    """Call a package that sends back what it is sent.

    Seconds that a call takes, so many times over `count` calls. `quick`: as workers call it.
    """
    core = QuickCore if quick else PublicCore
    package = Package(artifact, NoHost(), memory_bytes=MEMORY_BYTES, fuel=FUEL, core=core)
    state, body = encode(b""), b"x" * size
    export = "theater:simple/message-server-client", "handle-request"
    taken = []
    for _ in range(samples + 1):  # the first one warms up
        before_s = time.perf_counter()
        for _ in range(count):
            package.call(*export, [state, ["id", body]], FUEL)
        taken.append((time.perf_counter() - before_s) / count)
    package.close()
    return taken[1:]


def private_bytes(pid: int) -> int:
    """Memory of a process that it shares with nobody."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return 1024 * sum(int(line.split()[1]) for line in file if line.startswith("Private_"))


def cpu_s(pid: int) -> float:
    """Processor time that the threads of a process have used, to the nanosecond."""
    times = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return 1e-9 * sum(int(file.read_text().split()[0]) for file in times)


# router, sender, receiver


def _socket(kind: int) -> zmq.Socket[bytes]:
    socket: zmq.Socket[bytes] = zmq.Context().socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RCVHWM, 0)
    return socket


def forward(endpoint: str) -> None:
    """Pass messages between the two peers until one says `end`."""
    router = _socket(zmq.ROUTER)
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)
    router.bind(endpoint)
    first, _ = router.recv_multipart()
    second, _ = router.recv_multipart()
    there = {first: second, second: first}
    for name in there:
        router.send_multipart((name, b"go"))
    while True:
        sender, data = router.recv_multipart()
        if data == b"end":
            return
        router.send_multipart((there[sender], data))


class Peer:
    def __init__(self, endpoint: str) -> None:
        self._socket = _socket(zmq.DEALER)
        self._socket.connect(endpoint)
        self._socket.send(b"hello")
        self._socket.recv()

    def send(self, count: int, size: int) -> None:
        data = b"x" * size
        for _ in range(count):
            self._socket.send(data)

    def take(self, count: int) -> float:
        """Messages a second, from the first to the last of `count`."""
        self._socket.recv()
        before_s = time.monotonic()
        for _ in range(count - 1):
            self._socket.recv()
        return (count - 1) / (time.monotonic() - before_s)

    def ask(self, count: int, size: int) -> list[float]:
        data, samples = b"x" * size, []
        for _ in range(count):
            before_s = time.monotonic()
            self._socket.send(data)
            self._socket.recv()
            samples.append(time.monotonic() - before_s)
        return samples

    def echo(self, count: int) -> None:
        for _ in range(count):
            self._socket.send(self._socket.recv())

    def end(self) -> None:
        """Let the router end too."""
        self._socket.setsockopt(zmq.LINGER, 1000)
        self._socket.send(b"end")
        self._socket.close()
        self._socket.context.term()


# client


class Client:
    """Sends as the Python API does, but does not wait for what it has sent before."""

    def __init__(self, endpoint: str) -> None:
        self._socket = _socket(zmq.DEALER)
        self._socket.connect(endpoint)
        self._name = uuid.uuid4().hex
        self._sent = 0
        self._replies: Counter[str] = Counter()

    def flood(self, to: str, size: int, seconds: float, flying: int) -> dict[str, int]:
        """Keep so many messages on their way; how many were taken (`ok`) and refused (`error`).

        A reply for which the broker had no room is not waited for for ever.
        """
        until_s, body = time.monotonic() + seconds, b"x" * size
        given_up = 0
        while time.monotonic() < until_s:
            while self._sent - self._replies.total() - given_up < flying:
                self._send(to, body)
            if not self._hear(1000):
                given_up = self._sent - self._replies.total()
        return dict(self._replies)

    def pace(self, to: str, body: str, seconds: float, per_second: float) -> dict[str, int]:
        """So many a second, at their times, whatever has become of those before."""
        began_s = time.monotonic()
        while (now_s := self._sent / per_second) < seconds:
            time.sleep(max(0.0, began_s + now_s - time.monotonic()))
            self._send(to, body.encode())
            self._hear(0)
        while self._replies.total() < self._sent and self._hear(5000):
            pass
        return dict(self._replies)

    def _send(self, to: str, body: bytes) -> None:
        self._sent += 1
        self._socket.send(wire.pack(("send", f"{self._name}:{self._sent}", to, body)))

    def _hear(self, wait_ms: int) -> bool:
        """All replies that are here, or the first that comes; whether there was one."""
        heard = False
        while self._socket.poll(0 if heard else wait_ms):
            self._replies[wire.unpack(self._socket.recv())[0]] += 1
            heard = True
        return heard


def serve(roles: dict[str, Callable[..., Any]]) -> None:
    for line in sys.stdin:
        order: Order = json.loads(line)
        answer = roles[order.pop("do")](**order)
        print(json.dumps(answer), flush=True)


def main() -> None:
    linux.die_with_parent()
    role, *arguments = sys.argv[1:]
    if role == "fork":
        forker = Forker()
        serve({"start": forker.start, "hold": forker.hold})
    elif role == "router":
        forward(*arguments)
    elif role == "package":
        serve({"call": call_package})
    elif role == "client":
        client = Client(*arguments)
        serve({"flood": client.flood, "pace": client.pace})
    else:
        peer = Peer(*arguments)
        serve({name: getattr(peer, name) for name in ("send", "take", "ask", "echo", "end")})


if __name__ == "__main__":
    main()
