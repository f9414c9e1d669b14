"""Show what messages and states hold: JSON, msgpack, text, a value of Pack's, or a hex dump; all
of it harmless."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

from theater import decoding, values
from theater.cli.status import size
from theater.cli.terminal import Stream
from theater.decoding import Kind
from theater.pack import bridge
from theater.pack.text import pieces
from theater.values import json_content, lines, shortened, visible

LINES_MAX, LINE_MAX = 20, 200  # of a content, and characters of one of its lines
WIDTH = 76  # characters of a value that stays in one line
MORE = "--json has all of it"
_NAMES = {Kind.JSON: "JSON", Kind.MSGPACK: "msgpack", Kind.TEXT: "text"}


def content(body: bytes | None, none: str, more: str) -> Iterator[str]:
    """The first lines of it, indented. `none`: what to say for None; `more`: where the rest is."""
    first = list(itertools.islice(content_lines(body, none, LINE_MAX), LINES_MAX + 1))
    cut = [shortened(line, LINE_MAX) for line in first[:LINES_MAX]]
    for line in cut:
        yield f"  {line}"
    if cut != first:
        yield f"  ... {more}"


def message(body: bytes | None, stream: Stream) -> Iterator[str]:
    """On a terminal a long one is shortened, in a pipe it is not."""
    if stream.is_terminal:
        yield from content(body, "not in the log any more", MORE)
    else:
        for line in content_lines(body, "not in the log any more"):
            yield f"  {line}"


def content_lines(body: bytes | None, none: str, wanted: int | None = None) -> Iterator[str]:
    """All of it, made line by line: of a large state mostly the first few are wanted.

    `wanted`: so many characters of a line, and perhaps some more; None: all of them.
    """
    if not body:
        yield none if body is None else "empty"
    elif (parts := _pack_parts(body)) is not None:
        yield "".join(parts) if wanted is None else _first(parts, wanted)
    else:
        yield from _plain_lines(body)


def content_parts(body: bytes) -> Iterator[str]:
    """The same as a text with newlines, in parts: a value of Pack's is one line, which can be many
    times as long as the value."""
    if (parts := _pack_parts(body)) is not None:
        yield from parts
        yield "\n"
    else:
        for line in content_lines(body, ""):
            yield f"{line}\n"


def _pack_parts(body: bytes) -> Iterator[str] | None:
    """The harmless text of a value of Pack's, which is nothing else besides; None: it is none."""
    state = bridge.decoded(body)
    return None if state is None else map(visible, pieces(state))


def _first(parts: Iterable[str], wanted: int) -> str:
    """More than so many characters, if there are more."""
    found: list[str] = []
    for part in parts:
        found.append(part)
        if (wanted := wanted - len(part)) < 0:
            break
    return "".join(found)


def _plain_lines(body: bytes) -> Iterator[str]:
    kind, value = decoding.decode(body)
    match kind:
        case Kind.JSON if len(body) > WIDTH and b"\n" not in body.strip():
            yield from _lines(json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(value))
        case Kind.JSON | Kind.TEXT:
            yield from _lines([body.decode().removesuffix("\n")])
        case Kind.MSGPACK:
            yield from pretty(value)
        case _:
            yield from hex_dump(body)


def _lines(parts: Iterable[str]) -> Iterator[str]:
    """What these parts of a text have between its newlines, harmless. At least one line."""
    line: list[str] = []
    for part in parts:
        at = 0
        while (end := part.find("\n", at)) >= 0:
            yield from lines("".join((*line, part[at:end])))
            line, at = [], end + 1
        line.append(part[at:])
    yield from lines("".join(line))


def pretty(value: Any, indent: int = 0, before: str = "", after: str = "") -> Iterator[str]:
    """A plain value as harmless text, as `values.text` has it, in lines if it is long. `before` and
    `after` stand in its first and its last line."""
    is_many = isinstance(value, list | dict) and len(value) > WIDTH  # and so in no one line
    if not is_many:
        one = values.text(value)
        if len(one) + indent <= WIDTH or not isinstance(value, list | dict) or not value:
            yield f"{before}{one}{after}"
            return
    opened, closed = "{}" if isinstance(value, dict) else "[]"
    yield f"{before}{opened}"
    named = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    for number, (key, item) in enumerate(named, 1):
        name = f"{values.key_text(key)}: " if isinstance(value, dict) else ""
        comma = "," if number < len(value) else ""
        for line in pretty(item, indent + 2, name, comma):
            yield f"  {line}"
    yield f"{closed}{after}"


def hex_dump(body: bytes) -> Iterator[str]:
    """Sixteen bytes a line: where, hex, and what is printable ASCII of it."""
    for at in range(0, len(body), 16):
        part = body[at : at + 16]
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
        yield f"{at:08x}  {part[:8].hex(' '):<23}  {part[8:].hex(' '):<23}  |{shown}|"


def sized(body: bytes | None, size: int = 0) -> str:
    """`12 B of JSON`. `size`: of one that is not in the log any more."""
    if body is None:
        return amount(size)
    name = _NAMES.get(decoding.decode(body).kind, "")
    return f"{amount(len(body))} of {name}" if name else amount(len(body))


def content_json(body: bytes) -> dict[str, Any]:
    """All of it for programs: the bytes, and what they say if they say something."""
    kind, value = decoding.decode(body)
    facts: dict[str, Any] = {"kind": kind.value, **json_content(body)}
    if kind in (Kind.JSON, Kind.MSGPACK):
        facts["value"] = values.json_value(value)
    return facts


def amount(count: int) -> str:
    """Bytes as 812 B, 5 kB, 5.3 MB."""
    return f"{count} B" if count < 1000 else size(count)


def not_kept(hash: bytes | None) -> str:
    """What to say of a state that is not shown. None: there is none."""
    return "none" if hash is None else f"its bytes are not kept ({short_hash(hash)})"


def short_hash(hash: bytes) -> str:
    return f"sha256 {hash.hex()[:12]}"
