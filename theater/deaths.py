"""Find how an actor's incarnations died, from what the log says. Pure.

A death is what has not been asked for: the guest failed, the process was lost or killed, or it did
not get ready. How the facts are called: `causes`, which tells what was decided about a death.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from theater.events import EventType
from theater.facts import LAST, Fact, Past


class Cause(StrEnum):
    TRAP = "trap"
    FUEL = "fuel"
    MEMORY = "memory"
    ERR = "err"
    EXIT = "exit"  # the guest called it
    TOO_LARGE = "too-large"
    DIVERGED = "diverged"
    LINK = "link"  # the component could not be instantiated
    TIMEOUT = "timeout"
    SIGNAL = "signal"
    KILLED = "killed"  # by its supervisor, for what it did not do in time
    STATUS = "status"  # the process ended by itself, and not as a worker does
    SYSTEM = "system"  # everything ended at once
    BY_HAND = "by-hand"  # its open turn was set aside because somebody said so
    OTHER = "other"  # the reason says it


# Reasons begin with the kind of the failure: see `burial.failure_text`.
_KINDS = {
    each.value: each
    for each in (
        Cause.TRAP,
        Cause.FUEL,
        Cause.MEMORY,
        Cause.ERR,
        Cause.EXIT,
        Cause.TOO_LARGE,
        Cause.DIVERGED,
        Cause.LINK,
        Cause.TIMEOUT,
    )
}
_DELIVERED = re.compile(r", delivered \d+ times\Z")
_BROKEN = ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGSYS", "SIGTRAP")
SYSTEM_ENDED = "the system ended"  # what `burial.bury_unseen` says


@dataclass(frozen=True, slots=True)
class Death:
    """`facts` are of one incarnation, oldest first; the last says that it was over."""

    name: str
    incarnation: int
    cause: Cause
    reason: str  # without the kind, which `cause` is
    turn: int | None  # the one that failed with it
    again: bool  # its message is delivered again
    starting: bool  # it was not ready yet
    facts: tuple[Fact, ...]

    @property
    def at(self) -> float:
        return self.facts[-1].at


def deaths(past: Past, name: str) -> Iterator[Death]:
    """Those of an actor, newest first. What only ended with the whole system is none, unless a turn
    failed with it."""
    before = LAST
    for started in past.starts(name, LAST):
        facts = []
        for fact in past.tail(name, before):
            if fact.type == EventType.STARTED:
                break
            if fact.incarnation == started.incarnation:
                facts.append(fact)
        death = _death(name, started.incarnation, facts[::-1])
        if death is not None:
            yield death
        before = started.seq


def _death(name: str, incarnation: int, facts: list[Fact]) -> Death | None:
    exited = _last(facts, EventType.EXITED)
    failed = _last(facts, EventType.TURN_FAILED)
    decided = {fact.decision: fact for fact in facts if fact.decision}
    crashed = exited is not None and exited.text("kind") == "crash"
    stopped = decided.get("stopped")
    if stopped is not None and stopped.facts.get("expected") is not False:
        crashed = False  # killed, if it was, because that is how it is stopped
    if not crashed and failed is None:
        return None
    reason = (failed or exited or facts[-1]).text("reason")
    if failed is None and reason == SYSTEM_ENDED:
        return None
    cause, reason = _cause(reason, decided.get("kill"), crashed)
    parts = [fact for fact in (decided.get("kill"), failed, exited) if fact is not None]
    return Death(
        name=name,
        incarnation=incarnation,
        cause=cause,
        reason=reason,
        turn=failed.number("turn") if failed is not None else None,
        again=failed is not None and failed.facts.get("again") is True,
        starting="start-failed" in decided,
        facts=tuple(sorted(parts, key=lambda fact: fact.seq)),
    )


def _last(facts: list[Fact], type: str) -> Fact | None:
    return next((fact for fact in reversed(facts) if fact.type == type), None)


def _cause(reason: str, kill: Fact | None, crashed: bool) -> tuple[Cause, str]:
    """What a reason means, and the reason without the words that say just that."""
    reason = _DELIVERED.sub("", reason)
    kind, colon, rest = reason.partition(": ")
    if colon and kind in _KINDS:
        return _KINDS[kind], rest
    if kill is not None:
        return Cause.KILLED, kill.text("why") or reason
    if reason.startswith("killed by "):
        return Cause.SIGNAL, reason.removeprefix("killed by ")
    if reason.startswith("exit status ") or reason in ("exited", "exited without a shutdown"):
        return Cause.STATUS, reason
    if reason == SYSTEM_ENDED:
        return Cause.SYSTEM, reason
    return (Cause.OTHER if crashed else Cause.BY_HAND), reason


def sentence(death: Death) -> str:
    """What killed it, as the rest of a sentence that begins with its name."""
    match death.cause:
        case Cause.TRAP:
            return f"trapped: {death.reason}"
        case Cause.FUEL | Cause.MEMORY | Cause.TOO_LARGE | Cause.LINK | Cause.EXIT:
            return f"failed: {death.reason}"
        case Cause.ERR:
            return f"failed: it returned Err: {death.reason}"
        case Cause.DIVERGED:
            return f"was carried on and did something else than its record says: {death.reason}"
        case Cause.TIMEOUT:
            return f"was killed by Theater: {death.reason}"
        case Cause.KILLED:
            return f"was killed by its supervisor: {death.reason}"
        case Cause.SIGNAL:
            return f"was killed by {death.reason}{_sender(death.reason)}"
        case Cause.STATUS:
            return f"lost its process, which ended by itself: {death.reason} (see internal.log)"
        case Cause.SYSTEM:
            return "was cut off when the whole system ended"
        case Cause.BY_HAND:
            return f"lost its turn: {death.reason}"
    return f"died: {death.reason}"


def _sender(signal: str) -> str:
    """Who may have sent it: the kernel tells a parent no more than the number."""
    if signal in _BROKEN:
        return ", which is a fault in its process and not in its component"
    if signal == "SIGKILL":
        return ", and Theater did not send it: somebody did, or the kernel for want of memory"
    return ", and Theater did not send it"
