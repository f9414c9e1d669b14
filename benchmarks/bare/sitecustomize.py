"""The switch of a bare system: its log is in memory, and nothing of it is hashed.

Python imports a module of this name at its start. `systems.start` puts this directory on the path
of a system that is to be bare; there it changes the broker and nobody else. What is left is the
same path of a message, without what makes the log survive and tell what was done to it.
"""

from __future__ import annotations

import sqlite3
import sys
from typing import Any

if "theater.broker" in sys.orig_argv:
    from theater import chain

    _connect = sqlite3.connect

    def connect(_file: str, **settings: Any) -> sqlite3.Connection:
        memory: sqlite3.Connection = _connect(":memory:", **settings)
        return memory

    def link(parent: bytes, event: bytes) -> bytes:
        return chain.GENESIS

    sqlite3.connect = connect  # type: ignore[assignment]
    chain.link = link
