"""`theater tree`: the supervision tree, once or watched."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from theater.cli.drawing import draw
from theater.cli.follow import LOOK_S, Follower
from theater.cli.orderly import ended_in_order
from theater.cli.place import Place
from theater.cli.terminal import Stream, Terminal
from theater.errors import NotRunning

if TYPE_CHECKING:
    from theater.client.control import Control

PACE_S = 1.0  # root is asked at most this often; ages on a terminal are this exact
PASSING = ("age_s", "retry_in_s", "restarts_left")  # they change with time alone


def tree(terminal: Terminal, place: Place, watch: bool, as_json: bool) -> None:
    control = place.control()
    try:
        if watch:
            _watch(terminal, place, control, as_json)
        else:
            nodes = _ask(control)
            text = [json.dumps(nodes, indent=2)] if as_json else draw(nodes, terminal.out)
            for line in text:
                terminal.print(line)
    finally:
        control.close()


def _ask(control: Control) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = control.ask("tree", timeout_s=30.0)["nodes"]
    return nodes


def _watch(terminal: Terminal, place: Place, control: Control, as_json: bool) -> None:
    follower = Follower.join(place)
    if follower is None:
        raise place.not_running(place.data_directory())
    try:
        if terminal.out.movable and not as_json:
            with _screen(terminal.out):
                for nodes in _pictures(control, follower, PACE_S):
                    _redraw(terminal.out, draw(nodes, terminal.out))
        else:
            _tell_changes(terminal, _pictures(control, follower, LOOK_S), as_json)
    finally:
        follower.close()
    terminal.note("the system has stopped")


def _pictures(
    control: Control, follower: Follower, longest_s: float
) -> Iterator[list[dict[str, Any]]]:
    """The tree now, after each commit and each `longest_s`, until the system ends."""
    while not follower.ended:
        asked_at_s = time.monotonic()
        try:
            nodes = _ask(control)
        except NotRunning:
            return
        yield nodes
        follower.wait(longest_s)
        while not follower.ended and (left_s := asked_at_s + PACE_S - time.monotonic()) > 0:
            follower.wait(left_s)


# In a pipe ---------------------------------------------------------------------------------


def _tell_changes(
    terminal: Terminal, pictures: Iterator[list[dict[str, Any]]], as_json: bool
) -> None:
    """A block for each change; that time passes is none."""
    before: Any = None
    for nodes in pictures:
        lasting = [
            {key: value for key, value in node.items() if key not in PASSING} for node in nodes
        ]
        if lasting == before:
            continue
        if as_json:
            terminal.print(json.dumps(nodes))
        else:
            if before is not None:
                terminal.print("")
            for line in draw(nodes, terminal.out):
                terminal.print(line)
        terminal.flush()
        before = lasting


# On a terminal -----------------------------------------------------------------------------


@contextlib.contextmanager
def _screen(stream: Stream) -> Iterator[None]:
    """The other screen of the terminal, without a cursor; whatever happens, it is put back."""
    with ended_in_order():
        try:
            stream.file.write("\x1b[?1049h\x1b[?25l")
            yield
        finally:
            with contextlib.suppress(OSError):  # the terminal may be gone
                stream.file.write("\x1b[?25h\x1b[?1049l")
                stream.file.flush()


def _redraw(stream: Stream, lines: list[str]) -> None:
    """From the top, each line over what was there; what does not fit is counted."""
    height = shutil.get_terminal_size((80, 24)).lines
    if len(lines) > height:
        lines = [*lines[: height - 1], f"... and {len(lines) - height + 1} lines more"]
    text = "\r\n".join(f"\x1b[2K{line}" for line in lines)
    rest = "\r\n\x1b[J" if len(lines) < height else ""
    stream.file.write(f"\x1b[H{text}{rest}")
    stream.file.flush()
