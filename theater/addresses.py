"""Names, addresses and address patterns, and who may send to whom.

An address is an actor's path in the supervision tree: segments with "/" between them, as in
`pool/worker-1`. In a pattern, `*` stands for any characters within one segment, and a segment
that is `**` for any number of segments, none included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Sequence

from theater.quoting import quoted

ADDRESS_MAX_BYTES = 255
ALPHABET = "a-z, 0-9, _, . and -, beginning with a-z, 0-9 or _"

_SEGMENT = re.compile(r"[a-z0-9_][a-z0-9_.-]*")
_PATTERN_SEGMENT = re.compile(r"[a-z0-9_*][a-z0-9_.*-]*")
# The same of a whole pattern, as a JSON schema: no ** but as a segment of its own.
_ONE = r"(\*\*|\*|(\*[a-z0-9_.-]|[a-z0-9_])(\*?[a-z0-9_.-])*\*?)"
PATTERN_SCHEMA = {
    "type": "string",
    "maxLength": ADDRESS_MAX_BYTES,
    "pattern": f"^{_ONE}(/{_ONE})*$",
}


def check_segment(text: str) -> str | None:
    """None if `text` can be one segment of an address (a child's name), else what is wrong."""
    if not text:
        return "a name cannot be empty"
    if not _SEGMENT.fullmatch(text):
        return f"{quoted(text)} is not a name; a name is made of {ALPHABET}"
    return _check_length(text)


def check_address(text: str) -> str | None:
    """None if `text` can be an actor's address, else what is wrong with it."""
    if not text:
        return "an address cannot be empty"
    # The length first: what is too long is not worth looking at, and may come from a guest.
    if too_long := _check_length(text):
        return too_long
    if not all(map(_SEGMENT.fullmatch, text.split("/"))):
        return f'{quoted(text)} is not an address; its names, with "/" between, use {ALPHABET}'
    return None


def check_pattern(text: str) -> str | None:
    """None if `text` can be a pattern of addresses, else what is wrong with it."""
    if not text:
        return "an address pattern cannot be empty"
    if too_long := _check_length(text):
        return too_long
    for segment in text.split("/"):
        if segment == "**":
            continue
        if "**" in segment:
            return f"{quoted(text)}: ** must be a segment of its own, as in a/**"
        if not _PATTERN_SEGMENT.fullmatch(segment):
            return (
                f"{quoted(text)} is not an address pattern; it is made of addresses ({ALPHABET}), "
                "* within a segment and ** for any number of segments"
            )
    return None


def matches(pattern: str, address: str) -> bool:
    """Whether a valid pattern covers a valid address. At worst len(pattern) * len(address)
    steps, whatever a guest sends: a regular expression would not promise that."""
    if "*" not in pattern:
        return pattern == address
    return _glob(pattern.split("/"), address.split("/"), "**", _segment_matches)


def covers(pattern: str, other: str) -> bool:
    """Whether everything that the pattern `other` covers is covered by `pattern`. In doubt not."""
    if pattern == other:
        return True
    if "*" not in other:
        return matches(pattern, other)
    theirs = other.split("/")
    if pattern.endswith("**") and "**" not in pattern[:-2]:
        ours = pattern.split("/")[:-1]
        if len(ours) > len(theirs) or "**" in theirs[: len(ours)]:
            return False
        return all(map(_covers_segment, ours, theirs))
    ours = pattern.split("/")
    if len(ours) != len(theirs) or "**" in ours or "**" in theirs:
        return False
    return all(map(_covers_segment, ours, theirs))


def _covers_segment(pattern: str, other: str) -> bool:
    return pattern in ("*", other) or ("*" not in other and _segment_matches(pattern, other))


def parent(address: str) -> str:
    """The path above; "" for the top. It may name a supervisor rather than an actor."""
    return address.rpartition("/")[0]


def child(path: str, name: str) -> str:
    """The address of the child `name` of the supervisor (or actor) at `path`."""
    return f"{path}/{name}" if path else name


def permitted(
    patterns: Sequence[str] | None, sender: str, to: str, spoke_to_me: Container[str]
) -> bool:
    """Whether `sender` may send to the address `to`.

    With patterns (`send_to` in the manifest) they alone decide: an empty list permits nobody.
    None is the default: siblings and itself, the parent, everything below its own address, and
    whoever has sent to it (`spoke_to_me`).
    """
    if patterns is not None:
        return any(matches(pattern, to) for pattern in patterns)
    above = parent(sender)
    return (
        parent(to) == above
        or (to == above and above != "")
        or to.startswith(sender + "/")
        or to in spoke_to_me
    )


def why_not(
    patterns: Sequence[str] | None, sender: str, to: str, spoke_to_me: Container[str]
) -> str | None:
    """None if `sender` may send to `to`, which can be anything, else the error it gets."""
    if wrong := check_address(to):
        return f"no-actor: {wrong}"
    if not permitted(patterns, sender, to, spoke_to_me):
        return f"refused: send_to in the manifest of {sender} does not grant {to}"
    return None


def _check_length(text: str) -> str | None:
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > ADDRESS_MAX_BYTES:
        return f"{quoted(text, 40)} has {size} bytes; an address has at most {ADDRESS_MAX_BYTES}"
    return None


def _segment_matches(pattern: str, segment: str) -> bool:
    return _glob(pattern, segment, "*", str.__eq__)


def _glob(
    pattern: Sequence[str], text: Sequence[str], star: str, same: Callable[[str, str], bool]
) -> bool:
    """Match item by item; `star` stands for any number of items. On a mismatch only the last
    star takes one item more: that suffices, and makes it quadratic at worst."""
    p = t = 0
    last_star = -1
    taken_to = 0
    while t < len(text):
        if p < len(pattern) and pattern[p] == star:
            last_star, taken_to = p, t
            p += 1
        elif p < len(pattern) and same(pattern[p], text[t]):
            p += 1
            t += 1
        elif last_star >= 0:
            taken_to += 1
            p, t = last_star + 1, taken_to
        else:
            return False
    return all(item == star for item in pattern[p:])
