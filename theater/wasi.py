"""What of WASI is the same for all who look: numbers, and which calls change something. Pure.

A world call of WASI is done when that it is to be done is committed, and at most once. The same
functions have calls that are none: an open that neither creates nor truncates, a write to stdout
or into the body of a request, a look at a response that is not there yet.

An HTTP request is sent when its response is asked for: by then all of it stands in the record, as
arguments of the calls that made it. With the answer goes what it has brought (`is_answer`), as the
guest reads that later, maybe an incarnation later.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from theater.events import ref_hash

PREFIX = "wasi:"
TYPES = "wasi:filesystem/types"
STREAMS = "wasi:io/streams"
HTTP = "wasi:http/types"
OUTGOING = "wasi:http/outgoing-handler"

# Resources that are always there have numbers that are always the same: a turn that is carried on
# by a fresh instance finds what an older instance had got hold of long before.
STDIN, STDOUT, STDERR, NETWORK = 1, 2, 3, 4
# Output streams that are the body of a request are numbered from here: by its number it can be told
# that a write to one changes nothing.
BODIES = 0x6000_0000

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
EXCHANGE = "[method]future-incoming-response.get"
# interface -> function -> what becomes of one that was interrupted: see `capabilities.HandlerType`.
FILE_CHANGES: Mapping[str, Mapping[str, str]] = {
    TYPES: dict.fromkeys(sorted(CHANGES), "error"),
    STREAMS: dict.fromkeys(sorted(WRITES | SPLICES), "error"),
}
# By the request's method and the settings of the handler it may be `again`.
EXCHANGES: Mapping[str, Mapping[str, str]] = {HTTP: {EXCHANGE: "error"}}
WORLD: Mapping[str, Mapping[str, str]] = {**FILE_CHANGES, **EXCHANGES}


def is_change(interface: str, function: str, arguments: Any) -> bool:
    """Whether a call is a world call, if it is permitted."""
    if function not in WORLD.get(interface, ()) or not isinstance(arguments, list):
        return False
    if interface == STREAMS:
        return bool(arguments) and not _takes_what_is_said(arguments[0])
    if function != OPEN:
        return True
    flags = arguments[3] if len(arguments) == 5 else None
    return isinstance(flags, list) and ("create" in flags or "truncate" in flags)


def _takes_what_is_said(stream: Any) -> bool:
    """Whether what is written to it goes nowhere yet but into the record."""
    return stream in (STDOUT, STDERR) or (isinstance(stream, int) and stream >= BODIES)


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
    if interface == HTTP:
        return function == EXCHANGE and has_response(answer)
    return isinstance(answer, dict) and "ok" in answer and is_change(interface, function, arguments)


def has_response(answer: Any) -> bool:
    """Whether this, which an exchange was answered with, is no error."""
    inner = answer.get("ok") if isinstance(answer, dict) else None
    return isinstance(inner, dict) and "ok" in inner


def is_answer(interface: str, function: str, payload: Any) -> bool:
    """Whether a world call can have told this: `[answer]`, or with a response `[answer, kept]`.

    What is kept is [status, headers, the body in pieces, trailers]; headers are names and values.
    """
    if not isinstance(payload, list) or not 1 <= len(payload) <= 2:
        return False
    is_exchange = (interface, function) == (HTTP, EXCHANGE)
    if len(payload) == 1:
        return not is_exchange or not has_response(payload[0])
    return is_exchange and has_response(payload[0]) and _is_kept(payload[1])


def _is_kept(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 4:
        return False
    status, headers, body, trailers = value
    return (
        (type(status) is int and 100 <= status <= 999)
        and _are_headers(headers)
        and (isinstance(body, list) and all(map(_is_content, body)))
        and (trailers is None or _are_headers(trailers))
    )


def _are_headers(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, list) and len(each) == 2 and type(each[0]) is str and _is_content(each[1])
        for each in value
    )


def _is_content(value: Any) -> bool:
    return isinstance(value, bytes) or ref_hash(value) is not None
