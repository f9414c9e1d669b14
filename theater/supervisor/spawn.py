"""Start root's helpers and end them, and ask the zygote for workers."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from theater import linux, wire
from theater.supervisor.rules import Window

WORKER_MODULE = "theater.worker.loop"
PACKET_MAX = 1 << 20
_TWO = struct.Struct("2i")


@dataclass(slots=True)
class Helper:
    """A process that root has started itself: the broker, the zygote and others."""

    name: str
    pid: int
    pidfd: int
    socket: socket.socket
    process: subprocess.Popen[bytes]

    def close(self) -> None:
        self.socket.close()
        os.close(self.pidfd)


def start_broker(internal_log: int, lock: int) -> Helper:
    return _start("broker", socket.SOCK_STREAM, "theater.broker", internal_log, [lock], [])


def start_zygote(internal_log: int) -> Helper:
    module = "theater.supervisor.zygote"
    return _start("zygote", socket.SOCK_SEQPACKET, module, internal_log, [], [WORKER_MODULE])


def start_preparer(internal_log: int) -> Helper:
    module = "theater.supervisor.preparer"
    return _start("preparer", socket.SOCK_STREAM, module, internal_log, [], [])


def start_notary(internal_log: int, data_directory: str, at_rest: bool) -> Helper:
    """It ends by itself, and nothing is said on its socket. `at_rest`: the broker has ended."""
    arguments = [data_directory, *(["at-rest"] if at_rest else [])]
    return _start("notary", socket.SOCK_STREAM, "theater.notary", internal_log, [], arguments)


def _start(
    name: str,
    kind: socket.SocketKind,
    module: str,
    internal_log: int,
    inherited: list[int],
    arguments: list[str],
) -> Helper:
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    numbers = [str(number) for number in (theirs.fileno(), *inherited, os.getpid())]
    process = subprocess.Popen(
        # -P: a directory named theater in the working directory is none of ours.
        [sys.executable, "-P", "-m", module, *numbers, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=internal_log,
        stderr=internal_log,
        pass_fds=[theirs.fileno(), *inherited],
        start_new_session=True,
    )
    theirs.close()
    return Helper(name, process.pid, os.pidfd_open(process.pid), ours, process)


def helper_window() -> Window:
    """How often the broker, and the zygote, may die before the system ends: 5 in 10 s."""
    return Window(intensity=5, period_s=10.0)


def end_helper(helper: Helper, timeout_s: float) -> None:
    """Wait for a helper that was told to end; one that does not is killed."""
    try:
        helper.process.wait(timeout_s)
    except Exception:
        linux.complain(f"root: the {helper.name} did not end; killed")
        helper.process.kill()
        helper.process.wait()


def ask_for_worker(zygote: socket.socket, order: dict[str, Any], component: int, box: int) -> None:
    """Hand an order and its two descriptors to the zygote; BlockingIOError: it is busy."""
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, _TWO.pack(component, box))
    zygote.sendmsg([wire.pack([order])], [rights], socket.MSG_DONTWAIT)


def receive(zygote: socket.socket) -> tuple[list[Any], list[int]] | None:
    """The next report of the zygote and its descriptors; None: there is none now.

    An empty report means that the zygote is gone.
    """
    try:
        # Not socket.recv_fds: it forgets its flags (CPython 3.11).
        flags = socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
        data, ancillary, _, _ = zygote.recvmsg(PACKET_MAX, socket.CMSG_LEN(4), flags)
    except BlockingIOError:
        return None
    except OSError:
        return [], []
    if not data:
        return [], []
    descriptors = [int.from_bytes(item[:4], sys.byteorder) for _, _, item in ancillary]
    return wire.unpack(data), descriptors
