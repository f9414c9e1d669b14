"""What actors say to each other: bytes, and what is easily made into bytes."""

from __future__ import annotations

import dataclasses
import json
from typing import Any


class Message(bytes):
    """The bytes of a message, or of an answer."""

    @property
    def text(self) -> str:
        """As text. UnicodeDecodeError if it is not UTF-8."""
        return self.decode()

    def json(self) -> Any:
        """As JSON. ValueError if it is none."""
        return json.loads(self)


# Bytes as they are; a string as UTF-8; anything else, also a dataclass, as JSON.
Sendable = Any


def encoded(value: Sendable) -> bytes:
    """The bytes that are sent. TypeError for what JSON has no words for."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        return value.encode()
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_plain).encode()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    raise TypeError(
        f"a {type(value).__name__} cannot be sent: bytes, a string, a dataclass, and what JSON has"
        " words for can"
    )
