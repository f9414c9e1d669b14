"""Kernel calls that Python's standard library does not name. No state, no policy."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import signal
import sys
from collections.abc import Iterable

from theater.errors import EnvironmentProblem

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_SYS_CLOSE_RANGE = 436  # the same number on every architecture

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, argument: int | bytes) -> None:
    if _libc.prctl(option, argument, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def require_kernel() -> None:
    """Theater needs Linux 5.9 or newer; say so in one line elsewhere."""
    if sys.platform != "linux":
        raise EnvironmentProblem(f"theater needs Linux 5.9 or newer; this is {sys.platform}")
    release = platform.release()
    numbers = []
    for part in release.split("-")[0].split(".")[:2]:
        numbers.append(int(part) if part.isdigit() else 0)
    if tuple(numbers) < (5, 9):
        raise EnvironmentProblem(f"theater needs Linux 5.9 or newer; this kernel is {release}")


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies. Check the parent again after."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def become_subreaper() -> None:
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def no_new_privileges() -> None:
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def not_dumpable() -> None:
    """No ptrace by others of the same user, no core dump."""
    _prctl(_PR_SET_DUMPABLE, 0)


def no_core_dumps() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def set_name(name: str) -> None:
    """The name `ps` and `top` show; 15 bytes."""
    _prctl(_PR_SET_NAME, name.encode()[:15] + b"\0")


def raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def begin_helper(root_pid: int, name: str) -> bool:
    """Make this process a helper of root's: it ends when root says so, or dies with it.

    False: root is gone already.
    """
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    die_with_parent()
    if os.getppid() != root_pid:
        return False
    no_new_privileges()
    no_core_dumps()
    set_name(name)
    raise_descriptor_limit()
    return True


def close_all_but(keep: Iterable[int]) -> None:
    """Close every descriptor except 0, 1, 2 and those in `keep`."""
    first = 3
    for descriptor in sorted({fd for fd in keep if fd >= 3}):
        if descriptor > first:
            _close_range(first, descriptor - 1)
        first = descriptor + 1
    _close_range(first, 0xFFFFFFFF)


def _close_range(first: int, last: int) -> None:
    if _libc.syscall(_SYS_CLOSE_RANGE, first, ctypes.c_uint(last), 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"close_range: {os.strerror(number)}")


def reset_signals(ignored: Iterable[int]) -> None:
    """Every signal to its default, except `ignored`, which are ignored."""
    wanted = set(ignored)
    for number in range(1, signal.NSIG):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN if number in wanted else signal.SIG_DFL)


def wait_exit(pidfd: int) -> int | None:
    """Reap the child behind `pidfd`: its exit status, or minus its signal; None: still there."""
    try:
        result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return -signal.SIGKILL  # somebody else has reaped it; it is gone all the same
    if result is None:
        return None
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
