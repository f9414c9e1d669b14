"""The hash chain of one actor: each hash covers the one before it and the event's bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

GENESIS = bytes(32)  # the parent of an actor's first event


def link(parent: bytes, event: bytes) -> bytes:
    """The hash of `event` after `parent`: SHA-256(parent ‖ event bytes), 32 bytes."""
    return hashlib.sha256(parent + event).digest()


def first_break(rows: Iterable[tuple[bytes, bytes]]) -> int | None:
    """The position of the first (event bytes, stored hash) that does not follow, or None."""
    parent = GENESIS
    for position, (event, stored) in enumerate(rows):
        parent = link(parent, event)
        if parent != stored:
            return position
    return None
