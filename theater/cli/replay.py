"""`theater replay`: run actors again from their record, and tell the first thing that differs."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from theater import difference
from theater.cli.place import Place, Usage, choose_actors
from theater.cli.record import crossing_text
from theater.cli.tally import DIFFERS, Tally, counted, tally_json, told
from theater.cli.terminal import BOLD, DIM, Terminal
from theater.errors import EnvironmentProblem, NotRunning
from theater.replay.recording import Recording
from theater.replay.run import Options, Replayed, Replayer
from theater.replay.slices import Ending
from theater.runs.format import SUFFIX
from theater.values import Content, visible


def replay_command(
    terminal: Terminal,
    place: Place,
    names: list[str],
    first: int | None,
    until: int | None,
    step: bool,
    component: str | None,
    allow_logs: bool,
    as_json: bool,
    timeout_s: float,
) -> int:
    """`names`: actors, and supervisors with all below; before them may stand a recorded run."""
    if first is not None and until is not None and first > until:
        raise Usage(f"--from {first} comes after --until {until}")
    if names and names[0].endswith(SUFFIX):
        if not os.path.isfile(names[0]):
            raise EnvironmentProblem(f"there is no file {names[0]}")
        place, names = replace(place, data=Path(names[0])), names[1:]
    try:
        recording = Recording(place.data_directory())
    except NotRunning:
        raise place.never_ran() from None
    try:
        actors = _actors(recording, names, one=step or component is not None)
        options = Options(
            *(first, until, component, allow_logs, step),
            states=step,
            beyond=until is not None,
            turn_s=timeout_s,
        )
        return replay_all(terminal, recording, actors, options, step, as_json)
    finally:
        recording.close()


def replay_all(
    terminal: Terminal,
    recording: Recording,
    actors: list[str],
    options: Options,
    step: bool = False,
    as_json: bool = False,
) -> int:
    """Tell of each actor in turn. The exit code."""
    with Replayer(recording) as replayer:
        return _replay_all(terminal, recording, replayer, actors, options, step, as_json)


def _replay_all(
    terminal: Terminal,
    recording: Recording,
    replayer: Replayer,
    actors: list[str],
    options: Options,
    step: bool,
    as_json: bool,
) -> int:
    differs = False
    width = max(map(len, actors), default=0)
    for actor in actors:
        tally = Tally(actor)
        progress = functools.partial(terminal.progress, passing=True)
        for item in counted(recording, replayer, tally, options, progress):
            if as_json:
                terminal.print(json.dumps(_run_json(item, recording.log.content)))
            elif step and item.run.turn >= (options.first_turn or 0):
                for line in _step(item, recording, terminal):
                    terminal.print(line)
                if tally.difference is None and not _go_on(terminal):
                    return 0
            elif item.lines:
                for text in item.lines:
                    terminal.print(f"{visible(actor)} {text[0]} {visible(text[1:])}")
        differs = differs or tally.difference is not None
        if as_json:
            terminal.print(json.dumps(tally_json(tally, recording.log.content)))
            continue
        for line in told(tally, options, width, recording.log.content, terminal.out):
            terminal.print(line)
        terminal.flush()
    return DIFFERS if differs else 0


def _actors(recording: Recording, names: list[str], one: bool) -> list[str]:
    known = recording.log.actors()
    chosen = choose_actors(known, names) or known
    if one and len(chosen) != 1:
        raise Usage("--step and --component are for one actor: name it")
    return chosen


# For people ----------------------------------------------------------------------------------


def _step(item: Replayed, recording: Recording, terminal: Terminal) -> Iterator[str]:
    """A run: its events, and what became of the state."""
    stream, run = terminal.out, item.run
    how = {
        Ending.DONE: "as recorded",
        Ending.FAILED: "failed as recorded",
        Ending.LEFT: "as recorded, to where the process ended",
    }[run.ending]
    if item.difference is not None:
        how = "not as recorded"
    yield stream.style(f"turn {run.turn}, incarnation {run.incarnation}: {how}", BOLD)
    for crossing in (*run.before, *run.own):
        yield f"  {crossing_text(crossing.event, recording.log.content, stream)}"
    for text in item.lines:
        yield f"  {text[0]} {visible(text[1:])}"
    if run.ending is Ending.DONE and item.difference is None:
        hash = run.state()
        before = None if hash is None else recording.log.content(hash)
        changes = difference.told(before, item.state)
        yield stream.style("  state", DIM)
        for line in changes or ["unchanged"]:
            yield f"    {line}"


def _go_on(terminal: Terminal) -> bool:
    """On a terminal, whether the next turn is wanted."""
    if not (sys.stdin.isatty() and terminal.err.is_terminal):
        return True
    terminal.flush()
    terminal.err.file.write(terminal.err.style("Enter: the next turn, q: enough ", DIM))
    terminal.err.file.flush()
    answer = sys.stdin.readline()
    return answer != "" and not answer.strip().lower().startswith("q")


# For programs --------------------------------------------------------------------------------


def _run_json(item: Replayed, content: Content) -> dict[str, Any]:
    return {
        "kind": "run",
        "turn": item.run.turn,
        "incarnation": item.run.incarnation,
        "ending": item.run.ending.value,
        "events": item.events,
        "same": item.difference is None,
        "lines": list(item.lines),
    }
