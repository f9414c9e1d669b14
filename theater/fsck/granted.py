"""What an actor may have called, by what its chain says that it was granted. Pure."""

from __future__ import annotations

from theater import wasi
from theater.calls import OURS
from theater.fsck.chain import ASKS, Crossing
from theater.fsck.findings import shown
from theater.fsck.life import Life


def is_own(at: Crossing) -> bool:
    """Whether somebody else than Theater provides the interface."""
    return not at.interface.startswith((OURS, wasi.PREFIX))


def has_effect(life: Life, at: Crossing, effects: set[str]) -> bool:
    """Whether a handler that its author has written is granted so."""
    return life.own.get(at.name, "") in effects or not life.sure


def why_no_ask(life: Life, at: Crossing) -> tuple[str, str] | None:
    """What is wrong with a call that has no answer, and what it should have; None: nothing."""
    found = f"{shown('.'.join(at.name))} without an answer"
    if at.name not in ASKS and at.interface.startswith(OURS):
        return found, "one"
    if at.interface.startswith(wasi.PREFIX) and not _may_change(life, at):
        return found, "one, or a grant for it"
    if is_own(at) and not has_effect(life, at, {"error", "again"}):
        return found, "one, or a grant for it as one that changes something"
    return None


def _may_change(life: Life, at: Crossing) -> bool:
    """Whether this call of WASI may be one that is done when it is committed."""
    may = life.may_exchange if at.interface == wasi.HTTP else life.may_write
    granted = may or not life.sure
    return granted and wasi.is_change(at.interface, at.function, at.payload[0])
