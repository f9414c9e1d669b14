"""What the processes say to each other, and the one decoder for it.

Every message is one msgpack array whose first item is its name. Between a worker and the broker
a message is one ZeroMQ frame; between root and its helpers it is a length-prefixed frame on a
socket pair. A frame from the broker to a worker is a list of such messages.

Worker to broker:
    hello   actor, incarnation, secret, [turn, step] last acknowledged or nil
    step    turn, step, input id, [event bytes, ...], [content, ...]
Broker to worker:
    welcome {state, senders, initialised, committed, requests, channels}: where it stands
    refused reason
    who
    ack     turn, step
    input   turn, kind, input id, sender, name, body, deliveries, journal;
            the name is of the request, or of the channel
    answer  turn, index, value
    sender  address that may be answered from now on
    settled request that is not outstanding any more, though the worker has not answered it
    channel id, whether it is open from now on

A journal is [] or, of a turn that is carried on, what is committed of it: [number of steps,
[event bytes, ...], [content, ...], [[place of a part of the chain, its value], ...]].
"""

from __future__ import annotations

import struct
from typing import Any

import msgpack

from theater.errors import ProtocolError

FRAME_MAX = 256 * 1024 * 1024  # bytes; larger frames end the connection

_pack = msgpack.Packer(use_bin_type=True, autoreset=True).pack
_LENGTH = struct.Struct("<I")


def pack(message: Any) -> bytes:
    data: bytes = _pack(message)
    return data


def unpack(data: bytes | memoryview) -> Any:
    """Decode one frame; what is not msgpack is a ProtocolError."""
    try:
        return msgpack.unpackb(data, strict_map_key=False)
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
        raise ProtocolError(f"not a message: {error}") from None


def unpack_message(data: bytes | memoryview, names: dict[str, int]) -> list[Any]:
    """Decode one message whose name and number of arguments `names` lists."""
    message = unpack(data)
    if not isinstance(message, list) or not message or not isinstance(message[0], str):
        raise ProtocolError("not a message: no name")
    wanted = names.get(message[0])
    if wanted is None:
        raise ProtocolError(f"unknown message {message[0][:40]!r}")
    if len(message) - 1 != wanted:
        raise ProtocolError(f"{message[0]} has {len(message) - 1} arguments, not {wanted}")
    return message


def frame(message: Any) -> bytes:
    """A message with its length before it, for a stream."""
    data = pack(message)
    return _LENGTH.pack(len(data)) + data


LENGTH_BYTES = _LENGTH.size


def frame_length(prefix: bytes) -> int:
    """The number of bytes that follow a frame's prefix."""
    (length,) = _LENGTH.unpack(prefix)
    return int(length)


class FrameReader:
    """Cuts a byte stream back into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Any]:
        self._buffer += data
        messages: list[Any] = []
        start = 0
        while len(self._buffer) - start >= 4:
            (length,) = _LENGTH.unpack_from(self._buffer, start)
            if length > FRAME_MAX:
                raise ProtocolError(f"a frame of {length} bytes is over the limit")
            if len(self._buffer) - start - 4 < length:
                break
            messages.append(unpack(bytes(self._buffer[start + 4 : start + 4 + length])))
            start += 4 + length
        del self._buffer[:start]
        return messages
