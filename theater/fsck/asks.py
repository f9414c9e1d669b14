"""Hold asks to their rows in `asks`, and their answers to what became of their messages. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Protocol

import msgpack

from theater import calls, wasi, wire
from theater.calls import DESCRIBED, RPC, STORE, SUPERVISOR, WAITS
from theater.errors import ProtocolError
from theater.events import CHAIN_CODE, content_hash, ref_hash
from theater.fsck.ahead import Ahead
from theater.fsck.chain import CALL, CANCEL, OPEN_CHANNEL, RESPOND, Crossing
from theater.fsck.chain import REQUEST as REQUESTED
from theater.fsck.findings import shown
from theater.fsck.inquiries import misfit, misfit_of_ask
from theater.fsck.rows import AskRow
from theater.fsck.turn import (
    CANCELLED,
    CHANNEL_OPEN,
    DEAD,
    OUTSTANDING,
    QUEUED,
    REQUEST,
    Ask,
)

TIMEOUT = "timeout: "

# The kind of the message that an ask makes.
_MADE = {REQUESTED: REQUEST, OPEN_CHANNEL: CHANNEL_OPEN, CALL: calls.CALL}

Expect = Callable[[str, str, str, bytes | None], None]


class Wrong(Protocol):
    def __call__(self, at: Crossing | None, found: str, expected: str) -> None: ...


class Asks:
    """Those of one actor, which `wrong` names."""

    def __init__(
        self,
        actor: str,
        id: int,
        rows: Ahead[AskRow],
        counted_until: int,
        expect: Expect,
        wrong: Wrong,
    ) -> None:
        self._actor = actor
        self._id = id
        self._rows = rows
        self._counted_until = counted_until
        self._expect = expect
        self._wrong = wrong
        self.timeouts = 0

    def row(self, at: Crossing) -> AskRow | None:
        """The one of this ask. Rows before it have to be gone."""
        expected = None
        if at.interface == SUPERVISOR:
            given = at.payload[0]
            expected = misfit_of_ask(at.function, given)
            if expected is not None:
                self._wrong(at, f"it asked with {shown(given)}", expected)
        if not self._rows.at((at.turn, at.index)):
            self._wrong(at, "no row in asks", "one for each ask")
            return None
        row = self._rows.take()
        if row is None:
            return None
        if row.kind != at.function:
            self._wrong(at, f"kind is {shown(row.kind)} in asks", shown(at.function))
        asked_until = row.timeout_s if row.timeout_s is not None else 0
        if (at.interface, at.function) == (SUPERVISOR, WAITS):
            given = at.payload[0]
            within_s = None if expected is not None or given[3] is None else given[3] / 1000
            if expected is None and row.timeout_s != within_s:
                found = f"timeout_s is {shown(row.timeout_s)} in asks"
                self._wrong(at, found, f"{shown(within_s)}, as it asked")
        elif (row.message is None) != (row.timeout_s is None) or asked_until < 0:
            expected = "none, as there is no message" if row.message is None else "a time"
            self._wrong(at, f"timeout_s is {shown(row.timeout_s)} in asks", expected)
        if row.message is None:
            return row
        kind = _MADE.get(at.name)
        if kind is None:
            self._wrong(at, f"message {row.message} in asks", "none")
        elif row.message_id is None:
            self._wrong(at, f"its message {row.message} is not there", "in messages")
        elif (row.from_actor, row.from_turn, row.from_index, row.message_kind) != (
            self._id,
            at.turn,
            at.index,
            kind,
        ):
            self._wrong(at, f"its message {row.message} is of another event", "of this one")
        return row

    def answer(self, ask: Ask, at: Crossing) -> None:
        """The event that comes right after it."""
        if not wasi.is_answer(at.interface, at.function, at.payload):
            self._wrong(at, f"payload {shown(at.payload)}", "[answer], or what an exchange has")
            return
        value = at.payload[0]
        if ask.row is not None and ask.row.status != "answered":
            self._wrong(ask.at, f"its ask is {shown(ask.row.status)}", '"answered", as is chained')
        if ask.is_world():
            return
        if at.interface == STORE:
            return  # what it should be, all stores together tell: see stores.py
        if at.interface == SUPERVISOR:
            expected = misfit(at.function, value)
            if expected is not None:
                self._wrong(at, f"an answer {shown(value)}", expected)
            elif at.function == WAITS:
                self._end_of_wait(ask, at, value)
        elif at.interface == RPC and at.function in DESCRIBED:
            if not _describes(at.function, value):
                self._wrong(at, f"an answer {shown(value)}", "what another actor exports")
        elif at.function == "get-chain":
            self._chain_part(ask.at, at, value)
        else:
            self._reply(ask, at, value)

    def _end_of_wait(self, ask: Ask, at: Crossing, value: dict[str, Any]) -> None:
        """Only who has said for how long waits in vain."""
        if not str(value.get("err")).startswith(TIMEOUT):
            return
        self.timeouts += at.seq <= self._counted_until
        if ask.row is not None and ask.row.timeout_s is None:
            self._wrong(at, f"an answer {shown(value)}", "another: it waits without an end")

    def _chain_part(self, ask: Crossing, at: Crossing, value: Any) -> None:
        """It says where the part lies: up to the ask, as it was then."""
        part = None
        if isinstance(value, msgpack.ExtType) and value.code == CHAIN_CODE:
            with contextlib.suppress(ProtocolError):
                part = wire.unpack(value.data)
        fits = False
        if isinstance(part, list) and len(part) == 4 and isinstance(part[1], int):
            fits = 0 <= part[1] <= ask.position
            fits = fits and (part[0], *part[2:]) == (self._actor, ask.position, ask.hash)
        if not fits:
            self._wrong(at, "a part of another chain, or of none", "its own up to the ask")

    def _reply(self, ask: Ask, at: Crossing, value: Any) -> None:
        error = value.get("err") if isinstance(value, dict) else None
        if isinstance(error, str) and error.startswith(TIMEOUT):
            self.timeouts += at.seq <= self._counted_until
        row = ask.row
        if row is None:
            return
        if row.message is None:
            if not (isinstance(error, str) and error.startswith("cycle: ")):
                self._wrong(ask.at, "a request without a message in asks", "one: it was no cycle")
            return
        status = row.message_status
        if status == OUTSTANDING:
            self._wrong(at, f"an answer of message {row.message}, which is outstanding", "done")
        if at.name == OPEN_CHANNEL:
            name = f"{self._actor}:{at.turn}:{ask.at.index}"
            if error is None and value != {"ok": name}:
                self._wrong(at, f"an answer {shown(value)}", f"channel {shown(name)}, or why not")
        elif at.name == CALL:
            fits = isinstance(value, dict) and len(value) == 1
            content = value.get("ok") if fits else None
            is_content = isinstance(content, bytes) or ref_hash(content) is not None
            if not isinstance(error, str) and not is_content:
                self._wrong(at, f"an answer {shown(value)}", "what was returned, or why nothing")
        elif at.seq <= self._counted_until:
            self._answered_later(ask.at, value, error, status)
        if error is None and status in (QUEUED, DEAD) and at.name in (OPEN_CHANNEL, CALL):
            self._wrong(at, f"an answer of message {row.message}, which is {status}", "done")
        elif isinstance(error, str) and error.startswith("failed: ") and status not in (DEAD, None):
            self._wrong(at, f"a failure of message {row.message}, which is {status}", "dead")

    def _answered_later(self, ask: Crossing, value: Any, error: Any, status: Any) -> None:
        """Of an answer that the end of a turn cannot have given a call has to be there."""
        name = f"{self._actor}:{ask.turn}:{ask.index}"
        if isinstance(error, str) and error.startswith(CANCELLED):
            self._expect(self._actor, name, CANCEL[1], None)
        elif error is None and status in (QUEUED, DEAD) and isinstance(value, dict):
            body = value.get("ok")
            hash = ref_hash(body)
            if hash is None and isinstance(body, bytes):
                hash = content_hash(body)
            self._expect(self._actor, name, RESPOND[1], hash)


def _describes(function: str, value: Any) -> bool:
    """Whether this can be an answer about what another actor exports."""
    match value:
        case {"err": str()} if len(value) == 1:
            return True
        case {"ok": bool()} if len(value) == 1:
            return function == "implements"
        case {"ok": list(names)} if len(value) == 1:
            return function == "exports" and all(isinstance(each, str) for each in names)
    return False
