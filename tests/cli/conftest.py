"""The command line as it is run: real processes, pipes and terminals; nothing left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import secrets
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import WAIT_S, eventually
from theater.client import System
from theater.errors import NotDelivered

ROOT = Path(__file__).parent.parent.parent
COMPONENTS = ROOT / "tests" / "components"
MARK = "THEATER_TEST_MARK"  # in the environment of everything that a test starts
GRANTS = 'handler = [{ type = "runtime" }, { type = "message-server", send_to = ["**"] }]'


def actor(name: str, component: str = "probe.wat", extra: str = "") -> str:
    path = COMPONENTS / component
    return f'[[child]]\nname = "{name}"\ncomponent = "{path}"\n{GRANTS}\n{extra}\n'


class Terminal:
    """A command in a terminal of 80 columns."""

    def __init__(self, command: list[str], cwd: Path, env: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", _OWN_TERMINAL, *command],
            cwd=cwd,
            env=env,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.raw = ""

    @property
    def text(self) -> str:
        """What has been printed, without colours and returns."""
        return re.sub(r"\x1b\[[0-9;]*[mK]|\r", "", self.raw)

    def read(self, timeout_s: float) -> bool:
        """Whether there can be more."""
        ready, _, _ = select.select([self._master], [], [], timeout_s)
        if not ready:
            return True
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:
            return False
        self.raw += data.decode(errors="replace")
        return bool(data)

    def wait_for(self, text: str) -> None:
        deadline_s = time.monotonic() + WAIT_S
        while text not in self.text:
            more = self.read(0.1)
            assert more or text in self.text, f"ended without {text!r}:\n{self.text}"
            assert time.monotonic() < deadline_s, f"no {text!r} in:\n{self.text}"

    def press(self, key: str) -> None:
        os.write(self._master, key.encode())

    def wait_end(self) -> int:
        """The exit code."""
        deadline_s = time.monotonic() + WAIT_S
        while self.read(0.1):
            assert time.monotonic() < deadline_s, f"it does not end:\n{self.text}"
        return self.process.wait(WAIT_S)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)


# Take the terminal on stdin as the controlling one, so that Ctrl-C reaches us; then be the command.
_OWN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Home:
    """A directory with a manifest, and the commands run in it."""

    def __init__(self, directory: Path, cache: Path) -> None:
        self.directory = directory
        self.data = directory / ".theater"
        self.mark = secrets.token_hex(8)
        self.env = {
            **{key: value for key, value in os.environ.items() if key != "THEATER_DEBUG"},
            "XDG_CACHE_HOME": str(cache),
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm-256color",
            "NO_COLOR": "",
            MARK: self.mark,
        }
        self._open: list[Any] = []

    def write(self, *actors: str, head: str = "", name: str = "theater.toml") -> Path:
        text = f'name = "test"\ndurability = "process"\n{head}\n' + "\n".join(actors)
        path = self.directory / name
        path.write_text(text)
        return path

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "theater", *arguments]

    def run(
        self,
        *arguments: str,
        input: bytes = b"",
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.command(*arguments),
            cwd=cwd or self.directory,
            env={**self.env, **(env or {})},
            input=input,
            capture_output=True,
            timeout=WAIT_S,
        )

    def out(self, *arguments: str, **options: Any) -> str:
        """stdout of a command that has to succeed."""
        done = self.run(*arguments, **options)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def fails(self, code: int, *arguments: str, **options: Any) -> str:
        """stderr of a command that has to fail so, with nothing on stdout and no traceback."""
        done = self.run(*arguments, **options)
        errors = done.stderr.decode()
        assert (done.returncode, done.stdout) == (code, b""), errors
        assert "Traceback" not in errors
        return errors

    def pytest(self, directory: Path, *arguments: str) -> tuple[int, str]:
        """The exit code of an author's tests there, and what pytest prints."""
        done = subprocess.run(
            # The plugin may be installed as well, and is one.
            [sys.executable, "-m", "pytest", "-p", "no:theater", "-p", "theater.testing.plugin",
             "-p", "no:cacheprovider", *arguments],
            cwd=directory,
            env=self.env,
            capture_output=True,
            timeout=WAIT_S,
        )  # fmt: skip
        return done.returncode, done.stdout.decode() + done.stderr.decode()

    def ask(self, actor: str, *bodies: bytes | str) -> None:
        """Requests, one after the other, whatever the answers are; without a command for each."""
        with System(str(self.data)) as system:
            for body in bodies:
                with contextlib.suppress(NotDelivered):
                    system.request(actor, body.encode() if isinstance(body, str) else body, 30.0)

    def popen(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            self.command(*arguments), cwd=self.directory, env=self.env, **options
        )
        self._open.append(process)
        return process

    def terminal(self, *arguments: str, **env: str) -> Terminal:
        terminal = Terminal(self.command(*arguments), self.directory, {**self.env, **env})
        self._open.append(terminal)
        return terminal

    def processes(self) -> list[int]:
        """Every living process of a test, by the mark in its environment."""
        wanted = f"{MARK}={self.mark}".encode()
        found = []
        for entry in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if entry.isdigit():
                    environment = Path(f"/proc/{entry}/environ").read_bytes()
                    if wanted in environment.split(b"\0"):
                        found.append(int(entry))
        return found

    def end(self) -> None:
        try:
            if self.processes():
                self.run("down", "--kill")
        finally:
            for each in self._open:
                if isinstance(each, Terminal):
                    each.close()
                else:
                    each.kill()
                    each.communicate()
        eventually(lambda: not self.processes(), "every process to be gone")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def home(tmp_path: Path, cache: Path) -> Iterator[Home]:
    home = Home(tmp_path, cache)
    yield home
    home.end()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Home]:
    """A system that runs for all tests of a module."""
    home = Home(tmp_path_factory.mktemp("running"), cache)
    home.write(actor("probe"), actor("counter", "counter.wat"))
    try:
        home.out("up", "-d")
        yield home
        assert home.out("down") == ""
    finally:
        home.end()
