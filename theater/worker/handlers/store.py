"""Handler `store`: content by its SHA-256, with labels, in the stores that the manifest grants.

A content is a file before the step that names it can be sent; that the store has it, and what a
label names, is so when the step commits. What is asked about labels and lists the broker answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from theater.calls import LABELS, LOOKUPS, PUTS, STORE
from theater.quoting import quoted
from theater.storecalls import NEW, READS
from theater.stores import Access, check_hash, check_label, hash_of
from theater.worker.contents import Contents, NotWhole, TooLarge
from theater.worker.handlers import ASK, Handler

OK: dict[str, Any] = {"ok": None}
Error = dict[str, str]


class Store(Handler):
    interface = STORE

    def __init__(
        self, access: Access, contents: Contents, content_max: int, key: Callable[[], str]
    ) -> None:
        """`key` names the call that is being answered, in whatever run of its turn."""
        self._access = access
        self._contents = contents
        self._content_max = content_max
        self._key = key

    def call(self, function: str, arguments: list[Any]) -> Any:
        if function == NEW:
            return {"ok": self._key()}
        store, *rest = arguments
        if wrong := self._access.why_not(store, writes=function not in READS):
            return {"err": wrong}
        try:
            return self._call(function, store, rest)
        except TooLarge as error:
            return self._too_large(error.args[0])
        except OSError as error:
            return {"err": f"failed: {error.strerror}"}

    def _call(self, function: str, store: str, rest: list[Any]) -> Any:
        match function:
            case "store":
                return self._keep(store, rest[0])
            case "get":
                return self._get(store, rest[0]["hash"])
            case "exists":
                return self._exists(store, rest[0]["hash"])
            case "list-labels" | "list-all-content" | "calculate-total-size":
                return ASK
        if function not in PUTS | LABELS | LOOKUPS:
            raise LookupError(function)
        if wrong := check_label(rest[0]):
            return {"err": wrong}
        match function:
            case "get-by-label":
                return ASK
            case "store-at-label" | "replace-content-at-label":
                return self._keep(store, rest[1])
            case "label" | "replace-at-label":
                return self._secure(store, rest[1]["hash"])
            case "remove-from-label":
                wrong = check_hash(rest[1]["hash"])
                return OK if wrong is None else {"err": wrong}
        return OK  # remove-label

    def _keep(self, store: str, content: bytes) -> dict[str, Any]:
        if len(content) > self._content_max:
            return self._too_large(len(content))
        hash = hash_of(content)
        self._contents.keep(store, hash, content)
        return {"ok": {"hash": hash}}

    def _get(self, store: str, hash: str) -> dict[str, Any]:
        if wrong := check_hash(hash):
            return {"err": wrong}
        try:
            return {"ok": self._contents.read(store, hash, self._content_max)}
        except FileNotFoundError:
            return _no_content(store, hash)
        except NotWhole:
            return {"err": f"failed: the file of content {hash} is not what its name says"}

    def _exists(self, store: str, hash: str) -> dict[str, Any]:
        if wrong := check_hash(hash):
            return {"err": wrong}
        return {"ok": self._contents.has(store, hash)}

    def _secure(self, store: str, hash: str) -> dict[str, Any]:
        """A label may name it: it is there, and stays there."""
        if wrong := check_hash(hash):
            return {"err": wrong}
        try:
            self._contents.secure(store, hash)
        except (FileNotFoundError, NotWhole):
            return _no_content(store, hash)
        return OK

    def _too_large(self, size: int) -> Error:
        return {"err": f"too-large: {size} bytes; a content has at most {self._content_max}"}


def _no_content(store: str, hash: str) -> Error:
    return {"err": f"no-content: store {quoted(store)} has no content {hash}"}
