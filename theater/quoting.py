"""Show text that somebody else wrote: escaped, bounded, and with the nearest known word."""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Iterable

SHOWN_MAX = 80  # characters of a foreign text that a message repeats


def escaped(text: str, limit: int = SHOWN_MAX) -> str:
    """`text` with everything unprintable (controls, bidi, surrogates) as \\x.., \\u....; cut at
    `limit` characters."""
    cut = text[:limit]
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in cut
    )
    return shown if len(text) <= limit else shown + "..."


def quoted(text: str, limit: int = SHOWN_MAX) -> str:
    """As `escaped`, in double quotes, the way TOML would have it."""
    cut = text[:limit].replace("\\", "\\\\").replace('"', '\\"')
    shown = escaped(cut, len(cut))
    return f'"{shown}"' if len(text) <= limit else f'"{shown}..."'


def toml(value: object) -> str:
    """A value as TOML has it, on one line and harmless: text, numbers, arrays, tables."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return '"' + "".join(map(_toml_char, value)) + '"'
        case list() | tuple():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            items = ", ".join(f"{_toml_key(key)} = {toml(item)}" for key, item in value.items())
            return f"{{ {items} }}" if items else "{}"
    return str(value)


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else toml(key)


def _toml_char(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return char if char.isprintable() else f"\\U{ord(char):08x}"


def described(value: object) -> str:
    """What a TOML value is, in a few words: `"x"`, `true`, `3`, `a table`, `an array`."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return quoted(value)
        case int():
            # str() of a huge int is refused by Python itself, and nobody would read it.
            return str(value) if abs(value) < 10**24 else "a number of more than 24 digits"
        case float():
            return str(value)
        case dict():
            return "a table" if value else "an empty table"
        case list():
            return "an array" if value else "an empty array"
        case datetime.date() | datetime.time():
            return f"the date or time {value.isoformat()}"
    return f"a {type(value).__name__}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be, or None."""
    # Only so much of a hostile word is compared: difflib is quadratic.
    close = difflib.get_close_matches(word[:SHOWN_MAX].lower(), list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?`, or `;` alone: what is allowed can follow."""
    close = nearest(word, known)
    return f'; did you mean "{close}"?' if close else ";"
