"""What the machine gives without Theater: the floors that figures are compared with.

Each function gives samples; seconds unless it says otherwise.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import zmq

from theater.supervisor.cache import prepare


def fork_samples(component: Path, count: int) -> list[float]:
    """Warm fork + engine + map + link + instantiate + first call, in a loop without a broker.

    Runs in a process of its own that has imported everything and opened nothing, as the zygote.
    """
    artifact = prepare(str(component)).path
    samples: list[float] = _process(_fork_loop, artifact, count).result()
    return samples


def _fork_loop(artifact: str, count: int) -> list[float]:
    import gc

    from theater.worker.instance import Instance

    class Host:
        def call(self, interface: str, function: str, args: list[Any]) -> Any:
            return None

        def drop(self, interface: str, resource: str, rep: int) -> None: ...

    gc.collect()
    gc.freeze()
    samples = []
    for _ in range(count):
        read, write = os.pipe()
        before = time.perf_counter()
        pid = os.fork()
        if pid == 0:
            instance = Instance(artifact, Host(), memory_bytes=1 << 24)
            instance.call("theater:simple/actor", "init", [None, ["a"]], 10**9)
            os.write(write, b"!")
            os._exit(0)
        os.read(read, 1)
        samples.append(time.perf_counter() - before)
        os.waitpid(pid, 0)
        os.close(read)
        os.close(write)
    return samples


def router_rate(size: int, count: int) -> float:
    """Messages a second through a Python ROUTER between two DEALERs, one hop over ipc."""
    with tempfile.TemporaryDirectory() as directory:
        endpoint = f"ipc://{directory}/r"
        router = _process(_forward, endpoint, count)
        receiver = _process(_receive, endpoint, count)
        sender = _process(_send, endpoint, size, count)
        rate = receiver.result()
        for each in (sender, router):
            each.result()
        return float(rate)


def router_round_trips(size: int, count: int) -> list[float]:
    """Round trips through a Python ROUTER between two DEALERs."""
    with tempfile.TemporaryDirectory() as directory:
        endpoint = f"ipc://{directory}/r"
        router = _process(_forward, endpoint, 2 * count)
        echo = _process(_echo, endpoint, count)
        asker = _process(_ask, endpoint, size, count)
        samples: list[float] = asker.result()
        for each in (echo, router):
            each.result()
        return samples


def fsync_samples(directory: Path, count: int = 30) -> list[float]:
    """One 4 KiB append and fdatasync on the disk where the data lies."""
    path = directory / "fsync"
    samples = []
    with path.open("wb", buffering=0) as file:
        for _ in range(count):
            file.write(b"x" * 4096)
            before = time.perf_counter()
            os.fdatasync(file.fileno())
            samples.append(time.perf_counter() - before)
    path.unlink()
    return samples


# Processes of the floors, each with a ZeroMQ context of its own


def _dealer(endpoint: str, name: bytes) -> zmq.Socket[bytes]:
    socket: zmq.Socket[bytes] = zmq.Context().socket(zmq.DEALER)
    socket.setsockopt(zmq.IDENTITY, name)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.connect(endpoint)
    return socket


def _forward(endpoint: str, count: int) -> None:
    router: zmq.Socket[bytes] = zmq.Context().socket(zmq.ROUTER)
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)
    router.setsockopt(zmq.SNDHWM, 0)
    router.setsockopt(zmq.RCVHWM, 0)
    router.bind(endpoint)
    there = {b"a": b"b", b"b": b"a"}
    for _ in range(2):
        router.recv_multipart()  # hello
    router.send_multipart((b"a", b"go"))
    for _ in range(count):
        sender, data = router.recv_multipart()
        router.send_multipart((there[sender], data))


def _send(endpoint: str, size: int, count: int) -> None:
    socket = _dealer(endpoint, b"a")
    socket.send(b"hello")
    socket.recv()
    data = b"x" * size
    for _ in range(count):
        socket.send(data)


def _receive(endpoint: str, count: int) -> float:
    socket = _dealer(endpoint, b"b")
    socket.send(b"hello")
    socket.recv()
    before = time.perf_counter()
    for _ in range(count - 1):
        socket.recv()
    return (count - 1) / (time.perf_counter() - before)


def _echo(endpoint: str, count: int) -> None:
    socket = _dealer(endpoint, b"b")
    socket.send(b"hello")
    for _ in range(count):
        socket.send(socket.recv())


def _ask(endpoint: str, size: int, count: int) -> list[float]:
    socket = _dealer(endpoint, b"a")
    socket.send(b"hello")
    socket.recv()
    data, samples = b"x" * size, []
    for _ in range(count):
        before = time.perf_counter()
        socket.send(data)
        socket.recv()
        samples.append(time.perf_counter() - before)
    return samples


class _process:
    """A function in a fresh process, and its result."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_run, args=(theirs, function, arguments))
        self._process.start()
        theirs.close()

    def result(self) -> Any:
        value = self._pipe.recv()
        self._process.join()
        return value


def _run(pipe: Any, function: Any, arguments: tuple[Any, ...]) -> None:
    pipe.send(function(*arguments))


def median(samples: list[float]) -> float:
    return statistics.median(samples)
