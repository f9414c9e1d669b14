"""Decide which states' bytes are kept. Pure.

The hash of every turn's state is in the log for good. Its bytes are kept

- of the last turn, as long as it is the last;
- of the turn that an incarnation begins after, and of the first that it ends: a replay of the
  incarnation begins there;
- of the turn before one that failed, or of whose input a delivery failed;
- of every `state_every`-th turn.

A state that is kept stands among the contents (`blobs`). One that may go again stands in the one
row that its actor has in `last_states`, and the next one takes its place there: what is not kept
takes no room, and of a large state with a small change SQLite writes only the pages that differ.
Several states of one group commit are written once.
"""

from __future__ import annotations

from theater.broker.actors import Actor
from theater.broker.book import Book
from theater.broker.step import Step

LARGE_BYTES = 64 * 1024  # of a state; where nothing is said, every turn's is kept up to this size
LARGE_EVERY = 100  # ... and of larger ones every hundredth


def is_kept(turn: int, size: int, state_every: int | None, is_first: bool) -> bool:
    """Whether the state after this turn, of `size` bytes, is kept whatever comes.

    `is_first`: of its incarnation.
    """
    every = state_every or (1 if size <= LARGE_BYTES else LARGE_EVERY)
    return is_first or turn % every == 0


def end_turn(book: Book, actor: Actor, step: Step) -> None:
    """A turn has ended: its state is the actor's from now on. `step` is its last one."""
    every, is_first = actor.settings.state_every, actor.ended_turns == 0
    if step.state == actor.state:
        if actor.loose_bytes is not None and is_kept(step.turn, actor.loose_bytes, every, is_first):
            book.keep_state(actor)
        return
    if actor.loose_bytes is not None:
        book.batch.last_states[actor.id] = None
        actor.loose_bytes = None
    actor.state = step.state
    if step.state is None or step.state_bytes is None:
        return  # there is none, or it is among the contents for another reason
    if is_kept(step.turn, len(step.state_bytes), every, is_first):
        book.batch.blobs.append((step.state, step.state_bytes))
    else:
        book.batch.last_states[actor.id] = (step.state, step.state_bytes)
        actor.loose_bytes = len(step.state_bytes)
