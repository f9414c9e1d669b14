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
from typing import IO

from theater import linux
from theater.project.job import BuildFailed, Progress

TIMEOUT_S = 900.0  # fetching crates and compiling them can take long; a tool that hangs, for ever
ANSWER_S = 60.0  # to say which version it is
SAID_FIRST_LINES, SAID_LAST_LINES = 16, 16  # the first error, and what it came to
SAID_MAX_BYTES = 16 << 20  # its end is what is read: cargo says last what it has built
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
        """What it has written to stdout. BuildFailed with all that it has said, as `clean` leaves
        it, if it fails."""
        what = what or self._what
        self._on_progress(what)
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            status = self._run(command, cwd, env, what, (output.fileno(), errors.fileno()))
            if status == 0:
                return _end_of(output)
            said = shortened(clean(_end_of(output) + _end_of(errors)))
        how = f"killed by {linux.signal_name(-status)}" if status < 0 else f"status {status}"
        raise BuildFailed(f"{what} failed:\n{said}" if said else f"{what} failed: {how}")

    def _run(
        self,
        command: list[str],
        cwd: Path,
        env: Mapping[str, str] | None,
        what: str,
        outputs: tuple[int, int],
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
            stdout=outputs[0],
            stderr=outputs[1],
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


def answer(command: list[str], directory: Path | None = None) -> str | None:
    """What a short question is answered (`cargo --version`); None if the tool is not there, fails,
    or has nothing to say."""
    try:
        ended = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=ANSWER_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout.strip() or None if ended.returncode == 0 else None


def _end_of(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - SAID_MAX_BYTES, 0))
    return file.read().decode(errors="replace")


def shortened(said: str) -> str:
    """Its first and its last lines."""
    lines = [line.rstrip() for line in said.strip().splitlines()]
    more = len(lines) - SAID_FIRST_LINES - SAID_LAST_LINES
    if more > 1:
        lines[SAID_FIRST_LINES:-SAID_LAST_LINES] = [f"... {more} lines more ..."]
    return "\n".join(lines)
