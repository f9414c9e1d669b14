"""Read the dead letters and what the log knows of each; also while the system is down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from theater.client.reader import LoggedEvent, LogReader
from theater.client.turn import INIT, Attempt, message_of, turn_of
from theater.errors import TheaterError

OPEN, RETRIED, DROPPED = "open", "retried", "dropped"


@dataclass(frozen=True, slots=True)
class Again:
    """What became of a letter that was retried: the message it is since then."""

    message: int
    status: str  # queued, done, dead
    turn: int | None
    dead_letter: int | None  # it was set aside once more


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was set aside, or could not be delivered."""

    id: int
    at: float  # Unix time
    actor: str  # the address it was for
    status: str  # open, retried, dropped
    reason: str
    # send, request, channel-open, ..., tick, loop, child-error, ...; init, if it was no message
    kind: str
    # An address, of child-... the one that it tells of, of a loop its own; None: a client, or of a
    # tick its own timer.
    sender: str | None
    sender_turn: int | None
    size: int
    turn: int | None  # the one that failed; None: it came to no turn
    message: int | None
    state: bytes | None  # hash of the state before the turn
    decided_at: float | None
    again: Again | None
    channel: str | None = None  # the id of the channel that it opened, was on, or closed

    @property
    def asks(self) -> bool:
        """Whether somebody waited for an answer."""
        return self.kind in ("request", "channel-open", "rpc")


@dataclass(frozen=True, slots=True)
class Report:
    """All that the log knows of one dead letter."""

    letter: DeadLetter
    body: bytes | None  # None: there is no message
    state: bytes | None  # before the turn
    incarnation: int | None  # the last that ran the turn
    steps: int  # of the turn, that committed
    committed: tuple[LoggedEvent, ...]  # of the turn
    attempts: tuple[Attempt, ...]  # oldest first


def dead_letters(
    log: LogReader, actors: Sequence[str] | None = None, decided: bool = False
) -> list[DeadLetter]:
    """Those for these addresses (None: for all), oldest first. `decided`: also those that have
    been retried or dropped."""
    conditions, parameters = ["1"], list(actors or ())
    if actors is not None:
        conditions.append(f"d.actor IN ({','.join('?' * len(actors))})")
    if not decided and log.version() >= 3:
        conditions.append("d.status = 'open'")
    return _letters(log, " AND ".join(conditions), parameters)


def of_numbers(log: LogReader, ids: Sequence[int]) -> list[DeadLetter]:
    """Those of these numbers that there are, oldest first."""
    return _letters(log, f"d.id IN ({','.join('?' * len(ids))})", ids)


def addressees(log: LogReader) -> list[str]:
    """Every address that a dead letter was for."""
    return [row[0] for row in log.query("SELECT DISTINCT actor FROM dead_letters")]


def _letters(log: LogReader, where: str, parameters: Sequence[Any]) -> list[DeadLetter]:
    decision = "d.status, d.decided_at, d.again"
    again, channel = "d.again", "m.channel"
    if log.version() < 4:
        channel = "NULL"
    if log.version() < 3:  # nothing was ever decided then
        decision, again = f"'{OPEN}', NULL, NULL", "NULL"
    rows = log.query(
        "SELECT d.id, d.at, d.actor, d.reason, d.message, m.kind, s.name, m.from_turn, m.size,"
        f" coalesce(d.turn, m.turn), d.state, n.status, n.turn, r.id, {decision},"
        f" {channel}"
        " FROM dead_letters d LEFT JOIN messages m ON m.id = d.message"
        f" LEFT JOIN actors s ON s.id = m.from_actor LEFT JOIN messages n ON n.id = {again}"
        f" LEFT JOIN dead_letters r ON r.message = n.id WHERE {where} ORDER BY d.id",
        *parameters,
    )
    return [_letter(*row) for row in rows]


def _letter(
    id: int,
    at: float,
    actor: str,
    reason: str,
    message: int | None,
    kind: str | None,
    sender: str | None,
    sender_turn: int | None,
    size: int | None,
    turn: int | None,
    state: bytes | None,
    now: str | None,
    now_turn: int | None,
    now_dead: int | None,
    status: str,
    decided_at: float | None,
    again: int | None,
    channel: str | None,
) -> DeadLetter:
    return DeadLetter(
        id=id,
        at=at,
        actor=actor,
        status=status,
        reason=reason,
        kind=kind or INIT,
        sender=sender,
        sender_turn=sender_turn,
        size=size or 0,
        turn=turn,
        message=message,
        state=state if turn is not None else None,
        decided_at=decided_at,
        again=None if again is None else Again(again, now or "", now_turn, now_dead),
        channel=channel,
    )


def dead_letter(log: LogReader, id: int) -> Report:
    """The report of one; TheaterError if there is none."""
    found = _letters(log, "d.id = ?", [id])
    if not found:
        raise TheaterError(f"there is no dead letter {id}")
    letter = found[0]
    message = None if letter.message is None else message_of(log, letter.message)
    turn = None if letter.turn is None else turn_of(log, letter.actor, letter.turn)
    return Report(
        letter=letter,
        body=None if message is None else message.body,
        state=None if letter.state is None else log.content(letter.state),
        incarnation=None if turn is None else turn.incarnation,
        steps=0 if turn is None else turn.steps,
        committed=() if turn is None else turn.committed,
        attempts=() if turn is None else turn.attempts,
    )
