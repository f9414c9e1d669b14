"""Say what is not as it was recorded, by place and value, and what is likely to be the cause. Pure.

With the recorded component, engine, input and answers a guest has no choice: if it does something
else, then it was told something else than the record says, or another program runs. Which of them
is a guess here, and said to be one.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgpack

from theater import difference
from theater.difference import Change, Sort
from theater.events import IN_TURNS, PARTS, Event, EventType, content_hash, decode, internalise
from theater.replay.slices import Crossing
from theater.values import Content, visible

NEAR = 0.01  # of a clock's reading: what was computed from it is not far from it
NS = 1_000_000_000
BEFORE = 5  # events that are shown before a difference
# How much is looked at to guess a cause: of a large state everything may differ.
CHANGES_SEEN, CALLS_SEEN = 200, 500
ORDER_MAX = 65_536  # items, characters or bytes whose order may have changed


@dataclass(frozen=True, slots=True)
class Explained:
    """`recorded` is None where the record had ended."""

    turn: int
    index: int
    recorded: Event | None
    now: Event
    changes: tuple[str, ...]  # a line each; empty if another thing was done altogether
    before: tuple[Event, ...]  # the last events of the turn that were the same
    cause: str


def explain(
    own: Iterable[Crossing],
    recorded: bytes | None,
    found: bytes,
    contents: Iterable[bytes],
    content: Content,
    other_component: str = "",
    other_engine: str = "",
) -> Explained:
    """`own`: the run's record. `content`: what a reference in it stands for. The last two say,
    if it is so, that another component or engine ran now."""
    known = {content_hash(each): each for each in contents}

    def inside(value: Any) -> Any:
        return internalise(value, _Contents(known, content))

    now = decode(found)
    then = None if recorded is None else decode(recorded)
    before = [each.event for each in own]
    if then is not None:
        before = [event for event in before if event.index < then.index]
    changes: list[Change] = []
    if then is not None and _name(then) == _name(now):
        found_changes = difference.changes(_named(then, inside), _named(now, inside))
        changes = list(itertools.islice(found_changes, CHANGES_SEEN))
        if any(not change.path.startswith("fuel") for change in changes):
            changes = [change for change in changes if not change.path.startswith("fuel")]
    cause = _cause(changes, before, inside, other_component, other_engine)
    place = now if then is None else then
    return Explained(
        place.turn,
        place.index,
        then,
        now,
        tuple(difference.line(change) for change in changes[: difference.CHANGES_MAX]),
        tuple(before[-BEFORE:]),
        cause,
    )


class _Contents(dict[bytes, bytes]):
    """Found when asked for. What is not there stands as its hash."""

    def __init__(self, known: dict[bytes, bytes], content: Content) -> None:
        super().__init__(known)
        self._content = content

    def __missing__(self, hash: bytes) -> Any:
        found = self._content(hash)
        return f"sha256:{hash.hex()}" if found is None else found


def _name(event: Event) -> tuple[str, str, str]:
    return event.type, event.interface, event.function


def _named(event: Event, inside: Any) -> Any:
    """The parts of a payload by name, whole; of a call only what the guest has said."""
    payload = event.payload
    if event.type in IN_TURNS and isinstance(payload, list):
        payload = dict(zip(PARTS[event.type], payload, strict=False))
    if event.type == EventType.HOST_CALL and isinstance(payload, dict):
        payload.pop("answer", None)
    if event.type == EventType.WASM_RESULT and isinstance(payload, dict):
        # {"ok": [state, [answer]]}: by their names.
        returned = payload.get("result")
        if isinstance(returned, dict) and isinstance(returned.get("ok"), list):
            state, *answers = returned["ok"]
            payload = {"state": state, "fuel": payload.get("fuel")}
            if answers:
                payload["answer"] = answers[0][0] if len(answers[0]) == 1 else answers[0]
    return inside(payload)


# Causes


def _cause(
    changes: list[Change],
    before: list[Event],
    inside: Any,
    other_component: str,
    other_engine: str,
) -> str:
    if other_component:
        return f"the component is another one: {other_component}"
    if other_engine:
        return f"the engine is another one: {other_engine}"
    if changes and all(_is_order(change) for change in changes):
        return (
            "an order: the values are the same ones, in another order, as of a map or a set whose"
            " order depends on something that is not in the record"
        )
    calls = [event for event in before if event.type == EventType.HOST_CALL]
    for event in calls[: -CALLS_SEEN - 1 : -1]:
        source = _source(event)
        if source:
            answer = _answer(event, before, inside)
            if any(_comes_from(change, answer) for change in changes):
                return f"{source}: the value is close to what {_called(event)} was answered"
    if changes and all(change.path.startswith("fuel") for change in changes):
        return (
            "none that is in the record: the calls and values are the same ones, and only the"
            " number of instructions is not. If the log is whole (theater verify), this is a fault"
            " of Theater's or of wasmtime's"
        )
    for event in reversed(calls):
        source = _source(event) or "the host's answer"
        return f"{source}: {_called(event)} was probably answered something else than is recorded"
    return (
        "none that is in the record: the log may have been changed (theater verify tells), or this"
        " is a fault of Theater's or of wasmtime's"
    )


def _called(event: Event) -> str:
    return f"{visible(event.interface)}.{visible(event.function)}, event {event.index},"


def _source(event: Event) -> str:
    if event.interface.startswith("wasi:clocks/"):
        return "a clock"
    if event.interface.startswith("wasi:random/"):
        return "a random number"
    return ""


def _answer(event: Event, before: list[Event], inside: Any) -> Any:
    if len(event.payload) == 2:
        return inside(event.payload[1])
    for later in before:
        if later.index > event.index and later.type == EventType.HOST_ANSWER:
            return inside(later.payload[0])
    return None


def _is_order(change: Change) -> bool:
    if change.sort == Sort.ORDER:
        return True
    one, other = change.before, change.after
    if type(one) is not type(other) or not isinstance(one, list | str | bytes):
        return False
    if len(one) != len(other) or len(one) > ORDER_MAX or one == other:
        return False
    return _counted(one) == _counted(other)


def _counted(value: Any) -> Counter[Any]:
    """How often each item is in it, wherever."""
    return Counter(map(repr, value) if isinstance(value, list) else value)


def _comes_from(change: Change, answer: Any) -> bool:
    """Whether a value that changed was probably made of this answer."""
    said = list(_numbers(answer))
    if isinstance(answer, dict) and set(answer) == {"seconds", "nanoseconds"}:
        whole = answer["seconds"] * NS + answer["nanoseconds"]
        said = [whole, answer["seconds"], answer["nanoseconds"]]
    said += [number / NS for number in said if number > NS]
    texts = [each.hex() for each in _byte_strings(answer)]
    for value in (change.before, change.after):
        for number in _numbers(value):
            if any(each and math.isclose(number, each, rel_tol=NEAR) for each in said):
                return True
        shown = value.hex() if isinstance(value, bytes) else value
        if isinstance(shown, str):
            if any(text and text in shown for text in texts):
                return True
            digits = [str(int(each)) for each in said if 1_000_000 <= each < math.inf]
            if any(each[:6] in shown for each in digits):
                return True
    return False


def _numbers(value: Any) -> Iterator[float]:
    match value:
        case bool():
            return
        case int() | float() | str() | bytes():
            text = value.decode("latin-1") if isinstance(value, bytes) else value
            try:
                yield float(text)
            except (ValueError, OverflowError):  # no number, or one that no clock shows
                return
        case list() | tuple() if not isinstance(value, msgpack.ExtType):
            for item in value:
                yield from _numbers(item)
        case dict():
            for item in value.values():
                yield from _numbers(item)


def _byte_strings(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _byte_strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _byte_strings(item)
