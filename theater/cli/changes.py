"""What a reload changes, in the words of the manifest: `limits.memory 64MiB -> 128MiB`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from theater.spec import MIB
from theater.values import SHOWN_HASH, shortened, text, visible

MISSING = object()
_BARE = re.compile(r"[A-Za-z0-9_./-]+\Z")  # says what it is without quotes
_HASH = re.compile(r"[0-9a-f]{64}\Z")
# Our fields that a manifest calls otherwise, beside the unit in which seconds are kept.
_KEYS = {
    "memory_bytes": "memory",
    "handlers": "handler",
    "component_sha256": "content of component",
}


def changes(fields: Mapping[str, Any], limit: int | None = None) -> list[str]:
    """One text for each key that differs; `fields`: name -> [old, new] of `spec.plain`.

    `limit`: characters of one value.
    """
    found: list[str] = []
    for name, pair in fields.items():
        if isinstance(pair, list | tuple) and len(pair) == 2:
            old, new = map(_by_type, pair)
            found.extend(_compare(_key(name), old, new, limit))
    return found


def _key(name: str) -> str:
    """`template.period_s` -> `template.period`."""
    before, dot, last = str(name).rpartition(".")
    return visible(before + dot + _KEYS.get(last, last.removesuffix("_s")))


def _compare(key: str, old: Any, new: Any, limit: int | None) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in {**old, **new}:
            below = f"{key}.{_key(name)}"
            yield from _compare(below, old.get(name, MISSING), new.get(name, MISSING), limit)
    elif old is MISSING:
        yield f"{key} {_shown(key, new, limit)} added"
    elif new is MISSING:
        yield f"{key} {_shown(key, old, limit)} removed"
    elif old != new:
        yield f"{key} {_shown(key, old, limit)} -> {_shown(key, new, limit)}"


def _by_type(value: Any) -> Any:
    """Handlers by what they grant, so that only what differs is told."""
    if isinstance(value, list) and value:
        settings = {
            each["type"]: _granted(each)
            for each in value
            if isinstance(each, dict) and isinstance(each.get("type"), str)
        }
        if len(settings) == len(value):
            return settings
    return value


def _granted(handler: Mapping[str, Any]) -> Any:
    """Its settings; of one that its author has written also what that is."""
    settings, custom = handler.get("settings"), handler.get("custom")
    if not isinstance(settings, dict) or not isinstance(custom, dict):
        return settings
    return {**settings, "content of class": custom.get("sha256")}


def _shown(key: str, value: Any, limit: int | None) -> str:
    if isinstance(value, str) and _HASH.match(value):
        return value[:SHOWN_HASH]
    if isinstance(value, str) and _BARE.match(value):
        return shortened(value, limit)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return shortened(text(_renamed(value)), limit)
    if key.endswith("memory") and value % MIB == 0:
        return f"{value // MIB:g}MiB"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _renamed(value: Any) -> Any:
    """With the manifest's keys."""
    if isinstance(value, dict):
        return {_key(key): _renamed(item) for key, item in value.items()}
    return value
