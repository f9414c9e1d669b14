"""`theater doctor`: what this machine has and lacks, with what to do about it."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from theater.cli.terminal import BOLD, DIM, RED, YELLOW, Stream, Terminal
from theater.errors import EnvironmentProblem
from theater.project import doctor as module
from theater.project.findings import RUN, Finding, State
from theater.values import visible

_COLOURS = {State.OK: DIM, State.NOTE: YELLOW, State.MISSING: RED}
_NAME_WIDTH = 17
_STATE_WIDTH = max(map(len, State))
WIDTH_MIN = 50


def doctor(terminal: Terminal, as_json: bool) -> None:
    """EnvironmentProblem's exit code, if something is missing that running needs."""
    terminal.progress("looking ...", passing=True)
    found = list(module.findings(Path(os.curdir).absolute()))
    can_run = module.can_run(found)
    if as_json:
        rows = [{**asdict(each), "needed_to_run": each.area == RUN} for each in found]
        terminal.print(json.dumps(rows, indent=2))
    else:
        for line in lines(found, terminal.out):
            terminal.print(line)
        terminal.print("")
        terminal.print(visible(verdict(found)))
    if not can_run:
        terminal.flush()
        raise SystemExit(EnvironmentProblem.exit_code)


def lines(found: list[Finding], stream: Stream) -> Iterator[str]:
    """By what it is needed for; what is to be done stands below what was found."""
    width = max(stream.width() or 10**6, WIDTH_MIN)
    indent = " " * (4 + _STATE_WIDTH + _NAME_WIDTH)
    area = ""
    for each in found:
        if each.area != area:
            if area:
                yield ""
            area = each.area
            yield stream.style(area, BOLD)
        state = stream.style(each.state.ljust(_STATE_WIDTH), _COLOURS[each.state])
        head = f"  {state}  {each.name.ljust(_NAME_WIDTH)}"
        texts = [visible(each.found), *([visible(each.todo)] if each.todo else [])]
        for text in texts:
            for line in textwrap.wrap(
                text, width - len(indent), break_long_words=False, break_on_hyphens=False
            ) or [""]:
                yield f"{head}{line}".rstrip()
                head = indent


def verdict(found: list[Finding]) -> str:
    lacking = [each.name for each in found if each.area == RUN and each.state is State.MISSING]
    if lacking:
        return f"actors cannot run here before this is mended: {', '.join(lacking)}"
    broken = {each.area for each in found if each.state is State.MISSING}
    areas = dict.fromkeys(each.area for each in found if each.area != RUN)
    built = [area.removeprefix("to build actors in ") for area in areas if area not in broken]
    return f"ok: actors run here; they can be built in {', '.join(built)}"
