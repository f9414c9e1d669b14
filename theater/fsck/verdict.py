"""Compare what `turns` and its neighbours say of one turn with what its chain says. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgpack

from theater import calls, wire
from theater.errors import ProtocolError
from theater.events import content_hash, externalise, ref_hash
from theater.fsck.chain import CANCEL, RESPOND, Crossing
from theater.fsck.findings import shown
from theater.fsck.rows import TurnRow
from theater.fsck.turn import (
    BEGAN_ANEW,
    CANCELLED,
    CHANNEL_CLOSE,
    CHILDREN,
    DEAD,
    DONE,
    FAILED,
    INIT,
    KINDS,
    LOOP,
    OPEN,
    OUTSTANDING,
    QUEUED,
    RENUMBERED,
    REQUEST,
    SEND,
    TICK,
    WAITING,
    Turn,
)

if TYPE_CHECKING:
    from theater.fsck.turns import Turns


class Verdict:
    """Compare a turn's row with what its chain says."""

    def __init__(self, turns: Turns, turn: Turn, row: TurnRow, last: bool) -> None:
        self._turns = turns
        self._turn = turn
        self._row = row
        self._last = last

    def _wrong(self, found: str, expected: str) -> None:
        self._turns.wrong(None, found, expected, turn=self._turn.number)

    def give(self) -> None:
        status = self._status()
        if status is None:
            return
        turn, row = self._turn, self._row
        if row.steps != turn.steps:
            self._wrong(f"steps is {row.steps} in turns", f"{turn.steps}, as are chained")
        if turn.kind and row.kind != turn.kind:
            self._wrong(f"kind is {shown(row.kind)} in turns", shown(turn.kind))
        if row.kind not in KINDS:
            self._wrong(f"kind is {shown(row.kind)} in turns", ", ".join(KINDS))
        fuel = turn.fuel if status == DONE else None
        if row.fuel != fuel:
            self._wrong(f"fuel is {shown(row.fuel)} in turns", f"{shown(fuel)}, as is chained")
        time = turn.renumbered if status == RENUMBERED else turn.time
        if row.time != time and turn.removed_by is None and turn.last_seq >= self._turns.old_until:
            self._wrong(f"at is {row.time} in turns", f"{time}, as of its last event")
        self._states(status)
        self._incarnation(status)
        self._failures(status)
        self._asked(status)
        self._message(status)
        self._called()

    def _status(self) -> str | None:
        """Its status, if it is one that its chain allows."""
        turn, status = self._turn, self._row.status
        old = turn.last_seq < self._turns.old_until
        if turn.result is not None:
            allowed, why = {DONE}, "its result is chained"
        elif turn.set_aside:
            allowed, why = {FAILED}, "its failure is chained"
        elif turn.anew:
            allowed, why = {RENUMBERED, FAILED}, "its actor began anew"
        elif not turn.steps:
            allowed, why = ({WAITING, FAILED} if self._last else {FAILED}), "no step is chained"
        elif turn.removed_by is not None or (old and status == FAILED):
            allowed, why = {FAILED}, "its actor was removed"
        elif self._last:
            allowed, why = {OPEN}, "a step is chained, and no end"
        else:
            self._wrong("neither a result nor a failure is chained", "one of them")
            return None
        if status not in allowed:
            self._wrong(
                f"status is {shown(status)} in turns", f"{' or '.join(sorted(allowed))}: {why}"
            )
            return None
        return status

    def _states(self, status: str) -> None:
        turn, turns = self._turn, self._turns
        if status == DONE:
            if self._row.state != turn.state:
                found = f"state is {shown(self._row.state)} in turns"
                self._wrong(found, f"{shown(turn.state)}, as its result has it")
        elif turns.state_sure and self._row.state != turns.state:
            found = f"state is {shown(self._row.state)} in turns"
            self._wrong(found, f"{shown(turns.state)}, as before the turn")

    def _incarnation(self, status: str) -> None:
        turn = self._turn
        if status in (DONE, OPEN):
            allowed = {turn.incarnation}
            if status == OPEN and turn.failures:
                allowed.add(turn.failed_by)
        elif status == RENUMBERED:
            allowed = {turn.renumbered_by}
        elif turn.set_aside or turn.removed_by is None:
            allowed = {turn.failed_by or 0}
        elif turn.steps:
            allowed = {0}  # only the books were closed
        else:
            allowed = {turn.failed_by, turn.removed_by}
        if self._row.incarnation not in allowed:
            found = f"incarnation is {self._row.incarnation} in turns"
            self._wrong(found, " or ".join(map(str, sorted(allowed))))

    def _failures(self, status: str) -> None:
        turn, row = self._turn, self._row
        count = turn.failures + self._turns.carried.get(row.message or 0, 0)
        # A failure of the guest's is chained, and does not count as a delivery that was lost.
        if not 0 <= row.deliveries <= count:
            found = f"deliveries is {row.deliveries} in turns"
            self._wrong(found, f"{count} at most, as failures are chained")
        if status in (DONE, OPEN):
            if row.reason is not None:
                self._wrong(f"reason is {shown(row.reason)} in turns", "none")
        elif status == RENUMBERED:
            self._turns.carried[row.message or 0] = row.deliveries
            if row.reason != BEGAN_ANEW:
                self._wrong(f"reason is {shown(row.reason)} in turns", shown(BEGAN_ANEW))
        elif turn.removed_by is None and count and row.reason != turn.failed_reason:
            found = f"reason is {shown(row.reason)} in turns"
            self._wrong(found, f"{shown(turn.failed_reason)}, as is chained")

    def _asked(self, status: str) -> None:
        ask = self._turn.ask
        if ask is None or ask.row is None:
            return
        expected = "open" if status == OPEN else "abandoned"
        if ask.row.status != expected:
            found = f"its ask is {shown(ask.row.status)}"
            self._turns.wrong(ask.at, found, f"{expected}: no answer is chained")
            return
        wrong = DONE if status == OPEN else OUTSTANDING
        if ask.row.message_status == wrong and self._turns.version >= 4:
            found = f"its ask is {expected}, and message {ask.row.message} is {wrong}"
            self._turns.wrong(ask.at, found, "both over, or neither")

    def _message(self, status: str) -> None:
        row, turns = self._row, self._turns
        if row.kind == INIT:
            if row.message is not None:
                self._wrong(f"an init with message {row.message}", "none")
            return
        if row.message is None:
            self._wrong("no message", "the one that it handled")
            return
        if row.message <= turns.last_message:
            found = f"message {row.message} after message {turns.last_message}"
            self._wrong(found, "in order, each once")
        if status != RENUMBERED:
            turns.last_message = max(turns.last_message, row.message)
        if row.message_id is None:
            self._wrong(f"its message {row.message} is not there", "in messages")
            return
        if row.to_actor != turns.id:
            self._wrong(f"its message {row.message} is to another actor", "to this one")
        if row.message_kind != row.kind:
            found = f"its message {row.message} is of kind {shown(row.message_kind)}"
            self._wrong(found, shown(row.kind))
        if status == RENUMBERED:
            return  # what became of it, the turn that it has now tells
        found = f"its message {row.message} is {shown(row.message_status)}"
        if row.message_turn is not None:
            found += f" in turn {shown(row.message_turn)}"
        if (row.message_status, row.message_turn) not in self._message_may_be(status):
            expected = {DONE: "done in it", FAILED: "dead in it"}.get(status, "queued")
            self._wrong(found, expected)
        self._answer(status)

    def _message_may_be(self, status: str) -> set[tuple[str, int | None]]:
        turn = self._turn
        if status == DONE:
            put_off = turn.kind == REQUEST and turn.reply is None and turn.answered is None
            return {(DONE, turn.number), *([(OUTSTANDING, turn.number)] if put_off else [])}
        if status == FAILED:
            allowed: set[tuple[str, int | None]] = {(DEAD, turn.number)}
            if turn.steps and not turn.set_aside:
                allowed.add((DEAD, None))  # its actor was removed before
            return allowed
        allowed = {(QUEUED, None)}
        if self._turns.life.present and turn.last_seq >= self._turns.old_until:
            return allowed
        return {*allowed, (DEAD, None)}

    def _answer(self, status: str) -> None:
        """What a client was answered."""
        row, turn = self._row, self._turn
        if row.client is None or row.kind != REQUEST:
            return
        answer = None
        if row.answer is not None:
            try:
                answer = wire.unpack(row.answer)
            except (ProtocolError, TypeError, MemoryError):
                answer = row.answer
        if turn.answered is not None:
            fits = self._is_given(answer, *turn.answered)
        elif status == DONE and turn.reply is None:
            fits = self._fits_later(answer)
        elif status == DONE:
            fits = self._is(answer, turn.reply)
        elif status == FAILED:
            error = answer.get("err") if isinstance(answer, dict) else None
            fits = isinstance(error, str)
            if turn.removed_by is None:
                fits = error == f"failed: {self._turns.actor}: {row.reason}"
        else:
            fits = answer is None
        if not fits:
            expected = {DONE: "its reply", FAILED: "its failure"}.get(status, "none yet")
            found = f"the answer of message {row.message} is {shown(answer)}"
            self._wrong(found, f"{expected}, as is chained")

    def _is(self, answer: Any, reply: Any) -> bool:
        content = answer.get("ok") if isinstance(answer, dict) and len(answer) == 1 else None
        if not isinstance(content, bytes):
            return False
        hash = ref_hash(reply)
        return content_hash(content) == hash if hash is not None else bool(content == reply)

    def _is_given(self, answer: Any, function: str, reply: Any) -> bool:
        if function == RESPOND[1]:
            return self._is(answer, reply)
        return isinstance(answer, dict) and str(answer.get("err")).startswith(CANCELLED)

    def _fits_later(self, answer: Any) -> bool:
        """An answer that no event of this turn gave; or there is none yet."""
        row, turns = self._row, self._turns
        if answer is None or row.message_status == OUTSTANDING:
            outstanding = row.message_status == OUTSTANDING or turns.version < 4
            return outstanding and answer is None
        if not isinstance(answer, dict):
            return False
        content, error = answer.get("ok"), answer.get("err")
        if isinstance(content, bytes):
            turns.expect(turns.actor, row.name(), RESPOND[1], content_hash(content))
        elif isinstance(error, str) and error.startswith(CANCELLED):
            turns.expect(turns.actor, row.name(), CANCEL[1], None)
        return isinstance(content, bytes) or isinstance(error, str)

    def _called(self) -> None:
        """The state and the parameters of its call."""
        turn, turns, row = self._turn, self._turns, self._row
        call = turn.call
        if call is None:
            return
        payload = call.payload
        if not isinstance(payload, list) or len(payload) != 2 or not isinstance(payload[1], list):
            turns.wrong(call, f"a call with {shown(payload)}", "[state, parameters]")
            return
        state, parameters = payload
        given = None if state is None else ref_hash(state)
        if state is not None and given is None:
            turns.wrong(call, f"called with state {shown(state)}", "a reference or none")
        elif turn.kind == INIT:
            sure = turns.life.sure and call.seq >= turns.old_until
            if sure and given != turn.initial_state:
                expected = f"{shown(turn.initial_state)}, the initial state"
                turns.wrong(call, f"called with state {shown(given)}", expected)
        elif turns.state_sure and given != turns.state:
            expected = f"{shown(turns.state)}, the one before"
            turns.wrong(call, f"called with state {shown(given)}", expected)
        if turn.kind == INIT:
            if parameters != [turns.actor]:
                turns.wrong(call, f"called with {shown(parameters)}", "its own name")
            return
        if row.message_id is None:
            return
        if turn.kind in calls.TOLD or turn.kind in CHILDREN:
            self._told(call, parameters)
            return
        if turn.kind == CHANNEL_CLOSE:
            parameters = [*parameters, b""]
        if turn.kind == TICK:  # which is given the name that its message has as bytes
            parameters = [each.encode() for each in parameters if isinstance(each, str)]
        *others, body = parameters or [None]
        if others != ([] if turn.kind in (SEND, TICK, LOOP) else [row.name()]):
            turns.wrong(call, f"called with {shown(others)}", shown(row.name()))
        if not same_content(body, row.body, row.body_hash):
            turns.wrong(call, f"called with {shown(body)}", f"message {row.message}")

    def _told(self, call: Crossing, parameters: Any) -> None:
        """What stands in the message is what it was told of a child, or called with by another."""
        row = self._row
        body = row.content if row.body is None else row.body
        try:
            told = calls.parameters(row.kind, row.name(), body)
            expected = [externalise(each, []) for each in told]
            export = calls.called(row.kind, body)
        except (ValueError, TypeError, RecursionError, msgpack.UnpackException):
            self._turns.wrong(call, f"message {row.message} of {shown(body)}", "what can be told")
            return
        if parameters != expected:
            self._turns.wrong(call, f"called with {shown(parameters)}", f"message {row.message}")
        elif call.name != export:
            expected_name = f"{shown('.'.join(export))}, as message {row.message} has it"
            self._turns.wrong(call, f"a call of {shown('.'.join(call.name))}", expected_name)


def same_content(value: Any, body: Any, body_hash: Any) -> bool:
    """Whether a value in an event is what a message holds, itself or by its hash."""
    hash = ref_hash(value)
    if hash is None:
        if not isinstance(value, bytes):
            return False
        return bool(body == value if body_hash is None else content_hash(value) == body_hash)
    if body_hash is not None:
        return bool(hash == body_hash)
    return isinstance(body, bytes) and content_hash(body) == hash
