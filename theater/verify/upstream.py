"""Verify a chain file as the original Theater writes it: a JSON list of events.

An event is an object with `hash`, `parent_hash`, `event_type` and `data`; hashes and data are lists
of byte numbers, `parent_hash` of the first one is null. The hash is the SHA-1 of this text, without
spaces, its keys in this order, with an empty list where the hash will stand:

    {"hash":[],"parent_hash":null,"event_type":"wasm","data":[67,71,82,70]}

The file is read event by event, so that its size does not matter.
"""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from theater.errors import EnvironmentProblem, TheaterError
from theater.fsck.findings import Reports, Tell
from theater.harmless import visible
from theater.pack.codec import BadGraph, decode
from theater.pack.text import text
from theater.quoting import quoted

PIECE = 1 << 16  # bytes read at a time, at first
EVENT_MAX = 80 * 1024 * 1024  # characters of one event: 16 MiB of data are about 64
KEYS = ("hash", "parent_hash", "event_type", "data")
SHA1_BYTES = 20

Progress = Callable[[str], None]


class NoChainFile(TheaterError):
    """The file is no chain file; the text says why, and where."""


@dataclass(frozen=True, slots=True)
class ChainSummary:
    problems: int
    events: int
    head: str  # the hash of the last event, hex; "" if there is none


def verify(
    name: str,
    tell: Tell,
    progress: Progress = lambda _text: None,
    show: Show = lambda _number, _event: None,
) -> ChainSummary:
    """Tell every event whose hash or parent does not hold. NoChainFile, EnvironmentProblem.

    `show` is given each event, before anything is told of it.
    """
    reports = Reports(tell)
    known: set[bytes | None] = {None}  # what the next parent may be
    odd: set[str] = set()
    count, head = 0, b""
    try:
        with open(name, "rb") as file:
            for number, facts in enumerate(events(file)):
                event = _event(number, facts)
                show(number, event)
                for key in sorted(facts.keys() - set(KEYS) - odd)[:10]:
                    odd.add(key)
                    reports.note(f"the hash of an event says nothing about its {quoted(key)}")
                if event.parent not in known:
                    expected = " or ".join(sorted(map(_shown, known)))
                    why = "it is the first" if number == 0 else "the hash of the one before"
                    found = f"parent_hash is {_shown(event.parent)}"
                    reports.wrong(found, f"{expected}, {why}", event=number)
                digest = event.digest()
                if digest != event.hash:
                    expected = f"{digest.hex()}, the SHA-1 of what it says"
                    reports.wrong(f"hash is {event.hash.hex()}", expected, event=number)
                known = {event.hash, digest}  # whichever of the two was changed
                count, head = number + 1, event.hash
                if count % 10_000 == 0:
                    progress(f"verifying ... {count:,} events")
    except OSError as error:
        raise EnvironmentProblem(f"cannot read {name}: {error.strerror}") from None
    except NoChainFile as error:
        raise NoChainFile(f"{name} is no chain file: {error}") from None
    return ChainSummary(reports.count, count, head.hex())


@dataclass(frozen=True, slots=True)
class ChainEvent:
    hash: bytes
    parent: bytes | None
    type: str
    data: bytes

    def digest(self) -> bytes:
        parent = "null" if self.parent is None else _list(self.parent)
        type = json.dumps(self.type, ensure_ascii=False)
        said = f'{{"hash":[],"parent_hash":{parent},"event_type":{type},"data":{_list(self.data)}}}'
        return hashlib.sha1(said.encode(), usedforsecurity=False).digest()

    def told(self) -> str:
        """What it says, on one line: its data as a value of Pack's, or how many bytes they are."""
        try:
            return visible(text(decode(self.data)))
        except BadGraph:
            return f"raw: {len(self.data)} bytes"


Show = Callable[[int, ChainEvent], None]


def _list(data: bytes) -> str:
    return f"[{','.join(map(str, data))}]"


def _shown(hash: bytes | None) -> str:
    return "null" if hash is None else hash.hex()


def _event(number: int, facts: dict[str, Any]) -> ChainEvent:
    for key in KEYS:
        if key not in facts:
            raise NoChainFile(f"event {number} has no {quoted(key)}")
    parent, type = facts["parent_hash"], facts["event_type"]
    if not isinstance(type, str):
        raise NoChainFile(f"event_type of event {number} is no text")
    try:
        type.encode()
    except UnicodeEncodeError:
        raise NoChainFile(f"event_type of event {number} is no text") from None
    return ChainEvent(
        _bytes(number, "hash", facts["hash"], SHA1_BYTES),
        None if parent is None else _bytes(number, "parent_hash", parent, SHA1_BYTES),
        type,
        _bytes(number, "data", facts["data"]),
    )


def _bytes(number: int, key: str, value: Any, size: int | None = None) -> bytes:
    if not isinstance(value, list) or not all(type(each) is int for each in value):
        raise NoChainFile(f"{key} of event {number} is no list of numbers")
    try:
        data = bytes(value)
    except (ValueError, OverflowError):
        raise NoChainFile(f"{key} of event {number} has a number that is no byte") from None
    if size is not None and len(data) != size:
        raise NoChainFile(f"{key} of event {number} has {len(data)} bytes, and not {size}")
    return data


def events(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """The objects of a JSON list, one at a time. NoChainFile."""
    chars = _Text(file)
    if chars.next() != "[":
        raise NoChainFile("it does not begin with [")
    number = 0
    if chars.peek() == "]":
        chars.next()
    else:
        while True:
            value = chars.value(number)
            if not isinstance(value, dict):
                raise NoChainFile(f"event {number} is no object")
            yield value
            number += 1
            after = chars.next()
            if after == "]":
                break
            if after != ",":
                where = f"after event {number - 1}"
                raise NoChainFile(f"{where} comes {quoted(after) if after else 'its end'}")
    if chars.peek():
        raise NoChainFile("something comes after the list")


class _Text:
    """The text of a file, of which only a window is in memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._window = ""
        self._at = 0
        self._ended = False
        self._json = json.JSONDecoder()

    def _read(self, size: int) -> bool:
        """More of it; False: there is none."""
        if self._ended:
            return False
        data = self._file.read(size)
        self._ended = not data
        try:
            more = self._decoder.decode(data, final=self._ended)
        except UnicodeDecodeError:
            raise NoChainFile("it is not UTF-8") from None
        self._window = self._window[self._at :] + more
        self._at = 0
        return True

    def peek(self) -> str:
        """The next character that is no space; "": the end."""
        while True:
            while self._at < len(self._window):
                char = self._window[self._at]
                if char not in " \t\r\n":
                    return char
                self._at += 1
            if not self._read(PIECE):
                return ""

    def next(self) -> str:
        char = self.peek()
        self._at += len(char)
        return char

    def value(self, number: int) -> Any:
        """The whole value that begins here."""
        if not self.peek():
            raise NoChainFile(f"it ends before event {number}")
        size = PIECE
        while True:
            try:
                value, end = self._json.raw_decode(self._window, self._at)
            except RecursionError:
                raise NoChainFile(f"event {number} is nested too deeply") from None
            except ValueError as error:
                if len(self._window) - self._at > EVENT_MAX:
                    raise NoChainFile(
                        f"event {number} is no JSON, or has more than {EVENT_MAX:,} characters"
                    ) from None
                if not self._read(size):
                    why = getattr(error, "msg", "a number of too many digits")
                    raise NoChainFile(f"event {number} is no JSON: {why}") from None
                size *= 2  # so that what is read again and again stays in proportion
                continue
            if end < len(self._window) or self._ended:  # else a number could go on
                self._at = end
                return value
            self._read(size)
