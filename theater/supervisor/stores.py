"""The directory that the contents of stores are in: made, and rid of what was never finished."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from theater import linux
from theater.paths import DataPaths
from theater.stores import UNFINISHED


def prepare(paths: DataPaths) -> None:
    """Have it there. Only whoever holds the lock of the data directory may do that: what was left
    by workers that were killed goes. Raises OSError, also if something else is in its place."""
    unfinished = f"{paths.store}/{UNFINISHED}"
    for path in (paths.store, unfinished):
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
        if not stat.S_ISDIR(os.lstat(path).st_mode):  # a link would lead out of the data directory
            raise OSError(errno.ENOTDIR, f"{path} is not a directory")
    linux.sync_directory(paths.store)
    linux.sync_directory(paths.directory)
    for name in os.listdir(unfinished):
        os.unlink(f"{unfinished}/{name}")
