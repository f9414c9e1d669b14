"""`theater verify`: recompute what is hashed and signed of a log, or of a chain file."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from theater.cli.fsck import DAMAGED, teller
from theater.cli.place import Place
from theater.cli.status import number_of
from theater.cli.terminal import Terminal
from theater.errors import NotRunning
from theater.fsck.findings import Tell
from theater.paths import DataPaths
from theater.verify.verify import Summary


def verify(
    terminal: Terminal,
    place: Place,
    file: Path | None,
    heads: Sequence[Path],
    keys: Sequence[Path],
    show: bool,
    as_json: bool,
) -> int:
    """One line for each problem, then what was verified. The exit code."""
    tell = teller(terminal, as_json)
    if file is not None:
        return _chain_file(terminal, str(file), tell, show, as_json)
    from theater.verify.verify import verify as verify_log

    paths = DataPaths(os.path.dirname(place.log_path()))
    try:
        summary = verify_log(
            paths,
            tell,
            lambda text: terminal.progress(text, passing=True),
            list(map(str, heads)),
            list(map(str, keys)),
        )
    except NotRunning:
        raise place.never_ran() from None
    if as_json:
        terminal.print(json.dumps({"kind": "summary", **asdict(summary)}))
    else:
        for line in told(summary):
            terminal.print(line)
    return DAMAGED if summary.problems else 0


def told(summary: Summary) -> list[str]:
    counts = (
        (summary.actors, "chain"),
        (summary.events, "event"),
        (summary.contents, "content"),
        (summary.heads, "tree head"),
    )
    seen = ", ".join(number_of(*count) for count in counts)
    if summary.problems:
        return [f"{seen}: {number_of(summary.problems, 'problem')}"]
    until = f" up to event {summary.size:,}" if summary.went_on else ""
    lines = [f"{seen}: verified{until}"]
    if summary.signed < summary.size:
        left = summary.size - summary.signed
        which = f"of these events the last {left:,} are" if summary.signed else "these events are"
        lines.append(f"note: {which} not signed yet; where it ran, `theater head` does it")
    return lines


def _chain_file(terminal: Terminal, name: str, tell: Tell, show: bool, as_json: bool) -> int:
    from theater.verify import upstream

    def shown(number: int, event: upstream.ChainEvent) -> None:
        """As the original writes a chain as text."""
        parent = None if event.parent is None else event.parent.hex()
        hash, told = event.hash.hex(), event.told()
        if as_json:
            facts = {"event": number, "hash": hash, "parent": parent, "type": event.type}
            terminal.print(json.dumps({"kind": "event", **facts, "text": told}))
        else:
            terminal.print(f"---\nhash: {hash}\nparent: {parent or 'root'}\n{told}")

    def progress(text: str) -> None:
        terminal.progress(text, passing=True)

    summary = upstream.verify(name, tell, progress, shown if show else lambda _number, _event: None)
    if as_json:
        terminal.print(json.dumps({"kind": "summary", **asdict(summary)}))
    elif summary.problems:
        problems = number_of(summary.problems, "problem")
        terminal.print(f"{number_of(summary.events, 'event')}: {problems}")
    else:
        head = f", head {summary.head}" if summary.head else ""
        terminal.print(f"{number_of(summary.events, 'event')}: verified{head}")
    return DAMAGED if summary.problems else 0
