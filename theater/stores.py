"""Names of stores, of labels and of contents, and who may use which store. Pure.

A store is a capability. An actor has its own ones, which its calls of `new` have made and whose
ids say so; those that its manifest names as `shared` or `read_only`; and no other. Whoever knows
the id of a store, or a hash of what is in it, knows nothing more.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from theater.quoting import quoted

HANDLER = "store"
SHARED, READ_ONLY = "shared", "read_only"  # settings
NAME_MAX_BYTES = 255  # of a label, and of a store in a manifest
ID_MAX_BYTES = 320  # of a store: an address, a turn and an index
LIST_MAX = 10_000  # entries of a list that a store answers with
UNFINISHED = "unfinished"  # the directory of what is being written, beside those of the stores

_HASH = re.compile(r"[0-9a-f]{64}")
_MADE = re.compile(r"(.+):(?:0|[1-9][0-9]{0,18}):(?:0|[1-9][0-9]{0,18})")
# As a label or an id goes into messages and onto terminals: C0, DEL and C1.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def check_name(text: str, what: str, max_bytes: int = NAME_MAX_BYTES) -> str | None:
    """None if `text` can name a store or a label, else what is wrong, with its fixed word."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > max_bytes:
        return f"too-large: {what} of {size} bytes; it has at most {max_bytes}"
    if not text:
        return f"refused: {what} cannot be empty"
    if _CONTROL.search(text):
        return f"refused: {quoted(text)} has a control character, and cannot be {what}"
    return None


def check_label(text: str) -> str | None:
    return check_name(text, "a label")


def check_hash(text: str) -> str | None:
    """None if `text` can be the hash of a content, else what is wrong, with its fixed word."""
    if _HASH.fullmatch(text):
        return None
    return f"refused: {quoted(text)} is not the hash of a content: 64 digits, 0-9 and a-f"


MANIFEST = "store:"  # how a manifest that is kept in one is named: store:STORE#LABEL


def manifest_of(name: str) -> tuple[str, str] | None:
    """(store, label) if a manifest is named so; a label has no # then."""
    if not name.startswith(MANIFEST):
        return None
    store, _, label = name.removeprefix(MANIFEST).rpartition("#")
    return store, label


def hash_of(content: bytes) -> str:
    """What names a content."""
    return hashlib.sha256(content).hexdigest()


def directory_of(store: str) -> str:
    """The name of the directory that a store's files are in. Of one length, whatever the id, and
    a name like it leads nowhere else."""
    return hashlib.sha256(store.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Access:
    """What one actor may do with which store."""

    actor: str
    shared: frozenset[str]
    read_only: frozenset[str]

    @classmethod
    def of(cls, actor: str, settings: Mapping[str, Any]) -> Access:
        """As the handler's settings grant it."""
        shared, read_only = settings.get(SHARED, ()), settings.get(READ_ONLY, ())
        return cls(actor, frozenset(shared), frozenset(read_only))

    def owns(self, store: str) -> bool:
        """Whether it is one of those that this actor makes for itself."""
        made = _MADE.fullmatch(store)
        return made is not None and made[1] == self.actor

    def may_write(self, store: str) -> bool:
        return self.owns(store) or store in self.shared

    def may_read(self, store: str) -> bool:
        return self.may_write(store) or store in self.read_only

    def why_not(self, store: str, writes: bool) -> str | None:
        """None if it may, else what is wrong, with its fixed word."""
        if wrong := check_name(store, "a store id", ID_MAX_BYTES):
            return wrong
        if self.may_write(store) or (not writes and self.may_read(store)):
            return None
        if self.may_read(store):
            return f"refused: the manifest of {self.actor} grants store {quoted(store)} read-only"
        return f"refused: the manifest of {self.actor} does not grant store {quoted(store)}"
