"""Hold dead letters to the messages, turns, evidence and decisions that they are about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from theater.fsck.across import LETTERS, LetterRow
from theater.fsck.findings import shown
from theater.fsck.numbering import Numbering
from theater.fsck.source import as_of
from theater.fsck.tools import Tools

DECISIONS = ("open", "retried", "dropped")


class Letters:
    """`scratch` holds the dead messages and the decisions that `post` has met."""

    def __init__(self, tools: Tools, last_letter: int) -> None:
        self._file, self._version, self._scratch, self._contents, self._reports = tools
        self._last_letter = last_letter
        self.count = 0

    def check(self, went_on: Callable[[], bool]) -> None:
        """Each dead message has one; each is about a dead message. After the messages."""
        order = Numbering("dead letter", self._reports)
        for row in self._file.pages(as_of(LETTERS, self._version), LETTERS.keys):
            letter = LETTERS.make(*row)
            if letter.id <= self._last_letter:
                self.count += 1
                order.take(letter.id)
            misfits = list(LETTERS.misfits(letter))
            for found, expected in misfits:
                self._reports.wrong(found, expected, **{"dead letter": letter.id})
            if not misfits:
                self._judge_letter(letter, went_on)
        order.end(self._last_letter)
        for (id,) in self._scratch.rows("SELECT message FROM dead ORDER BY message"):
            self._reports.wrong("it is dead, and there is no dead letter", "one", message=id)

    def _judge_letter(self, letter: LetterRow, went_on: Callable[[], bool]) -> None:
        def wrong(found: str, expected: str) -> None:
            self._reports.wrong(found, expected, **{"dead letter": letter.id})

        if letter.state is not None:
            self._contents.want(letter.state, "", "dead letter", letter.id)
        if letter.message is not None:
            if letter.message_id is None:
                wrong(f"its message {letter.message} is not there", "in messages")
            elif letter.message_status != "dead":
                wrong(f"its message {letter.message} is {shown(letter.message_status)}", "dead")
            elif letter.to_name != letter.actor:
                found = f"for {shown(letter.actor)}, and message {letter.message} is to"
                wrong(f"{found} {shown(letter.to_name)}", "the same")
            elif letter.turn is not None and letter.message_turn != letter.turn:
                found = f"turn is {letter.turn}, and of message {letter.message}"
                wrong(f"{found} {shown(letter.message_turn)}", "the same")
            gone = self._scratch.run("DELETE FROM dead WHERE message = ?", (letter.message,))
            if not gone and letter.message_status == "dead" and letter.id <= self._last_letter:
                wrong(f"message {letter.message} has another one", "one for each")
        self._judge_turn(letter, wrong)
        self._judge_decision(letter, went_on, wrong)

    def _judge_turn(self, letter: LetterRow, wrong: Any) -> None:
        if letter.evidence is not None:
            if letter.evidence_id is None:
                wrong(f"its evidence {letter.evidence} is not there", "in evidence")
            elif (letter.evidence_actor, letter.evidence_turn) != (letter.actor, letter.turn):
                whose = f"{shown(letter.evidence_actor)}, turn {shown(letter.evidence_turn)}"
                wrong(f"its evidence {letter.evidence} is of {whose}", "of its own turn")
        if letter.turn is None:
            return
        if letter.turn_status is None:
            wrong(f"its turn {letter.turn} of {shown(letter.actor)} is not there", "in turns")
            return
        if letter.turn_status != "failed":
            wrong(f"its turn {letter.turn} is {shown(letter.turn_status)}", "failed")
        if letter.state != letter.turn_state:
            wrong(f"state is {shown(letter.state)}", f"{shown(letter.turn_state)}, as in its turn")
        if letter.reason != letter.turn_reason:
            found = f"reason is {shown(letter.reason)}"
            wrong(found, f"{shown(letter.turn_reason)}, as in its turn")

    def _judge_decision(self, letter: LetterRow, went_on: Callable[[], bool], wrong: Any) -> None:
        if letter.status not in DECISIONS:
            wrong(f"status is {shown(letter.status)}", ", ".join(DECISIONS))
            return
        is_open, is_retried = letter.status == "open", letter.status == "retried"
        if is_open != (letter.decided_at is None) or is_open != (letter.client is None):
            wrong(f"it is {letter.status}, with a time or a client", "both, or it open")
        if is_retried != (letter.again is not None):
            wrong(f"it is {letter.status}, as message {shown(letter.again)}", "one if retried")
        known = self._scratch.rows("SELECT 1 FROM decided WHERE letter = ?", (letter.id,))
        chained = next(known, None) is not None
        if not is_open and not chained and not went_on():
            wrong(f"it is {letter.status}, and that is not chained", "a dead-letter event")
