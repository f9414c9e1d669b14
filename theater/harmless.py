"""Make text harmless that an actor, or anybody else, wrote. Pure.

Nothing that an actor wrote reaches a terminal but through `visible`. This imports next to nothing:
every command needs it, also one that shows no values.
"""

from __future__ import annotations

import unicodedata

_PART = 4096  # characters that are made harmless at once: each is a string of its own meanwhile


def visible(text: str, keep: str = "") -> str:
    """`text` with everything that could move a cursor, hide or reorder what is shown escaped:
    controls (C0, C1, so ANSI too), format characters (bidi, zero width), line and paragraph
    separators, surrogates, private and unassigned characters. Those in `keep` stay."""
    if text.isprintable():
        return text
    if len(text) > _PART:
        parts = (text[at : at + _PART] for at in range(0, len(text), _PART))
        return "".join([visible(part, keep) for part in parts])
    return "".join(
        char
        if char.isprintable() or char in keep or unicodedata.category(char) == "Zs"
        else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def lines(text: str) -> list[str]:
    """`text` cut into harmless lines; tabs stay. At least one line."""
    parts = text.removesuffix("\n").split("\n")
    return [visible(part.removesuffix("\r"), keep="\t") for part in parts]


def shortened(text: str, limit: int | None) -> str:
    """At most `limit` characters of a harmless text."""
    if limit is None or len(text) <= limit:
        return text
    return text[: max(0, limit - 3)] + "..."
