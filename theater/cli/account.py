"""Tell an account of `causes` in plain words: a headline, then what led there, step by step."""

from __future__ import annotations

import datetime
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from theater.causes import Account
from theater.cli.decisions import Told, decided, listed, seconds
from theater.cli.headline import headline, how_it_ended
from theater.cli.page import NAME_MAX, utc_time
from theater.cli.story import (
    Facts,
    Mark,
    began_anew,
    exited,
    fate_of,
    kind_word,
    pid_of,
    removal,
    spawned,
)
from theater.cli.terminal import BOLD, DIM, RED, Stream
from theater.events import EventType
from theater.facts import Fact, parent
from theater.values import json_value, visible

TEXT_MIN = 30  # columns; on a narrower terminal lines are longer than it

Windows = Mapping[str, int]  # supervisor, as in the log -> restarts left now


def tell(
    account: Account, log: Facts, stream: Stream, now_at: float, windows: Windows, status: str
) -> list[str]:
    """`now_at`: Unix time; `windows` and `status`: empty, if no system runs."""
    steps = [(fact, list(_texts(fact, account, log, windows))) for fact in account.steps]
    told = [(fact, texts) for fact, texts in steps if texts]
    width = min(NAME_MAX, max((len(visible(fact.name)) for fact, _ in told), default=0))
    columns = stream.width()
    lines = wrapped(visible(headline(account, now_at, status)), columns, 0, 0)
    lines = [stream.style(line, BOLD) for line in lines]
    for fact, texts in told:
        moment = datetime.datetime.fromtimestamp(fact.at)
        when = f"  {moment.strftime('%H:%M:%S.%f')[:-3]}  "
        name = visible(fact.name).ljust(width) + "  "
        indent = len(when) + width + 2
        for number, each in enumerate(texts):
            first = len(when) + len(name) if number == 0 else indent
            style = (RED,) if each.bad else ()
            parts = [
                stream.style(line, *style)
                for line in wrapped(visible(each.text), columns, first, indent)
            ]
            head = stream.style(when, DIM) + stream.style(name, BOLD) if number == 0 else None
            lines.append((head or " " * indent) + parts[0])
            lines.extend(" " * indent + line for line in parts[1:])
    return lines


def wrapped(text: str, columns: int | None, first: int, indent: int) -> list[str]:
    """Cut into the lines of a terminal, the first of which begins at column `first`."""
    if columns is None:
        return [text]
    width = max(columns - indent, TEXT_MIN)
    lines = textwrap.wrap(
        text,
        width,
        initial_indent="x" * max(0, first - indent),
        subsequent_indent="  ",
        break_on_hyphens=False,
    )
    return [lines[0][max(0, first - indent) :], *lines[1:]] if lines else [""]


# The steps ---------------------------------------------------------------------------------


def _texts(fact: Fact, account: Account, log: Facts, windows: Windows) -> Iterator[Told]:
    """Lines about one step; none if another says it."""
    match fact.type:
        case EventType.STARTED:
            pid = pid_of(log, fact.name, fact.incarnation)
            yield Told(f"started: incarnation {fact.incarnation}{pid}")
        case EventType.TURN_FAILED:
            turn = fact.facts.get("turn")
            yield Told(f"turn {turn} failed: {fact.facts.get('reason', '')}", bad=True)
            again = fact.facts.get("again") is True
            if fate := fate_of(log, fact.name, turn, again).replace("will be", "was"):
                yield Told(f"its message{_sender(log, fact.name, turn)} {fate}", bad=True)
        case EventType.EXITED:
            told = exited(fact.facts, _failed_before(fact, account))
            if told is not None:
                yield Told(told[1], told[0] is Mark.BAD)
        case EventType.REINITIALISED:
            yield Told(began_anew(fact.facts))
        case EventType.REMOVED:
            yield Told(f"removed: {removal(fact.facts)}")
        case EventType.DECIDED:
            yield from _decision(fact, account, log, windows)


def _failed_before(fact: Fact, account: Account) -> str | None:
    """Why the turn failed that it died of, if that is told already."""
    for other in account.steps:
        same = (other.name, other.incarnation) == (fact.name, fact.incarnation)
        if other.type == EventType.TURN_FAILED and same:
            return other.text("reason")
    return None


def _sender(log: Facts, actor: str, turn: Any) -> str:
    rows = log.query(
        "SELECT m.kind, CASE m.kind WHEN 'loop' THEN 'its turn ' || m.from_turn ELSE"
        " coalesce(s.name, CASE m.kind WHEN 'tick' THEN 'its timer' ELSE 'a client' END) END"
        " FROM dead_letters d"
        " JOIN messages m ON m.id = d.message LEFT JOIN actors s ON s.id = m.from_actor"
        " WHERE d.actor = ? AND d.turn = ?",
        actor,
        turn,
    )
    return f" (a {kind_word(rows[0][0])} from {rows[0][1]})" if rows else ""


def _decision(fact: Fact, account: Account, log: Facts, windows: Windows) -> Iterator[Told]:
    match fact.decision:
        case "operator" if fact.text("by") and fact.text("call") == "add":
            yield Told(f"spawned {spawned(log, fact.name) or 'by ' + fact.text('by')}")
        case "restart" | "retry":
            yield from map(Told, _restart(fact, account, windows))
        case "stopped":
            if fact.facts.get("expected") is False:
                yield Told(f"did not stop as it was asked: {fact.text('reason')}", bad=True)
            elif not any(
                each.type == EventType.EXITED and each.name == fact.name for each in account.steps
            ):
                yield Told("stopped")
        case "up":
            yield Told("the system was started")
        case "shutdown":
            yield Told("the system was taken down")
        case _:
            told = decided(fact.facts)
            if told is not None:
                yield told


def _restart(fact: Fact, account: Account, windows: Windows) -> Iterator[str]:
    """The rule that fired, whom it took, how long it waited, how many were left."""
    child, strategy = fact.text("child") or fact.name, fact.text("strategy")
    above = parent(child)
    if fact.decision == "retry":
        count = f" (attempt {account.attempts + 1})" if account.attempts else ""
        yield f"to be started once more{count}: a failed start counts as a restart"
    elif fact.text("restart") == "permanent":
        yield "to be restarted: it is permanent"
    else:
        yield f"to be restarted: it is {fact.text('restart')} and {how_it_ended(fact)}"
    yield f"{above} is {strategy}: {_group(fact, child)}"
    if isinstance(delay := fact.facts.get("delay_s"), int | float):
        yield f"after {seconds(delay)} s of backoff"
    period = fact.facts.get("period_s")
    within = f" in {period:g} s" if isinstance(period, int | float) else ""
    now = f", now {windows[above]}" if above in windows else ""
    limit = f"{fact.number('left')} of {fact.number('intensity')} restarts{within}"
    yield f"{limit} were left then{now}"


def _group(fact: Fact, child: str) -> str:
    stopped, started = fact.paths("stopped"), fact.paths("started")
    if not stopped and started == [child]:
        return "it alone"
    stop = f"stop {listed(stopped)}, then " if stopped else ""
    return f"{stop}start {listed(started)}"


# For programs ------------------------------------------------------------------------------


def account_json(account: Account) -> dict[str, Any]:
    return {
        "why": account.why.value,
        "started": account.runs,
        "time": None if account.at is None else utc_time(account.at),
        "incarnation": account.incarnation or None,
        "failed_attempts": account.attempts,
        "steps": [
            {
                "seq": fact.seq,
                "time": utc_time(fact.at),
                "actor": fact.name,
                "incarnation": fact.incarnation,
                "type": fact.type,
                "payload": json_value(
                    {
                        key: value.hex() if isinstance(value, bytes) else value
                        for key, value in fact.facts.items()
                    }
                ),
            }
            for fact in account.steps
        ],
    }
