"""Kernel calls that Python's standard library does not name. No state, no policy."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable

from theater.errors import EnvironmentProblem

LOCK_LOOK_S = 0.05  # between two looks at a lock that another one has
LOCK_TOLD_S = 0.5  # between two words that it is waited for
# What file systems answer that have no hard links, or no more of them for this file.
NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_GET_TID_ADDRESS = 40
_SYS_CLONE3 = 435  # this and the next: the same number on every architecture
_SYS_CLOSE_RANGE = 436
_SYS_OPENAT2 = 437
_CLONE_PIDFD = 0x1000
_CLONE_PARENT = 0x8000
_CLONE_CHILD_CLEARTID = 0x200000
_CLONE_CHILD_SETTID = 0x1000000

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_BENEATH = 0x08

_libc = ctypes.CDLL(None, use_errno=True)
_syscall_with_gil = ctypes.PyDLL(None, use_errno=True).syscall


def _prctl(option: int, argument: int | bytes) -> None:
    if _libc.prctl(option, argument, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def require_kernel() -> None:
    """Theater needs Linux 5.9 or newer; say so in one line elsewhere."""
    if sys.platform != "linux":
        raise EnvironmentProblem(f"theater needs Linux 5.9 or newer; this is {sys.platform}")
    release = os.uname().release
    numbers = []
    for part in release.split("-")[0].split(".")[:2]:
        numbers.append(int(part) if part.isdigit() else 0)
    if tuple(numbers) < (5, 9):
        raise EnvironmentProblem(f"theater needs Linux 5.9 or newer; this kernel is {release}")


def die_with_parent(with_signal: int = signal.SIGKILL) -> None:
    """Have the kernel end this process when its parent dies. Check the parent again after."""
    _prctl(_PR_SET_PDEATHSIG, with_signal)


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


class Unavailable(Exception):
    """This kernel, or what filters its calls, does not do it, and never will."""


class SiblingFork:
    """`os.fork`, but the child is our parent's: our sibling, from its first moment on.

    clone3 with CLONE_PARENT, and around it what Python does around a fork. What glibc does around
    one is left out: it mends locks that other threads may have held, so the process must never
    have had another thread.
    """

    def __init__(self) -> None:
        self._pidfd = ctypes.c_int(-1)
        self._arguments = (ctypes.c_uint64 * 8)(
            _CLONE_PARENT | _CLONE_PIDFD | _CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID,
            ctypes.addressof(self._pidfd),
            _address_of_thread_id(),
            # No id for the parent; no signal at the end but our own, which is SIGCHLD; no stack
            # but a copy of ours, no thread-local storage either.
        )
        self._call = (
            ctypes.c_long(_SYS_CLONE3),
            ctypes.byref(self._arguments),
            ctypes.c_size_t(ctypes.sizeof(self._arguments)),
        )
        # Looked up here, once for all children.
        self._before = ctypes.pythonapi.PyOS_BeforeFork
        self._in_child = ctypes.pythonapi.PyOS_AfterFork_Child
        self._in_parent = ctypes.pythonapi.PyOS_AfterFork_Parent
        for function in (self._before, self._in_child, self._in_parent):
            function.restype = None

    def __call__(self) -> tuple[int, int]:
        """(pid, pidfd) of the child, the pidfd to be closed by the caller; (0, -1) in the child.

        Raises Unavailable, or OSError when the system has no room for another process now.
        """
        self._before()  # from here to the other two the interpreter holds locks of its own
        pid: int = _syscall_with_gil(*self._call)
        if pid == 0:
            self._in_child()
            return 0, -1
        number = ctypes.get_errno()
        self._in_parent()
        if pid > 0:
            return pid, self._pidfd.value
        text = f"clone3: {os.strerror(number)}"
        if number in (errno.ENOSYS, errno.EPERM, errno.EINVAL):
            raise Unavailable(text)
        raise OSError(number, text)


def _address_of_thread_id() -> int:
    """Where glibc keeps the id of this thread. A child must find its own there, as after fork.

    It is the address that the kernel clears at a thread's end. Another C library keeps something
    else there, musl a lock.
    """
    address = ctypes.c_void_p()
    if _libc.prctl(_PR_GET_TID_ADDRESS, ctypes.byref(address), 0, 0, 0) != 0 or not address.value:
        raise Unavailable("the kernel does not tell where the id of a thread is kept")
    if ctypes.c_int.from_address(address.value).value != os.getpid():
        raise Unavailable("the C library is none that is known")
    return address.value


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


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def openat2(directory: int, path: str, flags: int, mode: int, resolve: int) -> int:
    """As `os.open` with `dir_fd`, and with rules for how a path may be resolved. Raises OSError."""
    how = _OpenHow(flags, mode, resolve)
    descriptor: int = _libc.syscall(
        ctypes.c_long(_SYS_OPENAT2),
        directory,
        os.fsencode(path),
        ctypes.byref(how),
        ctypes.c_size_t(ctypes.sizeof(how)),
    )
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return descriptor


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


class NoLocks(OSError):
    """A file system without locks."""


def lock_within(
    descriptor: int, timeout_s: float, on_wait: Callable[[float], None] = lambda _waited_s: None
) -> bool:
    """Lock an open file (flock) against all others; False: another one has it all the time.

    `on_wait` is told now and then for how many seconds it has been waited. Raises NoLocks.
    """
    started_s = told_s = time.monotonic()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            pass
        except OSError as error:
            raise NoLocks(error.errno, error.strerror) from None
        now_s = time.monotonic()
        if now_s - started_s >= timeout_s:
            return False
        if now_s - told_s >= LOCK_TOLD_S:
            told_s = now_s
            on_wait(now_s - started_s)
        time.sleep(LOCK_LOOK_S)  # flock itself waits for ever, or until a signal


def sync_directory(path: str) -> None:
    """Names that were made or changed in it are on the disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def lock_holders(path: str, first: int, last: int) -> list[str]:
    """Who else holds POSIX locks on bytes `first` to `last` of a file: `process 12 (name)`."""
    try:
        inode = os.stat(path).st_ino
        with open("/proc/locks", encoding="ascii") as file:
            pids = _holders(file, inode, first, last)
    except OSError:
        return []
    return [f"process {pid} ({_name_of(pid)})" for pid in pids if pid != os.getpid()]


def _holders(lines: Iterable[str], inode: int, first: int, last: int) -> list[int]:
    # 1: POSIX  ADVISORY  READ 4711 fd:01:1234 124 124
    found = set()
    for line in lines:
        fields = line.split()
        if len(fields) != 8 or fields[1] != "POSIX" or fields[5].split(":")[-1] != str(inode):
            continue
        begin, end = int(fields[6]), int(fields[7]) if fields[7] != "EOF" else last
        if first <= begin and end <= last and int(fields[4]) > 0:
            found.add(int(fields[4]))
    return sorted(found)


def _name_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "gone"


def complain(text: str) -> None:
    """A line on stderr, where the system's own troubles go. A disk without room for it is one."""
    with contextlib.suppress(OSError):
        os.write(2, f"{text}\n".encode(errors="replace"))
