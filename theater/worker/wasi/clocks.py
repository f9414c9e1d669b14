"""wasi:clocks"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from theater.worker.wasi.io import Io
from theater.worker.wasi.resources import Interfaces

NS = 1_000_000_000


class Clocks:
    def __init__(self, io: Io, wall_ns: Callable[[], int], monotonic_ns: Callable[[], int]) -> None:
        self._io = io
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns

    def interfaces(self) -> Interfaces:
        return {
            "wasi:clocks/wall-clock": {
                "now": self._wall_now,
                "resolution": lambda: {"seconds": 0, "nanoseconds": 1},
            },
            "wasi:clocks/monotonic-clock": {
                "now": self._monotonic_ns,
                "resolution": lambda: 1,
                "subscribe-instant": self._io.new_timer,
                "subscribe-duration": self._subscribe_duration,
            },
            # Everywhere and always the same: where a machine stands is not told.
            "wasi:clocks/timezone": {
                "display": lambda _when: {
                    "utc-offset": 0,
                    "name": "UTC",
                    "in-daylight-saving-time": False,
                },
                "utc-offset": lambda _when: 0,
            },
        }

    def _wall_now(self) -> dict[str, Any]:
        seconds, nanoseconds = divmod(self._wall_ns(), NS)
        return {"seconds": seconds, "nanoseconds": nanoseconds}

    def _subscribe_duration(self, duration_ns: int) -> int:
        return self._io.new_timer(self._monotonic_ns() + duration_ns)
