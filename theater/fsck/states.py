"""Tell of one actor which states have to be there with their bytes. Pure.

That are the last one; the one that an incarnation begins with, and the first that it ends with; the
one before a failed turn; and those of whose turns that is written down (`kept`). Of all others the
hash is enough. In a log of a version before 4 each is there.
"""

from __future__ import annotations

from typing import Any

from theater.events import EventType, ref_hash
from theater.fsck.chain import Crossing
from theater.fsck.contents import Contents
from theater.fsck.findings import Reports, shown
from theater.fsck.rows import LastStateRow, TurnRow
from theater.fsck.turn import FAILED
from theater.fsck.turns import Turns


class States:
    def __init__(self, actor: str, version: int, contents: Contents, reports: Reports) -> None:
        self._actor = actor
        self._all_needed = version < 4
        self._contents = contents
        self._reports = reports
        self._ended = 0  # the last incarnation that has ended a turn
        self._turn = 0  # the last that has a row
        self._last: bytes | None = None  # what `last_states` has

    def row(self, turn: TurnRow) -> None:
        """A row of `turns`."""
        self._turn = turn.turn
        if turn.kept not in (0, 1):
            found = f"kept is {turn.kept} in turns"
            self._reports.wrong(found, "0 or 1", actor=self._actor, turn=turn.turn)
        if turn.state is not None:
            needed = turn.kept == 1 or turn.status == FAILED
            self._want(turn.state, "turn", turn.turn, needed)

    def last(self, row: LastStateRow, digest: bytes) -> None:
        """The actor's row of `last_states`, and the hash of its bytes."""
        self._last = row.hash
        self._contents.has(row.hash)
        if digest != row.hash:
            found = f"its bytes have hash {shown(digest)}"
            self._reports.wrong(found, shown(row.hash), actor=self._actor, table="last_states")

    def take(self, at: Crossing, refs: list[bytes], turns: Turns) -> list[bytes]:
        """An event that refers to `refs`, and that `turns` has seen: those that are no states."""
        state = _state(at)
        if state is not None and state in refs:
            refs = list(refs)
            refs.remove(state)
        if state is not None:
            first = at.type == EventType.WASM_RESULT and at.incarnation != self._ended
            self._want(state, "position", at.position, first)
        if at.type == EventType.WASM_RESULT:
            self._ended = at.incarnation
        elif at.type in (EventType.STARTED, EventType.TURN_FAILED):
            before = turns.state_now()
            if before is not None:
                self._want(before, "position", at.position, needed=True)
        return refs

    def end(self, state: bytes | None, sure: bool) -> None:
        """`state`: its last one, if that is sure."""
        if not sure:
            return
        if state is not None:
            self._want(state, "turn", self._turn, needed=True)
        if self._last not in (None, state):
            found = f"the last state is {shown(self._last)}"
            expected = f"{shown(state)}, as in turns"
            self._reports.wrong(found, expected, actor=self._actor, table="last_states")

    def _want(self, hash: bytes, what: str, number: int, needed: bool) -> None:
        self._contents.want(hash, self._actor, what, number, needed or self._all_needed)


def _state(at: Crossing) -> bytes | None:
    """The state that an event was called with, or has returned."""
    value: Any = None
    try:
        if at.type == EventType.WASM_CALL:
            value = at.payload[0]
        elif at.type == EventType.WASM_RESULT:
            value = at.payload[0]["ok"][0]
    except (TypeError, KeyError, IndexError):
        return None
    return ref_hash(value)
