"""What a system at rest is: nothing is on its way, and everybody runs who should."""

from __future__ import annotations

import contextlib

import psutil

from theater.client import System


def is_at_rest(system: System) -> bool:
    return all_run(system) and not something_waits(system)


def all_run(system: System) -> bool:
    info = system.info()
    rows = info["actors"]
    if not all(row["status"] == "running" and lives(row["pid"]) for row in rows):
        return False
    return all(map(lives, info["helpers"].values()))


def something_waits(system: System) -> bool:
    return bool(
        system.log.query(
            "SELECT 1 FROM messages WHERE status = 'queued'"
            " UNION ALL SELECT 1 FROM turns WHERE status IN ('open', 'waiting')"
        )
    )


def lives(pid: int | None) -> bool:
    with contextlib.suppress(psutil.Error):
        return pid is not None and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False
