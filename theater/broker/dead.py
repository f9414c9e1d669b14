"""Decide what becomes of a dead letter when somebody says so: retried, or dropped. Pure.

A letter is decided about once, whatever comes of it: a message that is set aside again is a dead
letter of its own. What is decided is chained with the actor that the letter was for; if none is
there, with the root supervisor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from theater.broker.actors import ROOT
from theater.broker.mailbox import Message
from theater.broker.post import Post
from theater.events import EventType

OPEN, RETRIED, DROPPED = "open", "retried", "dropped"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as the log has it."""

    id: int
    actor: str  # the address it was for
    status: str
    again: int | None  # of one that was retried: the message it is now
    message: Message | None
    why_none: str = ""  # there is no message


def letter_from(id: int, row: tuple[Any, ...]) -> Letter:
    """A row of the log: see `Log.dead_letter`."""
    actor, status, again, message, kind, sender, sender_id, turn, index, body, channel = row
    if message is None or body is None:
        why_none = "it was an init" if message is None else "its content is not in the log"
        return Letter(id, actor, status, again, None, why_none=why_none)
    dead = Message(message, kind, sender, turn, index, None, bytes(body))
    dead.sender_id, dead.channel = sender_id, channel
    return Letter(id, actor, status, again, dead)


def retry(post: Post, letter: Letter, client: str) -> tuple[int, str | None]:
    """Put its message at the end of the mailbox as a new one. Returns the id of that, or why not.

    It keeps its kind and its sender. If it is a request nobody waits for the answer: whoever asked
    has had an error.
    """
    error = _decided(post, letter)
    if error is not None:
        return 0, error
    if letter.message is None:
        return 0, f"refused: dead letter {letter.id} has no message: {letter.why_none}"
    again, error = post.deliver_again(letter.message, letter.actor)
    if error is None:
        _decide(post, letter, RETRIED, again, client)
    return again, error


def drop(post: Post, letter: Letter, client: str) -> str | None:
    """Let it be. Returns why not."""
    error = _decided(post, letter)
    if error is None:
        _decide(post, letter, DROPPED, None, client)
    return error


def _decided(post: Post, letter: Letter) -> str | None:
    """What has been decided already, maybe a moment ago; None: nothing."""
    status, again = letter.status, letter.again
    for row in post.batch.letters:
        if row[-1] == letter.id:
            status, again = row[:2]
    if status == OPEN:
        return None
    how = f", as message {again}" if status == RETRIED else ""
    return f"refused: dead letter {letter.id} has been {status} already{how}"


def _decide(post: Post, letter: Letter, decision: str, again: int | None, client: str) -> None:
    payload: dict[str, Any] = {"id": letter.id, "decision": decision}
    if again is not None:
        payload["message"] = again
    chain = post.chain(letter.actor)
    if chain is None:
        chain = post.supervisors[ROOT]
        payload["subject"] = letter.actor
    post.lifecycle(chain, EventType.DEAD_LETTER, payload)
    post.batch.letters.append((decision, again, client, post.at, letter.id))
