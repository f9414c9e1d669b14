"""`theater state`: what an actor had after any turn of its, also while the system is down."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

from theater.cli import contents
from theater.cli.contents import content_json, short_hash, sized
from theater.cli.crash import actor_of, no_turn
from theater.cli.place import Place, Usage
from theater.cli.terminal import Terminal
from theater.errors import Damaged, TheaterError
from theater.events import content_hash
from theater.values import shortened

if TYPE_CHECKING:
    from theater.client.reader import LogReader

LINES_MAX, LINE_MAX = 100, 400  # on a terminal
COUNTED_MAX = 100_001  # lines of which it is said how many there are more


def state(
    terminal: Terminal, place: Place, name: str, number: int | None, raw: bool, as_json: bool
) -> None:
    """After turn `number`, or after the last that has ended."""
    if raw and terminal.out.is_terminal:
        raise Usage("--raw writes the bytes as they are: into a file or a pipe, not a terminal")
    if raw and as_json:
        raise Usage("--raw and --json are two ways to say it: give one of them")
    log = place.reader()
    try:
        name = actor_of(log, name)
        number, hash = _turn(log, name, number)
        found = None if hash is None else log.content(hash)
        is_kept = found is not None
        if hash is not None and found is None:
            terminal.progress(f"running {name} again up to turn {number} ...")
            found = _computed(log, place, name, number, hash)
        if as_json:
            facts = None if hash is None else {"sha256": hash.hex(), "kept": is_kept}
            if found is not None and facts is not None:
                facts |= content_json(found)
            shown = {"actor": name, "turn": number, "state": facts}
            terminal.print(json.dumps(shown, indent=2))
            return
    finally:
        log.close()
    where = f"{name} after turn {number}"
    if found is None or hash is None:
        terminal.note(f"{where} has no state")
    elif raw:
        terminal.write(found)
    else:
        terminal.note(f"{where}: {sized(found)}, {short_hash(hash)}")
        _show(terminal, found)


def _turn(log: LogReader, name: str, number: int | None) -> tuple[int, bytes | None]:
    """The turn that is meant, and the hash of the state after it; TheaterError if it has not
    ended."""
    from theater.client.turn import last_turn, status_and_state

    last = last_turn(log, name)
    if number is None:
        if last is None:
            raise TheaterError(f"{name} has no state yet: it has ended no turn")
        number = last
    found = status_and_state(log, name, number)
    if found is None:
        raise TheaterError(no_turn(log, name, number))
    status, hash = found
    if status not in ("done", "failed"):
        until = "" if last is None else f"; until it does, its state is that after turn {last}"
        raise TheaterError(f"turn {number} of {name} has not ended{until}")
    return number, hash


def _computed(log: LogReader, place: Place, name: str, number: int, hash: bytes) -> bytes:
    """A state whose bytes are not kept: what a replay comes to. TheaterError if it does not."""
    from theater.client.turn import kept_beside
    from theater.replay.recording import Recording
    from theater.replay.run import state_at

    recording = Recording(place.data_directory())
    try:
        found = state_at(recording, name, number)
        if found is not None and content_hash(found) == hash:
            return found
        why = "what it comes to is another one"
    except TheaterError as error:
        why = str(error)
    finally:
        recording.close()
    near = " and ".join(f"turn {turn}" for turn in kept_beside(log, name, number))
    raise Damaged(
        f"the bytes of the state of {name} after turn {number} are not kept ({short_hash(hash)};"
        f" see state_every in the manifest){f', those after {near} are' if near else ''};"
        f" and it cannot be computed: {why}"
    )


def _show(terminal: Terminal, found: bytes) -> None:
    """All of it in a pipe, as it decodes; on a terminal no more than one can look at."""
    if not terminal.out.is_terminal:
        for part in contents.content_parts(found) if found else ():
            terminal.write_text(part)
        return
    lines = contents.content_lines(found, "", LINE_MAX) if found else iter(())
    for line in itertools.islice(lines, LINES_MAX):
        terminal.print(shortened(line, LINE_MAX))
    left = sum(1 for _ in itertools.islice(lines, COUNTED_MAX))
    if left:
        more = f"more than {left - 1:,}" if left == COUNTED_MAX else f"{left:,}"
        terminal.note(f"... {more} lines more: --raw into a file has all of it")
