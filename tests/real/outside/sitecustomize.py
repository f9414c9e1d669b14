"""A handler with world calls that only the tests have, in every process of a system.

Python imports this module when it starts, if its directory is on PYTHONPATH.

`post` and `put` add a line to the file `path`: what they were called with, and the key. If the file
`die-before` or `die-after` is beside it, it is deleted and the worker kills itself before or after
the line is written.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from theater import capabilities
from theater.capabilities.capability import HandlerType, Setting
from theater.worker.handlers import REGISTERED, WORLD, Handler

INTERFACE = "test:outside/post"
SIGNATURE = "func(text: string) -> result<_, string>"


class Outside(Handler):
    interface = INTERFACE

    def __init__(self, settings: dict[str, Any]) -> None:
        self._path = settings["path"]

    def call(self, function: str, arguments: list[Any]) -> Any:
        if arguments[0].endswith("nonsense"):
            return {"err": "refused: nonsense"}
        return WORLD

    def perform(self, function: str, arguments: list[Any], key: str) -> Any:
        self._die("before")
        with open(self._path, "a") as file:
            file.write(f"{arguments[0]} {key}\n")
        self._die("after")
        return {"ok": None}

    def _die(self, when: str) -> None:
        token = os.path.join(os.path.dirname(self._path), f"die-{when}")
        if os.path.exists(token):
            os.unlink(token)
            os.kill(os.getpid(), signal.SIGKILL)


capabilities.HANDLERS["test-outside"] = HandlerType(
    description="Lines in a file.",
    imports={INTERFACE: {"post": SIGNATURE, "put": SIGNATURE}},
    exports={},
    settings={"path": Setting(lambda value: [], "The file.", {"type": "string"})},
    world={INTERFACE: {"post": "error", "put": "again"}},
)
capabilities.PROVIDED[INTERFACE] = (
    "test-outside",
    capabilities.HANDLERS["test-outside"].imports[INTERFACE],
)
REGISTERED["test-outside"] = Outside
