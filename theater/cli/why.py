"""`theater why-restarted`: what the log says about the last starts, and why something is down."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from theater.causes import accounts
from theater.cli.account import account_json, tell
from theater.cli.place import Place, meant
from theater.cli.status import status
from theater.cli.terminal import Terminal
from theater.errors import NotRunning, TheaterError
from theater.facts import ROOT

if TYPE_CHECKING:
    from theater.client.reader import LogReader


def why_restarted(terminal: Terminal, place: Place, name: str, count: int, as_json: bool) -> None:
    from theater.client.children import is_up
    from theater.client.history import History

    log = place.reader()
    try:
        name = _known(log, name)
        nodes = _nodes(place)
        node = (nodes or {}).get(name)
        runs = is_up(node) if node is not None else place.is_run and _ran_on(log, name)
        found = accounts(History(log), name, count, runs)
        told = "" if node is None else status(node)
        if as_json:
            shown = {
                "name": name,
                "status": None if node is None else node["status"],
                "accounts": [account_json(account) for account in found],
            }
            terminal.print(json.dumps(shown, indent=2))
            return
        windows = {
            path: node["restarts_left"]
            for path, node in (nodes or {}).items()
            if "restarts_left" in node  # a supervisor, or an actor that may spawn
        }
        for number, account in enumerate(found):
            if number:
                terminal.print("")
            last = account is found[-1]
            for line in tell(
                account,
                log,
                terminal.out,
                time.time(),
                windows if last else {},
                told,
            ):
                terminal.print(line)
        if not found:
            terminal.print(f"{name} has not been restarted, as far as the log goes back")
        if nodes is None:
            terminal.note("no system is running: this is what the log says")
    finally:
        log.close()


def _ran_on(log: LogReader, name: str) -> bool:
    """Whether an actor still ran when its run was recorded: then nobody need say why not."""
    rows = log.query(
        "SELECT i.ended_at FROM incarnations i JOIN actors a ON a.id = i.actor WHERE a.name = ?"
        " ORDER BY i.incarnation DESC LIMIT 1",
        name,
    )
    return bool(rows) and rows[0][0] is None


def _nodes(place: Place) -> dict[str, dict[str, Any]] | None:
    """The tree of the running system, by the names of the log; None: there is none."""
    try:
        control = place.control()
    except NotRunning:
        return None
    try:
        nodes = control.ask("tree", timeout_s=30.0)["nodes"]
    except NotRunning:
        return None
    finally:
        control.close()
    return {node["path"] or ROOT: node for node in nodes}


def _known(log: LogReader, name: str) -> str:
    """What the log calls it; TheaterError if it does not know it."""
    known = [*log.actors(), *log.supervisors()]
    wanted = name.rstrip("/") or ROOT
    if wanted not in known:
        from theater.quoting import quoted

        hint = meant(name, known)
        raise TheaterError(f"the log knows no actor or supervisor {quoted(name)}{hint}")
    return wanted
