"""The directories of a running system: data, locked and private; sockets, private too."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat

from theater.errors import EnvironmentProblem, Refused
from theater.paths import DataPaths, RuntimePaths, runtime_base, runtime_paths


def open_data(directory: str) -> tuple[DataPaths, int]:
    """Create the data directory if it is not there, and lock it.

    Returns its paths and the descriptor that holds the lock; the broker inherits it, so that the
    log never has two writers.
    """
    # Late: every command asks this module where the sockets are, and few open a data directory.
    from theater.supervisor import archive, originals, stores

    paths = DataPaths(os.path.realpath(directory))
    try:
        os.makedirs(paths.directory, mode=0o700, exist_ok=True)
        with contextlib.suppress(FileExistsError), open(f"{paths.directory}/.gitignore", "x") as f:
            f.write("*\n")
        lock = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(paths, error) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise Refused(
            f"a system is running on {paths.directory} already;"
            " `theater ps` shows it, `theater down` stops it"
        ) from None
    except OSError as error:
        os.close(lock)
        raise EnvironmentProblem(f"cannot lock {paths.lock}: {error.strerror}") from None
    try:
        archive.finish_begun(paths)
        originals.remove_unfinished(paths.components)
        os.makedirs(paths.boxes, mode=0o700, exist_ok=True)
        _require_writable(paths)
        stores.prepare(paths)
    except OSError as error:
        os.close(lock)
        raise _unusable(paths, error) from None
    return paths, lock


def _require_writable(paths: DataPaths) -> None:
    """SQLite makes files beside the log, and says of all that is wrong only that it is."""
    for path in (paths.directory, paths.boxes, *filter(os.path.isdir, [paths.store])):
        if not os.access(path, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, f"{path} cannot be written to")
    for path in (paths.log, f"{paths.log}-wal", f"{paths.log}-shm"):
        if not os.path.lexists(path):
            continue
        if not os.path.isfile(path):
            raise OSError(errno.EINVAL, f"{path} is not a file")
        if not os.access(path, os.R_OK | os.W_OK):
            raise OSError(errno.EACCES, f"{path} is read-only")


def open_internal_log(paths: DataPaths) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    try:
        return os.open(paths.internal_log, flags, 0o600)
    except OSError as error:
        raise _unusable(paths, error) from None


def is_taken(directory: str) -> bool:
    """Whether a system has this data directory, also one that cannot be spoken to yet.

    Looks and does not touch: to try the lock would be in the way of a system that starts.
    """
    with contextlib.suppress(OSError):
        inode = os.stat(DataPaths(os.path.realpath(directory)).lock).st_ino
        with open("/proc/locks", encoding="ascii", errors="replace") as file:
            # 1: FLOCK  ADVISORY  WRITE 4711 fe:00:2255153 0 EOF
            locks = [line.split() for line in file if " FLOCK " in line]
        # Not the device: some file systems have another for it here than in stat.
        pids = [fields[-4] for fields in locks if fields[-3].endswith(f":{inode}")]
        return any(map(_is_ours, pids))
    return False


def _is_ours(pid: str) -> bool:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", "rb") as file:
        return file.read().startswith(b"theater-")
    return False


def _unusable(paths: DataPaths, error: OSError) -> EnvironmentProblem:
    todo = {errno.ENOSPC: "make room", errno.EDQUOT: "make room"}.get(
        error.errno or 0, "make it writable"
    )
    return EnvironmentProblem(
        f"cannot use the data directory {paths.directory}: {error.strerror};"
        f" {todo}, or choose another with --data DIR"
    )


def begin_anew(paths: DataPaths, now: float, components: set[str]) -> str | None:
    """Put away what is in the data directory, which is locked: where it is now, if there was any.

    `now`: Unix time. `components`: what of those kept there is needed further on.
    """
    from theater.supervisor import archive, originals, stores

    put_away = archive.put_away(paths, now)
    originals.keep_only(paths.components, components)
    os.makedirs(paths.boxes, mode=0o700, exist_ok=True)
    stores.prepare(paths)
    return put_away


def keep_manifest(directory: str, text: bytes) -> None:
    """Have a copy of the manifest beside the log: for whoever looks at it later. Nothing depends on
    it, so that a full disk is no reason not to start."""
    path = DataPaths(directory).manifest
    with contextlib.suppress(OSError):
        with open(f"{path}.tmp", "wb") as file:
            file.write(text)
        os.replace(f"{path}.tmp", path)


def runtime_of(data_directory: str) -> RuntimePaths:
    """Where the sockets of the system on this data directory are, or would be."""
    base = runtime_base(os.environ.get("XDG_RUNTIME_DIR"), os.getuid())
    return runtime_paths(base, os.path.realpath(data_directory))


def open_runtime(paths: RuntimePaths) -> None:
    """Create the socket directory: ours, and nobody else's to look into."""
    base = os.path.dirname(paths.directory)
    try:
        for directory in (base, paths.directory):
            with contextlib.suppress(FileExistsError):
                os.mkdir(directory, 0o700)
            found = os.lstat(directory)
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
                raise EnvironmentProblem(
                    f"{directory} is not a directory of yours; remove it, or set XDG_RUNTIME_DIR"
                )
            if stat.S_IMODE(found.st_mode) & 0o077:
                os.chmod(directory, 0o700)
        for name in os.listdir(paths.directory):  # left by a system that was killed
            os.unlink(f"{paths.directory}/{name}")
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot use {paths.directory} for sockets: {error.strerror}; set XDG_RUNTIME_DIR"
        ) from None


def remove_runtime(paths: RuntimePaths) -> None:
    with contextlib.suppress(OSError):
        for name in os.listdir(paths.directory):
            os.unlink(f"{paths.directory}/{name}")
        os.rmdir(paths.directory)
