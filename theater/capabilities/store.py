"""The handler `store`: content by its SHA-256, with labels; which stores, its settings say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theater.calls import STORE
from theater.capabilities.capability import (
    Call,
    HandlerType,
    HeardFrom,
    Setting,
    Usage,
    Wrong,
)
from theater.quoting import described, quoted
from theater.storecalls import READS
from theater.stores import NAME_MAX_BYTES, READ_ONLY, SHARED, Access, check_name

_REF = "record{hash: string}"


def _check_names(value: object) -> Wrong:
    if not isinstance(value, list):
        return [((), f'found {described(value)}; must be an array of store ids, as in ["catalog"]')]
    wrong: Wrong = []
    for index, name in enumerate(value):
        if not isinstance(name, str):
            wrong.append(((index,), f"found {described(name)}; must be a store id"))
        elif problem := check_name(name, "a store id"):
            wrong.append(((index,), problem.partition(": ")[2]))
        elif name in value[:index]:
            wrong.append(((index,), f"{described(name)} is there twice"))
    return wrong


def _check_together(settings: Mapping[str, Any]) -> Wrong:
    shared = settings.get(SHARED, ())
    return [
        ((READ_ONLY, index), f"{quoted(name)} is in {SHARED} too; say it in one of the two")
        for index, name in enumerate(settings.get(READ_ONLY, ()))
        if name in shared
    ]


STORES_MAX = 1000  # that are told apart; with more, what is granted is needed


class Kept(Usage):
    """Which stores were read and written."""

    def __init__(self, heard_from: HeardFrom) -> None:
        super().__init__(heard_from)
        self._own = 0  # that it has made
        self._read: set[str] = set()
        self._written: set[str] = set()
        self._more = False  # others than these

    def call(self, call: Call) -> bool:
        is_done = call.is_ask or (isinstance(call.answer, dict) and "ok" in call.answer)
        store = call.arguments[0] if call.arguments else None
        if call.function == "new":
            self._own += is_done
        elif is_done and isinstance(store, str):
            self._use(call.actor, store, self._read if call.function in READS else self._written)
        return True

    def _use(self, actor: str, store: str, stores: set[str]) -> None:
        if Access.of(actor, {}).owns(store):
            return  # which needs no grant
        if store not in stores and len(stores) == STORES_MAX:
            self._more = True
            return
        stores.add(store)

    def settings(self, granted: Mapping[str, Any]) -> dict[str, Any] | None:
        if self._more:
            return dict(granted)
        needed = {SHARED: sorted(self._written), READ_ONLY: sorted(self._read - self._written)}
        return {key: stores for key, stores in needed.items() if stores}

    def told(self) -> list[str]:
        told = [f"made {self._own:,}"] if self._own else []
        for word, stores in (("wrote", self._written), ("read", self._read)):
            if stores:
                told.append(f"{word} {', '.join(sorted(stores))}")
        return [*told, "and others"] if self._more else told

    def facts(self) -> dict[str, Any]:
        return {
            "made": self._own,
            "written": sorted(self._written),
            "read": sorted(self._read),
            "others": self._more,
        }


def _named(description: str) -> Setting:
    names = {"type": "string", "minLength": 1, "maxLength": NAME_MAX_BYTES}
    schema = {"type": "array", "items": names, "uniqueItems": True, "default": []}
    return Setting(_check_names, description, schema)


def within(child: Mapping[str, Any], parent: Mapping[str, Any]) -> str | None:
    """See HandlerType. What an actor makes itself no manifest names."""
    written = set(parent.get(SHARED, ()))
    read = written | set(parent.get(READ_ONLY, ()))
    for key, granted in ((SHARED, written), (READ_ONLY, read)):
        for store in child.get(key, ()):
            if store not in granted:
                return f"{key} has {store}"
    return None


HANDLER = HandlerType(
    description="Content by the SHA-256 of its bytes, with labels; stores of its own, and others.",
    imports={
        STORE: {
            "new": "func() -> result<string, string>",
            "store": f"func(store-id: string, content: list<u8>) -> result<{_REF}, string>",
            "get": f"func(store-id: string, content-ref: {_REF}) -> result<list<u8>, string>",
            "exists": f"func(store-id: string, content-ref: {_REF}) -> result<bool, string>",
            "label": (
                f"func(store-id: string, label: string, content-ref: {_REF}) -> result<_, string>"
            ),
            "get-by-label": (
                f"func(store-id: string, label: string) -> result<option<{_REF}>, string>"
            ),
            "remove-label": "func(store-id: string, label: string) -> result<_, string>",
            "remove-from-label": (
                f"func(store-id: string, label: string, content-ref: {_REF}) -> result<_, string>"
            ),
            "store-at-label": (
                "func(store-id: string, label: string, content: list<u8>)"
                f" -> result<{_REF}, string>"
            ),
            "replace-content-at-label": (
                "func(store-id: string, label: string, content: list<u8>)"
                f" -> result<{_REF}, string>"
            ),
            "replace-at-label": (
                f"func(store-id: string, label: string, content-ref: {_REF}) -> result<_, string>"
            ),
            "list-labels": "func(store-id: string) -> result<list<string>, string>",
            "list-all-content": f"func(store-id: string) -> result<list<{_REF}>, string>",
            "calculate-total-size": "func(store-id: string) -> result<u64, string>",
        }
    },
    exports={},
    together=_check_together,
    settings={
        SHARED: _named(
            "Ids of stores that it may read and change, with whoever else is granted them. It has"
            " those that it makes in any case."
        ),
        READ_ONLY: _named("Ids of stores that it may only read."),
    },
    usage=Kept,
    within=within,
    synonyms={"read-only": READ_ONLY, "readonly": READ_ONLY, "stores": SHARED},
)
