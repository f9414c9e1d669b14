"""The handler `wasi:filesystem`. It links nothing: wasi:* always does; it grants directories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theater import preopens, wasi
from theater.capabilities.capability import Call, HandlerType, HeardFrom, Setting, Usage

DIRECTORIES = "wasi:filesystem/preopens"
OPEN_MAX = 10_000  # descriptors of which it is known where they come from: more than can be open
# What is told of a descriptor that was handed out at the start: no use of what is in it.
_LOOKS = frozenset(f"[method]descriptor.{name}" for name in ("get-flags", "get-type"))
_MADE = ("open-at", "read-directory", "-via-stream")  # what hands out another resource


class Directories(Usage):
    """Which of the directories were read, and which changed.

    A descriptor is known by the directory that it was opened below; the log does not say when it
    was dropped, but its number is not used again by the same incarnation.
    """

    def __init__(self, heard_from: HeardFrom) -> None:
        super().__init__(heard_from)
        # The number of a directory that is granted is made of the grant: the same for all.
        self._granted: dict[int, str] = {}  # number -> its name for the guest
        self._below: dict[tuple[str, int], str] = {}  # (actor, number) -> that of the directory
        self._reads: dict[str, int] = {}
        self._changes: dict[str, int] = {}

    def begin(self, actor: str) -> None:
        for of in [of for of in self._below if of[0] == actor]:
            del self._below[of]

    def call(self, call: Call) -> bool:
        if call.interface == DIRECTORIES:
            self._told_of(call)
            return bool(call.answer != [])  # of who has none it is no use of a grant
        number = call.arguments[0] if call.arguments else None
        guest = self._guest(call.actor, number)
        if guest is None:
            return call.interface == wasi.TYPES
        if not isinstance(call.answer, dict) or "ok" not in call.answer:
            return True
        made = call.answer["ok"]
        if call.function.endswith(_MADE) and isinstance(made, int):
            self._below[call.actor, made] = guest
            if len(self._below) > OPEN_MAX:
                del self._below[next(iter(self._below))]
        if wasi.is_change(call.interface, call.function, call.arguments):
            self._changes[guest] = self._changes.get(guest, 0) + 1
        elif call.function not in _LOOKS:
            self._reads[guest] = self._reads.get(guest, 0) + 1
        return True

    def _told_of(self, call: Call) -> None:
        """Which directories the guest has got, and by which numbers."""
        for each in call.answer if isinstance(call.answer, list) else ():
            match each:
                case [int(number), str(guest)] if len(self._granted) < OPEN_MAX:
                    self._granted[number] = guest

    def _guest(self, actor: str, number: object) -> str | None:
        if not isinstance(number, int):
            return None
        return self._granted.get(number) or self._below.get((actor, number))

    def settings(self, granted: Mapping[str, Any]) -> dict[str, Any] | None:
        """Those that were used, with `write` where they were changed."""
        used = [
            {"host": each.host, "guest": each.guest}
            | ({"write": True} if each.guest in self._changes else {})
            for each in preopens.read(granted)
            if each.guest in self._changes or each.guest in self._reads
        ]
        return {"preopens": used} if used else None

    def told(self) -> list[str]:
        return [
            f"{guest}: {self._reads.get(guest, 0):,} reads, {self._changes.get(guest, 0):,} changes"
            for guest in sorted({*self._reads, *self._changes})
        ]

    def facts(self) -> dict[str, Any]:
        return {
            "directories": {
                guest: {
                    "reads": self._reads.get(guest, 0),
                    "changes": self._changes.get(guest, 0),
                }
                for guest in sorted({*self._reads, *self._changes})
            }
        }


def within(child: Mapping[str, Any], parent: Mapping[str, Any]) -> str | None:
    """See HandlerType. Links are nobody's concern here: who asks may have followed them."""
    granted = preopens.read(parent)
    for each in preopens.read(child):
        above = [
            one
            for one in granted
            if each.host == one.host or each.host.startswith(one.host.rstrip("/") + "/")
        ]
        if not any(one.write or not each.write for one in above):
            return f"{each.host} with write" if above else each.host
    return None


HANDLER = HandlerType(
    description="Files in the directories that it names, and in no others. Without it an actor has"
    " no files.",
    imports={},
    exports={},
    settings={
        "preopens": Setting(
            preopens.check,
            "The directories, at most 16: host is one outside, relative to the manifest, guest the"
            " name by which the actor knows it; with write it may be changed, and all below it.",
            preopens.SCHEMA,
        )
    },
    world=wasi.FILE_CHANGES,
    has_world=preopens.grants_write,
    required=("preopens",),
    synonyms=dict.fromkeys(preopens.SYNONYMS, "preopens"),
    usage=Directories,
    answers=frozenset({DIRECTORIES, wasi.TYPES, wasi.STREAMS}),
    within=within,
)
