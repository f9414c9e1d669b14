"""Lay the story's lines out: the actor, a mark, the text; a colour for each actor.

What actors said is made harmless here, and only here.
"""

from __future__ import annotations

import datetime
import json

from theater.cli.story import Line, Mark
from theater.cli.terminal import ACTOR_COLOURS, DIM, RED, Stream
from theater.values import lines, visible

NAME_MAX = 24  # a longer address pushes only its own line to the right


class Page:
    def __init__(self, stream: Stream, actors: list[str], timestamps: bool = False) -> None:
        self._stream = stream
        self._timestamps = timestamps
        self._width = 0
        self._colours: dict[str, str] = {}
        for actor in actors:
            self._meet(actor)

    def _meet(self, actor: str) -> str:
        if actor not in self._colours:
            self._colours[actor] = ACTOR_COLOURS[len(self._colours) % len(ACTOR_COLOURS)]
            self._width = max(self._width, min(len(actor), NAME_MAX))
        return self._colours[actor]

    def lines(self, line: Line) -> list[str]:
        """The lines on the screen: what an actor said may be several."""
        colour = self._meet(line.actor)
        style = self._stream.style
        name = style(f"{visible(line.actor).ljust(self._width)} {line.mark.value}", colour)
        match line.mark:
            case Mark.SAID:
                texts = lines(line.text)
            case Mark.LOST:
                texts = [style(f"{text}  (not committed)", DIM) for text in lines(line.text)]
            case Mark.LIFE:
                texts = [style(visible(line.text), DIM)]
            case Mark.BAD:
                texts = [style(visible(line.text), RED)]
        when = f"{style(local_time(line.at), DIM)} " if self._timestamps else ""
        return [f"{when}{name} {text}".rstrip() for text in texts]


def local_time(at: float) -> str:
    """To the millisecond, in the time zone of whoever looks."""
    local = datetime.datetime.fromtimestamp(at).astimezone()
    return local.isoformat(sep=" ", timespec="milliseconds")


def moment(at: float) -> str:
    """To the second, in the time zone of whoever looks."""
    return datetime.datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")


def utc_time(at: float) -> str:
    utc = datetime.datetime.fromtimestamp(at, datetime.UTC)
    return utc.isoformat(timespec="microseconds").replace("+00:00", "Z")


def json_line(line: Line) -> str:
    """A log line as one JSON object. Only for lines that an actor said."""
    return json.dumps(
        {
            "seq": line.seq,
            "time": utc_time(line.at),
            "actor": line.actor,
            "incarnation": line.incarnation,
            "turn": line.turn,
            "line": line.text,
            "committed": line.mark is not Mark.LOST,
        }
    )
