"""Keep compiled components: look an entry up, have it compiled, open it verified.

An entry is two files in $XDG_CACHE_HOME/theater (0700), named by the SHA-256 of the component
and a hash of what else decides the machine code: `KEY.cwasm`, the artifact, and `KEY.json`,
what the component imports and exports and the artifact's own hash. The JSON is written last; an
entry whose files do not agree is compiled again. A lock per entry keeps two callers from
compiling the same component at once.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from theater import linux
from theater.engine import SETTINGS
from theater.errors import ComponentError, EnvironmentProblem
from theater.paths import python_path
from theater.supervisor.compiler import FORMAT, Orders

MIB = 1024 * 1024
MEMORY_BYTES = 2048 * MIB
TIMEOUT_S = 120.0
COMPONENT_MAX_BYTES = 1024 * MIB
_STALE_S = 3600.0  # a temporary file this old was left by a process that was killed
_CAUSE_MAX = 2000

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Artifact:
    """A compiled component in the cache. `imports` and `exports`: see describe."""

    path: str
    component_sha256: str  # hex
    artifact_sha256: str  # hex
    size: int  # bytes
    imports: dict[str, Any]
    exports: dict[str, Any]
    component: str = ""  # the file it was compiled from
    entry: str = field(default="", repr=False)  # the JSON beside it


def prepare(
    component: str,
    *,
    memory_bytes: int = MEMORY_BYTES,
    timeout_s: float = TIMEOUT_S,
    on_progress: Progress = lambda _line: None,
) -> Artifact:
    """The compiled form of a component file; compiles it if the cache has no good one.

    Calls `on_progress` with a sentence about once a second while it compiles, and twice while it
    waits for another process that does. Raises ComponentError, or EnvironmentProblem for the cache.
    """
    with open_component(component) as source:
        size = os.fstat(source).st_size
        sha256 = _hash(source)
        directory = _directory()
        key = f"{sha256}-{_machine()}"
        artifact, entry = f"{directory}/{key}.cwasm", f"{directory}/{key}.json"
        found = _look_up(artifact, entry, sha256, component)
        if found is not None:
            return found
        with _locked(f"{directory}/{key}.lock", component, timeout_s, on_progress):
            found = _look_up(artifact, entry, sha256, component)
            if found is not None:
                return found
            _remove_stale(directory)
            orders = Orders(
                name=component,
                component_sha256=sha256,
                artifact=artifact,
                entry=entry,
                memory_bytes=memory_bytes,
                # All cores may work; the wall clock is the limit that is meant.
                cpu_s=int(timeout_s * (os.cpu_count() or 1)) + 10,
                parent_pid=os.getpid(),
            )
            os.lseek(source, 0, os.SEEK_SET)
            _compile(orders, source, size, timeout_s, on_progress)
        found = _look_up(artifact, entry, sha256, component)
        if found is None:
            raise EnvironmentProblem(
                f"{artifact}: compiled and written, but not there or not whole; is "
                f"something else cleaning or filling {directory}?"
            )
        return found


def look(component: str) -> Artifact | None:
    """What the cache has of a component's file; nothing is compiled. Raises ComponentError."""
    with open_component(component) as source:
        sha256 = _hash(source)
    key = f"{directory_path()}/{sha256}-{_machine()}"
    return _look_up(f"{key}.cwasm", f"{key}.json", sha256, component)


def open_verified(
    artifact: Artifact,
    *,
    memory_bytes: int = MEMORY_BYTES,
    timeout_s: float = TIMEOUT_S,
    on_progress: Progress = lambda _line: None,
) -> int:
    """A descriptor (read-only, close-on-exec) of the artifact, its hash checked through it.

    A damaged entry is compiled again, once. Raises as `prepare` does.
    """
    fd = _open_if_whole(artifact)
    if fd is not None:
        return fd
    for path in (artifact.entry, artifact.path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    on_progress(f"the cached form of {_short(artifact.component)} is damaged; compiling it again")
    again = prepare(
        artifact.component,
        memory_bytes=memory_bytes,
        timeout_s=timeout_s,
        on_progress=on_progress,
    )
    if again.component_sha256 != artifact.component_sha256:
        raise ComponentError(f"{artifact.component}: the file has changed meanwhile; run again")
    fd = _open_if_whole(again)
    if fd is None:
        raise EnvironmentProblem(
            f"{again.path}: what was written is not what is read back; check the disk"
        )
    return fd


def _open_if_whole(artifact: Artifact) -> int | None:
    try:
        fd = os.open(artifact.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if _hash(fd) == artifact.artifact_sha256:
            return fd
    except OSError:  # a bad sector is one more kind of damage
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def _look_up(artifact: str, entry: str, sha256: str, component: str) -> Artifact | None:
    """The entry if its files are there and agree in size; hashing is `open_verified`'s part."""
    try:
        with open(entry, "rb") as file:
            content = json.load(file)
        size = os.stat(artifact).st_size
    except (OSError, ValueError, RecursionError):
        return None
    try:
        if (
            content["format"] != FORMAT
            or content["component_sha256"] != sha256
            or content["size"] != size
        ):
            return None
        found = Artifact(
            path=artifact,
            component_sha256=sha256,
            artifact_sha256=str(content["artifact_sha256"]),
            size=size,
            imports=content["imports"],
            exports=content["exports"],
            component=component,
            entry=entry,
        )
        for interface in (*found.imports.values(), *found.exports.values()):
            if not isinstance(interface["functions"], dict):
                return None
    except (KeyError, TypeError, AttributeError):
        return None
    return found


@contextlib.contextmanager
def open_component(path: str) -> Iterator[int]:
    """A descriptor of a component's file, at its beginning. Raises ComponentError."""
    try:
        # Not blocking: opening a named pipe would wait for a writer.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise ComponentError(
            f"{path}: there is no such file; build the component, or correct `component`"
        ) from None
    except OSError as error:
        raise ComponentError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            what = "a directory" if stat.S_ISDIR(status.st_mode) else "not a file"
            raise ComponentError(f"{path}: {what}; a component (.wasm or .wat) is needed")
        if status.st_size == 0:
            raise ComponentError(
                f"{path}: the file is empty; a component (.wasm or .wat) is needed"
            )
        if status.st_size > COMPONENT_MAX_BYTES:
            raise ComponentError(
                f"{path}: {status.st_size:,} bytes; a component may have {COMPONENT_MAX_BYTES:,}"
            )
        yield fd
    finally:
        os.close(fd)


def _hash(fd: int) -> str:
    os.lseek(fd, 0, os.SEEK_SET)
    with open(fd, "rb", buffering=0, closefd=False) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.cache
def _machine() -> str:
    """A hash of what else decides the machine code: wasmtime, its settings, the processor."""
    features = ""
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        features = next((line for line in file if line.startswith(("flags", "Features"))), "")
    facts = [FORMAT, SETTINGS, os.uname().machine, " ".join(sorted(features.split()))]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def directory_path() -> Path:
    """Where the cache is, or would be."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return Path(base if os.path.isabs(base) else Path.home() / ".cache") / "theater"


def _directory() -> str:
    """The cache directory, made if need be; ours alone, because workers run what is in it."""
    directory = directory_path()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.stat()
        if status.st_uid != os.getuid():
            raise EnvironmentProblem(
                f"{directory}: belongs to another user; set XDG_CACHE_HOME to a directory of yours"
            )
        if status.st_mode & 0o077:
            directory.chmod(0o700)
    except (OSError, RuntimeError) as error:
        raise EnvironmentProblem(
            f"{directory}: the compile cache cannot be used: {error}; "
            "set XDG_CACHE_HOME to a directory that can be written"
        ) from None
    return str(directory)


def _remove_stale(directory: str) -> None:
    now_s = time.time()
    for item in os.scandir(directory):
        if item.name.endswith(".tmp"):
            with contextlib.suppress(OSError):
                if now_s - item.stat().st_mtime > _STALE_S:
                    os.unlink(item.path)


@contextlib.contextmanager
def _locked(path: str, component: str, timeout_s: float, on_progress: Progress) -> Iterator[None]:
    """Hold the entry's lock; it frees itself when its holder dies."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(str(error)) from None
    try:
        what = f"waiting for another process that compiles {_short(component)}"
        with contextlib.suppress(linux.NoLocks):  # then two may compile, and both succeed
            # Whoever holds it has a time limit too; after that it must have hung.
            linux.lock_within(fd, timeout_s + 10, lambda s: on_progress(f"{what} ... {s:.0f} s"))
        yield
    finally:
        os.close(fd)


def _compile(
    orders: Orders, source: int, size: int, timeout_s: float, on_progress: Progress
) -> None:
    """Run the compiler process. Raises what it reports, or what its death means."""
    what = f"compiling {_short(orders.name)} ({_human(size)})"
    on_progress(what)
    started_s = time.monotonic()
    process = subprocess.Popen(
        # -P: a directory named theater in the working directory is none of ours.
        [sys.executable, "-P", "-m", "theater.supervisor.compiler", orders.to_json()],
        stdin=source,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
        process_group=0,  # Ctrl-C is for the caller to see, which then ends the compiler
    )
    try:
        while True:
            elapsed_s = time.monotonic() - started_s
            if elapsed_s >= timeout_s:
                raise ComponentError(
                    f"{orders.name}: compiling took longer than {timeout_s:g} s; raise "
                    "compile_timeout in the manifest's [limits], or make the component smaller"
                )
            try:
                answer, errors = process.communicate(timeout=min(1.0, timeout_s - elapsed_s))
                break
            except subprocess.TimeoutExpired:
                on_progress(f"{what} ... {time.monotonic() - started_s:.0f} s")
    finally:
        process.kill()
        process.communicate()
    if process.returncode == 0:
        _raise_reported(orders, answer)
    else:
        raise ComponentError(_death(orders, process.returncode, errors))
    if time.monotonic() - started_s >= 1:
        on_progress(f"compiled {_short(orders.name)} in {time.monotonic() - started_s:.1f} s")


def _environment() -> dict[str, str]:
    cores = min(os.cpu_count() or 1, 8)
    return {
        **os.environ,
        "PYTHONPATH": python_path(os.environ.get("PYTHONPATH")),
        # Each thread of the compiler reserves address space, which is limited.
        "RAYON_NUM_THREADS": str(cores),
        "MALLOC_ARENA_MAX": "2",
    }


def _raise_reported(orders: Orders, answer: bytes) -> None:
    try:
        report = json.loads(answer)
    except ValueError:
        raise ComponentError(f"{orders.name}: the compiler ended without an answer") from None
    if "entry" in report:
        return
    if report["kind"] == "environment":
        raise _unwritable(report["error"])
    raise ComponentError(report["error"])


def _unwritable(error: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{_directory()}: the compile cache cannot be written: {error}; make room there, or set "
        "XDG_CACHE_HOME to a directory that can be written"
    )


def _death(orders: Orders, status: int, errors: bytes) -> str:
    text = errors.decode(errors="replace").strip()
    memory = (
        f"{orders.name}: compiling needs more than {orders.memory_bytes // MIB} MiB of memory; "
        "raise compile_memory in the manifest's [limits]"
    )
    if "memory allocation of" in text or "MemoryError" in text or "ENOMEM" in text:
        return memory
    if status == -signal.SIGXCPU:
        return (
            f"{orders.name}: compiling used more than {orders.cpu_s} s of processor time; raise "
            "compile_timeout in the manifest's [limits], or make the component smaller"
        )
    if status == -signal.SIGKILL:
        return (
            f"{orders.name}: the compiler was killed; if the machine is out of memory, "
            "free some and run again"
        )
    if status < 0:
        name = linux.signal_name(-status)
        return (
            f"{orders.name}: the compiler died of {name}, which a broken component or a bug in "
            f"wasmtime can cause{': ' if text else ''}{text[-_CAUSE_MAX:]}"
        )
    last = text.splitlines()[-1] if text else "nothing said"
    return f"{orders.name}: the compiler ended with status {status}: {last}"


def _short(component: str) -> str:
    return os.path.basename(component)


def _human(size_bytes: int) -> str:
    if size_bytes >= MIB:
        return f"{size_bytes / MIB:.0f} MB"
    return f"{max(1, size_bytes // 1024)} kB"
