"""A handler that an author has written, for `outside.wat`: copied beside the manifest of a test.

`post`, `put` and `look` add a line to the file `done` beside this one: what they were called with,
and the key. If a file there is called `die-before` or `die-after`, it is deleted and the worker
kills itself before or after the line is written. Words in the text have them misbehave.
"""

from __future__ import annotations

import os
import signal
import threading

from theater.handler import Failed, Key, Result, read, world


class Outside:
    """What the tests have actors do."""

    interface = "test:outside/post"
    path: str
    greeting: str = ""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._calls = 0

    @world(timeout_s=2)
    def post(self, text: str, key: Key) -> Result[str]:
        """It may not be done twice."""
        return self._do(text, key)

    @world(interrupted="again", timeout_s=2)
    def put(self, key: Key, text: str) -> Result[str]:
        return self._do(text, key)

    @read(timeout_s=2)
    def look(self, text: str) -> Result[str]:
        return self._do(text, "-")

    @read(timeout_s=2)
    def bare(self, text: str) -> str:
        return self._do(text, "-")

    def _do(self, text: str, key: str) -> str:
        assert self._thread == threading.get_ident(), "made in another thread than it is used in"
        self._die("before")
        with open(self.path, "a") as file:
            file.write(f"{text} {key}\n")
        self._die("after")
        self._misbehave(text)
        self._calls += 1
        return f"{self.greeting}{text} ({self._calls})"

    def _misbehave(self, text: str) -> None:
        if "nonsense" in text:
            raise Failed("nonsense")
        if "raise" in text:
            raise KeyError("no such thing")
        if "exit" in text:
            raise SystemExit(3)
        if "hang" in text:
            threading.Event().wait()

    def _die(self, when: str) -> None:
        token = os.path.join(os.path.dirname(self.path), f"die-{when}")
        if os.path.exists(token):
            os.unlink(token)
            os.kill(os.getpid(), signal.SIGKILL)
