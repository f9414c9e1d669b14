"""Directories that the handler `wasi:filesystem` grants. Pure.

In a manifest: `preopens = [{ host = "data", guest = "/data", write = true }]`. `host` is a
directory outside, relative to the manifest; `guest` is the name by which the actor knows it, an
absolute path; without `write` it can only be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from theater.quoting import described, did_you_mean, quoted

HANDLER = "wasi:filesystem"
PREOPENS_MAX = 16  # of one actor
HOST_MAX = 4096  # bytes of a path outside: PATH_MAX of Linux
GUEST_MAX = 255  # bytes

SYNONYMS = (  # for `preopens`, also what belongs one table deeper
    *("dir", "dirs", "directory", "directories", "mount", "mounts", "volume", "volumes"),
    *("host", "guest", "write", "path"),
)
_KEYS = ("host", "guest", "write")
_SYNONYMS = {
    "source": "host",
    "src": "host",
    "from": "host",
    "path": "host",
    "dir": "host",
    "target": "guest",
    "destination": "guest",
    "to": "guest",
    "mount": "guest",
    "writable": "write",
    "writeable": "write",
    "readonly": "write",
    "read_only": "write",
    "mode": "write",
}

# What `check` accepts, as a JSON schema.
SCHEMA = {
    "type": "array",
    "minItems": 1,
    "maxItems": PREOPENS_MAX,
    "items": {
        "type": "object",
        "required": ["host", "guest"],
        "additionalProperties": False,
        "properties": {
            "host": {
                "description": "A directory outside, relative to the manifest. It has to be there.",
                "type": "string",
                "minLength": 1,
                "pattern": r"^[^\x00]*$",
            },
            "guest": {
                "description": "The name by which the actor knows it, an absolute path.",
                "type": "string",
                "maxLength": GUEST_MAX,
                "pattern": r"^/([^/\\]+(/[^/\\]+)*)?$",
                "not": {"pattern": r"/\.\.?(/|$)"},
            },
            "write": {
                "description": "Whether it may be changed, and all below it.",
                "type": "boolean",
                "default": False,
            },
        },
    },
}

Wrong = list[tuple[tuple[str | int, ...], str]]  # as in `capabilities.capability`


@dataclass(frozen=True, slots=True)
class Preopen:
    """A directory that an actor has from the start."""

    host: str  # absolute
    guest: str
    write: bool = False


def read(settings: Mapping[str, Any]) -> tuple[Preopen, ...]:
    """What the settings of the handler say, which have been checked."""
    return tuple(
        Preopen(each["host"], each["guest"], each.get("write", False))
        for each in settings.get("preopens", ())
    )


def grants_write(settings: Mapping[str, Any]) -> bool:
    return any(each.write for each in read(settings))


def settled(settings: Mapping[str, Any], absolute: Callable[[str], str]) -> dict[str, Any]:
    """The settings with every `host` absolute, and every default said: as a chain has them."""
    return {
        "preopens": [
            {"host": absolute(each.host), "guest": each.guest, "write": each.write}
            for each in read(settings)
        ]
    }


def check(value: object) -> Wrong:
    """What is wrong with the value of `preopens`, without a look at the disk."""
    if not isinstance(value, list):
        shape = 'must be an array of tables, as in [{ host = "data", guest = "/data" }]'
        return [((), f"found {described(value)}; {shape}")]
    if not value:
        return [((), "found an empty array; without a directory, take the handler away")]
    if len(value) > PREOPENS_MAX:
        return [((), f"has {len(value)} directories; an actor may have {PREOPENS_MAX}")]
    wrong: Wrong = []
    guests: dict[str, int] = {}
    hosts: dict[str, int] = {}
    for index, entry in enumerate(value):
        found = _check_entry(entry)
        wrong += [((index, *loc), message) for loc, message in found]
        if found or not isinstance(entry, dict):
            continue
        if twin := _clash(entry["guest"], guests):
            wrong.append(((index, "guest"), twin))
        host = entry["host"].rstrip("/") or "/"
        if host in hosts:
            message = f"{quoted(host)} is granted already, by preopens[{hosts[host]}]"
            wrong.append(((index, "host"), message))
        guests.setdefault(entry["guest"], index)
        hosts.setdefault(host, index)
    return wrong


def _check_entry(entry: object) -> Wrong:
    if not isinstance(entry, dict):
        shape = 'must be a table, as in { host = "data", guest = "/data", write = true }'
        return [((), f"found {described(entry)}; {shape}")]
    wrong: Wrong = []
    hinted = set()
    for key in entry:
        if key not in _KEYS:
            meant = _SYNONYMS.get(key)
            hinted.add(meant)
            hint = f'; did you mean "{meant}"?' if meant else did_you_mean(key, _KEYS)
            wrong.append(((key,), f"unknown key{hint} allowed: {', '.join(_KEYS)}"))
    for key, check_path, example in (
        ("host", check_host, 'host = "data", a directory, relative to the manifest'),
        ("guest", check_guest, 'guest = "/data", the name by which the actor knows it'),
    ):
        if key not in entry and key in hinted:
            pass  # it is there, under another name
        elif key not in entry:
            wrong.append(((key,), f"missing: {example}"))
        elif not isinstance(entry[key], str):
            wrong.append(((key,), f"found {described(entry[key])}; must be a path"))
        elif problem := check_path(entry[key]):
            wrong.append(((key,), problem))
    if not isinstance(entry.get("write", False), bool):
        found = described(entry["write"])
        wrong.append((("write",), f"found {found}; must be true or false (the default)"))
    return wrong


def check_host(path: str) -> str | None:
    if not path:
        return 'must not be empty; "." is where the manifest lies'
    if "\0" in path:
        return f"{quoted(path)}: has a NUL in it"
    if len(path.encode(errors="surrogatepass")) > HOST_MAX:
        return f"has more than {HOST_MAX} bytes"
    return None


def check_guest(path: str) -> str | None:
    """A name that every C library takes for the same: absolute, nothing in it to be resolved."""
    shown = quoted(path)
    if not path.startswith("/"):
        return f'{shown}: must be an absolute path, as in "/data"'
    if len(path.encode(errors="surrogatepass")) > GUEST_MAX:
        return f"has more than {GUEST_MAX} bytes"
    if not path.isprintable() or "\\" in path:
        return f"{shown}: has a backslash or what cannot be printed in it"
    if path != "/" and not all(part and part not in (".", "..") for part in path[1:].split("/")):
        return f'{shown}: must not have "//", "." or ".." in it, nor a "/" at its end'
    return None


def _clash(guest: str, others: Iterable[str]) -> str | None:
    for other in others:
        if guest == other:
            return f"{quoted(guest)} is the name of another directory already"
        outer, inner = sorted((guest, other), key=len)
        if inner.startswith(outer.rstrip("/") + "/"):
            return (
                f"{quoted(inner)} lies in {quoted(outer)}, and which of the two a path is in would"
                " be hard to tell; give them names beside each other"
            )
    return None
