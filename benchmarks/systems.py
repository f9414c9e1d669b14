"""Real systems to measure: a manifest written, a system started, its log asked."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from theater.client import System

ROOT = Path(__file__).parent.parent
COMPONENTS = ROOT / "tests" / "components"
BARE = Path(__file__).parent / "bare"
DURABILITIES = ("process", "disk")
WAIT_S = 120.0
LOOK_S = 0.02  # between two looks into the log: seldom enough to leave the cores to the system


@dataclass(frozen=True, slots=True)
class FirstStarts:
    """How long first starts took, `init` included, as root and as the log saw them. Seconds."""

    by_root: list[float]
    by_log: list[float]


def write_manifest(
    directory: Path,
    durability: str,
    actors: Iterable[tuple[str, str]],
    keys: Mapping[str, str] | None = None,
) -> Path:
    """A system of these (name, component), each allowed to send to all of them.

    `keys`: more lines of the manifest, by name. Mailboxes are as good as without a bound otherwise.
    """
    text = [f'name = "bench"\ndurability = "{durability}"\n[supervisor]\nintensity = 10_000\n']
    for name, component in actors:
        text.append(
            f'[[child]]\nname = "{name}"\ncomponent = "{COMPONENTS / component}"\n'
            'handler = [{ type = "runtime" }, { type = "message-server" }]\n'
            'request_timeout = "60s"\n'
            + (keys or {}).get(name, 'mailbox = { max_messages = 1_000_000, max_bytes = "512MiB" }')
        )
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "manifest.toml"
    file.write_text("\n".join(text))
    return file


def start(
    directory: Path,
    durability: str,
    actors: Iterable[tuple[str, str]],
    keys: Mapping[str, str] | None = None,
) -> System:
    return System.start(write_manifest(directory, durability, actors, keys))


def start_bare(directory: Path, actors: Iterable[tuple[str, str]]) -> System:
    """As `start`; but its log is in memory, and nothing of it is hashed: see `bare`."""
    file = write_manifest(directory, "process", actors)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(BARE), *([before] if before else [])])
    try:
        return System.start(file)
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def first_starts(directory: Path, durability: str, count: int) -> FirstStarts:
    """Start a system of `count` small actors. They start one after the other.

    By root: from one order to fork to the next, which is given once the actor before is ready
    and its init committed. By the log: from that order's arrival at the broker until the broker
    has the step that ends init; the commit is not in it. The very first start is left out: it
    waits for the zygote's imports.
    """
    names = [f"a{number}" for number in range(count + 1)]  # nobody follows the last
    told: list[float] = []

    def hear(event: dict[str, Any]) -> None:
        if event["event"] in ("starting", "ready"):
            told.append(time.monotonic())

    file = write_manifest(directory, durability, [(name, "minimal.wat") for name in names])
    with System.start(file, on_event=hear) as system:
        rows = system.log.query(
            "SELECT ready_at - started_at FROM incarnations WHERE incarnation = 1 ORDER BY actor"
        )
    by_root = [after - before for before, after in itertools.pairwise(told[1:])]
    return FirstStarts(by_root[:count], [row[0] for row in rows][1:])


def kill_to_ready(system: System, actor: str) -> float:
    """Kill an actor: seconds until the broker has its next incarnation's HELLO, by one clock."""
    row = system.wait_status(actor, "running")
    killed_at = time.time()
    os.kill(row["pid"], signal.SIGKILL)
    sql = (
        "SELECT i.ready_at FROM incarnations i JOIN actors a ON a.id = i.actor"
        " WHERE a.name = ? AND i.incarnation = ? AND i.ready_at IS NOT NULL"
    )
    return float(_wait(system, sql, actor, row["incarnation"] + 1)[0]) - killed_at


def kill_all_to_ready(system: System) -> float:
    """Kill all actors at once: seconds until the last of them is ready again."""
    pids = [system.wait_status(row["actor"], "running")["pid"] for row in system.ps()]
    killed_at = time.time()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    sql = "SELECT max(ready_at) FROM incarnations WHERE ready_at > ? HAVING count(*) = ?"
    return float(_wait(system, sql, killed_at, len(pids))[0]) - killed_at


def turns_of(system: System, actor: str) -> int:
    """How many turns this actor has done."""
    rows = system.log.query(
        "SELECT t.turn FROM turns t JOIN actors a ON a.id = t.actor WHERE a.name = ?"
        " ORDER BY t.turn DESC LIMIT 1",
        actor,
    )
    return int(rows[0][0]) if rows else 0


def turn_done_at(system: System, actor: str, turn: int) -> float:
    """The Unix time of the commit of this turn; waits for it, and looks seldom."""
    sql = (
        "SELECT t.at FROM turns t JOIN actors a ON a.id = t.actor"
        " WHERE a.name = ? AND t.turn = ? AND t.status = 'done'"
    )
    return float(_wait(system, sql, actor, turn)[0])


def turns_between(system: System, from_at: float, to_at: float) -> dict[str, int]:
    """How many turns each actor has done from one Unix time to another."""
    sql = (
        "SELECT a.name, count(*) FROM turns t JOIN actors a ON a.id = t.actor"
        " WHERE t.at > ? AND t.at <= ? AND t.status = 'done' GROUP BY t.actor"
    )
    return dict(system.log.query(sql, from_at, to_at))


def relayed(system: System, first: str, last: str) -> list[tuple[float, float]]:
    """When `first` was sent each message, and when `last` had done what came of it; Unix times."""
    sql = (
        "SELECT m.at, t.at FROM messages n JOIN actors a ON a.id = n.from_actor"
        " JOIN messages m ON m.to_actor = n.from_actor AND m.turn = n.from_turn"
        " JOIN turns t ON t.actor = n.to_actor AND t.message = n.id"
        " WHERE a.name = ? AND n.to_name = ? AND t.status = 'done' ORDER BY m.id"
    )
    return [tuple(row) for row in system.log.query(sql, first, last)]


def _wait(system: System, sql: str, *parameters: Any) -> tuple[Any, ...]:
    deadline_s = time.monotonic() + WAIT_S
    while time.monotonic() < deadline_s:
        time.sleep(LOOK_S)
        rows = system.log.query(sql, *parameters)
        if rows:
            row: tuple[Any, ...] = rows[0]
            return row
    raise RuntimeError(f"waited {WAIT_S:g} s in vain for {parameters}")
