"""Where things lie: the data directory of a system, and the sockets that belong to it. Pure.

Socket paths hold 107 bytes at most (the kernel's `sun_path`), so the runtime directory of a
system is named by a hash of its data directory.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

SOCKET_PATH_MAX = 107  # bytes
HEADS = "heads."  # how the names of files of tree heads begin


@dataclass(frozen=True, slots=True)
class DataPaths:
    """The files of one data directory; `directory` is absolute and without links."""

    directory: str

    @property
    def log(self) -> str:
        return f"{self.directory}/chain.db"

    @property
    def suspect(self) -> str:
        """If it is there: why the log has to be checked before it is used again."""
        return suspect(self.log)

    @property
    def manifest(self) -> str:
        """A copy of the manifest that the system was last started with, or reloaded."""
        return f"{self.log}.manifest.toml"

    @property
    def lock(self) -> str:
        return f"{self.directory}/lock"

    @property
    def boxes(self) -> str:
        return f"{self.directory}/boxes"

    @property
    def components(self) -> str:
        """What actors run or have run, as it was given."""
        return f"{self.directory}/components"

    @property
    def store(self) -> str:
        """The contents of stores, and in it a directory for each store."""
        return f"{self.directory}/store"

    @property
    def archive(self) -> str:
        """The logs that were put away, each in a data directory of its own."""
        return f"{self.directory}/archive"

    @property
    def heads(self) -> str:
        """The tree heads that were signed, one a line, the newest last. What belongs to them is
        named after it, and goes where the log goes."""
        return f"{self.directory}/{HEADS}jsonl"

    @property
    def heads_key(self) -> str:
        """What they are signed with; only for its owner."""
        return f"{self.directory}/{HEADS}key"

    @property
    def heads_public_key(self) -> str:
        return f"{self.directory}/{HEADS}pub"

    @property
    def heads_tree(self) -> str:
        """How far the tree has been made. Need not be there, nor be believed."""
        return f"{self.directory}/{HEADS}tree"

    @property
    def internal_log(self) -> str:
        """What the processes of the system print when something is wrong with themselves."""
        return f"{self.directory}/internal.log"


def component_path(data_directory: str, sha256: str) -> str:
    """Where the component with this SHA-256 (hex) is kept, if an actor has run it there."""
    return f"{DataPaths(data_directory).components}/{sha256}"


def reading_uri(database: str) -> str:
    """What SQLite opens a database by that it only reads."""
    quoted = database.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return f"file:{quoted}?mode=ro"


def suspect(log: str) -> str:
    return f"{log}.suspect"


@dataclass(frozen=True, slots=True)
class RuntimePaths:
    directory: str

    @property
    def control(self) -> str:
        return f"{self.directory}/control"

    @property
    def workers(self) -> str:
        return f"{self.directory}/workers"

    @property
    def clients(self) -> str:
        return f"{self.directory}/clients"


def runtime_base(environment_dir: str | None, uid: int) -> str:
    """The parent of all runtime directories: in $XDG_RUNTIME_DIR if that is short enough."""
    if environment_dir and len(environment_dir.encode()) < SOCKET_PATH_MAX - 40:
        return f"{environment_dir}/theater"
    return f"/tmp/theater-{uid}"


def runtime_paths(base: str, data_directory: str) -> RuntimePaths:
    digest = hashlib.sha256(data_directory.encode("utf-8", "surrogateescape")).hexdigest()
    return RuntimePaths(f"{base}/{digest[:16]}")


def box_name(actor: str, incarnation: int) -> str:
    """The file name of an incarnation's black box."""
    return f"{hashlib.sha256(actor.encode()).hexdigest()[:16]}-{incarnation}"


def python_path(before: str | None) -> str:
    """PYTHONPATH for a Python that we start: this very package is first, also if it is not
    installed. `before`: what it is for us."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return f"{root}{os.pathsep}{before}" if before else root
