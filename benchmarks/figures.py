"""What Theater itself needs, measured on real systems. Seconds unless it says otherwise."""

from __future__ import annotations

import os
import signal
import statistics
import time
from functools import partial
from pathlib import Path
from typing import Any

from theater.client import System

COMPONENTS = Path(__file__).parent.parent / "tests" / "components"
BODY = b"x" * 100
PER_TURN = 100  # messages that a sender sends in one turn


def manifest(directory: Path, durability: str, actors: dict[str, str], extra: str = "") -> Path:
    """A system of these actors (name -> component), all allowed to talk to each other."""
    text = [f'name = "bench"\ndurability = "{durability}"\n[supervisor]\nintensity = 1000\n']
    for name, component in actors.items():
        text.append(
            f'[[child]]\nname = "{name}"\ncomponent = "{COMPONENTS / component}"\n'
            'handler = [{ type = "runtime" }, { type = "message-server" }]\n'
            f'mailbox = {{ max_messages = 1_000_000, max_bytes = "512MiB" }}\n{extra}'
        )
    file = directory / "manifest.toml"
    file.write_text("\n".join(text))
    return file


def start_times(system: System, actor: str) -> list[float]:
    """From root's order to fork to ready, of each incarnation of an actor, by the log."""
    rows = system.log.query(
        "SELECT ready_at - started_at FROM incarnations i JOIN actors a ON a.id = i.actor"
        " WHERE a.name = ? AND ready_at IS NOT NULL ORDER BY incarnation",
        actor,
    )
    return [row[0] for row in rows]


def spawn_to_ready(directory: Path, durability: str, count: int) -> list[float]:
    """First starts of `count` small actors, init and its commit included."""
    actors = {f"a{number}": "minimal.wat" for number in range(count)}
    with System.start(manifest(directory, durability, actors)) as system:
        return [time_s for name in actors for time_s in start_times(system, name)]


def kill_to_ready(directory: Path, durability: str, count: int) -> list[float]:
    """From SIGKILL until the broker has taken the next incarnation, by the log's clock."""
    samples = []
    with System.start(manifest(directory, durability, {"a": "minimal.wat"})) as system:
        for _ in range(count):
            row = system.actor("a")
            killed_at = time.time()
            os.kill(row["pid"], signal.SIGKILL)
            next_ready = partial(
                system.log.query,
                "SELECT ready_at FROM incarnations WHERE incarnation = ? AND ready_at IS NOT NULL",
                row["incarnation"] + 1,
            )
            ready: list[Any] = system.wait_for(next_ready, "the next incarnation")
            samples.append(ready[0][0] - killed_at)
            system.wait_status("a", "running")
    return samples


def one_way_rates(directory: Path, durability: str, count: int) -> list[float]:
    """Recorded turns a second of an actor that takes what another sends: 100 bytes each."""
    actors = {"sink": "sink.wat", "burst": "burst.wat"}
    with System.start(manifest(directory, durability, actors)) as system:
        command = b"%d sink %s" % (PER_TURN, BODY)
        before = time.perf_counter()
        system.send_many("burst", [command] * (count // PER_TURN))
        wanted = count + 1  # and its init
        system.wait_for(
            lambda: system.log.query("SELECT max(turn) FROM turns WHERE actor = 1")[0][0] >= wanted,
            "all turns",
            300.0,
        )
        return [count / (time.perf_counter() - before)]


def actor_round_trips(directory: Path, durability: str, count: int) -> list[float]:
    """Requests of one actor to another, ten in a turn; seconds for one, turn by turn."""
    actors = {"sink": "sink.wat", "burst": "burst.wat"}
    samples = []
    with System.start(manifest(directory, durability, actors)) as system:
        for _ in range(count // 10):
            before = time.perf_counter()
            system.request("burst", b"10 sink " + BODY, timeout_s=60.0)
            samples.append((time.perf_counter() - before) / 10)
    return samples


def client_round_trips(directory: Path, durability: str, count: int) -> list[float]:
    """Requests of a client to an actor."""
    samples = []
    with System.start(manifest(directory, durability, {"sink": "sink.wat"})) as system:
        for _ in range(count):
            before = time.perf_counter()
            system.request("sink", BODY)
            samples.append(time.perf_counter() - before)
    return samples


def idle_memory(directory: Path, count: int) -> list[float]:
    """Bytes of its own (not shared) that an idle actor's process takes."""
    actors = {f"a{number}": "counter.wat" for number in range(count)}
    with System.start(manifest(directory, "process", actors)) as system:
        return [row["memory_bytes"] for row in system.ps()]


def spread(samples: list[float]) -> tuple[float, float, float]:
    """The 10th percentile, the median and the 90th percentile."""
    if len(samples) < 3:
        return min(samples), statistics.median(samples), max(samples)
    cuts = statistics.quantiles(samples, n=10, method="inclusive")
    return cuts[0], statistics.median(samples), cuts[-1]
