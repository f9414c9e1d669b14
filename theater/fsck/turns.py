"""Hold the rows about an actor's turns to the events of its chain. Pure.

What must hold: the numbers of turns grow by one; a turn is done if and only if its chain has a
result of it; it was called with the state after the last turn that was done, and with the message
that its row names; each part of it that ends with an ask or the result has a row in `steps`, each
ask one in `asks`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgpack

from theater import wire
from theater.errors import ProtocolError
from theater.events import CHAIN_CODE, EventType, content_hash, ref_hash
from theater.fsck.ahead import Ahead
from theater.fsck.chain import ASKS, CALLS, HELD, IN_TURNS, Crossing
from theater.fsck.findings import Reports, shown
from theater.fsck.life import Life
from theater.fsck.rows import AskRow, EvidenceRow, StepRow, TurnRow

WAITING, OPEN, DONE, FAILED = "waiting", "open", "done", "failed"
INIT, SEND, REQUEST = "init", "send", "request"
QUEUED, DEAD = "queued", "dead"
TIMEOUT = "timeout: "
END = (1 << 64,)  # a key after every other


@dataclass(slots=True)
class Ask:
    at: Crossing
    row: AskRow | None


@dataclass(slots=True)
class Turn:
    """What a chain says of one turn."""

    number: int
    sure: bool = True  # nothing of it is missing
    after_gap: bool = False  # turns before it may be missing, which is told
    incarnation: int = 0
    index: int = 0  # of its next event
    kind: str = ""
    call: Crossing | None = None
    initial_state: bytes | None = None  # as it was when an init was called
    steps: int = 0
    ask: Ask | None = None  # that has no answer yet
    result: Crossing | None = None
    state: bytes | None = None
    reply: Any = None
    fuel: int = 0
    failures: int = 0  # turn-failed events
    failed_by: int = 0  # incarnation of the last of them
    failed_reason: Any = None
    set_aside: bool = False  # one of them after a step
    removed_by: int | None = None  # incarnation of an actor that was removed after it
    last_seq: int = 0
    time: float = 0  # when its row was written last

    def is_over(self) -> bool:
        return self.result is not None or self.set_aside


@dataclass(slots=True)
class Rows:
    turns: Ahead[TurnRow]
    steps: Ahead[StepRow]
    asks: Ahead[AskRow]
    evidence: Ahead[EvidenceRow]


@dataclass(slots=True)
class Turns:
    actor: str
    id: int
    life: Life
    rows: Rows
    old_until: float
    reports: Reports
    counted_until: int  # the last event that counts for
    timeouts: int = 0  # answers that say that time was up
    _turn: Turn | None = None
    _state: bytes | None = None  # after the last turn that is done
    _state_sure: bool = True
    _last_message: int = 0  # that a turn has consumed, or is about to
    _initialised: bool = False
    _sure: bool = True  # no turn is missing

    def _wrong(self, at: Crossing | None, found: str, expected: str, **where: str | int) -> None:
        if at is not None:
            turn = where.pop("turn", at.turn)
            where = {"turn": turn, "position": at.position, "seq": at.seq, **where}
        self.reports.wrong(found, expected, actor=self.actor, **where)

    # Events

    def take(self, at: Crossing) -> None:
        """An event of a turn."""
        if not at.sound and at.turn not in self._next_numbers():
            self.lost()
            return
        turn = self._turn_of(at, at.turn)
        if not at.follows:
            turn.sure = False
        if turn.is_over():
            self._wrong(at, "an event after the end of its turn", "before it")
            return
        if at.sound and turn.sure and at.index != turn.index:
            self._wrong(at, f"index {at.index}", f"{turn.index}, the next")
        turn.index = max(turn.index, at.index) + 1
        turn.last_seq = at.seq
        if turn.incarnation == 0:
            turn.incarnation = at.incarnation
        if not at.sound:
            turn.sure = False
        elif self.life.sure and not (
            self.life.alive and at.incarnation == self.life.incarnation == turn.incarnation
        ):
            found = f"of incarnation {at.incarnation}, which does not live or did not begin it"
            self._wrong(at, found, "of the one that lives")
        if turn.sure:
            self._crossing(turn, at)

    def failed(self, at: Crossing) -> None:
        """A `turn-failed` event."""
        payload = at.payload if isinstance(at.payload, dict) else {}
        number = payload.get("turn")
        if not at.sound or not isinstance(number, int):
            if at.sound:
                self._wrong(at, f"a failed turn {shown(number)}", "its number")
            self.lost()
            return
        turn = self._turn_of(at, number)
        if turn.is_over():
            self._wrong(at, f"turn {number} failed after its end", "the next one", turn=number)
            return
        turn.last_seq, turn.time = at.seq, at.time
        turn.failures += 1
        turn.failed_by = at.incarnation
        turn.failed_reason = payload.get("reason")
        turn.set_aside = turn.index > 0
        self._evidence(at, number, payload.get("evidence"))

    def removed(self, at: Crossing) -> None:
        if self._turn is not None:
            self._turn.removed_by = at.incarnation

    def lost(self) -> None:
        """Something that is not known any more was here."""
        self._sure = False
        if self._turn is not None:
            self._turn.sure = False

    def _next_numbers(self) -> tuple[int, int]:
        before = self._turn.number if self._turn is not None else 0
        return before, before + 1

    def _turn_of(self, at: Crossing, number: int) -> Turn:
        turn = self._turn
        before, expected = self._next_numbers()
        if turn is not None and number == before:
            return turn
        follows = number == expected
        whole = self._sure and at.follows and at.sound
        if not follows and whole:
            self._wrong(at, f"turn {number} after turn {before}", f"turn {expected}", turn=number)
        if not at.follows and turn is not None:
            turn.sure = False
        self._finish(last=False)
        turn = self._turn = Turn(number)
        if not follows or not whole:
            turn.sure = False
            turn.after_gap = not follows
            self._state_sure = self._state_sure and follows
        self._sure = True
        return turn

    # What happens in a turn

    def _crossing(self, turn: Turn, at: Crossing) -> None:
        if at.type not in IN_TURNS:
            self._wrong(at, f"{shown(at.type)} inside a turn", "what crosses the sandbox")
            return
        if at.type == EventType.HOST_ANSWER:
            self._answer(turn, at)
            return
        if turn.ask is not None:
            self._wrong(at, "it went on without its answer", "host-answer")
            turn.sure = False
            return
        if turn.call is None:
            self._before_call(turn, at)
        elif at.type == EventType.WASM_CALL:
            self._wrong(at, "a second call in one turn", "one")
            turn.sure = False
        elif at.type == EventType.WASM_RESULT:
            self._result(turn, at)
        elif at.asks():
            self._ask(turn, at)
        elif at.type == EventType.HOST_CALL and not (
            isinstance(at.payload, list) and len(at.payload) == 2
        ):
            self._wrong(at, f"a call with payload {shown(at.payload)}", "[arguments, answer]")

    def _before_call(self, turn: Turn, at: Crossing) -> None:
        if at.type == EventType.WASM_CALL:
            turn.call = at
            turn.initial_state = self.life.initial_state
            turn.kind = CALLS.get(at.name, "")
            if not turn.kind:
                self._wrong(at, f"a call of {shown('.'.join(at.name))}", "init or a message")
                turn.sure = False
            return
        harmless = at.type == EventType.LOG or (
            at.type == EventType.HOST_CALL and at.name not in HELD | ASKS and not at.asks()
        )
        if not harmless:
            self._wrong(at, f"{at.type} {shown(at.function)} before the call", "after it")
            turn.sure = False

    def _step_ends(self, turn: Turn, at: Crossing) -> None:
        key = (turn.number, turn.steps)
        turn.steps += 1
        turn.time = at.time
        self._extra_steps(self.rows.steps.before(key))
        if not self.rows.steps.at(key):
            self._wrong(at, "no row in steps for what ends here", f"step {key[1]}")
            return
        row = self.rows.steps.take()
        if row is None:
            return
        if row.last_event != at.seq:
            self._wrong(at, f"step {row.step} ends with event {row.last_event}", str(at.seq))
        if row.incarnation != at.incarnation:
            self._wrong(
                at, f"step {row.step} is of incarnation {row.incarnation}", str(at.incarnation)
            )

    # Asks

    def _ask(self, turn: Turn, at: Crossing) -> None:
        if at.name not in ASKS:
            self._wrong(at, f"{shown('.'.join(at.name))} without an answer", "one")
            turn.sure = False
            return
        self._step_ends(turn, at)
        turn.ask = Ask(at, self._ask_row(turn, at))

    def _ask_row(self, turn: Turn, at: Crossing) -> AskRow | None:
        key = (turn.number, at.index)
        self._extra_asks(self.rows.asks.before(key))
        if not self.rows.asks.at(key):
            self._wrong(at, "no row in asks", "one for each ask")
            return None
        row = self.rows.asks.take()
        if row is None:
            return None
        if row.kind != at.function:
            self._wrong(at, f"kind is {shown(row.kind)} in asks", shown(at.function))
        asked_until = row.timeout_s if row.timeout_s is not None else 0
        if (row.message is None) != (row.timeout_s is None) or asked_until < 0:
            expected = "none, as there is no message" if row.message is None else "a time"
            self._wrong(at, f"timeout_s is {shown(row.timeout_s)} in asks", expected)
        if row.message is None:
            return row
        if at.function != "request":
            self._wrong(at, f"message {row.message} in asks", "none")
        elif row.message_id is None:
            self._wrong(at, f"its message {row.message} is not there", "in messages")
        elif (row.from_actor, row.from_turn, row.from_index, row.message_kind) != (
            self.id,
            at.turn,
            at.index,
            REQUEST,
        ):
            self._wrong(at, f"its message {row.message} is of another event", "of this one")
        return row

    def _extra_asks(self, rows: Iterable[tuple[tuple[int, ...], AskRow | None]]) -> None:
        for (number, index), _ in rows:
            if self._judged(number):
                self._wrong(
                    None,
                    "a row in asks, and its chain has no ask",
                    "both",
                    turn=number,
                    index=index,
                )

    def _extra_steps(self, rows: Iterable[tuple[tuple[int, ...], StepRow | None]]) -> None:
        for (number, step), _ in rows:
            if self._judged(number):
                self._wrong(
                    None, "a row in steps, and its chain has none", "both", turn=number, step=step
                )

    def _judged(self, number: int) -> bool:
        """Whether what is said of this turn is worth saying: nothing of it is missing."""
        turn = self._turn
        if turn is None:
            return self._sure
        return turn.sure if number == turn.number else not turn.after_gap

    def _answer(self, turn: Turn, at: Crossing) -> None:
        ask, turn.ask = turn.ask, None
        if ask is None or ask.at.index + 1 != at.index or ask.at.name != at.name:
            self._wrong(at, f"an answer of {shown(at.function)}", "right after its ask")
            turn.sure = False
            return
        if not isinstance(at.payload, list) or len(at.payload) != 1:
            self._wrong(at, f"payload {shown(at.payload)}", "[answer]")
            return
        (value,) = at.payload
        if ask.row is not None and ask.row.status != "answered":
            self._wrong(ask.at, f"its ask is {shown(ask.row.status)}", '"answered", as is chained')
        if at.function == "get-chain":
            self._chain_part(ask.at, at, value)
        else:
            self._reply(ask, at, value)

    def _chain_part(self, ask: Crossing, at: Crossing, value: Any) -> None:
        """It says where the part lies: up to the ask, as it was then."""
        part = None
        if isinstance(value, msgpack.ExtType) and value.code == CHAIN_CODE:
            with contextlib.suppress(ProtocolError):
                part = wire.unpack(value.data)
        fits = False
        if isinstance(part, list) and len(part) == 4 and isinstance(part[1], int):
            fits = 0 <= part[1] <= ask.position
            fits = fits and (part[0], *part[2:]) == (self.actor, ask.position, ask.hash)
        if not fits:
            self._wrong(at, "a part of another chain, or of none", "its own up to the ask")

    def _reply(self, ask: Ask, at: Crossing, value: Any) -> None:
        error = value.get("err") if isinstance(value, dict) else None
        if isinstance(error, str) and error.startswith(TIMEOUT):
            self.timeouts += at.seq <= self.counted_until
        row = ask.row
        if row is None:
            return
        if row.message is None:
            if not (isinstance(error, str) and error.startswith("cycle: ")):
                self._wrong(ask.at, "a request without a message in asks", "one: it was no cycle")
            return
        status = row.message_status
        if error is None and status is not None and status != DONE:
            self._wrong(at, f"an answer of message {row.message}, which is {status}", "done")
        elif isinstance(error, str) and error.startswith("failed: ") and status not in (DEAD, None):
            self._wrong(at, f"a failure of message {row.message}, which is {status}", "dead")

    # Ends

    def _result(self, turn: Turn, at: Crossing) -> None:
        self._step_ends(turn, at)
        turn.result = at
        try:
            value, turn.fuel = at.payload
            returned = value["ok"]
            state = returned[0]
            turn.state = None if state is None else ref_hash(state)
            if len(returned) != (2 if turn.kind == REQUEST else 1):
                raise ValueError
            if state is not None and turn.state is None:
                raise ValueError
            if turn.kind == REQUEST:
                (turn.reply,) = returned[1]
        except (ValueError, TypeError, KeyError, IndexError):
            self._wrong(at, f"a result {shown(at.payload)}", "[{ok: [state, ...]}, fuel]")
            turn.sure = False

    def _evidence(self, at: Crossing, number: int, hash: Any) -> None:
        if hash is None:
            return
        wanted = (number, at.incarnation)
        rows = self.rows.evidence
        while (row := rows.row) is not None and row.hash != hash:
            if (row.turn, row.incarnation) >= wanted:
                break
            self._wrong(None, "is chained in no turn-failed", "in one", evidence=row.id)
            rows.take()
        if row is None and rows.key is not None:  # it is told already
            rows.take()
        elif row is None or (row.hash != hash and (row.turn, row.incarnation) != wanted):
            self._wrong(at, f"its evidence {shown(hash)} is not there", "in evidence", turn=number)
        else:
            rows.take()
            self._compare_evidence(at, row, number, hash)

    def _compare_evidence(self, at: Crossing, row: EvidenceRow, number: int, hash: Any) -> None:
        if row.hash != hash:
            found = f"evidence {row.id} has hash {shown(row.hash)}"
            self._wrong(at, found, f"{shown(hash)}, as is chained", turn=number)
        if (row.turn, row.incarnation) != (number, at.incarnation):
            found = f"evidence {row.id} is of turn {row.turn}, incarnation {row.incarnation}"
            self._wrong(at, found, f"of turn {number}, incarnation {at.incarnation}", turn=number)

    def _finish(self, last: bool) -> None:
        """A turn of which no event comes any more."""
        turn = self._turn
        if turn is None:
            return
        number = turn.number
        self._extra_turns(self.rows.turns.before((number,)))
        row, there = None, self.rows.turns.at((number,))
        if there:
            row = self.rows.turns.take()
        self._extra_steps(self.rows.steps.before((number + 1,)))
        self._extra_asks(self.rows.asks.before((number + 1,)))
        if not there:
            found = "no row in turns, and its chain has events of it"
            self._wrong(None, found, "both", turn=number)
        elif row is not None and turn.sure:
            Verdict(self, turn, row, last).give()
        if turn.result is not None and turn.sure:
            self._state, self._state_sure = turn.state, True
            self._initialised = self._initialised or turn.kind == INIT
        elif not turn.sure:
            # As its row has it: what follows shows whether that is right.
            known = row is not None and row.status in (DONE, FAILED)
            self._state_sure = known
            self._state = row.state if known and row is not None else None
            if row is not None and row.kind == INIT and row.status == DONE:
                self._initialised = True
        self._turn = None

    def _extra_turns(self, rows: Iterable[tuple[tuple[int, ...], TurnRow | None]]) -> None:
        for (number,), row in rows:
            if row is not None and self._judged(number):
                found = f"a row with status {shown(row.status)}, and its chain has nothing of it"
                self._wrong(None, found, "both", turn=number)

    def end(self, first_queued: int | None) -> bool | None:
        """All events have been seen. `first_queued`: the oldest message that waits, of the same
        moment. Returns whether an init is done; None: that is unsure."""
        last = self._turn
        sure = self._sure and self.life.sure and (last is None or last.sure)
        self._finish(last=True)
        self._sure = sure
        self._extra_turns(self.rows.turns.before(END))
        self._extra_steps(self.rows.steps.before(END))
        self._extra_asks(self.rows.asks.before(END))
        for (id,), _ in self.rows.evidence.before(END):
            if sure:
                self._wrong(None, "is chained in no turn-failed", "in one", evidence=id)
        if first_queued is not None and last is not None and sure:
            self._queue(first_queued, last)
        return self._initialised if sure else None

    def _queue(self, first: int, last: Turn) -> None:
        """What waits comes after what has been consumed; an open turn is about the first."""
        if first < self._last_message:
            found = f"message {first} waits, and message {self._last_message} had its turn"
            self._wrong(None, found, "in order")


class Verdict:
    """Compare a turn's row with what its chain says."""

    def __init__(self, turns: Turns, turn: Turn, row: TurnRow, last: bool) -> None:
        self._turns = turns
        self._turn = turn
        self._row = row
        self._last = last

    def _wrong(self, found: str, expected: str) -> None:
        self._turns._wrong(None, found, expected, turn=self._turn.number)

    def give(self) -> None:
        status = self._status()
        if status is None:
            return
        turn, row = self._turn, self._row
        if row.steps != turn.steps:
            self._wrong(f"steps is {row.steps} in turns", f"{turn.steps}, as are chained")
        if turn.kind and row.kind != turn.kind:
            self._wrong(f"kind is {shown(row.kind)} in turns", shown(turn.kind))
        if row.kind not in (INIT, SEND, REQUEST):
            self._wrong(f"kind is {shown(row.kind)} in turns", "init, send or request")
        fuel = turn.fuel if status == DONE else None
        if row.fuel != fuel:
            self._wrong(f"fuel is {shown(row.fuel)} in turns", f"{shown(fuel)}, as is chained")
        if (
            row.time != turn.time
            and turn.removed_by is None
            and turn.last_seq >= self._turns.old_until
        ):
            self._wrong(f"at is {row.time} in turns", f"{turn.time}, as of its last event")
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
        elif turns._state_sure and self._row.state != turns._state:
            found = f"state is {shown(self._row.state)} in turns"
            self._wrong(found, f"{shown(turns._state)}, as before the turn")

    def _incarnation(self, status: str) -> None:
        turn = self._turn
        if status in (DONE, OPEN):
            allowed = {turn.incarnation}
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
        count = turn.failures
        allowed = {count}
        if status == FAILED and count:
            allowed.add(
                count - 1
            )  # the last one was no delivery: its guest failed, or a step's end
        if turn.steps > 1 or (turn.steps and status != DONE):
            allowed.add(0)  # a broker that takes it up again has not counted them
        if row.deliveries not in allowed:
            found = f"deliveries is {row.deliveries} in turns"
            self._wrong(found, f"{count}, as failures are chained")
        if status in (DONE, OPEN):
            if row.reason is not None:
                self._wrong(f"reason is {shown(row.reason)} in turns", "none")
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
            self._turns._wrong(ask.at, found, f"{expected}: no answer is chained")

    def _message(self, status: str) -> None:
        row, turns = self._row, self._turns
        if row.kind == INIT:
            if row.message is not None:
                self._wrong(f"an init with message {row.message}", "none")
            return
        if row.message is None:
            self._wrong("no message", "the one that it handled")
            return
        if row.message <= turns._last_message:
            found = f"message {row.message} after message {turns._last_message}"
            self._wrong(found, "in order, each once")
        turns._last_message = max(turns._last_message, row.message)
        if row.message_id is None:
            self._wrong(f"its message {row.message} is not there", "in messages")
            return
        if row.to_actor != turns.id:
            self._wrong(f"its message {row.message} is to another actor", "to this one")
        if row.message_kind != row.kind:
            found = f"its message {row.message} is of kind {shown(row.message_kind)}"
            self._wrong(found, shown(row.kind))
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
            return {(DONE, turn.number)}
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
        if status == DONE:
            fits = answer is None if turn.reply is None else self._is_reply(answer)
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

    def _is_reply(self, answer: Any) -> bool:
        content = answer.get("ok") if isinstance(answer, dict) and len(answer) == 1 else None
        if not isinstance(content, bytes):
            return False
        hash = ref_hash(self._turn.reply)
        return content_hash(content) == hash if hash is not None else content == self._turn.reply

    def _called(self) -> None:
        """The state and the parameters of its call."""
        turn, turns, row = self._turn, self._turns, self._row
        call = turn.call
        if call is None:
            return
        payload = call.payload
        if not isinstance(payload, list) or len(payload) != 2 or not isinstance(payload[1], list):
            turns._wrong(call, f"a call with {shown(payload)}", "[state, parameters]")
            return
        state, parameters = payload
        given = None if state is None else ref_hash(state)
        if state is not None and given is None:
            turns._wrong(call, f"called with state {shown(state)}", "a reference or none")
        elif turn.kind == INIT:
            sure = turns.life.sure and call.seq >= turns.old_until
            if sure and given != turn.initial_state:
                expected = f"{shown(turn.initial_state)}, the initial state"
                turns._wrong(call, f"called with state {shown(given)}", expected)
        elif turns._state_sure and given != turns._state:
            expected = f"{shown(turns._state)}, the one before"
            turns._wrong(call, f"called with state {shown(given)}", expected)
        if turn.kind == INIT:
            if parameters != [turns.actor]:
                turns._wrong(call, f"called with {shown(parameters)}", "its own name")
            return
        if row.message_id is None:
            return
        *others, body = parameters or [None]
        if others != ([row.request_id()] if turn.kind == REQUEST else []):
            turns._wrong(call, f"called with {shown(others)}", shown(row.request_id()))
        if not same_content(body, row.body, row.body_hash):
            turns._wrong(call, f"called with {shown(body)}", f"message {row.message}")


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
