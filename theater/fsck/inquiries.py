"""Hold what actors ask about their children to what was so then, and what they are answered."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import msgpack

from theater.calls import ABOUT_CHILDREN, BORN, LOOKED_AT, SUBSCRIBED, SUPERVISOR, WAITS
from theater.capabilities.supervisor import fits_birth
from theater.events import CHAIN_CODE, Event, EventType, chain_part, ref_hash
from theater.fsck.across import CreatorRow
from theater.fsck.children import Children
from theater.fsck.file import LogFile, Scratch
from theater.fsck.findings import Reports, shown
from theater.fsck.notices import Notices
from theater.fsck.past import Past
from theater.fsck.tools import named

NO_ACTOR, STOPPED = "no-actor: ", "stopped: "
ASKS = frozenset((SUPERVISOR, each) for each in ABOUT_CHILDREN)

# Of each actor its last ask about a child that has no answer yet.
TABLES = """
CREATE TABLE asked_about (actor INTEGER PRIMARY KEY, turn, idx, function, name, child);
"""


def misfit_of_ask(function: str, arguments: Any) -> str | None:
    """What such an ask has to be given, if it was not."""
    if function == "list-children":
        return None if arguments == [] else "nothing"
    name, *others = arguments if isinstance(arguments, list) and arguments else [None]
    if function not in BORN:
        return None if isinstance(name, str) and not others else "the name of a child"
    contents = [each if each is None or not _is_content(each) else b"" for each in others[:2]]
    fits = isinstance(arguments, list) and fits_birth(function, [name, *contents, *others[2:]])
    return None if fits else "a manifest, a state or none, and what else it takes"


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
    if function == WAITS:
        return None if ok is None or _is_content(ok) else "a result or none"
    if function in BORN:
        return None if isinstance(ok, str) else "the name of what is born"
    if function == "get-child-state":
        return None if ok is None or ref_hash(ok) is not None else "a state or none"
    if function == "get-child-events":
        is_place = isinstance(ok, msgpack.ExtType) and ok.code == CHAIN_CODE
        return None if is_place else "a part of a chain"
    return None if ok is None else "nothing"


class Inquiries:
    def __init__(
        self,
        file: LogFile,
        scratch: Scratch,
        reports: Reports,
        children: Children,
        notices: Notices,
    ) -> None:
        self._file = file
        self._scratch = scratch
        self._reports = reports
        self._children = children
        self._notices = notices
        self._past = Past(file)

    def take(self, row: CreatorRow, event: Event) -> None:
        """An event that may be an ask, or an answer."""
        payload = event.payload
        if (event.interface, event.function) not in ASKS or not isinstance(payload, list):
            return
        if event.type == EventType.HOST_CALL and len(payload) == 1:
            self._asked(row, event.function, payload[0])
        elif event.type == EventType.HOST_ANSWER and len(payload) == 1:
            self._answered(row, event.function, payload[0])

    def _asked(self, row: CreatorRow, function: str, arguments: Any) -> None:
        name = arguments[0] if isinstance(arguments, list) and arguments else None
        key = (row.actor, row.turn, row.idx)
        child = None
        if function in BORN:
            self._children.asked(row, function)
        else:
            child = self._children.child_of(row.actor, name)
        name = name if isinstance(name, str) else None
        self._scratch.run(
            "INSERT OR REPLACE INTO asked_about VALUES (?,?,?,?,?,?)", (*key, function, name, child)
        )

    def _answered(self, row: CreatorRow, function: str, value: Any) -> None:
        ask = self._scratch.one("SELECT * FROM asked_about WHERE actor = ?", (row.actor,))
        self._scratch.run("DELETE FROM asked_about WHERE actor = ?", (row.actor,))
        is_sure = self._children.is_sure(row.actor)
        if ask is None or misfit(function, value) is not None or not is_sure:
            return  # its chain's walk tells
        _, turn, index, asked, name, child = ask
        if (turn, index + 1, asked) != (row.turn, row.idx, function):
            return

        def wrong(found: str, expected: str) -> None:
            actor = named(self._file, row.actor)
            self._reports.wrong(found, expected, actor=actor, turn=row.turn, seq=row.seq)

        if function == "list-children":
            self._listed(row, value, wrong)
        elif function == WAITS:
            self._ended(row, index, value, wrong)
        elif function in BORN:
            if "ok" in value:
                self._born(row, index, value["ok"], wrong)
        elif child is None:
            if not str(value.get("err")).startswith(NO_ACTOR):
                wrong(f"an answer about {shown(name)}, which is no child of its", "no-actor")
        elif str(value.get("err")).startswith(NO_ACTOR):
            wrong(f"an answer that {shown(name)} is no child of its", "another: it is")
        elif function in SUBSCRIBED:
            self._notices.subscribed(row, child, function == "subscribe-to-child")
        elif function in LOOKED_AT and "ok" in value and self._children.is_sure(child):
            if function == "get-child-state":
                self._shown_state(row, child, name, value["ok"], wrong)
            else:
                self._shown_events(row, child, name, value, wrong)

    def check(self, went_on: Callable[[], bool]) -> None:
        """All events have been seen: of what has ended its parent does not wait any more."""
        if went_on():
            return
        for actor, turn, index in self._scratch.rows(
            "SELECT actor, turn, idx FROM asked_about WHERE function = ? ORDER BY actor", (WAITS,)
        ):
            status = self._file.one(
                "SELECT status FROM asks WHERE (actor, turn, idx) = (?,?,?)", (actor, turn, index)
            )
            child = self._children.born_by(actor, turn, index)
            if status != ("open",) or child is None or not self._children.is_sure(actor, child):
                continue  # else its turn was set aside
            if not self._children.is_there(child) or self._notices.has_ended(child):
                found = f"it waits for {shown(named(self._file, child))}, which has ended"
                name = named(self._file, actor)
                self._reports.wrong(found, "an answer", actor=name, turn=turn)

    def _listed(self, row: CreatorRow, names: list[str], wrong: Any) -> None:
        """Each is a child, and there are no others."""
        count = self._children.count_of(row.actor)
        no_children = [name for name in names if self._children.child_of(row.actor, name) is None]
        if no_children:
            wrong(f"it was told of {shown(no_children[0])}, which is no child of its", "its own")
        elif len(set(names)) != len(names) or len(names) != count:
            wrong(f"it was told of {len(names)} children", f"all {count}, each once")

    def _born(self, row: CreatorRow, index: int, name: str, wrong: Any) -> None:
        child = self._children.born_by(row.actor, row.turn, index)
        if child is None or child != self._children.id(name):
            wrong(f"it was told that {shown(name)} is born", "what it asked for")

    def _ended(self, row: CreatorRow, index: int, value: dict[str, Any], wrong: Any) -> None:
        """It was told the end of what it asked for, or why there is none yet."""
        child = self._children.born_by(row.actor, row.turn, index)
        if child is not None and not self._children.is_sure(child):
            return
        if "ok" in value:
            found = "it was told that what it asked for has ended"
            if child is None:
                wrong(found, "nothing: it was not born")
            elif (misfit := self._notices.answered(row, child, value["ok"])) is not None:
                wrong(found, misfit)
            return
        error = str(value["err"])
        if child is None:
            if error.startswith((NO_ACTOR, STOPPED)):
                wrong(f"it was told {shown(error)}", "another error: it was not born")
        elif error.startswith(NO_ACTOR) and self._children.is_there(child):
            wrong(f"it was told {shown(error)}", "another error: it is there")
        elif self._notices.has_ended(child):
            wrong(f"it was told {shown(error)}", "the result of what has ended before")

    def _shown_events(self, row: CreatorRow, child: int, name: str, value: Any, wrong: Any) -> None:
        """Of the child's own chain, up to where it was then."""
        length, part = self._past.length(child, row.seq), None
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
        known, state = self._past.state(child, row.seq)
        if known and ref_hash(value) != state:
            found = f"it was shown {shown(ref_hash(value))} as the state of {shown(name)}"
            wrong(found, f"{shown(state)}, as it was then")


def _is_content(value: Any) -> bool:
    return isinstance(value, bytes) or ref_hash(value) is not None
