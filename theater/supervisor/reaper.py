"""Who has died: every worker by its pidfd, and what falls to root as the subreaper."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass

from theater import linux
from theater.supervisor.orders import ExitKind

STOPPED = 10  # the exit status of a worker that obeyed a stop request


@dataclass(slots=True)
class Process:
    """A worker that runs. `why` is set when root has killed it for a reason of its own."""

    actor: str
    incarnation: int
    pid: int
    pidfd: int
    why: str = ""
    wanted: bool = False  # root asked for its end, and not because of what its turn did

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)


def kind_of(status: int) -> ExitKind:
    """What an exit status (or minus a signal) means to the supervisor."""
    if status == 0:
        return ExitKind.NORMAL
    if status == STOPPED:
        return ExitKind.SHUTDOWN
    return ExitKind.CRASH


def reason_of(status: int) -> str:
    match status:
        case 0:
            return "exited"
        case 10:
            return "stopped"
        case 11:
            return "the guest failed"
        case 12:
            return "the broker refused it"
        case 13:
            return "the component could not be started"
    if status < 0:
        return f"killed by {linux.signal_name(-status)}"
    return f"exit status {status}"


def how(status: int) -> str:
    """How a helper ended, by its exit status (or minus a signal)."""
    return reason_of(status) if status < 0 else f"exit status {status}"


def children() -> set[int]:
    """The pids of this process's children, zombies too."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", "rb", buffering=0) as file:
            return set(map(int, file.readall().split()))
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
        import psutil  # not before it is needed: it takes long

        return {child.pid for child in psutil.Process().children()}


def end_strangers(strangers: set[int]) -> int:
    """Kill and reap children that root has not started, and what falls to it from them.

    Returns how many. Only while no order to the zygote is unanswered, for a worker is root's
    child before root has the report of it; a zygote that has died answers no more.
    """
    if not strangers:
        return 0
    known = children() - strangers
    count = 0
    while strangers:
        for pid in strangers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in strangers:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        count += len(strangers)
        strangers = children() - known
    return count
