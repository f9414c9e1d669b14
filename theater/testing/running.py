"""A running system in a test: what pytest's fixtures `theater_system` and `theater_start` give.

    def test_it_survives_being_killed(theater_system):
        assert theater_system.request("hello", "ann") == b"1"
        theater_system.kill("hello")
        assert theater_system.request("hello", "bob") == b"2"

`theater_system` is the system of the manifest that is nearest to the test's file, from its
directory upwards; what is built from source is built first. `theater_start(manifest)` starts any
other, as many as a test wants. Their data lies in a temporary directory, and they are stopped when
the test has ended; what their actors have logged is shown with a test that fails.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from theater_actor.messages import Message, Sendable, encoded

from theater.client import System
from theater.values import visible

if TYPE_CHECKING:
    from theater.client import DeadLetter, LoggedEvent

T = TypeVar("T")
WAIT_S = 30.0


class Running:
    """Messages are what actors in Python send: bytes, a string, or what JSON has words for."""

    def __init__(self, manifest: str | os.PathLike[str], directory: Path) -> None:
        """Returns when all actors are ready. Raises what keeps the system from starting."""
        self.manifest = Path(manifest)
        self.data = directory / ".theater"
        self.system = System.start(manifest, data=str(self.data))  # all that can be asked of it

    def send(self, actor: str, message: Sendable = b"") -> None:
        """Returns when the message is committed: it will be handled, but not now. NotDelivered."""
        self.system.send(actor, encoded(message))

    def request(self, actor: str, message: Sendable = b"", timeout_s: float = WAIT_S) -> Message:
        """The answer, as bytes with `.text` and `.json()`. NotDelivered with the reason."""
        return Message(self.system.request(actor, encoded(message), timeout_s))

    def wait_for(
        self, condition: Callable[[], T | None], what: str = "", timeout_s: float = WAIT_S
    ) -> T:
        """Wait until it is true, and return what it is; it is asked after each commit."""
        return self.system.wait_for(condition, what or "what the test waits for", timeout_s)

    def wait_line(self, text: str, actor: str | None = None, timeout_s: float = WAIT_S) -> str:
        """Wait until a line with this text is in the log; the first such line."""
        return self.wait_for(
            lambda: next((line for line in self.lines(actor) if text in line), None),
            f"a log line with {text!r}",
            timeout_s,
        )

    def kill(self, actor: str) -> None:
        """Kill its process, as `kill -9` does. Returns when its death is known; what becomes of
        the actor is its supervisor's affair, and what is sent to it meanwhile waits."""
        before = self.system.wait_status(actor, "running", WAIT_S)
        process = os.pidfd_open(before["pid"])
        try:
            if self.system.actor(actor)["incarnation"] == before["incarnation"]:
                signal.pidfd_send_signal(process, signal.SIGKILL)
        finally:
            os.close(process)

        def is_over() -> bool:
            now = self.system.actor(actor)
            same = now["incarnation"] == before["incarnation"]
            return not (same and now["status"] == "running")

        self.wait_for(is_over, f"the death of {actor}")

    def lines(self, actor: str | None = None) -> list[str]:
        """What an actor, or all, have logged: of turns that have committed."""
        return self.system.lines(actor)

    def events(self, actor: str | None = None) -> list[LoggedEvent]:
        """What has crossed the sandbox of an actor, or of all, in the order of commits."""
        return list(self.system.log.events(actors=None if actor is None else [actor]))

    def state(self, actor: str) -> Message | None:
        """Its last committed state; None: it has none."""
        found = self.system.log.state(actor)
        return None if found is None else Message(found)

    def dead_letters(self, actor: str | None = None) -> list[DeadLetter]:
        """Messages whose turn failed, or that came nowhere."""
        return self.system.dead_letters(actor)

    def story(self) -> list[str]:
        """Every log line with its actor, harmless to a terminal."""
        rows = self.system.log.events(lines_only=True)
        return [visible(f"{row.event.actor} | {row.line}") for row in rows]

    def end(self) -> None:
        """Stop everything, in order."""
        self.system.close()
