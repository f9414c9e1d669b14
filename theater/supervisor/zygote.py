"""The zygote: has imported everything, opened nothing, and forks workers on request.

`python -m theater.supervisor.zygote SOCKET_FD ROOT_PID MODULE`: the socket is a SEQPACKET pair
with root. MODULE is what a worker becomes: `warm()` is called here, once, and `main(order)` in
each worker.

A worker is root's child, not the zygote's: root watches it, reaps it, and takes it along when it
dies. The zygote forks it as a sibling of its own. Where the kernel does not do that it forks an
intermediate, which forks the worker and exits; the worker falls to root, the subreaper, and waits
for that. Either way root has the child before it has the report of it.

Root to zygote: [order map] with descriptors [component, black box].
Zygote to root: ["spawned", actor, incarnation, pid] with [pidfd],
["failed", actor, incarnation, reason].
"""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import mmap
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from theater import linux, wire
from theater.crashpoints import reached

PACKET_MAX = 1 << 20
FORK_TWICE = "THEATER_FORK_TWICE"  # in the environment: as if the kernel could do no better
IGNORED = (signal.SIGINT, signal.SIGPIPE)
WAITING = (signal.SIGTERM, signal.SIGHUP)  # until a worker can handle what root asks by them
_INT = struct.Struct("i")


class Zygote:
    def __init__(self, root: socket.socket, root_pid: int, module: str) -> None:
        self._root = root
        self._root_pid = root_pid
        # A worker has its signals as they are here: in a moment between its birth and a change of
        # them a request could get lost, or kill it. To the zygote itself they mean nothing.
        signal.pthread_sigmask(signal.SIG_SETMASK, WAITING)
        linux.reset_signals(IGNORED)
        become = importlib.import_module(module)
        become.warm()
        self._become: Callable[[dict[str, Any]], NoReturn] = become.main
        self._fork: Callable[[], tuple[int, int]] = fork_orphan
        if FORK_TWICE not in os.environ:
            try:
                self._fork = linux.SiblingFork()
            except linux.Unavailable as error:
                self._fork_twice(error)

    def _fork_twice(self, why: linux.Unavailable) -> None:
        self._fork = fork_orphan
        linux.complain(f"zygote: {why}; it takes two forks to make a worker")

    def run(self) -> None:
        """Until root closes its end."""
        gc.collect()
        gc.freeze()  # what is here is shared with every worker: the collector shall not touch it
        while True:
            data, descriptors, _flags, _address = socket.recv_fds(self._root, PACKET_MAX, 4)
            if not data:
                return
            self._spawn(wire.unpack(data)[0], descriptors)
            for fd in descriptors:
                os.close(fd)

    def _spawn(self, order: dict[str, Any], descriptors: list[int]) -> None:
        reached("zygote.ordered")
        try:
            pid, pidfd = self._fork()
        except linux.Unavailable as error:
            self._fork_twice(error)
            self._spawn(order, descriptors)
            return
        except OSError as error:
            self._failed(order, f"cannot fork: {error}")
            return
        if pid == 0:
            self._be_worker(order, descriptors)
        reached("zygote.forked")
        report = wire.pack(["spawned", order["actor"], order["incarnation"], pid])
        try:
            socket.send_fds(self._root, [report], [pidfd])
            reached("zygote.reported")
        except OSError as error:
            # Root cannot learn of this worker: it must not live.
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            self._failed(order, f"cannot hand over its pidfd: {error}")
        os.close(pidfd)

    def _failed(self, order: dict[str, Any], reason: str) -> None:
        self._root.send(wire.pack(["failed", order["actor"], order["incarnation"], reason]))

    def _be_worker(self, order: dict[str, Any], descriptors: list[int]) -> NoReturn:
        try:
            linux.die_with_parent()
            if os.getppid() != self._root_pid:
                os._exit(1)  # root died before, and cannot take this process along
            os.setpgid(0, 0)
            linux.close_all_but(descriptors)
            order["component_fd"], order["box_fd"] = descriptors
            self._become(order)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        os._exit(1)


def fork_orphan() -> tuple[int, int]:
    """As `linux.SiblingFork`, by way of an intermediate and with the subreaper for a parent."""
    said = mmap.mmap(-1, _INT.size)  # the worker's pid, or minus the error
    intermediate = os.fork()
    if intermediate == 0:
        try:
            end = os.pidfd_open(os.getpid())
            worker = os.fork()
        except OSError as error:
            worker = -(error.errno or errno.EAGAIN)
        if worker == 0:
            poll = select.poll()
            poll.register(end, select.POLLIN)
            poll.poll()  # the kernel tells it after it has given the orphan its new parent
            return 0, -1
        said[:] = _INT.pack(worker)
        os._exit(0)
    os.waitpid(intermediate, 0)
    (worker,) = _INT.unpack(said[:])
    if worker <= 0:
        raise OSError(-worker, os.strerror(-worker))
    try:
        return worker, os.pidfd_open(worker)
    except OSError:
        os.kill(worker, signal.SIGKILL)  # nobody has reaped it: root does not know of it yet
        raise


def main() -> int:
    descriptor, root_pid, module = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    if not linux.begin_helper(root_pid, "theater-zygote"):
        return 1
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # root has closed its end
        Zygote(socket.socket(fileno=descriptor), root_pid, module).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
