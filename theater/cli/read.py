"""`theater logs` and `theater events`: read the log, also while the system is down."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from theater.cli.follow import Follower
from theater.cli.page import NAME_MAX, Page, json_line
from theater.cli.place import Place, choose_actors
from theater.cli.record import event_json, event_text
from theater.cli.story import Line, Mark, lost_lines
from theater.cli.terminal import Terminal
from theater.errors import ProtocolError
from theater.events import EventType

if TYPE_CHECKING:
    from theater.client.reader import LoggedEvent, LogReader

T = TypeVar("T")


def logs(
    terminal: Terminal,
    place: Place,
    names: list[str],
    follow: bool,
    count: int | None,
    as_json: bool,
    timestamps: bool,
) -> None:
    log = place.reader()
    actors = choose_actors([*log.actors(), *log.supervisors()], names)
    page = Page(terminal.out, actors or log.present_actors(), timestamps)

    def show(line: Line) -> None:
        for text in [json_line(line)] if as_json else page.lines(line):
            terminal.print(text)

    def news(after: int) -> Iterator[tuple[int, Line]]:
        failed = EventType.TURN_FAILED.value
        for row in log.events(after, actors, lines_only=True, or_type=failed):
            for line in _said(log, row):
                yield row.seq, line

    _read(terminal, place, log, follow, count, _start(log, count, actors, True), news, show)


def _said(log: LogReader, row: LoggedEvent) -> Iterator[Line]:
    try:
        event = row.event
    except ProtocolError:
        return  # `theater events` shows it
    if row.line is None:
        yield from lost_lines(log, row, event)
    else:
        actor, incarnation, turn = event.actor, event.incarnation, event.turn
        yield Line(row.seq, row.at, actor, incarnation, turn, Mark.SAID, row.line)


def events(
    terminal: Terminal,
    place: Place,
    names: list[str],
    follow: bool,
    count: int | None,
    as_json: bool,
) -> None:
    log = place.reader()
    actors = choose_actors([*log.actors(), *log.supervisors()], names)
    width = max(map(len, actors or [*log.present_actors(), *log.supervisors()]), default=0)

    def show(row: LoggedEvent) -> None:
        if as_json:
            terminal.print(json.dumps(event_json(row, log.content)))
        else:
            terminal.print(event_text(row, log.content, terminal.out, min(width, NAME_MAX)))

    def news(after: int) -> Iterator[tuple[int, LoggedEvent]]:
        for row in log.events(after, actors):
            yield row.seq, row

    _read(terminal, place, log, follow, count, _start(log, count, actors, False), news, show)


def _start(log: LogReader, count: int | None, actors: list[str] | None, lines: bool) -> int:
    """The event after which the last `count` are."""
    return 0 if count is None else log.seq_of_last(count, actors, lines)


def _read(
    terminal: Terminal,
    place: Place,
    log: LogReader,
    follow: bool,
    count: int | None,
    after: int,
    news: Callable[[int], Iterable[tuple[int, T]]],
    show: Callable[[T], None],
) -> None:
    """Show what is there, at most the last `count`; then what comes, until the system ends."""
    follower = Follower.join(place) if follow else None
    try:
        items: Iterable[tuple[int, T]] = news(after)
        if count is not None:
            items = deque(items, maxlen=count)
        while True:
            for seq, item in items:
                after = seq
                show(item)
            terminal.flush()
            if follower is None:
                if follow:
                    terminal.note("no system is running: this is all there is")
                return
            if follower.ended:
                terminal.note("the system has stopped")
                return
            follower.wait()
            items = news(after)
    finally:
        if follower is not None:
            follower.close()
        log.close()
