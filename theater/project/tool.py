"""Run a build tool: in a process group of its own that ends with us, with progress, and its last
words cut to what can be read."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from theater import linux
from theater.project.job import BuildFailed, Progress

TIMEOUT_S = 900.0  # fetching crates and compiling them can take long; a tool that hangs, for ever
SAID_MAX_LINES = 30
SAID_MAX_BYTES = 1 << 20
_LOOK_S = 0.5


class Tools:
    """Runs one tool after the other, and says which one works."""

    def __init__(self, what: str, on_progress: Progress) -> None:
        self._what = what  # "building hello.py with componentize-py 0.25.1"
        self._on_progress = on_progress
        self._started_s = time.monotonic()

    def __call__(
        self,
        command: list[str],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        what: str = "",
        clean: Callable[[str], str] = str,
    ) -> str:
        """What it has written. BuildFailed with the same, as `clean` leaves it, if it fails."""
        what = what or self._what
        self._on_progress(what)
        with tempfile.TemporaryFile() as output:
            status = self._run(command, cwd, env, what, output.fileno())
            output.seek(0)
            said = output.read(SAID_MAX_BYTES).decode(errors="replace")
        if status != 0:
            how = f"killed by {linux.signal_name(-status)}" if status < 0 else f"status {status}"
            said = shortened(clean(said))
            raise BuildFailed(f"{what} failed:\n{said}" if said else f"{what} failed: {how}")
        return said

    def _run(
        self, command: list[str], cwd: Path, env: Mapping[str, str] | None, what: str, output: int
    ) -> int:
        parent = os.getpid()

        def bind() -> None:
            linux.die_with_parent()
            if os.getppid() != parent:
                os._exit(1)

        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=None if env is None else {**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=bind,  # we have no threads
            process_group=0,  # so that whatever it starts can be ended with it
        )
        try:
            started_s = time.monotonic()
            while True:
                try:
                    return process.wait(_LOOK_S)
                except subprocess.TimeoutExpired:
                    pass
                self._on_progress(f"{what} ... {time.monotonic() - self._started_s:.0f} s")
                if time.monotonic() - started_s > TIMEOUT_S:
                    raise BuildFailed(f"{command[0]} did not end within {TIMEOUT_S:g} s; killed")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def shortened(said: str) -> str:
    """Its last lines: the first ones are seldom what matters."""
    lines = [line.rstrip() for line in said.strip().splitlines()]
    if len(lines) > SAID_MAX_LINES:
        lines = [f"... {len(lines) - SAID_MAX_LINES} lines more", *lines[-SAID_MAX_LINES:]]
    return "\n".join(lines)
