"""Hold timers to the calls that set and cleared them, and ticks to their timers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from theater.calls import CLEAR, SET_INTERVAL
from theater.capabilities.timer import INTERVAL_MIN_MS, NAME_MAX
from theater.fsck.across import TIMERS, MessageRow, TimerRow
from theater.fsck.file import LogFile, Scratch
from theater.fsck.findings import Reports, shown

TICK, CLEARED = "tick", "cleared"

# What calls have left, and what they have ever set; ticks by their receivers and timers. Of a tick
# that was retried it is not known which timer made it, so it counts for none.
TABLES = """
CREATE TABLE set_timers (
    actor INTEGER, name TEXT, turn, idx, interval_ms, seq, PRIMARY KEY (actor, name)
) WITHOUT ROWID;
CREATE TABLE named_timers (
    actor INTEGER, name TEXT, timeouts, intervals, PRIMARY KEY (actor, name)
) WITHOUT ROWID;
CREATE TABLE unsure_timers (actor INTEGER PRIMARY KEY);
CREATE TABLE ticks (
    actor INTEGER, name TEXT, count, last_turn, first, PRIMARY KEY (actor, name)
) WITHOUT ROWID;
CREATE TABLE waiting_ticks (message INTEGER PRIMARY KEY, actor, name);
"""


class Timers:
    def __init__(self, file: LogFile, scratch: Scratch, reports: Reports) -> None:
        self._file = file
        self._scratch = scratch
        self._reports = reports

    # What is met, in the order of commits

    def call(
        self, actor: int, turn: int, index: int, function: str, arguments: Any, seq: int
    ) -> None:
        """A call that was answered Ok."""
        try:
            name, *after = arguments
            (after_ms,) = after or (None,)
        except (TypeError, ValueError):
            name = after_ms = None
        fits = isinstance(name, str) and (after_ms is None) == (function == CLEAR)
        if not fits or not isinstance(after_ms, int | None):
            found = f"it called {function} with {shown(arguments)}"
            self._reports.wrong(found, "a name, and milliseconds to set", seq=seq)
            self.lose(actor)
            return
        if function == CLEAR:
            self._scratch.run("DELETE FROM set_timers WHERE actor = ? AND name = ?", (actor, name))
            return
        is_interval = function == SET_INTERVAL
        row = (actor, name, turn, index, after_ms if is_interval else None, seq)
        self._scratch.run("INSERT OR REPLACE INTO set_timers VALUES (?,?,?,?,?,?)", row)
        self._scratch.run(
            "INSERT INTO named_timers VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET"
            " timeouts = timeouts + excluded.timeouts, intervals = intervals + excluded.intervals",
            (actor, name, int(not is_interval), int(is_interval)),
        )

    def lose(self, actor: int) -> None:
        """A call of this actor's cannot be read, which is told."""
        self._scratch.run("INSERT OR IGNORE INTO unsure_timers VALUES (?)", (actor,))

    def gone(self, actor: int) -> None:
        """It began anew, or was removed."""
        self._scratch.run("DELETE FROM set_timers WHERE actor = ?", (actor,))

    def tick(self, message: MessageRow, wrong: Any) -> None:
        """The message of a timer that has gone off."""
        body = message.body
        try:
            name = body.decode() if isinstance(body, bytes) else ""
        except UnicodeDecodeError:
            name = ""
        if not 0 < len(name.encode()) <= NAME_MAX:
            wrong(f"a tick of {shown(body)}", f"the name of a timer, up to {NAME_MAX} bytes")
            return
        turn = message.turn if message.status in ("done", "dead") else None
        self._scratch.run(
            "INSERT INTO ticks VALUES (?,?,1,?,?) ON CONFLICT DO UPDATE SET count = count + 1,"
            " last_turn = max(coalesce(last_turn, 0), coalesce(excluded.last_turn, 0))",
            (message.to_actor, name, turn, message.id),
        )
        if message.status == "queued":
            row = (message.id, message.to_actor, name)
            self._scratch.run("INSERT OR IGNORE INTO waiting_ticks VALUES (?,?,?)", row)

    def retried(self, message: int) -> None:
        """This tick is a dead letter's, again."""
        row = self._file.one(
            "SELECT to_actor, CAST(body AS TEXT) FROM messages WHERE id = ?", (message,)
        )
        if row is not None:
            self._scratch.run(
                "UPDATE ticks SET count = count - 1 WHERE actor = ? AND name = ?", row
            )
        self._scratch.run("DELETE FROM waiting_ticks WHERE message = ?", (message,))

    # The rows

    def check(self, went_on: Callable[[], bool]) -> None:
        """After the messages, and the events that make them."""
        for row in self._file.pages(TIMERS.select, TIMERS.keys):
            timer = TIMERS.make(*row)
            misfits = list(TIMERS.misfits(timer))
            for found, expected in misfits:
                self._reports.wrong(found, expected, timer=shown(timer.name))
            if misfits:
                continue
            self._judge(timer)
            if not went_on():
                self._judge_call(timer)
            self._scratch.run(
                "DELETE FROM set_timers WHERE actor = ? AND name = ?", (timer.actor, timer.name)
            )
        if went_on():
            return
        self._lost()
        self._ticks()
        self._waiting()

    def _wrong(self, name: str, actor: int, found: str, expected: str) -> None:
        row = self._file.one("SELECT name FROM actors WHERE id = ?", (actor,))
        of = str(row[0]) if row is not None else f"actor {actor}"
        self._reports.wrong(found, expected, actor=of, timer=shown(name))

    def _is_sure(self, actor: int) -> bool:
        found = self._scratch.rows("SELECT 1 FROM unsure_timers WHERE actor = ?", (actor,))
        return next(found, None) is None

    def _judge(self, timer: TimerRow) -> None:
        def wrong(found: str, expected: str) -> None:
            self._wrong(timer.name, timer.actor, found, expected)

        if timer.interval_ms is not None and timer.interval_ms < INTERVAL_MIN_MS:
            wrong(f"interval_ms is {timer.interval_ms}", f"{INTERVAL_MIN_MS} at least, or none")
        if timer.message is None:
            return
        if timer.message_id is None:
            wrong(f"its tick {timer.message} is not there", "in messages")
            return
        body = timer.body if isinstance(timer.body, bytes) else b""
        tick = (timer.kind, timer.status, timer.to_actor, body)
        if tick != (TICK, "queued", timer.actor, timer.name.encode()):
            found = f"message {timer.message} is a {shown(timer.kind)}, {shown(timer.status)}"
            wrong(found, "a tick of it that waits")

    def _judge_call(self, timer: TimerRow) -> None:
        if not self._is_sure(timer.actor):
            return
        found = self._scratch.rows(
            "SELECT turn, idx, interval_ms FROM set_timers WHERE actor = ? AND name = ?",
            (timer.actor, timer.name),
        )
        call = next(found, None)
        if call is None:
            self._wrong(timer.name, timer.actor, "no call has left it", "one")
        elif call != (timer.turn, timer.idx, timer.interval_ms):
            said = (
                f"turn {timer.turn}, index {timer.idx}, every {shown(timer.interval_ms)} ms is in"
                " its row"
            )
            expected = f"turn {call[0]}, index {call[1]}, every {shown(call[2])} ms, as is chained"
            self._wrong(timer.name, timer.actor, said, expected)

    def _lost(self) -> None:
        """What a call has left has a row, unless it was to go off once and has done so."""
        for actor, name, turn, interval_ms, seq in self._scratch.rows(
            "SELECT actor, name, turn, interval_ms, seq FROM set_timers ORDER BY seq"
        ):
            if not self._is_sure(actor):
                continue
            (last,) = next(
                self._scratch.rows(
                    "SELECT last_turn FROM ticks WHERE actor = ? AND name = ?", (actor, name)
                ),
                (None,),
            )
            if interval_ms is not None or last is None or last <= turn:
                found = f"it was set at seq {seq}, and has no row"
                self._wrong(name, actor, found, "one, until it is cleared or has gone off once")

    def _ticks(self) -> None:
        for actor, name, count, first, timeouts, intervals in self._scratch.rows(
            "SELECT t.actor, t.name, t.count, t.first, n.timeouts, n.intervals FROM ticks t"
            " LEFT JOIN named_timers n ON n.actor = t.actor AND n.name = t.name ORDER BY t.first"
        ):
            if not isinstance(actor, int) or not self._is_sure(actor):
                continue
            if timeouts is None:
                found = f"message {first} is its tick, and it was never set"
                self._wrong(name, actor, found, "set before")
            elif not intervals and count > timeouts:
                found = f"it has gone off {count} times"
                self._wrong(name, actor, found, f"{timeouts} at most: so often it was set")

    def _waiting(self) -> None:
        for message, actor, name in self._scratch.rows("SELECT * FROM waiting_ticks"):
            row = self._file.one(
                "SELECT message FROM timers WHERE actor = ? AND name = ?", (actor, name)
            )
            if row == (message,):
                continue
            last = self._file.one(
                "SELECT message, status FROM turns WHERE actor = ? ORDER BY turn DESC LIMIT 1",
                (actor,),
            )
            if last != (message, "open") and isinstance(actor, int):
                found = f"tick {message} waits, and its row does not name it"
                self._wrong(name, actor, found, "the one that does")
