"""What the control socket shows of the tree, as plain data. See `view` for what is known of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from theater.spec import ActorSpec, ChildSpec, plain
from theater.supervisor import policy, view
from theater.supervisor.orders import Phase
from theater.supervisor.reload import Plan
from theater.supervisor.workers import Workers


def actor_rows(
    state: policy.State,
    workers: Workers,
    now_s: float,
    mailboxes: Mapping[str, Mapping[str, int]],
) -> list[dict[str, Any]]:
    """For `ps`: one map per actor, in the order of the tree."""
    rows = []
    for row in policy.rows(state):
        process = workers.processes.get(row.path)
        rows.append(
            {
                "actor": row.path,
                "pid": process.pid if process else None,
                "incarnation": row.incarnation,
                "status": _status(row, workers),
                "restarts": row.restarts,
                "mailbox": mailboxes.get(row.path, {}).get("messages"),
                "restart_type": row.restart_type,
                "supervisor": row.supervisor,
                "reason": row.reason,
                "retry_in_s": _seconds_to(row.retry_s, now_s),
                "uptime_s": _uptime_s(row.path, workers) if process else None,
                "memory_bytes": own_memory(process.pid) if process else None,
            }
        )
    return rows


def nodes(state: policy.State, workers: Workers, now_s: float) -> list[dict[str, Any]]:
    """For `tree`: one map per supervisor and actor, each before what is under it.

    `age_s`: how long it has been in its status. An actor that may spawn has, as a supervisor has,
    how what it spawns is supervised.
    """
    found: list[dict[str, Any]] = []
    for row in view.tree_rows(state, now_s):
        node: dict[str, Any] = {
            "path": row.path,
            "type": "supervisor" if isinstance(row, policy.SupervisorRow) else "actor",
            "supervisor": row.supervisor,
            "status": _status(row, workers),
            "age_s": max(0.0, round(now_s - row.since_s, 3)),
            "reason": row.reason,
            "restart_type": row.restart_type,
            "restarts": row.restarts,
            "significant": row.significant,
            "retry_in_s": _seconds_to(row.retry_s, now_s),
        }
        if isinstance(row, policy.SupervisorRow):
            node |= {
                "strategy": row.strategy,
                "intensity": row.intensity,
                "period_s": row.period_s,
                "restarts_left": row.left,
                "auto_shutdown": row.auto_shutdown,
            }
        else:
            process = workers.processes.get(row.path)
            node |= {"incarnation": row.incarnation, "pid": process.pid if process else None}
            spawns = view.brood_flags(state, row.path, now_s)
            if spawns is not None:
                node |= {
                    "strategy": spawns.strategy,
                    "intensity": spawns.intensity,
                    "period_s": spawns.period_s,
                    "restarts_left": spawns.left,
                }
        found.append(node)
    return found


def _status(row: policy.ActorRow | policy.SupervisorRow, workers: Workers) -> str:
    if row.path in workers.unresponsive and row.phase is Phase.RUNNING:
        return Phase.UNRESPONSIVE.value
    return row.phase.value


def _seconds_to(time_s: float | None, now_s: float) -> float | None:
    return None if time_s is None else max(0.0, round(time_s - now_s, 3))


def _uptime_s(path: str, workers: Workers) -> float:
    return round(time.time() - workers.started_at[path], 3)


def children(state: policy.State, supervisor: str) -> dict[str, Any] | None:
    """OTP's which_children and count_children; None: there is no such supervisor."""
    found = view.which_children(state, supervisor)
    count = view.count_children(state, supervisor)
    if found is None or count is None:
        return None
    return {"children": [asdict(row) for row in found], "count": asdict(count)}


def spec(spec: ChildSpec) -> dict[str, Any]:
    """OTP's get_childspec: everything that was said or left out, with the defaults."""
    shown: dict[str, Any] = plain(spec)
    shown["type"] = "actor" if isinstance(spec, ActorSpec) else "supervisor"
    if "children" in shown:
        shown["children"] = [child["path"] for child in shown["children"]]
    return shown


def plan(plan: Plan) -> list[dict[str, Any]]:
    """The changes of a reload. `at_once`: false, if something holds from the next start on."""
    return [
        {
            "change": change.kind,
            "path": change.path,
            "fields": {name: plain(list(values)) for name, values in change.fields.items()},
            "at_once": change.at_once,
        }
        for change in plan.changes
    ]


def own_memory(pid: int) -> int | None:
    """Memory that is the process's own, not shared with the zygote or the cache, in bytes."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            private = [line.split()[1] for line in file if line.startswith("Private_")]
        return 1024 * sum(map(int, private))
    except OSError:
        return None
