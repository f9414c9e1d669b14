"""wasi:random"""

from __future__ import annotations

from collections.abc import Callable

from theater.worker.wasi.resources import Interfaces

BYTES_MAX = 1024 * 1024  # of one call: the answer is recorded


class Random:
    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes

    def interfaces(self) -> Interfaces:
        return {
            "wasi:random/random": {
                "get-random-bytes": self._bytes,
                "get-random-u64": self._u64,
            },
            "wasi:random/insecure": {
                "get-insecure-random-bytes": self._bytes,
                "get-insecure-random-u64": self._u64,
            },
            "wasi:random/insecure-seed": {
                "insecure-seed": lambda: [self._u64(), self._u64()],
                "get-insecure-seed": lambda: [self._u64(), self._u64()],
            },
        }

    def _bytes(self, count: int) -> bytes:
        if count > BYTES_MAX:
            raise ValueError(f"{count} random bytes in one call; {BYTES_MAX} are allowed")
        return self._random_bytes(count)

    def _u64(self) -> int:
        return int.from_bytes(self._random_bytes(8), "little")
