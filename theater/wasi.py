"""What of WASI is the same for all who look: numbers, and which calls change something. Pure.

A world call of WASI is done when that it is to be done is committed, and at most once. The same
functions have calls that are none: an open that neither creates nor truncates, a write to stdout.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

PREFIX = "wasi:"
TYPES = "wasi:filesystem/types"
STREAMS = "wasi:io/streams"

# Resources that are always there have numbers that are always the same: a turn that is carried on
# by a fresh instance finds what an older instance had got hold of long before.
STDIN, STDOUT, STDERR, NETWORK = 1, 2, 3, 4

OPEN = "[method]descriptor.open-at"
# Of a descriptor. What is done to it, or below it, cannot be told from what was there before.
CHANGES = frozenset(
    f"[method]descriptor.{name}"
    for name in (
        "create-directory-at",
        "link-at",
        "open-at",  # if it may create or truncate
        "remove-directory-at",
        "rename-at",
        "set-size",
        "set-times",
        "set-times-at",
        "symlink-at",
        "sync",
        "sync-data",
        "unlink-file-at",
        "write",
    )
)
# Of an output stream: what is written is an argument, itself or as a number of zeroes.
WRITES = frozenset(
    f"[method]output-stream.{name}"
    for name in (
        "write",
        "blocking-write-and-flush",
        "write-zeroes",
        "blocking-write-zeroes-and-flush",
    )
)
SPLICES = frozenset(f"[method]output-stream.{name}" for name in ("splice", "blocking-splice"))
# What stdout and stderr are got by, and what they are written to with.
LINES = frozenset(
    f"wasi:cli/{name}" for name in ("stdout", "stderr", "terminal-stdout", "terminal-stderr")
)
SAYS = WRITES | {
    f"[method]output-stream.{name}"
    for name in ("check-write", "subscribe", "flush", "blocking-flush")
}
SYNCS = frozenset(f"[method]descriptor.{name}" for name in ("sync", "sync-data"))
# interface -> function -> what becomes of one that was interrupted: see `capabilities.HandlerType`.
WORLD: Mapping[str, Mapping[str, str]] = {
    TYPES: dict.fromkeys(sorted(CHANGES), "error"),
    STREAMS: dict.fromkeys(sorted(WRITES | SPLICES), "error"),
}


def is_change(interface: str, function: str, arguments: Any) -> bool:
    """Whether a call is a world call, if it is permitted."""
    if function not in WORLD.get(interface, ()) or not isinstance(arguments, list):
        return False
    if interface == STREAMS:
        return bool(arguments) and arguments[0] not in (STDOUT, STDERR)
    if function != OPEN:
        return True
    flags = arguments[3] if len(arguments) == 5 else None
    return isinstance(flags, list) and ("create" in flags or "truncate" in flags)


def only_says(
    interface: str, function: str, arguments: Any, streams: Container[int] = (STDOUT, STDERR)
) -> bool:
    """Whether all that a call can do is to write lines. `streams`: the numbers of the two."""
    if interface != STREAMS:
        return interface in LINES
    of = arguments[0] if isinstance(arguments, list) and arguments else None
    return isinstance(of, int) and of in streams and function in SAYS


def is_done(interface: str, function: str, payload: Any) -> bool:
    """Whether a call with its answer says that something was changed before that was committed."""
    if not isinstance(payload, list) or len(payload) != 2 or function in SYNCS:
        return False  # of what can only be read there is nothing to be synced
    arguments, answer = payload
    return isinstance(answer, dict) and "ok" in answer and is_change(interface, function, arguments)
