"""Start of the broker process: `python -m theater.broker ROOT_SOCKET_FD LOCK_FD ROOT_PID`.

Its first message from root is `setup`. Exit status 0: told to end; 1: the log cannot be
written, or a fault of its own.
"""

from __future__ import annotations

import socket
import sqlite3
import sys
import traceback
from typing import Any

from theater import linux, wire
from theater.broker.log import Log
from theater.broker.loop import Broker, Fatal
from theater.broker.root import RootSocket
from theater.errors import TheaterError
from theater.spec import Durability


def _first_message(root: socket.socket) -> dict[str, Any]:
    """`setup`, and not a byte more: what follows is for the loop."""
    length = wire.frame_length(_exactly(root, wire.LENGTH_BYTES))
    name, setup = wire.unpack(_exactly(root, length))
    assert name == "setup", f"root began with {name}"
    checked: dict[str, Any] = setup
    return checked


def _exactly(root: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = root.recv(size - len(data))
        if not part:
            raise SystemExit(0)
        data += part
    return data


def main() -> int:
    root_fd, _lock_fd, root_pid = (int(argument) for argument in sys.argv[1:4])
    if not linux.begin_helper(root_pid, "theater-broker"):
        return 1
    linux.not_dumpable()
    raw = socket.socket(fileno=root_fd)
    root = RootSocket(raw)
    try:
        setup = _first_message(raw)
        connection = sqlite3.connect(setup["log"], isolation_level=None, timeout=10)
        broker = Broker(root, setup, Log(connection, Durability(setup["durability"])))
        broker.run()
        broker.close()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # leave one file behind
        connection.close()
    except (Fatal, TheaterError, sqlite3.Error, OSError) as error:
        root.say_last(("fatal", f"the broker cannot go on: {error}"))
        return 1
    except Exception as error:
        traceback.print_exc()
        root.say_last(("fatal", f"the broker failed: {type(error).__name__}: {error}"))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
