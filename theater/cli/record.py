"""One event of the log: as a line for people, as an object for programs."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any

from theater.cli.page import utc_time
from theater.cli.terminal import BOLD, DIM, RED, Stream
from theater.errors import Damaged, ProtocolError
from theater.events import PARTS, Event, EventType
from theater.values import SHOWN_HASH, Content, json_value, shortened, text, visible

if TYPE_CHECKING:
    from theater.client.reader import LoggedEvent

STRING_MAX = 40  # characters of one string or byte string in a line on a terminal
OURS = ("theater:simple/", "theater")  # interfaces whose functions are known by their own names
HASH = re.compile(r"[0-9a-f]{64}\Z")
BAD = (EventType.WASM_ERROR, EventType.TURN_FAILED)


def event_json(row: LoggedEvent, content: Content) -> dict[str, Any]:
    """All of an event. `payload` is a map for every type: see `_named`."""
    facts: dict[str, Any] = {"seq": row.seq, "time": utc_time(row.at)}
    hash = {"position": row.position, "hash": row.hash.hex()}
    try:
        crossing = crossing_json(row.event, content)
    except (ProtocolError, Damaged) as error:
        return {**facts, **hash, "error": str(error), "bytes": row.data.hex()}
    payload = crossing.pop("payload")
    return {**facts, **crossing, **hash, "payload": payload}


def crossing_json(event: Event, content: Content) -> dict[str, Any]:
    """What an event says, wherever it is kept."""
    return {
        "actor": event.actor,
        "incarnation": event.incarnation,
        "turn": event.turn,
        "index": event.index,
        "type": event.type,
        "interface": event.interface,
        "function": event.function,
        "payload": json_value(_named(event), content),
    }


def _named(event: Event) -> Any:
    """The payload with its parts named; as it is when it has not the shape of its type."""
    payload = event.payload
    if event.type in PARTS and isinstance(payload, list):
        names = PARTS[event.type]
        if len(payload) <= len(names):
            return dict(zip(names, payload, strict=False))
    if isinstance(payload, dict) and event.turn == 0:
        hashes = ("initial_state", "evidence")
        return {
            key: value.hex() if key in hashes and isinstance(value, bytes) else value
            for key, value in payload.items()
        }
    return payload


def event_text(row: LoggedEvent, content: Content, stream: Stream, actor_width: int = 0) -> str:
    """seq, time of day, actor, turn.index, type, and what was called and answered, in a line.

    On a terminal long strings are shortened, in a pipe nothing is.
    """
    when = datetime.datetime.fromtimestamp(row.at).strftime("%H:%M:%S.%f")[:-3]
    head = stream.style(f"{row.seq:>5} {when}", DIM)
    try:
        event = row.event
        crossing = crossing_text(event, content, stream)
    except (ProtocolError, Damaged) as error:
        return f"{head} {visible(str(error))}"
    actor = stream.style(visible(event.actor).ljust(actor_width), BOLD)
    return f"{head} {actor} {crossing}"


def crossing_text(event: Event, content: Content, stream: Stream) -> str:
    """turn.index, type, and what was called and answered, in a line; shortened as above."""
    place = "-" if event.turn == 0 else f"{event.turn}.{event.index}"
    told = _told(event, content, STRING_MAX if stream.is_terminal else None)
    codes = (RED,) if event.type in BAD else (DIM,) if event.turn == 0 else ()
    rest = stream.style(f"{visible(event.type):<11} {told}".rstrip(), *codes)
    return f"{place:<4} {rest}"


def _told(event: Event, content: Content, limit: int | None) -> str:
    """What happened, by type; a payload of another shape as it is."""
    payload = event.payload
    name = _name(event)

    def show(value: Any) -> str:
        return text(value, content, limit)

    def state_of(value: Any) -> str:
        shown = show(value)  # bytes that are known stand in quotes, or as 0x...
        return f"{shown} (not kept)" if shown.startswith("sha256:") else shown

    def arguments(values: Any) -> str:
        return ", ".join(map(show, values)) if isinstance(values, list) else show(values)

    match event.type, payload:
        case EventType.WASM_CALL, [state, parameters]:
            return f"{name}({arguments(parameters)}), state {state_of(state)}"
        case EventType.HOST_CALL, [values]:
            return f"{name}({arguments(values)})"
        case EventType.HOST_CALL, [values, answer]:
            answered = "" if answer is None else f" -> {show(answer)}"
            return f"{name}({arguments(values)}){answered}"
        case EventType.HOST_ANSWER, [answer]:
            return f"{name} -> {show(answer)}"
        case EventType.HOST_ANSWER, [answer, kept]:
            return f"{name} -> {show(answer)}, kept {show(kept)}"
        case EventType.WASM_RESULT, [{"ok": [state, *answers]}, fuel]:
            said = "".join(f", answer {arguments(answer)}" for answer in answers)
            return f"{name} -> ok{said}, state {state_of(state)}, fuel {show(fuel)}"
        case EventType.CARRIED_ON, []:
            return name
        case EventType.LOG, [str(line)]:
            return f"{visible(event.interface.rpartition('/')[2])} {show(line)}"
    named = _named(event)
    if event.turn != 0 or not isinstance(named, dict):
        return f"{name} {show(named)}"
    facts = dict(named)
    first = [_word(facts.pop("decision"), limit)] if "decision" in facts else []
    rest = [f"{_word(key, limit)} {_fact(value, content, limit)}" for key, value in facts.items()]
    return ", ".join(first + rest)


def _name(event: Event) -> str:
    """interface.function, without what goes without saying."""
    if event.interface.startswith(OURS):
        return visible(event.function)
    return visible(f"{event.interface.rpartition('/')[2]}.{event.function}")


def _word(value: Any, limit: int | None) -> str:
    """Words of our own need no quotes; a hash among them is shortened like one."""
    word = visible(value if isinstance(value, str) else str(value))
    if limit is not None and HASH.match(word):
        return word[:SHOWN_HASH]
    return shortened(word, None if limit is None else 2 * limit)


def _fact(value: Any, content: Content, limit: int | None) -> str:
    return _word(value, limit) if isinstance(value, str) else text(value, content, limit)
