"""How much memory a process has taken."""

from __future__ import annotations

from pathlib import Path


def peak_mib() -> int:
    """The most that this process has had resident since it was started. What getrusage tells begins
    with what the process had that it was forked from."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) >> 10
