"""Hold what parents are told of their children to the children's chains.

Of each end of a child, and of each of its events while its parent wants them, there may be a
message: from the child, and made by an event of its chain. So an end is found by its time, since
both were written at once, and an event by its place, since they come in their order.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import msgpack

from theater import wire
from theater.addresses import parent as above
from theater.calls import RUNTIME
from theater.events import Event, EventType, content_hash, ref_hash
from theater.fsck.across import SUBSCRIPTIONS, CreatorRow, MessageRow
from theater.fsck.children import Children
from theater.fsck.file import LogFile, Scratch
from theater.fsck.findings import Reports, shown
from theater.fsck.past import COUNT_MAX, Past
from theater.fsck.tools import named

ERROR, EXIT, EXTERNAL_STOP = "child-error", "child-exit", "child-external-stop"
EVENT = "child-event"
KINDS = frozenset({ERROR, EXIT, EXTERNAL_STOP, EVENT})
SKIPPED = "skipped"  # the type of what says how many events were left out
PLACES_MAX = 16  # in a child's chain, where what its parent is told may have come to
SHUTDOWN = (RUNTIME, "shutdown")

# What actors gave `shutdown` last; the ends of children; from where to where in a child's chain its
# parent wants its events; what parents were told.
TABLES = """
CREATE TABLE results (actor INTEGER PRIMARY KEY, hash);
CREATE TABLE ends (seq INTEGER PRIMARY KEY, actor, time, kind, reason, result, told);
CREATE INDEX ends_of ON ends (actor, time);
CREATE TABLE followed (id INTEGER PRIMARY KEY, parent, child, first, until);
CREATE INDEX followed_of ON followed (child, id);
CREATE TABLE told_parents (
    message INTEGER PRIMARY KEY, parent, child, kind, content, time, skipped);
CREATE INDEX told_of ON told_parents (child, message);
CREATE TABLE reached (child, place);
CREATE INDEX reached_of ON reached (child);
"""


class _Place(NamedTuple):
    """Where in a child's chain what its parent is told has come to."""

    period: int  # followed.id
    next: int
    until: int | None

    def after(self, events: int) -> _Place:
        return self._replace(next=self.next + events)

    def holds(self) -> bool:
        return self.until is None or self.next <= self.until


class Notices:
    def __init__(
        self, file: LogFile, scratch: Scratch, reports: Reports, children: Children
    ) -> None:
        self._file = file
        self._scratch = scratch
        self._reports = reports
        self._children = children
        self._past = Past(file)

    # What is met, in the order of commits

    def gone(self, row: CreatorRow) -> None:
        """It was removed."""
        self._scratch.run(
            "UPDATE followed SET until = 1 + ? WHERE child = ? AND until IS NULL",
            (row.position, row.actor),
        )

    def take(self, row: CreatorRow, event: Event) -> None:
        """An event that may be one of what parents are told."""
        payload = event.payload
        if event.type == EventType.EXITED and isinstance(payload, dict):
            self._end(row, payload)
        elif (event.interface, event.function) == SHUTDOWN and isinstance(payload, list):
            self._shutdown(row, payload)

    def _end(self, row: CreatorRow, facts: dict[str, Any]) -> None:
        """A process of a child's has ended."""
        if not self._children.is_there(row.actor):
            return
        result = self._scratch.one("SELECT hash FROM results WHERE actor = ?", (row.actor,))
        known = (facts.get("kind"), facts.get("reason"), None if result is None else result[0])
        texts = (each if isinstance(each, str | bytes) else None for each in known)
        self._scratch.run(
            "INSERT OR IGNORE INTO ends VALUES (?,?,?,?,?,?,0)",
            (row.seq, row.actor, row.time, *texts),
        )

    def answered(self, row: CreatorRow, child: int, result: Any) -> str | None:
        """An answer tells the parent of a child's end; what it has to be, if it is none."""
        end = self._scratch.one(
            "SELECT seq, time, result FROM ends WHERE actor = ? AND kind = 'normal' ORDER BY seq",
            (child,),
        )
        if end is None or end[1] != row.time:
            return "so when it does, and it has not ended then"
        hash = ref_hash(result)
        if hash is not None:
            found = self._file.one("SELECT bytes FROM blobs WHERE hash = ?", (hash,))
            result = None if found is None else found[0]
        self._scratch.run("UPDATE ends SET told = 1 WHERE seq = ?", (end[0],))
        fits = end[2] == content_hash(wire.pack([result]))
        return None if fits else "with what it has given its shutdown"

    def has_ended(self, child: int) -> bool:
        """Whether a child has ended by itself, as far as events have been seen."""
        end = self._scratch.one("SELECT 1 FROM ends WHERE actor = ? AND kind = 'normal'", (child,))
        return end is not None

    def _shutdown(self, row: CreatorRow, payload: list[Any]) -> None:
        """What it gives counts if its turn ends: if not, another call comes before its end."""
        try:
            (data,), answer = payload
            fits = "ok" in answer
        except (TypeError, ValueError):
            return  # its chain's walk tells
        hash = ref_hash(data)
        if hash is not None:
            found = self._file.one("SELECT bytes FROM blobs WHERE hash = ?", (hash,))
            data = None if found is None else found[0]
        if fits and (data is None or isinstance(data, bytes)):
            row_ = (row.actor, content_hash(wire.pack([data])))
            self._scratch.run("INSERT OR REPLACE INTO results VALUES (?,?)", row_)

    def subscribed(self, row: CreatorRow, child: int, wanted: bool) -> None:
        """Its parent has subscribed to a child, or wants no more of it."""
        opened = self._scratch.one(
            "SELECT id FROM followed WHERE child = ? AND until IS NULL", (child,)
        )
        if wanted and opened is None:
            self._scratch.run(
                "INSERT INTO followed (parent, child, first) VALUES (?,?,?)",
                (row.actor, child, self._past.length(child, row.seq)),
            )
        elif not wanted and opened is not None:
            until = self._past.length(child, row.seq)
            self._scratch.run("UPDATE followed SET until = ? WHERE id = ?", (until, *opened))

    # Messages

    def message(self, message: MessageRow, wrong: Any) -> None:
        """An actor is told of a child. What it is told is looked for later."""
        if (message.from_turn, message.from_index, message.client) != (None, None, None):
            wrong(f"a {message.kind} with from_turn, from_index or client", "from_actor alone")
        if not isinstance(message.sender, str) or above(message.sender) != message.to_name:
            wrong(f"a {message.kind} of {shown(message.sender)}", "of one that it has spawned")
            return
        skipped = None
        if message.kind == EVENT and message.body is not None:
            with contextlib.suppress(ValueError, TypeError, msgpack.UnpackException):
                type, count = msgpack.unpackb(message.body)
                skipped = min(int(count), COUNT_MAX) if type == SKIPPED else None
        hash = message.body_hash
        if hash is None and message.body is not None:
            hash = content_hash(message.body)
        self._scratch.run(
            "INSERT OR IGNORE INTO told_parents VALUES (?,?,?,?,?,?,?)",
            (
                message.id,
                message.to_actor,
                message.from_actor,
                message.kind,
                hash,
                message.time,
                skipped,
            ),
        )

    def retried(self, message: int) -> None:
        """This one is a dead letter's, again."""
        self._scratch.run("DELETE FROM told_parents WHERE message = ?", (message,))

    # After the messages, and the events that make them

    def check(self, went_on: Callable[[], bool]) -> None:
        self._told(went_on)
        if not went_on():
            self._subscriptions()

    def _wrong(self, actor: Any, found: str, expected: str, **where: str | int) -> None:
        self._reports.wrong(found, expected, actor=named(self._file, actor), **where)

    def _told(self, went_on: Callable[[], bool]) -> None:
        course: _Course | None = None
        for message, parent, child, kind, content, time, skipped in self._scratch.rows(
            "SELECT * FROM told_parents ORDER BY child, message"
        ):
            if course is None or course.child != child:
                self._settle(course, went_on)
                course = _Course(self._file, self._scratch, child)
            known = self._children.parent_of(child)
            if not self._children.is_sure(child, parent):
                course.is_lost = True
            elif known is None or known != parent:
                found = f"a {kind} of one that its receiver has not spawned"
                self._wrong(child, found, "of a child of its", message=message)
            elif kind != EVENT:
                self._told_end(message, child, kind, content, time)
            elif not course.is_lost:
                found, expected = course.take(content, time, skipped) or ("", "")
                if found:
                    self._wrong(child, found, expected, message=message)
        self._settle(course, went_on)

    def _told_end(self, message: int, child: int, kind: str, content: bytes, time: float) -> None:
        first = None
        for seq, ended, reason, result, told in self._scratch.rows(
            "SELECT seq, kind, reason, result, told FROM ends WHERE actor = ? AND time = ?"
            " ORDER BY told, seq",
            (child, time),
        ):
            fits = {
                ERROR: ended == "crash" and content == _hash_of(_error_type(reason), reason),
                EXIT: ended == "normal" and content == result,
                EXTERNAL_STOP: content == content_hash(b""),
            }
            if fits[kind] and not told:
                self._scratch.run("UPDATE ends SET told = 1 WHERE seq = ?", (seq,))
                return
            first = first or (seq, ended, reason, told and fits[kind])
        if first is None:
            expected = "by one that was written at its time"
            self._wrong(child, f"a {kind}, and no end made it", expected, message=message)
        elif first[3]:
            found = f"a {kind} of the end at seq {first[0]}, of which its parent was told already"
            self._wrong(child, found, "one of each", message=message)
        else:
            found = f"a {kind} of the end at seq {first[0]}, with {shown(content)}"
            expected = f"what is chained: {shown(first[1])}, {shown(first[2])}"
            self._wrong(child, found, expected, message=message)

    def _settle(self, course: _Course | None, went_on: Callable[[], bool]) -> None:
        """All of a child's messages have been seen: where its subscription has come to."""
        if course is None or went_on():
            return
        for position in course.ends():
            self._scratch.run("INSERT INTO reached VALUES (?,?)", (course.child, position))

    def _subscriptions(self) -> None:
        for row in self._file.pages(SUBSCRIPTIONS.select, SUBSCRIPTIONS.keys):
            subscription = SUBSCRIPTIONS.make(*row)
            parent, child, position, parent_name, child_name, length = subscription
            misfits = list(SUBSCRIPTIONS.misfits(subscription))
            for found, expected in misfits:
                self._wrong(child, found, expected)
            if misfits:
                continue
            if parent_name is None or child_name is None:
                stranger = parent if parent_name is None else child
                found, expected = f"of an actor {shown(stranger)}", "of one there is"
                self._reports.wrong(found, expected, table="subscriptions")
            elif self._children.is_sure(parent, child):
                self._judge_subscription(parent, child, position, length)
        for _id, parent, child in self._scratch.rows(
            "SELECT id, parent, child FROM followed WHERE until IS NULL ORDER BY id"
        ):
            there = self._file.one(
                "SELECT 1 FROM subscriptions WHERE parent = ? AND child = ?", (parent, child)
            )
            if there is None and self._children.is_sure(parent, child):
                found = "its parent has subscribed to it, and that has no row"
                self._wrong(child, found, "one in subscriptions")

    def _judge_subscription(self, parent: int, child: int, position: int, length: Any) -> None:
        opened = self._scratch.one(
            "SELECT first FROM followed WHERE child = ? AND parent = ? AND until IS NULL",
            (child, parent),
        )
        if opened is None:
            found = "a row in subscriptions, and nobody has subscribed to it"
            self._wrong(child, found, "a call that did")
            return
        reached = {
            place
            for (place,) in self._scratch.rows(
                "SELECT place FROM reached WHERE child = ?", (child,)
            )
        } or {opened[0]}
        if None not in reached and position not in reached:
            found = f"position is {position} in subscriptions"
            expected = f"{' or '.join(map(str, sorted(reached)))}, as its parent was told"
            self._wrong(child, found, expected)
        elif not isinstance(length, int) or not 0 <= position <= length:
            found = f"position is {position} in subscriptions"
            self._wrong(child, found, f"{shown(length)} at most, the length of its chain")


class _Course:
    """What a parent is told of a child's events, along the child's chain.

    From where on a message tells of it is not said in it. Mostly there is one place that it can
    be; where events were left out as a subscription ended, and another began, there may be more.
    """

    def __init__(self, file: LogFile, scratch: Scratch, child: int) -> None:
        self._file = file
        self._scratch = scratch
        self.child = child
        self.is_lost = False  # it is not known any more
        self._missed = False  # the last one told of something else
        self._places: list[_Place] = []

    def take(self, content: bytes, time: float, skipped: int | None) -> tuple[str, str] | None:
        """The next message; what is wrong with it, as (found, expected)."""
        places = list(dict.fromkeys(islice(self._all(), PLACES_MAX)))
        if skipped is not None:
            self._places = [moved for place in places if (moved := place.after(skipped)).holds()]
            if self._places and 0 < skipped < COUNT_MAX:
                return None
            self.is_lost = True
            return f"it says that {skipped} events were left out", "so many as there are"
        for place in places:
            event = self._event(place.next)
            if event is not None and event[0] == content and place.after(1).holds():
                self._places, self._missed = [place.after(1)], False
                if event[1] == time:
                    return None
                return f"at is {time}", f"{event[1]}, as of position {place.next} of its chain"
        for place in places:
            event = self._event(place.next + 1)
            if event is not None and event[0] == content:
                self._places = [place.after(2)]
                return f"it tells of position {place.next + 1}", f"of {place.next} before"
        # The next one may be right again.
        self._places = [*places, *(place.after(1) for place in places)][:PLACES_MAX]
        if self._missed or not places:
            self.is_lost = True
        self._missed = True
        where = f"position {places[0].next} of its chain" if places else "one that is wanted"
        return f"it tells of an event with hash {shown(content)}", f"of {where}"

    def _all(self) -> Iterator[_Place]:
        """Where the next message may come from."""
        yield from self._places
        last = min(self._places, default=_Place(0, 0, 0))
        while last.until is not None:
            rows = self._scratch.rows(
                "SELECT id, first, until FROM followed WHERE child = ? AND id > ?"
                " ORDER BY id LIMIT 1",
                (self.child, last.period),
            )
            found = next(rows, None)
            if found is None:
                return
            last = _Place(*found)
            yield last

    def _event(self, position: int) -> tuple[bytes, float] | None:
        """What the message about an event of the child's holds, and when it was written."""
        row = self._file.one(
            "SELECT type, bytes, at FROM events WHERE actor = ? AND position = ?",
            (self.child, position),
        )
        if row is None or not isinstance(row[1], bytes):
            return None
        return content_hash(wire.pack([row[0], row[1]])), row[2]

    def ends(self) -> Iterator[int | None]:
        """Where its subscription may stand now; None: anywhere. Nothing: where it began."""
        if self.is_lost or (self._places and len({place.until for place in self._places}) > 1):
            yield None
            return
        for place in self._places:
            if place.until is None:
                yield place.next


def _error_type(reason: str | None) -> str:
    is_late = reason is not None and reason.startswith("timeout:")
    return "operation-timeout" if is_late else "internal"


def _hash_of(type: str, reason: str | None) -> bytes | None:
    return None if reason is None else content_hash(wire.pack([type, reason.encode()]))
