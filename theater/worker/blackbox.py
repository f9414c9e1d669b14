"""The black box: what an incarnation has recorded and not seen acknowledged, in a file.

A record is a length (4 bytes, little endian) and the bytes of an event, written with one
`write`. The kernel keeps what was written whatever happens to the process.
"""

from __future__ import annotations

import os
import struct

_LENGTH = struct.Struct("<I")
FULL_BYTES = 4 * 1024 * 1024  # from here on the worker waits for acknowledgements
WORTH_CLEARING_BYTES = 256 * 1024


class BlackBox:
    def __init__(self, descriptor: int) -> None:
        """`descriptor` is open for appending."""
        self._descriptor = descriptor
        self.size = 0

    def record(self, event: bytes) -> None:
        os.write(self._descriptor, _LENGTH.pack(len(event)) + event)
        self.size += len(event) + 4

    def clear(self) -> None:
        """Everything recorded has been acknowledged. Whoever reads the box skips what committed,
        so it is emptied only when that is worth the price of it."""
        if self.size > WORTH_CLEARING_BYTES:
            os.ftruncate(self._descriptor, 0)
            self.size = 0
