"""Decide how an actor's loop goes on, round by round. Pure.

A loop is one message in its actor's own mailbox, of kind `loop`, whose body is the loop state: the
round that handles it leaves the next one, which is put at the end, behind all that waits. So other
messages come in between, a round that is interrupted is delivered again as every input is, and an
actor that is stopped has its loop when it is started again. There is no table of loops: what is
known at start-up is which message waits.

An actor has one loop at most, and so one such message that has not been handled. It is taken out of
the mailbox when the loop is stopped, or started anew. A worker has it only as the first of what it
holds (see handing.py), so nobody has it then but the round itself, which has no next one after
that. A round that is set aside has ended the loop: its dead letter has the loop state, and retried
it is a loop again, unless there is another one by then.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from theater.broker.actors import LOOP, Actor
from theater.broker.mailbox import Message
from theater.broker.step import BadStep, Effect, takes_effect
from theater.calls import LOOP as INTERFACE
from theater.calls import START_LOOP
from theater.events import Event

if TYPE_CHECKING:
    from theater.broker.post import Post

# What an actor does


def check(actor: Actor, effects: Iterable[Effect]) -> None:
    """Whether it may do this in a step."""
    for effect in effects:
        if effect.interface != INTERFACE:
            continue
        if not actor.settings.may_loop:
            raise BadStep(f"it called {effect.function}, which its manifest does not grant")
        if effect.function == START_LOOP and LOOP not in actor.settings.takes:
            raise BadStep("it started a loop, and has no export for one")


def do(post: Post, actor: Actor, turn: int, effect: Effect) -> None:
    """Start a loop, instead of the one that there is; or stop it."""
    _end(post, actor)
    if effect.function == START_LOOP:
        assert effect.body is not None
        _put(post, actor, turn, effect.index, effect.body)


def _end(post: Post, actor: Actor) -> None:
    if actor.loop is None:
        return
    message, size = actor.loop
    actor.loop = None
    handled = actor.handed[0].message if actor.handed else None
    if handled is None or handled.id != message:
        post.take_out(actor, message, size)


def _put(post: Post, actor: Actor, turn: int, index: int, state: bytes) -> None:
    """A full mailbox takes it too: there is but one."""
    message = _message(post, actor, turn, index, state)
    post.put_in(message, actor)
    actor.loop = message.id, len(state)


def _message(post: Post, actor: Actor, turn: int, index: int, state: bytes) -> Message:
    message = Message(post.next_message, LOOP, actor.name, turn, index, None, state)
    message.sender_id = actor.id
    return message


# What happens to it


def ended(
    post: Post, actor: Actor, message: Message, turn: int, index: int, state: bytes | None
) -> None:
    """A round is over. `state`: for the next one, if it wants one; `index`: of its result."""
    if not _forget(actor, message) or state is None:
        return  # its own turn has stopped it or started it anew, or it ends
    if actor.settings.may_loop:
        _put(post, actor, turn, index, state)
        return
    why = f"refused: the manifest of {actor.name} does not grant loop any more"
    post.post(_message(post, actor, turn, index, state), actor.name, why)


def set_aside(actor: Actor, message: Message) -> None:
    """A round is a dead letter: the loop has ended."""
    _forget(actor, message)


def _forget(actor: Actor, message: Message) -> bool:
    """Whether this was the loop's."""
    was = actor.loop is not None and actor.loop[0] == message.id
    if was:
        actor.loop = None
    return was


def why_not_again(actor: Actor) -> str | None:
    """Why a dead letter of a loop cannot be one again now."""
    if not actor.settings.may_loop:
        return f"refused: the manifest of {actor.name} does not grant loop"
    if actor.loop is not None:
        return f"refused: {actor.name} has another loop; it can be retried when that has ended"
    return None


def again(actor: Actor, message: Message) -> None:
    """A dead letter was retried: the loop goes on from there."""
    actor.loop = message.id, len(message.body)


def clear(post: Post, actor: Actor) -> None:
    """It begins anew. It has no worker."""
    _end(post, actor)


# Start-up


def load(post: Post, rows: Iterable[tuple[int, int, int]]) -> None:
    """Take up the last messages of loops that have not been handled: (actor, message, bytes)."""
    for id, message, size in rows:
        actor = post.by_id.get(id)
        if actor is not None:
            actor.loop = message, size


def reopened(actor: Actor, message: Message, events: Iterable[Event]) -> None:
    """The turn of a round is open: it may have stopped its loop already. Had it started another
    one that is there still, that would be the last."""
    if any(event.interface == INTERFACE and takes_effect(event) for event in events):
        _forget(actor, message)
