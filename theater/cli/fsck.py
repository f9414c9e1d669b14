"""`theater fsck`: check the whole log, also while the system runs."""

from __future__ import annotations

import json
from dataclasses import asdict

from theater.cli.place import Place
from theater.cli.status import number_of
from theater.cli.terminal import Terminal
from theater.errors import NotRunning
from theater.fsck.check import check
from theater.fsck.findings import Note, Problem, Summary, Tell

DAMAGED = 7  # the exit code


def fsck(terminal: Terminal, place: Place, as_json: bool) -> int:
    """One line for each problem, then what was looked at. The exit code."""
    try:
        summary = check(
            place.log_path(),
            teller(terminal, as_json),
            lambda text: terminal.progress(text, passing=True),
        )
    except NotRunning:
        raise place.never_ran() from None
    if as_json:
        terminal.print(json.dumps({"kind": "summary", **asdict(summary)}))
    else:
        terminal.print(told(summary))
    return DAMAGED if summary.problems else 0


def teller(terminal: Terminal, as_json: bool) -> Tell:
    """Print what is found, as text or as JSON."""

    def tell(finding: Problem | Note) -> None:
        kind = "problem" if isinstance(finding, Problem) else "note"
        if as_json:
            terminal.print(json.dumps({"kind": kind, **asdict(finding)}))
        elif isinstance(finding, Note):
            terminal.print(f"note: {finding.text}")
        else:
            terminal.print(str(finding))

    return tell


def told(summary: Summary) -> str:
    counts = (
        (summary.actors, "actor"),
        (summary.events, "event"),
        (summary.contents, "content"),
    )
    seen = ", ".join(number_of(*count) for count in counts)
    until = f" up to event {summary.last_seq:,}" if summary.went_on else ""
    if summary.problems:
        return f"{seen}{until}: {number_of(summary.problems, 'problem')}"
    return f"{seen}: whole{until}"
