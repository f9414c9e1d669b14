"""Hold the rounds of loops to what started them, and to the rounds before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from theater.calls import START_LOOP
from theater.events import FACTS, Event
from theater.fsck.across import CreatorRow, MessageRow
from theater.fsck.file import LogFile, Scratch
from theater.fsck.findings import Reports, shown
from theater.fsck.tools import named

LOOP = "loop"

# What an actor's loop has come to: the event that has left its next round, or the message that a
# retry has made of a dead one. Those that were stopped or replaced. The last turn of each actor
# that has said so itself. Who is granted loops; the results whose next round was refused, since
# their actor was not any more. The rounds that are not over, were taken back, or came to no turn.
TABLES = """
CREATE TABLE loops (actor PRIMARY KEY, turn, idx, message);
CREATE TABLE ended_loops (actor, turn, idx, message);
CREATE INDEX ended_loops_of ON ended_loops (actor, turn, idx);
CREATE TABLE loop_calls (actor PRIMARY KEY, turn);
CREATE TABLE loop_grants (actor PRIMARY KEY);
CREATE TABLE refused_rounds (actor, turn, idx, message, PRIMARY KEY (actor, turn, idx));
CREATE TABLE retried_rounds (message INTEGER PRIMARY KEY);
CREATE TABLE rounds (message INTEGER PRIMARY KEY, actor, turn, idx, status);
CREATE TABLE unsure_loops (actor PRIMARY KEY);
"""


class Rounds:
    def __init__(self, file: LogFile, scratch: Scratch, reports: Reports) -> None:
        self._file = file
        self._scratch = scratch
        self._reports = reports

    # What is met, in the order of commits

    def facts(self, row: CreatorRow, event: Event) -> None:
        """An event that may say whether the actor is granted loops."""
        if event.type not in FACTS or not isinstance(event.payload, dict):
            return
        grants = event.payload.get("grants")
        if isinstance(grants, dict) and LOOP in grants:
            self._scratch.run("INSERT OR IGNORE INTO loop_grants VALUES (?)", (row.actor,))
        else:
            self._scratch.run("DELETE FROM loop_grants WHERE actor = ?", (row.actor,))

    def call(self, actor: int, turn: int, index: int, function: str, seq: int) -> None:
        """A loop was started or stopped, and that answered Ok."""
        if not self._is_in("loop_grants", "actor = ?", actor) and self._is_sure(actor):
            found = f"it called {function}"
            self._reports.wrong(found, "a grant for it", actor=named(self._file, actor), seq=seq)
        self.gone(actor)
        self._scratch.run("INSERT OR REPLACE INTO loop_calls VALUES (?,?)", (actor, turn))
        if function == START_LOOP:
            self._now(actor, turn, index, None)

    def result(self, actor: int, turn: int, index: int, payload: Any) -> Any:
        """A round is over. What it leaves for the next one; None: there is none."""
        try:
            (answer,) = payload[0]["ok"][1]
            ((case, item),) = answer.items()
        except (TypeError, ValueError, LookupError, AttributeError):
            case = item = None
        if case not in ("ok", "err") or item is None:
            self.lose(actor)  # its chain's walk tells
            return None
        if self._scratch.one("SELECT turn FROM loop_calls WHERE actor = ?", (actor,)) == (turn,):
            return None  # it has stopped its loop itself, or started another one
        if case == "err":
            self._scratch.run("DELETE FROM loops WHERE actor = ?", (actor,))
            return None
        if self._is_in("loop_grants", "actor = ?", actor):
            self._now(actor, turn, index, None)
        else:
            self._scratch.run("DELETE FROM loops WHERE actor = ?", (actor,))
            row = (actor, turn, index)
            self._scratch.run("INSERT OR IGNORE INTO refused_rounds VALUES (?,?,?,NULL)", row)
        return item

    def gone(self, actor: int) -> None:
        """Its loop has ended, in whatever round it was: also as it began anew, or was removed."""
        self._scratch.run(
            "INSERT INTO ended_loops SELECT actor, turn, idx, message FROM loops WHERE actor = ?",
            (actor,),
        )
        self._scratch.run("DELETE FROM loops WHERE actor = ?", (actor,))

    def retried(self, message: int) -> None:
        """This message is a dead letter's, again."""
        row = self._file.one("SELECT to_actor, kind FROM messages WHERE id = ?", (message,))
        if row is None or row[1] != LOOP:
            return
        self._scratch.run("INSERT OR IGNORE INTO retried_rounds VALUES (?)", (message,))
        self._now(row[0], None, None, message)

    def lose(self, actor: int) -> None:
        """An event of this actor's cannot be read, which is told."""
        self._scratch.run("INSERT OR IGNORE INTO unsure_loops VALUES (?)", (actor,))

    def _now(self, actor: Any, turn: int | None, index: int | None, message: int | None) -> None:
        row = (actor, turn, index, message)
        self._scratch.run("INSERT OR REPLACE INTO loops VALUES (?,?,?,?)", row)

    # The messages

    def message(self, message: MessageRow, wrong: Any) -> None:
        origin = (message.from_actor, message.client)
        if origin != (message.to_actor, None) or None in (message.from_turn, message.from_index):
            found = f"a round of a loop, from actor {shown(origin[0])}, client {shown(origin[1])}"
            wrong(found, "from a turn of its own actor's")
        elif message.status in ("queued", "cleared", "dead") and message.turn is None:
            row = (message.id, message.to_actor, message.from_turn, message.from_index)
            self._scratch.run(
                "INSERT OR IGNORE INTO rounds VALUES (?,?,?,?,?)", (*row, message.status)
            )

    def check(self, went_on: Callable[[], bool]) -> None:
        """After the messages, and the events that make them."""
        if went_on():
            return
        for message, actor, turn, index, status in self._scratch.rows(
            "SELECT * FROM rounds WHERE actor NOT IN (SELECT actor FROM unsure_loops)"
            " ORDER BY message"
        ):
            key = (actor, turn, index, None)
            if self._is_in("retried_rounds", "message = ?", message):
                key = (actor, None, None, message)
            same = "actor = ? AND turn IS ? AND idx IS ? AND message IS ?"
            if status == "cleared" and not self._is_in("ended_loops", same, *key):
                found = f"round {message} is cleared, and nothing has ended its loop"
                self._wrong(actor, found, "what has")
            elif status == "dead" and not self._is_in("refused_rounds", same, *key):
                found = f"round {message} is dead, and came to no turn"
                self._wrong(actor, found, "one, or no grant for loops any more")
            elif status == "queued" and not (
                self._is_in("loops", same, *key) or self._is_open(actor, message)
            ):
                found = f"round {message} waits, and its loop has ended or goes on elsewhere"
                self._wrong(actor, found, "cleared, or over")

    def _is_sure(self, actor: int) -> bool:
        return not self._is_in("unsure_loops", "actor = ?", actor)

    def _is_in(self, table: str, where: str, *key: Any) -> bool:
        return self._scratch.one(f"SELECT 1 FROM {table} WHERE {where} LIMIT 1", key) is not None

    def _is_open(self, actor: int, message: int) -> bool:
        """Whether the actor is at it: it may have stopped its loop already."""
        last = self._file.one(
            "SELECT message, status FROM turns WHERE actor = ? ORDER BY turn DESC LIMIT 1",
            (actor,),
        )
        return last == (message, "open")

    def _wrong(self, actor: int, found: str, expected: str) -> None:
        self._reports.wrong(found, expected, actor=named(self._file, actor))
