"""What `theater ps` shows of the actors."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from theater.supervisor import policy
from theater.supervisor.orders import Phase
from theater.supervisor.reaper import Process


def actor_rows(
    state: policy.State,
    processes: Mapping[str, Process],
    started_at: Mapping[str, float],
    unresponsive: set[str],
    mailboxes: Mapping[str, Mapping[str, int]],
) -> list[dict[str, Any]]:
    """One map per actor, in manifest order. `started_at`: Unix time of the last fork."""
    now = time.time()
    rows = []
    for row in policy.rows(state):
        process = processes.get(row.path)
        phase = Phase.UNRESPONSIVE if row.path in unresponsive else row.phase
        rows.append(
            {
                "actor": row.path,
                "pid": process.pid if process else None,
                "incarnation": row.incarnation,
                "status": phase.value,
                "restarts": row.restarts,
                "mailbox": mailboxes.get(row.path, {}).get("messages"),
                "restart_type": row.restart_type,
                "supervisor": row.supervisor,
                "reason": row.reason,
                "uptime_s": round(now - started_at[row.path], 3) if process else None,
                "memory_bytes": own_memory(process.pid) if process else None,
            }
        )
    return rows


def own_memory(pid: int) -> int | None:
    """Memory that is the process's own, not shared with the zygote or the cache, in bytes."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            private = [line.split()[1] for line in file if line.startswith("Private_")]
        return 1024 * sum(map(int, private))
    except OSError:
        return None
