"""Tree heads: what was signed of a log, how many events it had and the root over them. Pure.

One is a line of JSON that can be kept anywhere. What is signed is a text of five lines, each with
its end, which anybody can write down again from the line:

    theater tree head 1
    size 1234
    root 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    time 2026-11-26T01:41:33Z
    key 4b8e2c1f00d1a7c3

A log and its key belong together, and `key` (see keys.py) names both.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from theater.errors import TheaterError
from theater.keys import ID_DIGITS, PrivateKey
from theater.quoting import quoted

KIND = "tree head"
VERSION = 1
LINE_MAX = 1000  # bytes; a head has about 350
SIZE_MAX = 1 << 63

_KEYS = {"theater", "version", "size", "root", "time", "key", "signature"}
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


class NoHead(TheaterError):
    """A text that should be a tree head is none; the text says why."""


@dataclass(frozen=True, slots=True)
class Head:
    size: int  # events
    root: bytes  # of the tree over them, see merkle.py
    time: str  # when it was signed, UTC
    key: str  # the id of the key
    signature: bytes

    def signed(self) -> bytes:
        """What the signature is over."""
        return _text(self.size, self.root, self.time, self.key)

    def line(self) -> str:
        """The head as a line, without its end."""
        return json.dumps(
            {
                "theater": KIND,
                "version": VERSION,
                "size": self.size,
                "root": self.root.hex(),
                "time": self.time,
                "key": self.key,
                "signature": base64.b64encode(self.signature).decode(),
            }
        )


def _text(size: int, root: bytes, time: str, key: str) -> bytes:
    lines = (f"theater {KIND} {VERSION}", f"size {size}", f"root {root.hex()}", f"time {time}")
    return "".join(f"{line}\n" for line in (*lines, f"key {key}")).encode()


def sign(key: PrivateKey, size: int, root: bytes, at: float) -> Head:
    """A new head. `at`: Unix time."""
    time = datetime.datetime.fromtimestamp(int(at), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    signature = key.sign(_text(size, root, time, key.public.id))
    return Head(size, root, time, key.public.id, signature)


def parse(line: str | bytes) -> Head:
    """Read a head that anybody may have written; NoHead."""
    if len(line) > LINE_MAX:
        raise NoHead(f"it has {len(line):,} bytes, and a tree head at most {LINE_MAX:,}")
    try:
        facts = json.loads(line)
    except (ValueError, RecursionError):
        raise NoHead("it is no JSON") from None
    if not isinstance(facts, dict) or facts.get("theater") != KIND:
        raise NoHead(f'it is no JSON object with "theater": "{KIND}"')
    if facts.get("version") != VERSION:
        raise NoHead(f"its version is {quoted(str(facts.get('version')))}, and not {VERSION}")
    if facts.keys() != _KEYS:
        odd = ", ".join(quoted(str(key)) for key in sorted(facts.keys() ^ _KEYS))
        raise NoHead(f"its keys are not those of a tree head: {odd}")
    size = facts["size"]
    if type(size) is not int or not 0 <= size < SIZE_MAX:
        raise NoHead("its size is no number of events")
    time = _string(facts, "time")
    if not _TIME.fullmatch(time):
        raise NoHead(f"its time is {quoted(time)}, and not as in 2026-11-26T01:41:33Z")
    key = _string(facts, "key")
    if not re.fullmatch(f"[0-9a-f]{{{ID_DIGITS}}}", key):
        raise NoHead(f"its key is {quoted(key)}, and not {ID_DIGITS} hex digits")
    root = _string(facts, "root")
    if not re.fullmatch("[0-9a-f]{64}", root):
        raise NoHead(f"its root is {quoted(root)}, and not 64 hex digits")
    try:
        signature = base64.b64decode(_string(facts, "signature").encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise NoHead("its signature is no base64") from None
    if len(signature) != 64:
        raise NoHead(f"its signature has {len(signature)} bytes, and not 64")
    return Head(size, bytes.fromhex(root), time, key, signature)


def _string(facts: dict[str, Any], key: str) -> str:
    value = facts[key]
    if not isinstance(value, str):
        raise NoHead(f"its {key} is no text")
    return value


def lines(file: BinaryIO) -> Iterator[tuple[int, bytes, bool]]:
    """(number from 1, line without its end, whether it has one) of a file of heads.

    The last line may have none: it was being written when everything died, and nobody has been
    given that head.
    """
    number = 0
    while line := file.readline(LINE_MAX + 1):
        number += 1
        whole = line.endswith(b"\n")
        yield number, line.rstrip(b"\n"), whole
        while line and not line.endswith(b"\n"):  # what is longer is no head, and is left out
            line = file.readline(LINE_MAX + 1)
