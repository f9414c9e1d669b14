"""`theater replay`: run actors again from their record, and tell the first thing that differs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from theater import difference
from theater.cli.place import Place, Usage, choose_actors
from theater.cli.record import crossing_json, crossing_text
from theater.cli.terminal import BOLD, DIM, RED, Terminal
from theater.errors import NotRunning
from theater.replay.explain import Explained, explain
from theater.replay.recording import Recording
from theater.replay.run import Options, Replayed, Replayer
from theater.replay.slices import Ended, Ending
from theater.values import Content, visible

DIFFERS = 7  # the exit code
REASON_MAX = 60
PROGRESS_EVERY = 50  # turns


@dataclass(slots=True)
class Tally:
    """What was replayed of an actor."""

    actor: str
    turns: int = 0  # that ended
    events: int = 0
    incarnations: int = 0
    failed: int = 0  # runs that failed as they had
    left: int = 0  # runs whose process ended, or that still go on
    compares_fuel: bool = True
    engines: set[str] = field(default_factory=set)  # whose fuel is not compared
    lines: int = 0  # that differ and may
    last_failure: dict[str, Any] | None = None
    difference: Explained | None = None


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
) -> int:
    try:
        recording = Recording(place.data_directory())
    except NotRunning:
        raise place.never_ran() from None
    try:
        actors = _actors(recording, names, one=step or component is not None)
        options = Options(first, until, component, allow_logs, one_by_one=step, states=step)
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
        for item in _replaying(terminal, recording, replayer, tally, options):
            if as_json:
                terminal.print(json.dumps(_run_json(item, recording.log.content)))
            elif step:
                for line in _step(item, recording, terminal):
                    terminal.print(line)
                if tally.difference is None and not _go_on(terminal):
                    return 0
            elif item.lines:
                for text in item.lines:
                    terminal.print(f"{visible(actor)} {text[0]} {visible(text[1:])}")
        differs = differs or tally.difference is not None
        if as_json:
            terminal.print(json.dumps(_tally_json(tally, recording.log.content)))
            continue
        for line in _told(tally, options, width, recording.log.content, terminal):
            terminal.print(line)
        terminal.flush()
    return DIFFERS if differs else 0


def _actors(recording: Recording, names: list[str], one: bool) -> list[str]:
    known = recording.log.actors()
    chosen = choose_actors(known, names) or known
    if one and len(chosen) != 1:
        raise Usage("--step and --component are for one actor: name it")
    return chosen


def _replaying(
    terminal: Terminal, recording: Recording, replayer: Replayer, tally: Tally, options: Options
) -> Iterator[Replayed]:
    """The runs of an actor, counted."""
    actor, total = tally.actor, recording.turns(tally.actor)
    incarnation = 0
    for number, item in enumerate(replayer.replay(actor, options)):
        if number % PROGRESS_EVERY == 0:
            text = f"replaying {actor} ... turn {tally.turns:,} of {total:,}"
            terminal.progress(text, passing=True)
        if isinstance(item, Ended):
            continue
        tally.incarnations += item.began.incarnation != incarnation
        incarnation = item.began.incarnation
        tally.events += item.events
        tally.lines += len(item.lines)
        if not item.compares_fuel:
            tally.compares_fuel = False
            tally.engines.add(str(item.began.engine.get("wasmtime", "unknown")))
        if item.difference is not None:
            tally.difference = _explained(recording, item, options)
        elif item.run.ending is Ending.DONE:
            tally.turns += 1
            tally.last_failure = None
        elif item.run.ending is Ending.FAILED:
            tally.failed += 1
            tally.last_failure = {
                "turn": item.run.turn,
                "incarnation": item.run.incarnation,
                **item.run.own[-1].event.payload,
            }
        else:
            tally.left += 1
        yield item


def _explained(recording: Recording, item: Replayed, options: Options) -> Explained:
    assert item.difference is not None
    other = engine = ""
    if options.component is not None and not item.is_same_component:
        other = f"{options.component} instead of {item.began.component[:12]}"
    elif not item.compares_fuel:
        engine = "wasmtime, or its settings, are not those of the record"
    return explain(
        item.run.own,
        item.difference.recorded,
        item.difference.found,
        item.difference.contents,
        recording.log.content,
        other,
        engine,
    )


# For people ----------------------------------------------------------------------------------


def _told(
    tally: Tally, options: Options, width: int, content: Content, terminal: Terminal
) -> Iterator[str]:
    style = terminal.out.style
    name = style(visible(tally.actor).ljust(width), BOLD)
    counts = f"{_counted(tally.turns, 'turn')}, {_counted(tally.events, 'event')}"
    if tally.incarnations > 1:
        counts += f", {_counted(tally.incarnations, 'incarnation')}"
    if tally.difference is not None:
        place = f"turn {tally.difference.turn}, event {tally.difference.index}"
        yield f"{name}  {counts}: {style(f'{place} is not as it was recorded', RED)}"
        yield from _difference(tally.difference, content, terminal)
        return
    but = " but for lines" if tally.lines else ""
    yield f"{name}  {counts}: identical{but}"
    indent = " " * (width + 2)
    if tally.failed or tally.left:
        notes = []
        if tally.failed:
            notes.append(f"{_counted(tally.failed, 'run')} failed as recorded")
        if tally.left:
            notes.append(f"{_counted(tally.left, 'run')} replayed to where the process ended")
        yield f"{indent}{'; '.join(notes)}"
    failure = tally.last_failure
    if failure is not None and options.until is not None:
        kind, message = str(failure.get("kind")), str(failure.get("message"))
        yield f"{indent}turn {failure['turn']} ends with {visible(kind)}: {visible(message)}"
        frames = failure.get("backtrace")
        for frame in frames if isinstance(frames, list) else []:
            yield f"{indent}  {visible(str(frame))}"
    if tally.lines:
        yield f"{indent}{_counted(tally.lines, 'line')} not as recorded: + new, - missing"
    if not tally.compares_fuel:
        why = f"recorded with wasmtime {', '.join(sorted(tally.engines))} and its settings"
        if options.component is not None:
            why = "the component is another one"
        yield f"{indent}fuel was not compared: {visible(why)}"


def _difference(found: Explained, content: Content, terminal: Terminal) -> Iterator[str]:
    stream = terminal.out

    def heading(text: str) -> str:
        return stream.style(text, BOLD)

    if found.before:
        yield heading("the last events before it")
        for event in found.before:
            yield f"  {crossing_text(event, content, stream)}"
    yield heading("recorded")
    if found.recorded is None:
        yield "  nothing: the record ends here"
    else:
        yield f"  {crossing_text(found.recorded, content, stream)}"
    yield heading("now")
    yield f"  {crossing_text(found.now, content, stream)}"
    if found.changes:
        yield heading("what differs")
        for line in found.changes:
            yield f"  {line}"
    yield heading("likely cause")
    yield f"  {found.cause}"


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


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


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


def _tally_json(tally: Tally, content: Content) -> dict[str, Any]:
    found = tally.difference
    return {
        "kind": "actor",
        "actor": tally.actor,
        "identical": found is None,
        "turns": tally.turns,
        "events": tally.events,
        "incarnations": tally.incarnations,
        "failed": tally.failed,
        "left": tally.left,
        "fuel_compared": tally.compares_fuel,
        "lines": tally.lines,
        "difference": None
        if found is None
        else {
            "turn": found.turn,
            "index": found.index,
            "recorded": None if found.recorded is None else crossing_json(found.recorded, content),
            "now": crossing_json(found.now, content),
            "changes": list(found.changes),
            "cause": found.cause,
        },
    }
