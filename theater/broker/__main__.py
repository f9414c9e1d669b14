"""Start of the broker process: `python -m theater.broker ROOT_SOCKET_FD LOCK_FD ROOT_PID`.

Its first message from root is `setup`. Exit status 0: told to end; 1: the log cannot be
written, or a fault of its own.
"""

from __future__ import annotations

import gc
import socket
import sqlite3
import sys
import traceback
from typing import Any

from theater import linux, wire
from theater.broker.delay import Delay, end
from theater.broker.inspection import inspect_if_suspect
from theater.broker.log import Log
from theater.broker.loop import Broker
from theater.broker.root import RootSocket
from theater.broker.trouble import Fatal, judge
from theater.errors import TheaterError
from theater.spec import Durability

OPENING_S = 10.0  # another program may hold a lock this long when the log is opened ...
BUSY_S = 1.0  # ... and this long afterwards; then root is told


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
    # A commit is made of thousands of tuples, none of them in a circle: looking for circles after
    # each 700, as Python does, costs a tenth of all.
    gc.set_threshold(20_000, 20, 20)
    raw = socket.socket(fileno=root_fd)
    root = RootSocket(raw)
    try:
        setup = _first_message(raw)
        delay = Delay(root, setup["log"])
        try:
            log = _open(setup, root, delay)
            broker = Broker(root, setup, log)
            if not delay.ends:
                broker.run()
            broker.close()
        except sqlite3.Error as error:
            end(f"the log {setup['log']} failed", judge(error, setup["log"]), setup["log"])
    except Fatal as error:
        root.say_last(("fatal", str(error), error.code))
        return 1
    except (TheaterError, OSError) as error:
        code = error.exit_code if isinstance(error, TheaterError) else TheaterError.exit_code
        root.say_last(("fatal", f"the broker cannot go on: {error}", code))
        return 1
    except Exception as error:
        linux.complain(traceback.format_exc())
        reason = f"the broker failed: {type(error).__name__}: {error}"
        root.say_last(("fatal", reason, TheaterError.exit_code))
        return 1
    return 0


def _open(setup: dict[str, Any], root: RootSocket, delay: Delay) -> Log:
    opened: list[Log] = []

    def attempt() -> None:
        connection = sqlite3.connect(setup["log"], isolation_level=None, timeout=OPENING_S)
        try:
            inspect_if_suspect(connection, setup["log"], root)
            opened.append(Log(connection, Durability(setup["durability"])))
            connection.execute(f"PRAGMA busy_timeout = {BUSY_S * 1000:.0f}")
        except BaseException:
            connection.close()
            raise

    delay.attempt(attempt)
    return opened[0]


if __name__ == "__main__":
    sys.exit(main())
