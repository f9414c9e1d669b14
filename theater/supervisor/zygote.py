"""The zygote: has imported everything, opened nothing, and forks workers on request.

`python -m theater.supervisor.zygote SOCKET_FD ROOT_PID MODULE`: the socket is a SEQPACKET pair
with root; MODULE has `main(order)` and is what a worker becomes.

Birth of a worker: the zygote forks an intermediate, which forks the worker, tells root its pid
and exits. The worker falls to root, the subreaper; it waits until that has happened before it
ties its life to its parent's, because the signal would otherwise come from the intermediate.

Root to zygote: [order map] with descriptors [component, black box].
Zygote to root: ["spawned", actor, incarnation, pid] with [pidfd],
["failed", actor, incarnation, reason].
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from theater import linux, wire

PACKET_MAX = 1 << 20


def main() -> int:
    descriptor, root_pid, module = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    if not linux.begin_helper(root_pid, "theater-zygote"):
        return 1
    root = socket.socket(fileno=descriptor)
    become = importlib.import_module(module).main
    gc.collect()
    gc.freeze()  # what is here now is shared with every worker; the collector shall not touch it
    while True:
        data, descriptors, _flags, _address = socket.recv_fds(root, PACKET_MAX, 4)
        if not data:
            return 0
        _spawn(root, root_pid, become, wire.unpack(data)[0], descriptors)
        for fd in descriptors:
            os.close(fd)


def _spawn(
    root: socket.socket,
    root_pid: int,
    become: Callable[[dict[str, Any]], NoReturn],
    order: dict[str, Any],
    descriptors: list[int],
) -> None:
    try:
        intermediate = os.fork()
    except OSError as error:
        root.send(wire.pack(["failed", order["actor"], order["incarnation"], f"fork: {error}"]))
        return
    if intermediate == 0:
        _be_intermediate(root, root_pid, become, order, descriptors)
    os.waitpid(intermediate, 0)


def _be_intermediate(
    root: socket.socket,
    root_pid: int,
    become: Callable[[dict[str, Any]], NoReturn],
    order: dict[str, Any],
    descriptors: list[int],
) -> NoReturn:
    name, incarnation = order["actor"], order["incarnation"]
    # A stop request that comes before the worker has a handler of its own must not get lost.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    intermediate = os.getpid()
    alive, held = os.pipe()  # at end of file once the intermediate has exited
    try:
        worker = os.fork()
    except OSError as error:
        root.send(wire.pack(["failed", name, incarnation, f"fork: {error}"]))
        os._exit(1)
    if worker == 0:
        os.close(held)
        _be_worker(root_pid, intermediate, become, order, descriptors, alive)
    try:
        pidfd = os.pidfd_open(worker)
        socket.send_fds(root, [wire.pack(["spawned", name, incarnation, worker])], [pidfd])
    except OSError:
        # Root cannot learn of this worker: it must not live.
        os.kill(worker, signal.SIGKILL)
        root.send(wire.pack(["failed", name, incarnation, "no descriptor left for its pidfd"]))
    os._exit(0)


def _be_worker(
    root_pid: int,
    intermediate: int,
    become: Callable[[dict[str, Any]], NoReturn],
    order: dict[str, Any],
    descriptors: list[int],
    alive: int,
) -> NoReturn:
    try:
        os.read(alive, 1)
        # The pipe closes a moment before the kernel gives the orphan its new parent.
        while os.getppid() != root_pid:
            if os.getppid() not in (intermediate, root_pid):
                os._exit(1)  # root is gone
            os.sched_yield()
        linux.die_with_parent()
        if os.getppid() != root_pid:
            os._exit(1)
        os.setpgid(0, 0)
        linux.reset_signals((signal.SIGINT, signal.SIGHUP, signal.SIGPIPE))
        linux.close_all_but(descriptors)
        order["component_fd"], order["box_fd"] = descriptors
        become(order)
    except BaseException:
        traceback.print_exc()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
