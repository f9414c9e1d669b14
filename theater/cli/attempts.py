"""Show what a turn has done: the calls that committed, and those that a black box told of."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgpack

from theater import wasi
from theater.cli import contents
from theater.cli.record import crossing_json, crossing_text
from theater.cli.terminal import BOLD, DIM, Stream
from theater.errors import ProtocolError
from theater.events import Event, EventType, decode
from theater.values import Content, json_value, visible

if TYPE_CHECKING:
    from theater.client.turn import Attempt

FIRST_EVENTS, LAST_EVENTS = 5, 25  # of many on a terminal; what failed is at the end
FEW = 2  # calls of the same function of WASI that are shown one by one
WRITES_LINES = "writes lines"
TAB = "\t"


def head(stream: Stream, title: str) -> str:
    return stream.style(title, BOLD)


def crossings(events: Sequence[Event], content: Content, stream: Stream) -> Iterator[str]:
    """A line for each event, but for what a language's runtime does on the side; on a terminal not
    those in the middle of very many."""
    lines = list(_folded(events, content, stream))
    left_out = len(lines) - FIRST_EVENTS - LAST_EVENTS
    for number, line in enumerate(lines):
        if stream.is_terminal and left_out > 1:
            if number == FIRST_EVENTS:
                yield f"  ... {left_out} more: --json has them"
            if FIRST_EVENTS <= number < FIRST_EVENTS + left_out:
                continue
        yield f"  {line}"


def body_lines(kind: str, body: bytes | None, content: Content, stream: Stream) -> Iterator[str]:
    """What a message says; of one that tells of an event of a child's, that event."""
    event = _told_event(body) if kind == "child-event" and body is not None else None
    if event is None:
        yield from contents.message(body, stream)
    else:
        yield from crossings([event], content, stream)


def _told_event(body: bytes) -> Event | None:
    """None: it says how many there were."""
    try:
        _type, data = msgpack.unpackb(body)
        return decode(data)
    except (ProtocolError, ValueError, TypeError, msgpack.UnpackException):
        return None


def _folded(events: Sequence[Event], content: Content, stream: Stream) -> Iterator[str]:
    """What is written to stdout and stderr as the lines that it is, whole; many calls of the same
    function of WASI as one line."""
    writes = 0
    for name, group in itertools.groupby(events, key=_of_wasi):
        several = list(group)
        if name == WRITES_LINES:
            writes += len(several)
        elif name and len(several) > FEW:
            first, last = several[0], several[-1]
            place = f"{first.turn}.{first.index}"
            yield f"{place:<4} {len(several)} calls of {visible(name)}, up to {last.index}"
        else:
            for event in several:
                yield _line(event, stream) or crossing_text(event, content, stream)
    if writes:
        yield stream.style(f"({writes} calls that only write lines: theater events has them)", DIM)


def _of_wasi(event: Event) -> str:
    """The function of WASI that was called; "" if none was."""
    if event.type != EventType.HOST_CALL or not event.interface.startswith(wasi.PREFIX):
        return ""
    arguments = event.payload[0] if isinstance(event.payload, list) and event.payload else None
    if wasi.only_says(event.interface, event.function, arguments):
        return WRITES_LINES
    return f"{event.interface.rpartition('/')[2]}.{event.function}"


def _line(event: Event, stream: Stream) -> str:
    """A line that was written, not quoted and not shortened; "" if the event is none."""
    match event.type, event.payload:
        case EventType.LOG, [str(text)]:
            place = f"{event.turn}.{event.index}"
            name = event.interface.rpartition("/")[2]
            return f"{place:<4} {visible(name):<11} {visible(text, keep=TAB)}"
    return ""


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
