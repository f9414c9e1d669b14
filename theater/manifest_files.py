"""The files around a manifest: itself, and those it names: components, initial states, directories.

The only place of the manifest modules that looks at a disk.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from theater.errors import ManifestError, Problem
from theater.quoting import escaped, quoted

NAMES = ("theater.toml", "manifest.toml")  # of a manifest, looked for in this order
PATH_SHOWN_MAX = 4096  # characters of a path in a message


def find(start_dir: str | os.PathLike[str]) -> Path:
    """The manifest of the directory, else of the nearest one above; ManifestError if none."""
    try:
        start = Path(os.path.abspath(start_dir))
    except OSError as problem:  # the working directory was removed
        shown = escaped(os.fspath(start_dir), PATH_SHOWN_MAX)
        raise ManifestError(shown, [Problem("", os_problem(problem))]) from None
    for directory in (start, *start.parents):
        for name in NAMES:
            path = directory / name
            # Also one that cannot be read: better to say so than to go on to another.
            if os.path.lexists(path) and not path.is_dir():
                return path
    raise ManifestError(
        escaped(str(start), PATH_SHOWN_MAX),
        [Problem("", f"no {' or '.join(NAMES)} here or above; name the manifest with -f")],
    )


_OUTSIDE = "lies outside of the directory that an actor may spawn from"


class Outside(OSError):
    """What was opened is not where it was when that was looked for: a link has come between."""


@dataclass(frozen=True, slots=True)
class StateFile:
    """An initial state to be read from a file, relative to the manifest."""

    path: str


class Files:
    """The files that a manifest names. A message says what is wrong with one, None nothing."""

    def __init__(self, directory: str, on_disk: bool, below: str | None = None) -> None:
        """`below`: the directory outside of which nothing may be named; None: anything may."""
        self.directory = directory
        self._on_disk = on_disk
        self._below = below
        self.states: dict[str, bytes] = {}  # content of initial states, by path as written
        self.given: str | None = None  # a component that is there, wherever it lies

    def absolute(self, path: str) -> str:
        joined = os.path.join(self.directory, path)
        # "a/.." is not always nothing: a may be a link. Such a path stays as it is.
        return joined if ".." in path.split("/") else os.path.normpath(joined)

    def _outside(self, path: str) -> str | None:
        if self._below is None or lies_below(self.absolute(path), self._below):
            return None
        return f"{quoted(path)}: {_OUTSIDE}"

    def check_file(self, path: str) -> str | None:
        if not self._on_disk or path == self.given:
            return None
        if (outside := self._outside(path)) is not None:
            return outside
        try:
            os.close(_open_file(self.absolute(path), self._below))
        except OSError as problem:
            return f"{quoted(path)}: {os_problem(problem)}"
        return None

    def check_source(self, path: str) -> str | None:
        """What a component is built from: a file or a directory."""
        if self._below is not None:
            return "what an actor spawns is not built; name the component"
        if self._on_disk and not os.path.exists(self.absolute(path)):
            return f"{quoted(path)}: there is no such file or directory"
        return None

    def check_directory(self, path: str, write: bool) -> str | None:
        """A directory that is granted to an actor."""
        if not self._on_disk:
            return None
        try:
            _look_into(self.absolute(path), write)
        except OSError as problem:
            return f"{quoted(path)}: {directory_problem(problem)}"
        return None

    def installed_handlers(self) -> list[str]:
        """Handlers that authors have written and that are installed, by name. None is imported."""
        return sorted(installed_handlers()) if self._on_disk else []

    def check_state(self, path: str, max_bytes: int) -> str | None:
        if not self._on_disk:
            return f"{quoted(path)}: a manifest that is not a file cannot name one"
        if path in self.states:
            return None
        if (outside := self._outside(path)) is not None:
            return outside
        try:
            content = read_file(self.absolute(path), max_bytes + 1, self._below)
        except OSError as problem:
            return f"{quoted(path)}: {os_problem(problem)}"
        if len(content) > max_bytes:
            return f"{quoted(path)}: larger than {max_bytes} bytes, the most a state may have"
        self.states[path] = content
        return None


def installed_handlers() -> dict[str, str]:
    """Name -> `module:Class`, of the entry points of all packages that are installed."""
    from importlib.metadata import entry_points  # takes long, and is seldom needed

    return {each.name: each.value for each in entry_points(group="theater.handlers")}


def lies_below(path: str, directory: str) -> bool:
    """Whether it does with all links followed."""
    try:
        found, above = os.path.realpath(path), os.path.realpath(directory)
    except (OSError, ValueError):  # a NUL in it
        return False
    return found.startswith(above.rstrip("/") + "/")


def _open_file(path: str, below: str | None = None) -> int:
    """A descriptor of a regular file. Never blocks, as opening a named pipe would.

    `below`: the directory that it has to be in. Whoever spawns may change links meanwhile, so it
    is what was opened that is asked where it is.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError:  # a NUL in the path
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from None
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file")
        if below is not None and not lies_below(f"/proc/self/fd/{descriptor}", below):
            raise Outside
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _look_into(path: str, write: bool) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except ValueError:  # a NUL in the path
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from None
    os.close(descriptor)
    if not os.access(path, os.X_OK | (os.W_OK if write else 0)):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def read_file(path: str, max_bytes: int, below: str | None = None) -> bytes:
    with open(_open_file(path, below), "rb") as file:
        return file.read(max_bytes)


def directory_problem(problem: OSError) -> str:
    match problem:
        case FileNotFoundError():
            return "there is no such directory; make it, or correct `host`"
        case NotADirectoryError():
            return "is not a directory, which is what can be granted"
        case PermissionError():
            return "cannot be used by you: permission denied"
    return f"cannot be used: {escaped(problem.strerror or str(problem))}"


def os_problem(problem: OSError) -> str:
    match problem:
        case Outside():
            return _OUTSIDE
        case FileNotFoundError():
            return "there is no such file"
        case IsADirectoryError():
            return "is a directory, not a file"
        case PermissionError():
            return "cannot be read: permission denied"
    return f"cannot be read: {escaped(problem.strerror or str(problem))}"
