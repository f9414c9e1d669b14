"""What came of the replay of an actor: counted while it runs, and told to people and programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from theater.cli.record import crossing_json, crossing_text
from theater.cli.status import number_of
from theater.cli.terminal import BOLD, RED, Stream
from theater.errors import Damaged
from theater.replay.explain import Explained, explain
from theater.replay.recording import Recording
from theater.replay.run import Options, Replayed, Replayer
from theater.replay.slices import Ended, Ending
from theater.values import Content, visible

DIFFERS = Damaged.exit_code  # of a command, if not all is as recorded
PROGRESS_EVERY = 50  # turns

Progress = Callable[[str], None]


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
    last_left: Replayed | None = None
    left_reason: str = ""  # why its process ended
    difference: Explained | None = None


def counted(
    recording: Recording,
    replayer: Replayer,
    tally: Tally,
    options: Options,
    on_progress: Progress = lambda _text: None,
) -> Iterator[Replayed]:
    """The runs of an actor, counted."""
    actor, total = tally.actor, recording.turns(tally.actor)
    incarnation = 0
    for number, item in enumerate(replayer.replay(actor, options)):
        if number % PROGRESS_EVERY == 0:
            on_progress(f"replaying {actor} ... turn {tally.turns:,} of {total:,}")
        if isinstance(item, Ended):
            left = tally.last_left
            if left is not None and left.began.incarnation == item.incarnation:
                tally.left_reason = item.reason
            continue
        tally.last_left = None
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
            tally.last_left = item
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


def told(
    tally: Tally, options: Options, width: int, content: Content, stream: Stream
) -> Iterator[str]:
    """Whether all was as recorded; if not, the difference. `width`: of the actor's column."""
    style = stream.style
    name = style(visible(tally.actor).ljust(width), BOLD)
    counts = f"{number_of(tally.turns, 'turn')}, {number_of(tally.events, 'event')}"
    if tally.incarnations > 1:
        counts += f", {number_of(tally.incarnations, 'incarnation')}"
    if tally.difference is not None:
        place = f"turn {tally.difference.turn}, event {tally.difference.index}"
        yield f"{name}  {counts}: {style(f'{place} is not as it was recorded', RED)}"
        yield from difference_lines(tally.difference, content, stream)
        return
    but = " but for lines" if tally.lines else ""
    yield f"{name}  {counts}: identical{but}"
    indent = " " * (width + 2)
    if tally.failed or tally.left:
        notes = []
        if tally.failed:
            notes.append(f"{number_of(tally.failed, 'run')} failed as recorded")
        if tally.left:
            notes.append(f"{number_of(tally.left, 'run')} replayed to where the process ended")
        yield f"{indent}{'; '.join(notes)}"
    failure = tally.last_failure
    if failure is not None and options.until is not None:
        kind, message = str(failure.get("kind")), str(failure.get("message"))
        yield f"{indent}turn {failure['turn']} ends with {visible(kind)}: {visible(message)}"
        frames = failure.get("backtrace")
        for frame in frames if isinstance(frames, list) else []:
            yield f"{indent}  {visible(str(frame))}"
    left = tally.last_left
    if left is not None and options.until is not None:
        why = tally.left_reason or "it still runs"
        yield f"{indent}turn {left.run.turn} was cut short: {visible(why)}"
        if left.beyond:
            yield f"{indent}after what is recorded of it, {visible(left.beyond[0])}"
        for frame in left.beyond[1:]:
            yield f"{indent}  {visible(frame)}"
    if tally.lines:
        yield f"{indent}{number_of(tally.lines, 'line')} not as recorded: + new, - missing"
    if not tally.compares_fuel:
        why = f"recorded with wasmtime {', '.join(sorted(tally.engines))} and its settings"
        if options.component is not None:
            why = "the component is another one"
        yield f"{indent}fuel was not compared: {visible(why)}"


def difference_lines(found: Explained, content: Content, stream: Stream) -> Iterator[str]:
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


def tally_json(tally: Tally, content: Content) -> dict[str, Any]:
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
