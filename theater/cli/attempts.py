"""Show what a turn has done: the calls that committed, and those that a black box told of."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from theater.cli.record import crossing_json, crossing_text
from theater.cli.terminal import BOLD, Stream
from theater.values import Content, json_value, visible

if TYPE_CHECKING:
    from theater.client.turn import Attempt
    from theater.events import Event

FIRST_EVENTS, LAST_EVENTS = 5, 25  # of many on a terminal; what failed is at the end


def head(stream: Stream, title: str) -> str:
    return stream.style(title, BOLD)


def crossings(events: Sequence[Event], content: Content, stream: Stream) -> Iterator[str]:
    """A line for each event; on a terminal not those in the middle of very many."""
    left_out = len(events) - FIRST_EVENTS - LAST_EVENTS
    for number, event in enumerate(events):
        if stream.is_terminal and left_out > 1:
            if number == FIRST_EVENTS:
                yield f"  ... {left_out} more: --json has them"
            if FIRST_EVENTS <= number < FIRST_EVENTS + left_out:
                continue
        yield f"  {crossing_text(event, content, stream)}"


def attempt_lines(
    attempt: Attempt, content: Content, stream: Stream, why: bool = True
) -> Iterator[str]:
    """What a delivery had done that did not commit, and how the guest failed. `why`: also of what
    the incarnation died."""
    title = f"what incarnation {attempt.incarnation} did that did not commit"
    if why and attempt.reason:
        title += f", until it ended: {visible(attempt.reason)}"
    yield head(stream, title)
    failure = attempt.failure
    yield from crossings(
        [event for event in attempt.events if event.payload is not failure], content, stream
    )
    if failure is not None:
        yield from backtrace_lines(failure, stream)


def backtrace_lines(failure: dict[str, Any], stream: Stream) -> Iterator[str]:
    frames = backtrace(failure)
    if not frames:
        return
    yield head(stream, "its wasm backtrace, innermost first")
    for frame, same in itertools.groupby(frames):
        times = len(list(same))
        yield f"  {visible(frame)}{f'  ({times} times)' if times > 1 else ''}"


def backtrace(failure: dict[str, Any]) -> list[str]:
    """What is text of a failure's frames."""
    frames = failure.get("backtrace")
    return [each for each in frames if isinstance(each, str)] if isinstance(frames, list) else []


def attempt_json(attempt: Attempt, content: Content) -> dict[str, Any]:
    return {
        "incarnation": attempt.incarnation,
        "reason": attempt.reason,
        "failure": json_value(attempt.failure),
        "events": [crossing_json(event, content) for event in attempt.events],
    }
