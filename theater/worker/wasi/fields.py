"""Headers of HTTP as a guest may make them, so that none can be taken for something else.

Names are kept in lower case, as HTTP/2 has them. What is about one connection and not about what
is said, and `host`, which follows from whom it is said to, is not the guest's to write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from theater.worker.wasi.errors import OK
from theater.worker.wasi.resources import Functions, ResourceTable

SECTION_MAX = 64 * 1024  # bytes of all names and values

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_FORBIDDEN = frozenset(
    {
        "connection",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
    }
)

Entries = list[tuple[str, bytes]]


class HeaderError(Exception):
    """The guest may not write this; `code` is the answer, a `header-error`."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(slots=True)
class Fields:
    """A `fields`: headers or trailers. `entries`: their names are in lower case."""

    entries: Entries = field(default_factory=list)
    is_immutable: bool = False

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, bytes] | list[str | bytes]]) -> Fields:
        """Raises HeaderError."""
        fields = cls()
        for name, value in pairs:
            assert isinstance(name, str) and isinstance(value, bytes)
            fields.append(name, value)
        return fields

    def get(self, name: str) -> list[bytes]:
        return [value for other, value in self.entries if other == name.lower()]

    def set(self, name: str, values: list[bytes]) -> None:
        self._check(name, values)
        self.delete(name)
        self.entries += [(name.lower(), value) for value in values]

    def append(self, name: str, value: bytes) -> None:
        self._check(name, [value])
        self.entries.append((name.lower(), value))

    def delete(self, name: str) -> None:
        self._check(name, [])
        self.entries[:] = [entry for entry in self.entries if entry[0] != name.lower()]

    def size(self) -> int:
        return sum(len(name) + len(value) for name, value in self.entries)

    def _check(self, name: str, values: list[bytes]) -> None:
        if self.is_immutable:
            raise HeaderError("immutable")
        if not _NAME.fullmatch(name) or not all(map(_VALUE.fullmatch, values)):
            raise HeaderError("invalid-syntax")
        if name.lower() in _FORBIDDEN:
            raise HeaderError("forbidden")


def told(entries: Iterable[tuple[bytes, bytes]]) -> Entries:
    """What a server has said, without what is about the connection."""
    named = ((name.decode("ascii").lower(), value) for name, value in entries)
    return [(name, value) for name, value in named if name not in _FORBIDDEN]


def functions(resources: ResourceTable) -> Functions:
    """What a guest calls of them."""

    def there(rep: int) -> Fields:
        return resources.there(rep, Fields)

    def from_list(entries: list[Any]) -> dict[str, Any]:
        try:
            made = Fields.of(entries)
        except HeaderError as error:
            return {"err": error.code}
        return {"ok": resources.add(made)}

    return {
        "[constructor]fields": lambda: resources.add(Fields()),
        "[static]fields.from-list": from_list,
        "[method]fields.get": lambda rep, name: there(rep).get(name),
        "[method]fields.has": lambda rep, name: bool(there(rep).get(name)),
        "[method]fields.set": _checked(lambda *args: there(args[0]).set(*args[1:])),
        "[method]fields.delete": _checked(lambda *args: there(args[0]).delete(*args[1:])),
        "[method]fields.append": _checked(lambda *args: there(args[0]).append(*args[1:])),
        "[method]fields.entries": lambda rep: listed(there(rep).entries),
        "[method]fields.clone": lambda rep: resources.add(Fields(list(there(rep).entries))),
    }


def _checked(change: Callable[..., None]) -> Callable[..., dict[str, Any]]:
    def call(*args: Any) -> dict[str, Any]:
        try:
            change(*args)
        except HeaderError as error:
            return {"err": error.code}
        return OK

    return call


def listed(entries: Entries) -> list[Any]:
    return [list(entry) for entry in entries]
