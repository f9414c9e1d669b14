"""Proofs about a log, for somebody who has a tree head and a public key and nothing else. Pure.

An inclusion proof shows one event, and that it is in the log that a head was signed of; a
consistency proof, that the log of one head begins with that of an older one. Both are JSON objects.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

from theater import merkle
from theater.chain import link
from theater.errors import ProtocolError, TheaterError
from theater.events import decode
from theater.heads import SIZE_MAX, Head
from theater.keys import PublicKey
from theater.quoting import quoted

VERSION = 1
INCLUSION, CONSISTENCY = "inclusion proof", "consistency proof"
FILE_MAX = 512 * 1024 * 1024  # bytes; an event is stored in less


class NoProof(TheaterError):
    """A text that should be a proof is none; the text says why."""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Event `seq`, and the path from its leaf to the root over `size` events."""

    seq: int
    actor: str
    hash: bytes  # of the event in its chain
    time: float  # Unix time of its commit
    parent: bytes  # the hash before it in its chain
    event: bytes  # what is hashed after that
    size: int
    path: tuple[bytes, ...]

    def text(self) -> str:
        facts = {
            "theater": INCLUSION,
            "version": VERSION,
            "seq": self.seq,
            "actor": self.actor,
            "hash": self.hash.hex(),
            "time": self.time,
            "parent": self.parent.hex(),
            "event": base64.b64encode(self.event).decode(),
            "size": self.size,
            "path": [step.hex() for step in self.path],
        }
        return json.dumps(facts, indent=1) + "\n"

    def flaws(self) -> list[str]:
        """What does not hold of it, whatever head it is for."""
        found = []
        if link(self.parent, self.event) != self.hash:
            found.append("its hash is not that of the event after its parent")
        try:
            event = decode(self.event)
        except ProtocolError as error:
            found.append(f"its event is none: {error}")
        else:
            if event.actor != self.actor:
                found.append(f"its event is of actor {quoted(event.actor)}")
        return found

    def check(self, head: Head, key: PublicKey) -> list[str]:
        """What does not hold; nothing: it is proven."""
        found = signature_flaws(head, key)
        if self.size != head.size:
            return [
                *found,
                f"it is for a head of {self.size:,} events, and this one has {head.size:,}: give"
                " that one, or prove it with --head by this one",
            ]
        leaf = merkle.leaf(self.seq, self.actor, self.hash, self.time)
        if not merkle.includes(leaf, self.seq - 1, self.size, self.path, head.root):
            found.append("its path does not lead from the event to the head's root")
        return found + self.flaws()


@dataclass(frozen=True, slots=True)
class Consistency:
    """The log of `old` events became that of `new`."""

    old: int
    new: int
    path: tuple[bytes, ...]

    def text(self) -> str:
        facts = {
            "theater": CONSISTENCY,
            "version": VERSION,
            "from": self.old,
            "to": self.new,
            "path": [step.hex() for step in self.path],
        }
        return json.dumps(facts, indent=1) + "\n"

    def check(self, old: Head, new: Head, key: PublicKey) -> list[str]:
        """What does not hold; nothing: it is proven."""
        found = signature_flaws(new, key)
        found += [f"the older head: {flaw}" for flaw in signature_flaws(old, key)]
        sizes = (self.old, self.new)
        if sizes != (old.size, new.size):
            found.append(
                f"it is for heads of {self.old:,} and {self.new:,} events, and these have"
                f" {old.size:,} and {new.size:,}"
            )
        if not merkle.extends(self.old, self.new, old.root, new.root, self.path):
            found.append("its path does not lead from the older root to the newer one")
        return found


def signature_flaws(head: Head, key: PublicKey) -> list[str]:
    if head.key != key.id:
        return [f"the head is signed with key {head.key}, and this key is {key.id}"]
    if not key.verifies(head.signature, head.signed()):
        return ["the head's signature is not that of the key"]
    return []


def parse(text: bytes) -> Inclusion | Consistency:
    """Read a proof that anybody may have written; NoProof."""
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        raise NoProof("it is no JSON") from None
    kind = facts.get("theater") if isinstance(facts, dict) else None
    if kind not in (INCLUSION, CONSISTENCY):
        raise NoProof(f'it is no JSON object with "theater": "{INCLUSION}" or "{CONSISTENCY}"')
    if facts.get("version") != VERSION:
        raise NoProof(f"its version is {quoted(str(facts.get('version')))}, and not {VERSION}")
    read = _Read(facts)
    if kind == CONSISTENCY:
        return Consistency(read.number("from"), read.number("to"), read.path())
    seq = read.number("seq")
    if seq < 1:
        raise NoProof("its seq is 0, and events are counted from 1")
    return Inclusion(
        seq,
        read.string("actor"),
        read.hash("hash"),
        read.time("time"),
        read.hash("parent"),
        read.content("event"),
        read.number("size"),
        read.path(),
    )


class _Read:
    def __init__(self, facts: dict[str, Any]) -> None:
        self._facts = facts

    def _get(self, key: str) -> Any:
        if key not in self._facts:
            raise NoProof(f"it has no {key}")
        return self._facts[key]

    def number(self, key: str) -> int:
        value = self._get(key)
        if type(value) is not int or not 0 <= value < SIZE_MAX:
            raise NoProof(f"its {key} is no number of events")
        return value

    def time(self, key: str) -> float:
        value = self._get(key)
        if type(value) is not float:
            raise NoProof(f"its {key} is no number with a fraction")
        return value

    def string(self, key: str) -> str:
        value = self._get(key)
        if not isinstance(value, str):
            raise NoProof(f"its {key} is no text")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise NoProof(f"its {key} is no text") from None
        return value

    def hash(self, key: str) -> bytes:
        return _hash(self._get(key), f"its {key}")

    def path(self) -> tuple[bytes, ...]:
        value = self._get("path")
        if not isinstance(value, list) or len(value) > merkle.PATH_MAX + 1:
            raise NoProof(f"its path is no list of at most {merkle.PATH_MAX + 1} hashes")
        return tuple(_hash(step, f"step {number} of its path") for number, step in enumerate(value))

    def content(self, key: str) -> bytes:
        try:
            return base64.b64decode(self.string(key).encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raise NoProof(f"its {key} is no base64") from None


def _hash(value: Any, what: str) -> bytes:
    if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{64}", value):
        raise NoProof(f"{what} is not 64 hex digits")
    return bytes.fromhex(value)
