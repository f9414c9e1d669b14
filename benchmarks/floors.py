"""What the machine gives without Theater: the floors that figures are compared with.

The processes behind them stay between rounds, so that a floor can be taken at any moment beside
its figure. Seconds unless it says otherwise.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import theater

REPOSITORY = Path(__file__).parent.parent
SPAWN_FLOOR = "warm fork + map + instantiate + first call"
ROUTER_FLOOR = "raw Python ROUTER, one hop"
TRIP_FLOOR = "raw Python ROUTER, round trip"
FORK_FLOOR = "bare fork of the same Python"
PYTHON_FLOOR = "a Python that does nothing"


class Helper:
    """A process of `benchmarks.helper`; ends when its stdin does, or with us."""

    def __init__(self, role: str, *arguments: str) -> None:
        paths = [str(REPOSITORY), str(Path(theater.__file__).parent.parent)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.helper", role, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )

    def tell(self, do: str, **arguments: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a process of the floors has died; its words are above")
        return json.loads(line)

    def ask(self, do: str, **arguments: Any) -> Any:
        self.tell(do, **arguments)
        return self.hear()

    def close(self, patience_s: float = 5.0) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class ForkFloor:
    """As warm a process as the zygote, that forks: no broker, no supervisor, no socket."""

    PARTS = ("fork", "map, link, instantiate", "first call")

    def __init__(self, artifact: str) -> None:
        self._artifact = artifact
        self._helper = Helper("fork")
        self.parts: dict[str, list[float]] = {name: [] for name in self.PARTS}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._helper.close()

    def starts(self, count: int) -> list[float]:
        """From before the fork until the parent knows that the first call is done."""
        samples = []
        starts = self._helper.ask("start", artifact=self._artifact, count=count)
        for whole, *parts in starts:
            samples.append(whole)
            for name, part in zip(self.PARTS, parts, strict=True):
                self.parts[name].append(part)
        return samples

    def bare_bytes(self, count: int) -> list[int]:
        """Private bytes of forked processes that do nothing."""
        sizes: list[int] = self._helper.ask("hold", artifact="", count=count)
        return sizes

    def instance_bytes(self, artifact: str, count: int) -> list[int]:
        """Private bytes of forked processes with an instance that has been called once."""
        sizes: list[int] = self._helper.ask("hold", artifact=artifact, count=count)
        return sizes


class RouterFloor:
    """Sender, ROUTER and receiver, each a Python process, over ipc."""

    def __init__(self, directory: Path) -> None:
        endpoint = f"ipc://{directory}/router"
        self._router = Helper("router", endpoint)
        self._sender = Helper("sender", endpoint)
        self._receiver = Helper("receiver", endpoint)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sender.tell("end")
        for helper in (self._sender, self._receiver, self._router):
            helper.close()

    def rate(self, count: int, size: int) -> float:
        """Messages a second, one hop."""
        self._receiver.tell("take", count=count)
        self._sender.ask("send", count=count, size=size)
        rate: float = self._receiver.hear()
        return rate

    def round_trips(self, count: int, size: int) -> list[float]:
        self._receiver.tell("echo", count=count)
        samples: list[float] = self._sender.ask("ask", count=count, size=size)
        self._receiver.hear()
        return samples


def sync_samples(directory: Path, count: int) -> list[float]:
    """One append of 4 KiB and its fdatasync, on the disk where the data lie."""
    path = directory / "sync"
    samples = []
    with path.open("wb", buffering=0) as file:
        for _ in range(count):
            file.write(b"x" * 4096)
            before_s = time.monotonic()
            os.fdatasync(file.fileno())
            samples.append(time.monotonic() - before_s)
    path.unlink()
    return samples
