"""What is different between two values, as places with what was there and what is. Pure.

Byte strings, at whatever depth, are compared as what they say if they say something (`decoding`).
Two values without a difference are the same to the bit: what says the same in other words (the
order of keys, a space) is a difference too, of a sort of its own.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

import msgpack

from theater import decoding, values
from theater.decoding import Kind

CHANGES_MAX = 20  # that are told, of many
SHOWN = 60  # characters of a value in a line
COLLECTED = 200  # ... of a list or a map
ALIGNED_MAX = 200  # items of two lists that are put side by side; of longer ones by their numbers
_LEAD = 12  # characters that are shown before the first different one of a long text
_NEAR = 8  # bytes: different ones no further apart are told together
_BLOCK = 4096
_BARE_KEY = re.compile(r"[A-Za-z_%][A-Za-z0-9_-]*\Z")


class Absent(Enum):
    """Where the other side has nothing at all."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


class Sort(StrEnum):
    VALUE = "value"  # added and removed ones too: one side is ABSENT
    ORDER = "order"  # of the keys of a map; `before` and `after` are lists of keys
    SPELLING = "spelling"  # the same plain value, other bytes; `before` and `after` are the bytes


@dataclass(frozen=True, slots=True)
class Change:
    """`path` is harmless text: `items[3].price`, `line 4`, `bytes 4 to 7`; the whole is ""."""

    path: str
    before: Any
    after: Any
    sort: Sort = Sort.VALUE


def told(before: Any, after: Any, changes_max: int = CHANGES_MAX, shown: int = SHOWN) -> list[str]:
    """A line for each change, `items[3].price: 4 -> 5`, and one for those that are left out."""
    found = changes(before, after)
    lines = [line(change, shown) for change in itertools.islice(found, changes_max)]
    left_out = sum(1 for _ in found)
    if left_out:
        lines.append(f"... and {left_out} more")
    return lines


def line(change: Change, shown: int = SHOWN) -> str:
    """A change as harmless text. `shown`: characters of each value."""
    where = f"{change.path}: " if change.path else ""
    if change.sort == Sort.ORDER:
        first, second = ([_key(key) for key in each] for each in (change.before, change.after))
        at = common(first, second)
        cut = (values.shortened(", ".join(each[at:]), shown) for each in (first, second))
        return f"{where}keys in another order: {' -> '.join(cut)}"
    if change.sort == Sort.SPELLING:
        at = common(change.before, change.after)
        parts = (_text(each[at : at + 16], shown) for each in (change.before, change.after))
        return f"{where}the same values in other words, from byte {at} on: {' -> '.join(parts)}"
    if change.before is ABSENT:
        return f"{where}added {_text(change.after, shown)}"
    if change.after is ABSENT:
        return f"{where}removed {_text(change.before, shown)}"
    return f"{where}{' -> '.join(_beside(change.before, change.after, shown))}"


def changes(before: Any, after: Any, path: str = "") -> Iterator[Change]:
    """Every difference of two plain values, in the order of `after` as far as it has one."""
    match before, after:
        case (bytes(), bytes()) if before != after:
            yield from _bytes(before, after, path)
        case (dict(), dict()):
            yield from _maps(before, after, path)
        case (list() | tuple(), list() | tuple()) if not _extension(before, after):
            yield from _lists(before, after, path)
        case (str(), str()) if before != after:
            yield from _texts(before, after, path)
        case _ if repr(before) != repr(after):  # which tells 1 from 1.0 and True, and knows NaN
            yield Change(path, before, after)


def _extension(*each: Any) -> bool:
    return any(isinstance(one, msgpack.ExtType) for one in each)  # a named tuple


def _bytes(before: bytes, after: bytes, path: str) -> Iterator[Change]:
    first, second = decoding.pair(before, after)
    if first.kind == second.kind == Kind.BYTES:
        yield from _runs(before, after, path)
    elif first.kind == second.kind:
        one = next(found := changes(first.value, second.value, path), None)
        if one is None:
            yield Change(path, before, after, Sort.SPELLING)
        else:
            yield from itertools.chain((one,), found)
    else:
        yield Change(path, first.value, second.value)


def _maps(before: dict[Any, Any], after: dict[Any, Any], path: str) -> Iterator[Change]:
    for key, item in before.items():
        if key not in after:
            yield Change(_inside(path, key), item, ABSENT)
    for key, item in after.items():
        if key in before:
            yield from changes(before[key], item, _inside(path, key))
        else:
            yield Change(_inside(path, key), ABSENT, item)
    first = [key for key in before if key in after]
    second = [key for key in after if key in before]
    if first != second:
        yield Change(path, first, second, Sort.ORDER)


def _lists(before: Sequence[Any], after: Sequence[Any], path: str) -> Iterator[Change]:
    for i, j in _aligned(before, after):
        if i is None or j is None:
            here = f"{path}[{i if j is None else j}]"
            yield Change(here, *_one_side(before, after, i, j))
        else:
            yield from changes(before[i], after[j], f"{path}[{j}]")


def _texts(before: str, after: str, path: str) -> Iterator[Change]:
    """Of texts with many lines, the lines that differ."""
    one, other = before.split("\n"), after.split("\n")
    if max(len(one), len(other)) == 1:
        yield Change(path, before, after)
        return
    for i, j in _aligned(one, other):
        at = i if j is None else j
        assert at is not None
        yield Change(_at(path, f"line {at + 1}"), *_one_side(one, other, i, j))


def _one_side(
    before: Sequence[Any], after: Sequence[Any], i: int | None, j: int | None
) -> tuple[Any, Any]:
    return ABSENT if i is None else before[i], ABSENT if j is None else after[j]


def _aligned(
    before: Sequence[Any], after: Sequence[Any]
) -> Iterator[tuple[int | None, int | None]]:
    """Which items that differ are to be put side by side, by their numbers; the rest is alone."""
    one, other = list(map(repr, before)), list(map(repr, after))
    start = common(one, other)
    end = common(one[start:][::-1], other[start:][::-1])
    one, other = one[start : len(one) - end], other[start : len(other) - end]
    blocks = [(0, len(one), 0, len(other))]
    if max(len(one), len(other)) <= ALIGNED_MAX:
        same = difflib.SequenceMatcher(None, one, other, autojunk=False)
        blocks = [(a, b, c, d) for tag, a, b, c, d in same.get_opcodes() if tag != "equal"]
    for a, b, c, d in blocks:
        left = [start + i for i in range(a, b)]
        right = [start + j for j in range(c, d)]
        yield from itertools.zip_longest(left, right)


def _runs(before: bytes, after: bytes, path: str) -> Iterator[Change]:
    if len(before) != len(after):
        start = common(before, after)
        end = common(before[start:][::-1], after[start:][::-1])
        first, second = before[start : len(before) - end], after[start : len(after) - end]
        place = _place(start, max(len(first), len(second)))
        yield Change(_at(path, place), first or ABSENT, second or ABSENT)
        return
    run: range | None = None
    for at in _different(before, after):
        if run is not None and at - run.stop >= _NEAR:
            yield _run(before, after, run, path)
            run = None
        run = range(at if run is None else run.start, at + 1)
    if run is not None:
        yield _run(before, after, run, path)


def _run(before: bytes, after: bytes, run: range, path: str) -> Change:
    part = slice(run.start, run.stop)
    return Change(_at(path, _place(run.start, len(run))), before[part], after[part])


def _different(before: bytes, after: bytes) -> Iterator[int]:
    """The places of all bytes that differ, of as many bytes."""
    for start in range(0, len(before), _BLOCK):
        one, other = before[start : start + _BLOCK], after[start : start + _BLOCK]
        if one != other:
            yield from (start + i for i in range(len(one)) if one[i] != other[i])


def common(before: Any, after: Any) -> int:
    """How many items, from the first on, two sequences have in common."""
    low, high = 0, min(len(before), len(after))
    while low < high:  # comparing halves is done in C
        middle = (low + high + 1) // 2
        if before[low:middle] == after[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _inside(path: str, key: Any) -> str:
    shown = _key(key)
    if shown is key:
        return f"{path}.{key}" if path else str(key)
    return f"{path}[{shown}]"


def _key(key: Any) -> str:
    if isinstance(key, str) and len(key) <= SHOWN and _BARE_KEY.match(key):
        return key
    return values.text(key, limit=SHOWN)


def _at(path: str, place: str) -> str:
    return f"{path}, {place}" if path else place


def _place(start: int, count: int) -> str:
    return f"byte {start}" if count == 1 else f"bytes {start} to {start + count - 1}"


def _beside(before: Any, after: Any, shown: int) -> tuple[str, str]:
    """Two values as text; of long texts the part where they begin to differ."""
    if isinstance(before, str) and isinstance(after, str) and max(len(before), len(after)) > shown:
        at = max(0, common(before, after) - _LEAD)
        if at:
            return (
                f"from character {at} on {_text(before[at:], shown)}",
                _text(after[at:], shown),
            )
    return _text(before, shown), _text(after, shown)


def _text(value: Any, shown: int) -> str:
    text = values.text(value, limit=shown)
    if isinstance(value, bytes) and len(value) <= 16:
        return text.partition(" (")[0] if text.startswith("0x") else text  # one can count them
    if isinstance(value, list | tuple | dict):
        return values.shortened(text, max(shown, COLLECTED))
    return text
