"""Hold the rows about an actor's turns to the events of its chain. Pure.

What must hold: the numbers of turns grow by one; a turn is done if and only if its chain has a
result of it; it was called with the state after the last turn that was done, and with the message
that its row names; each part of it that ends with an ask or the result has a row in `steps`, each
ask one in `asks`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from theater import wasi
from theater.events import IN_TURNS, EventType
from theater.fsck.ahead import Ahead
from theater.fsck.asks import Asks, Expect
from theater.fsck.chain import (
    ASKS,
    CANCEL,
    HELD,
    RESPOND,
    Crossing,
    kind_of,
)
from theater.fsck.evidence import Evidence
from theater.fsck.findings import Reports, shown
from theater.fsck.granted import has_effect, is_own, why_no_ask
from theater.fsck.life import Life
from theater.fsck.rows import AskRow, EvidenceRow, StepRow, TurnRow
from theater.fsck.turn import (
    DONE,
    FAILED,
    INIT,
    REQUEST,
    Ask,
    Turn,
    take_result,
)
from theater.fsck.verdict import Verdict

END = (1 << 64,)  # a key after every other
# Of a stream it cannot be told what it ends in.
COMMITTED_FIRST = (wasi.TYPES, wasi.HTTP)


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
    version: int  # of the schema
    expect: Expect  # an answer by a call: see answers.py
    _asks: Asks = field(init=False)
    _evidence: Evidence = field(init=False)
    _turn: Turn | None = None
    state: bytes | None = None  # after the last turn that is done
    state_sure: bool = True
    last_message: int = 0  # that a turn has consumed, or is about to
    carried: dict[int, int] = field(default_factory=dict)  # see Verdict.renumbered
    _initialised: bool = False
    _whole: bool = True  # no turn has ever been missing
    _sure: bool = True  # no turn is missing

    def __post_init__(self) -> None:
        self._asks = Asks(
            self.actor, self.id, self.rows.asks, self.counted_until, self.expect, self.wrong
        )
        self._evidence = Evidence(self.rows.evidence, self.wrong)

    @property
    def timeouts(self) -> int:
        """Answers that say that time was up."""
        return self._asks.timeouts

    def wrong(self, at: Crossing | None, found: str, expected: str, **where: str | int) -> None:
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
            self.wrong(at, "an event after the end of its turn", "before it")
            return
        if at.sound and turn.sure and at.index != turn.index:
            self.wrong(at, f"index {at.index}", f"{turn.index}, the next")
        turn.index = max(turn.index, at.index) + 1
        turn.last_seq = at.seq
        if turn.incarnation == 0:
            turn.incarnation = at.incarnation
        if not at.sound:
            turn.sure = False
        elif self.life.sure and at.type != EventType.HOST_ANSWER:  # which comes when it comes
            self._whose(turn, at)
        if turn.sure:
            self._crossing(turn, at)

    def _whose(self, turn: Turn, at: Crossing) -> None:
        if at.type == EventType.CARRIED_ON and turn.sure:
            turn.incarnation = at.incarnation
        if not (self.life.alive and at.incarnation == self.life.incarnation == turn.incarnation):
            found = f"of incarnation {at.incarnation}, which does not live or does not run it"
            self.wrong(at, found, "of the one that lives and has begun it or carried it on")

    def failed(self, at: Crossing) -> None:
        """A `turn-failed` event."""
        payload = at.payload if isinstance(at.payload, dict) else {}
        number = payload.get("turn")
        if not at.sound or not isinstance(number, int):
            if at.sound:
                self.wrong(at, f"a failed turn {shown(number)}", "its number")
            self.lost()
            return
        turn = self._turn_of(at, number)
        if turn.is_over():
            self.wrong(at, f"turn {number} failed after its end", "the next one", turn=number)
            return
        turn.last_seq, turn.time = at.seq, at.time
        turn.failures += 1
        turn.failed_by = at.incarnation
        turn.failed_reason = payload.get("reason")
        turn.set_aside = turn.index > 0 and payload.get("again") is not True
        self._evidence.take(at, number, payload.get("evidence"))

    def state_now(self) -> bytes | None:
        """The hash of the actor's state after all that has been seen; None: none, or unsure."""
        turn = self._turn
        if turn is not None and turn.result is not None:
            return turn.state if turn.sure else None
        return self.state if self.state_sure else None

    def created(self, at: Crossing) -> None:
        """One that is resumed begins with its initial state, as if `init` had returned that."""
        self.state_sure = at.sound
        if self.life.resumed:
            self._initialised = True
            self.state = self.life.initial_state

    def removed(self, at: Crossing) -> None:
        if self._turn is not None:
            self._turn.removed_by = at.incarnation

    def began_anew(self, at: Crossing) -> None:
        """Its next turn is `init`. What the one before has not ended by then, it does not end."""
        self._initialised = False
        turn = self._turn
        if turn is None:
            return
        if not turn.is_over() and turn.removed_by is None:
            if turn.index:
                self.wrong(at, f"it begins anew in turn {turn.number}", "its end before")
                turn.sure = False
            turn.renumbered_by, turn.renumbered = at.incarnation, at.time
        turn.anew = True

    def lost(self) -> None:
        """Something that is not known any more was here."""
        self._sure = self._whole = False
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
            self.wrong(at, f"turn {number} after turn {before}", f"turn {expected}", turn=number)
        if not at.follows and turn is not None:
            turn.sure = False
        self._finish(last=False)
        turn = self._turn = Turn(number)
        if not follows or not whole:
            turn.sure = False
            turn.after_gap = not follows
            self._whole = False
            self.state_sure = self.state_sure and follows
        self._sure = True
        return turn

    # What happens in a turn

    def _crossing(self, turn: Turn, at: Crossing) -> None:
        if at.type not in IN_TURNS:
            self.wrong(at, f"{shown(at.type)} inside a turn", "what crosses the sandbox")
            return
        if at.type == EventType.HOST_ANSWER:
            self._answer(turn, at)
            return
        if turn.ask is not None and turn.ask.may_wait_for(at):
            turn.ask.answer_index = at.index + 1
        elif turn.ask is not None:
            self.wrong(at, "it went on without its answer", "host-answer")
            turn.sure = False
            return
        if turn.call is None:
            self._before_call(turn, at)
        elif at.type == EventType.CARRIED_ON:
            if at.name != turn.call.name or at.payload != []:
                self.wrong(at, f"it is carried on as {shown('.'.join(at.name))}", "as its call")
        elif at.type == EventType.WASM_CALL:
            self.wrong(at, "a second call in one turn", "one")
            turn.sure = False
        elif at.type == EventType.WASM_RESULT:
            self._result(turn, at)
        elif at.asks():
            self._ask(turn, at)
        elif at.type == EventType.HOST_CALL and not (
            isinstance(at.payload, list) and len(at.payload) == 2
        ):
            self.wrong(at, f"a call with payload {shown(at.payload)}", "[arguments, answer]")
        elif (
            at.type == EventType.HOST_CALL
            and is_own(at)
            and not has_effect(self.life, at, {"read"})
        ):
            found = f"{shown('.'.join(at.name))} was answered at once"
            self.wrong(at, found, "a grant for it, as one that only reads")
        elif at.interface in COMMITTED_FIRST and wasi.is_done(*at.name, at.payload):
            self.wrong(at, f"{shown(at.function)} was done at once", "committed before")
        elif at.type == EventType.HOST_CALL and at.name in (RESPOND, CANCEL) and not turn.answered:
            self._own_answer(turn, at)

    def _own_answer(self, turn: Turn, at: Crossing) -> None:
        """Whether this answers the request that the turn is about, and how."""
        with contextlib.suppress(TypeError, ValueError, LookupError):
            (id, *content), answer = at.payload
            assert turn.call is not None
            if turn.kind == REQUEST and "ok" in answer and turn.call.payload[1][0] == id:
                turn.answered = (at.function, content[0] if content else None)

    def _before_call(self, turn: Turn, at: Crossing) -> None:
        if at.type == EventType.WASM_CALL:
            turn.call = at
            turn.initial_state = self.life.initial_state
            turn.kind = kind_of(at.name)
            if not turn.kind:
                self.wrong(at, f"a call of {shown('.'.join(at.name))}", "init or a message")
                turn.sure = False
            elif self._whole and self.life.sure and (turn.kind == INIT) == self._initialised:
                expected = "a message, as it has been" if self._initialised else "init first"
                self.wrong(at, f"a call of {at.function}", expected)
            return
        harmless = at.type == EventType.LOG or (
            at.type == EventType.HOST_CALL and at.name not in HELD | ASKS and not at.asks()
        )
        if not harmless:
            self.wrong(at, f"{at.type} {shown(at.function)} before the call", "after it")
            turn.sure = False

    def _step_ends(self, turn: Turn, at: Crossing) -> None:
        key = (turn.number, turn.steps)
        turn.steps += 1
        turn.time = at.time
        self._extra_steps(self.rows.steps.before(key))
        if not self.rows.steps.at(key):
            self.wrong(at, "no row in steps for what ends here", f"step {key[1]}")
            return
        row = self.rows.steps.take()
        if row is None:
            return
        if row.last_event != at.seq:
            self.wrong(at, f"step {row.step} ends with event {row.last_event}", str(at.seq))
        if row.incarnation != at.incarnation:
            self.wrong(
                at, f"step {row.step} is of incarnation {row.incarnation}", str(at.incarnation)
            )

    # Asks

    def _ask(self, turn: Turn, at: Crossing) -> None:
        wrong = why_no_ask(self.life, at)
        if wrong is not None:
            self.wrong(at, *wrong)
            turn.sure = False
            return
        self._step_ends(turn, at)
        self._extra_asks(self.rows.asks.before((turn.number, at.index)))
        turn.ask = Ask(at, self._asks.row(at), at.index + 1)

    def _extra_asks(self, rows: Iterable[tuple[tuple[int, ...], AskRow | None]]) -> None:
        for (number, index), _ in rows:
            if self._judged(number):
                self.wrong(
                    None,
                    "a row in asks, and its chain has no ask",
                    "both",
                    turn=number,
                    index=index,
                )

    def _extra_steps(self, rows: Iterable[tuple[tuple[int, ...], StepRow | None]]) -> None:
        for (number, step), _ in rows:
            if self._judged(number):
                self.wrong(
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
        if ask is None or ask.answer_index != at.index or ask.at.name != at.name:
            self.wrong(at, f"an answer of {shown(at.function)}", "right after its ask")
            turn.sure = False
            return
        self._asks.answer(ask, at)

    # Ends

    def _result(self, turn: Turn, at: Crossing) -> None:
        self._step_ends(turn, at)
        turn.result = at
        try:
            take_result(turn, at)
        except (ValueError, TypeError, KeyError, IndexError):
            self.wrong(at, f"a result {shown(at.payload)}", "[{ok: [state, ...]}, fuel]")
            turn.sure = False

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
            self.wrong(None, found, "both", turn=number)
        elif row is not None and turn.sure:
            Verdict(self, turn, row, last).give()
        if turn.result is not None and turn.sure:
            self.state, self.state_sure = turn.state, True
            self._initialised = self._initialised or (turn.kind == INIT and not turn.anew)
        elif not turn.sure:
            # As its row has it: what follows shows whether that is right.
            known = row is not None and row.status in (DONE, FAILED)
            self.state_sure = known
            self.state = row.state if known and row is not None else None
            if row is not None and row.kind == INIT and row.status == DONE:
                self._initialised = not turn.anew
        self._turn = None

    def _extra_turns(self, rows: Iterable[tuple[tuple[int, ...], TurnRow | None]]) -> None:
        for (number,), row in rows:
            if row is not None and self._judged(number):
                found = f"a row with status {shown(row.status)}, and its chain has nothing of it"
                self.wrong(None, found, "both", turn=number)

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
        self._evidence.end(sure)
        # What waits comes after what has been consumed; an open turn is about the first.
        if sure and last is not None and (first_queued or self.last_message) < self.last_message:
            found = f"message {first_queued} waits, and message {self.last_message} had its turn"
            self.wrong(None, found, "in order")
        return self._initialised if sure else None
