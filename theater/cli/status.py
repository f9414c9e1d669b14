"""`theater ps`: what runs, in a table or as JSON."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Mapping
from typing import Any

from theater.cli.place import Place
from theater.cli.terminal import BOLD, DIM, RED, YELLOW, Stream, Terminal, table
from theater.harmless import shortened, visible

COLUMNS = ("ACTOR", "STATUS", "PID", "INC", "RESTARTS", "MAILBOX", "UPTIME", "MEMORY", "REASON")
RIGHT = frozenset({2, 3, 4, 5, 6, 7})
REASON_MIN = 30  # a terminal with less room for it shows reasons below their actors
STATUS_COLOURS = {"failed": RED, "unresponsive": RED, "restarting": YELLOW, "starting": YELLOW}


def ps(terminal: Terminal, place: Place, as_json: bool) -> None:
    control = place.control()
    try:
        answer = control.ask("ps", timeout_s=30.0)
    finally:
        control.close()
    troubles = [trouble(each, time.time()) for each in answer["troubles"]]
    if as_json:
        for line in troubles:
            terminal.note(line, RED)
        terminal.print(json.dumps(answer["actors"], indent=2))
        return
    for line in troubles:
        terminal.print(terminal.out.style(visible(line), RED))
    for line in listing(answer["actors"], terminal.out):
        terminal.print(line)


def trouble(found: Mapping[str, Any], now: float) -> str:
    """What is wrong with the system as a whole, and since when, in one line."""
    text, since = f"{found['what']}; {found['todo']}", found["since"]
    if since is None:
        return f"! {text}"
    clock = datetime.datetime.fromtimestamp(since).strftime("%H:%M:%S")
    return f"! {text} (since {clock}, for {duration(max(0.0, now - since))})"


def _reason(row: dict[str, Any]) -> str:
    """Why it is not running, or what it died of before; that somebody once stopped one that runs
    again is no news."""
    reason = visible(row.get("reason") or "")
    return "" if reason == "stopped" and row["status"] == "running" else reason


def listing(actors: list[dict[str, Any]], stream: Stream) -> list[str]:
    """The table's lines."""
    width = stream.width()
    cells = [_cells(row) for row in actors]
    reasons = [_reason(row) for row in actors]
    lines = table(COLUMNS[:-1], cells, RIGHT)
    used = max(len(line) for line in lines)
    beside = width is None or width - used - 2 >= REASON_MIN
    shown = []
    for index, line in enumerate(lines):
        reason = "" if index == 0 else reasons[index - 1]
        if index == 0:
            head = f"{line.ljust(used)}  {COLUMNS[-1]}" if beside and any(reasons) else line
            shown.append(stream.style(head, BOLD))
            continue
        text = _coloured(line, str(actors[index - 1]["status"]), stream)
        if not reason:
            shown.append(text)
        elif beside:
            cut = shortened(reason, None if width is None else width - used - 2)
            shown.append(f"{text}{' ' * (used - len(line))}  {stream.style(cut, DIM)}")
        else:
            assert width is not None
            below = shortened(f"  last ended: {reason}", max(width, 40))
            shown += [text, stream.style(below, DIM)]
    return shown


def _coloured(line: str, status: str, stream: Stream) -> str:
    colour = STATUS_COLOURS.get(status)
    if colour is None:
        return line
    before, found, after = line.partition(f" {status}")
    return before + stream.style(found, colour) + after


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        visible(str(row["actor"])),
        status(row),
        _or_dash(row.get("pid")),
        _or_dash(row.get("incarnation")),
        _or_dash(row.get("restarts")),
        _or_dash(row.get("mailbox")),
        duration(row.get("uptime_s")),
        size(row.get("memory_bytes")),
    ]


def status(row: Mapping[str, Any]) -> str:
    """With the time until the next attempt, if a backoff makes it wait."""
    told, retry_in_s = visible(str(row["status"])), row.get("retry_in_s")
    return told if retry_in_s is None else f"{told} in {duration(retry_in_s)}"


def _or_dash(value: Any) -> str:
    return "-" if value is None else str(value)


def duration(seconds: float | None) -> str:
    """3s, 12m, 5h, 3d: how long, as exact as anybody wants to know."""
    if seconds is None:
        return "-"
    for unit_s, name in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * unit_s:
            return f"{int(seconds // unit_s)}{name}"
    return f"{int(seconds)}s"


def size(count: float | None) -> str:
    """Bytes as 812 kB, 5.3 MB."""
    if count is None:
        return "-"
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count / 1e3:.0f} kB"


def number_of(count: int, noun: str) -> str:
    """1 event, 1,200 events."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
