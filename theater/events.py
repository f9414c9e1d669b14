"""What an event is: one crossing of the sandbox boundary, as bytes that are hashed and stored.

The bytes are a msgpack array
`[format, actor, incarnation, turn, index, type, interface, function, payload]`.
They hold no recording time, so that a replay makes the same bytes. `index` counts the events of
a turn from 0; lifecycle events have turn 0 and their position in the actor's chain as index.

Payloads, by type:

| type          | payload                                                            |
|---------------|--------------------------------------------------------------------|
| wasm-call     | the arguments: `[state, [parameter, ...]]`                         |
| host-call     | `[arguments, answer]`; `[arguments]` for an ask, answered later     |
| host-answer   | `[answer]` of the ask just before it; of an exchange by HTTP       |
|               | `[answer, kept]`: what further calls are answered from, see `wasi.py` |
| log           | `[line]`: a whole line the guest wrote to stdout or stderr         |
| wasm-result   | `[value, fuel]`: what the export returned and the fuel it burned    |
| carried-on    | `[]`: another incarnation goes on with the turn, see `journal.py`      |
| wasm-error    | `{kind, message, backtrace, fuel}`; only ever found as evidence     |
| all others    | a map: what the supervisor or the broker decided about the actor   |

In payloads a state, and every byte string over `INLINE_MAX` bytes, stands as a reference to its
content (`ref`), which is stored once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgpack

from theater.errors import ProtocolError
from theater.quoting import described

FORMAT = 1
INLINE_MAX = 1024  # bytes; longer byte strings in payloads are replaced by a reference
REF_CODE = 1  # msgpack extension type of a reference: 32 bytes, the SHA-256 of the content
DEPTH_MAX = 200  # of values in values: no type of a component is as deep, and readers recurse
_CONTAINERS = bytes((*range(0x80, 0xA0), 0xDC, 0xDD, 0xDE, 0xDF))  # what arrays and maps begin with
CHAIN_CODE = 2  # a part of a chain: msgpack [actor, first position, last position, head]
# How a reference starts in msgpack: as ext 8, and in the two ways that nobody needs to spell it.
_REF_MARKS = (b"\xc7\x20\x01", b"\xc8\x00\x20\x01", b"\xc9\x00\x00\x00\x20\x01")


class EventType(StrEnum):
    WASM_CALL = "wasm-call"
    HOST_CALL = "host-call"
    HOST_ANSWER = "host-answer"
    LOG = "log"
    WASM_RESULT = "wasm-result"
    WASM_ERROR = "wasm-error"
    CARRIED_ON = "carried-on"
    # Lifecycle, written by the broker on its own account or for the supervisor.
    CREATED = "created"
    COMPONENT_CHANGED = "component-changed"
    CHANGED = "changed"  # its grants, or a supervisor's flags
    RETURNED = "returned"  # after it had been removed
    REINITIALISED = "reinitialised"  # its next turn is `init`, with the initial state
    STARTED = "started"
    READY = "ready"
    EXITED = "exited"
    TURN_FAILED = "turn-failed"
    DEAD_LETTER = "dead-letter"  # one was retried or dropped
    REMOVED = "removed"
    DECIDED = "decided"


# What a chain says about its actor: in these, as a whole.
FACTS = frozenset(
    {EventType.CREATED, EventType.COMPONENT_CHANGED, EventType.CHANGED, EventType.RETURNED}
)
# The parts of a payload that is an array, by type.
PARTS: Mapping[str, tuple[str, ...]] = {
    EventType.WASM_CALL: ("state", "parameters"),
    EventType.HOST_CALL: ("arguments", "answer"),
    EventType.HOST_ANSWER: ("answer", "kept"),
    EventType.LOG: ("line",),
    EventType.WASM_RESULT: ("result", "fuel"),
    EventType.CARRIED_ON: (),
}
IN_TURNS = frozenset(PARTS)  # the committed record of a turn is made of these


@dataclass(slots=True)  # not frozen: that triples the time to make one, and the broker makes many
class Event:
    """An event as fields."""

    actor: str
    incarnation: int
    turn: int
    index: int
    type: str
    interface: str
    function: str
    payload: Any


_pack = msgpack.Packer(use_bin_type=True, autoreset=True).pack


def encode(
    actor: str,
    incarnation: int,
    turn: int,
    index: int,
    type: str,
    interface: str,
    function: str,
    payload: Any,
) -> bytes:
    data: bytes = _pack(
        (FORMAT, actor, incarnation, turn, index, type, interface, function, payload)
    )
    return data


def decode(data: bytes) -> Event:
    """Read event bytes; anything but a well-formed event is a ProtocolError."""
    try:
        fields = msgpack.unpackb(data, strict_map_key=False, ext_hook=_ext)
        version, actor, incarnation, turn, index, type_, interface, function, payload = fields
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
        raise ProtocolError(f"not an event: {error}") from None
    if _may_be_deep(data) and _is_deep(payload):
        raise ProtocolError("not an event: its values are nested too deeply")
    if version != FORMAT:
        raise ProtocolError(f"event format {described(version)} is not {FORMAT}")
    names = type(actor) is type(type_) is type(interface) is type(function) is str
    numbers = type(incarnation) is type(turn) is type(index) is int
    if not names or not numbers or min(incarnation, turn, index) < 0:
        raise ProtocolError("not an event: a name or a number is none")
    return Event(actor, incarnation, turn, index, type_, interface, function, payload)


def _may_be_deep(data: bytes) -> bool:
    """A cheap test: each level has a byte of its own, of these."""
    return len(data) > DEPTH_MAX < len(data) - len(data.translate(None, _CONTAINERS))


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEPTH_MAX):
        level = [
            item
            for each in level
            if isinstance(each, list | dict)
            for item in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True


def _ext(code: int, data: bytes) -> msgpack.ExtType:
    if code == REF_CODE and len(data) != 32:
        raise ValueError("a reference is not a hash")
    return msgpack.ExtType(code, data)


def content_hash(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def ref(hash: bytes) -> msgpack.ExtType:
    return msgpack.ExtType(REF_CODE, hash)


def ref_hash(value: Any) -> bytes | None:
    """The hash if `value` is a reference, else None."""
    if isinstance(value, msgpack.ExtType) and value.code == REF_CODE:
        return bytes(value.data)
    return None


def chain_part(answer: Any) -> list[Any] | None:
    """Where a part of a chain lies, [actor, first, last, head], if a recorded answer is one: of
    get-chain, or of get-child-events as its Ok."""
    if isinstance(answer, dict) and answer.keys() == {"ok"}:
        answer = answer["ok"]
    if isinstance(answer, msgpack.ExtType) and answer.code == CHAIN_CODE:
        part: list[Any] = msgpack.unpackb(answer.data)
        return part
    return None


def state_ref(state_hash: bytes | None) -> msgpack.ExtType | None:
    return None if state_hash is None else ref(state_hash)


def has_refs(data: bytes) -> bool:
    """Whether event bytes can hold a reference at all; a cheap test before walking."""
    return any(mark in data for mark in _REF_MARKS)


def refs_in(value: Any) -> list[bytes]:
    """The hashes of all references in a payload, in order."""
    found: list[bytes] = []
    _walk(value, found)
    return found


def _walk(value: Any, found: list[bytes]) -> None:
    if isinstance(value, msgpack.ExtType):  # a named tuple: look at it before tuples
        if value.code == REF_CODE:
            found.append(value.data)
    elif isinstance(value, list | tuple):
        for item in value:
            _walk(item, found)
    elif isinstance(value, dict):
        for item in value.values():
            _walk(item, found)


def externalise(value: Any, blobs: list[bytes]) -> Any:
    """A copy of `value` with long byte strings as references; their contents go to `blobs`."""
    if isinstance(value, bytes):
        if len(value) <= INLINE_MAX:
            return value
        blobs.append(value)
        return ref(content_hash(value))
    if isinstance(value, msgpack.ExtType):
        return value
    if isinstance(value, list | tuple):
        return [externalise(item, blobs) for item in value]
    if isinstance(value, dict):
        return {key: externalise(item, blobs) for key, item in value.items()}
    return value


def internalise(value: Any, contents: Mapping[bytes, bytes]) -> Any:
    """The value with its references replaced by what they stand for."""
    hash = ref_hash(value)
    if hash is not None:
        return contents[hash]
    if isinstance(value, list):
        return [internalise(item, contents) for item in value]
    if isinstance(value, dict):
        return {key: internalise(item, contents) for key, item in value.items()}
    return value
