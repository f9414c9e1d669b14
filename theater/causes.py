"""Find out why something was started again, or why it does not run, from what the log says. Pure.

A supervisor's decisions, the starts and the deaths are facts of the log. An account picks those
that led to one start or to one end, and follows them upwards: a child was restarted with its
supervisor, which had given up because another child had died. What facts are: see `facts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import takewhile

from theater.events import EventType
from theater.facts import LAST, ROOT, Fact, Past, covered, in_order, is_below, parent

SERIES_MAX = 10_000  # decisions that are read to find how a series of attempts began


class Why(StrEnum):
    # Why it was started:
    FIRST = "first-start"
    UP = "up"  # the system was started again
    DIED = "died"  # it had ended by itself
    RETRY = "retry"  # a restart of it had failed
    GROUP = "group"  # a sibling was restarted, and the strategy takes it along
    SUPERVISOR = "supervisor"  # a supervisor above it was restarted
    OPERATOR = "operator"  # somebody asked for it
    RECYCLED = "recycled"  # it had run as many turns as one incarnation may
    # Why it does not run:
    RESTARTING = "restarting"  # a restart is decided and not made yet
    NOT_RESTARTED = "not-restarted"  # it had ended by itself, and its restart type says leave it
    IGNORED = "ignored"
    START_FAILED = "start-failed"
    STOPPED = "stopped"  # somebody asked for it
    WITH_GROUP = "stopped-with-group"  # a sibling was restarted, and this one is temporary
    GAVE_UP = "gave-up"  # a supervisor, itself or one above it
    AUTO_SHUTDOWN = "auto-shutdown"
    START_ABORTED = "start-aborted"
    DOWN = "down"  # the system was taken down
    REMOVED = "removed"  # it is no longer in the tree
    LOST = "lost"  # the log ends without a word about it


@dataclass(frozen=True, slots=True)
class Account:
    """Why one start was made, or why there is none."""

    name: str
    why: Why
    steps: tuple[Fact, ...]  # what led there, oldest first
    incarnation: int = 0  # of an actor, that was started or has ended
    decision: Fact | None = None  # the one that did it
    attempts: int = 0  # of a retry: how many starts had failed before

    @property
    def at(self) -> float | None:
        return self.steps[-1].at if self.steps else None

    @property
    def runs(self) -> bool:
        """Whether this is an account of a start."""
        return self.why in _STARTS


_STARTS = frozenset(
    {
        Why.FIRST,
        Why.UP,
        Why.DIED,
        Why.RETRY,
        Why.GROUP,
        Why.SUPERVISOR,
        Why.OPERATOR,
        Why.RECYCLED,
    }
)
_RESTARTS = ("restart", "retry")
# A supervisor that ends by itself says one of these, and then its supervisor decides about it.
_DOWN = {
    "gave-up": Why.GAVE_UP,
    "auto-shutdown": Why.AUTO_SHUTDOWN,
    "start-aborted": Why.START_ABORTED,
}
_OWN_END = {
    "not-restarted": Why.NOT_RESTARTED,
    "ignored": Why.IGNORED,
    "start-failed": Why.START_FAILED,
}


def accounts(past: Past, name: str, count: int, runs: bool) -> list[Account]:
    """The last `count` starts of `name` and, unless it `runs`, why not; oldest first.

    The log cannot say whether it runs: whoever wrote it may have been killed.
    """
    found = [] if runs else [_end_of(past, name)]
    for account in _starts_of(past, name):
        if len(found) >= count:
            break
        found.append(account)
    return found[:count][::-1]


def follows(past: Past, name: str, incarnation: int) -> Account:
    """Why an actor was started after this incarnation, or why it was not."""
    later: Fact | None = None
    before = 0
    for started in past.starts(name, LAST):
        if started.incarnation <= incarnation:
            before = started.seq
            break
        later = started
    return _end_of(past, name) if later is None else _whole_start(past, name, later, before)


# Starts ------------------------------------------------------------------------------------


def _starts_of(past: Past, name: str) -> Iterator[Account]:
    if past.is_supervisor(name):
        for fact in past.decisions(LAST):
            if _starts(fact, name):
                yield _started_by(past, name, fact, None)
            elif _begins_run(fact):
                yield Account(name, Why.UP, (fact,), decision=fact)
        return
    later: Fact | None = None
    for started in past.starts(name, LAST):
        if later is not None:
            yield _whole_start(past, name, later, started.seq)
        later = started
    if later is not None:
        yield _whole_start(past, name, later, 0)


def _whole_start(past: Past, name: str, started: Fact, after: int) -> Account:
    """Why it was started, and that it began anew, if it did."""
    account = _start(past, name, started, after)
    since = takewhile(lambda fact: fact.type != EventType.STARTED, past.tail(name, started.seq))
    anew = [fact for fact in since if fact.type == EventType.REINITIALISED]
    return replace(account, steps=in_order([*account.steps, *anew])) if anew else account


def _start(past: Past, name: str, started: Fact, after: int) -> Account:
    """Why it was `started`; `after`: when it was the time before, 0 if it never was."""
    begun = False  # the run that started it had begun by then: what is before did not start it
    for fact in past.decisions(started.seq):
        if fact.seq < after or (begun and _begins_run(fact)):
            break
        if _begins_run(fact):
            begun = True
        elif _ends_system(fact):
            cause = _why_down(past, fact) if fact.decision in _DOWN else []
            steps = in_order([*cause, fact, started])
            return Account(name, Why.UP, steps, started.incarnation, fact)
        elif not begun and _starts(fact, name):
            return _started_by(past, name, fact, started)
    if (
        after
        and not begun
        and (delayed := _delayed(past, name, after, _own_end(past, name, started.seq)))
    ):
        return _started_by(past, name, delayed, started)
    why = Why.UP if after else Why.FIRST
    return Account(name, why, (started,), started.incarnation)


def _delayed(past: Past, name: str, before: int, own: list[Fact]) -> Fact | None:
    """The restart that a backoff had put off, when `name` was started by hand meanwhile: its group
    is stopped once more when the time has come, and nothing more is decided."""
    if not any(fact.decision == "stopped" for fact in own):
        return None
    for number, fact in enumerate(past.decisions(before)):
        if number >= SERIES_MAX or _ends_system(fact):
            break
        put_off = fact.decision in _RESTARTS and "delay_s" in fact.facts
        if put_off and is_below(parent(fact.text("child")), name):
            return fact
    return None


def _starts(fact: Fact, name: str) -> bool:
    """Whether this decision starts `name`, by itself or with what is above it."""
    match fact.decision:
        case "restart" | "retry":
            return covered(fact.paths("started"), name)
        case "recycle":
            return fact.name == name
        case "operator":
            match fact.text("call"):
                case "start" | "restart" | "add":
                    return covered([fact.name], name)
                case "start-instance":
                    return is_below(fact.name, name)
                case "scale":
                    return is_below(fact.name, name) and not _shrinks(fact)
    return False


def _shrinks(fact: Fact) -> bool:
    return fact.number("instances") < fact.number("before")


def _begins_run(fact: Fact) -> bool:
    return fact.name == ROOT and fact.decision == "up"


def _ends_system(fact: Fact) -> bool:
    return fact.name == ROOT and (fact.decision == "shutdown" or fact.decision in _DOWN)


def _started_by(past: Past, name: str, decision: Fact, started: Fact | None) -> Account:
    """`started` is None of a supervisor, and while the start has not been made yet."""
    steps, attempts = [decision], 0
    if decision.decision == "operator":
        why = Why.OPERATOR
    elif decision.decision == "recycle":
        why = Why.RECYCLED
    else:
        steps, attempts = _restart(past, decision)
        if decision.text("child") == name:
            why = Why.RETRY if decision.decision == "retry" else Why.DIED
        else:
            why = Why.GROUP if name in decision.paths("started") else Why.SUPERVISOR
    if not past.is_supervisor(name):
        steps += _own_end(past, name, started.seq if started else LAST)
    steps += [started] if started else []
    incarnation = started.incarnation if started else 0
    return Account(name, why, in_order(steps), incarnation, decision, attempts)


def _own_end(past: Past, name: str, before: int) -> list[Fact]:
    """How its incarnation before had ended."""
    tail = takewhile(lambda fact: fact.type != EventType.STARTED, past.tail(name, before))
    return list(filter(_is_end, tail))


def _restart(past: Past, decision: Fact) -> tuple[list[Fact], int]:
    """What led to a restart, and the decision; how many attempts had failed before it."""
    child, incarnation = decision.text("child"), decision.number("incarnation")
    ending = _ending(past, child, incarnation, decision.seq)
    if decision.decision == "restart":
        return [*ending, decision], 0
    attempts = 0
    for number, fact in enumerate(past.decisions(decision.seq)):
        if number >= SERIES_MAX:
            break
        if fact.decision in _RESTARTS and child in fact.paths("started"):
            attempts += 1
            if fact.decision == "restart":
                return [*_restart(past, fact)[0], *ending, decision], attempts
            child = fact.text("child")
    return [*ending, decision], attempts


def _ending(past: Past, name: str, incarnation: int, before: int) -> list[Fact]:
    """How a child had ended, or failed to start, when that was decided about."""
    if past.is_supervisor(name):
        return _ending_of_supervisor(past, name, before)
    found = []
    for fact in past.tail(name, before):
        if fact.incarnation != incarnation or fact.type == EventType.STARTED:
            break
        if _is_end(fact):
            found.append(fact)
    return found


def _ending_of_supervisor(past: Past, name: str, before: int) -> list[Fact]:
    found: list[Fact] = []
    for fact in past.decisions(before):
        if fact.name == name and fact.decision in _DOWN:
            return [*_why_down(past, fact), fact, *found]
        if fact.name == name and fact.decision == "start-failed":
            found.append(fact)
        elif _starts(fact, name):
            break
    return found


def _why_down(past: Past, down: Fact) -> list[Fact]:
    """What made a supervisor give up, or not come up, or go down because it was done."""
    child, incarnation = down.text("child"), down.number("incarnation")
    if not child:  # it did not come up: the child that failed stands before it
        for fact in past.decisions(down.seq):
            if fact.decision == "start-failed" and parent(fact.name) == down.name:
                child, incarnation = fact.name, fact.number("incarnation")
                break
            if fact.name == down.name and fact.decision in _DOWN:
                break
    return _ending(past, child, incarnation, down.seq) if child else []


# Ends --------------------------------------------------------------------------------------


def _end_of(past: Past, name: str) -> Account:
    if past.is_supervisor(name):
        own = list(past.tail(name, LAST))
        return _end(past, name, 0, own, 0) or Account(name, Why.LOST, ())
    started = next(past.starts(name, LAST), None)
    since, incarnation = (started.seq, started.incarnation) if started else (0, 0)
    own = [fact for fact in past.tail(name, LAST) if fact.seq > since]
    if not any(map(_is_end, own)) and started:
        return Account(name, Why.LOST, (started,), incarnation)
    account = _end(past, name, since, own, incarnation)
    return account or Account(name, Why.LOST, in_order(filter(_is_end, own)), incarnation)


def _removal(own: Iterable[Fact]) -> Fact | None:
    """That it was taken off the tree, if it has not come back. `own`: newest first."""
    for fact in own:
        if fact.type == EventType.REMOVED:
            return fact
        if fact.type == EventType.RETURNED:
            break
    return None


def _end(past: Past, name: str, since: int, own: list[Fact], incarnation: int) -> Account | None:
    """What was last decided that ended `name`, or kept it from running. `own`: its facts since
    its last start; None: nothing was."""
    supervisor = past.is_supervisor(name)
    ends = [] if supervisor else list(filter(_is_end, own))
    removed = _removal(own)
    later: list[Fact] = []  # what the supervisors above decided after that about each other
    for fact in past.decisions(removed.seq if removed else LAST):
        if fact.seq <= since:
            break
        if _starts(fact, name):
            if removed:
                break
            account = _started_by(past, name, fact, None)
            steps = in_order([*account.steps, *ends])
            return Account(name, Why.RESTARTING, steps, incarnation, fact, account.attempts)
        if fact.decision == "not-restarted" and is_below(fact.name, name):
            later.append(fact)
            continue
        why = _stops(fact, name, own)
        if why is None:
            continue
        if removed and why not in _LEAD_TO_REMOVAL:
            why = Why.REMOVED
        steps = in_order([*_grounds(past, fact, name), fact, *ends, *later])
        return Account(name, why, steps, incarnation, fact)
    if removed:
        return Account(name, Why.REMOVED, in_order([*ends, removed]), incarnation)
    if delayed := _delayed(past, name, since, ends):
        steps = in_order([*_grounds(past, delayed, name), delayed, *ends])
        return Account(name, Why.WITH_GROUP, steps, incarnation, delayed)
    return None


# Reasons that say more than that it is no longer there.
_LEAD_TO_REMOVAL = (Why.STOPPED, Why.NOT_RESTARTED, Why.IGNORED, Why.START_FAILED)


def _grounds(past: Past, decision: Fact, name: str) -> list[Fact]:
    """What led to a decision that ended `name`."""
    if decision.name == name and decision.decision in _OWN_END:
        return _ending(past, name, decision.number("incarnation"), decision.seq)
    if decision.decision in _DOWN:
        return _why_down(past, decision)
    if decision.decision in _RESTARTS:
        return _restart(past, decision)[0]
    return []


def _stops(fact: Fact, name: str, own: list[Fact]) -> Why | None:
    """Why `name` does not run after this decision; None: it has nothing to do with that."""
    above = fact.name == name or is_below(fact.name, name)
    if fact.decision in _OWN_END:
        return _OWN_END[fact.decision] if fact.name == name else None
    if fact.decision in _DOWN:
        return _DOWN[fact.decision] if above else None
    if fact.decision == "shutdown":
        return Why.DOWN if above else None
    if fact.decision == "operator":
        if fact.text("call") in ("stop", "delete"):
            return Why.STOPPED if above else None
        if fact.text("call") == "scale" and above and _shrinks(fact):
            return Why.STOPPED if any(each.seq > fact.seq for each in own) else None
    if fact.decision in _RESTARTS and covered(fact.paths("stopped"), name):
        return Why.WITH_GROUP
    return None


def _is_end(fact: Fact) -> bool:
    """Whether this is part of how something ended."""
    if fact.type == EventType.DECIDED:
        return fact.decision in _OWN_END or fact.decision in ("stopped", "kill")
    return fact.type in (EventType.EXITED, EventType.TURN_FAILED, EventType.REMOVED)
