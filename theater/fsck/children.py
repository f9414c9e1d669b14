"""Hold what actors have spawned to the asks that had it spawned, what they are told of it to its
chain, and what they ask about it to what was so then.

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

from theater import spec_data, wire
from theater.addresses import parent as above
from theater.calls import (
    ABOUT_CHILDREN,
    BORN,
    LOOKED_AT,
    RUNTIME,
    SUBSCRIBED,
    SUPERVISOR,
)
from theater.capabilities import granted
from theater.errors import ProtocolError
from theater.events import (
    CHAIN_CODE,
    FACTS,
    Event,
    EventType,
    chain_part,
    content_hash,
    decode,
    ref_hash,
)
from theater.fsck.file import LogFile, Row, Scratch
from theater.fsck.findings import Reports, shown
from theater.fsck.rows import CHILDREN, SUBSCRIPTIONS, ChildRow, CreatorRow, MessageRow
from theater.spec import ActorSpec

ERROR, EXIT, EXTERNAL_STOP = "child-error", "child-exit", "child-external-stop"
EVENT = "child-event"
KINDS = frozenset({ERROR, EXIT, EXTERNAL_STOP, EVENT})
SKIPPED = "skipped"  # the type of what says how many events were left out
NO_ACTOR = "no-actor: "
COUNT_MAX = 1 << 53  # of anything; larger numbers are nobody's
PLACES_MAX = 16  # in a child's chain, where what its parent is told may have come to
CALLED = frozenset({(SUPERVISOR, each) for each in ABOUT_CHILDREN} | {(RUNTIME, "shutdown")})

# Who was spawned by which ask, as their chains say; the asks; of each actor its last one about a
# child that has no answer yet, and what it gave `shutdown` last; the ends of children; from where
# to where in a child's chain its parent wants its events; what parents were told.
TABLES = """
CREATE TABLE born (actor INTEGER PRIMARY KEY, parent, turn, idx, there);
CREATE INDEX born_by ON born (parent, turn, idx);
CREATE TABLE births (
    actor INTEGER, turn, idx, function, PRIMARY KEY (actor, turn, idx)
) WITHOUT ROWID;
CREATE TABLE asked_about (actor INTEGER PRIMARY KEY, turn, idx, function, name, child);
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
CREATE TABLE unsure_families (actor INTEGER PRIMARY KEY);
"""


def misfit_of_ask(function: str, arguments: Any) -> str | None:
    """What such an ask has to be given, if it was not."""
    if function == "list-children":
        return None if arguments == [] else "nothing"
    name, *others = arguments if isinstance(arguments, list) and arguments else [None]
    if function not in BORN:
        return None if isinstance(name, str) and not others else "the name of a child"
    fits = len(others) == 1 and (others[0] is None or _is_content(others[0]))
    return None if isinstance(name, str) and fits else "a manifest, and a state or none"


def misfit(function: str, value: Any) -> str | None:
    """What an answer to such an ask has to be, if this is none."""
    if function == "list-children":
        fits = isinstance(value, list) and all(isinstance(each, str) for each in value)
        return None if fits else "a list of names"
    if not isinstance(value, dict) or len(value) != 1:
        return "ok or err"
    if isinstance(value.get("err"), str):
        return None
    if "ok" not in value:
        return "ok or err"
    ok = value["ok"]
    if function in BORN:
        return None if isinstance(ok, str) else "the name of what is born"
    if function == "get-child-state":
        return None if ok is None or ref_hash(ok) is not None else "a state or none"
    if function == "get-child-events":
        is_place = isinstance(ok, msgpack.ExtType) and ok.code == CHAIN_CODE
        return None if is_place else "a part of a chain"
    return None if ok is None else "nothing"


class _Place(NamedTuple):
    """Where in a child's chain what its parent is told has come to."""

    period: int  # followed.id
    next: int
    until: int | None

    def after(self, events: int) -> _Place:
        return self._replace(next=self.next + events)

    def holds(self) -> bool:
        return self.until is None or self.next <= self.until


class Children:
    def __init__(self, file: LogFile, scratch: Scratch, reports: Reports) -> None:
        self._file = file
        self._scratch = scratch
        self._reports = reports

    def _one(self, sql: str, *parameters: Any) -> Row | None:
        return next(self._scratch.rows(sql, parameters), None)

    def _id(self, name: str) -> int | None:
        row = self._file.one("SELECT id FROM actors WHERE name = ?", (name,))
        return None if row is None else row[0]

    def _is_sure(self, *actors: Any) -> bool:
        return all(
            self._one("SELECT 1 FROM unsure_families WHERE actor = ?", actor) is None
            for actor in actors
        )

    # What is met, in the order of commits

    def lose(self, actor: int) -> None:
        """An event of this actor's cannot be read, which is told."""
        self._scratch.run("INSERT OR IGNORE INTO unsure_families VALUES (?)", (actor,))

    def gone(self, row: CreatorRow) -> None:
        """It was removed."""
        self._scratch.run("UPDATE born SET there = 0 WHERE actor = ?", (row.actor,))
        self._scratch.run(
            "UPDATE followed SET until = 1 + ? WHERE child = ? AND until IS NULL",
            (row.position, row.actor),
        )

    def take(self, row: CreatorRow, event: Event) -> None:
        """An event that may be about a child."""
        payload = event.payload
        if event.type in FACTS and isinstance(payload, dict):
            self._facts(row, payload, event.actor)
        elif event.type == EventType.EXITED and isinstance(payload, dict):
            self._end(row, payload)
        elif (event.interface, event.function) not in CALLED or not isinstance(payload, list):
            return
        elif event.interface == RUNTIME:
            self._shutdown(row, payload)
        elif event.type == EventType.HOST_CALL and len(payload) == 1:
            self._asked(row, event.function, payload[0])
        elif event.type == EventType.HOST_ANSWER and len(payload) == 1:
            self._answered(row, event.function, payload[0])

    def _facts(self, row: CreatorRow, facts: dict[str, Any], name: str) -> None:
        spawned = facts.get("spawned")
        self._scratch.run("DELETE FROM born WHERE actor = ?", (row.actor,))
        if spawned is None:
            return

        def wrong(found: str, expected: str) -> None:
            self._reports.wrong(found, expected, actor=name, seq=row.seq)

        parent = self._id(above(name))
        try:
            turn, index = spawned
        except (TypeError, ValueError):
            turn = index = None
        if parent is None or not _is_count(turn) or not _is_count(index):
            wrong(f"spawned by {shown(spawned)} of {shown(above(name))}", "by an ask of an actor's")
            return
        key = (parent, turn, index)
        other = self._one("SELECT actor FROM born WHERE parent = ? AND turn = ? AND idx = ?", *key)
        if other is not None:
            wrong(f"it was spawned by the ask that spawned actor {other[0]}", "one by each")
        self._scratch.run("INSERT INTO born VALUES (?,?,?,?,1)", (row.actor, *key))
        ask = self._one("SELECT function FROM births WHERE (actor, turn, idx) = (?,?,?)", *key)
        if not self._is_sure(parent):
            return
        what = f"spawned by turn {turn}, index {index} of {shown(above(name))}"
        if ask is None:
            wrong(f"{what}, which has not asked for it", "by an ask")
        elif row.type == EventType.CREATED and (ask[0] == "resume") != (
            facts.get("resumed") is True
        ):
            wrong(f"{what}, which called {ask[0]}", "resumed if that was called")

    def _end(self, row: CreatorRow, facts: dict[str, Any]) -> None:
        """A process of a child's has ended."""
        if self._one("SELECT 1 FROM born WHERE actor = ? AND there", row.actor) is None:
            return
        result = self._one("SELECT hash FROM results WHERE actor = ?", row.actor)
        known = (facts.get("kind"), facts.get("reason"), None if result is None else result[0])
        texts = (each if isinstance(each, str | bytes) else None for each in known)
        self._scratch.run(
            "INSERT OR IGNORE INTO ends VALUES (?,?,?,?,?,?,0)",
            (row.seq, row.actor, row.time, *texts),
        )

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

    # Asks

    def _child_of(self, parent: int, name: Any) -> int | None:
        """The actor of this name, if this one has spawned it and it is there."""
        child = self._id(name) if isinstance(name, str) else None
        found = self._one(
            "SELECT 1 FROM born WHERE actor = ? AND parent = ? AND there", child, parent
        )
        return child if found is not None else None

    def _asked(self, row: CreatorRow, function: str, arguments: Any) -> None:
        name = arguments[0] if isinstance(arguments, list) and arguments else None
        key = (row.actor, row.turn, row.idx)
        child = None
        if function in BORN:
            self._scratch.run("INSERT OR IGNORE INTO births VALUES (?,?,?,?)", (*key, function))
        else:
            child = self._child_of(row.actor, name)
        name = name if isinstance(name, str) else None
        self._scratch.run(
            "INSERT OR REPLACE INTO asked_about VALUES (?,?,?,?,?,?)", (*key, function, name, child)
        )

    def _answered(self, row: CreatorRow, function: str, value: Any) -> None:
        ask = self._one("SELECT * FROM asked_about WHERE actor = ?", row.actor)
        self._scratch.run("DELETE FROM asked_about WHERE actor = ?", (row.actor,))
        if ask is None or misfit(function, value) is not None or not self._is_sure(row.actor):
            return  # its chain's walk tells
        _, turn, index, asked, name, child = ask
        if (turn, index + 1, asked) != (row.turn, row.idx, function):
            return

        def wrong(found: str, expected: str) -> None:
            of = self._file.one("SELECT name FROM actors WHERE id = ?", (row.actor,))
            self._reports.wrong(
                found, expected, actor=str(of and of[0]), turn=row.turn, seq=row.seq
            )

        if function == "list-children":
            self._listed(row, value, wrong)
        elif function in BORN:
            if "ok" in value:
                self._born(row, index, value["ok"], wrong)
        elif child is None:
            if not str(value.get("err")).startswith(NO_ACTOR):
                wrong(f"an answer about {shown(name)}, which is no child of its", "no-actor")
        elif str(value.get("err")).startswith(NO_ACTOR):
            wrong(f"an answer that {shown(name)} is no child of its", "another: it is")
        elif function in SUBSCRIBED:
            self._subscribed(row, child, function == "subscribe-to-child")
        elif function in LOOKED_AT and "ok" in value and self._is_sure(child):
            if function == "get-child-state":
                self._shown_state(row, child, name, value["ok"], wrong)
            else:
                self._shown_events(row, child, name, value, wrong)

    def _listed(self, row: CreatorRow, names: list[str], wrong: Any) -> None:
        """Each is a child, and there are no others."""
        (count,) = self._one("SELECT count(*) FROM born WHERE parent = ? AND there", row.actor) or (
            0,
        )
        no_children = [name for name in names if self._child_of(row.actor, name) is None]
        if no_children:
            wrong(f"it was told of {shown(no_children[0])}, which is no child of its", "its own")
        elif len(set(names)) != len(names) or len(names) != count:
            wrong(f"it was told of {len(names)} children", f"all {count}, each once")

    def _born(self, row: CreatorRow, index: int, name: str, wrong: Any) -> None:
        key = (row.actor, row.turn, index)
        found = self._one("SELECT actor FROM born WHERE (parent, turn, idx) = (?,?,?)", *key)
        if found is None or found[0] != self._id(name):
            wrong(f"it was told that {shown(name)} is born", "what it asked for")

    def _subscribed(self, row: CreatorRow, child: int, wanted: bool) -> None:
        opened = self._one("SELECT id FROM followed WHERE child = ? AND until IS NULL", child)
        if wanted and opened is None:
            self._scratch.run(
                "INSERT INTO followed (parent, child, first) VALUES (?,?,?)",
                (row.actor, child, self._length(child, row.seq)),
            )
        elif not wanted and opened is not None:
            until = self._length(child, row.seq)
            self._scratch.run("UPDATE followed SET until = ? WHERE id = ?", (until, *opened))

    def _length(self, actor: int, seq: int) -> int:
        """How many events of its chain there were before this one of another's."""
        (last,) = self._file.one("SELECT max(position) FROM events WHERE actor = ?", (actor,)) or (
            None,
        )
        low, high = 0, last + 1 if isinstance(last, int) else 0
        while low < high:
            middle = (low + high) // 2
            at = self._file.one(
                "SELECT seq FROM events WHERE actor = ? AND position = ?", (actor, middle)
            )
            low, high = (middle + 1, high) if at is not None and at[0] < seq else (low, middle)
        return low

    def _shown_events(self, row: CreatorRow, child: int, name: str, value: Any, wrong: Any) -> None:
        """Of the child's own chain, up to where it was then."""
        length, part = self._length(child, row.seq), None
        with contextlib.suppress(ValueError, TypeError, msgpack.UnpackException):
            part = chain_part(value)
        head = self._file.one(
            "SELECT hash FROM events WHERE actor = ? AND position = ?", (child, length - 1)
        )
        expected = (name, length - 1, head and head[0])
        fits = isinstance(part, list) and len(part) == 4 and isinstance(part[1], int)
        if (
            part is None
            or not fits
            or (part[0], *part[2:]) != expected
            or part[1] not in range(length)
        ):
            wrong("a part of another chain, or of none", f"of {shown(name)}, up to {length - 1}")

    def _shown_state(self, row: CreatorRow, child: int, name: str, value: Any, wrong: Any) -> None:
        known, state = self._state(child, row.seq)
        if known and ref_hash(value) != state:
            found = f"it was shown {shown(ref_hash(value))} as the state of {shown(name)}"
            wrong(found, f"{shown(state)}, as it was then")

    def _state(self, actor: int, seq: int) -> tuple[bool, bytes | None]:
        """(whether it is known, the hash of the state that it had before this event)."""
        (last,) = self._file.one("SELECT max(turn) FROM turns WHERE actor = ?", (actor,)) or (None,)
        low, high = 0, last if isinstance(last, int) else 0
        found: Row | None = None  # the last turn, and step of it, that was committed by then
        while low < high:
            middle = (low + high + 1) // 2
            step = self._file.one(
                "SELECT turn, step, last_event FROM steps WHERE actor = ? AND turn <= ?"
                " ORDER BY turn DESC, step DESC LIMIT 1",
                (actor, middle),
            )
            if step is None or not _is_count(step[2]) or step[2] < seq:
                low = middle
            else:
                high = middle - 1
        found = self._file.one(
            "SELECT s.turn, s.step, t.status, t.steps, t.state FROM steps s JOIN turns t"
            " ON t.actor = s.actor AND t.turn = s.turn WHERE s.actor = ? AND s.turn <= ?"
            " ORDER BY s.turn DESC, s.step DESC LIMIT 1",
            (actor, low),
        )
        if found is not None and not _is_count(found[1]):
            return False, None  # its chain's walk tells
        if found is not None and found[2] == "done" and found[3] == found[1] + 1:
            return True, found[4]
        # What stands in the row of a turn before is the state as it was at its end.
        before = self._file.one(
            "SELECT state FROM turns WHERE actor = ? AND turn < ? ORDER BY turn DESC LIMIT 1",
            (actor, low + 1 if found is None else found[0]),
        )
        if before is not None:
            return True, before[0]
        facts = self._said(actor, "ASC")
        state = facts.get("initial_state") if facts.get("resumed") is True else None
        return isinstance(state, bytes | None), state

    def _said(self, actor: int, order: str = "DESC") -> dict[str, Any]:
        """What its chain said of it last (ASC: first)."""
        row = self._file.one(
            "SELECT bytes FROM events WHERE actor = ? AND (type = 'created' OR"
            " type = 'component-changed' OR type = 'changed' OR type = 'returned')"
            f" ORDER BY position {order} LIMIT 1",
            (actor,),
        )
        try:
            payload = None if row is None else decode(row[0]).payload
        except (ProtocolError, TypeError, MemoryError):
            payload = None
        return payload if isinstance(payload, dict) else {}

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
        for row in self._file.pages(CHILDREN.select, CHILDREN.keys):
            child = CHILDREN.make(*row)
            misfits = list(CHILDREN.misfits(child))
            for found, expected in misfits:
                self._wrong(child.actor, found, expected)
            if not misfits:
                self._judge(child, went_on)
        for actor in self._lost() if not went_on() else ():
            self._wrong(actor, "it was spawned, and has no row", "one in children")
        self._told(went_on)
        if not went_on():
            self._subscriptions()

    def _wrong(self, actor: Any, found: str, expected: str, **where: str | int) -> None:
        row = self._file.one("SELECT name FROM actors WHERE id = ?", (actor,))
        of = str(row[0]) if row is not None else f"actor {shown(actor)}"
        self._reports.wrong(found, expected, actor=of, **where)

    def _lost(self) -> Iterator[int]:
        for (actor,) in self._scratch.rows("SELECT actor FROM born WHERE there ORDER BY actor"):
            row = self._file.one("SELECT 1 FROM children WHERE actor = ?", (actor,))
            if row is None and self._is_sure(actor):
                yield actor

    def _judge(self, row: ChildRow, went_on: Callable[[], bool]) -> None:
        def wrong(found: str, expected: str) -> None:
            self._wrong(row.actor, f"{found} in children", expected)

        if not isinstance(row.name, str):
            return  # it is nobody's, which is told with what is of strangers
        if row.parent_name != (above(row.name) or None):
            wrong(f"parent is {shown(row.parent_name)}", f"{shown(above(row.name))}, above it")
        born = self._one("SELECT turn, idx, there FROM born WHERE actor = ?", row.actor)
        if self._is_sure(row.actor) and not went_on():
            if born is None:
                wrong("a row", "none: its chain does not say that it was spawned")
                return
            elif not born[2]:
                wrong("a row", "none: it was removed")
            elif born[:2] != (row.turn, row.idx):
                found = f"turn {row.turn}, index {row.idx}"
                wrong(found, f"turn {born[0]}, index {born[1]}, as is chained")
        try:
            spec = spec_data.unpack(row.spec)
            grants = {each.type: granted(each) for each in spec.handlers}
        except (ProtocolError, TypeError, ValueError, LookupError, AttributeError):
            wrong("a spec that is none", "the specification of an actor")
            return
        if not went_on():
            self._judge_spec(row, spec, grants, wrong)

    def _judge_spec(
        self, row: ChildRow, spec: ActorSpec, grants: dict[str, Any], wrong: Any
    ) -> None:
        """It says what the chain says."""
        facts = self._said(row.actor)
        key = "to" if "to" in facts else "component"
        limits = facts.get("limits")
        state = spec.initial_state
        pairs = [
            ("path", spec.path, row.name),
            ("spawned", list(spec.spawned or ()), [row.turn, row.idx]),
            ("component", spec.component_sha256, facts.get(key)),
            ("resumed", spec.resumed, facts.get("resumed") is True),
            (
                "initial state",
                None if state is None else content_hash(state),
                facts.get("initial_state"),
            ),
            ("grants", grants, facts.get("grants")),
        ]
        for name in ("memory_bytes", "fuel", "turn_bytes"):
            chained = limits.get(name) if isinstance(limits, dict) else None
            pairs.append((f"limit {name}", getattr(spec.limits, name), chained))
        for name, said, chained in pairs if facts and self._is_sure(row.actor) else ():
            if wire.pack(said) != wire.pack(chained):
                wrong(f"{name} {shown(said)} in its spec", f"{shown(chained)}, as is chained")

    # What parents were told

    def _told(self, went_on: Callable[[], bool]) -> None:
        course: _Course | None = None
        for message, parent, child, kind, content, time, skipped in self._scratch.rows(
            "SELECT * FROM told_parents ORDER BY child, message"
        ):
            if course is None or course.child != child:
                self._settle(course, went_on)
                course = _Course(self._file, self._scratch, child)
            born = self._one("SELECT parent FROM born WHERE actor = ?", child)
            if not self._is_sure(child, parent):
                course.is_lost = True
            elif born != (parent,):
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
            elif self._is_sure(parent, child):
                self._judge_subscription(parent, child, position, length)
        for _id, parent, child in self._scratch.rows(
            "SELECT id, parent, child FROM followed WHERE until IS NULL ORDER BY id"
        ):
            there = self._file.one(
                "SELECT 1 FROM subscriptions WHERE parent = ? AND child = ?", (parent, child)
            )
            if there is None and self._is_sure(parent, child):
                found = "its parent has subscribed to it, and that has no row"
                self._wrong(child, found, "one in subscriptions")

    def _judge_subscription(self, parent: int, child: int, position: int, length: Any) -> None:
        opened = self._one(
            "SELECT first FROM followed WHERE child = ? AND parent = ? AND until IS NULL",
            *(child, parent),
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


def _is_content(value: Any) -> bool:
    return isinstance(value, bytes) or ref_hash(value) is not None


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < COUNT_MAX


def _error_type(reason: str | None) -> str:
    is_late = reason is not None and reason.startswith("timeout:")
    return "operation-timeout" if is_late else "internal"


def _hash_of(type: str, reason: str | None) -> bytes | None:
    return None if reason is None else content_hash(wire.pack([type, reason.encode()]))
