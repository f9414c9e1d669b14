"""Random actors under random traffic, with crashes and kills: what they recorded has to replay."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.components import javascript_actor, python_actor
from tests.real.conftest import gone
from tests.replay.generated import source
from tests.replay.replayed import replayed
from tests.waiting import eventually
from theater.client import System
from theater.errors import NotDelivered, Refused

ACTORS = 3
ON_RESTART = ("resume", "resume", "resume", "init")
COMPONENTS: dict[str, Callable[[], Path]] = {
    "python": python_actor.component,
    "javascript": javascript_actor.component,
}
COMMANDS = {
    "python": (
        *(b"print a|b", b"time", b"urandom 40", b"urandom 3000", b"random", b"fail x", b"exit 1"),
        b"run answer = open('/files/log', 'a').write('more' * 10)",
        b"run f = open('/files/log', 'ab', buffering=0); f.write(b'one'); f.write(b'two')",
        b"run answer = open('/files/log').read()",
        b"run answer = os.listdir('/files'), os.stat('/files/log').st_size",
        b"run os.rename('/files/log', '/files/old')",
        b"run os.unlink('/files/old')",
    ),
    "javascript": (
        *(b"print a|b", b"warn c", b"time", b"monotonic", b"random", b"uuid", b"sleep 2"),
        *(b"heard", b"json [1.5, null]", b"refuse x", b"fail x", b"fetch http://x.example"),
    ),
}
FILES = (
    '[[child.handler]]\ntype = "wasi:filesystem"\n'
    'preopens = [{ host = "files", guest = "/files", write = true }]\n'
)


class History:
    """One system in `directory`, and what happens to it; all of it follows from `seed` but for the
    moments at which something arrives or dies."""

    def __init__(self, directory: Path, seed: int, languages: Iterable[str] = ()) -> None:
        """`languages`: of actors that are no WAT, by which these are called."""
        self.directory = directory
        self.seed = seed
        self._rng = random.Random(seed)
        self.names = [*(f"g{number}" for number in range(ACTORS)), *languages]

    def run(self, messages: int) -> None:
        """Live through it; the system is down at the end."""
        (self.directory / "files").mkdir()
        manifest = self.directory / "manifest.toml"
        manifest.write_text(self._manifest())
        system = System.start(manifest)
        try:
            for _ in range(messages):
                system = self._one(system, manifest)
            system.down()
        finally:
            system.close()

    def _manifest(self) -> str:
        rng = self._rng
        text = 'name = "t"\ndurability = "process"\n[supervisor]\nintensity = 100000\nperiod = 1\n'
        for number, name in enumerate(self.names):
            if name in COMPONENTS:
                component = COMPONENTS[name]()
            else:
                component = self.directory / f"{name}.wat"
                component.write_text(source(self.seed + number, self.names[:ACTORS]))
            on_restart = rng.choice(ON_RESTART)
            recycle = rng.choice([0, 0, 4]) if on_restart == "resume" else 0
            text += (
                f'[[child]]\nname = "{name}"\ncomponent = "{component}"\n'
                f'on_restart = "{on_restart}"\nrequest_timeout = 3\n'
                f"recycle_turns = {recycle}\n"
                f"state_every = {rng.choice([1, 3, 50])}\n"
                '[[child.handler]]\ntype = "runtime"\n'
                '[[child.handler]]\ntype = "message-server"\n'
                f"{FILES if name == 'python' else ''}"
                f"[child.limits]\nmax_deliveries = {rng.choice([1, 3])}\n"
            )
        return text

    def _one(self, system: System, manifest: Path) -> System:
        rng = self._rng
        what = rng.random()
        if what < 0.98:
            with contextlib.suppress(NotDelivered, Refused, ProcessLookupError):
                self._trouble(system, rng.choice(self.names), what)
            return system
        if what < 0.99:
            system.down(kill=True)
        else:
            root = system.info()["pid"]
            os.kill(root, signal.SIGKILL)
            eventually(lambda: gone({root}), "its end")
        system.close()
        return System.start(manifest)

    def _trouble(self, system: System, name: str, what: float) -> None:
        rng = self._rng
        if name in COMMANDS and what < 0.8:
            system.request(name, rng.choice(COMMANDS[name]), timeout_s=5.0)
        elif what < 0.6:
            system.send(name, self._message())
        elif what < 0.8:
            system.request(name, self._message(), timeout_s=5.0)
        elif what < 0.93:
            pid = system.actor(name)["pid"]
            if pid:
                os.kill(pid, signal.SIGKILL)
        elif what < 0.95:
            broker = system.info()["helpers"]["broker"]
            if broker:
                os.kill(broker, signal.SIGKILL)
        else:
            system.restart(name, init=rng.random() < 0.3)

    def _message(self) -> bytes:
        return bytes([self._rng.choice([0, 1, 1, 2])]) + self._rng.randbytes(
            self._rng.choice([0, 5, 40, 3000])
        )

    def replay(self) -> Counter[str]:
        """How many runs ended how. AssertionError if one is not as it was recorded."""
        return replayed(self.directory / ".theater")
