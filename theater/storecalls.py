"""What a call of a store says and does, as its event has it. Pure.

Whoever reads an event believes in it nothing that can be compared: that the store is granted to
the actor, that what is called the hash of a content is that, that names are names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from theater.calls import LABELS, LOOKUPS, PUTS
from theater.errors import ProtocolError
from theater.events import content_hash, ref_hash
from theater.quoting import quoted
from theater.stores import LIST_MAX, Access, check_hash, check_label

NEW = "new"
READS = frozenset({"get", "exists", *LOOKUPS})
_LABELLED = frozenset({"store-at-label", "replace-content-at-label", "get-by-label", *LABELS})
_FUNCTIONS = frozenset({"get", "exists", *LOOKUPS, *PUTS, *LABELS})
_WITH_REF = frozenset({"get", "exists", "label", "replace-at-label", "remove-from-label"})


class WrongCall(ProtocolError):
    """No worker makes such an event."""


@dataclass(frozen=True, slots=True)
class StoreCall:
    """A call that was answered with Ok, or one that asks."""

    function: str
    store: str
    label: str | None = None
    hash: bytes | None = None
    content: Any = None  # that is put there: bytes, or a reference

    @property
    def changes_label(self) -> bool:
        return self.label is not None and self.function != "get-by-label"

    def names(self, before: bytes | None) -> bytes | None:
        """What its label names afterwards; None: it is gone, or not there."""
        match self.function:
            case "remove-label":
                return None
            case "remove-from-label":
                return None if before == self.hash else before
        return self.hash


def read_call(
    access: Access | None, actor: str, turn: int, index: int, function: str, payload: list[Any]
) -> StoreCall | None:
    """The call of an event, or WrongCall. None: it does and says nothing that holds for a store.

    What it raises else says that arguments or answers are of another shape.
    """
    arguments, *answers = payload
    if answers and not (isinstance(answers[0], dict) and "ok" in answers[0]):
        return None  # it was refused
    if access is None:
        raise WrongCall(f"it called {function} of a store, which its manifest does not grant")
    answer: Any = answers[0]["ok"] if answers else None
    if function == NEW:
        if answer != f"{actor}:{turn}:{index}":
            raise WrongCall("a store is not called after the call that made it")
        return None
    if function not in _FUNCTIONS or (function in LOOKUPS and answers):
        raise WrongCall(f"{quoted(function)} of a store, answered by nobody who can")
    store, label, last = _arguments(function, arguments)
    if wrong := access.why_not(store, writes=function not in READS):
        raise WrongCall(wrong)
    if label is not None and (wrong := check_label(label)):
        raise WrongCall(wrong)
    if function in PUTS:
        hash = _content_hash(last)
        if answer != {"hash": hash.hex()}:
            raise WrongCall(f"the answer of {function} is not the hash of the content")
        return StoreCall(function, store, label, hash, last)
    named = _hash(last) if function in _WITH_REF else None
    if function == "get" and _content_hash(answer) != named:
        raise WrongCall("it got a content that is not the one of this hash")
    if (function == "exists" and type(answer) is not bool) or (function in LABELS and answer):
        raise WrongCall(f"this is no answer of {function}")
    return StoreCall(function, store, label, named)


def _arguments(function: str, arguments: list[Any]) -> tuple[str, str | None, Any]:
    """(store, label, content or content-ref); what a function does not take is None."""
    store, *rest = arguments
    label = rest.pop(0) if function in _LABELLED else None
    last = rest.pop(0) if function in PUTS | _WITH_REF else None
    if rest or type(store) is not str or (function in _LABELLED and type(label) is not str):
        raise WrongCall(f"these are no arguments of {function}")
    return store, label, last


def _hash(reference: Any) -> bytes:
    """Of a content-ref."""
    hash = reference["hash"]
    if wrong := check_hash(hash):
        raise WrongCall(wrong)
    return bytes.fromhex(hash)


def _content_hash(value: Any) -> bytes:
    """Of a content, which is there itself or as a reference."""
    hash = ref_hash(value)
    return content_hash(value) if hash is None else hash


# Answers


def label_answer(hash: bytes | None) -> dict[str, Any]:
    return {"ok": None if hash is None else {"hash": hash.hex()}}


def labels_answer(store: str, labels: list[str]) -> dict[str, Any]:
    """Of all labels, in order, or of more than may be listed."""
    return {"ok": labels} if len(labels) <= LIST_MAX else _too_many(store, "labels")


def contents_answer(store: str, hashes: list[bytes]) -> dict[str, Any]:
    """As `labels_answer`, of all contents."""
    if len(hashes) > LIST_MAX:
        return _too_many(store, "contents")
    return {"ok": [{"hash": hash.hex()} for hash in hashes]}


def _too_many(store: str, what: str) -> dict[str, str]:
    return {"err": f"too-large: store {quoted(store)} has more than {LIST_MAX} {what} to list"}
