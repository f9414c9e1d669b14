"""The black box: what an incarnation has recorded and not seen acknowledged, in a file.

A record is a length (4 bytes, little endian) and the bytes of an event, written with one
`write`. The kernel keeps what was written whatever happens to the process. What an event refers
to as an answer that only the worker knows, as of a file that was read, is a record before it: its
bytes as msgpack has them, which begin otherwise than an event.

The box is evidence, not a promise: a disk that takes nothing holds no turn up. What it does not
take waits here in its order, so that half a record is followed by its other half or by nothing.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable

import msgpack

_LENGTH = struct.Struct("<I")
FULL_BYTES = 4 * 1024 * 1024  # from here on the worker waits for acknowledgements
WORTH_CLEARING_BYTES = 256 * 1024
LOOK_S = 0.1  # between two tries to write what has to be written


class BlackBox:
    def __init__(self, descriptor: int) -> None:
        """`descriptor` is open for appending."""
        self._descriptor = descriptor
        self._unwritten = bytearray()  # bounded as the box is
        self.size = 0

    def content(self, content: bytes) -> None:
        """What the next event refers to, and nobody else knows."""
        self.record(msgpack.packb(content))

    def record(self, event: bytes) -> None:
        record = _LENGTH.pack(len(event)) + event
        self.size += len(record)
        if self._unwritten:
            self._unwritten += record
            self.flush()
            return
        written = self._write(record)
        if written != len(record):
            self._unwritten += record[written:]

    def flush(self) -> bool:
        """Write what the disk had no room for; whether nothing is left."""
        while self._unwritten:
            written = self._write(self._unwritten)
            if not written:
                return False
            del self._unwritten[:written]
        return True

    def insist(self, give_up: Callable[[], bool]) -> None:
        """Wait until everything is written: why a turn has failed, only the box tells."""
        while not self.flush() and not give_up():
            time.sleep(LOOK_S)

    def _write(self, data: bytes | bytearray) -> int:
        try:
            return os.write(self._descriptor, data)
        except OSError:  # the disk is full, the quota used up, or worse: the log will tell
            return 0

    def clear(self) -> None:
        """Everything recorded has been acknowledged. Whoever reads the box skips what committed,
        so it is emptied only when that is worth the price of it."""
        if self.size > WORTH_CLEARING_BYTES or self._unwritten:
            os.ftruncate(self._descriptor, 0)
            self._unwritten.clear()
            self.size = 0
