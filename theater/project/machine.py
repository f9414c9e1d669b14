"""What running needs of this machine, looked at by trying it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import resource
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from theater import linux
from theater.errors import EnvironmentProblem
from theater.paths import runtime_base
from theater.project.findings import RUN, Finding, missing, noted, ok
from theater.supervisor.cache import directory_path

PYTHON_MIN = (3, 11)
WASMTIME = "50.0"
SQLITE_MIN = (3, 35)  # RETURNING
WAL_RESET_FIXED = (3, 51, 3)
DESCRIPTORS_MIN, DESCRIPTORS_GOOD = 256, 4096
PROCESSES_GOOD = 500
ROOM_MIN, ROOM_GOOD = 64 << 20, 2 << 30  # bytes
MEMORY_GOOD = 2 << 30  # what compiling a component may take, if a manifest says nothing else
PACKAGES = {
    "pyzmq": "27",
    "msgpack": "1",
    "psutil": "6",
    "pydantic": "2",
    "cryptography": "42",
    "h11": "0",
}


def findings() -> Iterator[Finding]:
    yield _kernel()
    yield _python()
    yield _pidfd()
    yield _subreaper()
    yield _clone3()
    yield _openat2()
    yield _descriptors()
    yield _processes()
    yield _memory()
    yield _sqlite()
    yield _wasmtime()
    yield from _packages()
    yield _cache()
    yield _runtime()
    yield _here()


def _kernel() -> Finding:
    try:
        linux.require_kernel()
    except EnvironmentProblem as error:
        return missing(RUN, "Linux", str(error), "use a newer kernel")
    return ok(RUN, "Linux", platform.release())


def _python() -> Finding:
    if sys.version_info < PYTHON_MIN:
        wanted = ".".join(map(str, PYTHON_MIN))
        return missing(RUN, "Python", platform.python_version(), f"install Python {wanted}")
    return ok(RUN, "Python", f"{platform.python_version()}, {sys.executable}")


def _pidfd() -> Finding:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (OSError, AttributeError) as error:
        return _filtered("pidfd_open", error)
    return ok(RUN, "pidfd_open", "works")


def _subreaper() -> Finding:
    try:
        linux.become_subreaper()  # we have no children that it could matter to
    except OSError as error:
        return _filtered("child subreaper", error)
    return ok(RUN, "child subreaper", "works")


def _filtered(name: str, error: Exception) -> Finding:
    return missing(
        RUN, name, str(error), "allow it: a container's seccomp profile may filter this system call"
    )


def _clone3() -> Finding:
    """As the zygote does it, in a process of its own: a child that makes a sibling of itself."""
    answer, question = os.pipe()
    pid = os.fork()
    if pid == 0:
        said = b""
        try:
            sibling, _ = linux.SiblingFork()()
            said = b"made %d" % sibling if sibling else b""
        except Exception as error:
            said = str(error).encode()
        finally:
            os.write(question, said)
            os._exit(0)
    os.close(question)
    with open(answer, "rb") as pipe:
        said = pipe.read(4096)
    os.waitpid(pid, 0)
    if said.startswith(b"made "):
        with contextlib.suppress(ChildProcessError):  # if it is no child of ours after all
            os.waitpid(int(said[5:]), 0)
            return ok(RUN, "clone3", "works")
    why = said.decode(errors="replace") or "did not work"
    return noted(RUN, "clone3", why, "two forks make a worker instead, which takes 1 ms longer")


def _openat2() -> Finding:
    try:
        os.close(linux.openat2(-100, ".", os.O_RDONLY | os.O_CLOEXEC, 0, linux.RESOLVE_BENEATH))
    except OSError as error:
        text = "actors cannot be granted files; a container's seccomp profile may filter it"
        return noted(RUN, "openat2", error.strerror or str(error), text)
    return ok(RUN, "openat2", "works")


def _descriptors() -> Finding:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= DESCRIPTORS_GOOD:
        return ok(RUN, "open files", "unlimited" if hard == resource.RLIM_INFINITY else f"{hard:,}")
    todo = "raise the hard limit (ulimit -Hn, LimitNOFILE=, /etc/security/limits.conf)"
    if hard < DESCRIPTORS_MIN:
        return missing(RUN, "open files", f"{hard:,}", todo)
    return noted(RUN, "open files", f"{hard:,}", f"for many actors {todo}")


def _processes() -> Finding:
    """By the user's limit and by that of the control group."""
    limits = []
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft != resource.RLIM_INFINITY:
        limits.append(soft)
    with contextlib.suppress(OSError, ValueError):
        group = Path("/proc/self/cgroup").read_text().strip().rpartition(":")[2]
        limits.append(int(Path(f"/sys/fs/cgroup{group}/pids.max").read_text()))
    if not limits:
        return ok(RUN, "processes", "unlimited")
    limit = min(limits)
    if limit >= PROCESSES_GOOD:
        return ok(RUN, "processes", f"{limit:,}")
    return noted(
        RUN, "processes", f"{limit:,}", "each actor is one: for many raise ulimit -u, or pids.max"
    )


def _memory() -> Finding:
    found = None
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        line = next(each for each in lines if each.startswith("MemAvailable:"))
        found = int(line.split()[1]) * 1024
    if found is None:
        return noted(RUN, "memory", "not known", "")
    if found >= MEMORY_GOOD:
        return ok(RUN, "memory", f"{_size(found)} available")
    text = "compiling a large component takes up to 2 GB; free some, or compile on another machine"
    return noted(RUN, "memory", f"{_size(found)} available", text)


def _sqlite() -> Finding:
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < SQLITE_MIN:
        wanted = ".".join(map(str, SQLITE_MIN))
        return missing(RUN, "SQLite", version, f"use a Python that has SQLite {wanted} or newer")
    if sqlite3.sqlite_version_info < WAL_RESET_FIXED:
        return noted(
            RUN,
            "SQLite",
            f"{version}, which has the WAL-reset bug (fixed in 3.51.3)",
            "Theater cannot meet it, since one connection alone writes and checkpoints; do not"
            " write to chain.db yourself",
        )
    return ok(RUN, "SQLite", version)


def _wasmtime() -> Finding:
    try:
        version = importlib.metadata.version("wasmtime")
        import wasmtime  # noqa: F401
    except (importlib.metadata.PackageNotFoundError, ImportError, OSError, RuntimeError) as error:
        return missing(RUN, "wasmtime", str(error), f"pip install 'wasmtime=={WASMTIME}.*'")
    if not version.startswith(f"{WASMTIME}."):
        text = f"pip install 'wasmtime=={WASMTIME}.*'; a replay needs the version of the record"
        return missing(RUN, "wasmtime", version, text)
    return ok(RUN, "wasmtime", version)


def _packages() -> Iterator[Finding]:
    for name, least in PACKAGES.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield missing(RUN, name, "not installed", f"pip install '{name}>={least}'")
            continue
        if int(version.partition(".")[0]) < int(least):
            yield missing(RUN, name, version, f"pip install '{name}>={least}'")


def _cache() -> Finding:
    """Where components are compiled to, and mapped from."""
    place = directory_path()
    todo = "set XDG_CACHE_HOME to a directory of yours"
    if problem := _unwritable(place):
        return missing(RUN, "cache", f"{place}: {problem}", todo)
    if os.statvfs(_existing(place)).f_flag & os.ST_NOEXEC:
        text = f"{place}: its file system is mounted noexec, so compiled code cannot be run there"
        return missing(RUN, "cache", text, todo)
    return _with_room("cache", place)


def _runtime() -> Finding:
    place = Path(runtime_base(os.environ.get("XDG_RUNTIME_DIR"), os.getuid()))
    if problem := _unwritable(place):
        todo = "set XDG_RUNTIME_DIR to a directory of yours"
        return missing(RUN, "sockets", f"{place}: {problem}", todo)
    return ok(RUN, "sockets", str(place))


def _here() -> Finding:
    """A data directory lies beside its manifest, so mostly here."""
    try:
        place = Path.cwd()
    except OSError as error:
        return noted(RUN, "data", f"no working directory: {error.strerror}", "")
    if problem := _unwritable(place):
        return noted(RUN, "data", f"{place}: {problem}", "name a data directory with --data DIR")
    return _with_room("data", place)


def _with_room(name: str, place: Path) -> Finding:
    free = shutil.disk_usage(_existing(place)).free
    found = f"{place}, {_size(free)} free"
    if free < ROOM_MIN:
        return missing(RUN, name, found, "make room")
    if free < ROOM_GOOD:
        return noted(RUN, name, found, "make room: one component in Python takes 60 MB, compiled")
    return ok(RUN, name, found)


def _existing(place: Path) -> Path:
    """The directory, or the one above it in which it would be made."""
    return next(each for each in (place, *place.parents) if os.path.lexists(each))


def _unwritable(place: Path) -> str | None:
    """Why nothing can be written there, or the directory not be made."""
    try:
        with tempfile.TemporaryFile(dir=_existing(place)):
            return None
    except OSError as error:
        return f"cannot be written: {error.strerror}"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
