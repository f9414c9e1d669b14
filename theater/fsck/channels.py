"""Hold channels to what opened and closed them: each is accepted once, and each end told once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from theater.fsck.across import CHANNELS, ChannelRow, MessageRow
from theater.fsck.file import LogFile, Scratch
from theater.fsck.findings import Reports, shown

OPEN, CLOSED = "open", "closed"
LATE = " did not wait for it"  # why one is closed that was accepted in vain

TABLES = """
CREATE TABLE accepted (channel TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE closes (
    channel TEXT, receiver, turn, idx, waits, PRIMARY KEY (channel, receiver, turn, idx));
"""


class Channels:
    def __init__(self, file: LogFile, scratch: Scratch, reports: Reports) -> None:
        self._file = file
        self._scratch = scratch
        self._reports = reports

    # What the other tables say, as it is met

    def accept(self, actor: int, turn: int) -> str | None:
        """A turn has accepted a channel; which one it was asked to."""
        row = self._file.one(
            "SELECT m.channel FROM turns t JOIN messages m ON m.id = t.message"
            " WHERE t.actor = ? AND t.turn = ?",
            (actor, turn),
        )
        if row is None or not isinstance(row[0], str):
            return None  # its turn tells
        self._scratch.run("INSERT OR IGNORE INTO accepted VALUES (?)", row)
        return row[0]

    def told(self, message: MessageRow) -> None:
        """A `channel-close`, to whoever it is for. One that was retried is the same one."""
        numbers = (message.from_turn or 0, message.from_index or 0)
        row = (message.channel, message.to_actor, *numbers, message.status == "queued")
        self._scratch.run("INSERT OR REPLACE INTO closes VALUES (?,?,?,?,?)", row)

    def makes_no_close(self, actor: int, channel: str) -> bool:
        """Whether another than this actor has closed it, who was first."""
        row = self._file.one("SELECT closed_by, status FROM channels WHERE id = ?", (channel,))
        return row is not None and row[0] != actor and row[1] == CLOSED

    def is_late(self, channel: str) -> bool:
        """Whether it was accepted when nobody waited for it any more."""
        row = self._file.one("SELECT reason FROM channels WHERE id = ?", (channel,))
        return row is not None and isinstance(row[0], str) and row[0].endswith(LATE)

    def other(self, channel: str | None, actor: int | None) -> Any:
        """The address of the other side; None: there is none."""
        row = self._file.one(
            "SELECT c.opener, o.name, c.callee, e.name FROM channels c"
            " LEFT JOIN actors o ON o.id = c.opener LEFT JOIN actors e ON e.id = c.callee"
            " WHERE c.id = ?",
            (channel,),
        )
        if row is None:
            return None
        opener, opener_name, callee, callee_name = row
        return {opener: callee_name, callee: opener_name}.get(actor)

    # The rows

    def check(self, went_on: Callable[[], bool]) -> None:
        """After the messages, and the events that make them."""
        for row in self._file.pages(CHANNELS.select, CHANNELS.keys):
            channel = CHANNELS.make(*row)
            misfits = list(CHANNELS.misfits(channel))
            for found, expected in misfits:
                self._wrong(channel, found, expected)
            if misfits:
                continue
            self._judge(channel)
            is_known = self._scratch.run("DELETE FROM accepted WHERE channel = ?", (channel.id,))
            if not went_on():
                if not is_known:
                    self._wrong(channel, "no turn has accepted it", "one")
                self._judge_closes(channel)
        for (id,) in self._scratch.rows("SELECT channel FROM accepted ORDER BY channel"):
            if not went_on():
                self._reports.wrong("it was accepted, and has no row", "one", channel=shown(id))
        for (id,) in self._scratch.rows("SELECT DISTINCT channel FROM closes ORDER BY channel"):
            if self._file.one("SELECT 1 FROM channels WHERE id = ?", (id,)) is None:
                self._reports.wrong("it was closed, and has no row", "one", channel=shown(id))

    def _wrong(self, channel: ChannelRow, found: str, expected: str) -> None:
        self._reports.wrong(found, expected, channel=shown(channel.id))

    def _judge(self, channel: ChannelRow) -> None:
        def wrong(found: str, expected: str) -> None:
            self._wrong(channel, found, expected)

        asked = (channel.kind, channel.message_status, channel.message_channel)
        if asked != ("channel-open", "done", channel.id):
            found = f"message {channel.message} is {shown(channel.kind)} {shown(asked[1])}"
            wrong(f"{found}, of channel {shown(asked[2])}", "what opened it, and done")
        elif (channel.opener, channel.callee) != (channel.from_actor, channel.to_actor):
            wrong("its two sides are not those of what opened it", "the same")
        if channel.id != f"{channel.sender}:{channel.from_turn}:{channel.from_index}":
            wrong("its name is of another event", "of the one that opened it")
        ends = (channel.reason is None, channel.closed_at is None)
        if channel.status not in (OPEN, CLOSED):
            wrong(f"status is {shown(channel.status)}", "open or closed")
        elif channel.status == CLOSED:
            if ends != (False, False):
                wrong("it is closed without a reason or a time", "both")
            if channel.closed_by not in (None, channel.opener, channel.callee):
                wrong(f"it is closed by {channel.closed_by}", "one of its sides, or neither")
            if channel.untold is not None and (
                channel.untold not in (channel.opener, channel.callee)
                or channel.untold == channel.closed_by
            ):
                wrong(f"untold is {channel.untold}", "a side that has not closed it, or none")
        elif ends != (True, True) or channel.closed_by is not None or channel.untold is not None:
            wrong("it is open, and has an end", "none")
        elif channel.gone is not None:
            wrong("it is open, and one of its sides was removed", "closed")
        elif channel.turn_status == "failed":
            wrong("it is open, and the turn that opened it was set aside", "closed")

    def _judge_closes(self, channel: ChannelRow) -> None:
        closes = list(
            self._scratch.rows(
                "SELECT receiver, waits FROM closes WHERE channel = ?", (channel.id,)
            )
        )
        if channel.status == OPEN:
            if closes:
                self._wrong(channel, "it is open, and a side was told of its end", "nobody")
            return
        told = [receiver for receiver, _ in closes]
        sides = {channel.opener, channel.callee} - {channel.closed_by}
        if len(told) > 1 or not sides.issuperset(told):
            self._wrong(channel, f"{len(told)} were told of its end", "one side, once")
        elif channel.closed_by is not None and not told:
            self._wrong(channel, "nobody was told of its end", "the other side")
        if channel.untold is not None and (channel.untold, True) not in closes:
            self._wrong(channel, f"untold is {channel.untold}, for whom nothing waits", "none")
