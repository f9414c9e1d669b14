"""Show what actors say: values as text in the manner of WAVE, as JSON, all of it harmless. Pure.

Nothing that an actor wrote reaches a terminal but through `visible` (or `text`, which uses it).
"""

from __future__ import annotations

import base64
import math
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import msgpack

from theater.events import CHAIN_CODE, ref_hash
from theater.harmless import lines as lines
from theater.harmless import shortened as shortened
from theater.harmless import visible as visible

Content = Callable[[bytes], bytes | None]  # what a reference stands for, by its SHA-256

PACK = b"CGRF\2\0"  # how a value of Pack's begins that is encoded
PACK_MAX = 1 << 20  # characters of such a value in JSON: the bytes are there whole
DECODED_MAX = 1 << 20  # bytes of one that is decoded where not all of it is wanted
DEPTH_MAX = 64  # nested deeper than this is not shown: it is hostile, or no value of WIT
SHOWN_HASH = 12  # hex digits of a hash in text
_BARE_KEY = re.compile(r"[A-Za-z%][A-Za-z0-9_-]*\Z")


def text(value: Any, content: Content | None = None, limit: int | None = None) -> str:
    """A plain value as harmless text; strings and bytes with at most `limit` characters each.

    `content` finds what a reference stands for; without it a reference is shown as its hash.
    """
    return _text(value, content or _unknown, limit, 0)


def _unknown(_hash: bytes) -> bytes | None:
    return None


def _text(value: Any, content: Content, limit: int | None, depth: int) -> str:
    if depth > DEPTH_MAX:
        return "..."
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case msgpack.ExtType():
            return _extension(value, content, limit)
        case str():
            return _quoted(value, limit)
        case bytes():
            return _bytes(value, limit)
        case int():
            # Python refuses to write integers of very many digits; msgpack has none.
            return str(value)
        case float():
            return _float(value)
        case list() | tuple():
            items = (_text(item, content, limit, depth + 1) for item in value)
            return f"[{', '.join(items)}]"
        case dict():
            if len(value) == 1:
                ((case, payload),) = value.items()
                if case in ("ok", "err"):
                    return (
                        case
                        if payload is None
                        else f"{case}({_text(payload, content, limit, depth + 1)})"
                    )
            fields = (
                f"{key_text(key, limit)}: {_text(item, content, limit, depth + 1)}"
                for key, item in value.items()
            )
            return f"{{{', '.join(fields)}}}"
    return visible(repr(value))


def key_text(key: Any, limit: int | None = None) -> str:
    """A key of a map, without quotes if it needs none."""
    if isinstance(key, str) and _BARE_KEY.match(key):
        return shortened(key, limit)
    return _text(key, _unknown, limit, DEPTH_MAX)


def _float(value: float) -> str:
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return repr(value)


def _quoted(value: str, limit: int | None, unit: str = "characters") -> str:
    cut = value if limit is None else value[:limit]
    shown = visible(cut.replace("\\", "\\\\").replace('"', '\\"'))
    return f'"{shown}"' if len(cut) == len(value) else f'"{shown}..." ({len(value)} {unit})'


def _bytes(value: bytes, limit: int | None) -> str:
    graph = pack_text(value, limit)
    if graph is not None:
        return graph
    known = as_text(value)
    if known is not None:
        if limit is None or len(known) <= limit:
            return _quoted(known, None)
        shown = _quoted(known[:limit], None)[:-1]
        return f'{shown}..." ({len(value)} bytes)'
    shown_bytes = value if limit is None else value[: limit // 2]
    more = "" if len(shown_bytes) == len(value) else "..."
    return f"0x{shown_bytes.hex()}{more} ({len(value)} bytes)"


def pack_text(value: bytes, limit: int | None = None) -> str | None:
    """The value of Pack's that these bytes are, as harmless text; None if they are none.

    With a limit of a large one only its size is told: to show its beginning all of it would have
    to be decoded, which can take several times its size and seconds.
    """
    if not value.startswith(PACK):
        return None
    if limit is not None and len(value) > DECODED_MAX:
        return f"a value of Pack's... ({len(value)} bytes)"
    from theater.pack import codec, text  # not before it is needed: few logs have one

    try:
        decoded = codec.decode(value)
    except codec.BadGraph:
        return None
    # A byte is told in eight characters at most, but for floats that are very large or small.
    most = len(value) * 8 if limit is None else limit
    return text.joined(map(visible, text.pieces(decoded)), most)


def as_text(value: bytes) -> str | None:
    """The text that these bytes are; None if they are not UTF-8 or not meant to be read."""
    try:
        decoded = value.decode()
    except UnicodeDecodeError:
        return None
    readable = decoded.isprintable() or all(
        char.isprintable() or char in "\n\r\t" or unicodedata.category(char) in ("Zs", "Cf")
        for char in decoded
    )
    return decoded if readable else None


def _extension(value: msgpack.ExtType, content: Content, limit: int | None) -> str:
    hash = ref_hash(value)
    if hash is not None:
        found = content(hash)
        return f"sha256:{hash.hex()[:SHOWN_HASH]}" if found is None else _bytes(found, limit)
    part = _chain_part(value)
    if part is not None:
        return f"events {part['first']} to {part['last']} of {visible(part['actor'])}"
    return f"extension {value.code} {_bytes(value.data, limit)}"


def _chain_part(value: msgpack.ExtType) -> dict[str, Any] | None:
    """What an answer that is a part of a chain says: whose, from where to where, its head."""
    if value.code != CHAIN_CODE:
        return None
    try:
        actor, first, last, head = msgpack.unpackb(value.data)
    except (ValueError, TypeError, msgpack.UnpackException):
        return None
    if not isinstance(actor, str) or not isinstance(first, int) or not isinstance(last, int):
        return None
    return {"actor": actor, "first": first, "last": last, "head": json_bytes(head)}


def json_bytes(value: Any) -> Any:
    """A hash as hex."""
    return value.hex() if isinstance(value, bytes) else None


def json_value(value: Any, content: Content | None = None) -> Any:
    """A plain value as `json.dumps` takes it, whole.

    Bytes become {"text": ...} or, if they are not UTF-8, {"base64": ...}; a reference the same
    with its "sha256" (and nothing else if `content` does not find it). A value of Pack's has "pack"
    beside it, as people see it; numbers that JSON has no words for become strings.
    """
    return _json(value, content or _unknown, 0)


def _json(value: Any, content: Content, depth: int) -> Any:
    if depth > DEPTH_MAX:
        return {"omitted": "nested too deeply"}
    match value:
        case None | bool() | int():
            return value
        case str():
            return value
        case float():
            return value if math.isfinite(value) else _float(value)
        case bytes():
            return json_content(value)
        case msgpack.ExtType():
            return _json_extension(value, content)
        case list() | tuple():
            return [_json(item, content, depth + 1) for item in value]
        case dict():
            return {
                key if isinstance(key, str) else text(key): _json(item, content, depth + 1)
                for key, item in value.items()
            }
    return repr(value)


def json_content(value: bytes) -> dict[str, str]:
    graph = pack_text(value, PACK_MAX)
    shown = {} if graph is None else {"pack": graph}
    try:
        return {"text": value.decode(), **shown}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode(), **shown}


def _json_extension(value: msgpack.ExtType, content: Content) -> Any:
    hash = ref_hash(value)
    if hash is not None:
        found = content(hash)
        return {"sha256": hash.hex(), **({} if found is None else json_content(found))}
    part = _chain_part(value)
    if part is not None:
        return {"chain": part}
    return {"extension": value.code, **json_content(value.data)}
